"""All frames of the contract in one picture: `python -m gmi_ros.report.frames_picture docs/frames.png`.

Two parallel projections of the worked example: the whole cell on the left, hand and object on the right.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gmi_ros.core import poses
from gmi_ros.core.grasp import FINGERS
from gmi_ros.hand.barrett import BarrettHand, load_hand
from gmi_ros.report import frames_example
from gmi_ros.report.frames_example import FramesExample

PANEL = (760, 820)  # [px]
_FINE = 2  # drawn so much larger, then shrunk: smooth lines
_PAPER, _INK, _GREY = (255, 255, 255), (30, 32, 38), (120, 124, 132)
_AXES = {"x": (214, 48, 48), "y": (32, 150, 62), "z": (40, 92, 220)}
_FINGERS = ((222, 120, 0), (0, 150, 160), (190, 40, 170))
_BOX_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]

Place = tuple[float, float]


@dataclass(frozen=True)
class View:
    """A parallel projection of the base's frame: towards `forward`, `focus` [m] at the panel's `centre` [px]."""

    azimuth_deg: float
    elevation_deg: float
    focus: tuple[float, float, float]
    scale: float  # [px/m]
    centre: Place

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3), rows: right, up, and towards who looks."""
        a, e = np.radians([self.azimuth_deg, self.elevation_deg])
        back = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
        right = np.array([-np.sin(a), np.cos(a), 0.0])
        return np.stack([right, np.cross(back, right), back])

    def places(self, points: np.ndarray) -> list[Place]:
        """Points (n, 3) [m] in the base's frame to pixels of the fine picture."""
        seen = (np.asarray(points, float) - self.focus) @ self.rotation.T  # (n, 3)
        at = np.array(self.centre) + self.scale * seen[:, :2] * [1, -1]
        return [tuple(p) for p in (at * _FINE).tolist()]

    def nearness(self, points: np.ndarray) -> float:
        """Larger is nearer to who looks [m]."""
        return float((np.asarray(points, float) @ self.rotation[2]).mean())


class Sheet:
    """One panel: solids first, then what must stay legible."""

    def __init__(self, view: View, title: str):
        self.view = view
        self.image = Image.new("RGB", (PANEL[0] * _FINE, PANEL[1] * _FINE), _PAPER)
        self._ink = ImageDraw.Draw(self.image, "RGBA")
        self._text((16 * _FINE, 12 * _FINE), title, 19, _INK)

    def polygon(self, points: np.ndarray, fill: tuple, outline: tuple) -> None:
        """A flat face, points (n, 3) [m]."""
        self._ink.polygon(self.view.places(points), fill=fill, outline=outline, width=_FINE)

    def capsule(self, ends: np.ndarray, radius: float, fill: tuple, outline: tuple) -> None:
        """Two balls (2, 3) [m] and what is between them."""
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        both = np.concatenate([np.array(p) + radius * self.view.scale * _FINE * circle for p in self.view.places(ends)])
        hull = [tuple(both[np.argmax(both @ d)].tolist()) for d in circle]
        self._ink.polygon(hull, fill=fill, outline=outline, width=_FINE)

    def arrow(self, start: np.ndarray, end: np.ndarray, colour: tuple, width: float = 3.0) -> Place:
        """A line with a head; returns where its tip is [px of the fine picture]."""
        a, b = (np.array(p) for p in self.view.places(np.stack([start, end])))
        length = np.linalg.norm(b - a)
        if length > 1:
            along, head = (b - a) / length, min(9.0 * _FINE, 0.45 * length)
            across = np.array([-along[1], along[0]])
            neck = b - head * along
            self._ink.line((*a, *neck), fill=colour, width=round(width * _FINE))
            wings = [b, neck + 0.42 * head * across, neck - 0.42 * head * across]
            self._ink.polygon([tuple(p) for p in wings], fill=colour)
        return tuple(b)

    def frame(self, base_from_frame: np.ndarray, length: float, name: str, hints: dict[str, Place]) -> None:
        """Three axes with their letters, and the frame's name; hints: where these go, from their point [px]."""
        origin = base_from_frame[:3, 3]
        for index, (axis, colour) in enumerate(_AXES.items()):
            end = origin + length * base_from_frame[:3, index]
            tip = self.arrow(origin, end, colour)
            out = np.array(tip) - np.array(self.view.places(origin[None])[0])
            out = out / max(np.linalg.norm(out), 1.0) * 11
            self.label(end, axis, colour, hints.get(axis, tuple(out)), 17, centred=True)
        x, y = self.view.places(origin[None])[0]
        r = 4.5 * _FINE
        self._ink.ellipse((x - r, y - r, x + r, y + r), fill=_INK)
        self.label(origin, name, _INK, hints["name"], 18)

    def dashes(self, start: np.ndarray, end: np.ndarray, colour: tuple, n: int = 34) -> None:
        """A broken line."""
        a, b = (np.array(p) for p in self.view.places(np.stack([start, end])))
        for k in range(0, n, 2):
            ends = [a + (b - a) * t for t in (k / n, (k + 1) / n)]
            self._ink.line((*ends[0], *ends[1]), fill=colour, width=round(1.6 * _FINE))

    def dot(self, point: np.ndarray, colour: tuple) -> None:
        """A contact."""
        x, y = self.view.places(point[None])[0]
        r = 6.0 * _FINE
        self._ink.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline=_PAPER, width=_FINE)

    def label(
        self, point: np.ndarray, text: str, colour: tuple, offset: Place, size: int = 16, centred: bool = False
    ) -> None:
        """Text beside a point [m]; offset [px]."""
        x, y = self.view.places(np.asarray(point, float)[None])[0]
        at = (x + offset[0] * _FINE, y + offset[1] * _FINE)
        self._text(at, text, size, colour, "mm" if centred else "lm")

    def note(self, text: str) -> None:
        """A line at the bottom."""
        self._text((16 * _FINE, (PANEL[1] - 22) * _FINE), text, 15, _GREY, "lm")

    def _text(self, at: Place, text: str, size: int, colour: tuple, anchor: str = "la") -> None:
        font = ImageFont.load_default(size * _FINE)
        self._ink.text(at, text, fill=colour, font=font, anchor=anchor, stroke_width=3 * _FINE, stroke_fill=_PAPER)


