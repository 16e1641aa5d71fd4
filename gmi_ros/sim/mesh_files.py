"""From a mesh file to closed bodies, or the reason why it cannot be an object."""

import io
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from gmi_ros.core.errors import ErrorCode, GmiError

SUFFIXES = (".obj", ".stl", ".ply")
SMALLEST, LARGEST = 0.015, 0.4  # largest extent of an object [m]
THINNEST = 0.001  # smallest extent along its principal axes [m]
LEAST_VOLUME = 1e-9  # [m3]
MOST_TRIANGLES = 500_000
MOST_BYTES = 256 * 2**20
_SAME_VERTEX = 1e-6  # vertices of one cell of this grid are one vertex [m]
_UNITS = {"millimetres": 0.001, "centimetres": 0.01, "inches": 0.0254, "decimetres": 0.1, "metres": 1.0}


@dataclass(frozen=True, eq=False)
class Body:
    """A closed surface: vertices (n, 3) float64 [m]; faces (m, 3) int64, wound so that normals point outwards."""

    vertices: np.ndarray
    faces: np.ndarray

    @property
    def volume(self) -> float:
        """Enclosed volume [m3]; negative where the faces are wound inwards."""
        return float(_tetrahedra(self).sum())

    @property
    def moment(self) -> np.ndarray:
        """First moment of volume (3,) [m4]: the volume times its centroid."""
        corners = self.vertices[self.faces].sum(axis=1)  # (m, 3); the fourth corner is the origin
        return _tetrahedra(self) @ corners / 4


def read_bodies(path: Path, scale: float) -> list[Body]:
    """The closed bodies of a mesh file; cavities inside a body are filled, specks below LEAST_VOLUME left out.

    Nothing but the file itself is opened: materials, textures and what else it names are ignored.

    Args:
        scale: metres per unit of the file.

    Raises:
        GmiError: FILE_DAMAGED or BAD_REQUEST with the reason why this is no object of the picking task.
    """
    vertices, faces = _read(path)
    if len(faces) == 0:
        raise _unfit("holds no triangles")
    if len(faces) > MOST_TRIANGLES:
        raise _unfit(f"{len(faces)} triangles, at most {MOST_TRIANGLES} are taken: simplify it")
    used, faces = np.unique(faces, return_inverse=True)
    vertices, faces = vertices[used] * scale, faces.reshape(-1, 3)
    bad = int((~np.isfinite(vertices)).any(axis=1).sum())
    if bad:
        raise _unfit(f"{bad} of {len(vertices)} vertices are not finite numbers", ErrorCode.FILE_DAMAGED)
    _check_size(vertices, scale)
    vertices, faces = _clean(vertices, faces)
    _check_closed(faces)
    bodies = _solid(_split(vertices, _same_winding(vertices, faces)))
    if not bodies:
        raise _unfit(f"encloses less than {LEAST_VOLUME:.0e} m3")
    return bodies


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) float64 in the file's unit and triangles (m, 3) as the file has them."""
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us
    try:
        size = path.stat().st_size
        if size == 0:
            raise _unfit("the file is empty", ErrorCode.FILE_DAMAGED)
        if size > MOST_BYTES:
            raise _unfit(f"{size / 2**20:.0f} MiB, at most {MOST_BYTES // 2**20} MiB are read: simplify it")
        data, kind = _as_utf8(path.read_bytes(), path.suffix.lower()[1:])
    except OSError as error:
        raise _unfit(f"cannot be read: {error.strerror}", ErrorCode.FILE_DAMAGED) from error
    try:
        with np.errstate(all="ignore"):  # a stream, not a path: so there is no folder to load textures from
            mesh = trimesh.load_scene(
                io.BytesIO(data), file_type=kind, skip_materials=True, process=False, maintain_order=True
            ).to_mesh()
        return np.array(mesh.vertices, float).reshape(-1, 3), np.array(mesh.faces, np.int64).reshape(-1, 3)
    except Exception as error:  # the readers raise whatever a damaged file leads them to
        said = (str(error).splitlines() or [""])[0][:100]
        message = f"cannot be read as {path.suffix.lower()}: damaged or truncated ({type(error).__name__}: {said})"
        raise _unfit(message, ErrorCode.FILE_DAMAGED) from error


