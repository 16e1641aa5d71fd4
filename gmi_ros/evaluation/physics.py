"""How much the labels of simulated picks owe to the simulation's settings: `python -m gmi_ros.evaluation.physics`.

The same picks (object, resting pose, plan) of protocol `lift` are tried again with one setting changed at a time.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.processes import mapper
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.candidates import sample_plan
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocol_steps import penetration
from gmi_ros.sim.scenario import settle_object
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.splits import objects_of
from gmi_ros.sim.trial import HELD, NO_CONTACT, SLIPPED, WRONG_LINK, GraspPlan, run

DROPS = (SLIPPED, NO_CONTACT, WRONG_LINK)  # the hand closed, and the object did not come along as it should
SETTINGS = {
    "defaults, again": Physics(),
    "time step 1 ms": Physics(timestep=0.001),
    "time step 4 ms": Physics(timestep=0.004),
    "pyramidal cone": Physics(elliptic=False),
    "pyramidal cone, impratio 1": Physics(elliptic=False, impratio=1.0),
    "impratio 1": Physics(impratio=1.0),
    "impratio 100": Physics(impratio=100.0),
    "noslip 0": Physics(noslip=0),
    "noslip 10": Physics(noslip=10),
}
_MAX_ROUNDS, _MAX_TRIES = 50, 32  # resting poses of an object, picks on each


class Pick(NamedTuple):
    """One trial: the object at rest (4, 4), what the hand did, and how that ended at the default settings."""

    object_model: ObjectModel
    world_from_object: np.ndarray
    plan: GraspPlan
    reason: str


class Hold(NamedTuple):
    """A held object. penetration: its deepest [m] during the hold. creep: in the palm's frame, of its centre [m]."""

    penetration: float
    creep: float
    without_pin: bool


def draw(object_model: ObjectModel, seed: int) -> list[Pick]:
    """The first held and the first dropped of _MAX_TRIES picks on one resting pose; fewer where there is none."""
    cell = Cell(object_model, load_hand())
    rng = np.random.default_rng([seed, *object_model.name.encode()])
    world_from_object = settle_object(cell, rng)
    found: dict[bool, Pick] = {}
    for _ in range(_MAX_TRIES):
        cell.reset(world_from_object)
        plan = sample_plan(cell, rng)
        cell.reset(world_from_object)
        reason = run(cell, plan).reason
        if reason in (HELD, *DROPS):
            found.setdefault(reason == HELD, Pick(object_model, world_from_object, plan, reason))
        if len(found) == 2:
            break
    return list(found.values())


def retry(pick: Pick, settings: Mapping[str, Physics]) -> tuple[dict[str, bool], Hold | None]:
    """Whether the same pick holds under each of the settings, and how at the defaults: None where it does not."""
    return {name: run(_cell(pick, s), pick.plan).success for name, s in settings.items()}, _hold(pick)


def _cell(pick: Pick, physics: Physics = Physics()) -> Cell:
    cell = Cell(pick.object_model, load_hand(), physics)
    cell.reset(pick.world_from_object)
    return cell


class _Probe:
    """Looks at a trial whenever it asks whether to stop, which it does every few steps; it never stops one."""

    def __init__(self, cell: Cell):
        self.cell, self.phase, self.deepest, self.first = cell, "", 0.0, None

    def on_phase(self, phase: str) -> None:
        self.phase = phase

    def look(self) -> bool:
        if self.phase == "hold":
            self.deepest = float(penetration(self.cell).max(initial=self.deepest))
            self.first = self.centre_in_palm() if self.first is None else self.first
        return False

    def centre_in_palm(self) -> np.ndarray:
        """The object's centre of mass (3,) [m] in {P}, both as of the last step."""
        centre = self.cell.data.xipos[self.cell.object_body]
        return poses.transform_points(poses.inverse(self.cell.world_from_palm), centre[None])[0]


def _hold(pick: Pick) -> Hold | None:
    probe = _Probe(_cell(pick))
    if not run(probe.cell, pick.plan, on_phase=probe.on_phase, cancelled=probe.look).success:
        return None
    creep = np.linalg.norm(probe.centre_in_palm() - probe.first)
    return Hold(probe.deepest, float(creep), run(_cell(pick), pick.plan, pinned=False).success)


