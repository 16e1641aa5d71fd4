"""Outcomes wait for the observation that their grasp was made from, whichever comes first."""

from collections import OrderedDict

from gmi_ros.msg import GraspOutcome, Observation

_OBSERVATIONS_KEPT = 200  # about 6 MB


class Pairing:
    """Pairs by observation_id, never by arrival. For use from one thread; times are of any one clock [s]."""

    def __init__(self, pair_timeout: float, most_waiting: int):
        self._pair_timeout, self._most_waiting = pair_timeout, most_waiting
        self._observations: OrderedDict[str, Observation] = OrderedDict()
        self._waiting: OrderedDict[str, tuple[float, GraspOutcome]] = OrderedDict()

    def __len__(self) -> int:
        """Outcomes that wait to be stored."""
        return len(self._waiting)

    def observed(self, observation: Observation) -> None:
        """Keep an observation; the oldest are forgotten."""
        self._observations[observation.id] = observation
        self._observations.move_to_end(observation.id)
        while len(self._observations) > _OBSERVATIONS_KEPT:
            self._observations.popitem(last=False)

    def came(self, outcome: GraspOutcome, now: float) -> GraspOutcome | None:
        """Keep an outcome until `done`; returns the one that had to give way, if any."""
        self._waiting.setdefault(outcome.outcome_id, (now, outcome))
        return self._waiting.popitem(last=False)[1][1] if len(self._waiting) > self._most_waiting else None

    def ready(self, now: float) -> list[tuple[GraspOutcome, Observation | None]]:
        """Outcomes with their observations, oldest first; without one where the time to wait for it is over."""
        found = []
        for since, outcome in self._waiting.values():
            observation = self._observations.get(outcome.observation_id)
            if observation is not None or now - since >= self._pair_timeout:
                found.append((outcome, observation))
        return found

    def done(self, outcome: GraspOutcome) -> None:
        """The outcome is stored, or can never be."""
        self._waiting.pop(outcome.outcome_id, None)
