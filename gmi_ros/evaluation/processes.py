"""Work spread over processes, in order, whoever does it."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.engines import end_with, no_interrupt

T, R = TypeVar("T"), TypeVar("R")


@contextmanager
def mapper(workers: int) -> Iterator[Callable[..., Iterable]]:
    """`map` over worker processes, which end at once when the context does, or the process, whatever they are at.

    Raises:
        GmiError: INTERNAL where a process ends before its time.
    """
    if workers == 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    far_end, near_end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, end_with, (far_end,))

    def over(*given) -> Iterable:
        with no_interrupt():
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
    with mapper(workers) as over:
        for made in over(work, [list(items[i : i + chunk]) for i in range(0, len(items), chunk)]):
            yield from made
