"""What grasps are compared with: the centroid of what is seen, and a planner that knows the mesh."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.core.cloud import fit_table
from gmi_ros.core.errors import GmiError
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.baselines import TABLE_GAP, centroid_plan, epsilon, mesh_plan
from gmi_ros.evaluation.instances import free_instance
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.collect import cell_of
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.screen import meeting
from gmi_ros.sim.splits import objects_of
from gmi_ros.sim.trial import approach_is_free

HAND = load_hand()


def contacts(rng):
    """Three points about the origin, the normals away from it and a little off."""
    points = rng.normal(size=(3, 3))
    points *= 0.04 / np.linalg.norm(points, axis=1, keepdims=True)
    normals = points + 0.02 * rng.normal(size=(3, 3))
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def in_closure(points, normals, friction, edges):
    """Whether positive forces along the cones' edges can cancel while each is used: a linear programme."""
    wrenches = []
    for point, normal in zip(points, normals, strict=True):
        across = np.linalg.svd(normal[None])[2][1:]
        turn = 2 * np.pi * np.arange(edges) / edges
        forces = -normal + friction * (np.cos(turn)[:, None] * across[0] + np.sin(turn)[:, None] * across[1])
        wrenches.append(np.hstack([forces, np.cross(point, forces)]))
    wrenches = np.concatenate(wrenches)
    # The largest t with sum c_i w_i = 0, sum c_i = 1, c_i >= t: positive only where 0 is inside the hull.
    n = len(wrenches)
    a = np.vstack([np.hstack([wrenches.T, np.zeros((6, 1))]), np.append(np.ones(n), 0)])
    found = linprog(
        np.append(np.zeros(n), -1), A_ub=np.hstack([-np.eye(n), np.ones((n, 1))]), b_ub=np.zeros(n), A_eq=a,
        b_eq=np.append(np.zeros(6), 1), bounds=[(0, None)] * n + [(None, None)],
    )  # fmt: skip
    return found.status == 0 and -found.fun > 1e-9


def test_epsilon_is_positive_in_force_closure_only():
    rng, seen = np.random.default_rng(3), []
    for _ in range(60):
        points, normals = contacts(rng)
        closed = in_closure(points, normals, 0.8, 8)
        assert (epsilon(points, normals) > 1e-7) == closed
        seen.append(closed)
    assert 5 < sum(seen) < 55


def test_epsilon_does_not_depend_on_the_frame_or_the_unit():
    rng = np.random.default_rng(0)
    points, normals = next(c for c in (contacts(rng) for _ in range(100)) if epsilon(*c) > 0.01)
    turn = Rotation.random(random_state=1).as_matrix()
    # A linearised cone's edges turn with the basis across the normal: with many of them it is round.
    assert epsilon(points @ turn.T, normals @ turn.T, edges=40) == pytest.approx(
        epsilon(points, normals, edges=40), rel=0.02
    )
    assert epsilon(7 * points, normals) == pytest.approx(epsilon(points, normals))
    assert epsilon(points, normals, friction=1.2) > epsilon(points, normals) > epsilon(points, normals, friction=0.5)


def test_the_mesh_planner_closes_on_the_mesh():
    held = 0
    for number, name in enumerate(("can_0", "mug_1", "carton_2")):
        instance = free_instance([find_object(name)], number, 1)
        cell = cell_of(instance.object_model, Physics())
        cell.reset(instance.world_from_object)
        plan = mesh_plan(cell, np.random.default_rng(number))
        np.testing.assert_allclose(cell.world_from_object, instance.world_from_object)
        assert approach_is_free(cell, plan)
        points, normals = meeting(cell, plan)
        held += epsilon(points - cell.object_bounds()[0], normals) > 0
    assert held == 3


def test_the_centroid_grasp_is_along_the_view_and_off_the_table():
    settings = SynthesisSettings()
    for number in range(6):
        instance = free_instance(objects_of("dev"), number, 3)
        frame = instance.frame()
        plan = centroid_plan(frame, instance.camera.world_from_camera, HAND, settings)
        found = object_frame(frame, 0, settings)
        palm = poses.inverse(instance.camera.world_from_camera) @ plan.world_from_palm
        assert poses.is_rigid(palm)
        np.testing.assert_allclose(palm[:3, 2], found.camera_from_object[:3, 0], atol=1e-9)
        np.testing.assert_allclose(palm[:3, 1], found.camera_from_object[:3, 1], atol=1e-9)
        tips = poses.transform_points(palm, HAND.touching.tips(plan.joints_open))
        assert fit_table(frame, found).height(tips).min() > TABLE_GAP
        # The thumb comes from one side of what is seen, the other two from the other.
        across = (tips - found.camera_from_object[:3, 3]) @ found.camera_from_object[:3, 1]
        assert across[2] > 0 > across[:2].max()


def test_what_is_refused_is_refused_here_too():
    frame = free_instance(objects_of("dev"), 0, 3).frame()
    with pytest.raises(GmiError):
        centroid_plan(frame, np.eye(4), HAND, SynthesisSettings(min_mask_pixels=1_000_000))
