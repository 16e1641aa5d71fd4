"""Simulated trials as records of the experience store, and back into pictures: the recipe of an observation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import Observation
from gmi_ros.core.version import version
from gmi_ros.experience.episode import Episode
from gmi_ros.sim.camera import KINECT, Camera, render_observation
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.collect import CANDIDATES, TrialRecord, View, contacts_in_view
from gmi_ros.sim.geometry import digest
from gmi_ros.sim.objects import ObjectModel, find_object
from gmi_ros.sim.scene import Physics

RECIPE_VERSION = 2
MESHES = "meshes"  # the split of a user's own objects
_CELLS_KEPT = 64  # of the objects looked at last


def episodes_of(record: TrialRecord, split: str) -> list[Episode]:
    """One episode per view of a trial; the failures of a batch share their observation."""
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
                class_name=record.object_model.class_name,
                object_name=record.object_name,
                trial_seed=record.trial_seed,
                observation_id="" if record.result.success else _scene_id(record, split),
                view=index,
                recipe=_recipe(record, view, split),
                contacts_reached=contacts,
                normals_reached=normals,
                joints=record.result.joints,
                camera_from_palm=camera_from_world @ record.plan.world_from_palm,
                reason=record.result.reason,
                judged_by="simulation",
                height_lifted=record.result.height_lifted,
                software_version=version(),
                camera="kinect_640x480",
            )
        )
    return found


def _scene_id(record: TrialRecord, split: str) -> str:
    return f"{split}/{record.object_name}/{record.trial_seed // CANDIDATES * CANDIDATES}/scene"


def render_episode(episode: Episode, objects: Mapping[str, ObjectModel] = MappingProxyType({})) -> Observation:
    """The observation that a simulated episode was recorded with, rendered again from its recipe.

    Args:
        objects: by name, those that are not the package's: a user's meshes.

    Raises:
        GmiError: BAD_REQUEST for an episode without a recipe, with one of another version, or of an object that is not
            known or is not the one that was recorded.
    """
    depth = _recipe_of(episode)["depth"]
    cell = bare_cell(object_of(episode, objects))
    cell.reset(resting_pose(episode))
    found = ObjectFrame(
        episode.camera_from_object.astype(float), episode.degenerate, np.nan, np.full(2, np.nan), depth, 0, 1
    )
    return render_observation(cell.model, cell.data, camera_of(episode), cell.object_body, found)


def resting_pose(episode: Episode) -> np.ndarray:
    """(4, 4) of a simulated episode's object in the world before the grasp. Raises as render_episode."""
    return _unpack(_recipe_of(episode)["object"])


def camera_of(episode: Episode) -> Camera:
    """The camera that a simulated episode was seen by. Raises as render_episode."""
    recipe = _recipe_of(episode)
    return Camera(KINECT, _unpack(recipe["camera"]), recipe["look"], recipe.get("noise"))


def _recipe_of(episode: Episode) -> dict:
    recipe = episode.recipe
    if recipe is None or recipe.get("version") != RECIPE_VERSION:
        got = None if recipe is None else recipe.get("version")
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"{episode.outcome_id}: recipe version {RECIPE_VERSION} needed, got {got}"
        )
    missing = [name for name in ("object", "camera", "look", "depth") if name not in recipe]
    if missing:
        raise GmiError(ErrorCode.BAD_REQUEST, f"{episode.outcome_id}: its recipe lacks {', '.join(missing)}")
    return recipe


def object_of(episode: Episode, objects: Mapping[str, ObjectModel] = MappingProxyType({})) -> ObjectModel:
    """The object of a simulated episode. Raises as render_episode."""
    model = objects.get(episode.object_name)
    if model is None and episode.split == MESHES:
        told = f"{episode.object_name} is a mesh of your own: name the folder that it was collected from (--meshes DIR)"
        raise GmiError(ErrorCode.BAD_REQUEST, f"{episode.outcome_id}: {told}")
    model = model or find_object(episode.object_name)
    if episode.recipe.get("digest", digest(model)) != digest(model):
        raise GmiError(ErrorCode.BAD_REQUEST, f"{episode.outcome_id}: {model.name} is not the mesh that was recorded")
    return model


