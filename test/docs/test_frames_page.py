"""docs/frames.md and docs/mounts.md stay true: every number is recomputed, every field that says a place is listed."""

import re

import numpy as np
import pytest
from doc_pages import ROOT, numbers, read, rows, spans

from gmi_ros.core import poses
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import load_hand
from gmi_ros.report import frames_example
from gmi_ros.report.frames_picture import PANEL, draw_frames


ROUNDED = 0.51e-4  # the page has four decimals
PLACES = re.compile(r"(geometry_msgs/|gmi_ros/Contact\[|gmi_ros/Grasp grasp|sensor_msgs/JointState|_low|_high|_plane)")


def written() -> dict[str, np.ndarray]:
    """Names and numbers of the worked example."""
    found = {}
    for row in rows(read("frames.md"), "## Worked example"):
        names, values = [s for cell in row for s in spans(cell)][:1], spans(row[-1]) or spans(row[2])
        found[names[0]] = numbers(values[-1])
    return found


@pytest.fixture(scope="module")
def page():
    """The numbers on the page."""
    return written()


@pytest.fixture(scope="module")
def example():
    """The example as the package computes it."""
    return frames_example.frames_example(load_hand())


def seven(pose: np.ndarray) -> np.ndarray:
    """x y z and quaternion of (4, 4)."""
    return np.concatenate([pose[:3, 3], poses.to_xyzw(pose)])


def test_what_is_given_on_the_page_is_what_is_computed_with(page):
    k = frames_example.INTRINSICS
    given = {
        "size": (k.width, k.height),
        "intrinsics": (k.fx, k.fy, k.cx, k.cy),
        "mask": (*frames_example.CENTRE_PX, *frames_example.HALF_PX),
        "turn": (frames_example.TURN_DEG,),
        "depths": (frames_example.BOX_DEPTH, frames_example.TABLE_DEPTH),
        "contacts": np.ravel(frames_example.CONTACTS),
        "normals": np.ravel(frames_example.NORMALS),
        "camera_pose": frames_example.CAMERA_POSE,
        "hand_mount_from_palm": frames_example.HAND_MOUNT_FROM_PALM,
    }
    for name, value in given.items():
        assert page[name].tolist() == list(value), name


def test_every_result_on_the_page_is_what_comes_out(page, example):
    found, grasp = example.found, example.grasp
    camera_from_object, base_from_camera = found.camera_from_object, example.base_from_camera
    contacts, normals = poses.transform_points(camera_from_object, grasp.contacts), grasp.normals
    results = {
        "mean_pixel": found.centroid_px,
        "eigenvalue_ratio": [found.eigenvalue_ratio],
        "origin": camera_from_object[:3, 3],
        "o_x": camera_from_object[:3, 0],
        "o_y": camera_from_object[:3, 1],
        "o_z": camera_from_object[:3, 2],
        "contacts_camera": contacts,
        "normals_camera": poses.rotate(camera_from_object, normals),
        "joints": grasp.joints,
        "palm_in_object": seven(poses.inverse(camera_from_object) @ grasp.camera_from_palm),
        "wrist_camera": seven(grasp.camera_from_palm),
        "contacts_base": poses.transform_points(base_from_camera, contacts),
        "object_base": seven(base_from_camera @ camera_from_object),
        "wrist_base": seven(example.base_from_palm),
        "pregrasp_base": seven(base_from_camera @ grasp.camera_from_pregrasp),
        "mount_base": seven(example.base_from_mount),
    }
    for name, value in results.items():
        np.testing.assert_allclose(page[name], np.ravel(value), rtol=0, atol=ROUNDED, err_msg=name)
    given = {
        "size",
        "intrinsics",
        "mask",
        "turn",
        "depths",
        "contacts",
        "normals",
        "camera_pose",
        "hand_mount_from_palm",
    }
    assert set(page) == set(results) | given


def test_the_example_is_a_grasp_that_the_hand_can_do(example):
    hand, grasp = load_hand(), example.grasp
    assert grasp.residual.max() < 0.002 and not example.found.degenerate
    assert (grasp.joints > hand.limits[:, 0]).all() and (grasp.joints < hand.limits[:, 1]).all()
    tips = poses.transform_points(grasp.camera_from_palm, hand.touching.tips(grasp.joints))
    contacts = poses.transform_points(example.found.camera_from_object, grasp.contacts)
    normals = poses.rotate(example.found.camera_from_object, grasp.normals)
    outside = np.einsum("fi,fi->f", tips - contacts, normals)  # the tips' centres stand on the outward side
    np.testing.assert_allclose(outside, hand.touch.radius, atol=0.002)


