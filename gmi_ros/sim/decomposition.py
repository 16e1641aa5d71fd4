"""Convex pieces of closed bodies, few and of few vertices.

CoACD (Wei, Liu, Ling, Su: Approximate Convex Decomposition for 3D Meshes with Collision-Aware Concavity and Tree
Search, 2022) cuts; it runs in a process of its own, `python -m gmi_ros.sim.decomposition IN OUT`, so that a crash or an
endless search costs one mesh and not the run. It gets each body by itself, since bodies that cross make it remesh all
of them, which takes ten times as long. The pieces are merged here, over all bodies, by the volume that this adds.
"""

import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.mesh_files import Body
from gmi_ros.sim.shapes import sphere

MOST_VERTICES = 64  # of a piece
TIME_LIMIT_S = 600.0  # of the cutting of one mesh
_CONVEX = 0.98  # of the hull's volume: a body that fills as much is taken for convex
_CUTS = {
    "threshold": 0.07, "merge": False, "resolution": 1000, "mcts_nodes": 10, "mcts_iterations": 40,
    "mcts_max_depth": 2, "seed": 1,
}  # fmt: skip
_DIRECTIONS = 1000  # a hull of more vertices is first reduced to those that lead in one of so many directions


def convex_pieces(bodies: list[Body], max_parts: int, cache: Path | None = None) -> list[np.ndarray]:
    """At most `max_parts` convex hulls that together stand for the bodies, the same each time.

    Args:
        cache: folder that keeps the hulls, one JSON file for each mesh; made where it is missing.

    Returns:
        Vertices (n, 3) [m] of each hull, 4 <= n <= MOST_VERTICES.

    Raises:
        GmiError: BAD_REQUEST where CoACD crashes, finds nothing or takes longer than TIME_LIMIT_S; STORE_CORRUPT,
            STORE_UNWRITABLE for the cache.
    """
    file = None if cache is None else cache / f"{_digest(bodies, max_parts)}.json"
    if file is not None and file.exists():
        return _cached(file)
    whole = [_whole(body) for body in bodies]
    pieces = [hull for hull in whole if hull is not None]
    pieces += _cut([body for body, hull in zip(bodies, whole, strict=True) if hull is None])
    hulls = _merged([simplify(piece) for piece in pieces if _spans(piece)], max_parts)
    if not hulls:
        raise GmiError(ErrorCode.BAD_REQUEST, "its convex decomposition found no piece with a volume; repair it")
    if file is not None:
        _keep(hulls, file)
    return hulls


def simplify(points: np.ndarray) -> np.ndarray:
    """Vertices (k, 3), k <= MOST_VERTICES, of a hull with the volume of that of points (n, 3).

    The vertices farthest outside are kept, one after the other, and the rest's volume is restored by scaling.
    """
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    if len(corners) <= MOST_VERTICES:
        return corners
    if len(corners) > _DIRECTIONS:
        corners = corners[np.unique([np.argmax(corners @ direction) for direction in sphere(_DIRECTIONS)])]
    chosen = _tetrahedron(corners)
    while len(chosen) < MOST_VERTICES:
        faces = ConvexHull(corners[chosen]).equations  # (f, 4)
        chosen.append(int(np.argmax((corners @ faces[:, :3].T + faces[:, 3]).max(axis=1))))
    kept = corners[chosen]
    centre = kept.mean(axis=0)
    return centre + (kept - centre) * (hull.volume / ConvexHull(kept).volume) ** (1 / 3)


