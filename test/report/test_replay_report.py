"""The report of a replay: what it tells is what was answered, whatever the bag, and nothing in it can act."""

import base64
import dataclasses
import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmi_ros.core import poses
from gmi_ros.core.cloud import Table, fit_table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.object_frame import object_frame
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.model import GraspModel
from gmi_ros.pipeline import STAGES, synthesize
from gmi_ros.report.html_page import compose, packed
from gmi_ros.report.replay_report import PAGE, Named, ReplayReport
from gmi_ros.report.replay_set import UNIT, grasps_data, page_frame, picture_data, scene_data
from replaying import SEED, SETTINGS, frame, replayed
from tiny_network import tiny_network

HAND = load_hand()


@pytest.fixture(scope="module")
def models():
    return [Named(f"model {seed}", GraspModel(tiny_network(seed), f"{seed:016x}")) for seed in (1, 2)]


def report(models, **options) -> ReplayReport:
    return ReplayReport(models[0], HAND, SETTINGS, SEED, **options)


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


FRAMES = [frame(0), frame(1, shown=False), None, frame(3), frame(4)]


# What it counts.


def test_every_set_is_in_the_columns_as_it_was_answered(models):
    told = report(models)
    counts = replayed(told, models[0].model, HAND, FRAMES)
    data = told.data("bag", counts)
    answers = data["answers"][0]
    codes, grasps = numbers(answers["codes"], "<u2"), numbers(answers["grasps"], "<u4")
    assert codes.tolist() == [0, ErrorCode.MASK_EMPTY, ErrorCode.NO_FRAME, 0, 0]
    assert (grasps > 0).tolist() == [True, False, False, True, True]
    right = [synthesize(one, models[0].model, HAND, SETTINGS, SEED) for one in (frame(0), frame(3), frame(4))]
    assert grasps[grasps > 0].tolist() == [len(answer.grasps) for answer in right]
    scores = [grasp.score for answer in right for grasp in answer.grasps]
    np.testing.assert_allclose(numbers(answers["scores"], "<f4"), scores, rtol=1e-6)
    rejected = numbers(answers["rejected"], "<u4").reshape(5, -1)
    assert dict(zip(answers["filters"], rejected[3], strict=True)) == right[1].rejected
    assert rejected[1].sum() == 0 and numbers(answers["sampled"], "<u4").tolist() == [64, 0, 0, 64, 64]
    times = numbers(data["times"][0], "<f4").reshape(5, len(STAGES))
    assert (times[[0, 3, 4]] > 0).all() and np.isnan(times[[1, 2]]).all()
    np.testing.assert_allclose(numbers(data["stamps"], "<f8"), [0, 0.1, 0.2, 0.3, 0.4], atol=1e-9)
    assert data["messages"] == {"/rgb/image": 5} and data["unreadable"] == 2


def test_two_models_are_asked_about_the_same_sets(models):
    told = report(models, second=models[1])
    replayed(told, models[0].model, HAND, FRAMES)
    data = told.data("bag", Counter())
    first, second = (numbers(answer["codes"], "<u2") for answer in data["answers"])
    assert first.tolist() == second.tolist() and [m["name"] for m in data["models"]] == ["model 1", "model 2"]
    alone = report(models[1:])
    replayed(alone, models[1].model, HAND, FRAMES)
    assert alone.data("bag", Counter())["answers"] == data["answers"][1:]
    assert [shown["answers"] for shown in alone.data("bag", Counter())["shown"]] == [
        shown["answers"][1:] for shown in data["shown"]
    ]
    assert data["answers"][0] != data["answers"][1]


@pytest.mark.parametrize("most, kept", [(1, [0]), (2, [0, 4]), (3, [0, 2, 4]), (5, [0, 1, 2, 3, 4])])
def test_pictures_are_of_some_sets_evenly_spread(models, most, kept):
    told = report(models, most=most)
    replayed(told, models[0].model, HAND, FRAMES)
    data = told.data("bag", Counter())
    assert [shown["index"] for shown in data["shown"]] == kept
    assert len(numbers(data["stamps"], "<f8")) == 5


