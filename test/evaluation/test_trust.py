"""Trust in a tuned evaluator: the line that picks followed comes out, few of them change little, and the folder keeps it."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation import trust
from gmi_ros.evaluation.trust import fitted_trust
from gmi_ros.learning import checkpoint
from gmi_ros.learning.calibration import Calibration
from gmi_ros.learning.config import EVALUATOR
from gmi_ros.sim.rehearsal import believed


def picks(slope, offset, n, seed):
    """Log odds of scores, and how picks ended that were rehearsed twice, where the scores count for that line."""
    rng = np.random.default_rng(seed)
    prior = rng.normal(0.5, 2.0, n)
    likely = expit([believed(slope * odds + offset, (True, True)) for odds in prior])
    return prior, rng.uniform(size=n) < likely


@pytest.mark.parametrize("line", [(1.0, 0.0), (2.2, -1.5), (0.4, 0.7)])
def test_what_was_put_in_comes_out(line):
    found = fitted_trust(*picks(*line, 20_000, 3))
    assert (found.slope, found.shared, found.offset) == pytest.approx((line[0], 0.0, line[1]), abs=0.1)


def test_without_picks_nothing_changes_and_with_few_little():
    assert fitted_trust(np.empty(0), np.empty(0, bool)) == Calibration()
    for seed in range(20):
        few = fitted_trust(*picks(1.0, 0.0, 5, seed))
        assert abs(few.slope - 1) < 0.8 and abs(few.offset) < 1.5


def test_a_share_of_the_way_is_gone(monkeypatch):
    prior, held = picks(2.0, -1.0, 4000, 5)
    told = np.where(np.arange(4000) % 2, expit(prior), np.nan)  # of half of them nobody knows what was planned
    trials = SimpleNamespace(planned=np.broadcast_to(told[:, None, None], (4000, 3, 6)), held=held)
    monkeypatch.setattr(trust, "probabilities", lambda network, data: np.column_stack([expit(prior)] * 3))
    whole, half, none = (trust.trust_from(None, trials, share) for share in (1.0, 0.5, 0.0))
    told = fitted_trust(prior[1::2], held[1::2])
    assert (whole.slope, whole.offset) == pytest.approx((told.slope, told.offset)) and none == Calibration()
    assert (half.slope - 1, half.offset) == pytest.approx(((whole.slope - 1) / 2, whole.offset / 2))


def test_a_score_that_misleads_still_counts_a_little():
    prior = np.linspace(-3, 3, 2000)
    assert fitted_trust(prior, prior < 0).slope == pytest.approx(0.1)


def test_a_folder_keeps_it_and_its_hash_tells(tmp_path):
    plain = checkpoint.load_evaluator(resource(SHIPPED) / EVALUATOR)
    network, _ = checkpoint.load_network(resource(SHIPPED) / EVALUATOR, (EVALUATOR,))
    given = Calibration(1.5, 0.0, -0.5)
    checkpoint.save(tmp_path, network, {}, "A card.", plain.calibration, given)
    kept = checkpoint.load_evaluator(tmp_path)
    assert (kept.trust, kept.calibration) == (given, plain.calibration) and plain.trust == Calibration()
    checkpoint.save(tmp_path, network, {}, "A card.", plain.calibration)
    assert checkpoint.load_evaluator(tmp_path).hash == plain.hash != kept.hash
