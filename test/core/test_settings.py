"""Settings that cannot mean anything are refused where they are made, with name, value and bound."""

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings

INF = float("inf")


@pytest.mark.parametrize(
    "given, kind",
    [({"n_samples": "abc"}, "a whole number"), ({"n_samples": 7.5}, "a whole number"), ({"n_samples": True}, "a whole number"),
     ({"min_depth": "abc"}, "a number"), ({"min_depth": [1.0]}, "a number"), ({"max_depth": None}, "a number"),
     ({"workspace_low": 5.0}, "a list, each a number"), ({"approach_axis": ("a", 0.0, 0.0)}, "a list, each a number")],
    ids=str,
)  # fmt: skip
def test_values_of_another_kind_are_refused_by_name(given, kind):
    ((name, value),) = given.items()
    with pytest.raises(GmiError) as refused:
        SynthesisSettings(**given)
    assert refused.value.code is ErrorCode.BAD_SETTING
    assert refused.value.message == f"{name} must be {kind}, got {value!r}"


def test_depths_that_leave_nothing_are_refused():
    with pytest.raises(GmiError, match="min_depth must be less than max_depth, got 5.0 and 1.0"):
        SynthesisSettings(min_depth=5.0, max_depth=1.0)


def test_a_whole_number_is_a_number():
    assert SynthesisSettings(min_depth=1, n_samples=np.int64(3)).n_samples == 3


@pytest.mark.parametrize(
    "given",
    [{"table_plane": (0.0, 0.0, INF, 0.0)}, {"approach_axis": (0.0, INF, 1.0)}, {"min_score": -INF},
     {"table_plane": (1e-320, 0.0, 0.0, 1.0)}, {"approach_axis": (1e-320, 0.0, 0.0)}, {"max_residual": float("nan")},
     {"table_plane": (0.0, 0.0, -1.0, 1e30)}, {"table_plane": (0.0, 0.0, 0.01, -1.1)}, {"workspace_low": (0.0, 0.0)}, {"n_samples": 0}],
    ids=str,
)  # fmt: skip
def test_numbers_that_say_nothing_are_refused_by_name(given):
    ((name, value),) = given.items()
    with pytest.raises(GmiError, match=name) as refused:
        SynthesisSettings(**given)
    assert refused.value.code == ErrorCode.BAD_SETTING and "got" in refused.value.message


def test_directions_of_any_other_length_are_taken():
    SynthesisSettings(table_plane=(0.0, 0.0, 2.0, -190.0))
    SynthesisSettings(table_plane=(0.0, 0.0, 1e-6, 0.0), approach_axis=(0.0, 0.0, -1e6))
