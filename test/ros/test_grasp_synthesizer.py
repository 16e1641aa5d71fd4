"""The node answers as synthesize() does, to the bit, and says on its topics what it answered."""

import threading

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from gmi_ros.core import poses
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.checkpoint import load
from gmi_ros.msg import ContactTargets, GraspFilters, Observation
from gmi_ros.pipeline import synthesize
from gmi_ros.ros.convert import grasp_from_message, pose_matrix
from gmi_ros.srv import SynthesizeGrasp

pytestmark = pytest.mark.ros


def text(answer) -> str:
    """The grasps with all their digits; unlike the messages, NaN equals NaN there."""
    return str(answer.grasps)


def test_the_answer_is_that_of_synthesize_to_the_bit(robot, weights):
    frame = robot.show()
    answer = robot.ask(seed=5)
    direct = synthesize(frame, load(weights), load_hand(), SynthesisSettings(n_samples=8), 5)
    assert answer.success and answer.error_code == SynthesizeGrasp.Response.OK, answer.message
    assert len(answer.grasps) == len(direct.grasps) > 0
    for message, grasp in zip(answer.grasps, direct.grasps):
        assert message.grasp_id == grasp.grasp_id and message.score == grasp.score
        assert [c.residual for c in message.contacts] == grasp.residual.tolist()
        assert list(message.joints_closed.position) == grasp.joints.tolist()
        points = poses.transform_points(direct.object_frame.camera_from_object, grasp.contacts)
        assert [[c.position.x, c.position.y, c.position.z] for c in message.contacts] == points.tolist()
        back = grasp_from_message(message)
        np.testing.assert_allclose(back.camera_from_palm, grasp.camera_from_palm, atol=1e-12)
        np.testing.assert_allclose(back.contacts, grasp.contacts, atol=1e-12)
    assert dict(zip(answer.rejected_names, answer.rejected_counts)) == direct.rejected
    assert answer.n_sampled == 8 and answer.seed == 5 and answer.model_hash == direct.model_hash
    assert set(answer.stage_names) == set(direct.stages_ms) and min(answer.stage_ms) >= 0
    assert answer.grasps[0].header.frame_id == frame.frame_id
    assert answer.object_frame.header == answer.grasps[0].header


def test_the_same_seed_repeats_and_seed_zero_draws_one_that_does(robot):
    robot.show()
    one, two, drawn = robot.ask(seed=7), robot.ask(seed=7), robot.ask(seed=0)
    assert one.grasps and text(one) == text(two)
    assert drawn.seed != 0 and text(drawn) == text(robot.ask(seed=drawn.seed)) != text(one)


def test_zeros_mean_the_parameters_and_numbers_replace_them(make_robot):
    robot = make_robot(max_grasps=3)
    robot.show()
    assert len(robot.ask().grasps) == 3
    assert len(robot.ask(max_grasps=2).grasps) == 2
    assert robot.ask(n_samples=5).n_sampled == 5


def test_filters_of_a_request_replace_the_parameters_for_that_request_only(robot):
    robot.show()
    assert robot.ask().grasps
    nothing = robot.ask(filters=GraspFilters(use=True, workspace_high=[-5.0, -5.0, -5.0]))
    assert nothing.error_code == SynthesizeGrasp.Response.NO_GRASP and not nothing.grasps
    assert dict(zip(nothing.rejected_names, nothing.rejected_counts))["workspace"] > 0
    assert robot.ask(filters=GraspFilters(use=False, workspace_high=[-5.0, -5.0, -5.0])).grasps
    assert text(robot.ask(filters=GraspFilters(use=True))) == text(robot.ask())


def test_all_objects_are_reported_and_ranked_together(robot, draw):
    robot.show(draw(((60, 45, 12, 24, 7), (95, 45, 10, 22, 2), (30, 60, 4, 4, 9))))
    answer = robot.ask(all_objects=True)
    assert answer.success
    reports = {report.label: report for report in answer.objects}
    assert [report.label for report in answer.objects] == [7, 2, 9]  # largest first
    assert reports[9].error_code == SynthesizeGrasp.Response.MASK_TOO_SMALL and "30" in reports[9].message
    assert reports[7].n_grasps + reports[2].n_grasps == len(answer.grasps)
    scores = [grasp.score for grasp in answer.grasps]
    assert scores == sorted(scores, reverse=True)
    alone = robot.ask(target_label=2)
    assert {grasp.label for grasp in alone.grasps} == {2}
    assert {g.grasp_id for g in answer.grasps if g.label == 2} <= {g.grasp_id for g in alone.grasps}


