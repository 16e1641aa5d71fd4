"""Tasks that end when something has come true, or when it has not in time."""

import time
from collections.abc import Callable

from gmi_ros.bridge.drivers import MotionFault, Task
from gmi_ros.core.errors import ErrorCode


class Waiting(Task):
    """Ends well once `there()` holds; fails as `otherwise()` says after `timeout` [s]."""

    def __init__(self, there: Callable[[], bool], timeout: float, otherwise: Callable[[], MotionFault]):
        super().__init__()
        self._there, self._otherwise = there, otherwise
        self._end = time.monotonic() + timeout

    @property
    def ended(self) -> bool:
        """As Task; asking is what makes it look."""
        if not self._ended.is_set():
            if self._there():
                self.finish()
            elif time.monotonic() > self._end:
                fault = self._otherwise()
                self.fail(fault.code, fault.reason, fault.message)
        return self._ended.is_set()


def absent(what: str, name: str, timeout: float) -> MotionFault:
    """A driver that nobody runs."""
    return MotionFault(
        ErrorCode.ACTION_SERVER_ABSENT, "driver_absent", f"{what} {name!r} was not found within {timeout:g} s"
    )
