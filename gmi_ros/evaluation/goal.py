"""What is left to collect: how many trials of each object there are, and whose batch comes next."""

from collections.abc import Mapping
from dataclasses import dataclass

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.collect import CANDIDATES, TRIALS_PER_SEED, trial_seed
from gmi_ros.sim.trial import COLLIDED

MOST_SHARE = 2  # times its even share of the successes: then an object is left out
TRIES_WITHOUT_SUCCESS = 2000  # trials since its last success, or since its first: then an object is given up


@dataclass(frozen=True)
class Tally:
    """Trials of one object, or of all. closings: those that came to close the hand.

    last_seed, last_success: trial seeds of an object's newest trial and newest success; -1 = none yet.
    """

    trials: int = 0
    closings: int = 0
    successes: int = 0
    last_seed: int = -1
    last_success: int = -1

    def plus(self, seed: int, success: bool, reason: str, n: int = 1) -> "Tally":
        """With n more trials of this outcome, the newest of which has this seed."""
        return Tally(
            self.trials + n,
            self.closings + (reason != COLLIDED) * n,
            self.successes + success * n,
            max(self.last_seed, seed),
            max(self.last_success, seed) if success else self.last_success,
        )

    @property
    def next_batch(self) -> int:
        """Number of the object's next batch."""
        return 0 if self.last_seed < 0 else self.last_seed % TRIALS_PER_SEED // CANDIDATES + 1

    @property
    def fruitless(self) -> int:
        """Trials since the newest success."""
        return self.trials if self.last_success < 0 else self.last_seed - self.last_success

    def failed_until(self, seed: int, number: int) -> "Tally":
        """As if all batches before this one that are not in yet had failed."""
        missing = max(number - self.next_batch, 0) * CANDIDATES
        return self.plus(trial_seed(seed, number, 0) - 1, False, COLLIDED, missing) if missing else self


@dataclass(frozen=True)
class Goal:
    """When a store holds enough: `trials` of them, or `successes`, and of those `each` of every object at least."""

    trials: int | None = None
    successes: int | None = None
    each: int = 0

    def __post_init__(self):
        for name in ("trials", "successes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise GmiError(ErrorCode.BAD_REQUEST, f"{name} must be at least 1, got {value}")
        if (self.trials is None) == (self.successes is None):
            raise GmiError(ErrorCode.BAD_REQUEST, "say how much to collect: a number of trials or of successes")
        if self.each < 0 or (self.each and self.successes is None):
            message = f"each must be at least 0, and 0 for a number of trials, got {self.each}"
            raise GmiError(ErrorCode.BAD_REQUEST, message)

    def next_object(self, tally: Mapping[str, Tally]) -> str | None:
        """Whose next batch comes next: of the objects that are wanted the one with the fewest, the first of those.

        None when the goal is reached, or no object that could bring it nearer has not been given up. It depends on
        what is stored and on nothing else: neither on how many work nor on where the work was interrupted.
        """
        wanted = self._wanted(tally)
        return min(wanted, key=lambda name: tally[name].next_batch) if wanted else None

    def _wanted(self, tally: Mapping[str, Tally]) -> list[str]:
        """All until the total is there; with a number of successes those that have not got far more than their share
        (where there are such), and in the end those that lack their `each`. Never those that were given up."""
        if self.trials is not None:
            return [*tally] if total(tally).trials < self.trials else []
        alive = [name for name, t in tally.items() if t.fruitless < TRIES_WITHOUT_SUCCESS]
        if total(tally).successes < self.successes:
            most = max(MOST_SHARE * self.successes / len(tally), self.each)
            return [name for name in alive if tally[name].successes < most] or alive
        return [name for name in alive if tally[name].successes < self.each]

    def count(self, all_objects: Tally) -> int:
        """How far the number that is asked for has come."""
        return all_objects.trials if self.successes is None else all_objects.successes

    def given_up(self, tally: Mapping[str, Tally]) -> list[str]:
        """The objects that it will not try again: TRIES_WITHOUT_SUCCESS trials at their end were in vain."""
        if self.successes is None:
            return []
        return [name for name, t in tally.items() if t.fruitless >= TRIES_WITHOUT_SUCCESS]


def total(tally: Mapping[str, Tally]) -> Tally:
    """Of all objects."""
    counts = [(t.trials, t.closings, t.successes) for t in tally.values()]
    return Tally(*(sum(column) for column in zip(*counts, strict=True)))
