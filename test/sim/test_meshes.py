"""A folder of a user's meshes: what is sound becomes convex hulls, what is not is named with its reason."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.spatial import ConvexHull

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.decomposition import MOST_VERTICES
from gmi_ros.sim.meshes import MeshFolder, load_meshes
from gmi_ros.sim.objects import ObjectModel, class_names

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("coacd")
create = trimesh.creation

SIDES = (0.05, 0.04, 0.03)
CUBE = create.box(SIDES)


def _moved(mesh: trimesh.Trimesh, x: float, y: float = 0.0, z: float = 0.0) -> trimesh.Trimesh:
    return mesh.copy().apply_translation([x, y, z])


def _inverted(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces[:, ::-1], process=False)


def _mug() -> trimesh.Trimesh:
    outline = np.array([[0, 0], [0.04, 0], [0.04, 0.09], [0.032, 0.09], [0.032, 0.01], [0, 0.01]])
    handle = create.torus(0.025, 0.006, major_sections=8, minor_sections=5)
    handle.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    return trimesh.util.concatenate([create.revolve(outline, sections=10), _moved(handle, 0.055, z=0.045)])


def _angle() -> trimesh.Trimesh:
    outline = np.array([[0, 0], [0.09, 0], [0.09, 0.02], [0.02, 0.02], [0.02, 0.09], [0, 0.09]])
    return create.extrude_triangulation(outline, np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]), 0.03)


CONVEX = {
    "a_box.stl": CUBE,
    "b_sphere.ply": create.icosphere(3, 0.04),
    "c_cylinder.obj": create.cylinder(0.03, 0.1, sections=40),
    "d_cone.STL": create.cone(0.04, 0.1, sections=24),
    "e_capsule.obj": create.capsule(0.06, 0.025),
    "f_icosahedron.ply": create.icosahedron().apply_scale(0.03),
    "g_rod.stl": create.cylinder(0.003, 0.2, sections=80),
    "h_ellipsoid.PLY": create.icosphere(3, 1.0).apply_transform(np.diag([0.05, 0.03, 0.02, 1])),
    "i_tilted.obj": CUBE.copy().apply_transform(
        trimesh.transformations.random_rotation_matrix(np.array([0.2, 0.5, 0.7]))
    ),
    "j_inverted.stl": _inverted(CUBE),
    "k_plate.stl": create.box([0.1, 0.08, 0.004]),
    "l_thick_shell.stl": trimesh.util.concatenate([create.icosphere(2, 0.04), _inverted(create.icosphere(2, 0.03))]),
}
CONCAVE = {"m_angle.stl": _angle(), "n_cup.obj": _mug(), "o_ring.ply": create.torus(0.04, 0.012, 10, 6)}
OPEN = trimesh.Trimesh(CUBE.vertices, CUBE.faces[1:], process=False)
BROKEN = {
    "broken_empty.obj": (b"", "the file is empty"),
    "broken_flat.stl": (create.box([0.05, 0.05, 1e-4]), "flat: 1.0e-04 m thick, at least 0.001 m"),
    "broken_huge.stl": (create.box([50, 40, 30]), r"huge: .* 50 m, at most 0.4 m .*scale 0.001 if .* millimetres"),
    "broken_junk.ply": (bytes(range(256)), "cannot be read as .ply: damaged or truncated"),
    "broken_nan.obj": (CUBE.export(file_type="obj").replace("v ", "v nan ", 1).encode(), "1 of 8 vertices are not fin"),
    "broken_open.ply": (OPEN, "open: 3 of 18 edges"),
    "broken_points.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "holds no triangles"),
    "broken_face.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "cannot be read as .obj: .*index 8"),
    "broken_tiny.stl": (create.box([0.005] * 3), "tiny: .* 0.005 m, at least 0.015 m .*scale 20 makes it 0.1 m"),
    "broken_truncated.stl": (CUBE.export(file_type="stl")[:300], "truncated: 300 bytes, its header announces 684"),
}


def _write(folder: Path, files: dict) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content.export(folder / name, file_type=Path(name).suffix.lower()[1:])
    return folder


def _points(model: ObjectModel) -> np.ndarray:
    return np.concatenate([part.vertices for part in model.parts])


def _inside(model: ObjectModel, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Which points (n, 3) [m] lie in some part, give or take a margin [m]."""
    planes = [ConvexHull(part.vertices).equations for part in model.parts]
    return np.any([(points @ p[:, :3].T + p[:, 3] <= margin).all(axis=1) for p in planes], axis=0)


