"""What happens to the n-th image set of the soak: a function of the seed and n, so that whoever knows both knows it.

All sets are cut from a ring of rendered frames. A disturbed set is dropped, or one of its messages is; a message comes
late, or after the next set's; or one field of one message is damaged (mutations.py).
"""

import copy
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from mutations import MESSAGES, Mutation, mutations
from rclpy.serialization import deserialize_message, serialize_message

from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.ros.convert import frame_from_messages, frame_messages, stamp_message

SLOP_S = 0.01  # of the node under test, less than a period: only messages of one set make a set
GAP_S = 1.5  # how long a pause of the camera takes, more than max_age
_FATES = {"whole": 0.6, "damaged": 0.2, "part dropped": 0.06, "dropped": 0.06, "late": 0.04, "swapped": 0.04}
_GAPS = 1 / 1500  # share of sets that a pause begins with
_DAMAGES = [m for m in mutations() if m.message in MESSAGES[:4] and m.field != "header.stamp"]


@dataclass(frozen=True)
class Fate:
    """kind: one of _FATES. part: which message of the set it concerns. delay: sets that go before that one.

    damage: what is spoiled, None but for "damaged". gap: whether the camera pauses before this set.
    """

    kind: str
    part: int
    delay: int
    damage: Mutation | None
    gap: bool

    @property
    def complete(self) -> bool:
        """Whether all four messages are sent."""
        return "dropped" not in self.kind


def fate(seed: int, number: int) -> Fate:
    """Of the set with this number."""
    rng = _rng(seed, number)
    (kind,) = rng.choices(list(_FATES), list(_FATES.values()))
    part, damage, delay = rng.randrange(4), None, {"late": rng.randint(1, 4), "swapped": 1}.get(kind, 0)
    if kind == "damaged":
        damage = rng.choice(_DAMAGES)
        part = MESSAGES.index(damage.message)
    return Fate(kind, part, delay, damage, number > 100 and rng.random() < _GAPS)


class Ring:
    """Frames rendered once, as messages; `save` and `load` carry them to another process."""

    def __init__(self, frames: list[Frame]):
        self._messages = [frame_messages(frame) for frame in frames]
        self._frames = frames

    def save(self, path: Path) -> None:
        """As .npz."""
        k = self._frames[0].intrinsics.k
        arrays = {name: np.stack([getattr(f, name) for f in self._frames]) for name in ("rgb", "depth", "mask")}
        np.savez(path, k=k, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Ring":
        """From .npz."""
        with np.load(path) as saved:
            height, width = saved["mask"].shape[1:]
            intrinsics = Intrinsics.from_k(width, height, saved["k"])
            return cls([Frame(*images, intrinsics) for images in zip(saved["rgb"], saved["depth"], saved["mask"])])

    def messages(self, seed: int, number: int, stamp: Time) -> list:
        """rgb, depth, camera_info and mask of a set, stamped and damaged as its fate wants it."""
        messages = list(self._messages[number % len(self._messages)])
        damage = fate(seed, number).damage
        if damage is not None:
            index = MESSAGES.index(damage.message)
            messages[index] = copy.deepcopy(messages[index])
            damage.apply(messages[index], _rng(seed, number, "damage"))
        for message in messages:
            message.header.stamp = stamp
        return messages

    def frame(self, seed: int, number: int, stamp_ns: int) -> Frame:
        """A set as the node receives it. Raises GmiError: what its damage should give."""
        messages = self.messages(seed, number, stamp_message(stamp_ns))
        # Through the wire format: a string ends at its first NUL there.
        return frame_from_messages(*(deserialize_message(serialize_message(m), type(m)) for m in messages))


def _rng(seed: int, number: int, what: str = "") -> random.Random:
    return random.Random(f"{seed} {number} {what}")
