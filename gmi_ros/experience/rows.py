"""Between an Episode and a row of the store: a Record holds the values as they are stored, every id spelled out."""

import struct
from pathlib import Path
from typing import NamedTuple

import zstandard

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import packing
from gmi_ros.experience.episode import OBSERVATION_MISSING, Episode, derived_id

CONTEXT = "source split class_name object_name judged_by model_hash software_version camera".split()


class Record(NamedTuple):
    """What a store keeps of an episode. Copied from store to store it stays the same to the bit.

    row: its number in the store, 0 before it is in one. template: of the recipe, None where `data` are pixels.
    Seeds are signed; poses, floats and directions as `packing` makes them.
    """

    row: int
    outcome_id: str
    grasp_id: str
    observation_id: str
    trial_seed: int
    view: int
    seed: int
    success: int
    reason: str
    height_lifted: float | None
    contacts_predicted: bytes | None
    normals_predicted: bytes | None
    contacts_reached: bytes | None
    normals_reached: bytes | None
    joints: bytes | None
    camera_from_palm: bytes | None
    hold_share: float | None
    note: str
    judged_ns: int
    contacts_computed: int
    closing_turn: float | None
    stamp_ns: int
    camera_from_object: bytes
    degenerate: int
    template: str | None
    data: bytes
    source: str
    split: str
    class_name: str
    object_name: str
    judged_by: str
    model_hash: str
    software_version: str
    camera: str


_OF_EPISODES = (
    "trial_seed view seed success height_lifted contacts_predicted normals_predicted contacts_reached normals_reached "
    "joints camera_from_palm hold_share note judged_ns contacts_computed closing_turn"
).split()
_OF_OBSERVATIONS = "stamp_ns camera_from_object degenerate data".split()
_NEWER = {"hold_share": 2, "note": 3, "judged_ns": 3, "contacts_computed": 3, "closing_turn": 4}  # since which version
_COLUMNS = {
    "row": "e.id", "outcome_id": "e.outcome_id", "grasp_id": "e.grasp_id", "observation_id": "o.observation_id",
    "reason": "r.text", "template": "t.text",
    **{name: f"e.{name}" for name in _OF_EPISODES},
    **{name: f"o.{name}" for name in _OF_OBSERVATIONS},
    **{name: f"c.{name}" for name in CONTEXT},
}  # fmt: skip
_TABLES = """
    FROM episodes e JOIN observations o ON o.id = e.observation JOIN contexts c ON c.id = e.context
        JOIN names r ON r.id = e.reason LEFT JOIN names t ON t.id = o.template"""


def read(version: int) -> str:
    """The query for whole rows of a store of this version; `record` takes them."""
    columns = ("NULL" if _NEWER.get(name, 0) > version else _COLUMNS[name] for name in Record._fields)
    return f"SELECT {', '.join(columns)} {_TABLES}"


def record(row: tuple, path: Path) -> Record:
    """A row of `read`, of the store at `path`, with what was left to be derived.

    Raises:
        GmiError: STORE_CORRUPT where a number that it is derived from is none.
    """
    found = Record(*row)
    if not isinstance(found.trial_seed, int):
        told = f"{path}: episode {found.row} cannot be read: its trial_seed is {found.trial_seed!r}"
        raise GmiError(ErrorCode.STORE_CORRUPT, told)
    outcome = found.outcome_id or derived_id(found.split, found.object_name, found.trial_seed % 2**64, found.view)
    return found._replace(
        outcome_id=outcome,
        grasp_id=found.grasp_id or outcome,
        observation_id=found.observation_id or outcome,
        seed=found.trial_seed if found.seed is None else found.seed,
        note=found.note or "",
        judged_ns=found.judged_ns or 0,
        contacts_computed=found.contacts_computed or 0,
    )


def missing_observation(r: Record) -> str | None:
    """The id of the observation that an outcome was stored without; None where it has one (Episode.observation_missing)."""
    return None if r.template is None else packing.unpack_recipe(r.template, r.data).get(OBSERVATION_MISSING)


def signed(number: int) -> int:
    """An unsigned 64-bit number in SQLite's signed one."""
    return int(number) - 2**64 if number >= 2**63 else int(number)


