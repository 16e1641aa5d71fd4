"""An error keeps its code and its message wherever it is sent."""

import pickle

from gmi_ros.core.errors import ErrorCode, GmiError


def test_an_error_comes_through_a_process_pool():
    error = pickle.loads(pickle.dumps(GmiError(ErrorCode.MASK_EMPTY, "no pixel")))
    assert (error.code, error.message, str(error)) == (ErrorCode.MASK_EMPTY, "no pixel", "no pixel")
