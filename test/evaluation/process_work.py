"""What test_processes.py has other processes do: they import it by this name."""

import os
import time


def doubled(numbers: list[int]) -> list[int]:
    """The first chunk is done last."""
    time.sleep(0.2 * (numbers[0] == 0))
    return [2 * n for n in numbers]


def stuck_after_the_first(numbers: list[int]) -> list[int]:
    """Of 0 at once, of any other in ten minutes."""
    if numbers[0]:
        time.sleep(600.0)
    return numbers


def dead_at_two(numbers: list[int]) -> list[int]:
    """Ends the process once it is asked for 2."""
    if numbers[0] == 2:
        os._exit(3)
    return numbers


def threads(items):
    """How many threads linear algebra may take here, as often as there are items."""
    return [os.environ.get("OMP_NUM_THREADS") for _ in items]