def own_columns(r: Record) -> dict:
    """The columns of table `episodes` that hold the record's own values, not references; NULL what can be derived."""
    derived = r.outcome_id == derived_id(r.split, r.object_name, r.trial_seed % 2**64, r.view)
    values = {name: getattr(r, name) for name in _OF_EPISODES}
    return values | {
        "outcome_id": None if derived else r.outcome_id,
        "grasp_id": None if r.grasp_id == r.outcome_id else r.grasp_id,
        "seed": None if r.seed == r.trial_seed else r.seed,
        "note": r.note or None,
        "judged_ns": r.judged_ns or None,
        "contacts_computed": r.contacts_computed or None,
    }


def encode(e: Episode) -> Record:
    """The record of an episode.

    Raises:
        GmiError: BAD_REQUEST for a recipe that JSON cannot hold.
    """
    template, data = (None, packing.pack_pixels(e.pixels)) if e.recipe is None else packing.pack_recipe(e.recipe)
    return Record(
        row=0,
        outcome_id=e.outcome_id,
        grasp_id=e.grasp_id,
        observation_id=e.observation_id,
        trial_seed=signed(e.trial_seed),
        view=int(e.view),
        seed=signed(e.seed),
        success=int(e.success),
        reason=e.reason,
        height_lifted=None if e.height_lifted is None else float(e.height_lifted),
        contacts_predicted=packing.pack_floats(e.contacts_predicted),
        normals_predicted=packing.pack_directions(e.normals_predicted),
        contacts_reached=packing.pack_floats(e.contacts_reached),
        normals_reached=packing.pack_directions(e.normals_reached),
        joints=packing.pack_floats(e.joints),
        camera_from_palm=packing.pack_pose(e.camera_from_palm),
        hold_share=None if e.hold_share is None else float(e.hold_share),
        note=e.note,
        judged_ns=int(e.judged_ns),
        contacts_computed=int(e.contacts_computed),
        closing_turn=None if e.closing_turn is None else float(e.closing_turn),
        stamp_ns=int(e.stamp_ns),
        camera_from_object=packing.pack_pose(e.camera_from_object),
        degenerate=int(e.degenerate),
        template=template,
        data=data,
        **{name: getattr(e, name) for name in CONTEXT},
    )


def decode(r: Record, path: Path) -> Episode:
    """The episode of a record.

    Raises:
        GmiError: STORE_CORRUPT where its bytes make no sense.
    """
    try:
        return Episode.unchecked(
            **{name: getattr(r, name) for name in CONTEXT},
            outcome_id=r.outcome_id,
            grasp_id=r.grasp_id,
            observation_id=r.observation_id,
            stamp_ns=r.stamp_ns,
            trial_seed=r.trial_seed % 2**64,
            view=r.view,
            seed=r.seed % 2**64,
            success=bool(r.success),
            reason=r.reason,
            note=r.note,
            judged_ns=r.judged_ns,
            contacts_computed=bool(r.contacts_computed),
            height_lifted=r.height_lifted,
            pixels=packing.unpack_pixels(r.data) if r.template is None else None,
            recipe=None if r.template is None else packing.unpack_recipe(r.template, r.data),
            camera_from_object=packing.unpack_pose(r.camera_from_object),
            degenerate=bool(r.degenerate),
            contacts_predicted=packing.unpack_floats(r.contacts_predicted, 3, 3),
            normals_predicted=packing.unpack_directions(r.normals_predicted),
            contacts_reached=packing.unpack_floats(r.contacts_reached, 3, 3),
            normals_reached=packing.unpack_directions(r.normals_reached),
            joints=packing.unpack_floats(r.joints, 4),
            camera_from_palm=packing.unpack_pose(r.camera_from_palm),
            hold_share=r.hold_share,
            closing_turn=r.closing_turn,
        )
    except (ValueError, TypeError, struct.error, StopIteration, zstandard.ZstdError) as error:
        raise GmiError(ErrorCode.STORE_CORRUPT, f"{path}: episode {r.row} cannot be read: {error}") from error