def draw_frames(hand: BarrettHand) -> Image.Image:
    """The picture of docs/frames.md."""
    example = frames_example.frames_example(hand)
    panels = [_cell(example, hand), _grasp(example, hand)]
    page = Image.new("RGB", (2 * PANEL[0], PANEL[1]), _PAPER)
    for index, panel in enumerate(panels):
        page.paste(panel.image.resize(PANEL, Image.Resampling.LANCZOS), (index * PANEL[0], 0))
    ImageDraw.Draw(page).line((PANEL[0], 20, PANEL[0], PANEL[1] - 20), fill=(214, 217, 222), width=2)
    return page


def _cell(example: FramesExample, hand: BarrettHand) -> Sheet:
    """Base, camera, object and hand."""
    view = View(-62.0, 20.0, (0.33, -0.05, 0.33), 850.0, (372.0, 430.0))
    sheet = Sheet(view, "Where the frames are")
    low, high = (-0.05, -0.26), (0.66, 0.16)
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    sheet.polygon(np.array([(x, y, 0.0) for x, y in corners]), (238, 236, 230), (200, 195, 184))
    camera, found = example.base_from_camera, example.base_from_object
    sheet.dashes(camera[:3, 3], found[:3, 3], _GREY)
    _solids(sheet, example, hand)
    _camera(sheet, camera)
    sheet.frame(np.eye(4), 0.11, "base = target_frame", {"name": (-92.0, 26.0)})
    sheet.frame(camera, 0.11, "camera", {"name": (14.0, -30.0)})
    sheet.frame(found, 0.10, "{O} object", {"name": (62.0, 66.0)})
    sheet.frame(example.base_from_palm, 0.08, "{P} palm", {"name": (58.0, 0.0)})
    sheet.frame(example.base_from_mount, 0.05, "hand mount", {"name": (34.0, -22.0), "z": (12.0, -6.0)})
    sheet.label(camera[:3, 3] * 0.62 + found[:3, 3] * 0.38, "ray of the mask's mean pixel", _GREY, (10.0, 0.0), 15)
    return sheet


