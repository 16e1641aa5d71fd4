"""The outcomes of grasps that a bag holds, into an experience store: paired with their observations as the recorder
does it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rclpy.serialization import deserialize_message

from gmi_ros.core.errors import GmiError
from gmi_ros.experience.bag import Bag
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Observation
from gmi_ros.ros.convert_outcome import UNPAIRED, check_outcome, episode_from_messages
from gmi_ros.ros.ledger import STORE_FAULTS
from gmi_ros.ros.pairing import Pairing

_KINDS = {"gmi_ros/msg/GraspOutcome": GraspOutcome, "gmi_ros/msg/Observation": Observation}
_ALWAYS = float("inf")  # a time at which every outcome has waited long enough


def store_outcomes(bag_path: Path, store_path: Path) -> dict:
    """Add every outcome of the bag, whatever its topics are called, to the store, which is made where there is none.

    The outcomes are read first, so that an observation is kept if and only if one of them was made from it.

    Returns:
        outcomes (different ones in the bag), stored, duplicates (in the store before), completed (there without
        their observation, which the bag has), unpaired (stored without it), pairs (successes with it, new or completed) and
        problems.

    Raises:
        GmiError: the bag's errors, or the store's.
    """
    counts: Counter = Counter()
    problems: list[str] = []
    with Bag(bag_path) as bag:
        pairing = Pairing(pair_timeout=1.0, most_waiting=1 << 62)
        wanted = set()
        for outcome in _messages(bag, GraspOutcome, problems):
            try:
                check_outcome(outcome)
            except GmiError as error:
                problems.append(error.message)
                continue
            counts["outcomes"] += outcome.outcome_id not in pairing
            pairing.came(outcome, now=0.0)
            wanted.add(outcome.observation_id)
        if wanted:
            with Store(store_path, "rw") as store:
                for observation in _messages(bag, Observation, problems):
                    if observation.id in wanted:
                        pairing.observed(observation)
                        _settle(pairing, 0.0, store, counts, problems)
                _settle(pairing, _ALWAYS, store, counts, problems)
        return {
            **{name: counts[name] for name in ("outcomes", "stored", "duplicates", "completed", "unpaired", "pairs")},
            "problems": [*bag.problems, *problems],
        }


def _settle(pairing: Pairing, now: float, store: Store, counts: Counter, problems: list[str]) -> None:
    """Store what has its observation, or has waited long enough."""
    for waiting in pairing.ready(now):
        outcome = waiting.outcome
        try:
            episode = replace(episode_from_messages(outcome, waiting.observation), source="bag")
            added = store.add(episode)
            completed = not added and store.complete(episode)
        except GmiError as error:
            if error.code in STORE_FAULTS:
                raise
            problems.append(f"outcome {outcome.outcome_id} was left out: {error.message}")
        else:
            counts["stored" if added else "completed" if completed else "duplicates"] += 1
            counts["unpaired"] += added and episode.split == UNPAIRED
            if added or completed:
                counts["pairs"] += episode.split != UNPAIRED and episode.success
        pairing.done(outcome)


def _messages(bag: Bag, kind: type, problems: list[str]) -> Iterator:
    """All messages of a type; what makes no sense as one is counted."""
    names = [topic.name for topic in bag.topics.values() if _KINDS.get(topic.type) is kind]
    unreadable = 0
    for message in bag.messages(names):
        try:
            yield deserialize_message(message.cdr, kind)
        except Exception:  # a message of random bytes makes the middleware raise anything
            unreadable += 1
    if unreadable:
        problems.append(f"{unreadable} messages of {', '.join(names)} make no sense as gmi_ros/msg/{kind.__name__}")