def _as_utf8(data: bytes, kind: str) -> tuple[bytes, str]:
    """The file with its text in UTF-8, and trimesh's name for its kind."""
    if kind == "stl":
        announced = 84 + 50 * int.from_bytes(data[80:84], "little")  # bytes of a binary file
        text = data[:5].lower() == b"solid" and b"facet" in data[:4096]
        if not text and announced > len(data):
            message = f"truncated: {len(data)} bytes, its header announces {announced}"
            raise _unfit(message, ErrorCode.FILE_DAMAGED)
        if not text:
            return data[:announced], "stl"
        kind = "stl_ascii"
    return (data, kind) if kind == "ply" else (data.decode("latin-1").encode(), kind)


def _check_size(vertices: np.ndarray, scale: float) -> None:
    extent = float(np.ptp(vertices, axis=0).max())
    if not SMALLEST <= extent <= LARGEST:
        size, bound = ("huge", f"at most {LARGEST}") if extent > LARGEST else ("tiny", f"at least {SMALLEST}")
        fits = [(unit, s) for unit, s in _UNITS.items() if s != scale and SMALLEST <= extent / scale * s <= LARGEST]
        advice = ", or ".join(f"scale {s:g} if the file is in {unit}" for unit, s in fits)
        if not fits:
            advice = f"scale {0.1 * scale / extent:.2g} makes it 0.1 m" if extent > 0 else "all vertices are one point"
        raise _unfit(f"{size}: its largest extent is {extent:.4g} m, {bound} m is needed ({advice})")
    centred = vertices - vertices.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1]  # (3, 3), principal axes in columns
    thickness = float(np.ptp(centred @ axes, axis=0).min())
    if thickness < THINNEST:
        raise _unfit(f"flat: {thickness:.1e} m thick, at least {THINNEST} m is needed")


def _clean(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices at one place merged; triangles with two equal corners, and second copies of one, left out."""
    cells = np.round(vertices / _SAME_VERTEX).astype(np.int64)
    _, first, merged = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = merged.reshape(-1)[faces]
    ordered = np.sort(faces, axis=1)
    proper = (np.diff(ordered, axis=1) > 0).all(axis=1)
    _, unique = np.unique(ordered[proper], axis=0, return_index=True)
    return vertices[first], faces[proper][np.sort(unique)]


def _check_closed(faces: np.ndarray) -> None:
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    if odd := int((count % 2 == 1).sum()):
        raise _unfit(f"open: {odd} of {len(count)} edges have no triangle on one side; close the holes")


def _same_winding(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    trimesh.repair.fix_winding(mesh)
    return np.array(mesh.faces, np.int64)


def _split(vertices: np.ndarray, faces: np.ndarray) -> list[Body]:
    """Faces that share no vertex, directly or by others, are bodies of their own."""
    n = len(vertices)
    pairs = faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    label = connected_components(graph, directed=False)[1][faces[:, 0]]  # (m,)
    bodies = []
    for i in np.unique(label):
        used, own = np.unique(faces[label == i], return_inverse=True)
        bodies.append(Body(vertices[used], own.reshape(-1, 3)))
    return bodies


def _solid(bodies: list[Body]) -> list[Body]:
    """Bodies wound outwards. One wound against the whole is a cavity if it is inside another, else it is turned."""
    sign = 1 if sum(body.volume for body in bodies) >= 0 else -1
    solid = []
    for body in bodies:
        along = body.volume * sign > 0
        if abs(body.volume) < LEAST_VOLUME:
            continue
        if along or not any(_inside(body, other) for other in bodies if other is not body):
            solid.append(body if body.volume > 0 else Body(body.vertices, body.faces[:, ::-1]))
    return solid


def _inside(body: Body, other: Body) -> bool:
    low, high = other.vertices.min(axis=0), other.vertices.max(axis=0)
    return bool((body.vertices >= low).all() and (body.vertices <= high).all())


def _tetrahedra(body: Body) -> np.ndarray:
    """Signed volumes (m,) [m3] of the tetrahedra from the origin to each face."""
    a, b, c = np.moveaxis(body.vertices[body.faces], 1, 0)
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6


def _unfit(reason: str, code: ErrorCode = ErrorCode.BAD_REQUEST) -> GmiError:
    return GmiError(code, reason)
