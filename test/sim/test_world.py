"""The world that sim_cell shows: drawn from the seed, plans checked, picks told in the camera's frame."""

import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.world import World

NAMES = ("carton_0", "can_1")


@pytest.fixture(scope="module")
def world():
    return World(load_hand(), 4, NAMES)


def test_the_seed_decides_scene_after_scene():
    worlds = [World(load_hand(), 4, NAMES) for _ in range(2)]
    for _ in range(2):
        assert worlds[0].object_name == worlds[1].object_name
        np.testing.assert_array_equal(worlds[0].world_from_camera, worlds[1].world_from_camera)
        for world in worlds:
            world.reset()
    assert {World(load_hand(), seed, NAMES).object_name for seed in range(1, 8)} == set(NAMES)


def test_every_object_has_its_turn(world):
    assert {world.reset() for _ in NAMES} == set(NAMES)


def test_a_pick_in_the_air_lifts_nothing_and_leaves_the_scene(world):
    before = world.frame()
    high = np.eye(4)
    high[2, 3] = 0.05  # just before the camera
    phases = []
    plan = world.plan(high, high, np.zeros(4), ClosingPlan.together(2.0))
    picked = world.pick(plan, phases.append)
    assert (picked.success, picked.reason) == (False, "no_contact") and phases == ["approach", "closing"]
    assert np.isnan(picked.contacts).all() and not picked.touched.any()
    np.testing.assert_allclose(picked.camera_from_palm, high, atol=5e-3)
    assert np.mean(before.mask != world.frame().mask) < 1e-3


@pytest.mark.parametrize(
    "change, says",
    [
        ({"camera_from_palm": np.full((4, 4), np.nan)}, "wrist_pose is not a rigid pose"),
        ({"joints_open": np.array([0, 9.0, 0, 0])}, "joints_open must be in"),
        ({"closing": ClosingPlan(np.zeros(3), np.full(3, 99.0))}, "finger_speed must be in"),
        ({"closing": ClosingPlan(np.array([0, np.nan, 0]), np.full(3, 1.0))}, "finger_start must be in"),
    ],
)
def test_what_the_hand_cannot_do_is_refused(world, change, says):
    given = {
        "camera_from_pregrasp": np.eye(4),
        "camera_from_palm": poses.make(np.eye(3), np.array([0, 0, 0.1])),
        "joints_open": np.zeros(4),
        "closing": ClosingPlan.together(1.0),
    }
    with pytest.raises(GmiError, match=says) as caught:
        world.plan(**{**given, **change})
    assert caught.value.code is ErrorCode.BAD_REQUEST
