"""Settings that cannot mean anything are refused where they are made, with name, value and bound."""

import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings

INF = float("inf")


@pytest.mark.parametrize(
    "given",
    [{"table_plane": (0.0, 0.0, INF, 0.0)}, {"approach_axis": (0.0, INF, 1.0)}, {"min_score": -INF},
     {"table_plane": (1e-320, 0.0, 0.0, 1.0)}, {"approach_axis": (1e-320, 0.0, 0.0)}, {"max_residual": float("nan")},
     {"workspace_low": (0.0, 0.0)}, {"n_samples": 0}],
    ids=str,
)  # fmt: skip
def test_numbers_that_say_nothing_are_refused_by_name(given):
    ((name, value),) = given.items()
    with pytest.raises(GmiError, match=name) as refused:
        SynthesisSettings(**given)
    assert refused.value.code == ErrorCode.BAD_SETTING and "got" in refused.value.message


def test_directions_of_any_other_length_are_taken():
    SynthesisSettings(table_plane=(0.0, 0.0, 1e-6, 0.0), approach_axis=(0.0, 0.0, -1e6))
