"""The simulated task: what is seen is what is there, and a trial is a function of its seed."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.core.frame import Intrinsics
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import observe
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.camera import KINECT, Camera, look_at, render, render_observation
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import CONTROL_PERIOD, ClosingPlan, FingerDrives
from gmi_ros.sim.collect import OFF_APPROACH, Job, TrialOptions, run_batch, trial_seed
from gmi_ros.sim.objects import ObjectModel, Part, class_names, find_object
from gmi_ros.sim.scenario import LOWEST, draw_scenario
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.shapes import corners
from gmi_ros.sim.splits import objects_of
from gmi_ros.sim.trial import LIFT_HEIGHT, LIFT_SPEED, LIFT_TIME, RAMP_TIME, GraspPlan, lift_profile, run


@pytest.fixture(scope="module")
def hand():
    return load_hand()


def box(half: tuple[float, float, float]) -> ObjectModel:
    part = Part("box", half, (0.0, 0.0, half[2]), (0.0, 0.0, 0.0, 1.0))
    return ObjectModel("test_box", 0, (part,), (0.5, 0.5, 0.5))


def from_above(height: float, spread: float = 0.0, opening: float = 0.6) -> GraspPlan:
    """The palm straight above the middle of the table, closing along the world's y."""
    palm = poses.make(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, height]))
    pregrasp = palm.copy()
    pregrasp[2, 3] += 0.1
    return GraspPlan(pregrasp, palm, np.array([spread, *[opening] * 3]), ClosingPlan.together(2.0))


@pytest.mark.parametrize("name", [f"{c}_0" for c in class_names()])
def test_every_class_has_its_mass_and_comes_to_rest_on_the_table(name):
    cell = Cell(find_object(name), None, Physics(mass=0.7))
    assert cell.model.body(name).subtreemass[0] == pytest.approx(0.7, rel=0.02)
    scenario = draw_scenario(cell, np.random.default_rng(2))
    mujoco.mj_forward(cell.model, cell.data)
    depths = [contact.dist for contact in cell.data.contact]
    assert depths and min(depths) > -0.002  # it touches the table and does not sink into it
    assert scenario.camera.world_from_camera[2, 3] > 0.3


@pytest.mark.parametrize("name", [f"{c}_0" for c in class_names()])
def test_an_object_stays_where_it_settled(name):
    cell = Cell(find_object(name), None)
    draw_scenario(cell, np.random.default_rng(2))
    centre = cell.object_bounds()[0]
    cell.step(500)
    assert np.linalg.norm(cell.object_bounds()[0] - centre) < 0.005


def test_depth_of_a_known_box_is_right_to_a_millimetre():
    cell = Cell(box((0.03, 0.04, 0.05)), None)
    camera = Camera(KINECT, look_at(np.array([0, 0, 0.05]), 0.4, np.pi / 2, 0.65))
    frame = render(cell.model, cell.data, camera, {cell.object_body: 1})
    top = frame.depth[frame.mask == 1]
    np.testing.assert_allclose(np.median(top), 0.6, atol=1e-3)
    np.testing.assert_allclose(frame.depth[0, 0], 0.7, atol=1e-3)
    area = (frame.mask == 1).sum() * 0.6**2 / KINECT.fx**2
    assert area == pytest.approx(0.06 * 0.08, rel=0.03)


def test_the_rendered_observation_is_the_one_cut_from_the_full_image():
    cell = Cell(find_object("mug_0"), None)
    scenario = draw_scenario(cell, np.random.default_rng(5))
    frame = render(cell.model, cell.data, scenario.camera, {cell.object_body: 1})
    only_object = render(cell.model, cell.data, scenario.camera, {cell.object_body: 1}, only_objects=True)
    found = object_frame(frame)
    np.testing.assert_array_equal(object_frame(only_object).camera_from_object, found.camera_from_object)
    seen = render_observation(cell.model, cell.data, scenario.camera, cell.object_body, found)
    np.testing.assert_array_equal(seen.image, observe(frame, found).image)


def test_look_at_looks_at_it():
    target = np.array([0.1, -0.2, 0.05])
    for elevation in (0.3, np.pi / 2):
        world_from_camera = look_at(target, 1.0, elevation, 0.7, roll=0.3)
        assert poses.is_rigid(world_from_camera)
        seen = poses.transform_points(poses.inverse(world_from_camera), target[None])[0]
        np.testing.assert_allclose(seen, [0, 0, 0.7], atol=1e-12)


