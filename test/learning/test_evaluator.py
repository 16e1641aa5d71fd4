"""The evaluator: what it sees, what it is blind to, how it is trained and how well its probabilities are judged."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gmi_ros.core import poses
from gmi_ros.core.cloud import Table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import WINDOW_M
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EvaluatorConfig, TrainingConfig
from gmi_ros.learning.evaluator import EvaluatorNetwork, GraspEvaluator, _met, _stands
from gmi_ros.learning.evaluator_training import cross_entropy, displaced, mirrored, train_evaluator
from gmi_ros.learning.judged import JudgedData
from gmi_ros.learning.metrics import area_under_roc, calibration_error
from gmi_ros.learning.spec import HELD, SHARE, STEADY

TINY = EvaluatorConfig(
    across=1, along=4, up=3, filters=(8,), finger_units=16, finger_features=8, hand_units=16, context_features=4,
    context_filters=(4, 4), steady=True, planned=True,
)  # fmt: skip
UNKNOWN = torch.full((1, 4), torch.nan)  # table
CONFIG = TrainingConfig(
    model="evaluator", network=TINY, batch_size=32, grasps_per_image=4, max_epochs=12, learning_rate=5e-3, device="cpu",
    mirrored=0.5, validation_fraction=0.2,
)  # fmt: skip


def toy_trials(n_images=60, per_image=8, seed=0) -> JudgedData:
    """A block in the middle of the window, nearer than the rest; a grasp holds where its hand is over it."""
    rng = np.random.default_rng(seed)
    depth = np.full((n_images, 64, 64), 0.05, np.float16)
    depth[:, 22:42, 22:42] = -0.03
    n = n_images * per_image
    fingers = np.zeros((n, 3, 3, 4), np.float32)
    fingers[..., :3] = np.eye(3)[[2, 0, 1]]  # away from the palm is along the camera's ray
    at = rng.uniform(-0.12, 0.12, (n, 1, 2))
    fingers[..., 1:, 3] = at
    held = np.abs(at[:, 0]).max(axis=1) < 0.06
    planned = np.zeros((n, 3, 6), np.float32)
    planned[..., 1:3], planned[..., 3] = at, 1.0
    planned[rng.random(n) < 0.5] = np.nan
    share = np.where(rng.random(n) < 0.5, np.clip(held - 0.2, 0, 1), np.nan)
    image_index = np.repeat(np.arange(n_images), per_image)
    return JudgedData(
        rgb=np.zeros((n_images, 64, 64, 3), np.uint8), depth=depth, mask=depth < 0,
        distance=np.full(n_images, 0.7, np.float32),
        table=np.tile(np.float32([-1, 0, 0, -0.05]), (n_images, 1)), image_index=image_index, fingers=fingers, planned=planned, held=held,
        share=share.astype(np.float32), steady=np.where(np.isnan(share), ~held, np.nan).astype(np.float32), object_id=image_index // 4, scene_id=image_index,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluator")
    return folder, train_evaluator(CONFIG, toy_trials(), folder, progress=False)


def some_fingers(rng, m, n):
    rotations = np.linalg.qr(rng.normal(size=(m, n, 3, 3, 3)))[0]
    rotations *= np.linalg.det(rotations)[..., None, None]
    return torch.from_numpy(np.concatenate([rotations, rng.uniform(-0.1, 0.1, (m, n, 3, 3, 1))], -1)).float()


def test_it_learns_what_can_be_seen(trained):
    folder, result = trained
    assert result["val_auc"] > 0.95 and result["val_nll"] < 0.3 and result["n_train"] > 3 * result["n_validation"]
    evaluator, data = checkpoint.load_evaluator(folder), toy_trials(40, seed=9)
    fingers = np.zeros((len(data), 3, 4, 4))
    fingers[:, :, :3], fingers[..., 3, 3] = data.fingers, 1
    told = evaluator.probabilities(
        data.images(np.array([0]))[0], 0.7, data.table[0], fingers, data.planned
    )  # all images are the same
    assert ((told[:, HELD] > 0.5) == data.held).mean() > 0.8
    assert told[data.held, SHARE].mean() < told[data.held, HELD].mean()  # it forgives less
    assert ((told[:, STEADY] > 0.5) != data.held).mean() > 0.8  # as the trials were made, to be told from the others


def test_one_that_tells_and_is_told_less(tmp_path):
    """As the shipped one: two answers, whatever contacts it was made for."""
    plain = replace(TINY, steady=False, planned=False)
    result = train_evaluator(replace(CONFIG, network=plain), toy_trials(), tmp_path, progress=False)
    evaluator, data = checkpoint.load_evaluator(tmp_path), toy_trials(40, seed=9)
    fingers = np.zeros((len(data), 3, 4, 4))
    fingers[:, :, :3], fingers[..., 3, 3] = data.fingers, 1
    told = [
        evaluator.probabilities(data.images(np.array([0]))[0], 0.7, data.table[0], fingers, planned)
        for planned in (data.planned, data.planned + 1)
    ]
    assert result["val_auc"] > 0.95 and told[0].shape == (len(data), 2)
    np.testing.assert_array_equal(*told)


def test_an_interrupted_run_ends_in_the_same_bits(tmp_path, trained):
    folder, result = trained
    train_evaluator(CONFIG, toy_trials(), tmp_path, progress=False)
    assert (tmp_path / checkpoint.WEIGHTS).read_bytes() == (folder / checkpoint.WEIGHTS).read_bytes()
    again = train_evaluator(CONFIG, toy_trials(), folder, progress=False)
    assert {k: v for k, v in again.items() if k != "seconds"} == {k: v for k, v in result.items() if k != "seconds"}
    with pytest.raises(GmiError, match="holds a run with other data"):
        train_evaluator(CONFIG, toy_trials(seed=1), folder, progress=False)


def test_what_it_sees_moves_with_the_hand():
    """A scene and a hand shifted together across the line of sight look the same, inside the window."""
    network, rng = EvaluatorNetwork(TINY, 3).eval(), np.random.default_rng(2)
    cell = WINDOW_M / 64
    image = torch.zeros(1, 5, 64, 64)
    image[:, 3] = 0.0  # on the plane of the window, so that no ray slants
    image[:, 3:, 30:34, 28:40] = torch.tensor([-0.001, 1.0])[:, None, None]
    fingers = some_fingers(rng, 1, 5)
    fingers[..., :3] = 0.0  # all points of the grid in one place
    fingers[..., :, 3] *= 0.3
    fingers[..., 0, 3] = 0.0
    moved = fingers.clone()
    moved[..., 1, 3] -= 3 * cell
    moved[..., 2, 3] += 2 * cell
    seen = network.finger.look  # the poses themselves are told too, and differ
    there = []
    network.finger.look.register_forward_hook(lambda _, given, made: there.append(made))
    with torch.inference_mode():
        network(image, torch.tensor([0.7]), UNKNOWN, fingers, torch.full((1, 5, 3, 6), torch.nan))
        network(image.roll((-2, 3), (2, 3)), torch.tensor([0.7]), UNKNOWN, moved, torch.full((1, 5, 3, 6), torch.nan))
    assert seen is network.finger.look
    torch.testing.assert_close(there[0], there[1], atol=1e-5, rtol=1e-4)


def test_a_point_is_compared_with_what_its_ray_meets():
    """The same hand before a surface: far off the axis a ray slants, so that {O}'s y is not the window's."""
    network = EvaluatorNetwork(TINY, 3).eval()
    told = []
    network.finger.register_forward_hook(lambda _, given, made: told.append(given[0]))
    image, distance, behind = torch.zeros(1, 5, 64, 64), 0.7, 0.1
    y = 0.08
    column = round(31.5 - y * distance / (distance + behind) / (WINDOW_M / 64))
    image[:, 3] = behind - 0.02  # everywhere 20 mm before the point
    image[:, 3, :, column - 1 : column + 2] = behind + 0.02  # but on its ray
    fingers = torch.zeros(1, 1, 3, 3, 4)
    fingers[..., 0, 3], fingers[..., 1, 3] = behind, y
    with torch.inference_mode():
        network(image, torch.tensor([distance]), UNKNOWN, fingers, torch.full((1, 1, 3, 6), torch.nan))
    near = told[0][0, 0, 0, 0]
    assert torch.allclose(near, torch.tanh(torch.tensor(-1.0)), atol=0.05), near


def test_a_mirrored_scene_is_a_scene():
    """Twice gives the scene again, and the fingers stay right-handed frames with F1 and F2 exchanged."""
    rng = np.random.default_rng(0)
    images, fingers = torch.rand(3, 5, 64, 64), some_fingers(rng, 3, 4)
    which = torch.tensor([True, False, True])
    table = torch.randn(3, 4)
    planned = torch.randn(3, 4, 3, 6)
    once = mirrored(images, table, fingers, planned, which)
    twice = mirrored(*once, which)
    for part, given in zip(twice, (images, table, fingers, planned), strict=True):
        torch.testing.assert_close(part, given)
    torch.testing.assert_close(once[2][1], fingers[1])
    torch.testing.assert_close(torch.linalg.det(once[2][..., :3]), torch.ones(3, 4, 3))
    torch.testing.assert_close(once[2][0, :, 0, :, 3], fingers[0, :, 1, :, 3] * torch.tensor([1.0, -1.0, 1.0]))
    # A contact is where it was for its finger, but mirrored.
    there, before = (_own(f, p) for f, p in ((once[2], once[3]), (fingers, planned)))
    flip = torch.tensor([1.0, -1.0, 1.0]).repeat(2)
    torch.testing.assert_close(there[0], before[0][:, [1, 0, 2]] * flip, atol=1e-5, rtol=1e-4)
    # How high a finger is above the table does not change, whichever finger it is now.
    torch.testing.assert_close(_stands(once[2], once[1])[0, :, [1, 0, 2], 3], _stands(fingers, table)[0, ..., 3])


def _own(fingers, planned):
    """Contacts and normals (.., 3, 6) in the frame of the finger that each is of."""
    turn, origin = fingers[..., :3], fingers[..., 3]
    contact = ((planned[..., :3] - origin)[..., None, :] @ turn)[..., 0, :]
    return torch.cat([contact, (planned[..., None, 3:] @ turn)[..., 0, :]], dim=-1)


def test_what_is_planned_is_seen_from_the_palm():
    """A scene moved as a whole, with hand and contacts, is told alike; what nobody planned is zeros, and is said."""
    rng = np.random.default_rng(6)
    fingers, planned = some_fingers(rng, 2, 5), torch.randn(2, 5, 3, 6)
    told = _met(fingers[:, :, 2], planned)
    points = _own(fingers[:, :, [2, 2, 2]], planned) * torch.tensor([10.0] * 3 + [1.0] * 3)  # tenths of a metre
    torch.testing.assert_close(told[..., :18], points.flatten(2), atol=1e-4, rtol=1e-4)
    turn = some_fingers(rng, 1, 1)[0, 0, 0]
    moved = torch.cat([turn[:, :3] @ fingers[..., :3], turn[:, :3] @ fingers[..., 3:] + turn[:, 3:]], dim=-1)
    contacts = torch.cat([planned[..., :3] @ turn[:, :3].T + turn[:, 3], planned[..., 3:] @ turn[:, :3].T], dim=-1)
    torch.testing.assert_close(_met(moved[:, :, 2], contacts)[..., :19], told[..., :19], atol=1e-4, rtol=1e-4)
    planned[0, 1, 2, 4] = torch.nan
    bare = _met(fingers[:, :, 2], planned)
    assert not bare[0, 1, :19].any() and (bare[..., 18] == 1).sum() == 9
    torch.testing.assert_close(bare[..., 19:], told[..., 19:])


def test_how_a_finger_stands_on_the_table():
    rng = np.random.default_rng(4)
    fingers, frame = some_fingers(rng, 1, 6), some_fingers(rng, 1, 1)[0, 0, 0].double().numpy()
    camera_from_o = np.vstack([frame, [0, 0, 0, 1]])
    table = Table(np.array([0.0, -0.6, -0.8]), -0.5)
    told = _stands(fingers, torch.from_numpy(table.seen_from(camera_from_o))[None].float())
    points = poses.transform_points(camera_from_o, fingers[0, :, :, :, 3].reshape(-1, 3).double().numpy())
    np.testing.assert_allclose(told[0, ..., 3].reshape(-1), table.height(points) / 0.1, atol=1e-5)
    up = fingers[..., :3] @ told[..., :3, None]  # back in {O}
    expected = torch.from_numpy(table.normal @ camera_from_o[:3, :3]).float().expand(1, 6, 3, 3)
    torch.testing.assert_close(up[..., 0], expected, atol=1e-5, rtol=0)
    assert not _stands(fingers, UNKNOWN).any()


def test_hands_are_displaced_as_a_whole_and_a_little():
    fingers = some_fingers(np.random.default_rng(0), 40, 50)
    moved = displaced(fingers, torch.Generator().manual_seed(1))
    turn = moved[..., :3] @ fingers[..., :3].transpose(-1, -2)
    torch.testing.assert_close(turn, turn[:, :, :1].expand_as(turn), atol=1e-5, rtol=0)  # one turn for all fingers
    angles = torch.arccos(((turn[:, :, 0].diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
    assert math.degrees(angles.square().mean().sqrt()) == pytest.approx(1.5 * math.sqrt(3), rel=0.05)
    middle = (moved[..., 3] - fingers[..., 3]).mean(dim=2)
    assert middle.std().item() == pytest.approx(0.002, rel=0.05)
    sides = [f[..., 3] - f[..., [1, 2, 0], :, 3] for f in (fingers, moved)]
    torch.testing.assert_close(sides[0].norm(dim=-1), sides[1].norm(dim=-1), atol=1e-5, rtol=1e-4)


def test_cross_entropy_of_known_probabilities():
    p, unknown = torch.tensor([[0.8, 0.6, 0.9], [0.3, 0.5, 0.1]]), float("nan")
    told = cross_entropy(torch.logit(p), torch.tensor([[1.0, 0.4, unknown], [0.0, unknown, unknown]]))
    expected = -(np.log(0.8) + np.log(0.7) + 0.4 * np.log(0.6) + 0.6 * np.log(0.4)) / 3
    assert told.item() == pytest.approx(expected, rel=1e-5)
    more = cross_entropy(torch.logit(p), torch.tensor([[1.0, 0.4, unknown], [0.0, unknown, 0.25]]))
    assert more.item() == pytest.approx((3 * expected - 0.25 * np.log(0.1) - 0.75 * np.log(0.9)) / 4, rel=1e-5)


def test_area_under_roc_counts_pairs():
    rng = np.random.default_rng(1)
    scores, held = np.round(rng.random(60), 1), rng.random(60) < 0.4  # with ties
    pairs = np.sign(scores[held][:, None] - scores[~held][None]) / 2 + 0.5
    assert area_under_roc(scores, held) == pytest.approx(pairs.mean())
    assert np.isnan(area_under_roc(scores, np.ones(60)))


def test_calibration_error():
    held = np.random.default_rng(0).random(40_000) < np.repeat([0.1, 0.55, 0.9, 1.0], 10_000)
    assert calibration_error(np.repeat([0.1, 0.55, 0.9, 1.0], 10_000), held) < 0.01
    assert calibration_error(np.full(4, 0.9), np.array([1, 1, 0, 0])) == pytest.approx(0.4)


def test_bad_input_is_named():
    evaluator, image = GraspEvaluator(EvaluatorNetwork(TINY), ""), np.zeros((64, 64, 5), np.float32)
    good = np.tile(np.eye(4), (2, 3, 1, 1))
    planned = np.full((2, 3, 6), np.nan)
    assert evaluator.probabilities(image, 0.7, None, good, planned).shape == (2, 3)
    assert evaluator.probabilities(image, 0.7, None, good[:0], planned[:0]).shape == (0, 3)
    bads = (
        (image[:5], 0.7, good, planned), (image, 0.7, good[:, :2], planned), (image, float("nan"), good, planned),
        (image + np.inf, 0.7, good, planned), (image, 0.7, good, planned[:1]),
    )  # fmt: skip
    for pixels, distance, fingers, met in bads:
        with pytest.raises(GmiError) as caught:
            evaluator.probabilities(pixels, distance, None, fingers, met)
        assert caught.value.code == ErrorCode.BAD_REQUEST
    with pytest.raises(GmiError, match="at least 2"):
        train_evaluator(CONFIG, toy_trials(4), "unused", progress=False)


def test_an_evaluator_is_no_grasp_model(trained):
    folder, _ = trained
    with pytest.raises(GmiError, match="architecture is 'evaluator'"):
        checkpoint.load(folder)
    assert json.loads((folder / checkpoint.CONFIG).read_text())["architecture"] == "evaluator"
