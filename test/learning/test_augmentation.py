"""A moved scene, seen and grasped, is what the moved image and the moved grasp say."""

import numpy as np
import pytest
import torch
from learning_toy import toy_data

from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import observe
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.augmentation import Motions, augmented
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.training import to_batch


def motions(mirrored=False, turned=0.0, shifted=(0.0, 0.0), m=1) -> Motions:
    repeat = torch.tensor([shifted], dtype=torch.float32).repeat(m, 1)
    return Motions(torch.tensor([mirrored] * m), torch.full((m,), float(turned)), repeat)


def image_of(frame: Frame) -> tuple[torch.Tensor, np.ndarray]:
    """(1, 5, 64, 64), and camera_from_object."""
    found = object_frame(frame)
    return torch.from_numpy(observe(frame, found).image).permute(2, 0, 1)[None], found.camera_from_object


@pytest.fixture
def frame() -> Frame:
    """A tall lopsided thing, from straight above, the pixels' sides 2.5 mm."""
    rng = np.random.default_rng(4)
    rgb = rng.integers(0, 256, (240, 320, 3), np.uint8)
    depth, mask = np.full((240, 320), 0.7, np.float32), np.zeros((240, 320), np.uint16)
    for rows, columns in ((slice(70, 160), slice(140, 170)), (slice(70, 90), slice(120, 200))):
        depth[rows, columns], mask[rows, columns] = 0.6, 1
    return Frame(rgb, depth, mask, Intrinsics(320, 240, 240.0, 240.0, 159.5, 119.5))


def test_a_mirrored_scene_is_seen_as_the_mirrored_image(frame):
    flipped = Frame(*(np.ascontiguousarray(a[:, ::-1]) for a in (frame.rgb, frame.depth, frame.mask)), frame.intrinsics)
    seen, _ = image_of(frame)
    mirrored, _ = image_of(flipped)
    assert torch.equal(motions(mirrored=True).images(seen)[:, 3:], mirrored[:, 3:])
    assert not torch.equal(seen[:, 4], mirrored[:, 4])


def test_the_mirrored_hand_is_the_hand_with_two_fingers_exchanged():
    hand = load_hand()
    joints = np.array([0.7, 1.1, 0.4, 1.5])
    # {P}'s y is {O}'s z here and its x is {O}'s y: the mirror takes x to -x.
    to_object = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

    def grasp(j):
        return torch.from_numpy(
            np.concatenate([hand.tips(j) @ to_object.T, hand.pad_normals(j) @ to_object.T]).ravel()
        ).float()

    moved = motions(mirrored=True).grasps(grasp(joints)[None], torch.tensor([0]))
    assert torch.allclose(moved[0], grasp(joints[[0, 2, 1, 3]]), atol=1e-6)


@pytest.mark.parametrize("turned, shifted", [(np.pi / 2, (0.0, 0.0)), (0.0, (0.03, -0.05)), (np.pi, (0.02, 0.01))])
def test_a_mark_moves_in_the_image_as_a_contact_there_moves(turned, shifted):
    image, grasp = torch.zeros(1, 5, 64, 64), torch.zeros(1, 18)
    row, column = 20, 41
    image[0, 3, row, column] = 1.0
    grasp[0, 1], grasp[0, 2] = ((31.5 - i) * 0.005 for i in (column, row))  # p1 is on the mark
    grasp[0, 9:12] = torch.tensor([0.6, 0.8, 0.0])
    moved = motions(turned=turned, shifted=shifted)
    (found,) = torch.nonzero(moved.images(image)[0, 3]).tolist()
    after = moved.grasps(grasp, torch.tensor([0]))[0]
    assert [31.5 - after[2].item() / 0.005, 31.5 - after[1].item() / 0.005] == pytest.approx(found, abs=1e-3)
    expected = [0.6, 0.8 * np.cos(turned), 0.8 * np.sin(turned)]  # a normal turns, and is not shifted
    assert after[9:12].tolist() == pytest.approx(expected, abs=1e-6)


def test_mirroring_twice_and_moving_by_nothing_change_nothing():
    batch = to_batch(toy_data(), np.arange(12), torch.device("cpu"))
    images, rows, grasps = batch
    twice = motions(mirrored=True, m=len(images))
    assert torch.equal(twice.images(twice.images(images)), images)
    assert torch.equal(twice.grasps(twice.grasps(grasps, rows), rows), grasps)
    assert augmented(batch, TrainingConfig(), torch.Generator()) is batch


def test_distances_between_contacts_are_kept():
    images, rows, grasps = to_batch(toy_data(), np.arange(30), torch.device("cpu"))
    config = TrainingConfig(mirrored=0.5, turned=0.3, shifted=0.02)
    _, _, moved = augmented((images, rows, grasps), config, torch.Generator().manual_seed(1))

    def sides(g):
        p = g[:, :9].unflatten(1, (3, 3))
        return torch.cdist(p, p).flatten(1).sort(dim=1).values

    assert torch.allclose(sides(moved), sides(grasps), atol=1e-5) and not torch.allclose(moved, grasps)
