"""The one error of the package and the codes it carries."""

from enum import IntEnum


class ErrorCode(IntEnum):
    """Why a request was refused; the same numbers as the constants of SynthesizeGrasp.srv."""

    OK = 0
    # The frame.
    NO_FRAME = 10
    STALE_FRAME = 11
    FUTURE_FRAME = 12
    SIZE_MISMATCH = 13
    UNKNOWN_ENCODING = 14
    BAD_INTRINSICS = 15
    UNREGISTERED_DEPTH = 16
    # The mask.
    MASK_EMPTY = 20
    MASK_TOO_SMALL = 21
    MASK_AT_BORDER = 22
    LABEL_NOT_FOUND = 23
    # The depth.
    NO_VALID_DEPTH = 30
    DEPTH_UNITS = 31
    # The request and the answer.
    BAD_REQUEST = 40
    NO_GRASP = 41
    DEGENERATE_FRAME = 42
    TRANSFORM_UNAVAILABLE = 43
    # Execution.
    EXECUTION_NOT_ALLOWED = 50
    ACTION_SERVER_ABSENT = 51
    ACTION_SERVER_LOST = 52
    GOAL_REJECTED = 53
    CANCELLED = 54
    EXECUTION_FAILED = 55
    EXECUTION_TIMEOUT = 56
    # The node.
    BUSY = 60
    TIMEOUT = 61
    NOT_ACTIVE = 62
    # Files.
    WEIGHTS_MISSING = 70
    WEIGHTS_DAMAGED = 71
    STORE_UNWRITABLE = 72
    STORE_CORRUPT = 73
    FILE_NOT_FOUND = 74
    FILE_DAMAGED = 75
    # Ours.
    BAD_SETTING = 80
    INTERNAL = 99


LONGEST_MESSAGE = 2000  # characters


def shortened(text: str, most: int) -> str:
    """`text` with at most about `most` characters: of a longer one the beginning, the end and its length."""
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} ... ({len(text)} characters) ... {text[len(text) - most // 3 :]}"


class GmiError(Exception):
    """An expected failure: a code, and a message with the value, the bound and what would be valid.

    The value may come from anybody: of a message beyond LONGEST_MESSAGE the middle is left out.
    """

    def __init__(self, code: ErrorCode, message: str):
        super().__init__(shortened(message, LONGEST_MESSAGE))
        self.code = ErrorCode(code)

    def __reduce__(self):
        return type(self), (self.code, self.message)  # so that it comes through from a worker process

    @property
    def message(self) -> str:
        """The sentence shown to the user."""
        return str(self)