@pytest.mark.ros
def test_the_messages_carry_the_same_numbers(page, example):
    convert = pytest.importorskip("gmi_ros.ros.convert")
    from gmi_ros.core.observation import observe
    from gmi_ros.pipeline import Synthesis

    settings = SynthesisSettings()
    seen = observe(example.frame, example.found)
    answer = Synthesis(seen, example.found, None, [example.grasp], {}, {}, 1, 1, "", "example")
    motion = convert.Motion("bh280", example.mount_from_palm, 15.0, 2.44, 0.7, 0.1, 0.1, 0.2)
    header = convert.header_message(example.frame, "base")
    message = convert.grasp_message(example.grasp, answer, motion, header, example.base_from_camera)
    poses_of = {
        "object_base": message.object_pose,
        "wrist_base": message.wrist_pose,
        "pregrasp_base": message.pregrasp_wrist_pose,
        "mount_base": message.mount_pose,
    }
    for name, pose in poses_of.items():
        np.testing.assert_allclose(page[name], seven(convert.pose_matrix(pose)), rtol=0, atol=ROUNDED, err_msg=name)
    points, _ = convert.contact_arrays(message.contacts)
    np.testing.assert_allclose(page["contacts_base"], points.ravel(), rtol=0, atol=ROUNDED)
    np.testing.assert_allclose(page["joints"], message.joints_closed.position, rtol=0, atol=ROUNDED)
    assert message.header.frame_id == "base" and settings.approach_distance == 0.10
    observation = convert.observation_message(answer, example.frame)
    assert observation.header.frame_id == "camera"
    np.testing.assert_allclose(page["origin"], convert.pose_matrix(observation.object_pose)[:3, 3], atol=ROUNDED)


def test_every_field_with_a_place_or_a_direction_is_on_the_page():
    listed = {span for row in rows(read("frames.md"), "## What is in which frame") for span in spans(row[0])}
    missing = []
    for path in sorted([*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv"), *ROOT.glob("action/*.action")]):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split("#")[0].split()
            if len(words) >= 2 and PLACES.search(f"{words[0]} {words[1]}") and path.stem != "JudgeGrasp":
                missing += [f"{path.name}: {words[1]}"] * (words[1] not in listed)
    assert [m for m in missing if m != "ExecuteGrasp.action: grasp"] == []


def test_the_picture_is_of_the_example_and_has_both_panels():
    picture = np.asarray(draw_frames(load_hand()))
    assert picture.shape == (PANEL[1], 2 * PANEL[0], 3)
    for panel in np.split(picture, 2, axis=1):
        inked = (panel != 255).any(axis=2).mean()
        assert 0.05 < inked < 0.6
        assert (panel[2:8] == 255).all()  # nothing leaves the panel at its top


def mounts() -> list[list[str]]:
    """Rows of the table of arms."""
    return rows(read("mounts.md"), "## Two numbers describe nearly every mount")


@pytest.mark.parametrize("row", mounts(), ids=lambda row: f"{row[0]} {row[1]}")
def test_the_mounts_follow_from_their_two_numbers(row):
    out, h, turn, given = row[2], float(row[3]), np.radians(float(row[4])), numbers(spans(row[5])[0])
    turned = poses.from_xyzw(np.array([0.0, 0.0, h]), np.array([0.0, 0.0, np.sin(turn / 2), np.cos(turn / 2)]))
    link_from_z_out = np.eye(4) if out == "z" else poses.from_xyzw(np.zeros(3), np.full(4, 0.5))
    np.testing.assert_allclose(poses.from_xyzw(given[:3], given[3:]), link_from_z_out @ turned, atol=1e-7)
    assert abs(np.linalg.norm(given[3:]) - 1) < 1e-7
    out_of_flange = {"x": [1, 0, 0], "z": [0, 0, 1]}[out]
    np.testing.assert_allclose(poses.from_xyzw(given[:3], given[3:])[:3, 2], out_of_flange, atol=1e-7)


@pytest.mark.ros
def test_the_node_takes_every_mount():
    settings = pytest.importorskip("gmi_ros.ros.settings")
    for row in mounts():
        settings.NodeSettings(hand_mount_from_palm=tuple(numbers(spans(row[5])[0])))


def test_the_palm_stands_where_the_page_says():
    hand, at_zero = load_hand(), np.zeros(4)
    tips = hand.tips(at_zero)
    assert tips[0, 0] == -0.025 and tips[1, 0] == 0.025 and tips[2, 0] == 0
    assert tips[0, 1] < 0 and tips[1, 1] < 0 < tips[2, 1]
    assert (hand.tips(np.array([np.pi, 0, 0, 0]))[:, 1] > 0).all()
