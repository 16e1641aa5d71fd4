"""A cell to work in: object after object on the table, a camera that sees it, a hand that tries to pick it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.camera import Camera, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.objects import ObjectModel, find_object
from gmi_ros.sim.scenario import draw_camera, settle_object
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.splits import objects_of
from gmi_ros.sim.trial import DIVERGED, GraspPlan, TrialResult, run

ELEVATION = (np.radians(35), np.radians(75))  # of the camera above the object, as it stands in a real cell [rad]
LABEL = 1  # of the object in the mask
SLOWEST_FINGER = 0.05  # [rad/s]: a closing takes a minute of simulated time at most
_OBJECTS_KEPT = 16  # compiled models


@dataclass(frozen=True)
class Pick:
    """What came of one attempt, in the camera's frame.

    contacts, normals: (3, 3) [m] and unit outward, NaN in every row unless all three fingers touched. touched: (3,).
    joints: (4,) [rad] and camera_from_palm: (4, 4), both when the fingers had squeezed, or when the trial ended before.
    height_lifted: [m]. reason: one of trial.REASONS.
    """

    success: bool
    reason: str
    contacts: np.ndarray
    normals: np.ndarray
    touched: np.ndarray
    joints: np.ndarray
    camera_from_palm: np.ndarray
    height_lifted: float


class World:
    """One object on the table and a camera; `reset` brings the next ones, all drawn from the seed."""

    def __init__(self, hand: BarrettHand, seed: int, objects: Sequence[str] = (), mass: float = 1.0):
        """Args:
            objects: names of objects, tried in an order drawn from the seed; empty = the training split's.
            mass: of every object [kg].

        Raises:
            GmiError: BAD_REQUEST for an object that does not exist.
        """
        self.hand, self._seed = hand, seed
        models = [find_object(name) for name in objects] or [*objects_of("train")]
        order = np.random.default_rng([seed]).permutation(len(models))
        self._models: list[ObjectModel] = [models[i] for i in order]
        self._make_cell = lru_cache(maxsize=_OBJECTS_KEPT)(lambda model: Cell(model, hand, Physics(mass=mass)))
        self._round = -1
        self.reset()

    @property
    def cell(self) -> Cell:
        """The cell of the object on the table: for who moves in it by other means than `pick`."""
        return self._cell

    @property
    def object_name(self) -> str:
        """The object on the table."""
        return self._cell.object_model.name

    @property
    def world_from_camera(self) -> np.ndarray:
        """(4, 4), fixed until the next reset."""
        return self._camera.world_from_camera

    def reset(self) -> str:
        """The next object at rest, seen by a new camera; returns its name."""
        self._round += 1
        rng = np.random.default_rng([self._seed, self._round])
        self._cell = self._make_cell(self._models[self._round % len(self._models)])
        world_from_object = settle_object(self._cell, rng)
        self._camera: Camera = draw_camera(world_from_object, rng, ELEVATION)
        return self.object_name

    def frame(self, stamp_ns: int = 0, frame_id: str = "camera") -> Frame:
        """What the camera sees now; the hand is parked out of its view."""
        labels = {self._cell.object_body: LABEL}
        return render(self._cell.model, self._cell.data, self._camera, labels, stamp_ns=stamp_ns, frame_id=frame_id)

    def plan(
        self,
        camera_from_pregrasp: np.ndarray,
        camera_from_palm: np.ndarray,
        joints_open: np.ndarray,
        closing: ClosingPlan,
    ) -> GraspPlan:
        """A grasp given in the camera's frame as a plan in the world.

        Raises:
            GmiError: BAD_REQUEST where the hand cannot do it: a pose that is not rigid, joints beyond their limits, a
                finger that is to start before the closing or to move faster than it can.
        """
        for name, pose in (("pregrasp_wrist_pose", camera_from_pregrasp), ("wrist_pose", camera_from_palm)):
            if not poses.is_rigid(pose):
                raise GmiError(ErrorCode.BAD_REQUEST, f"{name} is not a rigid pose of finite numbers")
        low, high = self.hand.hard_limits.T
        within = (joints_open >= low - 1e-6) & (joints_open <= high + 1e-6)
        if not within.all():
            raise GmiError(
                ErrorCode.BAD_REQUEST,
                f"joints_open must be in {_listed(low)} to {_listed(high)} rad, got {_listed(joints_open)}",
            )
        fastest = self.hand.max_speed[1:]
        if not ((closing.speed >= SLOWEST_FINGER) & (closing.speed <= fastest + 1e-6)).all():
            raise GmiError(
                ErrorCode.BAD_REQUEST,
                f"finger_speed must be in [{SLOWEST_FINGER}, {fastest[0]:g}] rad/s, got {_listed(closing.speed)}",
            )
        if not ((closing.start >= 0) & (closing.start <= 10)).all():
            raise GmiError(ErrorCode.BAD_REQUEST, f"finger_start must be in [0, 10] s, got {_listed(closing.start)}")
        return GraspPlan(
            self.world_from_camera @ camera_from_pregrasp,
            self.world_from_camera @ camera_from_palm,
            joints_open,
            closing,
        )

    def pick(
        self,
        plan: GraspPlan,
        on_phase: Callable[[str], None] = lambda phase: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Pick:
        """Try it by physics, then open the hand, park it and let the object come to rest where it falls."""
        world_from_object = self._cell.world_from_object
        result = run(self._cell, plan, on_phase=on_phase, cancelled=cancelled)
        self._put_down(world_from_object, diverged=result.reason == DIVERGED)
        return self._in_camera(result, world_from_object)

    def _put_down(self, before: np.ndarray, diverged: bool) -> None:
        """The scene after a trial; a simulation that diverged begins again from where the object was."""
        self._cell.reset(before if diverged else self._cell.world_from_object)
        self._cell.settle()

    def _in_camera(self, result: TrialResult, world_from_object: np.ndarray) -> Pick:
        camera_from_world = poses.inverse(self.world_from_camera)
        contacts, normals = np.full((3, 3), np.nan), np.full((3, 3), np.nan)
        if result.contacts is not None:
            # The trial gives them in the object's body frame; the object was pinned until they were taken.
            camera_from_body = camera_from_world @ world_from_object
            contacts = poses.transform_points(camera_from_body, result.contacts)
            normals = poses.rotate(camera_from_body, result.normals)
        return Pick(
            result.success,
            result.reason,
            contacts,
            normals,
            result.in_contact,
            result.joints,
            camera_from_world @ result.world_from_palm,
            result.height_lifted,
        )


def _listed(numbers: np.ndarray) -> str:
    return "[" + ", ".join(f"{n:.4g}" for n in numbers) + "]"
