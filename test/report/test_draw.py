"""Pictures: they show the object, the hand and what happened, and differ where the answer does."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from gmi_ros.core import poses
from gmi_ros.core.grasp import Grasp, WristStatus
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import observe
from gmi_ros.hand.barrett import load_hand
from gmi_ros.pipeline import Synthesis
from gmi_ros.report.draw import SIZE, draw_synthesis, tile
from gmi_ros.sim.camera import KINECT, Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object

HAND = load_hand()


@pytest.fixture(scope="module")
def frame():
    cell = Cell(find_object("bottle_0"), None)
    camera = Camera(KINECT, look_at(np.array([0, 0, 0.08]), 0.3, 0.9, 0.7))
    return render(cell.model, cell.data, camera, {cell.object_body: 1})


@pytest.fixture(scope="module")
def synthesis(frame):
    found = object_frame(frame)
    palm = found.camera_from_object @ poses.make(np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), np.array([-0.2, 0, 0]))
    grasp = Grasp(
        "g", 1, np.array([[0, 0.03, 0], [0, -0.03, 0.02], [0, -0.03, -0.02]]), np.array([[0, 1.0, 0], [0, -1, 0], [0, -1, 0]]),
        palm, palm, np.array([0.2, 1.1, 1.1, 1.1]), np.zeros(4), np.zeros(3), np.ones(3), np.zeros(3), WristStatus.SOLVED, 0.0, 0.5, 0.0,
    )  # fmt: skip
    return Synthesis(observe(frame, found), found, None, [grasp], {}, {}, 1, 1, "", "o")


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


def test_the_hand_and_the_contacts_are_drawn_in(frame, synthesis):
    with_hand = pixels(draw_synthesis(frame, synthesis, HAND, "title"))
    without = pixels(draw_synthesis(frame, dataclasses.replace(synthesis, grasps=[]), HAND, "title"))
    changed = np.abs(with_hand - without).sum(axis=2) > 0
    assert 0.02 < changed.mean() < 0.5
    assert not changed[:, SIZE[0] :].any()  # what the network saw stays as it is


def test_the_mask_is_outlined(frame, synthesis):
    picture = pixels(draw_synthesis(frame, dataclasses.replace(synthesis, grasps=[]), HAND, ""))
    plain = pixels(draw_synthesis(frame, None, HAND, ""))
    assert picture.shape == plain.shape
    assert (np.abs(picture - plain).sum(axis=2) > 0).any()


def test_the_outcome_is_written(frame, synthesis):
    said, silent = (pixels(draw_synthesis(frame, synthesis, HAND, "bottle", text)) for text in ("held", ""))
    assert (said != silent)[SIZE[1] :].any() and not (said != silent)[: SIZE[1]].any()


def test_pages_hold_all_pictures():
    page = tile([Image.new("RGB", (200, 100), c) for c in ("red", "lime", "blue")], columns=2, width=100)
    assert page.size == (200, 100)
    assert [page.getpixel(at) for at in ((50, 25), (150, 25), (50, 75))] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
