"""The worked example of docs/frames.md: one box under a camera, one grasp of it, all frames of it."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.grasp import Grasp, WristStatus
from gmi_ros.core.object_frame import ObjectFrame, object_frame
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.wrist import solve_wrist

INTRINSICS = Intrinsics(640, 480, 525.0, 525.0, 319.5, 239.5)
CENTRE_PX, HALF_PX, TURN_DEG = (
    (400.0, 200.0),
    (52.0, 26.0),
    30.0,
)  # of the mask; turned from the image's up to the right
BOX_DEPTH, TABLE_DEPTH = 0.60, 0.70  # [m]
BOX_LOW, BOX_HIGH = (0.0, -0.03, -0.06), (0.10, 0.03, 0.06)  # in {O} [m]
CONTACTS = ((0.030, 0.030, -0.035), (0.030, 0.030, 0.035), (0.030, -0.030, 0.000))  # of F1, F2, F3 in {O} [m]
NORMALS = ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0))
CAMERA_POSE = (0.50, 0.00, 0.70, 0.70710678, -0.70710678, 0.0, 0.0)  # in the base's frame, straight down
HAND_MOUNT_FROM_PALM = (0.0, 0.0, 0.060, 0.0, 0.0, -0.38268343, 0.92387953)  # a Franka, 60 mm from flange to hand


@dataclass(frozen=True)
class FramesExample:
    """Poses (4, 4) [m] of everything in the picture; grasp in {O} and the camera's frame as everywhere."""

    frame: Frame
    found: ObjectFrame
    grasp: Grasp
    base_from_camera: np.ndarray
    mount_from_palm: np.ndarray

    @property
    def base_from_object(self) -> np.ndarray:
        """Pose of {O}."""
        return self.base_from_camera @ self.found.camera_from_object

    @property
    def base_from_palm(self) -> np.ndarray:
        """Pose of {P} at the grasp."""
        return self.base_from_camera @ self.grasp.camera_from_palm

    @property
    def base_from_mount(self) -> np.ndarray:
        """Pose of the hand mount at the grasp."""
        return self.base_from_palm @ poses.inverse(self.mount_from_palm)


def frames_example(hand: BarrettHand) -> FramesExample:
    """Pixel to {O} to grasp to camera to base to mount, by the functions that the node uses."""
    frame = example_frame()
    found = object_frame(frame)
    contacts, normals = np.array(CONTACTS), np.array(NORMALS)
    settings = SynthesisSettings()
    centres = contacts + hand.touch.radius * normals
    wrist = solve_wrist(hand.touching, centres[None], normals[None], settings.normal_weight)
    camera_from_palm = found.camera_from_object @ wrist.frame_from_palm[0]
    pregrasp = camera_from_palm.copy()
    pregrasp[:3, 3] -= settings.approach_distance * camera_from_palm[:3, 2]
    joints = wrist.joints[0]
    grasp = Grasp(
        grasp_id="example",
        label=found.label,
        contacts=contacts,
        normals=normals,
        camera_from_palm=camera_from_palm,
        camera_from_pregrasp=pregrasp,
        joints=joints,
        joints_open=joints - [0.0, *[settings.opening_margins[0]] * 3],
        finger_start=np.zeros(3),
        finger_speed=np.ones(3),
        residual=wrist.residual[0],
        status=WristStatus(int(wrist.status[0])),
        log_density=0.0,
        hold_probability=float("nan"),
        score=0.0,
    )
    return FramesExample(frame, found, grasp, _pose(CAMERA_POSE), _pose(HAND_MOUNT_FROM_PALM))


def example_frame() -> Frame:
    """What the camera sees: the box's top, its long side turned from the image's up to the right."""
    v, u = np.mgrid[: INTRINSICS.height, : INTRINSICS.width].astype(float)
    turn = np.radians(TURN_DEG)
    du, dv = u - CENTRE_PX[0], v - CENTRE_PX[1]
    along, across = du * np.sin(turn) - dv * np.cos(turn), du * np.cos(turn) + dv * np.sin(turn)  # (h, w) [px]
    box = (np.abs(along) <= HALF_PX[0]) & (np.abs(across) <= HALF_PX[1])
    depth = np.where(box, BOX_DEPTH, TABLE_DEPTH).astype(np.float32)
    rgb = np.where(box[..., None], (200, 40, 40), (120, 110, 100)).astype(np.uint8)
    return Frame(rgb, depth, box.astype(np.uint16), INTRINSICS, frame_id="camera")


def _pose(numbers: tuple[float, ...]) -> np.ndarray:
    """From x y z and a quaternion x y z w."""
    return poses.from_xyzw(np.array(numbers[:3]), np.array(numbers[3:]))