def _grasp(example: FramesExample, hand: BarrettHand) -> Sheet:
    """Hand mount, palm, object, contacts and normals."""
    view = View(-38.0, 24.0, (0.545, -0.093, 0.150), 2080.0, (380.0, 410.0))
    sheet = Sheet(view, "The grasp")
    _solids(sheet, example, hand)
    sheet.frame(example.base_from_mount, 0.05, "hand mount", {"name": (22.0, -20.0), "z": (12.0, -6.0)})
    sheet.frame(example.base_from_palm, 0.05, "{P} palm", {"name": (26.0, -10.0)})
    sheet.frame(example.base_from_object, 0.05, "{O}", {"name": (-34.0, -12.0)})
    contacts = poses.transform_points(example.base_from_object, example.grasp.contacts)
    normals = poses.rotate(example.base_from_object, example.grasp.normals)
    for finger, colour in enumerate(_FINGERS):
        end = contacts[finger] + 0.04 * normals[finger]
        sheet.arrow(contacts[finger], end, colour, 4.0)
        sheet.dot(contacts[finger], colour)
        sheet.label(contacts[finger], FINGERS[finger], colour, (6.0, 18.0), 17)
        away = -15.0 if finger == 2 else 15.0
        sheet.label(end, f"n{finger + 1}", colour, (away, 2.0), 17, centred=True)
    sheet.note("F1 F2 F3: contacts. n1 n2 n3: outward normals; a fingertip presses along -n.")
    return sheet


def _solids(sheet: Sheet, example: FramesExample, hand: BarrettHand) -> None:
    """Box and hand, far ones first and see-through."""
    things = []
    low, high = np.array(frames_example.BOX_LOW), np.array(frames_example.BOX_HIGH)
    for axis in range(3):
        for side in (low, high):
            face = _face(low, high, axis, side[axis])
            outward = np.zeros(3)
            outward[axis] = 1.0 if side is high else -1.0
            if (example.base_from_object[:3, :3] @ outward) @ sheet.view.rotation[2] > 0:
                points = poses.transform_points(example.base_from_object, face)
                shade = (238, 196, 160, 150) if axis == 0 else (226, 176, 138, 130)
                things.append((sheet.view.nearness(points) - 0.02, "face", points, 0.0, shade))
    segments, radii = hand.link_segments(example.grasp.joints)
    segments = poses.transform_points(example.base_from_palm[None], segments)  # (k, 2, 3)
    n_palm = len(hand.links.palm.envelope)
    for k, (ends, radius) in enumerate(zip(segments, radii, strict=True)):
        fill = (150, 156, 168, 150) if k < n_palm else (186, 192, 204, 150)
        things.append((sheet.view.nearness(ends), "capsule", ends, float(radius), fill))
    for _, kind, points, radius, fill in sorted(things, key=lambda thing: thing[0]):
        outline = (*(c // 2 for c in fill[:3]), 190)
        if kind == "face":
            sheet.polygon(points, fill, outline)
        else:
            sheet.capsule(points, radius, fill, outline)


def _face(low: np.ndarray, high: np.ndarray, axis: int, value: float) -> np.ndarray:
    """Corners (4, 3) of one face of a box."""
    a, b = (i for i in range(3) if i != axis)
    corners = np.full((4, 3), value)
    corners[:, a] = [low[a], high[a], high[a], low[a]]
    corners[:, b] = [low[b], low[b], high[b], high[b]]
    return corners


def _camera(sheet: Sheet, base_from_camera: np.ndarray) -> None:
    """A pyramid that opens towards what is seen, and the image's frame at its end."""
    depth, k = 0.09, frames_example.INTRINSICS
    pixels = np.array([[0, 0], [k.width, 0], [k.width, k.height], [0, k.height]], float)
    corners = poses.transform_points(base_from_camera, k.deproject(pixels, np.full(4, depth)))
    origin = base_from_camera[:3, 3]
    for i in range(4):
        sheet.polygon(np.stack([origin, corners[i], corners[(i + 1) % 4]]), (70, 80, 100, 26), (90, 98, 112, 200))


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path, help="where to write it, e.g. docs/frames.png")
    draw_frames(load_hand()).save(parser.parse_args().file, optimize=True)


if __name__ == "__main__":
    main()
