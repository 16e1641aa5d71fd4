"""Simulated trials as records of the experience store, and back into pictures: the recipe of an observation."""

from functools import lru_cache

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import Observation
from gmi_ros.core.version import version
from gmi_ros.experience.episode import Episode
from gmi_ros.sim.camera import KINECT, Camera, render_observation
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.collect import OFF_APPROACH, TrialRecord, contacts_in_view
from gmi_ros.sim.objects import find_object

RECIPE_VERSION = 1


def episodes_of(record: TrialRecord, split: str) -> list[Episode]:
    """One episode per view of a trial."""
    found = []
    for index, view in enumerate(record.views):
        contacts, normals = contacts_in_view(record, view) or (None, None)
        camera_from_world = poses.inverse(view.camera.world_from_camera)
        found.append(
            Episode(
                source="simulation",
                success=record.result.success,
                camera_from_object=view.object_frame.camera_from_object,
                degenerate=view.object_frame.degenerate,
                split=split,
                class_name=record.object_name.rpartition("_")[0],
                object_name=record.object_name,
                trial_seed=record.trial_seed,
                view=index,
                recipe=_recipe(record, view.camera, view.object_frame.depth),
                contacts_reached=contacts,
                normals_reached=normals,
                joints=record.result.joints,
                camera_from_palm=camera_from_world @ record.plan.world_from_palm,
                reason="" if record.result.success else record.result.reason,
                judged_by="simulation",
                height_lifted=record.result.height_lifted,
                software_version=version(),
                camera="kinect_640x480",
            )
        )
    return found


def render_episode(episode: Episode) -> Observation:
    """The observation that a simulated episode was recorded with, rendered again from its recipe.

    Raises:
        GmiError: BAD_REQUEST for an episode without a recipe, or with one of another version.
    """
    recipe = episode.recipe
    if recipe is None or recipe.get("version") != RECIPE_VERSION:
        got = None if recipe is None else recipe.get("version")
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"{episode.outcome_id}: recipe version {RECIPE_VERSION} needed, got {got}"
        )
    cell = _cell(episode.object_name)
    cell.reset(_unpack(recipe["object"]))
    light, table, thing = (tuple(recipe[k]) for k in ("light", "table", "rgb"))
    camera = Camera(KINECT, _unpack(recipe["camera"]), np.array(light), table, thing)
    found = ObjectFrame(
        episode.camera_from_object.astype(float), episode.degenerate, np.nan, np.full(2, np.nan), recipe["depth"], 0, 1
    )
    return render_observation(cell.model, cell.data, camera, cell.object_body, found)


def grasp_in_view(trial: Episode, view: Episode) -> np.ndarray | None:
    """(18,) grasp of a simulated trial in the {O} of another view of the same scene; None where it is not to be seen
    from there, its approach being more than OFF_APPROACH from the view."""
    world_from_camera = _unpack(trial.recipe["camera"])
    other_from_world = poses.inverse(_unpack(view.recipe["camera"]))
    approach = (other_from_world @ world_from_camera @ trial.camera_from_palm.astype(float))[:3, 2]
    if approach[2] < np.cos(OFF_APPROACH):
        return None
    other_from_o = poses.inverse(view.camera_from_object.astype(float)) @ other_from_world @ world_from_camera
    other_from_o = other_from_o @ trial.camera_from_object.astype(float)
    contacts = poses.transform_points(other_from_o, trial.contacts_reached)
    normals = poses.rotate(other_from_o, trial.normals_reached)
    return np.concatenate([contacts, normals]).reshape(18).astype(np.float32)


@lru_cache(maxsize=256)
def _cell(name: str) -> Cell:
    return Cell(find_object(name), None)


def _recipe(record: TrialRecord, camera: Camera, depth: float) -> dict:
    return {
        "version": RECIPE_VERSION,
        "object": _pack(record.world_from_object),
        "camera": _pack(camera.world_from_camera),
        "light": _rounded(camera.to_light, 3),
        "table": _rounded(camera.table_rgb, 3),
        "rgb": _rounded(camera.object_rgb, 3),
        "depth": round(depth, 5),
    }


def _pack(pose: np.ndarray) -> list[float]:
    """Translation [m] and quaternion xyzw, to 1 um and 1e-6."""
    return _rounded(np.concatenate([pose[:3, 3], poses.to_xyzw(pose)]), 6)


def _unpack(numbers: list[float]) -> np.ndarray:
    return poses.from_xyzw(np.array(numbers[:3]), np.array(numbers[3:]))


def _rounded(values, digits: int) -> list[float]:
    return [round(float(v), digits) for v in values]
