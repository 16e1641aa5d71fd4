"""Grasps proposed by geometry: on the surface of the object, from several sides, the same each time."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from seen_objects import resting, view

from gmi_ros.core import poses
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.proposals import proposed
from gmi_ros.sim.reconstruction import COLUMN, world_from_camera
from gmi_ros.sim.rehearsal import Stage
from gmi_ros.sim.screen import MOST_UNBALANCED
from gmi_ros.sim.shapes import corners

N = 6


@pytest.fixture(scope="module")
def seen():
    """A can whose hidden side is known: its stage, {O} from the stage's world, and its hull in {O}."""
    frame, found, table, solid, camera = view("can_0")
    cell = Cell(find_object("can_0"), None)
    o_from_object = poses.inverse(camera.world_from_camera @ found.camera_from_object) @ resting(cell)
    hull = ConvexHull(np.concatenate([corners(part) for part in cell.object_model.parts]))
    o_from_world = poses.inverse(world_from_camera(table, found) @ found.camera_from_object)
    return Stage(frame, found, table, solid, load_hand()), o_from_world, o_from_object, hull


def test_contacts_are_on_the_object_and_press_from_several_sides(seen):
    stage, o_from_world, o_from_object, hull = seen
    contacts, normals = proposed(stage, o_from_world, N, 1000, np.random.default_rng(1))
    assert contacts.shape == normals.shape == (N, 3, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-9)
    assert (np.linalg.norm(normals.sum(axis=1), axis=-1) <= MOST_UNBALANCED).all()
    local = poses.transform_points(poses.inverse(o_from_object), contacts.reshape(-1, 3))
    outside = (local @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1)  # [m] of a convex object
    assert np.abs(outside).max() < 3 * COLUMN
    outward = poses.rotate(poses.inverse(o_from_object), normals.reshape(-1, 3))
    assert ((local - local.mean(axis=0)) * outward).sum(axis=1).mean() > 0


def test_the_same_each_time_and_no_more_than_asked(seen):
    stage, o_from_world = seen[:2]
    first, again, fewer = (proposed(stage, o_from_world, n, 1000, np.random.default_rng(1)) for n in (N, N, 2))
    for one, same, less in zip(first, again, fewer, strict=True):
        np.testing.assert_array_equal(one, same)
        np.testing.assert_array_equal(one[:2], less)


def test_who_may_draw_nothing_proposes_nothing(seen):
    contacts, normals = proposed(*seen[:2], N, 0, np.random.default_rng(1))
    assert contacts.shape == normals.shape == (0, 3, 3)
