"""Recall over recorded successes: what counts as found, and the mean over objects."""

import numpy as np
import pytest
import torch

from gmi_ros.evaluation.modes import MAX_ANGLE, MAX_DISTANCE, Recall, hits, recall
from gmi_ros.learning.dataset import GraspData


def grasps(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(n, 3, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.concatenate([rng.normal(0, 0.05, (n, 9)), normals.reshape(n, 9)], axis=1)


def turned(grasp: np.ndarray, angle: float, finger: int) -> np.ndarray:
    """With one normal turned about an axis across it."""
    normals = grasp[9:].reshape(3, 3).copy()
    across = np.cross(normals[finger], [0.3, 0.5, -0.8])
    across /= np.linalg.norm(across)
    normals[finger] = np.cos(angle) * normals[finger] + np.sin(angle) * across
    return np.concatenate([grasp[:9], normals.ravel()])


def test_a_grasp_hits_itself_and_no_stranger():
    found = hits(grasps(6), grasps(6))
    assert np.array_equal(found, np.eye(6, dtype=bool))


@pytest.mark.parametrize("finger", [0, 1, 2])
@pytest.mark.parametrize(("factor", "hit"), [(0.99, True), (1.01, False)])
def test_every_contact_and_every_normal_must_be_near(finger, factor, hit):
    truth = grasps(1)[0]
    moved = truth.copy()
    moved[3 * finger : 3 * finger + 3] += factor * MAX_DISTANCE * np.array([2, -1, 2]) / 3
    assert hits(moved[None], truth[None])[0, 0] == hit
    assert hits(turned(truth, factor * MAX_ANGLE, finger)[None], truth[None])[0, 0] == hit


def test_the_length_of_a_sampled_normal_does_not_matter():
    truth = grasps(4)
    longer = np.concatenate([truth[:, :9], 0.3 * truth[:, 9:]], axis=1)
    assert np.array_equal(hits(longer, truth), np.eye(4, dtype=bool))


def test_every_object_counts_the_same():
    found = Recall(known=np.array([4, 4, 10]), found=np.array([4, 2, 0]), object_id=np.array([0, 0, 1]))
    assert found.share == pytest.approx((0.75 + 0.0) / 2)


class Knowing(torch.nn.Module):
    """Answers the first of the grasps of every image, which it tells by its grey."""

    def __init__(self, answers: np.ndarray):
        super().__init__()
        self.answers = torch.from_numpy(answers.astype(np.float32))

    def forward(self, image):
        self.shown = round(image[0, 0, 0, 0].item() * 255)
        return self

    def sample(self, n, generator, noise):
        return self.answers[self.shown].expand(1, n, 18)


def test_recall_of_one_who_knows_one_of_two():
    truth = grasps(8).astype(np.float32)
    data = GraspData(
        rgb=np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 64, 64, 3), np.uint8),
        depth=np.zeros((4, 64, 64), np.float32),
        mask=np.ones((4, 64, 64), bool),
        image_index=np.repeat(np.arange(4), 2),
        grasps=truth,
        object_id=np.array([0, 0, 0, 0, 0, 0, 1, 1]),
        class_id=np.zeros(8, int),
        trial=np.arange(8),
        own=np.ones(8, bool),
    )
    found = recall(Knowing(truth[::2]), data, views_per_object=2, samples=5, progress=False)
    assert found.share == 0.5 and found.known.tolist() == [2, 2, 2] and found.object_id.tolist() == [0, 0, 1]