def test_a_box_between_three_fingers_is_held(hand):
    cell = Cell(box((0.045, 0.03, 0.06)), hand)
    result = run(cell, from_above(0.24, spread=0.2))
    assert result.success and result.reason == "held", result.reason
    assert result.height_lifted == pytest.approx(0.2, abs=0.02)
    # Contacts are on the box, in its frame, and the normals point out of it.
    surface = np.abs(result.contacts - [0, 0, 0.06]) / [0.045, 0.03, 0.06]
    np.testing.assert_allclose(surface.max(axis=1), 1, atol=0.05)
    assert (np.einsum("ij,ij->i", result.normals, result.contacts - [0, 0, 0.06]) > 0).all()


def test_the_same_grasp_slips_without_friction(hand):
    slippery = Cell(box((0.045, 0.03, 0.06)), hand)
    fingers = slippery.model.geom_priority == 1
    slippery.model.geom_friction[fingers, 0] = 0.05
    assert not run(slippery, from_above(0.24, spread=0.2)).success


def test_the_pads_friction_is_what_acts(hand):
    """MuJoCo takes the larger of two frictions unless one geom has priority."""
    cell = Cell(box((0.045, 0.03, 0.06)), hand)
    cell.pin(True)
    cell.place_hand(from_above(0.24).world_from_palm, np.array([0.2, 0.6, 0.6, 0.6]))
    FingerDrives(cell, ClosingPlan.together(2.0)).close(2.0)
    contacts = [cell.data.contact[i] for i in range(cell.data.ncon)]
    bodies = [set(cell.model.geom_bodyid[c.geom].tolist()) for c in contacts]
    fingers = set(cell.distal_bodies.tolist())
    slides = {
        c.friction[0] for c, pair in zip(contacts, bodies, strict=True) if cell.object_body in pair and pair & fingers
    }
    assert slides <= {hand.friction.pad, hand.friction.metal} and hand.friction.pad in slides


def test_reasons_of_failure(hand):
    cell = Cell(box((0.045, 0.03, 0.06)), hand)
    assert run(cell, from_above(0.15)).reason == "collided_on_approach"
    cell.reset(np.eye(4))
    assert run(cell, from_above(0.6)).reason == "no_contact"
    cell.reset(np.eye(4))
    assert run(cell, from_above(0.24, spread=0.2), cancelled=lambda: True).reason == "cancelled"


def test_drives_follow_the_gears_until_breakaway_and_stop_after(hand):
    cell = Cell(box((0.045, 0.03, 0.06)), hand)
    cell.place_hand(from_above(0.6).world_from_palm, np.zeros(4))
    drives = FingerDrives(cell, ClosingPlan.together(2.0))
    drives.close(3.0)
    assert all(drives.stalled) and drives.lock == [None] * 3
    np.testing.assert_allclose(cell.joints[1:], hand.limits[1:, 1], atol=0.05)
    np.testing.assert_allclose(cell.data.qpos[cell.outer_qpos], hand.coupled_outer(cell.joints[1:]), atol=0.05)


@pytest.mark.parametrize("curl", [0.0, 0.02, 0.3])
def test_after_breakaway_a_motor_goes_on_as_far_as_the_plan_lets_it(hand, curl):
    def closed(**limit):
        cell = Cell(box((0.045, 0.03, 0.06)), hand)
        cell.pin(True)
        plan = from_above(0.24, spread=0.2)
        cell.place_hand(plan.world_from_palm, plan.joints_open)
        drives = FingerDrives(cell, replace(plan.closing, **limit))
        drives.close(3.0)
        assert all(drives.stalled) and None not in drives.lock
        return np.array(drives.motor), np.array(drives.motor) - drives.lock

    (motor, by_torque), (limited, beyond) = closed(), closed(curl=curl)
    step = 2.0 * CONTROL_PERIOD
    assert (by_torque > 0.02).all() and (beyond <= np.minimum(by_torque, curl + step) + 1e-9).all()
    if curl > by_torque.max():
        np.testing.assert_array_equal(limited, motor)  # to the bit: the torque came first


def test_a_pinned_object_does_not_move_while_the_hand_closes(hand):
    cell = Cell(box((0.03, 0.03, 0.05)), hand)
    before = cell.world_from_object
    cell.pin(True)
    plan = from_above(0.235, spread=0.3)
    plan.world_from_palm[1, 3] += 0.015  # off the middle: one finger comes first and pushes
    cell.place_hand(plan.world_from_palm, plan.joints_open)
    FingerDrives(cell, plan.closing).close(2.0)
    assert np.linalg.norm(cell.world_from_object[:3, 3] - before[:3, 3]) < 1.5e-3


