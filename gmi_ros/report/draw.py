"""One picture of one answer: what the camera saw, the mask, {O}, the contacts and the hand."""

from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gmi_ros.core import poses
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.grasp import FINGERS
from gmi_ros.core.observation import DEPTH_CLIP_M, Observation
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.pipeline import Synthesis

SIZE = (720, 540)  # of the camera view [px]
_ZOOM_M = 0.52  # width of the view at the object's depth [m]
_AXIS_M, _NORMAL_M = 0.06, 0.03  # drawn lengths [m]
_AXES = {"x": (235, 70, 70), "y": (70, 200, 90), "z": (80, 130, 255)}
FINGER_COLOURS = ((255, 170, 40), (60, 220, 220), (240, 90, 220))
_OUTLINE, _HAND, _PALM = (255, 255, 255), (205, 208, 215), (150, 155, 165)
_BAR = (24, 26, 30)


def draw_synthesis(
    frame: Frame, synthesis: Synthesis | None, hand: BarrettHand, title: str, outcome: str = ""
) -> Image.Image:
    """Draw the best grasp of an answer (none where there is no answer), and beside it what the network saw.

    Args:
        title: first line under the picture. outcome: second line, what happened.
    """
    view = _View(frame.intrinsics, *_focus(frame, synthesis))
    image = view.resample(frame)
    ink = ImageDraw.Draw(image, "RGBA")
    if synthesis is not None:
        _draw_outline(ink, view, frame.mask == synthesis.object_frame.label)
        camera_from_object = synthesis.object_frame.camera_from_object
        draw_axes(ink, view, camera_from_object)
        if synthesis.grasps:
            best = synthesis.grasps[0]
            draw_hand(ink, view, hand, best.camera_from_palm, best.joints)
            draw_contacts(ink, view, best.contacts, best.normals, camera_from_object)
    return _page(image, synthesis.observation if synthesis else None, title, outcome)


