"""An error keeps its code and its message wherever it is sent."""

import pickle

from gmi_ros.core.errors import LONGEST_MESSAGE, ErrorCode, GmiError


def test_an_error_comes_through_a_process_pool():
    error = pickle.loads(pickle.dumps(GmiError(ErrorCode.MASK_EMPTY, "no pixel")))
    assert (error.code, error.message, str(error)) == (ErrorCode.MASK_EMPTY, "no pixel", "no pixel")


def test_what_anybody_sent_is_not_told_without_end():
    error = GmiError(ErrorCode.BAD_REQUEST, f"got {'x' * 100_000}: at most 255 are valid")
    assert len(error.message) < LONGEST_MESSAGE + 50 and "(100027 characters)" in error.message
    assert error.message.startswith("got xxx") and error.message.endswith("at most 255 are valid")
    longest = "y" * LONGEST_MESSAGE
    assert GmiError(ErrorCode.BAD_REQUEST, longest).message == longest