def test_a_batch_is_a_function_of_its_job():
    job = Job(find_object("soap_3"), 3, 7, TrialOptions())
    first, second = run_batch(job).records, run_batch(job).records
    assert [r.result.reason for r in first] == [r.result.reason for r in second]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.world_from_object, b.world_from_object)
        np.testing.assert_array_equal(a.result.world_from_palm, b.result.world_from_palm)
    assert [r.trial_seed for r in first] == [trial_seed(7, 3, i) for i in range(32)]


def test_options_that_are_not_about_the_trial_leave_it_as_it_is():
    job = Job(find_object("funnel_1"), 0, 7, TrialOptions())
    plain, seen = run_batch(job).records, run_batch(job._replace(options=TrialOptions(views=3, noise=True))).records
    for a, b in zip(plain, seen, strict=True):
        assert a.result.reason == b.result.reason
        np.testing.assert_array_equal(a.plan.world_from_palm, b.plan.world_from_palm)
    held = next(i for i, r in enumerate(plain) if r.result.success)
    assert len(plain[held].views) == 1 and len(seen[held].views) == 3


def test_the_first_view_is_along_the_approach_and_the_others_not_far_off_it():
    records = run_batch(Job(find_object("carton_0"), 1, 7, TrialOptions(views=3))).records
    for record in (r for r in records if r.result.success):
        approach = record.plan.world_from_palm[:3, 2]
        angles = [np.arccos(min(v.camera.world_from_camera[:3, 2] @ approach, 1.0)) for v in record.views]
        level = np.arcsin(-record.plan.world_from_palm[2, 2]) < LOWEST + 0.1
        assert level or angles[0] < 0.1
        assert max(angles) <= OFF_APPROACH + 1e-9


def test_mass_and_friction_are_drawn_from_their_ranges_and_act():
    options = TrialOptions(mass=(0.2, 0.4), friction=(0.5, 0.6))
    records = [run_batch(Job(find_object("soap_0"), n, 1, options)).records[0] for n in range(2)]
    for record in records:
        assert 0.2 <= record.physics.mass <= 0.4 and 0.5 <= record.physics.friction <= 0.6
    assert records[0].physics != records[1].physics
    model = Cell(find_object("soap_0"), load_hand(), records[0].physics).model
    assert model.body("soap_0").subtreemass[0] == pytest.approx(records[0].physics.mass, rel=0.02)
    assert set(model.geom_friction[model.geom_priority == 1, 0]) == {records[0].physics.friction}


@pytest.mark.parametrize("split", ["train", "different", "random"])
def test_bounds_are_those_of_the_parts_corners(split):
    for model in objects_of(split, n_random=12)[:12]:
        cell = Cell(model, None)
        pose = poses.make(Rotation.random(random_state=3).as_matrix(), np.array([0.1, 0.2, 0.5]))
        cell.reset(pose)
        points = poses.transform_points(pose, np.concatenate([corners(part) for part in model.parts]))
        centre, extent = cell.object_bounds()
        # Corners are inscribed where a part is round.
        assert (centre - extent <= points.min(axis=0) + 1e-9).all() and (
            centre + extent >= points.max(axis=0) - 1e-9
        ).all()
        np.testing.assert_allclose(centre + extent, points.max(axis=0), atol=0.003)


def test_the_lift_is_as_high_and_fast_as_it_says():
    times = np.linspace(-0.1, LIFT_TIME + 0.1, 2001)
    heights = np.array([lift_profile(t) for t in times])
    speed = np.diff(heights) / np.diff(times)
    assert heights[0] == 0 and heights[-1] == pytest.approx(LIFT_HEIGHT)
    assert speed.min() >= -1e-9 and speed.max() == pytest.approx(LIFT_SPEED)
    acceleration = np.diff(speed) / np.diff(times)[0]
    assert np.abs(acceleration).max() == pytest.approx(LIFT_SPEED / RAMP_TIME, rel=0.01)


def test_intrinsics_project_what_they_deproject():
    k = Intrinsics(64, 48, 50.0, 51.0, 31.0, 23.5)
    pixels = np.random.default_rng(0).uniform(0, 48, (9, 2))
    np.testing.assert_allclose(k.project(k.deproject(pixels, np.full(9, 0.7))), pixels)
