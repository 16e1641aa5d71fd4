"""One picture of one stored outcome: what the network saw, {O}, the contacts predicted and reached, and the hand."""

import numpy as np
from PIL import Image, ImageDraw

from gmi_ros.core import poses
from gmi_ros.core.observation import SIZE, WINDOW_M
from gmi_ros.experience.episode import Episode, Pixels
from gmi_ros.experience.times import stamp_text
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.report.draw import depth_as_grey, draw_axes, draw_contacts, draw_hand, font

_ZOOM = 10  # pixels of the picture for one of the observation
_SIDE = _ZOOM * SIZE
_TILE = _SIDE // 2
_FAR = 1e5  # outside the picture [px]
_LINE, _BAR = 22, (24, 26, 30)
_WORDS, _GOOD, _BAD = (235, 235, 235), (120, 220, 140), (255, 130, 110)


class _Window:
    """The enlarged observation: a plane through {O}, seen from where the camera is (core.observation.window_rays)."""

    def __init__(self, camera_from_object: np.ndarray):
        self._o_from_camera = poses.inverse(camera_from_object)

    def points(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Points (n, 3) [m] in the camera's frame."""
        camera, there = self._o_from_camera[:3, 3], poses.transform_points(self._o_from_camera, points)
        with np.errstate(divide="ignore", invalid="ignore"):  # beside the camera
            share = camera[0] / (camera[0] - there[:, :1])  # of the way from the camera, at which the plane x = 0 is
            offsets = (camera + share * (there - camera))[:, [1, 2]]  # (n, 2) [m] along O_y and O_z
        cells = (SIZE - 1) / 2 - offsets / (WINDOW_M / SIZE)  # (n, 2) column and row
        return [tuple(p) for p in np.clip(np.nan_to_num((cells + 0.5) * _ZOOM), -_FAR, _FAR).tolist()]

    def radius(self, metres: float, depth: float) -> float:
        """Size of a length at a depth [m]."""
        origin = poses.inverse(self._o_from_camera)[2, 3]
        return metres * origin / depth * _SIDE / WINDOW_M


def draw_episode(episode: Episode, pixels: Pixels, hand: BarrettHand) -> Image.Image:
    """Draw an outcome on its observation, which for a recipe was rendered again; predicted contacts are rings."""
    image = Image.fromarray(pixels.rgb).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    ink, view = ImageDraw.Draw(image, "RGBA"), _Window(episode.camera_from_object)
    _outline(ink, pixels.mask)
    draw_axes(ink, view, episode.camera_from_object)
    if episode.camera_from_palm is not None and episode.joints is not None:
        draw_hand(ink, view, hand, episode.camera_from_palm, episode.joints)
    for kind in ("predicted", "reached"):
        contacts, normals = (getattr(episode, f"{name}_{kind}") for name in ("contacts", "normals"))
        if contacts is not None:
            draw_contacts(ink, view, contacts, normals, episode.camera_from_object, hollow=kind == "predicted")
    lines = _lines(episode)
    page = Image.new("RGB", (_SIDE + _TILE, _SIDE + _LINE * len(lines) + 8), _BAR)
    page.paste(image, (0, 0))
    for row, channel in enumerate((depth_as_grey(pixels.depth), pixels.mask.astype(np.uint8) * 255)):
        tile = Image.fromarray(channel).convert("RGB").resize((_TILE, _TILE), Image.Resampling.NEAREST)
        page.paste(tile, (_SIDE, row * _TILE))
    ink = ImageDraw.Draw(page)
    for row, (text, colour) in enumerate(lines):
        ink.text((10, _SIDE + 5 + row * _LINE), text, fill=colour, font=font(15))
    return page


def _outline(ink: ImageDraw.ImageDraw, mask: np.ndarray) -> None:
    """The border between the object's cells and the others."""
    for axis in (0, 1):
        for v, u in np.argwhere(np.diff(mask.astype(np.int8), axis=axis)):
            start = (u * _ZOOM, (v + 1) * _ZOOM) if axis == 0 else ((u + 1) * _ZOOM, v * _ZOOM)
            end = (start[0] + _ZOOM, start[1]) if axis == 0 else (start[0], start[1] + _ZOOM)
            ink.line((start, end), fill=(255, 255, 255, 190), width=2)


def _lines(e: Episode) -> list[tuple[str, tuple[int, int, int]]]:
    """What is written under the picture."""
    told = "held" if e.success else "failed"
    verdict = f"{told}{f': {e.reason}' if e.reason not in ('', told) else ''}, judged by {e.judged_by or 'nobody'}"
    lifted = "" if e.height_lifted is None else f", lifted {e.height_lifted:.3f} m"
    thing = " ".join(filter(None, (e.object_name, e.split and f"({e.split})", e.camera and f"seen by {e.camera}")))
    model = f"model {e.model_hash}, seed {e.seed}" if e.model_hash else "no network"
    lines = [
        (e.outcome_id, _WORDS),
        (verdict + lifted, _GOOD if e.success else _BAD),
        (f"{e.source}, {stamp_text(e.stamp_ns)}{', ' + thing if thing else ''}", _WORDS),
        (f"{model}, gmi_ros {e.software_version or 'unknown'}; rings: contacts predicted, dots: reached", _WORDS),
    ]
    return lines + ([(f"note: {e.note}", _WORDS)] if e.note else [])
