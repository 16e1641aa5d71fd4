"""Pictures of a data set: all its objects, some of its grasps, and one trial from beginning to end."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gmi_ros.core import poses
from gmi_ros.core.frame import Intrinsics
from gmi_ros.hand.barrett import load_hand
from gmi_ros.report.draw import FINGER_COLOURS
from gmi_ros.sim.camera import Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.collect import Job, TrialOptions, TrialRecord, run_batch
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.splits import objects_of
from gmi_ros.sim.trial import run

SHEET_SPLITS = ("train", "similar", "different", "dev")
N_GRASPS = 20
_TILE = 112  # [px]
_COLUMNS = 18
_PORTRAIT_ZOOM, _CAMERA_ZOOM, _SIDE_ZOOM, _FILM_ZOOM = 3.0, 2.2, 1.7, 1.3  # focal length by the image's side
_LABEL = 12  # height of a line of text [px]
_INK = (230, 230, 230)
_PAPER = (24, 26, 30)


def write_pictures(folder: Path) -> None:
    """objects.png, grasps.png and trial.png; the same each time."""
    contact_sheet(SHEET_SPLITS).save(folder / "objects.png", optimize=True)
    records = first_successes(N_GRASPS)
    grasp_sheet(records).save(folder / "grasps.png", optimize=True)
    film_strip(records[0]).save(folder / "trial.png", optimize=True)


def contact_sheet(splits: tuple[str, ...]) -> Image.Image:
    """Every object of these splits, standing as modelled, at one scale, with its name."""
    rows: list[Image.Image] = []
    for split in splits:
        objects = objects_of(split)
        rows.append(_text_row(f"{split}: {len(objects)} objects", _COLUMNS * _TILE))
        for start in range(0, len(objects), _COLUMNS):
            tiles = [labelled(_portrait(model), model.name) for model in objects[start : start + _COLUMNS]]
            rows.append(_row(tiles, _COLUMNS * _TILE))
    return column(rows)


def first_successes(n: int) -> list[TrialRecord]:
    """The first trial that held of each of n training objects, one a class."""
    found: list[TrialRecord] = []
    for model in objects_of("train"):
        for number in range(20):
            records = run_batch(Job(model, number, 1, TrialOptions())).records
            held = next((r for r in records if r.result.success), None)
            if held is not None:
                found.append(held)
                break
        if len(found) == n:
            break
    return found


def grasp_sheet(records: list[TrialRecord]) -> Image.Image:
    """For each grasp the object as its camera saw it, with contacts and normals, and the closed hand from the side."""
    tiles = []
    for record in records:
        pair: list[Image.Image] = []

        def snapshot(phase: str, cell: Cell, record=record, pair=pair) -> None:
            if phase == "squeeze":
                pair.append(_with_contacts(cell, record))
                pair.append(_towards(cell, _level(cell, record), _SIDE_ZOOM))

        _again(record, snapshot)
        tiles.append(labelled(_row(pair, 4 * _TILE), record.object_name))
    return column([_row(tiles[i : i + 4], 16 * _TILE) for i in range(0, len(tiles), 4)])


def film_strip(record: TrialRecord) -> Image.Image:
    """One trial as each phase begins, and its end, from a camera that stands still."""
    frames: list[Image.Image] = []
    cameras: list[np.ndarray] = []

    def snapshot(phase: str, cell: Cell) -> None:
        cameras.append(_level(cell, record))
        frames.append(labelled(_towards(cell, cameras[0], _FILM_ZOOM), phase))

    _again(record, snapshot)
    return _row(frames, len(frames) * 2 * _TILE)


def _again(record: TrialRecord, snapshot) -> None:
    """Run a trial once more, and call snapshot(phase, cell) as each phase begins and when it is over."""
    cell = Cell(record.object_model, load_hand(), record.physics)
    cell.reset(record.world_from_object)
    run(cell, record.plan, on_phase=lambda phase: snapshot(phase, cell))
    snapshot("end", cell)


def _level(cell: Cell, record: TrialRecord) -> np.ndarray:
    """A camera beside the object, a little above it, that looks across the hand's closing direction."""
    across = record.plan.world_from_palm[:3, 0]
    centre = cell.object_bounds()[0] + [0, 0, 0.06]
    return look_at(centre, np.arctan2(across[1], across[0]), np.radians(12), 0.9)


def _with_contacts(cell: Cell, record: TrialRecord) -> Image.Image:
    """The object alone from the record's camera; each finger's contact a dot, its normal a line of 3 cm."""
    world_from_camera = record.views[0].camera.world_from_camera
    image = _towards(cell, world_from_camera, _CAMERA_ZOOM, hand=False)
    camera_from_object = poses.inverse(world_from_camera) @ record.world_from_object
    points = poses.transform_points(camera_from_object, record.result.contacts)
    ends = points + 0.03 * poses.rotate(camera_from_object, record.result.normals)
    ink, lens = ImageDraw.Draw(image), _lens(2 * _TILE, _CAMERA_ZOOM)
    for start, end, colour in zip(lens.project(points), lens.project(ends), FINGER_COLOURS, strict=True):
        ink.line([*start, *end], colour, 2)
        ink.ellipse([*(start - 4), *(start + 4)], colour)
    return image


def _towards(cell: Cell, world_from_camera: np.ndarray, zoom: float, hand: bool = True) -> Image.Image:
    size = 2 * _TILE
    frame = render(cell.model, cell.data, Camera(_lens(2 * size, zoom), world_from_camera), {}, hand=hand)
    return Image.fromarray(frame.rgb).resize((size, size), Image.Resampling.BOX)


def _lens(size: int, zoom: float) -> Intrinsics:
    """A square image of `size` pixels whose focal length is `zoom` times that."""
    return Intrinsics(size, size, size * zoom, size * zoom, size / 2 - 0.5, size / 2 - 0.5)


def _portrait(model: ObjectModel) -> Image.Image:
    cell = Cell(model, None)
    target = cell.object_bounds()[0]
    camera = Camera(_lens(2 * _TILE, _PORTRAIT_ZOOM), look_at(target, np.radians(-60), np.radians(30), 0.8))
    image = Image.fromarray(render(cell.model, cell.data, camera, {cell.object_body: 1}).rgb)
    return image.resize((_TILE, _TILE), Image.Resampling.BOX)


def labelled(image: Image.Image, text: str) -> Image.Image:
    """The image with a line of text below it."""
    page = Image.new("RGB", (image.width, image.height + _LABEL), _PAPER)
    page.paste(image, (0, 0))
    ImageDraw.Draw(page).text((2, image.height), text, _INK, ImageFont.load_default(10))
    return page


def _text_row(text: str, width: int) -> Image.Image:
    page = Image.new("RGB", (width, 2 * _LABEL), _PAPER)
    ImageDraw.Draw(page).text((4, 4), text, _INK, ImageFont.load_default(14))
    return page


def _row(images: list[Image.Image], width: int) -> Image.Image:
    page = Image.new("RGB", (width, images[0].height), _PAPER)
    left = 0
    for image in images:
        page.paste(image, (left, 0))
        left += image.width
    return page


def column(images: list[Image.Image]) -> Image.Image:
    """The images one below the other."""
    page = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), _PAPER)
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height
    return page
