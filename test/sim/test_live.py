"""The cell as a plant: what is picked through the motion is what a trial picks, with another hand too."""

import numpy as np
import pytest
from free_plan import free_plan

from gmi_ros.bridge.motion import GraspMotion
from gmi_ros.bridge.plan import MotionPlan, MotionSettings, Phase
from gmi_ros.bridge.simulated import SimulatedArm, SimulatedHand
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.live import LiveCell
from gmi_ros.sim.trial import HELD, run
from gmi_ros.sim.world import World


def pair(hand, seed: int, objects=()) -> tuple[bool, bool, bool]:
    """One grasp, drawn for a scene: held directly, held through the motion, and what the motion says."""
    world = World(hand, seed, objects)
    cell, rng = world.cell, np.random.default_rng(seed)
    before = cell.world_from_object
    plan = free_plan(cell, rng)
    direct = run(cell, plan).success
    cell.reset(before)
    live, now = LiveCell(cell, np.eye(4)), [0.0]
    driver = SimulatedHand(live, hand, lambda: now[0], tells=("outer",))
    arm = SimulatedArm(live, lambda: now[0])
    closed = np.append(plan.joints_open[0], np.maximum(plan.joints_open[1:], 1.2))
    wanted = MotionPlan(
        plan.world_from_pregrasp, plan.world_from_palm, np.eye(4), plan.joints_open, closed, plan.closing.start,
        plan.closing.speed, 0.7, 0.2, np.array([0.0, 0.0, 0.2]), 0.2, hand.active_tip_force,
    )  # fmt: skip
    motion = GraspMotion(wanted, driver, arm, hand, MotionSettings(travel_speed=1.0))
    held = False
    while not motion.tick(now[0]):
        if motion.phase is Phase.HOLD:
            held = live.verdict == HELD
        driver.advance()
        arm.advance()
        live.advance(0.01)
        now[0] += 0.01
        assert now[0] < 120, motion.phase
    return direct, held, motion.outcome.held


@pytest.mark.soak
def test_picks_through_the_motion_hold_as_often_as_trials(soak_scale):
    count = max(2, round(100 * soak_scale))
    told = np.array([pair(load_hand(), seed) for seed in range(4, 4 + count)])
    print(f"of {count}: direct {told[:, 0].sum()}, through the motion {told[:, 1].sum()}, it says {told[:, 2].sum()}")
    assert abs(told[:, 0].mean() - told[:, 1].mean()) <= 0.03
    assert (told[:, 1] == told[:, 2]).mean() > 0.9
