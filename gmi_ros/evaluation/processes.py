"""Work spread over processes, in order, whoever does it."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.engines import end_with, starting_workers

T, R = TypeVar("T"), TypeVar("R")


@contextmanager
def mapper(workers: int, work: Callable | None = None) -> Iterator[Callable[..., Iterable]]:
    """`map` over worker processes, which end at once when the context does, or the process, whatever they are at.

    Args:
        work: what `_do` does there; sent to each worker once, with all the objects that it may hold.

    Raises:
        GmiError: INTERNAL where a process ends before its time.
    """
    if workers == 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    far_end, near_end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _begin, (work, far_end))

    def over(*given) -> Iterable:
        with starting_workers():
            return pool.map(*given)

    try:
        yield over
    except BrokenProcessPool as error:
        raise GmiError(ErrorCode.INTERNAL, "a worker process ended before its time: out of memory?") from error
    finally:
        near_end.close()
        pool.shutdown(cancel_futures=True)
        far_end.close()


def in_chunks(work: Callable[[list[T]], list[R]], items: Sequence[T], chunk: int, workers: int) -> Iterator[R]:
    """What `work` makes of so many items at a time, in the items' order. Raises as `mapper`."""
    chunks = [list(items[i : i + chunk]) for i in range(0, len(items), chunk)]
    if workers == 1:
        for some in chunks:
            yield from work(some)
        return
    with mapper(workers, work) as over:
        for made in over(_do, chunks):
            yield from made


_work: Callable | None = None  # of this worker


def _begin(work: Callable | None, far_end: Connection) -> None:
    global _work
    _work = work
    end_with(far_end)


def _do(items: list) -> list:
    return _work(items)