def test_settings_that_are_not_as_they_come_are_told(models):
    changed = dataclasses.replace(SETTINGS, max_grasps=3, workspace_low=(0.0, 0.0, 0.1))
    told = ReplayReport(models[0], HAND, changed, SEED, label=2).data("bag", Counter())["settings"]
    assert told == {
        "seed": "3", "label": "2", "hand": "bh280", "n_samples": "64", "max_grasps": "3", "workspace_low": "[0.0, 0.0, 0.1]",
    }  # fmt: skip


# What is shown of a set.


def test_the_surface_gives_back_the_observed_points():
    one = frame(0)
    found = object_frame(one)
    table = fit_table(one, found)
    scene = scene_data(one, found, table)
    levels = numbers(scene["depths"], "<u2").reshape(-1, scene["columns"])
    rows = scene["first"][1] + scene["step"] * np.arange(levels.shape[0])
    columns = scene["first"][0] + scene["step"] * np.arange(levels.shape[1])
    depth, own = (levels & 0x7FFF) * scene["unit"], levels > 0x7FFF
    cells = np.ix_(rows, columns)
    assert np.array_equal(own, one.mask[cells] > 0) and own.any() and not own.all()
    assert np.array_equal(depth == 0, np.isnan(one.depth[cells]))
    assert np.abs(depth - np.nan_to_num(one.depth[cells])).max() < 1e-4
    assert levels.size <= 56 * 56
    # z of the page's frame is the height above the table.
    page_from_camera = poses.inverse(np.array(scene["camera"]))
    v, u = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    points = poses.transform_points(page_from_camera, one.intrinsics.deproject(np.stack([u, v], 1), depth.ravel()))
    seen = depth.ravel() > 0
    assert np.abs(points[seen & ~own.ravel(), 2]).max() < 0.002
    assert np.abs(points[seen & own.ravel(), 2] - 0.10).max() < 0.002


@pytest.mark.parametrize("normal", [None, (0, 0, -1), (1, 0, 0), (0, -0.8, -0.6)])
def test_the_page_s_frame_is_rigid_and_its_z_is_up(normal):
    found = object_frame(frame(0))
    table = None if normal is None else Table(np.array(normal, float), -0.7)
    pose = page_frame(found, table)
    assert poses.is_rigid(pose)
    np.testing.assert_allclose(pose[:3, 2], (0, 0, -1) if normal is None else normal, atol=1e-12)
    height = 0.0 if table is None else table.height(pose[:3, 3])
    assert height == pytest.approx(0.0, abs=1e-12)


def test_the_packed_grasps_are_the_answer_s(models):
    answer = synthesize(frame(0), models[0].model, HAND, SETTINGS, SEED)
    told = grasps_data(answer, HAND)
    geometry = numbers(told["geometry"], "<i2").reshape(len(answer.grasps), -1, 3)
    camera_from_page = page_frame(answer.object_frame, answer.table)
    for grasp, packed_grasp in zip(answer.grasps, geometry, strict=True):
        contacts = poses.transform_points(answer.object_frame.camera_from_object, grasp.contacts)
        shown = poses.transform_points(camera_from_page, packed_grasp[:3] * UNIT)
        np.testing.assert_allclose(shown, contacts, atol=1e-4)
        normals = poses.rotate(answer.object_frame.camera_from_object, grasp.normals)
        np.testing.assert_allclose(poses.rotate(camera_from_page, packed_grasp[3:6] * 1e-4), normals, atol=2e-4)
        ends = poses.transform_points(grasp.camera_from_palm, HAND.link_segments(grasp.joints)[0].reshape(-1, 3))
        np.testing.assert_allclose(poses.transform_points(camera_from_page, packed_grasp[6:] * UNIT), ends, atol=1e-4)


