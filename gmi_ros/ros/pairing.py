"""Outcomes wait for the observation that their grasp was made from, whichever comes first."""

from collections import OrderedDict
from dataclasses import dataclass

from gmi_ros.msg import GraspOutcome, Observation

_OBSERVATIONS_KEPT = 200  # about 6 MB
_UNSEEN_KEPT = 200  # outcomes whose observation may still come


@dataclass
class Waiting:
    """since: when it came [s]. observation: its own once that came, so that no later one can push it out. stored: it is
    in the store already, without its observation."""

    since: float
    outcome: GraspOutcome
    observation: Observation | None
    stored: bool = False


class Pairing:
    """Pairs by observation_id, never by arrival. For use from one thread; times are of any one clock [s]."""

    def __init__(self, pair_timeout: float, most_waiting: int):
        self._pair_timeout, self._most_waiting = pair_timeout, most_waiting
        self._observations: OrderedDict[str, Observation] = OrderedDict()
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()
        self._unseen: OrderedDict[str, Waiting] = OrderedDict()  # stored without their observation

    def __len__(self) -> int:
        """Outcomes that wait to be stored, or for their observation to be stored with them, which has come."""
        return len(self._waiting)

    def __contains__(self, outcome_id: str) -> bool:
        return outcome_id in self._waiting

    def observed(self, observation: Observation) -> None:
        """Keep an observation; the oldest are forgotten, but for those that an outcome waits with."""
        self._observations[observation.id] = observation
        self._observations.move_to_end(observation.id)
        while len(self._observations) > _OBSERVATIONS_KEPT:
            self._observations.popitem(last=False)
        for waiting in (*self._waiting.values(), *self._unseen.values()):
            if waiting.observation is None and waiting.outcome.observation_id == observation.id:
                waiting.observation = observation
        self._take_up_unseen()

    def came(self, outcome: GraspOutcome, now: float) -> GraspOutcome | None:
        """Keep an outcome until `done`; returns the one that had to give way, if any, and is in no store."""
        observation = self._observations.get(outcome.observation_id)
        self._waiting.setdefault(outcome.outcome_id, Waiting(now, outcome, observation))
        if len(self._waiting) <= self._most_waiting:
            return None
        for name, waiting in self._waiting.items():
            if waiting.stored:
                self._unseen[name] = self._waiting.pop(name)
                return None
        return self._waiting.popitem(last=False)[1].outcome

    def ready(self, now: float) -> list[Waiting]:
        """Outcomes with their observations, oldest first; without one where the time to wait for it is over."""
        return [
            waiting
            for waiting in self._waiting.values()
            if waiting.observation is not None or now - waiting.since >= self._pair_timeout
        ]

    def done(self, outcome: GraspOutcome, unseen: bool = False) -> None:
        """The outcome is stored, or can never be. unseen: without its observation; it waits again once that comes, unless
        too many others did not see theirs meanwhile."""
        waited = self._waiting.pop(outcome.outcome_id, None)
        if unseen and waited is not None:
            self._unseen[outcome.outcome_id] = Waiting(waited.since, waited.outcome, None, stored=True)
            while len(self._unseen) > _UNSEEN_KEPT:
                self._unseen.popitem(last=False)
        elif not unseen:
            self._unseen.pop(outcome.outcome_id, None)
        self._take_up_unseen()

    def _take_up_unseen(self) -> None:
        """Let those wait whose observation has come, as far as there is room."""
        for name in [name for name, unseen in self._unseen.items() if unseen.observation is not None]:
            if name not in self._waiting and len(self._waiting) < self._most_waiting:
                self._waiting[name] = self._unseen.pop(name)
