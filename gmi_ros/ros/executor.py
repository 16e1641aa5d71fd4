"""An executor with several threads that hands out each callback once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from rclpy.context import Context
from rclpy.executors import ConditionReachedException, Executor, ShutdownException, TimeoutException
from rclpy.task import Task


class ThreadsExecutor(Executor):
    """Runs callbacks in `threads` threads.

    rclpy's MultiThreadedExecutor hands out a callback again and again until a thread has begun it. Meanwhile it keeps
    Python's lock busy, so that the thread cannot begin: now and then a request waits for tenths of a second. This one
    looks for the next callback once the last has begun.
    """

    def __init__(self, threads: int, *, context: Context | None = None):
        super().__init__(context=context)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="callback")
        self._free = threading.Semaphore(threads)
        self._stopping = threading.Event()
        self._failures: list[BaseException] = []

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Have a thread run one callback; waits at most `timeout_sec` [s] for a free thread, and then for a callback.

        Raises:
            ExternalShutdownException: the context was shut down.
            Exception: what an earlier callback raised.
        """
        if self._failures:
            raise self._failures.pop(0)
        if not self._free.acquire(timeout=timeout_sec):
            return
        try:
            task, _, _ = self.wait_for_ready_callbacks(timeout_sec, None, self._stopping.is_set)
        except BaseException as error:
            self._free.release()
            if not isinstance(error, (ConditionReachedException, ShutdownException, TimeoutException)):
                raise
            return
        begun = threading.Event()
        self._pool.submit(self._run, task, begun)
        begun.wait()

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Hand out nothing more; whether all callbacks that run have ended within `timeout_sec` [s]."""
        self._stopping.set()
        self.wake()
        end = None if timeout_sec is None else time.monotonic() + timeout_sec
        taken = 0
        while taken < self._threads and self._free.acquire(timeout=end and max(0.0, end - time.monotonic())):
            taken += 1
        super().shutdown(0.0)
        self._pool.shutdown(wait=False)
        for _ in range(taken):
            self._free.release()
        return taken == self._threads

    def _run(self, task: Task, begun: threading.Event) -> None:
        begun.set()
        try:
            task()
            if task.done() and task.exception() is not None:
                self._failures.append(task.exception())
                self.wake()
        finally:
            self._free.release()
