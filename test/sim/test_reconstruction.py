"""An object made of what a frame shows: it looks the same, stands where it stood, and meets hand and table as it should."""

import numpy as np
import pytest
from seen_objects import view

from gmi_ros.core import poses
from gmi_ros.core.cloud import Table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import FINE, window_rays
from gmi_ros.core.solid import LAYER_M, thickness
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.camera import KINECT, Camera, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.geometry import volume
from gmi_ros.sim.reconstruction import _MOST, _outlines, reconstruct, world_from_camera
from gmi_ros.sim.shapes import HAND, TABLE, corners
from gmi_ros.sim.stretches import stretches

NAMES = ("block_0", "can_0", "mug_0", "hammer_0")


@pytest.fixture(scope="module", params=NAMES)
def made(request):
    frame, found, table, solid, camera = view(request.param)
    return frame, found, table, solid, camera, *reconstruct(frame, found, table, solid)


def test_it_looks_as_what_it_was_made_of(made):
    frame, found, table, _, _, model, pose = made
    cell = Cell(model, None)
    cell.reset(pose)
    again = render(cell.model, cell.data, Camera(KINECT, world_from_camera(table, found)), {cell.object_body: 1})
    both = (frame.mask == 1) & (again.mask == 1)
    assert both.sum() / ((frame.mask == 1) | (again.mask == 1)).sum() > 0.85
    off = np.abs(frame.depth - again.depth)[both]
    assert np.median(off) < 0.0015 and np.quantile(off, 0.9) < 0.004


def test_it_is_as_deep_as_it_was_said_to_be(made):
    _, found, table, solid, _, model, pose = made
    seen = solid[..., 0] > 0
    pixels = np.rint(KINECT.project(window_rays(found, *FINE)))[seen]
    got = stretches(model.parts, pose, Camera(KINECT, world_from_camera(table, found)), pixels)[:, 0, 1]
    known, deep = np.isfinite(got), thickness(solid, 0.5)[seen]
    assert known.mean() > 0.8 and np.median(np.abs(got - deep)[known]) < 0.003


def test_what_is_behind_a_gap_is_there_and_the_gap_is():
    frame, found, table, solid, _ = view("block_0")
    seen = solid[..., 0] > 0
    solid[seen] = 0.0
    solid[seen, :2] = solid[seen, 5:7] = 1.0  # two plates
    model, pose = reconstruct(frame, found, table, solid)
    pixels = np.rint(KINECT.project(window_rays(found, *FINE)))[seen]
    got = stretches(model.parts, pose, Camera(KINECT, world_from_camera(table, found)), pixels)
    whole = np.isfinite(got[:, 1]).all(axis=1)  # the table cuts off what reaches below it
    assert whole.mean() > 0.5
    want = LAYER_M * np.array([[0, 2], [5, 7]])
    assert (np.abs(np.median(got[whole, :2], axis=0) - want) < 0.003).all()


def test_it_is_wider_where_it_is_flat_and_there_are_never_too_many():
    for name in (*NAMES, "random_3"):
        frame, found, table, solid, _ = view(name, elevation=1.2)
        outlines, _ = _outlines(frame.mask == 1, frame.depth, frame.depth, 1)
        assert 0 < len(outlines) <= _MOST
        assert len(outlines) < (frame.mask == 1).sum() / 4


def test_what_carries_it_unseen_carries_it():
    """Of a plate that floats above the table the foot reaches down."""
    frame, found, table, solid, _ = view("can_0", elevation=1.56)
    seen = solid[..., 0] > 0
    solid[seen] = 0.0
    solid[seen, :2] = 1.0
    model, pose = reconstruct(frame, found, table, solid)
    foot = corners(model.parts[-1])
    assert abs(foot[:, 2].min() + pose[2, 3]) < 1e-3
    assert min(corners(part)[:, 2].min() for part in model.parts[:-1]) + pose[2, 3] > 0.01


def test_the_world_is_the_cells_but_for_a_turn_about_the_vertical(made):
    frame, found, table, _, camera, _, _ = made
    world = world_from_camera(table, found)
    assert poses.is_rigid(world)
    moved = camera.world_from_camera @ poses.inverse(world)
    assert np.arccos(np.clip(moved[2, 2], -1, 1)) < 0.01 and abs(moved[2, 3]) < 0.002


def test_a_turned_camera_sees_the_same_object():
    first, second = (
        reconstruct(frame, found, table, solid)[0]
        for frame, found, table, solid, _ in (view("can_0", azimuth) for azimuth in (0.0, 1.9))
    )
    sizes = [sum(volume(part) for part in model.parts if part.meets == HAND) for model in (first, second)]
    assert abs(sizes[0] / sizes[1] - 1) < 0.05


def test_the_hand_meets_columns_and_the_table_their_hull(made):
    *_, model, pose = made
    assert [part.meets for part in model.parts] == [HAND] * (len(model.parts) - 1) + [TABLE]
    cell = Cell(model, load_hand())
    cell.reset(pose)
    mass = cell.model.body_mass[cell.object_body]
    assert abs(mass / cell.physics.mass - 1) < 0.02  # volumes of columns are known about
    cell.step(100)  # it rests as it is
    moved = np.linalg.norm(cell.world_from_object[:3, 3] - pose[:3, 3])
    assert moved < 0.01
    contact = cell.data.contact
    geoms = {int(g) for pair in contact.geom for g in pair if cell.model.geom_bodyid[g] == cell.object_body}
    assert geoms == {cell.model.geom(f"{model.name}_{len(model.parts) - 1}").id}


def test_what_shows_too_little_is_refused():
    frame, found, table, solid, _ = view("block_0")
    below = Table(table.normal, table.offset + 1.0)  # everything would be under this table
    with pytest.raises(GmiError) as refused:
        reconstruct(frame, found, below, solid)
    assert refused.value.code == ErrorCode.NO_VALID_DEPTH
