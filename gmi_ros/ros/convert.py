"""Messages to the types of core and back, as free functions. Nothing here subscribes, publishes or waits.

In messages every point, normal and pose is in header.frame_id: the camera's frame, or the frame of the answers where
`output_from_camera` (4, 4) is given; core's grasps speak {O} and the camera's frame.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Vector3
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header

from gmi_ros import msg
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.grasp import FINGERS, JOINTS, Grasp, WristStatus
from gmi_ros.core.observation import WINDOW_M, Observation
from gmi_ros.core.version import version
from gmi_ros.experience.bags import FrameSet, set_to_frame
from gmi_ros.pipeline import Synthesis
from gmi_ros.ros.compat import image_array

_NS = 1_000_000_000


@dataclass(frozen=True)
class Motion:
    """What every goal carries beside the grasp itself; limits are already bounded by the hand's.

    hand: name of the hand. hand_mount_from_palm: (4, 4). Speeds [m/s], [rad/s], height [m], force [N].
    """

    hand: str
    hand_mount_from_palm: np.ndarray
    tip_force_limit: float
    finger_speed_limit: float
    spread_speed: float
    approach_speed: float
    lift_speed: float
    lift_height: float


def nanoseconds(stamp: Time) -> int:
    """A stamp as whole nanoseconds."""
    return stamp.sec * _NS + stamp.nanosec


def stamp_message(stamp_ns: int) -> Time:
    """Whole nanoseconds as a stamp."""
    return Time(sec=stamp_ns // _NS, nanosec=stamp_ns % _NS)


def header_message(frame: Frame, output_frame: str = "") -> Header:
    """The image's stamp, and the frame of the answers: output_frame, or the camera's where that is empty."""
    return Header(stamp=stamp_message(frame.stamp_ns), frame_id=output_frame or frame.frame_id)


def point_message(point: np.ndarray) -> Point:
    """(3,) [m]."""
    return Point(x=float(point[0]), y=float(point[1]), z=float(point[2]))


def vector_message(vector: np.ndarray) -> Vector3:
    """(3,)."""
    return Vector3(x=float(vector[0]), y=float(vector[1]), z=float(vector[2]))


def array_of(message: Point | Vector3) -> np.ndarray:
    """(3,) of a point or vector."""
    return np.array([message.x, message.y, message.z])


def pose_message(pose: np.ndarray) -> Pose:
    """From (4, 4)."""
    return pose_messages(pose[None])[0]


def pose_messages(stacked: np.ndarray) -> list[Pose]:
    """From (n, 4, 4); all at once takes little longer than one."""
    return [
        Pose(position=point_message(pose[:3, 3]), orientation=Quaternion(x=x, y=y, z=z, w=w))
        for pose, (x, y, z, w) in zip(stacked, poses.to_xyzw(stacked).tolist(), strict=True)
    ]


def pose_matrix(message: Pose) -> np.ndarray:
    """(4, 4).

    Raises:
        GmiError: BAD_REQUEST where the quaternion has no length or a number is not finite.
    """
    q = message.orientation
    xyzw, position = np.array([q.x, q.y, q.z, q.w]), array_of(message.position)
    if not np.isfinite([*xyzw, *position]).all() or np.linalg.norm(xyzw) < 1e-6:
        raise GmiError(
            ErrorCode.BAD_REQUEST,
            f"a pose needs finite numbers and a quaternion of length 1, got {position.tolist()} and {xyzw.tolist()}",
        )
    return poses.from_xyzw(position, xyzw)


def joints_message(joints: np.ndarray, header: Header, names: tuple[str, ...] = JOINTS) -> JointState:
    """(4,) [rad] spread, f1, f2, f3."""
    return JointState(header=header, name=list(names), position=[float(j) for j in joints])


def joints_array(message: JointState) -> np.ndarray | None:
    """(4,) [rad] spread, f1, f2, f3, whatever their order in the message; None where one of them is not there."""
    by_name = dict(zip(message.name, message.position))
    return np.array([by_name[j] for j in JOINTS]) if set(JOINTS) <= set(by_name) else None


def image_message(array: np.ndarray, encoding: str, header: Header) -> Image:
    """(h, w) or (h, w, channels), in the computer's byte order."""
    array = np.ascontiguousarray(array)
    message = Image(header=header, height=array.shape[0], width=array.shape[1], encoding=encoding)
    message.step = array.nbytes // array.shape[0]
    message.data.frombytes(array.tobytes())
    return message


def camera_info_message(intrinsics: Intrinsics, header: Header) -> CameraInfo:
    """A pinhole camera without distortion."""
    k = intrinsics.k
    return CameraInfo(
        header=header,
        width=intrinsics.width,
        height=intrinsics.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([k, np.zeros((3, 1))]).ravel(),
    )


