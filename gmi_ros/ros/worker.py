"""One thread that does the work of requests, so that the executor's threads stay free."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from gmi_ros.core.errors import ErrorCode, GmiError

T = TypeVar("T")


class Deadline:
    """The moment up to which a request may take, on the monotonic clock; it can be called off before."""

    def __init__(self, timeout_s: float):
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s
        self._called_off: GmiError | None = None

    @property
    def left(self) -> float:
        """Time left [s], never negative."""
        return max(0.0, self._end - time.monotonic())

    def call_off(self, why: GmiError) -> None:
        """From now on `check` raises this."""
        self._called_off = why

    def check(self) -> None:
        """Raises GmiError TIMEOUT once it has passed, or why it was called off."""
        if self._called_off is not None:
            raise self._called_off
        if self.left == 0.0:
            raise self.error()

    def error(self) -> GmiError:
        """What is said once it has passed."""
        return GmiError(
            ErrorCode.TIMEOUT, f"the answer took longer than request_timeout, {self.timeout_s:.2f} s; ask again"
        )


class _Job(Generic[T]):
    def __init__(self, work: Callable[[Deadline], T], deadline: Deadline):
        self.work, self.deadline = work, deadline
        self.done = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    def end(self, error: BaseException) -> None:
        """Tell who asked; what it still does is dropped."""
        self.error = error
        self.done.set()


class Worker:
    """Runs one job at a time; `most_waiting` more may wait, the next is refused at once."""

    def __init__(self, name: str, most_waiting: int = 1):
        self._most_waiting = most_waiting
        self._waiting: deque[_Job] = deque()
        self._running: _Job | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[Deadline], T], deadline: Deadline) -> T:
        """Run `work(deadline)` in the worker's thread and return its result.

        Raises:
            GmiError: BUSY, TIMEOUT (a job that already runs goes on, and its result is dropped), NOT_ACTIVE once
                closed, why it was called off; or whatever the work raised.
        """
        job = self._enter(work, deadline, self._most_waiting)
        if job is None:
            raise GmiError(
                ErrorCode.BUSY,
                f"one request runs and {self._most_waiting} waits, at most {self._most_waiting} may: ask again",
            )
        if not job.done.wait(deadline.left):
            with self._changed:
                if job in self._waiting:
                    self._waiting.remove(job)
            raise deadline.error()
        if job.error is not None:
            raise job.error
        return job.result

    def offer(self, work: Callable[[Deadline], None], deadline: Deadline) -> bool:
        """Have `work` run if nothing else runs or waits; whether it will. Nobody hears what it raises."""
        return self._enter(work, deadline, 0) is not None

    def call_off(self, why: GmiError) -> None:
        """End what waits and what runs, for who asked, with this error; at once, though a step may still run out."""
        with self._changed:
            jobs, self._waiting = [*self._waiting], deque()
            if self._running is not None:
                jobs.append(self._running)
        for job in jobs:
            job.deadline.call_off(why)
            job.end(why)

    def close(self, timeout_s: float = 2.0) -> None:
        """Refuse what waits and end the thread once the running job is done; waits for that at most `timeout_s`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _enter(self, work: Callable[[Deadline], T], deadline: Deadline, most_waiting: int) -> "_Job[T] | None":
        """The job, in the queue; None where it is too long. Raises GmiError NOT_ACTIVE once closed."""
        job = _Job(work, deadline)
        with self._changed:
            if self._closed:
                raise GmiError(ErrorCode.NOT_ACTIVE, "the node is shutting down")
            if len(self._waiting) + (self._running is not None) > most_waiting:
                return None
            self._waiting.append(job)
            self._changed.notify()
        return job

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.deadline.check()
                job.result = job.work(job.deadline)
            except BaseException as error:  # handed to who asked
                job.error = job.error or error
            with self._changed:
                self._running = None
            job.done.set()

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._closed:
                self._running = self._waiting.popleft()
                return self._running
            refused, self._waiting = self._waiting, deque()
        for job in refused:
            job.end(GmiError(ErrorCode.NOT_ACTIVE, "the node is shutting down"))
        return None
