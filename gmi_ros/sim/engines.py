"""Who runs the batches: processes of this machine. Batches come in the order of the jobs, whoever is done first."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.collect import Batch, Job, run_batch

AHEAD = 3  # jobs handed out per worker
_THREADS = "OMP_NUM_THREADS"  # which OpenBLAS heeds too
_MOST_BREAKS = 5  # of the pool without a result in between


class LocalEngine:
    """Processes of this machine. One that is killed is replaced, and what it was at is done again.

    They end at once when the engine is closed or its process ends, however it does: each reads from a pipe that nobody
    writes to, and whose other end the kernel closes.
    """

    def __init__(self, workers: int):
        if workers < 1:
            raise GmiError(ErrorCode.BAD_REQUEST, f"workers must be at least 1, got {workers}")
        self._workers = workers
        self._context = multiprocessing.get_context("spawn")
        self._far_end, self._near_end = self._context.Pipe(duplex=False)
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, self._context, end_with, (self._far_end,))

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *_) -> None:
        self._near_end.close()
        self._pool.shutdown(cancel_futures=True)
        self._far_end.close()

    def run(self, jobs: Iterable[Job]) -> Generator[Batch, None, None]:
        """The batch of each job, in the order of the jobs, AHEAD of which per worker are taken before.

        Raises:
            GmiError: INTERNAL where worker processes die again and again; what a job raised.
        """
        jobs, breaks = iter(jobs), 0
        waiting: deque[tuple[Job, Future]] = deque()
        try:
            while True:
                for job in islice(jobs, AHEAD * self._workers - len(waiting)):
                    waiting.append((job, self._submit(job)))
                if not waiting:
                    return
                try:
                    batch = waiting[0][1].result()
                except BrokenProcessPool as error:
                    breaks += 1
                    if breaks > _MOST_BREAKS:
                        message = f"worker processes ended {breaks} times without a result: out of memory?"
                        raise GmiError(ErrorCode.INTERNAL, message) from error
                    self._pool.shutdown()
                    self._pool = self._new_pool()
                    waiting = deque((job, self._submit(job)) for job, _ in waiting)
                    continue
                breaks = 0
                waiting.popleft()
                yield batch
        finally:
            for _, future in waiting:
                future.cancel()

    def _submit(self, job: Job) -> Future:
        try:
            with starting_workers():
                return self._pool.submit(run_batch, job)
        except BrokenProcessPool as error:
            broken: Future = Future()
            broken.set_exception(error)
            return broken


@contextmanager
def starting_workers() -> Iterator[None]:
    """Processes and threads started here never see Ctrl-C, which the main thread hears a moment later.

    The processes' linear algebra keeps to one thread, where the environment does not say otherwise: threads of several
    workers that wait for each other halve what all of them do.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    alone = _THREADS not in os.environ
    os.environ.setdefault(_THREADS, "1")
    try:
        yield
    finally:
        if alone:
            del os.environ[_THREADS]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(far_end: Connection) -> None:
    """In a worker: end when nobody holds the other end of the pipe any more."""

    def watch() -> None:
        far_end.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
