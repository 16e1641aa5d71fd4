"""What an evaluator learns from: the trials of experience stores in which the hand came to close, held or not."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.dataset import refuse_tests, scenes, some
from gmi_ros.evaluation.images import images_of
from gmi_ros.evaluation.recipes import camera_of
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.judged import JudgedData
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocols import STRICT_TURNED
from gmi_ros.sim.trial import CANCELLED, COLLIDED, DIVERGED

PERSON = "person"  # whose verdict counts, whatever else happened
_TURN_SPREAD = np.radians(3)  # [rad] by which the bound of 15 degrees is softened; chosen, not measured
_CODES = (
    ErrorCode.EXECUTION_FAILED,
    ErrorCode.EXECUTION_TIMEOUT,
    ErrorCode.ACTION_SERVER_LOST,
    ErrorCode.GOAL_REJECTED,
)
_BROKEN_OFF = (DIVERGED, CANCELLED, *(code.name.lower() for code in _CODES))  # says nothing of the grasp


def load_judged(
    stores: Iterable[Path],
    workers: int = 2,
    progress: bool = True,
    meshes: Sequence[ObjectModel] = (),
    held_out: bool = False,
    cache: Path | None = None,
    most_images: int = 0,
    keep: Callable[[Episode], bool] = lambda episode: True,
) -> JudgedData:
    """The trials of these stores that came to close the hand, and own grasps that did not because something was in the way,
    which no filter saw.

    A random candidate that held is recorded as seen along its approach, one that failed as seen from anywhere: whoever
    learned from those views would learn the views. So all candidates of one resting pose are seen from where its failures
    are, and by the further cameras of more_views, where the stores have those; poses without any such view are left out.
    Grasps that were made for a view are seen in that one.

    Args: as dataset.load_grasp_data. most_images: take the trials of so many images, drawn from all; 0: of all.
        keep: which of the records.

    Raises:
        GmiError: as load_grasp_data.
    """
    episodes = [e for path in stores for e in _closings(Path(path)) if keep(e)]
    refuse_tests(episodes, held_out)
    judged = [pair for scene in scenes(episodes) for pair in _candidates(scene)]
    judged += [(e, e, np.eye(4)) for e in episodes if e.model_hash or e.recipe is None]
    if not judged:
        raise GmiError(
            ErrorCode.BAD_REQUEST, "the stores hold no trial in which the hand closed: nothing to learn from"
        )
    views = some({view.observation_id: view for view, _, _ in judged}, most_images)
    judged = [pair for pair in judged if pair[0].observation_id in views]
    views = list(views.values())
    number = {view.observation_id: i for i, view in enumerate(views)}
    joints = np.array([e.joints for _, e, _ in judged], float)
    o_from_palm = np.stack([_o_from_palm(view, e, view_from_own) for view, e, view_from_own in judged])
    fingers = o_from_palm[:, None] @ load_hand().knuckle_frames(joints)  # (n, 3, 4, 4)
    _, object_id = np.unique([e.object_name for _, e, _ in judged], return_inverse=True)
    image_index = np.array([number[view.observation_id] for view, _, _ in judged])
    return JudgedData(
        **images_of(views, {m.name: m for m in meshes}, workers, progress, cache),
        table=np.stack([_table(view) for view in views]).astype(np.float32),
        distance=np.array([view.camera_from_object[2, 3] for view in views], np.float32),
        image_index=image_index,
        fingers=fingers[:, :, :3].astype(np.float32),
        planned=np.stack([_planned(e) for _, e, _ in judged]),
        held=np.array([e.success for _, e, _ in judged]),
        share=_known(e.hold_share for _, e, _ in judged),
        steady=_steady(_known(e.closing_turn for _, e, _ in judged)),
        object_id=object_id,
        scene_id=image_index,
    )


def _known(numbers: Iterable[float | None]) -> np.ndarray:
    """(n,) float32, NaN where there is none."""
    return np.array([np.nan if number is None else number for number in numbers], np.float32)


def _planned(episode: Episode) -> np.ndarray:
    """(3, 6) contacts and normals that were asked for, in the {O} of the episode's own view; NaN without."""
    if episode.contacts_predicted is None:
        return np.full((3, 6), np.nan, np.float32)
    return np.hstack([episode.contacts_predicted, episode.normals_predicted]).astype(np.float32)


def _steady(turn: np.ndarray) -> np.ndarray:
    """(n,) the probability that an object which the hand turned by `turn` (n,) [rad] stays in the bounds of `strict`."""
    return expit((STRICT_TURNED - turn) / _TURN_SPREAD).astype(np.float32)


def _closings(path: Path) -> list[Episode]:
    """The episodes of a store of which we know where the hand closed, or would have closed."""
    with Store(path) as store:
        return [
            e
            for e in store.episodes()
            if e.judged_by == PERSON
            or e.reason not in (_BROKEN_OFF if e.model_hash else (*_BROKEN_OFF, COLLIDED))
            and e.joints is not None
            and e.camera_from_palm is not None
            and not e.observation_missing
        ]


def _candidates(scene: list[Episode]) -> list[tuple[Episode, Episode, np.ndarray]]:
    """The random candidates of a resting pose: the view, the trial, and the view's camera from the trial's (4, 4)."""
    scene = [e for e in scene if not e.model_hash]
    views = {e.observation_id: e for e in scene if e.view or e.observation_id != e.outcome_id}
    found = []
    for view in views.values():
        camera_from_world = poses.inverse(camera_of(view).world_from_camera)
        found += [(view, e, camera_from_world @ camera_of(e).world_from_camera) for e in scene if e.view == 0]
    return found


def _table(view: Episode) -> np.ndarray:
    """(4,) normal and offset in {O} of a simulation's table, which is z = 0 of the world."""
    if view.recipe is None:
        return np.full(4, np.nan)
    world_from_o = camera_of(view).world_from_camera @ view.camera_from_object.astype(float)
    return np.append(world_from_o[2, :3], -world_from_o[2, 3])


def _o_from_palm(view: Episode, episode: Episode, view_from_own: np.ndarray) -> np.ndarray:
    return poses.inverse(view.camera_from_object.astype(float)) @ view_from_own @ episode.camera_from_palm.astype(float)