def measure(
    n: int,
    workers: int = 2,
    seed: int = 1,
    objects: Sequence[ObjectModel] | None = None,
    settings: Mapping[str, Physics] = SETTINGS,
    progress: bool = True,
) -> dict:
    """Try n held and n dropped picks again under each of the settings.

    Args:
        objects: default: the split `train`. They take turns, each time in another resting pose.

    Returns:
        n, seed; drops: how many of each reason; changed: by setting, the share of `held` and of `dropped` whose label
        is another; penetration_mm: `median`, `p95`, `p99` and `within_3_mm` (share), of the deepest contact of hand
        and object in each hold of 1 s; creep_mm: `median`, `p95`, `p99` in that hold; held_without_pin: share.

    Raises:
        GmiError: BAD_REQUEST for n or workers < 1 or seed < 0; NO_GRASP where too few are held or dropped; INTERNAL
            where a worker process dies.
    """
    for name, value, least in (("n", n, 1), ("workers", workers, 1), ("seed", seed, 0)):
        if value < least:
            raise GmiError(ErrorCode.BAD_REQUEST, f"{name} must be at least {least}, got {value}")
    picks = _picks(n, workers, seed, objects_of("train") if objects is None else objects, progress)
    with mapper(workers) as mapped:
        again = list(tqdm(mapped(partial(retry, settings=settings), picks), "again", 2 * n, disable=not progress))
    held, drops = again[:n], again[n:]
    holds = [hold for _, hold in held if hold]
    depth, creep = (1e3 * np.array([getattr(h, name) for h in holds]) for name in ("penetration", "creep"))  # (n,) [mm]
    return {
        "n": n,
        "seed": seed,
        "drops": dict(Counter(pick.reason for pick in picks[n:])),
        "changed": {
            name: {"held": 1 - _share(h[name] for h, _ in held), "dropped": _share(h[name] for h, _ in drops)}
            for name in settings
        },
        "penetration_mm": _percentiles(depth) | {"within_3_mm": _share(depth <= 3.0)},
        "creep_mm": _percentiles(creep),
        "held_without_pin": _share(h.without_pin for h in holds),
    }


def _picks(n: int, workers: int, seed: int, objects: Sequence[ObjectModel], progress: bool) -> list[Pick]:
    """n held, then n dropped; at most one of each from one resting pose."""
    found: dict[bool, list[Pick]] = {True: [], False: []}
    seeds = [seed * _MAX_ROUNDS + number for number in range(_MAX_ROUNDS) for _ in objects]
    with mapper(workers) as mapped, tqdm(total=2 * n, desc="picks", disable=not progress) as bar:
        for picks in mapped(draw, [*objects] * _MAX_ROUNDS, seeds):
            for pick in picks:
                if len(same := found[pick.reason == HELD]) < n:
                    same.append(pick)
                    bar.update()
            if len(enough := found[True] + found[False]) == 2 * n:
                return enough
    got = f"{len(found[True])} and {len(found[False])} found in {len(seeds)} resting poses"
    raise GmiError(ErrorCode.NO_GRASP, f"{n} held and {n} dropped picks wanted, {got}")


def _share(of: Iterable[bool]) -> float:
    return float(np.mean([*of]))


def _percentiles(values: np.ndarray) -> dict[str, float]:
    return dict(zip(("median", "p95", "p99"), np.percentile(values, (50, 95, 99)).tolist(), strict=True))


def table(found: dict) -> str:
    """What `measure` found, as text."""
    n, drops = found["n"], ", ".join(f"{count} {reason}" for reason, count in found["drops"].items())
    depth, creep = ({k: f"{v:.2f} mm" for k, v in found[of].items()} for of in ("penetration_mm", "creep_mm"))
    within = found["penetration_mm"]["within_3_mm"]
    return "\n".join(
        [
            f"{n} held and {n} dropped picks ({drops}), seed {found['seed']}; share whose label changed:",
            f"{'setting':<28}{'held':>8}{'dropped':>10}",
            *(f"{name:<28}{c['held']:>8.1%}{c['dropped']:>10.1%}" for name, c in found["changed"].items()),
            "Of the held ones, at the defaults:",
            f"penetration: median {depth['median']}, p99 {depth['p99']}; at most 3 mm in {within:.1%}",
            f"creep in the hold: median {creep['median']}, p95 {creep['p95']}, p99 {creep['p99']}",
            f"held without the pin too: {found['held_without_pin']:.1%}",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.physics", description=__doc__)
    parser.add_argument("--n", type=int, default=250, help="held picks, and as many dropped ones (default: 250)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same picks (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    args = parser.parse_args(arguments)
    try:
        found = measure(args.n, args.workers, args.seed)
    except GmiError as error:
        if error.code is ErrorCode.BAD_REQUEST:
            parser.error(error.message)
        sys.stderr.write(f"{error.message}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    sys.stdout.write((json.dumps(found) if args.json else table(found)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
