"""The bench measures what it says: the tape is the trial, the problems are solvable, the keys are all there."""

import numpy as np
import pytest

from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation import bench
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.model import GraspSamples
from gmi_ros.pipeline import STAGES
from gmi_ros.sim.candidates import sample_plan
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.scenario import settle_object
from gmi_ros.sim.tape import RecordingCell
from gmi_ros.sim.trial import run


@pytest.fixture(scope="module")
def hand():
    return load_hand()


def test_a_replayed_tape_ends_where_the_trials_ended(hand):
    cell = RecordingCell(find_object("can_0"), hand)
    rest = settle_object(cell, np.random.default_rng(1))
    reasons = set()
    for seed in range(40):
        cell.reset(rest)
        reasons.add(run(cell, sample_plan(cell, np.random.default_rng(seed))).reason)
        if len(reasons - {"collided_on_approach"}) >= 2 and cell.tape[-1].time > 0.3:
            break
    ended = cell.data.qpos.copy(), cell.data.time
    noted = sum(entry.n for entry in cell.tape)
    steps, seconds = cell.replay()
    assert steps == noted > 100 and seconds > 0
    np.testing.assert_array_equal(cell.data.qpos, ended[0])
    assert cell.data.time == ended[1]


def test_wrist_figures(hand):
    told = bench.bench_wrist(hand, 0.02, scipy_solves=1, repeats=1)
    assert told["us_per_solve"] > 0 and told["scipy_us_per_solve"] > 0
    assert told["speedup"] == pytest.approx(told["scipy_us_per_solve"] / told["us_per_solve"], rel=0.02)
    assert told["residual_mm"] < 20 and told["most_cost_above_scipy_m2"] < 1e-9


class Somewhere:
    """A model whose grasps are about the object's middle."""

    hash, evaluator = "0" * 16, None

    def sample(self, image, n, seed):
        rng = np.random.default_rng(seed)
        normals = rng.normal(size=(n, 3, 3))
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        return GraspSamples(0.03 * normals, normals, lambda rows: np.zeros(len(rows)))


def test_both_sizes_of_image_are_measured(hand):
    told = bench.bench_both_sizes(Somewhere(), hand, SynthesisSettings(), seed=1, scenes=1, calls=2)
    assert told["synthesize_ms"]["n"] == told["synthesize_1080p_ms"]["n"] == 2
    assert told["synthesize_unrehearsed_64_ms"]["n"] == told["synthesize_unrehearsed_1080p_ms"]["n"] == 2
    assert set(told["stages_ms"]) == set(STAGES) and min(told["stages_ms"].values()) > 0
    (frame,) = bench.large_frames(hand, 1, 1)
    assert frame.mask.shape == (1080, 1920) and frame.labels() == [1] and (frame.depth > 0).mean() > 0.9


def test_wrist_problems_are_the_seeds(hand):
    first, second = (bench.wrist_problems(hand, 4, 2) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(np.linalg.norm(first[1], axis=-1), 1)


def test_percentiles():
    assert bench.percentiles([float(i) for i in range(101)]) == {"p50": 50.0, "p99": 99.0, "n": 101}
