"""The sieve: samples count for the first check that they fail, and its remedy does what it says."""

import dataclasses

import numpy as np
import pytest

from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.core.sieve import Bound, Check, sift

SETTINGS = SynthesisSettings(max_residual=0.01, min_score=0.0, max_spread=1.0, workspace_low=(0.0, 0.0, 0.0))


def residual(*values) -> Check:
    return Check("unreachable", (Bound(np.array(values), "max_residual", at_most=True),))


def score(*values) -> Check:
    return Check("score", (Bound(np.array(values), "min_score", at_most=False),))


def test_a_sample_counts_for_the_first_check_that_it_fails():
    sifted = sift([residual(0.02, 0.01, 0.0, 0.03), score(-1.0, -1.0, 0.0, 5.0)], SETTINGS)
    assert sifted.kept.tolist() == [2] and sifted.rejected == {"unreachable": 2, "score": 1}
    assert list(sifted.rejected) == ["unreachable", "score"] and sifted.remedy is None


def test_what_is_on_the_limit_passes_and_what_is_no_number_does_not():
    assert sift([residual(0.01, np.nextafter(0.01, 1), np.nan)], SETTINGS).kept.tolist() == [0]


def test_the_remedy_is_about_the_filter_that_took_the_last_ones():
    sifted = sift([residual(0.02, 0.0, 0.0, 0.0), score(9.0, -1.5, -0.25, -0.2504)], SETTINGS)
    remedy = sifted.remedy
    assert (remedy.reason, remedy.fell, remedy.changes, remedy.passing) == ("score", 3, {"min_score": -0.25}, 1)
    assert remedy.sentence == "the last 3 fell to score: min_score <= -0.25 (now 0) would let 1 past it"
    told = sift([residual(0.0312, 0.0316, 0.2)], SETTINGS).remedy.sentence
    assert told == "the last 3 fell to unreachable: max_residual >= 0.032 m (now 0.01) would let 2 past it"


def test_a_remedy_beyond_what_the_setting_may_be_is_none():
    remedy = sift([residual(1.5, 2.0)], SETTINGS).remedy
    assert remedy.changes == {} and remedy.passing == 0
    assert remedy.sentence == "the last 2 fell to unreachable, and no value of its setting would let any past it"


def test_a_box_grows_on_the_sides_that_the_nearest_sample_needs():
    low = np.array([[-0.3, 0.1, 0.1], [-0.1, 0.2, -0.0204]])
    high = np.array([[0.1, 0.2, 0.2], [0.2, 0.3, 0.1]])
    box = Check("workspace", (Bound(low, "workspace_low", False), Bound(high, "workspace_high", True)))
    remedy = sift([box], SETTINGS).remedy
    assert remedy.changes == {"workspace_low": (-0.1, 0.0, -0.021)} and remedy.passing == 1
    assert "workspace_low <= (-0.1, 0, -0.021) m (now (0, 0, 0)) would let 1 past it" in remedy.sentence
    assert sift([box], dataclasses.replace(SETTINGS, **remedy.changes)).kept.tolist() == [1]


@pytest.mark.parametrize("name, at_most", [("max_residual", True), ("max_spread", True), ("min_score", False)])
def test_the_remedy_lets_as_many_pass_as_it_says_and_changes_no_more_than_it_must(name, at_most):
    rng = np.random.default_rng(5)
    for _ in range(200):
        limit, side = getattr(SETTINGS, name), 1 if at_most else -1
        measured = limit + side * rng.uniform(1e-9, 0.3, 5).round(rng.integers(1, 9))
        check = Check("c", (Bound(measured, name, at_most),))
        if (side * measured <= side * limit).any():  # rounded onto the limit
            continue
        remedy = sift([check], SETTINGS).remedy
        kept = sift([check], dataclasses.replace(SETTINGS, **remedy.changes)).kept
        assert len(kept) == remedy.passing >= 1 and np.abs(measured - limit).argmin() in kept
        assert abs(remedy.changes[name] - limit) <= np.abs(measured - limit).min() + 0.0011


def test_no_sample_needs_no_remedy():
    sifted = sift([residual(), score()], SETTINGS)
    assert not len(sifted.kept) and sifted.rejected == {"unreachable": 0, "score": 0} and sifted.remedy is None
