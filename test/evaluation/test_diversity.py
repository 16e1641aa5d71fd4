"""How different grasps are: known spreads come out, and moving everything changes nothing."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import resource
from gmi_ros.evaluation.dataset import successes
from gmi_ros.evaluation.diversity import deviations, diversity


def grasps(n, palm, turn, joints, seed=0):
    rng = np.random.default_rng(seed)
    found = np.tile(np.eye(4), (n, 1, 1))
    found[:, :3, :3] = Rotation.from_rotvec(turn / np.sqrt(3) * rng.standard_normal((n, 3))).as_matrix()
    found[:, :3, 3] = palm * rng.standard_normal((n, 3))
    return found, joints * rng.standard_normal((n, 4))


def test_known_spreads_come_out():
    told = deviations(*grasps(20_000, 0.03, 0.2, 0.4))
    np.testing.assert_allclose(told, [0.03, 0.2, 0.4], rtol=0.02)


def test_the_frame_does_not_matter_and_one_grasp_has_no_spread():
    found, joints = grasps(500, 0.03, 0.2, 0.4)
    turn = poses.make(Rotation.random(random_state=2).as_matrix(), np.array([1.0, 2, 3]))
    moved = deviations(turn @ found, joints)
    np.testing.assert_allclose(moved[1:], deviations(found, joints)[1:], rtol=1e-6)
    np.testing.assert_allclose(moved[0], deviations(found, joints)[0], rtol=0.1)  # its axes are others
    np.testing.assert_allclose(deviations(np.tile(turn, (9, 1, 1)), np.tile(joints[:1], (9, 1))), 0, atol=1e-6)


def test_the_data_are_diverse():
    told = diversity(successes(resource("data/dev.db.zst")))
    assert told["objects"] >= 25 and told["palm_m"] > 0.03 and told["turn_rad"] > 0.5 and told["joints_rad"] > 0.1
    with pytest.raises(GmiError, match="no object has 8 simulated successes"):
        diversity([])
