"""Convex pieces: few, of few vertices, of the body's volume; what fails, fails for one mesh."""

import shutil

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim import decomposition
from gmi_ros.sim.decomposition import MOST_VERTICES, convex_pieces, simplify
from gmi_ros.sim.mesh_files import Body
from gmi_ros.sim.meshes import load_meshes

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("coacd")


def _body(mesh: "trimesh.Trimesh") -> Body:
    return Body(np.array(mesh.vertices), np.array(mesh.faces))


def _angle() -> "trimesh.Trimesh":
    outline = np.array([[0, 0], [0.09, 0], [0.09, 0.02], [0.02, 0.02], [0.02, 0.09], [0, 0.09]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
    return trimesh.creation.extrude_triangulation(outline, triangles, 0.03)


CUBE = trimesh.creation.box([0.05, 0.04, 0.03])


@pytest.mark.parametrize("seed", range(3))
def test_simplified_hulls_keep_their_volume(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(3000, 3))
    points *= [0.05, 0.03, 0.02] / np.linalg.norm(points, axis=1, keepdims=True)
    few = simplify(points)
    assert len(few) == MOST_VERTICES == len(ConvexHull(few).vertices)
    assert ConvexHull(few).volume == pytest.approx(ConvexHull(points).volume, rel=1e-6)
    np.testing.assert_allclose(np.ptp(few, axis=0), np.ptp(points, axis=0), rtol=0.06)


def test_a_hull_of_few_vertices_is_left_as_it_is():
    corners = np.array(CUBE.vertices)
    inner = 0.5 * corners
    assert sorted(map(tuple, simplify(np.concatenate([corners, inner])))) == sorted(map(tuple, corners))


def test_volume_and_centroid_of_a_body():
    moved = CUBE.copy().apply_translation([0.1, -0.2, 0.3])
    body = _body(moved)
    assert body.volume == pytest.approx(0.05 * 0.04 * 0.03)
    np.testing.assert_allclose(body.moment / body.volume, [0.1, -0.2, 0.3])
    inwards = Body(body.vertices, body.faces[:, ::-1])
    assert inwards.volume == pytest.approx(-body.volume)
    np.testing.assert_allclose(inwards.moment, -body.moment)


def test_merging_takes_what_adds_least():
    spheres = [trimesh.creation.icosphere(1, 0.01).apply_translation([x, 0, 0]) for x in (0, 0.02, 0.1)]
    near, far = sorted(convex_pieces([_body(s) for s in spheres], 2), key=lambda piece: piece[:, 0].mean())
    assert near[:, 0].max() == pytest.approx(0.03, abs=1e-3) and far[:, 0].min() == pytest.approx(0.09, abs=1e-3)
    (one,) = convex_pieces([_body(s) for s in spheres], 1)
    together = trimesh.util.concatenate(spheres).convex_hull.volume
    assert ConvexHull(one).volume == pytest.approx(together, rel=1e-6)


@pytest.mark.parametrize(
    "change, says",
    [
        ((decomposition, "TIME_LIMIT_S", 0.01), "takes longer than 0.01 s"),
        ((decomposition.sys, "executable", shutil.which("false")), r"crashed \(status 1: no message\)"),
    ],
)
def test_a_decomposition_that_fails_costs_one_mesh(tmp_path, monkeypatch, change, says):
    _angle().export(tmp_path / "a.stl")
    CUBE.export(tmp_path / "b.stl")
    monkeypatch.setattr(*change)
    found = load_meshes(tmp_path)
    assert [model.name for model in found.objects] == ["b_0"]
    (skipped,) = found.skipped
    assert skipped.name == "a.stl"
    with pytest.raises(GmiError, match=says):
        convex_pieces([_body(_angle())], 8)


@pytest.mark.parametrize("damage", ["", "[]", "[[[0, 0, 0]]]", "[1", "[[[0, 0]]]"])
def test_a_damaged_cache_is_named(tmp_path, damage):
    convex_pieces([_body(CUBE)], 8, tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text(damage)
    with pytest.raises(GmiError, match="is damaged .*delete it") as caught:
        convex_pieces([_body(CUBE)], 8, tmp_path)
    assert caught.value.code == ErrorCode.STORE_CORRUPT


def test_the_cache_tells_settings_and_meshes_apart(tmp_path):
    for most, mesh in ((1, CUBE), (2, CUBE), (2, CUBE.copy().apply_scale(1.01)), (2, CUBE)):
        convex_pieces([_body(mesh)], most, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