def test_topics_carry_the_best_grasp_and_what_the_network_saw(make_robot):
    robot = make_robot(joint_name_map="robotnik")
    topics = {
        "contact_targets": ContactTargets, "wrist_pose": PoseStamped, "markers": MarkerArray, "network_view": Image,
    }  # fmt: skip
    heard = {name: robot.heard(kind, f"/grasp_synthesizer/{name}") for name, kind in topics.items()}
    observations = robot.heard(Observation, "/grasp_synthesizer/observation", retained=True)
    robot.live.until(lambda: robot.node._outputs._markers.get_subscription_count(), "the subscription")
    robot.live.until(lambda: robot.node._outputs._view.get_subscription_count(), "the subscription")
    robot.live.until(lambda: robot.node._outputs._targets.get_subscription_count(), "the subscription")
    robot.live.until(lambda: robot.node._outputs._wrist_pose.get_subscription_count(), "the subscription")
    robot.show()
    answer = robot.ask()
    best = answer.grasps[0]
    robot.live.until(lambda: observations and all(heard.values()), "all topics")
    (targets,), (pose,) = heard["contact_targets"], heard["wrist_pose"]
    assert targets.grasp_id == best.grasp_id and str(targets.contacts) == str(best.contacts)
    assert targets.joints.name[0] == "bh_j11_joint" and targets.joints.position == best.joints_closed.position
    assert pose.pose == best.wrist_pose and pose.header == best.header
    assert observations[-1].id == best.observation_id == answer.observation_id
    assert (heard["network_view"][0].width, heard["network_view"][0].height) == (192, 64)
    assert {marker.header.frame_id for marker in heard["markers"][0].markers[1:]} == {best.header.frame_id}


def test_the_target_frame_moves_everything_and_changes_nothing(make_robot, live):
    pose = [0.5, 0.1, 0.9, 1.0, 0.0, 0.0, 0.0]  # upside down over the table
    mount = [0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 1.0]
    robot = make_robot(target_frame="base_link", camera_pose=pose, hand_mount_from_palm=mount)
    views = robot.heard(Image, "/grasp_synthesizer/network_view")
    robot.live.until(lambda: robot.node._outputs._view.get_subscription_count(), "the subscription")
    frame = robot.show()
    best = robot.ask().grasps[0]
    assert best.header.frame_id == "base_link" and best.header.stamp.nanosec == frame.stamp_ns % 10**9
    base_from_camera = poses.from_xyzw(np.array(pose[:3]), np.array(pose[3:]))
    camera = grasp_from_message(best, base_from_camera)
    np.testing.assert_allclose(base_from_camera @ camera.camera_from_palm, pose_matrix(best.wrist_pose), atol=1e-12)
    robot.live.until(lambda: views, "the network's view")
    assert views[0].header.frame_id == frame.frame_id and views[0].header.stamp == best.header.stamp
    assert best.wrist_pose.position.z < 0.9 and best.lift_direction.z > 0.99
    palm_from_mount = poses.inverse(pose_matrix(best.wrist_pose)) @ pose_matrix(best.mount_pose)
    np.testing.assert_allclose(palm_from_mount[:3, 3], [0, 0, -0.1], atol=1e-12)


def test_one_request_runs_one_waits_and_the_third_is_busy(make_robot, monkeypatch):
    robot = make_robot(request_timeout=10.0)
    robot.show()
    working, gate = threading.Semaphore(0), threading.Event()
    sample = robot.node._configuration.model.sample

    def held(image, n, seed):
        working.release()
        assert gate.wait(10.0)
        return sample(image, n, seed)

    monkeypatch.setattr(robot.node._configuration.model, "sample", held)
    futures = [robot.client.call_async(SynthesizeGrasp.Request(seed=1))]
    assert working.acquire(timeout=5.0)
    futures.append(robot.client.call_async(SynthesizeGrasp.Request(seed=1)))
    robot.live.until(lambda: len(robot.node._worker._waiting) == 1, "a waiting request")
    third = robot.ask()
    assert third.error_code == SynthesizeGrasp.Response.BUSY and "at most 1 may" in third.message
    gate.set()
    robot.live.until(lambda: all(f.done() for f in futures), "both answers")
    assert all(f.result().success for f in futures)


def test_a_request_that_takes_too_long_is_answered_and_the_next_is_served(make_robot, monkeypatch):
    robot = make_robot(request_timeout=0.5)
    robot.show()
    gate = threading.Event()
    sample = robot.node._configuration.model.sample
    monkeypatch.setattr(robot.node._configuration.model, "sample", lambda *a: (gate.wait(10.0), sample(*a))[1])
    late = robot.ask()
    assert late.error_code == SynthesizeGrasp.Response.TIMEOUT and "0.50 s" in late.message
    gate.set()
    monkeypatch.undo()
    assert robot.set(request_timeout=10.0).successful
    robot.show()
    assert robot.ask().success
