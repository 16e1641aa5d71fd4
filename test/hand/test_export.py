"""The generated models say the same as the kinematics they come from."""

from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmi_ros.core.resources import resource
from gmi_ros.hand import export
from gmi_ros.hand.barrett import HANDS, load_hand


@pytest.fixture(params=HANDS)
def hand(request):
    return load_hand(request.param)


def postures(hand, n: int):
    rng = np.random.default_rng(1)
    joints = rng.uniform(*hand.hard_limits.T, size=(n, 4))
    return joints, rng.uniform(*hand.limits_by_joint.outer_hard, size=(n, 3))


def angle_of(name: str, joints, outer) -> float:
    finger, kind = name.split("_")
    index = int(finger[1]) - 1
    return {"spread": joints[0], "inner": joints[1 + index], "outer": outer[index]}[kind]


def test_mjcf_puts_the_tips_where_the_kinematics_does(hand):
    model = mujoco.MjModel.from_xml_string(export.mjcf(hand))
    data = mujoco.MjData(model)
    assert model.nq == 8 and model.nu == 0 and model.body(1).name == "palm"
    for joints, outer in zip(*postures(hand, 50)):
        for i in range(model.njnt):
            data.qpos[model.jnt_qposadr[i]] = angle_of(model.joint(i).name, joints, outer)
        mujoco.mj_kinematics(model, data)
        tips = np.stack([data.site(f"f{i}_tip").xpos for i in (1, 2, 3)])
        normals = np.stack([data.site(f"f{i}_tip").xmat.reshape(3, 3)[:, 1] for i in (1, 2, 3)])
        np.testing.assert_allclose(tips, hand.tips(joints, outer), atol=1e-9)
        np.testing.assert_allclose(normals, hand.pad_normals(joints, outer), atol=1e-9)


def test_mjcf_carries_the_masses_and_stable_names(hand):
    model = mujoco.MjModel.from_xml_string(export.mjcf(hand))
    assert model.body_subtreemass[0] == pytest.approx(hand.mass, abs=1e-12)
    links = {model.body(i).name for i in range(1, model.nbody)}
    spreading = {f"f{i}_{k}" for i in (1, 2) for k in ("knuckle", "inner", "outer")}
    assert links == {"palm", *spreading, "f3_inner", "f3_outer"}
    for i in range(model.ngeom):
        geom = model.geom(i)
        assert geom.name.startswith(model.body(geom.bodyid[0]).name + "_")
        assert mujoco.mjtGeom(int(geom.type[0])).name in ("mjGEOM_BOX", "mjGEOM_CAPSULE", "mjGEOM_CYLINDER")


def test_mjcf_does_not_touch_itself_when_open_or_half_closed(hand):
    model = mujoco.MjModel.from_xml_string(export.mjcf(hand))
    data = mujoco.MjData(model)
    for spread in (0.0, 0.5, 1.0, 2.0, np.pi):
        for inner in (0.0, 0.5, 1.0):
            for i in range(model.njnt):
                data.qpos[i] = angle_of(model.joint(i).name, [spread, *[inner] * 3], [inner / 3] * 3)
            mujoco.mj_forward(model, data)
            touching = {tuple(model.geom(g).name for g in c.geom) for c in data.contact}
            assert not touching, (spread, inner)


def test_urdf_puts_the_tips_where_the_kinematics_does(hand):
    robot = ElementTree.fromstring(export.urdf(hand))
    joints_of = {j.find("child").get("link"): j for j in robot.iter("joint")}
    for joints, outer in zip(*postures(hand, 20)):
        tips = np.stack([urdf_pose(joints_of, f"f{i}_tip", joints, outer)[:3, 3] for i in (1, 2, 3)])
        np.testing.assert_allclose(tips, hand.tips(joints, outer), atol=1e-9)


def urdf_pose(joints_of, link: str, joints, outer) -> np.ndarray:
    """palm_from_link, by the definition of URDF: origin (fixed-axis xyz), then the turn about the axis."""
    if link not in joints_of:
        return np.eye(4)
    joint = joints_of[link]
    pose = np.eye(4)
    pose[:3, 3] = [float(v) for v in joint.find("origin").get("xyz").split()]
    pose[:3, :3] = Rotation.from_euler("xyz", [float(v) for v in joint.find("origin").get("rpy").split()]).as_matrix()
    if joint.get("type") == "revolute":
        axis = np.array([float(v) for v in joint.find("axis").get("xyz").split()])
        turn = Rotation.from_rotvec(axis * angle_of(joint.get("name"), joints, outer)).as_matrix()
        pose[:3, :3] = pose[:3, :3] @ turn
    return urdf_pose(joints_of, joint.find("parent").get("link"), joints, outer) @ pose


def test_urdf_carries_the_masses_and_the_couplings(hand):
    robot = ElementTree.fromstring(export.urdf(hand))
    assert sum(float(m.get("value")) for m in robot.iter("mass")) == pytest.approx(hand.mass, abs=1e-12)
    mimics = {j.get("name"): j.find("mimic").get("joint") for j in robot.iter("joint") if j.find("mimic") is not None}
    assert mimics == {"f2_spread": "f1_spread", **{f"f{i}_outer": f"f{i}_inner" for i in (1, 2, 3)}}


def test_the_committed_models_are_those_that_the_figures_give(hand):
    assert resource(f"models/hand/{hand.name}.xml").read_text() == export.mjcf(hand)
    assert resource(f"models/hand/{hand.name}.urdf").read_text() == export.urdf(hand)


def test_main_writes_into_the_given_folder(tmp_path):
    assert export.main(["--out", str(tmp_path / "hand")]) == 0
    written = {p.name for p in (tmp_path / "hand").iterdir()}
    assert written == {f"{n}.{e}" for n in HANDS for e in ("urdf", "xml")}