def _tetrahedron(points: np.ndarray) -> list[int]:
    """Four points far from each other, from their line, from their plane."""
    chosen = [int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    rest = points - points[chosen[0]]
    for _ in range(3):
        chosen.append(int(np.argmax(np.linalg.norm(rest, axis=1))))
        along = rest[chosen[-1]] / np.linalg.norm(rest[chosen[-1]])
        rest = rest - np.outer(rest @ along, along)
    return chosen


def _merged(pieces: list[np.ndarray], max_parts: int) -> list[np.ndarray]:
    """Pieces merged two by two, the least added volume first, until `max_parts` are left."""
    alive = dict(enumerate(pieces))
    volume = {i: ConvexHull(piece).volume for i, piece in alive.items()}

    def added(i: int, j: int) -> float:
        return ConvexHull(np.concatenate([alive[i], alive[j]])).volume - volume[i] - volume[j]

    many = len(alive) > max_parts
    cost = {pair: added(*pair) for pair in itertools.combinations(alive, 2)} if many else {}
    while len(alive) > max_parts:
        i, j = min(cost, key=lambda pair: (cost[pair], pair))
        new = max(alive) + 1
        alive[new] = simplify(np.concatenate([alive[i], alive[j]]))
        volume[new] = ConvexHull(alive[new]).volume
        del alive[i], alive[j]
        cost = {pair: c for pair, c in cost.items() if i not in pair and j not in pair}
        cost |= {(k, new): added(k, new) for k in alive if k != new}
    return list(alive.values())


def _spans(piece: np.ndarray) -> bool:
    """Whether the piece has a volume at all: some cuts leave slivers."""
    try:
        return ConvexHull(piece).volume > 0
    except QhullError:
        return False


def _whole(body: Body) -> np.ndarray | None:
    hull = ConvexHull(body.vertices)
    return body.vertices[hull.vertices] if body.volume >= _CONVEX * hull.volume else None


def _cut(bodies: list[Body]) -> list[np.ndarray]:
    """CoACD's pieces of the bodies, found by a process that may crash."""
    if not bodies:
        return []
    with tempfile.TemporaryDirectory(prefix="gmi_coacd_") as folder:
        given, made = Path(folder, "bodies.npz"), Path(folder, "pieces.npz")
        np.savez(given, **{f"{k}{i}": a for i, b in enumerate(bodies) for k, a in (("v", b.vertices), ("f", b.faces))})
        command = [sys.executable, "-m", "gmi_ros.sim.decomposition", str(given), str(made)]
        # One thread: several make the pieces of CoACD before 1.0.14 differ from run to run.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                command,
                check=False,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIME_LIMIT_S,
            )
        except subprocess.TimeoutExpired as error:
            message = f"its convex decomposition takes longer than {TIME_LIMIT_S:g} s: simplify it"
            raise GmiError(ErrorCode.BAD_REQUEST, message) from error
        if done.returncode:
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            message = f"its convex decomposition crashed (status {done.returncode}: {said[:100]}); repair it"
            raise GmiError(ErrorCode.BAD_REQUEST, message)
        with np.load(made) as arrays:
            return [arrays[f"p{i}"] for i in range(len(arrays.files))]


def _digest(bodies: list[Body], max_parts: int) -> str:
    """Of all that the hulls depend on."""
    digest = hashlib.sha256(json.dumps([_CUTS, _CONVEX, MOST_VERTICES, max_parts, version("coacd")]).encode())
    for body in bodies:
        digest.update(body.vertices.tobytes() + body.faces.tobytes())
    return digest.hexdigest()


def _cached(file: Path) -> list[np.ndarray]:
    try:
        hulls = [np.array(hull, float).reshape(-1, 3) for hull in json.loads(file.read_text())]
        if hulls and all(np.isfinite(hull).all() and _spans(hull) for hull in hulls):
            return hulls
        reason = "a hull without volume"
    except (OSError, ValueError, TypeError) as error:
        reason = str(error)
    raise GmiError(ErrorCode.STORE_CORRUPT, f"{file} is damaged ({reason}): delete it, it will be made again")


def _keep(hulls: list[np.ndarray], file: Path) -> None:
    draft = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps([hull.tolist() for hull in hulls]))
        draft.replace(file)
    except OSError as error:
        raise GmiError(ErrorCode.STORE_UNWRITABLE, f"{file.parent} cannot keep decompositions: {error}") from error


def _main(given: str, made: str) -> None:
    """The child: CoACD's pieces (vertices) of the bodies in one file, into another."""
    import coacd

    coacd.set_log_level("off")
    hulls: list[np.ndarray] = []
    with np.load(given) as arrays:
        for i in range(len(arrays.files) // 2):
            found = coacd.run_coacd(coacd.Mesh(arrays[f"v{i}"], arrays[f"f{i}"]), **_CUTS)
            hulls += [vertices for vertices, _ in found]
    np.savez(made, **{f"p{i}": hull for i, hull in enumerate(hulls)})


if __name__ == "__main__":
    _main(*sys.argv[1:])
