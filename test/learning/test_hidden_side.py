"""The network of hidden sides: its loss is the cross entropy with what is solid, its table where rays meet it, it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import DEPTH_CLIP_M, FINE
from gmi_ros.core.solid import LAYER_M, LAYERS
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import HIDDEN_SIDE, HiddenSideConfig, TrainingConfig
from gmi_ros.learning.hidden_side import HiddenSideNetwork, unlikeliness
from gmi_ros.learning.hidden_side_training import HiddenSideData, train_hidden_side

TINY = HiddenSideConfig(filters=(6, 12, 12))
CONFIG = TrainingConfig(
    model=HIDDEN_SIDE, network=TINY, learning_rate=0.02, batch_size=8, max_epochs=8, mirrored=0.5, precision="float32"
)
SIZE, SIDE = FINE
FLOOR = np.array([-0.6, 0.0, 0.8, -0.05], np.float32)  # a table in {O}


def toy_views(n=48, seed=0):
    """Square blocks that reach back by their own width."""
    rng = np.random.default_rng(seed)
    depth, mask = np.full((n, SIZE, SIZE), 0.05, np.float16), np.zeros((n, SIZE, SIZE), bool)
    inside = np.full((n, SIZE, SIZE, 2, 2), np.nan, np.float16)
    for i, half in enumerate(rng.integers(4, 16, n)):
        square = (i, slice(48 - half, 48 + half), slice(48 - half, 48 + half))
        depth[square], mask[square], inside[(*square, 0)] = 0.0, True, [0.0, 2 * half * SIDE / SIZE]
    rgb, table = np.zeros((n, 1, 1, 3), np.uint8), np.tile(FLOOR, (n, 1))
    return HiddenSideData(rgb, depth, mask, table, np.full(n, 0.7, np.float32), inside, np.arange(n) // 4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hidden_side")
    return folder, train_hidden_side(CONFIG, toy_views(), folder, progress=False)


def test_the_loss_is_the_cross_entropy_with_what_is_solid():
    rng = np.random.default_rng(1)
    log_odds = rng.normal(0, 2, (2, LAYERS, 96, 96)).astype(np.float32)
    inside = np.full((2, 96, 96, 3, 2), np.nan, np.float32)
    inside[0, 4, 5, :2] = np.array([[0, 2.5], [7.25, 9]]) * LAYER_M
    inside[1, 90, 3, 0] = np.array([0, LAYERS + 9]) * LAYER_M  # reaches beyond the last layer
    first = np.zeros(LAYERS)
    first[:2], first[2], first[7], first[8] = 1.0, 0.5, 0.75, 1.0
    want = 0.0
    for filled, odds in ((first, log_odds[0, :, 4, 5]), (np.ones(LAYERS), log_odds[1, :, 90, 3])):
        want -= (filled * np.log(expit(odds)) + (1 - filled) * np.log(expit(-odds))).sum() / 2
    assert unlikeliness(torch.from_numpy(log_odds), torch.from_numpy(inside)).item() == pytest.approx(want, rel=1e-5)


def test_the_table_is_where_each_cells_ray_meets_it():
    network, distance = HiddenSideNetwork(TINY), 0.7
    met = network._table(torch.tensor([distance]), torch.from_numpy(FLOOR[None]))[0].numpy()
    offsets = ((SIZE - 1) / 2 - np.arange(SIZE)) * (SIDE / SIZE)
    rays = np.stack(np.broadcast_arrays(distance, offsets[None, :], offsets[:, None]), -1)  # from the camera, in {O}
    points = (met[..., None] + distance) / distance * rays - [distance, 0, 0]
    seen = met < DEPTH_CLIP_M - 1e-6
    assert seen.any()
    np.testing.assert_allclose(points[seen] @ FLOOR[:3], FLOOR[3], atol=1e-5)


def test_it_learns_how_deep_things_are(trained):
    folder, told = trained
    history = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()[1:]]
    assert float(history[-1][3]) < 0.7 * float(history[0][3])
    assert told["error_m"] < 0.02 and json.loads((folder / "metrics.json").read_text())["error_m"] == told["error_m"]
    assert f"{1e3 * told['error_m']:.1f}" in (folder / "card.md").read_text()


def test_with_a_table_that_is_not_known_it_guesses_too(trained):
    network, _ = checkpoint.load_network(trained[0], (HIDDEN_SIDE,))
    data = toy_views(4, seed=2)
    images = torch.from_numpy(data.images(np.arange(4))).permute(0, 3, 1, 2)
    with torch.inference_mode():
        for table in (torch.from_numpy(data.table), torch.full((4, 4), torch.nan)):
            guess = network(images, torch.from_numpy(data.distance), table)
            assert guess.shape == (4, LAYERS, SIZE, SIZE) and torch.isfinite(guess).all()


def test_the_same_run_ends_in_the_same_bits_and_another_is_refused(trained, tmp_path):
    folder, told = trained
    again = train_hidden_side(CONFIG, toy_views(), tmp_path, progress=False)
    assert (tmp_path / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()
    assert again["val_nll"] == told["val_nll"]
    with pytest.raises(GmiError) as refused:
        train_hidden_side(replace(CONFIG, seed=1), toy_views(), tmp_path, progress=False)
    assert refused.value.code == ErrorCode.BAD_SETTING


def test_views_of_one_object_are_too_few(tmp_path):
    with pytest.raises(GmiError) as refused:
        train_hidden_side(CONFIG, toy_views(4), tmp_path, progress=False)
    assert refused.value.code == ErrorCode.FILE_DAMAGED


def test_a_minibatch_of_more_views_than_there_are_takes_all(tmp_path):
    told = train_hidden_side(replace(CONFIG, batch_size=500, max_epochs=1), toy_views(8), tmp_path, progress=False)
    assert told["n_train"] < 500 and np.isfinite(told["train_nll"])