def _equal(one: MeshFolder, other: MeshFolder) -> bool:
    def plain(folder: MeshFolder) -> list:
        return [(m.name, m.rgb, [p.vertices.tolist() for p in m.parts]) for m in folder.objects]

    return plain(one) == plain(other) and one.skipped == other.skipped


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> MeshFolder:
    files = CONVEX | CONCAVE | {name: content for name, (content, _) in BROKEN.items()}
    folder = _write(tmp_path_factory.mktemp("mixed"), files | {"notes.txt": b"not a mesh"})
    (folder / "folder.stl").mkdir()
    return load_meshes(folder)


def test_the_sound_become_objects_and_the_broken_are_named(mixed):
    sound = sorted(CONVEX | CONCAVE)
    assert len(sound) == 15 and len(BROKEN) >= 5
    assert [model.name for model in mixed.objects] == [f"{Path(name).stem}_0" for name in sound]
    assert [s.name for s in mixed.skipped] == sorted(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_each_reason_is_said(mixed, name):
    (reason,) = [s.reason for s in mixed.skipped if s.name == name]
    assert "\n" not in reason and len(reason) < 250
    with pytest.raises(AssertionError, match=BROKEN[name][1]):
        raise AssertionError(reason)


@pytest.mark.parametrize("index, name", list(enumerate(sorted(CONVEX))))
def test_a_convex_mesh_is_one_hull_of_its_volume(mixed, index, name):
    (part,) = mixed.objects[index].parts
    hull = CONVEX[name].convex_hull
    assert ConvexHull(part.vertices).volume == pytest.approx(hull.volume, rel=0.02)
    np.testing.assert_allclose(np.ptp(part.vertices, axis=0), hull.extents, rtol=0.04)


@pytest.mark.parametrize("index, name", list(enumerate(sorted(CONCAVE), start=len(CONVEX))))
def test_a_concave_mesh_is_a_few_hulls_that_cover_it_and_little_more(mixed, index, name):
    model, mesh = mixed.objects[index], CONCAVE[name]
    assert 1 < len(model.parts) <= 16
    low = np.array([*mesh.center_mass[:2], mesh.bounds[0, 2]])
    on_surface = np.random.default_rng(0).dirichlet(np.ones(3), len(mesh.faces))  # (m, 3) barycentric
    points = np.einsum("mi,mij->mj", on_surface, mesh.triangles) - low
    assert _inside(model, points, margin=0.003).mean() > 0.97
    box = np.random.default_rng(1).uniform(*mesh.bounds, (20000, 3)) - low
    union = _inside(model, box).mean() * np.prod(mesh.extents)
    assert 0.9 < union / mesh.volume < (1.7 if "cup" in name else 1.2)


def test_hollows_stay_hollow(mixed):
    cup, ring = mixed.objects[13:]
    assert not _inside(ring, np.array([[0, 0, 0.012]])).any()
    rim = _points(cup)[:, 2].max()
    mouth = CONCAVE["n_cup.obj"].center_mass[:2]
    assert not _inside(cup, np.array([[-mouth[0], -mouth[1], rim - 0.01]])).any()


def test_objects_stand_on_the_table_about_their_centroid_and_mujoco_takes_them(mixed):
    spec = mujoco.MjSpec()
    for model in mixed.objects:
        assert _points(model)[:, 2].min() == 0
        assert all(0.15 <= c <= 0.95 for c in model.rgb)
        for i, part in enumerate(model.parts):
            assert part.shape == "hull" and part.size == () and part.vertices.dtype == np.float64
            assert 4 <= len(part.vertices) <= MOST_VERTICES
            spec.add_mesh(name=f"{model.name}_{i}", uservert=part.vertices.ravel())
            spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"{model.name}_{i}")
    assert spec.compile().ngeom == sum(len(model.parts) for model in mixed.objects)
    for model in mixed.objects[:3]:
        centroid = trimesh.convex.convex_hull(_points(model)).center_mass
        np.testing.assert_allclose(centroid[:2], 0, atol=1e-3)


def test_the_same_folder_gives_the_same_objects_with_and_without_cache(tmp_path, mixed):
    names = ("a_box.stl", "m_angle.stl", "o_ring.ply")
    folder = _write(tmp_path / "again", {name: (CONVEX | CONCAVE)[name] for name in names})
    cache = tmp_path / "made" / "cache"
    first = load_meshes(folder, cache=cache)
    assert len(list(cache.iterdir())) == len(names)
    assert _equal(first, MeshFolder(tuple(mixed.objects[i] for i in (0, 12, 14)), ()))
    assert _equal(first, load_meshes(folder, cache=cache))


def test_scale_is_the_unit_of_the_file(tmp_path):
    metres, millimetres = CONVEX["d_cone.STL"], CONVEX["d_cone.STL"].copy().apply_scale(1000)
    (one,) = load_meshes(_write(tmp_path / "m", {"x.ply": metres})).objects
    (other,) = load_meshes(_write(tmp_path / "mm", {"x.ply": millimetres}), scale=0.001).objects
    np.testing.assert_allclose(_points(one), _points(other), atol=1e-7)
    (double,) = load_meshes(tmp_path / "m", scale=2).objects
    np.testing.assert_allclose(_points(double), 2 * _points(one), atol=1e-7)


