"""A motion on a plant without physics, in a time that the test makes."""

import numpy as np

from gmi_ros.bridge.motion import GraspMotion
from gmi_ros.bridge.plan import MotionPlan, MotionSettings, Phase
from gmi_ros.bridge.plant import FreePlant
from gmi_ros.bridge.simulated import Fault, SimulatedArm, SimulatedHand
from gmi_ros.core import poses
from gmi_ros.hand.barrett import load_hand

TICK = 0.01  # [s]
HAND = load_hand("bh280")
DOWN = np.diag([1.0, -1.0, -1.0])
GRASP, PREGRASP = poses.make(DOWN, np.array([0.1, 0.0, 0.2])), poses.make(DOWN, np.array([0.1, 0.0, 0.3]))
CONTACTS = np.array([1.2, 1.25, 1.3])


def make_plan(**changes) -> MotionPlan:
    """From above, spread 0.5, fingers open at 0.6."""
    given = {
        "base_from_pregrasp": PREGRASP,
        "base_from_grasp": GRASP,
        "mount_from_palm": np.eye(4),
        "joints_open": np.array([0.5, 0.6, 0.6, 0.6]),
        "joints_closed": np.append(0.5, CONTACTS),
        "finger_start": np.array([0.0, 0.1, 0.2]),
        "finger_speed": np.full(3, 1.0),
        "spread_speed": 0.7,
        "approach_speed": 0.1,
        "lift": np.array([0.0, 0.0, 0.2]),
        "lift_speed": 0.2,
        "tip_force_limit": 15.0,
        **changes,
    }
    return MotionPlan(**given)


class Simulation:
    """Everything that moves, and what it went through."""

    def __init__(
        self, hand_fault=("none", 0), arm_fault=("none", 0), tells=("outer", "tactile"), plan=None, **settings
    ):
        self.now = 100.0
        contact, figures = settings.pop("contact", CONTACTS), settings.pop("figures", HAND)
        self.plant = FreePlant(HAND, contact=contact, slips=settings.pop("slips", False))
        self.hand = SimulatedHand(self.plant, HAND, lambda: self.now, Fault(*hand_fault), tells)
        self.arm = SimulatedArm(self.plant, lambda: self.now, Fault(*arm_fault))
        self.settings = MotionSettings(**settings)
        self.motion = GraspMotion(plan or make_plan(), self.hand, self.arm, figures, self.settings)
        self.phases: list[Phase] = []
        self.trace: list = []  # (time, phase, motors, mount position)

    def step(self) -> bool:
        """One tick; whether it has ended."""
        if not self.phases:
            self.phases.append(self.motion.phase)
        ended = self.motion.tick(self.now)
        if self.phases[-1] is not self.motion.phase:
            self.phases.append(self.motion.phase)
        self.hand.advance()
        self.arm.advance()
        self.trace.append(
            (self.now, self.motion.phase, self.plant.motor.copy(), self.plant.base_from_mount[:3, 3].copy())
        )
        self.now += TICK
        return ended

    def run(self, until=lambda: False, longest: float = 120.0):
        """Tick until it has ended, or `until`; the outcome."""
        end = self.now + longest
        while not self.step() and not until():
            assert self.now < end, f"hangs in {self.motion.phase.name}"
        return self.motion.outcome

    @property
    def is_open_and_away(self) -> bool:
        """Every finger off the object, and the palm at the pre-grasp or further."""
        free = (self.plant.motor[1:] < np.where(np.isfinite(CONTACTS), CONTACTS, np.inf) - 0.3).all()
        return bool(free) and self.plant.base_from_mount[2, 3] > GRASP[2, 3] + 0.09
