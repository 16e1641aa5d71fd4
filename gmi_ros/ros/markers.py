"""What RViz shows of an answer: the hand at the best grasp, its contacts, {O}, and all approaches, the best green."""

import numpy as np
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from gmi_ros import msg
from gmi_ros.core import poses
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.ros.convert import array_of, joints_array, point_message, pose_matrix

_AXIS, _NORMAL, _APPROACH = 0.06, 0.04, 0.05  # lengths of arrows [m]
_SHAFT, _HEAD = 0.003, 0.006  # thickness of arrows [m]
_RED, _GREEN, _BLUE = (0.9, 0.1, 0.1, 1.0), (0.1, 0.8, 0.1, 1.0), (0.1, 0.3, 1.0, 1.0)
_FINGERS = ((1.0, 0.5, 0.0, 1.0), (0.0, 0.7, 0.9, 1.0), (0.8, 0.0, 0.8, 1.0))  # F1, F2, F3
_METAL = (0.6, 0.6, 0.65, 0.7)


def grasp_markers(grasps: list[msg.Grasp], hand: BarrettHand) -> MarkerArray:
    """Markers of an answer, best grasp first, in its header.frame_id; they replace the ones of the answer before."""
    array = MarkerArray(markers=[Marker(action=Marker.DELETEALL)])
    if not grasps:
        return array
    best = grasps[0]
    header = best.header
    object_pose, palm = pose_matrix(best.object_pose), pose_matrix(best.wrist_pose)
    for axis, colour in enumerate((_RED, _GREEN, _BLUE)):
        tip = object_pose[:3, 3] + _AXIS * object_pose[:3, axis]
        array.markers.append(_arrow(header, "object_frame", axis, object_pose[:3, 3], tip, colour))
    for finger, (contact, colour) in enumerate(zip(best.contacts, _FINGERS)):
        point, normal = array_of(contact.position), array_of(contact.normal)
        array.markers.append(_sphere(header, "contacts", finger, point, colour))
        array.markers.append(_arrow(header, "normals", finger, point, point + _NORMAL * normal, colour))
    segments, radii = hand.link_segments(joints_array(best.joints_closed))
    for link, (ends, radius) in enumerate(zip(segments, radii)):
        array.markers.append(_capsule(header, link, poses.transform_points(palm, ends), float(radius)))
    for rank, grasp in enumerate(grasps):
        wrist = pose_matrix(grasp.wrist_pose)
        start = wrist[:3, 3] - _APPROACH * wrist[:3, 2]
        colour = rank_colour(rank, len(grasps))
        array.markers.append(_arrow(header, "approaches", rank, start, wrist[:3, 3], colour))
    return array


def rank_colour(rank: int, n: int) -> tuple[float, float, float, float]:
    """From green for the best of n grasps over yellow to red for the last."""
    share = rank / max(n - 1, 1)
    return (min(1.0, 2 * share), min(1.0, 2 - 2 * share), 0.1, 1.0 if rank == 0 else 0.6)


def _marker(header: Header, namespace: str, index: int, kind: int, colour: tuple) -> Marker:
    marker = Marker(header=header, ns=namespace, id=index, type=kind, action=Marker.ADD, color=_colour(colour))
    marker.pose.orientation.w = 1.0
    return marker


def _arrow(header: Header, namespace: str, index: int, start: np.ndarray, end: np.ndarray, colour: tuple) -> Marker:
    marker = _marker(header, namespace, index, Marker.ARROW, colour)
    marker.points = [point_message(start), point_message(end)]
    marker.scale.x, marker.scale.y = _SHAFT, _HEAD
    return marker


def _sphere(header: Header, namespace: str, index: int, centre: np.ndarray, colour: tuple) -> Marker:
    marker = _marker(header, namespace, index, Marker.SPHERE, colour)
    marker.pose.position = point_message(centre)
    marker.scale.x = marker.scale.y = marker.scale.z = 3 * _HEAD
    return marker


def _capsule(header: Header, index: int, ends: np.ndarray, radius: float) -> Marker:
    """A capsule as spheres along its axis, since RViz has none; ends (2, 3) [m]."""
    marker = _marker(header, "hand", index, Marker.SPHERE_LIST, _METAL)
    n = max(2, int(np.ceil(np.linalg.norm(ends[1] - ends[0]) / (0.5 * radius))) + 1)
    shares = np.linspace(0.0, 1.0, n)[:, None]
    marker.points = [point_message(p) for p in ends[0] + shares * (ends[1] - ends[0])]
    marker.scale.x = marker.scale.y = marker.scale.z = 2 * radius
    return marker


def _colour(rgba: tuple[float, float, float, float]) -> ColorRGBA:
    return ColorRGBA(r=rgba[0], g=rgba[1], b=rgba[2], a=rgba[3])
