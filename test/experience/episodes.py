"""Seeded episodes for the tests."""

import sqlite3
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.experience.episode import Episode, Pixels


def make_pixels(rng) -> Pixels:
    mask = rng.random((64, 64)) > 0.5
    depth = rng.normal(0, 0.05, (64, 64)).astype(np.float32)
    return Pixels(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), depth, mask)


def make_pose(rng) -> np.ndarray:
    return poses.make(Rotation.random(random_state=int(rng.integers(2**31))).as_matrix(), rng.normal(size=3))


def make_values(number: int = 0, **changes) -> dict:
    """Fields of a simulated episode, every one of them set."""
    rng = np.random.default_rng(number)
    normals = rng.normal(size=(2, 3, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    values = {
        "source": "simulation",
        "success": bool(number % 2),
        "camera_from_object": make_pose(rng),
        "stamp_ns": 1_700_000_000_123_456_789 + number,
        "split": "train",
        "class_name": "mug",
        "object_name": f"mug_{number % 3:02}",
        "trial_seed": 2**64 - 1 - number,
        "recipe": {"rest": number % 5, "light": [0.5, float(np.float32(rng.random()))], "tag": "#1"},
        "degenerate": number % 7 == 0,
        "contacts_predicted": rng.normal(size=(3, 3)),
        "normals_predicted": normals[0],
        "contacts_reached": rng.normal(size=(3, 3)),
        "normals_reached": normals[1],
        "joints": rng.normal(size=4),
        "camera_from_palm": make_pose(rng),
        "reason": "" if number % 2 else "slipped",
        "judged_by": "simulation",
        "note": "" if number % 4 else f"note {number}",
        "contacts_computed": number % 5 == 0,
        "judged_ns": 0 if number % 4 else 1_700_000_000_000_000_000 + number,
        "height_lifted": 0.2 + number / 1000,
        "hold_share": None if number % 3 == 0 else number % 6 / 5,
        "closing_turn": None if number % 4 == 1 else number % 8 / 3,
        "seed": 7 + number,
        "model_hash": "0123456789abcdef",
        "software_version": "0.1.0",
        "camera": "kinect",
    }
    return {**values, **changes}


def make_episode(number: int = 0, **changes) -> Episode:
    return Episode(**make_values(number, **changes))


def make_robot_episode(seed: int, observation_id: str = "", pixels_seed: int | None = None, **changes) -> Episode:
    """An outcome of a robot, with pixels; those of one pixels_seed share image, stamp and object frame."""
    rng = np.random.default_rng(seed if pixels_seed is None else pixels_seed)
    shared = {"pixels": make_pixels(rng), "camera_from_object": make_pose(rng), "stamp_ns": 5, "degenerate": False}
    ids = {"outcome_id": f"outcome-{seed}", "grasp_id": f"grasp-{seed}", "observation_id": observation_id}
    return make_episode(seed, **{**shared, **ids, "source": "robot", "recipe": None, "split": "", **changes})


def assert_same(a: Episode, b: Episode) -> None:
    """Equal in every field, to the store's precision."""
    for name, value in vars(a).items():
        other = getattr(b, name)
        if isinstance(value, Pixels):
            for part in ("rgb", "depth", "mask"):
                np.testing.assert_array_equal(getattr(value, part), getattr(other, part))
                assert getattr(value, part).dtype == getattr(other, part).dtype
        elif isinstance(value, np.ndarray):
            np.testing.assert_allclose(value, other, rtol=0, atol=3e-5 if name.startswith("normals") else 5e-7)
        else:
            assert value == other and type(value) is type(other), name


def make_older(path: Path, version: int) -> None:
    """Turn a closed store into what this version wrote, which knew fewer columns."""
    statements = ["ALTER TABLE episodes DROP COLUMN closing_turn"] if version < 4 else []
    if version < 3:
        statements += ["DROP TABLE verdicts", "DROP INDEX observation_stamps"]
        newer = ("note", "judged_ns", "contacts_computed")
        statements += [f"ALTER TABLE episodes DROP COLUMN {name}" for name in newer]
    if version < 2:
        statements += ["ALTER TABLE episodes DROP COLUMN hold_share"]
    database = sqlite3.connect(path)
    for statement in [*statements, f"PRAGMA user_version = {version}"]:
        database.execute(statement)
    database.close()
