"""Forward kinematics against worked values, finite differences and its own frames; bad figures are refused."""

import numpy as np
import pytest
import yaml

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource
from gmi_ros.hand.barrett import HANDS, load_hand
from gmi_ros.hand.description import read_description

OPEN, SIXTY, CROSSED = np.radians([[0, 0, 0, 0], [0, 60, 60, 60], [90, 90, 90, 90]])
# Worked by hand for the 280, millimetres and unit vectors: posture, tips of F1-F3, pad normals of F1-F3.
WORKED = [
    (OPEN, [[-25, -152.1312, 117.8213], [25, -152.1312, 117.8213], [0, 152.1312, 117.8213]],
     [[0, 0.6428, 0.7660], [0, 0.6428, 0.7660], [0, -0.6428, 0.7660]]),
    (SIXTY, [[-25, -49.1385, 176.0194], [25, -49.1385, 176.0194], [0, 49.1385, 176.0194]],
     [[0, 0.8660, -0.5], [0, 0.8660, -0.5], [0, -0.8660, -0.5]]),
    (CROSSED, [[-21.7616, 0, 153.5094], [21.7616, 0, 153.5094], [0, -3.2384, 153.5094]],
     [[0.3420, 0, -0.9397], [-0.3420, 0, -0.9397], [0, -0.3420, -0.9397]]),
]  # fmt: skip


@pytest.fixture(params=HANDS)
def hand(request):
    return load_hand(request.param)