def test_every_format_says_the_same(tmp_path):
    ascii_stl = CUBE.export(file_type="stl_ascii").encode()
    files = {"a.stl": CUBE, "b.stl": ascii_stl, "c.obj": CUBE, "d.ply": CUBE}
    files["e.ply"] = trimesh.exchange.ply.export_ply(CUBE, encoding="ascii")
    files["f.stl"] = b"solid" + CUBE.export(file_type="stl")[5:] + b"more"  # binary, whatever its header says
    files["g.obj"] = "# gr\xf6\xdfe\nmtllib ../secret.mtl\nusemtl a\n".encode("latin-1") + CUBE.export(
        file_type="obj"
    ).encode("latin-1")
    found = load_meshes(_write(tmp_path / "formats", files))
    assert [m.class_name for m in found.objects] == list("abcdefg") and not found.skipped
    for model in found.objects:
        assert sorted(map(tuple, _points(model).round(6))) == sorted(map(tuple, _points(found.objects[0]).round(6)))


def test_careless_surfaces_are_understood(tmp_path):
    turned = CUBE.faces.copy()
    turned[::3] = turned[::3, ::-1]
    ball = create.icosphere(1, 0.015)
    files = {
        "doubled.stl": trimesh.Trimesh(CUBE.vertices, np.vstack([CUBE.faces, CUBE.faces]), process=False),
        "mixed.stl": trimesh.Trimesh(CUBE.vertices, turned, process=False),
        "second_inverted.stl": trimesh.util.concatenate([CUBE, _inverted(_moved(ball, 0.06))]),
        "speck.stl": trimesh.util.concatenate([CUBE, _moved(create.box([2e-4] * 3), 0.05)]),
    }
    found = load_meshes(_write(tmp_path / "careless", files))
    assert not found.skipped
    volumes = [sum(ConvexHull(part.vertices).volume for part in model.parts) for model in found.objects]
    np.testing.assert_allclose(volumes, np.prod(SIDES) + np.array([0, 0, ball.volume, 0]), rtol=1e-4)


def test_max_parts_bounds_also_many_bodies(tmp_path):
    beads = [_moved(create.icosphere(1, 0.006), 0.02 * (i % 3), 0.02 * (i // 3)) for i in range(9)]
    folder = _write(tmp_path / "beads", {"beads.stl": trimesh.util.concatenate(beads)})
    for most in (1, 4, 9, 20):
        (model,) = load_meshes(folder, max_parts=most).objects
        assert len(model.parts) == min(most, 9)


def test_names_are_safe_unique_and_never_ours(tmp_path):
    ours = class_names()[0]
    files = dict.fromkeys(["Big Box-2.obj", "x.obj", "x.stl", f"{ours}.ply", "\u65e5\u672c.stl", "x_stl.obj"], CUBE)
    found = load_meshes(_write(tmp_path / "names", files))
    assert {m.class_name for m in found.objects} == {"big_box_2", "x_obj", "x_stl", f"{ours}_ply", "mesh"}
    (skipped,) = found.skipped
    assert skipped.name == "x_stl.obj" and "both be named 'x_stl': rename" in skipped.reason


def test_nothing_usable_is_no_error(tmp_path):
    found = load_meshes(_write(tmp_path / "bad", {"a.obj": b"", "b.obj": b"junk"}))
    assert found.objects == () and [s.name for s in found.skipped] == ["a.obj", "b.obj"]


def test_bad_folders_and_settings_are_refused(tmp_path):
    folder = _write(tmp_path / "one", {"z.stl": CUBE})
    (tmp_path / "empty").mkdir()
    for call, code, says in (
        (lambda: load_meshes(tmp_path / "none"), ErrorCode.FILE_NOT_FOUND, "none is not a folder"),
        (lambda: load_meshes(tmp_path / "empty"), ErrorCode.BAD_REQUEST, "looked for .obj, .stl, .ply"),
        (lambda: load_meshes(folder, scale=0), ErrorCode.BAD_SETTING, "scale must be .* greater than 0 .*got 0"),
        (lambda: load_meshes(folder, scale=np.nan), ErrorCode.BAD_SETTING, "got nan"),
        (lambda: load_meshes(folder, max_parts=0), ErrorCode.BAD_SETTING, "max_parts must be at least 1, got 0"),
        (lambda: load_meshes(folder, cache=folder / "z.stl"), ErrorCode.STORE_UNWRITABLE, "cannot keep"),
    ):
        with pytest.raises(GmiError, match=says) as caught:
            call()
        assert caught.value.code == code