def in_another_view(episode: Episode, view: View, number: int) -> Episode:
    """The same simulated trial as view `number` of it, 1 or more: another camera, another {O}."""
    world_from_camera = camera_of(episode).world_from_camera
    o_from_old = poses.inverse(view.camera.world_from_camera @ view.object_frame.camera_from_object) @ (
        world_from_camera @ episode.camera_from_object.astype(float)
    )
    seen = {"camera": _pack(view.camera.world_from_camera), "look": view.camera.look}
    seen |= {"depth": float(np.float32(view.object_frame.depth))}
    seen |= {} if view.camera.noise is None else {"noise": view.camera.noise}
    return replace(
        episode,
        outcome_id="",
        grasp_id="",
        observation_id="",
        view=number,
        recipe={name: value for name, value in episode.recipe.items() if name != "noise"} | seen,
        camera_from_object=view.object_frame.camera_from_object,
        degenerate=view.object_frame.degenerate,
        contacts_reached=poses.transform_points(o_from_old, episode.contacts_reached.astype(float)),
        normals_reached=poses.rotate(o_from_old, episode.normals_reached.astype(float)),
        camera_from_palm=poses.inverse(view.camera.world_from_camera)
        @ world_from_camera
        @ episode.camera_from_palm.astype(float),
    )


def grasps_in_views(scene: Sequence[Episode], within: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every simulated grasp in every view of one object at rest in one pose, where it approaches `within` [rad] of it.

    Returns:
        Index of the view's episode (n,), of the grasp's (n,), and the grasps (n, 18) float32 in the views' {O}.
    """
    world_from_camera = np.stack([_unpack(e.recipe["camera"]) for e in scene])  # (k, 4, 4)
    world_from_o = world_from_camera @ np.stack([e.camera_from_object for e in scene]).astype(float)
    approach = (world_from_camera @ np.stack([e.camera_from_palm for e in scene]).astype(float))[:, :3, 2]
    views, trials = np.nonzero(world_from_camera[:, :3, 2] @ approach.T >= np.cos(within))
    o_from_o = np.linalg.inv(world_from_o)[views] @ world_from_o[trials]  # (n, 4, 4)
    contacts = poses.transform_points(o_from_o, np.stack([e.contacts_reached for e in scene]).astype(float)[trials])
    normals = poses.rotate(o_from_o, np.stack([e.normals_reached for e in scene]).astype(float)[trials])
    return views, trials, np.stack([contacts, normals], axis=1).reshape(-1, 18).astype(np.float32)


_cells: dict[str, Cell] = {}  # of this process, the one used last at the end


def bare_cell(model: ObjectModel) -> Cell:
    """A cell with this object and without a hand, to look at. This process keeps the last ones: each takes 15 MB."""
    key = digest(model)
    _cells[key] = cell = _cells.pop(key, None) or Cell(model, None)
    while len(_cells) > _CELLS_KEPT:
        del _cells[next(iter(_cells))]
    return cell


def _recipe(record: TrialRecord, view: View, split: str) -> dict:
    """Numbers that are float32 already, so that they are stored in four bytes and none is lost."""
    physics = {"mass": record.physics.mass, "friction": record.physics.friction}
    usual = asdict(Physics())
    return {
        "version": RECIPE_VERSION,
        "object": _pack(record.world_from_object),
        "camera": _pack(view.camera.world_from_camera),
        "look": view.camera.look,
        "depth": float(np.float32(view.object_frame.depth)),
        **{name: value for name, value in physics.items() if value != usual[name]},
        **({} if view.camera.noise is None else {"noise": view.camera.noise}),
        **({"digest": digest(record.object_model)} if split == MESHES else {}),
    }


def _pack(pose: np.ndarray) -> list[float]:
    """Translation [m] and quaternion xyzw; exact for the poses that scenario.storable gives."""
    return np.concatenate([pose[:3, 3], poses.to_xyzw(pose)]).astype(np.float32).tolist()


def _unpack(numbers: list[float]) -> np.ndarray:
    return poses.from_xyzw(np.array(numbers[:3]), np.array(numbers[3:]))
