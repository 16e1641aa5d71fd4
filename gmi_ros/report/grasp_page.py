"""One HTML page, complete in itself, in which the grasps of some views can be turned by mouse and by touch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.spatial import ConvexHull

from gmi_ros.core import poses
from gmi_ros.evaluation.draws import Touches
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.wrist import WristSolution
from gmi_ros.report.draw import FINGER_COLOURS
from gmi_ros.report.figures_data import KnownView
from gmi_ros.report.html_page import compose, image_uri
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import corners

_UNIT = 1e4  # lengths are sent as whole tenths of a millimetre
_MAP = 1000  # the map's sides are sent as 0 to this


@dataclass(frozen=True, eq=False)
class Shown:
    """What the page shows of one instance.

    grasps, wrists: of those that can be chosen. labels: of each, where it has a name. kinds: likely, peak, sample or
    known. at: (g, 2) where each lies on the map, [0, 1]. cloud: contacts of many samples. density: the map's
    background, row 0 at the top. picture: the camera's.
    """

    instance: KnownView
    grasps: Touches
    wrists: WristSolution
    labels: Sequence[str]
    kinds: Sequence[str]
    at: np.ndarray
    cloud: Touches
    scatter: np.ndarray
    density: np.ndarray
    picture: Image.Image


def page(shown: Sequence[Shown], hand: BarrettHand, title: str) -> bytes:
    """The page: no network, no other file."""
    data = {"title": title, "unit": 1 / _UNIT, "map": _MAP, "fingers": FINGER_COLOURS}
    data["radii"] = _whole(hand.link_segments(np.zeros(4))[1] * _UNIT)
    data["scenes"] = [_scene(one, hand) for one in shown]
    return compose("grasp_page.html", ["grasp_page.css"], ["grasp_page.js"], title, data)


def _scene(shown: Shown, hand: BarrettHand) -> dict:
    """One instance in the page's frame: the world's axes, z up from the table, the origin below the object."""
    instance = shown.instance
    page_from_world = poses.make(np.eye(3), -instance.world_from_object[:3, 3] * [1, 1, 0])
    page_from_object = page_from_world @ instance.world_from_object
    vertices, triangles = mesh(instance.object_model)
    vertices = poses.transform_points(page_from_world @ instance.world_from_model, vertices)
    grasps = []
    segments, _ = hand.link_segments(shown.wrists.joints)  # (g, k, 2, 3)
    page_from_palm = page_from_object @ shown.wrists.frame_from_palm
    for i, (label, kind) in enumerate(zip(shown.labels, shown.kinds, strict=True)):
        grasps.append(
            {
                "label": label,
                "kind": kind,
                "at": _whole(shown.at[i] * _MAP),
                "contacts": _whole(poses.transform_points(page_from_object, shown.grasps.contacts[i]) * _UNIT),
                "normals": _whole(poses.rotate(page_from_object, shown.grasps.normals[i]) * 1000),
                "hand": _whole(poses.transform_points(page_from_palm[i], segments[i].reshape(-1, 3)) * _UNIT),
                "residual": _whole(shown.wrists.residual[i] * _UNIT),
                "joints": _whole(np.degrees(shown.wrists.joints[i])),
            }
        )
    return {
        "name": instance.name,
        "split": instance.split,
        "picture": _uri(shown.picture),
        "density": _uri(_tinted(shown.density)),
        "scatter": _whole(shown.scatter * _MAP),
        "cloud": _whole(poses.transform_points(page_from_object, shown.cloud.contacts) * _UNIT),
        "frame": np.round(page_from_object, 5).tolist(),
        "vertices": _whole(vertices * _UNIT),
        "triangles": triangles.ravel().tolist(),
        "grasps": grasps,
    }


def mesh(model: ObjectModel) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) [m] in the object's own frame, and triangles (t, 3), anticlockwise from outside, of all parts."""
    vertices, triangles, count = [], [], 0
    for part in model.parts:
        points = corners(part)
        hull = ConvexHull(points)
        faces = hull.simplices.copy()
        a, b, c = points[faces].swapaxes(0, 1)
        inward = (np.cross(b - a, c - a) * hull.equations[:, :3]).sum(axis=1) < 0
        faces[inward] = faces[inward][:, ::-1]
        used, faces = np.unique(faces, return_inverse=True)
        vertices.append(points[used])
        triangles.append(faces.reshape(-1, 3) + count)
        count += len(used)
    return np.concatenate(vertices), np.concatenate(triangles)


def _whole(values: np.ndarray) -> list[int]:
    return np.rint(np.asarray(values)).astype(int).ravel().tolist()


def _tinted(density: np.ndarray) -> Image.Image:
    """The density (c, c) in [0, 1] as a picture from the page's dark to a light blue."""
    dark, light = np.array([24, 28, 36]), np.array([86, 150, 225])
    return Image.fromarray(np.rint(dark + density[..., None] * (light - dark)).astype(np.uint8))


def _uri(picture: Image.Image) -> str:
    return image_uri(picture.convert("RGB").quantize(96), "png", optimize=True)
