"""Picks through hand_bridge and mock drivers in the simulated cell hold as often as the direct path: pair by pair."""

import time

import numpy as np
import pytest
from bridge_bench import Bench, make_goal
from free_plan import free_plan
from std_srvs.srv import Trigger

from gmi_ros.bridge.plan import Phase
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.trial import HELD, GraspPlan, run
from gmi_ros.sim.world import World

pytestmark = [pytest.mark.ros, pytest.mark.soak]
SEED = 4


class LivePicks:
    """The mock cell, whose scenes are those of a World with the same seed, one after the other."""

    def __init__(self, live):
        # As the picks of test/sim/test_live.py: held for a second, so that both are judged after the same time.
        self.bench = Bench(live, cell=True, seed=SEED, objects="", hold_time=1.0, squeeze_time=0.3)
        self._reset = self.bench.user.create_client(Trigger, "mock_cell/reset")

    def pick(self, plan: GraspPlan, closed: np.ndarray, world_from_camera: np.ndarray, name: str):
        """Held by the paper's rule, off the table, and the result's reason. closed: (4,) [rad] at the contacts.

        Held is judged while it is held, as a direct pick is: before the fingers press again to find it out.
        """
        bench, held = self.bench, False
        with bench.mock.fronts.lock:
            stood = bench.mock.plant.cell.world_from_object[2, 3]
        handle = bench.send(make_goal(plan, world_from_camera, name, closed))
        assert handle.accepted
        ended, end = handle.get_result_async(), time.monotonic() + 400.0
        while not ended.done():
            assert time.monotonic() < end, bench.phases
            if bench.bridge.motion is not None and bench.bridge.motion.phase is Phase.HOLD:
                with bench.mock.fronts.lock:
                    held = bench.mock.plant.verdict == HELD
            time.sleep(0.01)
        result = ended.result().result
        assert bench.mock.fronts.failure is None, bench.mock.fronts.failure
        assert result.reason, result.message
        with bench.mock.fronts.lock:
            lifted = bool(bench.mock.plant.cell.world_from_object[2, 3] - stood > 0.1)
        return held, lifted, result.reason

    def next(self, name: str) -> None:
        """The next scene, which must have this object."""
        answer = self.bench.live.call(self._reset, Trigger.Request(), 60.0)
        assert answer.success and answer.message == name, answer.message


def test_picks_through_hand_bridge_hold_as_often_as_direct_ones(live, soak_scale):
    count = max(1, round(100 * soak_scale))
    world, rng, picks, told = World(load_hand(), SEED), np.random.default_rng(SEED), LivePicks(live), []
    for number in range(count):
        if number:
            picks.next(world.reset())
        plan = free_plan(world.cell, rng)
        direct = run(world.cell, plan)
        closed = np.clip(direct.joints, *world.hand.hard_limits.T)
        held, lifted, reason = picks.pick(plan, closed, world.world_from_camera, f"pair {number}")
        told.append((direct.success, held, lifted, reason == "held"))
        print(
            f"{number} {world.object_name}: direct {direct.reason}; hand_bridge held {held}, lifted {lifted}, {reason}",
            flush=True,
        )
    direct, held, lifted, says = np.array(told).T
    print(
        f"{count} pairs: direct {direct.sum()}, hand_bridge {held.sum()}, alike {(direct == held).sum()}; "
        f"lifted {lifted.sum()}, told as held {says.sum()}, told truly {(lifted == says).sum()}"
    )
    assert abs(direct.mean() - held.mean()) <= max(0.03, 1 / count)
    assert (lifted == says).mean() > 0.9
