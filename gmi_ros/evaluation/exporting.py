"""Experience as plain arrays, for anybody's training code: a folder of .npy files, texts as JSON lines, and what is what."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import DEPTH_CLIP_M, SIZE, WINDOW_M
from gmi_ros.core.version import version
from gmi_ros.evaluation.images import render_episodes
from gmi_ros.experience.episode import Episode, Pixels
from gmi_ros.experience.store import Store
from gmi_ros.sim.objects import ObjectModel

_BATCH = 256
_TEXTS = (
    "outcome_id grasp_id observation_id source split class_name object_name reason judged_by note model_hash "
    "software_version camera"
).split()


class Field(NamedTuple):
    """An array of the export: type, shape of one row, and what it holds."""

    dtype: str
    shape: tuple[int, ...]
    tells: str


_IN_O = "in {O}, row i is finger F(i+1); NaN where not known"
FIELDS = {
    "image": Field("<i4", (), "row of rgb, depth and mask with the observation, -1 where there is none"),
    "success": Field("|b1", (), "whether the object was held"),
    "contacts_predicted": Field("<f4", (3, 3), f"planned contacts [m] {_IN_O}"),
    "normals_predicted": Field("<f4", (3, 3), f"outward unit normals there {_IN_O}"),
    "contacts_reached": Field("<f4", (3, 3), f"contacts [m] {_IN_O}"),
    "normals_reached": Field("<f4", (3, 3), f"outward unit normals there {_IN_O}"),
    "contacts_computed": Field("|b1", (), "whether contacts reached follow from the joints, not all of them were felt"),
    "joints": Field("<f4", (4,), "spread, f1, f2, f3 as reached [rad]; NaN where not known"),
    "camera_from_object": Field("<f8", (4, 4), "pose of {O} in the camera's optical frame [m]"),
    "camera_from_palm": Field("<f8", (4, 4), "pose of the palm {P} at the grasp [m]; NaN where not known"),
    "degenerate": Field("|b1", (), "whether the axes of {O} are arbitrary, since the mask is as wide as long"),
    "height_lifted": Field("<f8", (), "[m]; NaN where not known"),
    "hold_share": Field("<f8", (), "of trials with errors of the wrist, how many held; NaN where there were none"),
    "closing_turn": Field(
        "<f8", (), "how far a closing hand turns the object when nothing else holds it [rad]; or NaN"
    ),
    "stamp_ns": Field("<i8", (), "time of the image [ns]"),
    "judged_ns": Field("<i8", (), "when the verdict replaced an earlier one [ns], 0: it came with the outcome"),
    "seed": Field("<u8", (), "of the synthesis"),
    "trial_seed": Field("<u8", (), "of a simulated trial"),
    "view": Field("<i4", (), "which of several cameras of one trial"),
}
IMAGES = {
    "rgb": Field("|u1", (SIZE, SIZE, 3), "red, green, blue; black outside the camera's image"),
    "depth": Field("<f4", (SIZE, SIZE), f"relative to the object's median depth [m], within +-{DEPTH_CLIP_M}"),
    "mask": Field("|b1", (SIZE, SIZE), "whether the cell is the object's"),
}


@dataclass(frozen=True)
class Exported:
    """How many records and images were written, and which files."""

    records: int
    images: int
    files: list[str]


def export(
    store: Path,
    out: Path,
    filters: Mapping[str, Any] = MappingProxyType({}),
    objects: Mapping[str, ObjectModel] = MappingProxyType({}),
    workers: int = 2,
    images: bool = True,
    progress: bool = True,
) -> Exported:
    """Write the episodes of a store, in its order, into the folder `out`: whole, or, after an error, not at all.

    Args:
        filters: the fields of experience.filters.Filters.
        objects: by name, those of recipes that are not the package's.
        images: write the observations; those of simulated records are rendered again.

    Raises:
        GmiError: BAD_REQUEST where `out` is there, or no episode is meant; STORE_UNWRITABLE; the store's errors; as
            evaluation.recipes.render_episode.
    """
    if out.exists():
        raise GmiError(ErrorCode.BAD_REQUEST, f"{out} exists already: name a folder that does not")
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with Store(store) as source:
            found = _Export(partial, source, images)
            found.read(filters, progress)
        found.render(objects, workers, progress)
        found.finish(store)
        files = sorted(str(out / path.name) for path in partial.iterdir())
        partial.rename(out)
    except OSError as error:
        raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot write {out}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(len(found.columns["image"]), found.n_images, files)


class _Export:
    """The files while they are written: images as they come, numbers at the end."""

    def __init__(self, folder: Path, store: Store, images: bool):
        self.folder, self.columns = folder, {name: [] for name in FIELDS}
        self.n_images = 0
        self._store, self._images = store, images
        self._row_of: dict[str, int] = {}  # by observation_id
        self._recipes: list[Episode] = []  # to be rendered, each observation once
        self._waiting: dict[str, list[int]] = {}  # records whose image will be rendered

    def read(self, filters: Mapping[str, Any], progress: bool) -> None:
        """Take in all records."""
        rows = self._store.ids(**filters)
        if not len(rows):
            raise GmiError(ErrorCode.BAD_REQUEST, f"no record of {self._store.path} is of the kind that was asked for")
        self._files = {name: _Growing(self.folder / f"{name}.npy", field) for name, field in IMAGES.items()}
        with (self.folder / "records.jsonl").open("w", encoding="utf-8") as texts:
            bar = tqdm(total=len(rows), desc="reading", disable=not progress, dynamic_ncols=True)
            for start in range(0, len(rows), _BATCH):
                for episode in self._store.batch(rows[start : start + _BATCH]):
                    texts.write(json.dumps({name: getattr(episode, name) for name in _TEXTS}) + "\n")
                    self._take(episode)
                    bar.update()
            bar.close()

    def _take(self, episode: Episode) -> None:
        for name, field in FIELDS.items():
            if name != "image":
                value = getattr(episode, name)
                self.columns[name].append(np.full(field.shape, np.nan) if value is None else value)
        image = self._row_of.get(episode.observation_id, -1)
        if image < 0 and self._images and not episode.observation_missing:
            if episode.recipe is not None:
                if episode.observation_id not in self._waiting:
                    self._recipes.append(episode)
                self._waiting.setdefault(episode.observation_id, []).append(len(self.columns["image"]))
            else:
                image = self._row_of[episode.observation_id] = self._write(episode.pixels)
        self.columns["image"].append(image)

    def render(self, objects: Mapping[str, ObjectModel], workers: int, progress: bool) -> None:
        """The images of simulated records."""
        if self._recipes:
            rendered = render_episodes(self._recipes, objects, workers, progress)
            for episode, pixels in zip(self._recipes, rendered, strict=True):
                image = self._write(pixels)
                for record in self._waiting[episode.observation_id]:
                    self.columns["image"][record] = image

    def _write(self, pixels: Pixels) -> int:
        for name, file in self._files.items():
            file.append(getattr(pixels, name))
        self.n_images += 1
        return self.n_images - 1

    def finish(self, store: Path) -> None:
        """Write the numbers, and what is what."""
        for file in self._files.values():
            file.close()
        for name, field in FIELDS.items():
            column = np.array(self.columns[name], field.dtype).reshape(-1, *field.shape)
            np.save(self.folder / f"{name}.npy", column, allow_pickle=False)
        n = len(self.columns["image"])
        card = {"records": n, "images": self.n_images, "store": store.name, "software_version": version()}
        card["arrays"] = {
            name: {"dtype": field.dtype, "shape": [rows, *field.shape], "tells": field.tells}
            for fields, rows in ((FIELDS, n), (IMAGES, self.n_images))
            for name, field in fields.items()
        }
        (self.folder / "fields.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        (self.folder / "README.md").write_text(_readme(card), encoding="utf-8")


class _Growing:
    """A .npy file whose number of rows is known when it is closed."""

    def __init__(self, path: Path, field: Field):
        self._file: BinaryIO = path.open("wb")
        self._field, self._rows = field, 0
        self._length = self._header()

    def _header(self) -> int:
        described = {"descr": self._field.dtype, "fortran_order": False, "shape": (self._rows, *self._field.shape)}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, described)  # padded to 128 bytes, however many rows
        return self._file.tell()

    def append(self, array: np.ndarray) -> None:
        """One more row."""
        self._file.write(np.ascontiguousarray(array, self._field.dtype).tobytes())
        self._rows += 1

    def close(self) -> None:
        """Write the number of rows."""
        assert self._header() == self._length
        self._file.close()


def _readme(card: dict) -> str:
    lines = [
        f"# {card['records']} grasps from {card['store']}",
        "",
        f"Exported by gmi_ros {card['software_version']}. Row k of every array below, and line k of `records.jsonl`,",
        "are of one grasp; images are shared, row `image[k]` is its own. {O} is the object's frame and a cell of an",
        f"image {WINDOW_M / SIZE * 1000:g} mm wide at the object's depth (docs/frames.md). All arrays are little-endian.",
        "",
        "    import json, numpy as np",
        '    load = lambda name: np.load(name + ".npy", mmap_mode="r", allow_pickle=False)',
        '    texts = [json.loads(line) for line in open("records.jsonl")]',
        '    k = np.flatnonzero(load("success") & (load("image") >= 0))',
        '    rgb, contacts = load("rgb")[load("image")[k]], load("contacts_reached")[k]',
        "",
        f"`records.jsonl` holds {', '.join(_TEXTS)}.",
        "",
        "| array | type | shape | |",
        "|---|---|---|---|",
    ]
    for name, told in card["arrays"].items():
        lines.append(f"| {name} | {np.dtype(told['dtype']).name} | {told['shape']} | {told['tells']} |")
    return "\n".join(lines) + "\n"
