"""From a network's one prediction to a plan along the view."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.instances import free_instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.prediction import _NORMALS, PRESHAPE, level_wrist, plan_along_view
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.splits import objects_of

HAND = load_hand()
JOINTS = np.array([PRESHAPE])
TIPS, PADS = HAND.touching.tips(JOINTS)[0], HAND.touching.pad_normals(JOINTS)[0]


def cost(pose, points, normals):
    tips = poses.transform_points(pose, TIPS)
    return ((tips - points) ** 2).sum() + _NORMALS**2 * ((poses.rotate(pose, PADS) + normals) ** 2).sum()


@pytest.mark.parametrize("angle", [-3.0, -0.5, 0.0, 1.0, 2.5])
def test_contacts_of_the_hand_itself_give_its_pose(angle):
    turn = Rotation.from_euler("x", angle).as_matrix() @ np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    pose = poses.make(turn, np.array([-0.1, 0.02, 0.03]))
    found = level_wrist(TIPS, PADS, poses.transform_points(pose, TIPS), -poses.rotate(pose, PADS))
    np.testing.assert_allclose(found, pose, atol=1e-12)


def test_no_other_turn_or_shift_along_the_view_is_nearer():
    rng = np.random.default_rng(0)
    for _ in range(10):
        points, normals = 0.05 * rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        found = level_wrist(TIPS, PADS, points, normals)
        assert poses.is_rigid(found)
        np.testing.assert_allclose(found[:3, 2], [1, 0, 0], atol=1e-12)
        least = cost(found, points, normals)
        for angle in np.linspace(-np.pi, np.pi, 50):
            other = poses.make(Rotation.from_euler("x", angle).as_matrix() @ found[:3, :3], np.zeros(3))
            other[:3, 3] = points.mean(axis=0) - other[:3, :3] @ TIPS.mean(axis=0) + 1e-3 * rng.normal(size=3)
            assert cost(other, points, normals) >= least - 1e-12


def test_the_plan_looks_along_the_view():
    model = load_model(resource(SHIPPED), 1)
    for number in range(3):
        instance = free_instance(objects_of("dev"), number, 2)
        plan = plan_along_view(instance.frame(), model, instance.camera.world_from_camera, HAND, SynthesisSettings())
        assert poses.is_rigid(plan.world_from_palm)
        view = instance.camera.world_from_camera[:3, 2]
        np.testing.assert_allclose(plan.world_from_palm[:3, 2], view, atol=1e-9)
        np.testing.assert_allclose(plan.world_from_pregrasp[:3, 3], plan.world_from_palm[:3, 3] - 0.1 * view, atol=1e-9)
        assert plan.joints_open[0] == PRESHAPE[0] and (plan.joints_open[1:] <= PRESHAPE[1:]).all()
