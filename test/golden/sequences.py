"""Random streams of stamped messages for the synchronisers, the same from a seed on every computer.

Only `random.Random.random()` is drawn from: of Python's generators it alone is promised to stay as it is.
"""

import hashlib
import random
from dataclasses import dataclass

N_SEQUENCES = 1000
BASE_NS = 1_700_000_000_000_000_000  # a stamp of today's size, where float64 would no longer resolve nanoseconds
_SLOPS_S = (1e-6, 0.002, 0.01, 0.04, 0.1)
_EVENTS = 160  # at least, of all topics together
_PERIODS_IN_SLOP = 2.0  # more would only make the genuine one try millions of combinations


@dataclass(frozen=True)
class Sequence:
    """What one synchroniser is fed with.

    slop_s: [s]. events: (topic, stamp [ns]) of each message in order of arrival, None where the queues are cleared.
    """

    seed: int
    n_topics: int
    queue_size: int
    slop_s: float
    events: list[tuple[int, int] | None]

    @property
    def digest(self) -> str:
        """Of everything in it."""
        return digest((self.seed, self.n_topics, self.queue_size, self.slop_s, self.events))


def digest(value) -> str:
    """16 hex digits of a value of plain numbers, tuples and lists."""
    return hashlib.blake2s(repr(value).encode(), digest_size=8).hexdigest()


def make_sequence(seed: int) -> Sequence:
    """Rates, jitter, drops, duplicates, bursts, late arrivals, equal stamps, jumps back, resets: each in some of them."""
    rng = random.Random(seed)

    def one_of(*choices):
        return choices[int(rng.random() * len(choices))]

    n_topics = 1 if seed % 50 == 0 else one_of(2, 3, 4, 4, 5)
    slop = one_of(*_SLOPS_S)
    period = max(1.0 / one_of(5, 10, 15, 30, 60), slop / _PERIODS_IN_SLOP)  # [s]
    jitter = one_of(0.0, 0.3, 0.6, 1.2) * slop  # [s] of the stamps, either way
    delay = one_of(0.0, 0.5, 3.0) * period  # [s] of the arrivals at most
    grid_ns = one_of(1, 1, 1_000_000, 10_000_000)  # coarse stamps are equal now and then
    drop, again, burst = one_of(0.0, 0.05, 0.3), one_of(0.0, 0.0, 0.1), one_of(0.0, 0.0, 0.2)
    rates = [one_of(1, 1, 1, 2) for _ in range(n_topics)]

    arrivals = []  # (time of arrival [s], topic, stamp [ns] after BASE_NS)
    for topic, rate in enumerate(rates):
        held = 0.0  # [s] up to which a burst keeps messages back
        for i in range(_EVENTS // sum(rates) * rate):
            stamp_s = i * period / rate + (2 * rng.random() - 1) * jitter
            stamp_ns = round(stamp_s * 1e9 / grid_ns) * grid_ns
            if rng.random() < burst:
                held = stamp_s + 4 * period
            arrival = max(stamp_s + rng.random() * delay, held)
            if rng.random() >= drop:
                arrivals.append((arrival, topic, stamp_ns))
            if rng.random() < again:
                arrivals.append((arrival + 2 * rng.random() * period, topic, stamp_ns))
    arrivals.sort()

    resets, jumps = one_of(0.0, 0.0, 0.02), one_of(0.0, 0.0, 0.0, 0.01)
    events: list[tuple[int, int] | None] = []
    back_ns = 0  # how far the clock has jumped back
    for _, topic, stamp_ns in arrivals:
        if rng.random() < resets:
            events.append(None)
        if rng.random() < jumps:
            back_ns += round(10 * period * 1e9)
        events.append((topic, BASE_NS + stamp_ns - back_ns))
    return Sequence(seed, n_topics, one_of(1, 2, 3, 5, 10, 30), slop, events)