def test_a_picture_is_shrunk_with_its_mask():
    one = frame(0)
    big = type(one)(
        *(np.kron(a, np.ones((8, 8, 1) if a.ndim == 3 else (8, 8), a.dtype)) for a in (one.rgb, one.depth, one.mask)),
        type(one.intrinsics)(1280, 960, 1040.0, 1040.0, 639.5, 479.5),
    )
    told = picture_data(big, 1)
    image, mask = (Image.open(io.BytesIO(base64.b64decode(told[k].partition(",")[2]))) for k in ("image", "mask"))
    assert image.size == mask.size == (480, 360)
    alpha = np.asarray(mask.convert("RGBA"))[..., 3]
    box = Image.fromarray((one.mask > 0).astype(np.uint8)).resize((480, 360), Image.Resampling.NEAREST)
    assert ((alpha > 0) == np.asarray(box).astype(bool)).mean() > 0.999
    assert np.abs(np.asarray(image).astype(int)[200, 200] - (200, 40, 40)).max() < 12
    assert len(told["image"]) + len(told["mask"]) < 12_000


# The file.


def data_of(path: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.S)[1])


def test_a_replay_that_fails_leaves_a_report_of_what_came_before(models, tmp_path):
    told = report(models)
    counts = Counter()
    with pytest.raises(GmiError, match="cut off"):
        with told.written(tmp_path, Path("/bags/x"), counts, ["2 messages of /a"], ["chunk 3 is damaged"]):
            counts.update(replayed(told, models[0].model, HAND, FRAMES[:2]))
            raise GmiError(ErrorCode.FILE_DAMAGED, "the bag is cut off")
    data = data_of(tmp_path / PAGE)
    assert data["notes"] == ["2 messages of /a", "chunk 3 is damaged", "The replay ended early: the bag is cut off"]
    assert len(numbers(data["stamps"], "<f8")) == 2 and data["bag"] == "/bags/x"


@pytest.mark.parametrize("raised, there", [
    (KeyboardInterrupt(), True), (GmiError(ErrorCode.BAD_REQUEST, "no set"), True),
    (GmiError(ErrorCode.FILE_NOT_FOUND, "no bag"), False), (GmiError(ErrorCode.STORE_UNWRITABLE, "full"), False),
    (ZeroDivisionError(), False),
])  # fmt: skip
def test_a_report_is_written_unless_it_would_not_be_true(models, tmp_path, raised, there):
    told = report(models)
    with pytest.raises(type(raised)):
        with told.written(tmp_path / "out", Path("bag"), Counter()):
            raise raised
    assert (tmp_path / "out" / PAGE).exists() == there


def test_a_folder_that_does_not_take_it(models, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GmiError) as refused:
        with report(models).written(tmp_path / "file", Path("bag"), Counter()):
            pass
    assert refused.value.code == ErrorCode.STORE_UNWRITABLE


EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>{{scripts}}&\ud800\u2028"


def test_names_are_texts_whatever_they_are(models, tmp_path):
    named = Named(EVIL, models[0].model)
    told = ReplayReport(named, HAND, SETTINGS, SEED)
    counts = Counter({EVIL: 7})
    with told.written(tmp_path, Path("/bags") / EVIL.replace("/", "|"), counts, [EVIL]):
        replayed(told, models[0].model, HAND, FRAMES[:1])
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script>") == 2 and "alert('x')</script>" not in text
    assert not re.search(r"(src|href)=\"(?!data:)|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text)
    data = data_of(tmp_path / PAGE)
    assert data["messages"] == {EVIL: 7} and data["notes"] == [EVIL] and data["models"][0]["name"] == EVIL


def test_a_page_without_json_numbers_is_a_defect_of_ours():
    with pytest.raises(ValueError):
        compose("replay_page.html", [], [], "title", {"x": float("nan")})
    assert packed([1, 256], "<u2") == "AQAAAQ=="
