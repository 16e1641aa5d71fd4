"""Between an Episode and the rows of the store."""

import struct
from pathlib import Path

import zstandard

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import packing
from gmi_ros.experience.episode import Episode, derived_id

CONTEXT = "source split class_name object_name judged_by model_hash software_version camera".split()

_COLUMNS = f"""
    SELECT e.id, e.outcome_id, e.grasp_id, o.observation_id, e.trial_seed, e.view, e.seed, e.success, r.text,
        e.height_lifted, e.contacts_predicted, e.normals_predicted, e.contacts_reached, e.normals_reached, e.joints,
        e.camera_from_palm, o.stamp_ns, o.camera_from_object, o.degenerate, t.text, o.data,
        {", ".join(f"c.{name}" for name in CONTEXT)}"""
_TABLES = """
    FROM episodes e JOIN observations o ON o.id = e.observation JOIN contexts c ON c.id = e.context
        JOIN names r ON r.id = e.reason LEFT JOIN names t ON t.id = o.template"""


def read(version: int) -> str:
    """The query for whole rows of a store of this version."""
    return f"{_COLUMNS}, {'e.hold_share' if version >= 2 else 'NULL'} {_TABLES}"


def signed(number: int) -> int:
    """An unsigned 64-bit number in SQLite's signed one."""
    return int(number) - 2**64 if number >= 2**63 else int(number)


def episode_columns(episode: Episode) -> dict:
    """The columns of table `episodes` that hold the episode's own values, not references."""
    e = episode
    derived = e.outcome_id == derived_id(e.split, e.object_name, e.trial_seed, e.view)
    return {
        "outcome_id": None if derived else e.outcome_id,
        "grasp_id": None if e.grasp_id == e.outcome_id else e.grasp_id,
        "trial_seed": signed(e.trial_seed),
        "view": int(e.view),
        "seed": None if e.seed == e.trial_seed else signed(e.seed),
        "success": int(e.success),
        "height_lifted": None if e.height_lifted is None else float(e.height_lifted),
        "contacts_predicted": packing.pack_floats(e.contacts_predicted),
        "normals_predicted": packing.pack_directions(e.normals_predicted),
        "contacts_reached": packing.pack_floats(e.contacts_reached),
        "normals_reached": packing.pack_directions(e.normals_reached),
        "joints": packing.pack_floats(e.joints),
        "camera_from_palm": packing.pack_pose(e.camera_from_palm),
        "hold_share": None if e.hold_share is None else float(e.hold_share),
    }


def decode(row: tuple, path: Path) -> Episode:
    """The episode of a row of `read`.

    Raises:
        GmiError: STORE_CORRUPT where its bytes make no sense.
    """
    number, outcome, grasp, observation, trial_seed, view, seed, success, reason, height = row[:10]
    predicted, predicted_normals, reached, reached_normals, joints, palm, stamp_ns, frame, degenerate = row[10:19]
    template, data = row[19:21]
    context, hold_share = dict(zip(CONTEXT, row[21:-1], strict=True)), row[-1]
    try:
        seed_used = trial_seed if seed is None else seed
        outcome = outcome or derived_id(context["split"], context["object_name"], trial_seed % 2**64, view)
        return Episode.unchecked(
            **context,
            outcome_id=outcome,
            grasp_id=grasp or outcome,
            observation_id=observation or outcome,
            stamp_ns=stamp_ns,
            trial_seed=trial_seed % 2**64,
            view=view,
            seed=seed_used % 2**64,
            success=bool(success),
            reason=reason,
            height_lifted=height,
            pixels=packing.unpack_pixels(data) if template is None else None,
            recipe=None if template is None else packing.unpack_recipe(template, data),
            camera_from_object=packing.unpack_pose(frame),
            degenerate=bool(degenerate),
            contacts_predicted=packing.unpack_floats(predicted, 3, 3),
            normals_predicted=packing.unpack_directions(predicted_normals),
            contacts_reached=packing.unpack_floats(reached, 3, 3),
            normals_reached=packing.unpack_directions(reached_normals),
            joints=packing.unpack_floats(joints, 4),
            camera_from_palm=packing.unpack_pose(palm),
            hold_share=hold_share,
        )
    except (ValueError, TypeError, struct.error, StopIteration, zstandard.ZstdError) as error:
        raise GmiError(ErrorCode.STORE_CORRUPT, f"{path}: episode {number} cannot be read: {error}") from error