def frame_from_messages(
    rgb: Image | CompressedImage, depth: Image | CompressedImage, info: CameraInfo, mask: Image | CompressedImage
) -> Frame:
    """The frame, with the stamp and the frame_id of the rgb image.

    Raises:
        GmiError: BAD_INTRINSICS, UNREGISTERED_DEPTH, UNKNOWN_ENCODING, SIZE_MISMATCH.
    """
    stamps = tuple(nanoseconds(m.header.stamp) for m in (rgb, depth, info, mask))
    return set_to_frame(FrameSet(rgb, depth, info, mask, stamps), image_array)


def frame_messages(frame: Frame) -> tuple[Image, Image, CameraInfo, Image]:
    """rgb8, 32FC1, camera_info and a mono8 or mono16 mask: what frame_from_messages takes."""
    header = header_message(frame)
    labels8 = frame.mask.max(initial=0) < 256
    return (
        image_message(frame.rgb, "rgb8", header),
        image_message(frame.depth.astype(np.float32), "32FC1", header),
        camera_info_message(frame.intrinsics, header),
        image_message(frame.mask.astype(np.uint8 if labels8 else np.uint16), "mono8" if labels8 else "mono16", header),
    )


def observation_message(synthesis: Synthesis, frame: Frame, camera: str = "") -> msg.Observation:
    """What the network saw, with all that is needed to learn from it; poses in the camera's frame."""
    header, seen, found = header_message(frame), synthesis.observation, synthesis.object_frame
    return msg.Observation(
        header=header,
        id=synthesis.observation_id,
        label=found.label,
        rgb=image_message(seen.rgb, "rgb8", header),
        depth=image_message(seen.depth, "32FC1", header),
        mask=image_message(seen.mask.astype(np.uint8) * 255, "mono8", header),
        window=WINDOW_M,
        camera_info=camera_info_message(frame.intrinsics, header),
        object_pose=pose_message(found.camera_from_object),
        centroid=found.centroid_px.astype(float),
        degenerate=bool(found.degenerate),
        eigenvalue_ratio=found.eigenvalue_ratio,
        n_pixels=found.n_pixels,
        n_holes=seen.n_holes,
        camera=camera,
        model_hash=synthesis.model_hash,
        software_version=version(),
    )


def network_view(observation: Observation, header: Header) -> Image:
    """The 64x64x5 observation for the eye: colour, depth (near is bright) and mask side by side, rgb8."""
    depth = np.interp(observation.depth, (-0.1, 0.1), (255, 0)).astype(np.uint8)
    mask = observation.mask.astype(np.uint8) * 255
    grey = [np.repeat(plane[..., None], 3, axis=2) for plane in (depth, mask)]
    return image_message(np.concatenate([observation.rgb, *grey], axis=1), "rgb8", header)


def grasp_message(
    grasp: Grasp,
    synthesis: Synthesis,
    motion: Motion,
    header: Header,
    output_from_camera: np.ndarray | None = None,
) -> msg.Grasp:
    """A grasp as it is answered and executed, in header.frame_id."""
    return grasp_messages([(grasp, synthesis)], motion, header, output_from_camera)[0]


def grasp_messages(
    pairs: list[tuple[Grasp, Synthesis]], motion: Motion, header: Header, output_from_camera: np.ndarray | None = None
) -> list[msg.Grasp]:
    """Grasps, each with the synthesis it is from; all at once takes little longer than one."""
    if not pairs:
        return []
    output = np.eye(4) if output_from_camera is None else output_from_camera
    output_from_object = output @ np.array([s.object_frame.camera_from_object for _, s in pairs])  # (n, 4, 4)
    palms = output @ np.array([(g.camera_from_palm, g.camera_from_pregrasp) for g, _ in pairs])  # (n, 2, 4, 4)
    mounts = palms @ poses.inverse(motion.hand_mount_from_palm)
    stacked = np.concatenate([output_from_object[:, None], palms, mounts], axis=1)
    placed = zip(*[iter(pose_messages(stacked.reshape(-1, 4, 4)))] * stacked.shape[1])
    points = poses.transform_points(output_from_object, np.array([g.contacts for g, _ in pairs]))
    normals = poses.rotate(output_from_object, np.array([g.normals for g, _ in pairs]))
    # Up is where the table's normal points; without a table, back the way the hand came.
    up = [-g.camera_from_palm[:3, 2] if s.table is None else s.table.normal for g, s in pairs]
    up = poses.rotate(output, np.array(up))
    messages = []
    for i, ((grasp, synthesis), five) in enumerate(zip(pairs, placed, strict=True)):
        message = msg.Grasp()
        message.header = header
        message.grasp_id, message.observation_id = grasp.grasp_id, synthesis.observation_id
        message.hand, message.label = motion.hand, grasp.label
        message.object_pose, message.wrist_pose, message.pregrasp_wrist_pose = five[:3]
        message.mount_pose, message.pregrasp_mount_pose = five[3:]
        message.contacts = contact_messages(points[i], normals[i], grasp.residual)
        message.joints_open = joints_message(grasp.joints_open, header)
        message.joints_closed = joints_message(grasp.joints, header)
        message.finger_start = grasp.finger_start.astype(float)
        message.finger_speed = np.minimum(grasp.finger_speed, motion.finger_speed_limit).astype(float)
        message.spread_speed, message.approach_speed = motion.spread_speed, motion.approach_speed
        message.lift_direction = vector_message(up[i])
        message.lift_height, message.lift_speed = motion.lift_height, motion.lift_speed
        message.tip_force_limit = motion.tip_force_limit
        message.wrist_status = int(grasp.status)
        message.log_density, message.score = grasp.log_density, grasp.score
        message.hold_probability = grasp.hold_probability
        messages.append(message)
    return messages


