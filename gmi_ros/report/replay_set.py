"""One image set as the replay's page shows it: picture, mask, the surface that the camera saw, and the grasps.

The page's frame of a set: x as the camera's, z up from the table (towards the camera where no table was seen), the
origin in the object's centre, put down on the table.
"""

import numpy as np
from PIL import Image

from gmi_ros.core import poses
from gmi_ros.core.cloud import AROUND_M, Table
from gmi_ros.core.frame import Frame, measured
from gmi_ros.core.grasp import Grasp
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.pipeline import Synthesis
from gmi_ros.report.html_page import image_uri, packed

UNIT = 1e-4  # [m], of contacts and of the hand's links
NORMAL_UNIT = 1e-4
_LONGEST_PX = 480  # the longer side of a picture
_QUALITY = 68  # of JPEG
_REACH_M = 0.17  # half the side of the surface that is shown, at the object's depth
_CELLS = 56  # of the surface's grid on its longer side
_DEPTHS = 0x7FFF  # a cell's depth has 15 bits, the 16th tells that it is the object's
_TINTS = (0, 0, 0, 90, 160, 255, 255, 215, 60)  # RGB of the mask's background, other objects, the object
_ALPHAS = bytes((0, 70, 90))
_FARTHEST = 3.2  # [m] from the page's origin: what 16 bits hold


def picture_data(frame: Frame, label: int) -> dict:
    """What the camera saw, shrunk, and the mask to lay over it; label: of the object, 0 where none was chosen."""
    height, width = frame.mask.shape
    scale = min(1.0, _LONGEST_PX / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    kinds = (frame.mask > 0).astype(np.uint8)
    kinds[(frame.mask == label) & (frame.mask > 0)] = 2
    mask = Image.fromarray(kinds).resize(size, Image.Resampling.NEAREST)
    mask = mask.convert("P")
    mask.putpalette(_TINTS)
    k = frame.intrinsics
    return {
        "size": size,
        "image": image_uri(Image.fromarray(frame.rgb).resize(size, Image.Resampling.BOX), "jpeg", quality=_QUALITY),
        "mask": image_uri(mask, "png", optimize=True, bits=2, transparency=_ALPHAS),
        "shrunk": [size[0] / width, size[1] / height],
        "lens": [k.fx, k.fy, k.cx, k.cy],
    }


def scene_data(frame: Frame, found: ObjectFrame, table: Table | None) -> dict:
    """The surface around the object as a grid of depths, and the page's and the object's frames."""
    camera_from_page = page_frame(found, table)
    k = frame.intrinsics
    reach = np.array([k.fx, k.fy]) * _REACH_M / found.depth  # [px]
    low = np.clip(np.floor(found.centroid_px - reach), 0, [k.width - 1, k.height - 1]).astype(int)
    high = np.clip(np.ceil(found.centroid_px + reach), 0, [k.width - 1, k.height - 1]).astype(int)
    step = max(1, int(np.ceil((high - low).max() / (_CELLS - 1))))
    columns, rows = (np.arange(low[i], high[i] + 1, step) for i in range(2))
    cells = np.ix_(rows, columns)
    depth, own = frame.depth[cells].astype(float), frame.mask[cells] == found.label
    with np.errstate(invalid="ignore"):  # inf - inf where there is no depth
        seen = measured(depth) & (np.abs(depth - found.depth) < AROUND_M)
    unit = (found.depth + AROUND_M) / _DEPTHS
    levels = np.where(seen, np.maximum(np.rint(np.where(seen, depth, 0) / unit), 1), 0).astype(np.uint16)
    return {
        "first": low.tolist(),
        "step": step,
        "columns": len(columns),
        "unit": unit,
        "depths": packed(levels | (own.astype(np.uint16) << 15), "<u2"),
        "camera": np.round(camera_from_page, 6).tolist(),
        "object": np.round(poses.inverse(camera_from_page) @ found.camera_from_object, 6).tolist(),
        "table": table is not None,
        "degenerate": bool(found.degenerate),
        "label": int(found.label),
        "pixels": int(found.n_pixels),
        "distance": float(found.depth),
    }


def page_frame(found: ObjectFrame, table: Table | None) -> np.ndarray:
    """camera_from_page (4, 4)."""
    centre = found.camera_from_object[:3, 3]
    up = -found.camera_from_object[:3, 0] if table is None else table.normal
    origin = centre if table is None else centre - table.height(centre) * up
    across = np.array([1.0, 0.0, 0.0]) - up[0] * up
    if np.linalg.norm(across) < 0.1:  # the table stands upright across the image
        across = np.array([0.0, 0.0, 1.0]) - up[2] * up
    across /= np.linalg.norm(across)
    return poses.make(np.stack([across, np.cross(up, across), up], axis=1), origin)


def grasps_data(synthesis: Synthesis, hand: BarrettHand) -> dict:
    """The grasps, best first: `geometry` holds of each contacts (3, 3), normals (3, 3) and ends of the links (k, 2, 3)
    in the page's frame as 16-bit numbers of UNIT and NORMAL_UNIT."""
    page_from_camera = poses.inverse(page_frame(synthesis.object_frame, synthesis.table))
    page_from_object = page_from_camera @ synthesis.object_frame.camera_from_object
    geometry = [_geometry(grasp, page_from_camera, page_from_object, hand) for grasp in synthesis.grasps]
    return {
        "geometry": packed(geometry, "<i2"),
        "scores": [round(float(grasp.score), 4) for grasp in synthesis.grasps],
        "residuals": [np.round(grasp.residual * 1e3, 1).tolist() for grasp in synthesis.grasps],  # [mm]
        "joints": [np.rint(np.degrees(grasp.joints)).astype(int).tolist() for grasp in synthesis.grasps],  # [degrees]
    }


def _geometry(
    grasp: Grasp, page_from_camera: np.ndarray, page_from_object: np.ndarray, hand: BarrettHand
) -> np.ndarray:
    segments, _ = hand.link_segments(grasp.joints)  # (k, 2, 3) in {P}
    ends = poses.transform_points(page_from_camera @ grasp.camera_from_palm, segments.reshape(-1, 3))
    contacts = poses.transform_points(page_from_object, grasp.contacts)
    lengths = np.clip(np.concatenate([contacts, ends]), -_FARTHEST, _FARTHEST) / UNIT
    normals = poses.rotate(page_from_object, grasp.normals) / NORMAL_UNIT
    return np.rint(np.concatenate([lengths[:3], normals, lengths[3:]])).astype(np.int16).ravel()
