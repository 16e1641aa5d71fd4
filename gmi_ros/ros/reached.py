"""Where an executed grasp touched: as the result says, else from its joints through the hand's kinematics."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sensor_msgs.msg import JointState

from gmi_ros.core import poses
from gmi_ros.core.grasp import FINGERS
from gmi_ros.hand.barrett import HANDS, load_hand
from gmi_ros.hand.contact import tip_contacts
from gmi_ros.msg import Contact, GraspOutcome
from gmi_ros.ros.convert import contact_arrays, joints_array

OUTER_JOINTS = tuple(f"{finger.lower()}_outer" for finger in FINGERS)
_LEAST_LENGTH = 0.5  # of a normal that says a direction
_hand = lru_cache(maxsize=len(HANDS))(load_hand)


class Reached(NamedTuple):
    """Contacts at the end of closing, in the frame of the outcome's header; row i is finger F(i+1).

    points: (3, 3) [m], normals: (3, 3) unit, OUTWARD from the object's surface (the tip presses along -n); a row of NaN
    where the finger is not said to be in contact, or nothing tells where. computed: (3,) bool, point or normal are not
    told but follow from the joints (hand.contact.tip_contacts, which says how good that is).
    """

    points: np.ndarray
    normals: np.ndarray
    computed: np.ndarray

    @property
    def complete(self) -> bool:
        """Whether all three fingers' are known: what a training pair needs."""
        return bool(np.isfinite(self.points).all() and np.isfinite(self.normals).all())


def reached_contacts(outcome: GraspOutcome, palm: np.ndarray) -> Reached:
    """palm: (4, 4) pose of {P} in outcome.header.frame_id, as reached, or as planned where that is not known."""
    points, normals = contact_arrays(outcome.contacts_reached)
    lengths = np.linalg.norm(normals, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        told_normal = np.isfinite(lengths) & (lengths >= _LEAST_LENGTH)
        normals = np.where(told_normal[:, None], normals / lengths[:, None], np.nan)
    told_point = np.isfinite(points).all(axis=1)
    touching = np.array([contact.state == Contact.IN_CONTACT for contact in outcome.contacts_reached])
    computed = touching & ~(told_point & told_normal)
    if computed.any():
        found = _from_joints(outcome, palm)
        if found is None:
            touching, computed = touching & ~computed, np.zeros(3, bool)
        else:
            points = np.where((computed & ~told_point)[:, None], found[0], points)
            # The normal belongs to the point: without the point, the one that was told is of another place.
            normals = np.where(computed[:, None], found[1], normals)
    return Reached(np.where(touching[:, None], points, np.nan), np.where(touching[:, None], normals, np.nan), computed)


def _from_joints(outcome: GraspOutcome, palm: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Points and outward normals, (3, 3) each; None for a hand that we do not know, or without its joints."""
    joints = joints_array(outcome.joints_reached)
    if outcome.grasp.hand not in HANDS or joints is None or not np.isfinite(joints).all():
        return None
    points, normals = tip_contacts(_hand(outcome.grasp.hand), joints, _outer_joints(outcome.joints_reached))
    return poses.transform_points(palm, points), poses.rotate(palm, normals)


def _outer_joints(message: JointState) -> np.ndarray:
    """(3,) [rad], relative to the inner links; NaN where it is not told."""
    by_name = dict(zip(message.name, message.position))
    outer = np.array([by_name.get(name, np.nan) for name in OUTER_JOINTS])
    return np.where(np.isfinite(outer), outer, np.nan)
