"""Pictures of one view and of grasps in it: the camera's, the object with contacts and normals, with the hand."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from gmi_ros.core import poses
from gmi_ros.core.frame import Intrinsics
from gmi_ros.core.observation import WINDOW_M
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.draws import Touches
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.wrist import WristSolution, solve_wrist
from gmi_ros.report.draw import FINGER_COLOURS
from gmi_ros.report.figures_data import KnownView
from gmi_ros.sim.camera import Camera, look_at, render
from gmi_ros.sim.cell import Cell

_AROUND, _HAND = 2.3, 0.17  # side of what is shown, in radii of the object's box, and [m] for the hand
_DISTANCE, _ELEVATION = 1.1, np.radians(22)  # of the onlooker [m], [rad]
_OVERSAMPLING = 2
_NORMAL_M = 0.035  # drawn length [m]
_HIDDEN_M = 0.004  # a point this far behind what is seen is hidden [m]
_EDGE = (20, 22, 26)
_PLASTER = (0.86, 0.84, 0.80)  # the object beside which the fingers' colours can be told


def solve(hand: BarrettHand, grasps: Touches, settings: SynthesisSettings = SynthesisSettings()) -> WristSolution:
    """Eq. 7 in {O}, for the rounded fingertips, as `pipeline.synthesize` does."""
    centres = grasps.contacts + hand.touch.radius * grasps.normals
    return solve_wrist(
        hand.touching, centres, grasps.normals, settings.normal_weight, max_residual=settings.max_residual
    )


def camera_picture(instance: KnownView, size: int) -> Image.Image:
    """What the camera saw in the network's window (but upright as the camera stood), `size` pixels square."""
    cell = Cell(instance.object_model, None)
    cell.reset(instance.world_from_model)
    frame = render(cell.model, cell.data, instance.camera, {})
    lens = instance.camera.intrinsics
    camera_from_object = poses.inverse(instance.camera.world_from_camera) @ instance.world_from_object
    u, v = lens.project(camera_from_object[:3, 3])
    half = WINDOW_M / 2 * lens.fx / camera_from_object[2, 3]
    box = (u - half, v - half, u + half, v + half)
    return Image.fromarray(frame.rgb).transform((size, size), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)


class Onlooker:
    """Draws grasps of one instance as seen from beside it, always from the same place."""

    def __init__(self, instance: KnownView, hand: BarrettHand, across: np.ndarray, size: int):
        """Look along the horizontal part of `across` (3,), in {O}, from above the table.

        Args:
            size: of the pictures [px].
        """
        self._instance, self._size = instance, size
        model = replace(instance.object_model, rgb=_PLASTER)
        self._bare, self._held = Cell(model, None), Cell(model, hand)
        for cell in (self._bare, self._held):
            cell.reset(instance.world_from_model)
        along = poses.rotate(instance.world_from_object, across[None])[0]
        # Of the two sides, the one on which the camera is.
        towards = instance.camera.world_from_camera[:3, 3] - instance.world_from_object[:3, 3]
        along = along if along @ towards >= 0 else -along
        self._azimuth = float(np.arctan2(along[1], along[0]))
        self._centre, extents = self._bare.object_bounds()
        self._window = _AROUND * float(np.linalg.norm(extents))  # [m]

    def contacts(self, cloud: Touches, bold: Touches) -> Image.Image:
        """The object with the contacts of many grasps as dots, and those of one with its normals and its triangle."""
        image, camera, depth = self._seen(self._bare, self._window, 0.0)
        ink = ImageDraw.Draw(image, "RGBA")
        pixels, hidden = self._project(cloud.contacts.reshape(-1, 3), camera, depth)
        for i, (x, y) in enumerate(pixels):
            dot, alpha = 3.0, 45 if hidden[i] else 150
            ink.ellipse((x - dot, y - dot, x + dot, y + dot), fill=(*FINGER_COLOURS[i % 3], alpha))
        corners, _ = self._project(bold.contacts[0], camera, depth)
        ink.line([tuple(p) for p in (*corners, corners[0])], fill=(255, 255, 255, 210), width=4)
        self._arrows(ink, bold, camera, depth)
        return self._shrunk(image)

    def grasp(self, bold: Touches, wrist: WristSolution, index: int) -> Image.Image:
        """The object in the hand, at the wrist's pose and posture of this index; contacts and normals over it."""
        world_from_palm = self._instance.world_from_object @ wrist.frame_from_palm[index]
        self._held.place_hand(world_from_palm, wrist.joints[index])
        image, camera, depth = self._seen(self._held, self._window + _HAND, _HAND / 2.5)
        self._arrows(ImageDraw.Draw(image, "RGBA"), bold, camera, depth)
        return self._shrunk(image)

    def _seen(self, cell: Cell, window: float, lift: float) -> tuple[Image.Image, Camera, np.ndarray]:
        pixels = _OVERSAMPLING * self._size
        focal = pixels * _DISTANCE / window
        lens = Intrinsics(pixels, pixels, focal, focal, pixels / 2 - 0.5, pixels / 2 - 0.5)
        target = self._centre + [0.0, 0.0, lift]
        camera = Camera(lens, look_at(target, self._azimuth, _ELEVATION, _DISTANCE))  # in plain light
        frame = render(cell.model, cell.data, camera, {}, hand=True)
        return Image.fromarray(frame.rgb), camera, np.where(frame.valid, frame.depth, np.inf)

    def _project(self, points: np.ndarray, camera: Camera, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, 2) of points (n, 3) in {O}, and whether something hides them (n,)."""
        camera_from_object = poses.inverse(camera.world_from_camera) @ self._instance.world_from_object
        points = poses.transform_points(camera_from_object, points)
        pixels = camera.intrinsics.project(points)
        u, v = np.clip(np.rint(pixels).astype(int), 0, len(depth) - 1).T
        return pixels, points[:, 2] > depth[v, u] + _HIDDEN_M

    def _arrows(self, ink: ImageDraw.ImageDraw, bold: Touches, camera: Camera, depth: np.ndarray) -> None:
        """Contacts as dots with a border, filled where they can be seen; normals as lines out of them."""
        feet, hidden = self._project(bold.contacts[0], camera, depth)
        heads, _ = self._project(bold.contacts[0] + _NORMAL_M * bold.normals[0], camera, depth)
        for i in np.argsort(~hidden, kind="stable"):
            (x, y), colour, dot = feet[i], FINGER_COLOURS[i], 9
            for width, line in ((9, _EDGE), (5, colour)):
                ink.line([*feet[i], *heads[i]], fill=line, width=width)
            ink.ellipse((x - dot, y - dot, x + dot, y + dot), fill=_EDGE if hidden[i] else colour, outline=_EDGE)
            if hidden[i]:
                dot -= 2
                ink.ellipse((x - dot, y - dot, x + dot, y + dot), outline=colour, width=3)

    def _shrunk(self, image: Image.Image) -> Image.Image:
        return image.resize((self._size, self._size), Image.Resampling.BOX)