def postures(hand, n: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(*hand.hard_limits.T, size=(n, 4))


@pytest.mark.parametrize("name, lower", [("bh280", 0.0), ("bh282", 16.3)])
@pytest.mark.parametrize("joints, tips, normals", WORKED)
def test_worked_fingertips(name, lower, joints, tips, normals):
    hand = load_hand(name)
    np.testing.assert_allclose(hand.tips(joints) * 1e3, np.array(tips) - [0, 0, lower], atol=0.01)
    np.testing.assert_allclose(hand.pad_normals(joints), normals, atol=1e-4)


def test_worked_breakaway():
    hand = load_hand("bh280")
    outer = hand.outer_after_breakaway(np.radians(55), np.radians(30))
    assert np.degrees(outer) == pytest.approx(43.3333, abs=1e-4)
    joints = np.radians([0, 30, 30, 30])
    np.testing.assert_allclose(hand.tips(joints, np.full(3, outer))[2] * 1e3, [0, 80.5366, 155.1178], atol=0.01)
    np.testing.assert_allclose(hand.pad_normals(joints, np.full(3, outer))[2], [0, -0.9182, -0.3961], atol=1e-4)


def test_worked_apex():
    hand = load_hand("bh280")
    apex = hand.pad_point(np.stack([OPEN, SIXTY]), hand.kinematics.apex_reach, 0.0)[:, 2] * 1e3
    np.testing.assert_allclose(apex, [[0, 165.13, 116.33], [0, 52.87, 188.56]], atol=0.01)


def test_breakaway_at_the_lock_is_the_coupling(hand):
    inner = np.linspace(0, 2.4, 9)
    np.testing.assert_allclose(hand.outer_after_breakaway(inner, inner), hand.coupled_outer(inner), atol=1e-15)
    ratio = hand.coupling.motor_per_inner / hand.coupling.motor_per_outer
    np.testing.assert_allclose(hand.coupled_outer(inner), inner * ratio, atol=1e-15)


@pytest.mark.parametrize("value, derivative", [("tips", "jacobian"), ("pad_normals", "normal_jacobian")])
def test_jacobians_against_finite_differences(hand, value, derivative):
    joints, step = postures(hand, 50), 1e-6
    for i in range(4):
        moved = np.zeros(4)
        moved[i] = step
        numeric = (getattr(hand, value)(joints + moved) - getattr(hand, value)(joints - moved)) / (2 * step)
        np.testing.assert_allclose(getattr(hand, derivative)(joints)[..., i], numeric, atol=1e-9)


def points_of(state) -> np.ndarray:
    """(n, 6, 3) tips and pad normals of a finger state at joints (4, n)."""
    across, up = state.profile[0]
    flat = across * np.concatenate([state.direction] * 2, axis=1)  # (2, 6, n)
    flat[0, :3] += state.offset
    return np.concatenate([flat, up[None]]).T


def test_finger_state_agrees_with_tips_normals_and_differences(hand):
    joints, step = postures(hand, 50).T, 1e-6
    state = hand.fingers(joints)
    rows = np.concatenate([hand.tips(joints.T), hand.pad_normals(joints.T)], axis=1)
    np.testing.assert_allclose(points_of(state), rows, atol=1e-15)
    spread, inner = np.array([[step, 0, 0, 0], [0, step, step, step]])[..., None]  # a finger feels its own joint only
    ahead, behind = hand.fingers(joints + inner), hand.fingers(joints - inner)
    numeric = (ahead.profile[:2] - behind.profile[:2]) / (2 * step)
    np.testing.assert_allclose(state.profile[1:], numeric, atol=1e-8)
    ahead, behind = hand.fingers(joints + spread), hand.fingers(joints - spread)
    np.testing.assert_allclose(state.rate, (ahead.direction - behind.direction) / (2 * step), atol=1e-8)
    np.testing.assert_array_equal(ahead.profile, state.profile)


def test_leading_axes_are_kept(hand):
    joints = postures(hand, 6).reshape(2, 3, 4)
    assert hand.tips(joints).shape == (2, 3, 3, 3)
    assert hand.jacobian(joints).shape == hand.normal_jacobian(joints).shape == (2, 3, 3, 3, 4)
    np.testing.assert_allclose(hand.tips(joints)[1, 2], hand.tips(joints[1, 2]), atol=0)
    segments, radii = hand.link_segments(joints)
    assert segments.shape == (2, 3, len(radii), 2, 3) and np.isfinite(segments).all() and (radii > 0).all()


def test_frames_are_rigid_and_carry_the_tip(hand):
    joints, k = postures(hand, 20), hand.kinematics
    outer = np.random.default_rng(4).uniform(0, 0.8, (20, 3))
    distal = hand.distal_frames(joints, outer)
    for frames in (hand.knuckle_frames(joints), hand.inner_frames(joints), distal):
        turned = frames[..., :3, :3]
        unit = np.broadcast_to(np.eye(3), turned.shape)
        np.testing.assert_allclose(turned @ np.swapaxes(turned, -1, -2), unit, atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(turned), 1, atol=1e-12)
    tip = distal @ [k.tip_reach, k.tip_height, 0, 1]
    np.testing.assert_allclose(tip[..., :3], hand.tips(joints, outer), atol=1e-12)
    np.testing.assert_allclose(distal[..., :3, 1], hand.pad_normals(joints, outer), atol=1e-12)


def test_segments_are_the_envelopes_in_their_links_frames(hand):
    joints = postures(hand, 20)
    outer = np.random.default_rng(5).uniform(0, 0.8, (20, 3))
    segments, radii = hand.link_segments(joints, outer)
    expected, known = [np.repeat(hand.links.palm.envelope[None], 20, axis=0)], [hand.links.palm.envelope_radii]
    frames = [hand.knuckle_frames(joints), hand.inner_frames(joints), hand.distal_frames(joints, outer)]
    for finger in range(3):
        for pose, link in zip(frames, (hand.links.knuckle, hand.links.inner, hand.links.outer), strict=True):
            if finger < 2 or link is not hand.links.knuckle:  # F3's is part of the palm
                ends = np.einsum("nij,kej->nkei", pose[:, finger, :3, :3], link.envelope)
                expected.append(ends + pose[:, finger, None, None, :3, 3])
                known.append(link.envelope_radii)
    np.testing.assert_allclose(segments, np.concatenate(expected, axis=1), atol=1e-12)
    np.testing.assert_array_equal(radii, np.concatenate(known))


def test_the_outer_axis_is_fixed_in_the_inner_link(hand):
    joints = postures(hand, 20)
    inner, distal = hand.inner_frames(joints), hand.distal_frames(joints)
    seen = np.einsum("nfji,nfj->nfi", inner[..., :3, :3], distal[..., :3, 3] - inner[..., :3, 3])
    np.testing.assert_allclose(seen, np.broadcast_to(seen[0, 0], seen.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=-1), hand.kinematics.inner_length, atol=1e-12)


def test_limits_and_totals():
    hand = load_hand()
    assert hand.mass == pytest.approx(1.202, abs=1e-3) and load_hand("bh282").mass == pytest.approx(0.982, abs=1e-3)
    assert (hand.limits[:, 0] >= hand.hard_limits[:, 0]).all() and (hand.limits[:, 1] <= hand.hard_limits[:, 1]).all()
    assert (hand.normal_speed < hand.max_speed).all() and hand.active_tip_force < hand.max_tip_force == 20.0
    # The outer joint, driven by an inner one at its soft limit, stays within its own limit.
    assert hand.coupled_outer(hand.limits[1, 1]) < hand.limits_by_joint.outer_hard[1]
    with pytest.raises(ValueError):
        hand.limits[0, 0] = 1.0


@pytest.mark.parametrize("shape", [(), (3,), (5, 8)])
def test_joints_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(GmiError, match="spread, f1, f2, f3") as error:
        load_hand().tips(np.zeros(shape))
    assert error.value.code == ErrorCode.BAD_REQUEST
    with pytest.raises(GmiError, match="outer"):
        load_hand().tips(np.zeros(4), np.zeros(2))


def test_an_unknown_hand_is_refused_with_the_valid_names():
    with pytest.raises(GmiError, match="bh262, bh280, bh282.*bh999") as error:
        load_hand("bh999")
    assert error.value.code == ErrorCode.BAD_SETTING


def _edit(data, path: str, value):
    *parents, last = path.split(".")
    for key in parents:
        data = data[key]
    if value is None:
        del data[last]
    else:
        data[last] = value


@pytest.mark.parametrize(
    "path, value, expected",
    [
        ("kinematics.tip_reach", None, "missing keys.*tip_reach"),
        ("kinematics.tip_reech", 1.0, "unknown keys.*tip_reech"),
        ("kinematics.spread_sign", [1, 2], "spread_sign must be a list of 3"),
        ("forces.tip_max", "2e1x", "tip_max must be a finite number"),
        ("forces.tip_max", float("nan"), "tip_max must be a finite number"),
        ("limits.inner_soft", [1.0, 0.0], "inner_soft must rise"),
        ("links.palm.mass", -1.0, "links.palm.*positive"),
        ("links.palm.primitives.disc.shape", "cone", "box, cylinder, capsule.*cone"),
        ("links.palm.primitives.disc.material", "wood", "pad or metal.*wood"),
        ("links.palm.primitives.disc.end", [0.0, 0.0, 0.0], "disc: start and end must differ"),
        ("links.outer.primitives", [], "primitives must be a mapping"),
        ("links", 3, "links must be a mapping"),
    ],
)
def test_a_wrong_figure_is_refused_by_name(tmp_path, path, value, expected):
    data = yaml.safe_load(resource("config/hands/bh280.yaml").read_text())
    _edit(data, path, value)
    file = tmp_path / "bh280.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(GmiError, match=expected) as error:
        read_description(file)
    assert error.value.code == ErrorCode.BAD_SETTING


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", ""])
def test_a_file_that_is_no_mapping_is_damaged(tmp_path, text):
    file = tmp_path / "bh280.yaml"
    file.write_text(text)
    with pytest.raises(GmiError) as error:
        read_description(file)
    assert error.value.code == ErrorCode.FILE_DAMAGED


def test_touching_hand_has_the_centres_of_the_rounded_ends_as_tips():
    hand = load_hand()
    joints = np.random.default_rng(3).uniform(hand.limits[:, 0], hand.limits[:, 1], (50, 4))
    centres = hand.pad_point(joints, hand.touch.reach, hand.touch.height)
    np.testing.assert_allclose(hand.touching.tips(joints), centres, atol=1e-12)
    angle = np.radians(hand.touch.direction_deg)
    rim = hand.pad_point(joints, hand.touch.reach + np.cos(angle), hand.touch.height + np.sin(angle))
    np.testing.assert_allclose(hand.touching.pad_normals(joints), rim - centres, atol=1e-12)