class View(Protocol):
    """Where things in the camera's frame are on a picture [px]."""

    def points(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Points (n, 3) [m] in the camera's frame."""

    def radius(self, metres: float, depth: float) -> float:
        """Size of a length at a depth [m]."""


class _View(View):
    """A zoom into the image: camera points and pixels to pixels of the picture."""

    def __init__(self, intrinsics: Intrinsics, centre_px: np.ndarray, width_px: float):
        self.intrinsics, self.scale = intrinsics, SIZE[0] / width_px
        self.origin = centre_px - np.array(SIZE) / self.scale / 2

    def resample(self, frame: Frame) -> Image.Image:
        """The part of the colour image that is shown."""
        box = (*self.origin, *(self.origin + np.array(SIZE) / self.scale))
        return Image.fromarray(frame.rgb).transform(SIZE, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)

    def points(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Points (n, 3) [m] in the camera's frame."""
        return self.pixels(self.intrinsics.project(points))

    def pixels(self, pixels: np.ndarray) -> list[tuple[float, float]]:
        """Pixels (n, 2) of the frame."""
        return [tuple(p) for p in ((pixels + 0.5 - self.origin) * self.scale).tolist()]

    def radius(self, metres: float, depth: float) -> float:
        """Size on the picture of a length at a depth [m]."""
        return metres * self.intrinsics.fx / depth * self.scale


def _focus(frame: Frame, synthesis: Synthesis | None) -> tuple[np.ndarray, float]:
    """Centre and width of the view [px]: the object and the hand's reach, or the whole image."""
    if synthesis is None:
        return np.array([frame.intrinsics.width, frame.intrinsics.height]) / 2, float(frame.intrinsics.width)
    found = synthesis.object_frame
    return found.centroid_px, min(_ZOOM_M * frame.intrinsics.fx / found.depth, 2.0 * frame.intrinsics.width)


def _draw_outline(ink: ImageDraw.ImageDraw, view: _View, mask: np.ndarray) -> None:
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis=axis)
    v, u = np.nonzero(mask & ~inner)
    half = max(view.scale / 2, 1.0)
    for x, y in view.pixels(np.stack([u, v], axis=-1).astype(float)):
        ink.rectangle((x - half, y - half, x + half, y + half), fill=(*_OUTLINE, 170))


def draw_axes(ink: ImageDraw.ImageDraw, view: View, camera_from_object: np.ndarray) -> None:
    """The axes of {O}."""
    origin = camera_from_object[:3, 3]
    for index, (name, colour) in enumerate(_AXES.items()):
        tip = origin + _AXIS_M * camera_from_object[:3, index]
        start, end = view.points(np.stack([origin, tip]))
        ink.line((start, end), fill=colour, width=3)
        ink.text((end[0] + 4, end[1] - 6), f"O{name}", fill=colour, font=font(14))


def draw_hand(
    ink: ImageDraw.ImageDraw, view: View, hand: BarrettHand, camera_from_palm: np.ndarray, joints: np.ndarray
) -> None:
    """The hand's capsules, far ones first, see-through so that the object stays visible."""
    segments, radii = hand.link_segments(joints)  # (k, 2, 3), (k,)
    segments = poses.transform_points(camera_from_palm[None], segments)
    n_palm = len(hand.links.palm.envelope)
    for k in np.argsort(-segments[..., 2].mean(axis=1)):
        if (segments[k, :, 2] < 0.05).any():
            continue  # behind the camera, or almost
        colour = _PALM if k < n_palm else _HAND
        ends, depths = view.points(segments[k]), segments[k, :, 2]
        widths = [view.radius(radii[k], d) for d in depths]
        for outline, extra in (((20, 20, 20, 150), 2), ((*colour, 120), 0)):
            hull = _capsule(ends, [w + extra for w in widths])
            ink.polygon(hull, fill=outline if extra == 0 else None, outline=outline)


def _capsule(ends: list[tuple[float, float]], radii: list[float], n: int = 24) -> list[tuple[float, float]]:
    """Outline of two circles and what lies between them."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([np.array(end) + radius * circle for end, radius in zip(ends, radii, strict=True)])
    # Support points along each direction: the convex hull of two circles, in order.
    return [tuple(points[np.argmax(points @ d)].tolist()) for d in circle]


def draw_contacts(
    ink: ImageDraw.ImageDraw,
    view: View,
    contacts: np.ndarray,
    normals: np.ndarray,
    camera_from_object: np.ndarray,
    hollow: bool = False,
) -> None:
    """Contacts and normals (3, 3) in {O}, a dot each with its finger's colour and name; hollow: a ring without a name."""
    contacts = poses.transform_points(camera_from_object, contacts)
    normals = poses.rotate(camera_from_object, normals)
    for finger, colour in enumerate(FINGER_COLOURS):
        start, end = view.points(np.stack([contacts[finger], contacts[finger] + _NORMAL_M * normals[finger]]))
        if hollow:
            ink.line((start, end), fill=colour, width=1)
            ink.ellipse((start[0] - 8, start[1] - 8, start[0] + 8, start[1] + 8), outline=colour, width=2)
            continue
        ink.line((start, end), fill=colour, width=3)
        ink.ellipse((start[0] - 6, start[1] - 6, start[0] + 6, start[1] + 6), fill=colour, outline=(0, 0, 0))
        ink.text(
            (start[0] + 8, start[1] + 4),
            FINGERS[finger],
            fill=colour,
            font=font(14),
            stroke_width=1,
            stroke_fill=(0, 0, 0),
        )


def _page(image: Image.Image, seen: Observation | None, title: str, outcome: str) -> Image.Image:
    """The view with the network's three inputs on its right and two lines of text below."""
    side = SIZE[1] // 3
    page = Image.new("RGB", (SIZE[0] + side, SIZE[1] + 54), _BAR)
    page.paste(image, (0, 0))
    if seen is not None:
        for row, channel in enumerate((seen.rgb, depth_as_grey(seen.depth), seen.mask.astype(np.uint8) * 255)):
            tile = Image.fromarray(channel).convert("RGB").resize((side, side), Image.Resampling.NEAREST)
            page.paste(tile, (SIZE[0], row * side))
    ink = ImageDraw.Draw(page)
    ink.text((10, SIZE[1] + 5), title, fill=(235, 235, 235), font=font(17))
    ink.text((10, SIZE[1] + 29), outcome, fill=(160, 200, 255), font=font(15))
    return page


def depth_as_grey(depth: np.ndarray) -> np.ndarray:
    """An observation's depth (64, 64) [m] as (64, 64) uint8, near ones white."""
    return np.rint((DEPTH_CLIP_M - depth) / (2 * DEPTH_CLIP_M) * 255).astype(np.uint8)


def tile(pictures: list[Image.Image], columns: int = 2, width: int = 560) -> Image.Image:
    """Several pictures on one page, `columns` side by side, each `width` [px] wide."""
    shrunk = [p.resize((width, round(p.height * width / p.width)), Image.Resampling.LANCZOS) for p in pictures]
    columns = min(columns, len(shrunk))
    height = max(p.height for p in shrunk)
    page = Image.new("RGB", (columns * width, -(-len(shrunk) // columns) * height), _BAR)
    for i, picture in enumerate(shrunk):
        page.paste(picture, (i % columns * width, i // columns * height))
    return page


def font(size: int) -> ImageFont.ImageFont:
    """Pillow's own, which is there everywhere."""
    return ImageFont.load_default(size)
