"""What a lab configures about hand_bridge: which drivers, under which names."""

from dataclasses import dataclass

from gmi_ros.bridge.plan import MotionSettings
from gmi_ros.core.settings import setting
from gmi_ros.ros.joint_names import PRESETS
from gmi_ros.ros.settings import IDENTITY, pose_of

HAND_DRIVERS = ("follow_joint_trajectory", "joint_state", "wam")
ARM_DRIVERS = ("follow_joint_trajectory", "move_group", "pose")


@dataclass(frozen=True)
class BridgeSettings(MotionSettings):
    """hand_bridge: which drivers it talks to, and how a grasp is carried out."""

    hand: str = setting("bh280", "model of the hand", choices=("bh262", "bh280", "bh282"))
    hand_driver: str = setting("joint_state", "how the hand is commanded", choices=HAND_DRIVERS)
    arm_driver: str = setting("pose", "how the arm is commanded", choices=ARM_DRIVERS)
    joint_name_map: str = setting("", "names of the hand's joints at its driver; empty: ours", choices=tuple(PRESETS))
    base_frame: str = setting("", "the frame that the arm is commanded in; empty: the frame of the grasp")
    base_from_grasp_frame: tuple[float, ...] = setting(
        IDENTITY,
        "pose of the grasps' frame in base_frame, where tf2 is not to be asked: x y z [m] and quaternion x y z w",
    )
    tf_timeout: float = setting(0.5, "longest wait for a transform [s]", 0.0, 10.0)
    driver_timeout: float = setting(3.0, "longest wait for a driver to be there [s]", 0.0, 60.0)
    initialise: bool = setting(False, "initialise a hand that is not: its fingers and spread move to their stops")
    hand_states: str = setting("joint_states", "topic of the hand's joints (sensor_msgs/JointState)")
    hand_action: str = setting(
        "hand_controller/follow_joint_trajectory", "follow_joint_trajectory: action of the hand's controller"
    )
    hand_command: str = setting("hand/command", "joint_state: topic of the commands (sensor_msgs/JointState)")
    hand_unit: str = setting("rad", "joint_state: unit of the hand's joints at its driver", choices=("rad", "ticks"))
    hand_status: str = setting(
        "", "topic of the driver's state (std_msgs/Int32, numbers of config/drivers/barrett.yaml); empty: none"
    )
    hand_initialise: str = setting("", "service that initialises the hand (std_srvs/Trigger); empty: none")
    hand_effort: bool = setting(False, "whether the efforts in hand_states are torques of the inner joints [N m]")
    hand_tactile: str = setting(
        "", "topic of the forces on the fingertips F1, F2, F3 [N] (std_msgs/Float64MultiArray); empty: none"
    )
    hand_temperature: str = setting("", "topic of the hottest motor (sensor_msgs/Temperature); empty: none")
    wam_namespace: str = setting("bhand", "wam: namespace of the hand's services")
    wam_package: str = setting("wam_srvs", "wam: package of BHandFingerPos and BHandSpreadPos")
    arm_states: str = setting("joint_states", "follow_joint_trajectory: topic of the arm's joints")
    arm_action: str = setting(
        "arm_controller/follow_joint_trajectory", "follow_joint_trajectory: action of the arm's controller"
    )
    arm_urdf: str = setting("", "follow_joint_trajectory: file of the arm's URDF; empty: the mock arm's")
    arm_base_link: str = setting("", "follow_joint_trajectory: link that base_frame is; empty: the URDF's root")
    mount_link: str = setting("mount", "follow_joint_trajectory, move_group: the link that carries the hand")
    arm_speed_scale: float = setting(0.3, "share of the arm's joint speeds that is used", 0.01, 1.0)
    move_group_action: str = setting("move_action", "move_group: the action")
    planning_group: str = setting("arm", "move_group: group of the arm's joints")
    travel_pipeline: str = setting("", "move_group: pipeline to the pre-grasp; empty: move_group's default")
    travel_planner: str = setting("", "move_group: planner to the pre-grasp; empty: the pipeline's default")
    straight_pipeline: str = setting("pilz_industrial_motion_planner", "move_group: pipeline of straight ways")
    straight_planner: str = setting("LIN", "move_group: planner of straight ways")
    planning_time: float = setting(5.0, "move_group: longest time to plan [s]", 0.1, 60.0)
    pose_command: str = setting("arm/pose_command", "pose: topic of the poses that the mount is sent to (PoseStamped)")
    arm_pose: str = setting(
        "arm/pose", "pose, move_group: topic of the mount's pose (PoseStamped in base_frame); empty: none"
    )
    pose_rate: float = setting(50.0, "pose: commands per second [Hz]", 1.0, 1000.0)

    def __post_init__(self):
        super().__post_init__()
        pose_of("base_from_grasp_frame", self.base_from_grasp_frame)
