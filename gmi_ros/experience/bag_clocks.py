"""Whether the stamps of a bag's images are of one clock, judged by when the messages were received."""

from collections.abc import Sequence

import numpy as np

_LOOKED_AT = 300  # messages of each topic
_ALIKE_S = 0.25  # drivers send their images within this time of each other
_NS = 1e9


class Clocks:
    """Stamp less time of receipt of the first messages of each topic; the first topic is the one compared with."""

    def __init__(self, names: Sequence[str], mask: str):
        """mask: the topic whose messages may come any time after the image that they were made from."""
        self._mask = mask
        self._differences: dict[str, list[int]] = {name: [] for name in names}
        self._stamps: dict[str, set[int]] = {name: set() for name in names}
        self._first: dict[str, int] = {}
        self._moving: set[str] = set()  # topics whose stamps are not all the same

    def saw(self, name: str, stamp_ns: int, received_ns: int) -> None:
        """Take in a message."""
        seen = self._differences[name]
        if len(seen) < _LOOKED_AT:
            seen.append(stamp_ns - received_ns)
            self._stamps[name].add(stamp_ns)
        if self._first.setdefault(name, stamp_ns) != stamp_ns:
            self._moving.add(name)

    def problems(self) -> list[str]:
        """What a person should know about the stamps."""
        told = [
            f"all {len(seen)} messages of {name} have the stamp {self._first[name] / _NS:.3f} s: --by-receipt pairs "
            "them by the time of receipt"
            for name, seen in self._differences.items()
            if len(seen) > 1 and name not in self._moving
        ]
        first, *others = self._differences
        for name in others:
            if not self._differences[name] or not self._differences[first]:
                continue
            if self._stamps[name] & self._stamps[first]:
                continue  # the same to the nanosecond: one clock, though some came late to a busy recorder
            ahead = float(np.median(self._differences[name]) - np.median(self._differences[first])) / _NS
            if ahead > _ALIKE_S or (ahead < -_ALIKE_S and name != self._mask):
                told.append(
                    f"the stamps of {name} are {abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} those of "
                    f"{first}, judged by when both were received: either their clocks differ, so that no sets or wrong "
                    "ones are found and --by-receipt helps, or they came late to the recorder"
                )
        return told
