"""What a person tunes about the nodes; what they tune about the synthesis is core.settings.SynthesisSettings."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import Settings, setting
from gmi_ros.ros.joint_names import PRESETS

NO_POSE = (0.0,) * 7
IDENTITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class InputSettings(Settings):
    """How a node takes in the four image topics."""

    queue_size: int = setting(10, "messages of each input that wait for their partners", 1, 1000)
    slop_s: float = setting(0.05, "largest difference between the stamps of one image set [s]", 1e-6, 10.0)
    input_reliability: str = setting(
        "best_effort", "reliability of the image subscriptions", choices=("best_effort", "reliable")
    )
    rgb_transport: str = setting("raw", "how rgb/image is sent (image_transport)", choices=("raw", "compressed"))
    depth_transport: str = setting("raw", "how depth/image is sent", choices=("raw", "compressedDepth", "compressed"))
    mask_transport: str = setting("raw", "how segmentation/mask is sent", choices=("raw", "compressed"))


@dataclass(frozen=True)
class NodeSettings(InputSettings):
    """How grasp_synthesizer takes in images, answers requests and has grasps executed.

    What a running node does not take at once is read when it is configured.
    """

    autostart: bool = setting(True, "configure and activate by itself at the start")
    device: str = setting(
        "auto", "what the network runs on; auto: cuda where there is one", choices=("auto", "cpu", "cuda")
    )
    model: str = setting(
        "", "folder of the network's weights; empty: the ones of this package; a bad one is refused", live=True
    )
    hand: str = setting("bh280", "model of the hand", choices=("bh262", "bh280", "bh282"))
    camera: str = setting("", "name of the camera, noted in observations and outcomes", live=True)
    max_age: float = setting(1.0, "oldest image set that is used, on the node's clock [s]", 0.0, 3600.0, live=True)
    max_future: float = setting(0.1, "how far an image may be stamped in the future [s]", 0.0, 3600.0, live=True)
    request_timeout: float = setting(2.0, "longest time that a request may take [s]", 0.05, 600.0, live=True)
    answer_every: int = setting(
        0, "answer every n-th image set on the topics, unasked; 0: only requests", 0, 1_000_000, live=True
    )
    answer_seed: int = setting(1, "seed of the answers that nobody asked for", 1, 2**53, live=True)
    target_frame: str = setting("", "frame of the answers; empty: the camera's")
    camera_pose: tuple[float, ...] = setting(
        NO_POSE, "target_from_camera: x y z [m] and quaternion x y z w; all zero: asked of tf2"
    )
    tf_timeout: float = setting(0.2, "longest wait for a transform [s]", 0.0, 10.0, live=True)
    hand_mount_from_palm: tuple[float, ...] = setting(
        IDENTITY, "pose of the palm {P} in the arm's hand mount: x y z [m] and quaternion x y z w"
    )
    joint_name_map: str = setting("", "joint names in ~/contact_targets; empty: ours", choices=tuple(PRESETS))
    allow_execution: bool = setting(False, "whether a grasp may ever be sent to execute_grasp")
    execution_timeout: float = setting(60.0, "longest time that an execution may take [s]", 0.1, 3600.0, live=True)
    server_timeout: float = setting(
        2.0, "silence after which the action server counts as lost [s]", 0.5, 60.0, live=True
    )
    tip_force_limit: float = setting(
        15.0, "largest force of a fingertip, bounded by the hand's [N]", 0.1, 15.0, live=True
    )
    finger_speed_limit: float = setting(
        2.44, "largest speed of an inner joint, bounded by the hand's [rad/s]", 0.01, 2.44, live=True
    )
    spread_speed: float = setting(
        0.7, "largest speed of the spread, bounded by the hand's [rad/s]", 0.01, 4.4, live=True
    )
    approach_speed: float = setting(
        0.1, "largest speed of the palm on the way to the grasp [m/s]", 0.001, 0.5, live=True
    )
    lift_speed: float = setting(0.1, "largest speed of the lift [m/s]", 0.001, 0.5, live=True)
    lift_height: float = setting(0.2, "how far the object is lifted [m]", 0.0, 1.0, live=True)

    def __post_init__(self):
        super().__post_init__()
        pose_of("hand_mount_from_palm", self.hand_mount_from_palm)
        if self.camera_pose != NO_POSE:
            pose_of("camera_pose", self.camera_pose)
            if not self.target_frame:
                raise GmiError(
                    ErrorCode.BAD_SETTING, "camera_pose is given, so target_frame must name its frame, got ''"
                )


@dataclass(frozen=True)
class StoreSettings(Settings):
    """How experience_recorder stores outcomes, verdicts and full frames."""

    store: str = setting("~/.local/share/gmi_ros/experience.db", "file of the experience store, made on demand")
    disk_budget: float = setting(
        10.0,
        "most that the store and its full frames take [GB]; full frames give way, oldest first, records never",
        0.001,
        1e6,
    )
    pair_timeout: float = setting(2.0, "how long an outcome waits for its observation [s]", 0.0, 3600.0)
    retry_period: float = setting(5.0, "time between two attempts to write a store that refused [s]", 0.01, 3600.0)
    most_waiting: int = setting(1000, "outcomes kept while the store cannot be written", 1, 1_000_000)
    judge_timeout: float = setting(5.0, "longest time until ~/judge answers [s]", 0.05, 600.0)
    store_full_frames: bool = setting(
        False, "whether the whole images of executed grasps are kept too; the image topics are subscribed to only then"
    )
    frame_memory: float = setting(
        0.5, "memory for images that wait for the outcome of their grasp [GB]; a set of 640x480 takes 3 MB", 0.001, 64.0
    )


@dataclass(frozen=True)
class RecorderSettings(InputSettings, StoreSettings):
    """Everything of experience_recorder; how images come in counts only where full frames are stored."""


@dataclass(frozen=True)
class BagReplaySettings(Settings):
    """What is replayed, and how fast."""

    bag: str = setting("", "the bag: a folder, .mcap or .db3")
    topics: str = setting(
        "", "topics to publish, apart by spaces; empty: all but what running nodes say themselves (grasps, logs)"
    )
    rate: float = setting(1.0, "how fast, 1: as it was recorded", 0.01, 100.0)
    loop: bool = setting(False, "whether to begin again at the end")
    start_paused: bool = setting(False, "whether to wait for ~/pause with data: false")
    start: float = setting(0.0, "how much of the bag to skip [s]", 0.0, 1e9)
    duration: float = setting(0.0, "how much of it to replay [s]; 0: all", 0.0, 1e9)
    wait_for: str = setting("", "topics, apart by spaces, that must have a subscriber before the start")
    wait: float = setting(20.0, "longest wait for these subscribers [s]", 0.0, 3600.0)
    clock_rate: float = setting(100.0, "how often /clock is published, unless the bag has its own [Hz]", 1.0, 1000.0)


def pose_of(name: str, numbers: tuple[float, ...]) -> np.ndarray:
    """The 4x4 pose of seven numbers: x y z [m] and a unit quaternion x y z w.

    Raises:
        GmiError: BAD_SETTING where they are not seven finite numbers with a unit quaternion.
    """
    values = np.asarray(numbers, float)
    if values.shape != (7,) or not np.isfinite(values).all():
        raise GmiError(ErrorCode.BAD_SETTING, f"{name} must be 7 finite numbers x y z qx qy qz qw, got {list(numbers)}")
    length = float(np.linalg.norm(values[3:]))
    if abs(length - 1) > 0.01:
        raise GmiError(ErrorCode.BAD_SETTING, f"{name}: the quaternion's length must be 1 +- 0.01, got {length:.4g}")
    return poses.from_xyzw(values[:3], values[3:])