def grasp_from_message(message: msg.Grasp, output_from_camera: np.ndarray | None = None) -> Grasp:
    """The grasp again; finger speeds as limited. Raises GmiError BAD_REQUEST where its joints or poses are unusable."""
    camera_from_output = np.eye(4) if output_from_camera is None else poses.inverse(output_from_camera)
    object_from_output = poses.inverse(pose_matrix(message.object_pose))
    contacts, normals = contact_arrays(message.contacts)
    joints, joints_open = joints_array(message.joints_closed), joints_array(message.joints_open)
    if joints is None or joints_open is None:
        raise GmiError(
            ErrorCode.BAD_REQUEST,
            f"joints_open and joints_closed must name {', '.join(JOINTS)}, got {list(message.joints_open.name)} "
            f"and {list(message.joints_closed.name)}",
        )
    return Grasp(
        grasp_id=message.grasp_id,
        label=message.label,
        contacts=poses.transform_points(object_from_output, contacts),
        normals=poses.rotate(object_from_output, normals),
        camera_from_palm=camera_from_output @ pose_matrix(message.wrist_pose),
        camera_from_pregrasp=camera_from_output @ pose_matrix(message.pregrasp_wrist_pose),
        joints=joints,
        joints_open=joints_open,
        finger_start=np.array(message.finger_start),
        finger_speed=np.array(message.finger_speed),
        residual=np.array([contact.residual for contact in message.contacts]),
        status=WristStatus(message.wrist_status),
        log_density=message.log_density,
        hold_probability=message.hold_probability,
        score=message.score,
    )


def contact_messages(
    points: np.ndarray, normals: np.ndarray, residual: np.ndarray | None = None, states: list[int] | None = None
) -> list[msg.Contact]:
    """Contacts of F1, F2, F3: points (3, 3) [m], outward normals (3, 3), residual (3,) [m]; unknown is NaN."""
    return [
        msg.Contact(
            finger=finger,
            position=point_message(points[i]),
            normal=vector_message(normals[i]),
            residual=float("nan") if residual is None else float(residual[i]),
            state=msg.Contact.UNKNOWN if states is None else states[i],
            force=float("nan"),
        )
        for i, finger in enumerate(FINGERS)
    ]


def unknown_contacts() -> list[msg.Contact]:
    """Contacts of an execution that nobody can tell about."""
    return contact_messages(np.full((3, 3), np.nan), np.full((3, 3), np.nan))


def contact_arrays(contacts: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points (3, 3) [m] and normals (3, 3) in the message's frame, row i is finger F(i+1)."""
    return (
        np.array([array_of(contact.position) for contact in contacts]),
        np.array([array_of(contact.normal) for contact in contacts]),
    )


def contact_targets(grasp: msg.Grasp, joint_names: tuple[str, ...] = JOINTS) -> msg.ContactTargets:
    """Where the fingertips of a grasp should touch, with the joints named as the controller wants it."""
    joints = JointState(header=grasp.header, name=list(joint_names), position=grasp.joints_closed.position)
    return msg.ContactTargets(
        header=grasp.header,
        grasp_id=grasp.grasp_id,
        observation_id=grasp.observation_id,
        contacts=grasp.contacts,
        joints=joints,
    )


def pose_stamped(pose: Pose | np.ndarray, header: Header) -> PoseStamped:
    """A pose, or (4, 4), with its header."""
    return PoseStamped(header=header, pose=pose if isinstance(pose, Pose) else pose_message(pose))
