"""Who runs the batches: the workers of a Dask cluster."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import mujoco

from gmi_ros.core.arithmetic import fingerprint
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.version import version
from gmi_ros.sim.collect import Batch, Job, run_batch
from gmi_ros.sim.engines import AHEAD

if TYPE_CHECKING:
    from distributed import Future, Worker

ANSWER_S = 10.0  # for whatever the scheduler is asked, and for the first worker to be there
WORKERLESS_S = 60.0  # workers that died have this long to come back
_POLL_S = 2.0


class Fitness(NamedTuple):
    """What a worker must have for the same trials as ours. threads: MuJoCo's data are used by one at a time.

    arithmetic: of core.arithmetic; a worker that loaded numpy before gmi_ros may round otherwise.
    """

    gmi_ros: str
    mujoco: str
    arithmetic: str
    threads: int

    @classmethod
    def of(cls, dask_worker: "Worker") -> "Fitness":
        """Of the worker that runs this; the name of the argument makes Dask give it."""
        return cls(version(), mujoco.__version__, fingerprint(), dask_worker.state.nthreads)

    def check(self, address: str, needed: "Fitness") -> None:
        """Raises GmiError, BAD_REQUEST, naming the worker and all that differs."""
        differs = [
            f"{name} {have} where {need} is needed"
            for name, have, need in zip(self._fields, self, needed, strict=True)
            if have != need
        ]
        if differs:
            raise GmiError(ErrorCode.BAD_REQUEST, f"the Dask worker at {address} has {', '.join(differs)}")


class DaskEngine:
    """The workers of a running Dask cluster. What a worker that dies was at, Dask has done again by another.

    Whoever reaches a Dask scheduler can run any program on its cluster: it must be one's own, or trusted.
    """

    def __init__(self, address: str):
        """Connect to the scheduler at `address`, tcp://HOST:PORT.

        Raises:
            GmiError: BAD_REQUEST without the package `distributed`, where no scheduler answers within ANSWER_S or it
                has no worker, and for workers that are not fit.
        """
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            message = f"a Dask cluster needs the package {error.name!r}: pip install '.[dask]' in the checkout"
            raise GmiError(ErrorCode.BAD_REQUEST, message) from error
        for name in ("distributed", "distributed.client", "tornado.application"):  # we say it, once
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._address = address
        self._needed = Fitness(version(), mujoco.__version__, fingerprint(), 1)
        try:
            asyncio.run(_shake_hands(address))  # Client waits for ever for one who listens and says nothing
            self._client = Client(address, timeout=ANSWER_S, set_as_default=False)
        except Exception as error:  # whatever may be listening there may send anything
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            message = (
                f"no Dask scheduler at {address!r} answers within {ANSWER_S:g} s ({why}); expected tcp://HOST:PORT"
            )
            raise GmiError(ErrorCode.BAD_REQUEST, message) from error
        try:
            self._check_workers()
        except BaseException:
            self.__exit__()
            raise

    def _check_workers(self) -> None:
        with self._translated():
            try:
                self._client.wait_for_workers(1, timeout=ANSWER_S)
            except asyncio.TimeoutError as error:
                raise self._workerless(ANSWER_S) from error
            found = self._client.run(Fitness.of, on_error="return")
        for address, fitness in found.items():
            if not isinstance(fitness, Fitness):
                message = f"the Dask worker at {address} has no usable gmi_ros: {type(fitness).__name__}: {fitness}"
                raise GmiError(ErrorCode.BAD_REQUEST, message)
            fitness.check(address, self._needed)

    def __enter__(self) -> "DaskEngine":
        return self

    def __exit__(self, *_) -> None:
        with suppress(OSError, asyncio.TimeoutError):
            self._client.close(ANSWER_S)

    def run(self, jobs: Iterable[Job]) -> Generator[Batch, None, None]:
        """The batch of each job, in the order of the jobs, AHEAD of which per worker are taken before.

        Raises:
            GmiError: BAD_REQUEST where the scheduler or all workers have gone away, or a worker that came later is not
                fit; INTERNAL for what else went wrong in a worker; what a job raised.
        """
        jobs, waiting = iter(jobs), deque()
        try:
            while True:
                with self._translated():
                    missing = max(AHEAD * self._n_workers(), 1) - len(waiting)
                ready = list(islice(jobs, max(missing, 0)))
                with self._translated():
                    waiting += [self._client.submit(_run_fitly, job, self._needed, pure=False) for job in ready]
                    if not waiting:
                        return
                    batch = self._batch(waiting[0])
                waiting.popleft()
                yield batch
        finally:
            with suppress(Exception):  # a scheduler that is gone has nothing left to cancel
                self._client.cancel([*waiting])

    def _batch(self, future: "Future") -> Batch:
        alone_since = None
        while True:
            try:
                return future.result(timeout=_POLL_S)
            except asyncio.TimeoutError:
                if self._n_workers():
                    alone_since = None
                    continue
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since > WORKERLESS_S:
                    raise self._workerless(WORKERLESS_S) from None

    def _n_workers(self) -> int:
        return len(self._client.nthreads(callback_timeout=ANSWER_S))

    def _workerless(self, seconds: float) -> GmiError:
        message = f"the Dask scheduler at {self._address} has had no worker for {seconds:g} s"
        return GmiError(
            ErrorCode.BAD_REQUEST, f"{message}: start `dask worker {self._address} --nworkers W --nthreads 1`"
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Dask's failures as ours."""
        from distributed import CancelledError

        try:
            yield
        except GmiError:
            raise
        except Exception as error:
            if isinstance(error, (CancelledError, OSError, asyncio.TimeoutError)) or self._client.status != "running":
                message = f"the Dask scheduler at {self._address} has gone away; start again to go on where this ended"
                raise GmiError(ErrorCode.BAD_REQUEST, message) from error
            message = f"a worker of the Dask cluster at {self._address} failed: {type(error).__name__}: {error}"
            raise GmiError(ErrorCode.INTERNAL, message) from error


async def _shake_hands(address: str) -> None:
    from distributed.comm import connect

    comm = await asyncio.wait_for(connect(address, timeout=ANSWER_S), ANSWER_S)
    await comm.close()


def _run_fitly(job: Job, needed: Fitness) -> Batch:
    """In a worker, which may have come after the others were checked."""
    from distributed import get_worker

    worker = get_worker()
    Fitness.of(worker).check(worker.address, needed)
    return run_batch(job)
