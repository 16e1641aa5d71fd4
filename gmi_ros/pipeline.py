"""The one road from an observation to ranked grasps: node, demo, replay and evaluation all take it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import expit

from gmi_ros.core import poses
from gmi_ros.core.cloud import Table, clutter_points, fit_table, given_table, object_points
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.grasp import Grasp, WristStatus
from gmi_ros.core.mask_edge import mended
from gmi_ros.core.object_frame import ObjectFrame, object_frame
from gmi_ros.core.observation import Observation, observe
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.core.sieve import Bound, Check, Remedy, sift
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.descent import QUICK
from gmi_ros.hand.posture import clear_posture, tip_height
from gmi_ros.hand.wrist import solve_wrist
from gmi_ros.learning.calibration import Calibration, logits
from gmi_ros.learning.spec import HELD, SHARE, STEADY

if TYPE_CHECKING:  # torch is for the processes that run the network
    from gmi_ros.learning.model import GraspModel

_WEIGHTS = np.array([0.3, 0.3, 0.4])  # of the log odds of HELD, SHARE, STEADY (spec.JUDGEMENTS)
_STRIDE = 0x9E3779B97F4A7C15  # from the seed of one batch of samples to the next
STAGES = ("frame", "observe", "sample", "wrist", "filter_rank", "rehearse")


@dataclass(frozen=True)
class Synthesis:
    """Answer for one object of one frame.

    grasps: best first. rejected: samples by reason, in the order of the filters. stages_ms: milliseconds per stage.
    table: the plane under the object in the camera's frame, None where none was seen. remedy: where there is no grasp,
    what would let samples past the filter that took the last ones. unrehearsed: why rehearsals that were asked for could
    not be made, so that the grasps are ranked by the evaluator alone.
    """

    observation: Observation
    object_frame: ObjectFrame
    table: Table | None
    grasps: list[Grasp]
    rejected: dict[str, int]
    stages_ms: dict[str, float]
    n_samples: int
    seed: int
    model_hash: str
    observation_id: str
    remedy: Remedy | None = None
    unrehearsed: str = ""

    @property
    def error_code(self) -> ErrorCode:
        """OK, or NO_GRASP where every sample was rejected."""
        return ErrorCode.OK if self.grasps else ErrorCode.NO_GRASP

    @property
    def message(self) -> str:
        """One sentence: how many grasps, and what became of the others."""
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items() if count) or "none"
        told = f"{len(self.grasps)} grasps from {self.n_samples} samples; rejected: {reasons}"
        trials = sum(len(grasp.rehearsed) for grasp in self.grasps)
        told += f"; {trials} rehearsal{'s' * (trials > 1)} of these" if trials else ""
        told += f"; not rehearsed: {self.unrehearsed}" if self.unrehearsed else ""
        return told if self.remedy is None else f"{told}; {self.remedy.sentence}"


def synthesize(
    frame: Frame,
    model: "GraspModel",
    hand: BarrettHand,
    settings: SynthesisSettings = SynthesisSettings(),
    seed: int = 1,
    label: int = 0,
    output_from_camera: np.ndarray | None = None,
) -> Synthesis:
    """Grasps for one object of a frame: object frame, observation, samples, Eq. 7, filters, ranking, rehearsal.

    Where an evaluator doubts even the best (settings.sure_score), more samples are drawn, settings.max_batches times
    n_samples at most. Where it ranks and a table is seen, the best are tried in simulation (sim.rehearsal),
    settings.rehearsals times at most and until one is believed in (settings.sure_at_once), and ranked again by what came
    of that. Where none of them is believed in enough then (settings.sure_rehearsed), more are drawn and rehearsed,
    settings.max_redraws times at most. The same frame, model, settings and seed give the same grasps to the bit.

    Args:
        label: of the object in the mask; 0 = the largest.
        output_from_camera: (4, 4) to the frame of workspace, approach axis and table plane; None = the camera's.

    Raises:
        GmiError: the refusals of `object_frame()`; BAD_SETTING for rehearsals without mujoco; WEIGHTS_MISSING or
            WEIGHTS_DAMAGED where the network of hidden sides is.
    """
    stages: dict[str, float] = {}
    with _timed(stages, "frame"):
        found = object_frame(frame, label, settings)
        output_from_camera = np.eye(4) if output_from_camera is None else output_from_camera
        given = any(settings.table_plane)
        table = given_table(settings.table_plane, output_from_camera) if given else fit_table(frame, found)
        whole = mended(frame, found, table, settings.mask_reach_px)
        if whole is not frame and whole.areas[found.label] >= settings.min_mask_pixels:
            frame, found = whole, object_frame(whole, found.label, settings)
        cloud = object_points(frame, found)
        surface = cKDTree(cloud)
        obstacles = np.concatenate([cloud, clutter_points(frame, found, table, surface)])
    with _timed(stages, "observe"):
        observation = observe(frame, found)
    observation_id = f"{frame.stamp_ns:x}-{found.label}-{observation.digest}"
    scene = _Scene(observation, table, surface, obstacles, output_from_camera, observation_id)
    with ThreadPoolExecutor(1) as beside:  # while samples are drawn, what they are rehearsed on is made
        wanted = settings.rehearsals and model.evaluator is not None
        seen = frame, found, table
        making = beside.submit(_Rehearsals, *seen, hand, settings, model.evaluator.trust) if wanted else None
        answer = _drawn(scene, model, hand, settings, seed, stages)
        for batch in range(1, settings.max_batches):
            sure = max(settings.sure_score, settings.min_score)
            if model.evaluator is None or (answer.grasps and answer.grasps[0].score >= sure):
                break
            more = _drawn(scene, model, hand, settings, (seed + batch * _STRIDE) % 2**63, stages)
            answer = _together(answer, more)
        with _timed(stages, "rehearse"):
            rehearsals = making.result() if making is not None and answer.grasps else None
            answer = answer if rehearsals is None else rehearsals.ranked(answer)
    for batch in range(settings.max_batches, settings.max_batches + settings.max_redraws):
        sure = max(settings.sure_rehearsed, settings.min_score)
        if rehearsals is None or answer.unrehearsed or answer.grasps[0].score >= sure:
            break
        more = _drawn(scene, model, hand, settings, (seed + batch * _STRIDE) % 2**63, stages)
        with _timed(stages, "rehearse"):
            answer = rehearsals.ranked(_together(answer, more))
    return _best(answer, settings)


@dataclass(frozen=True)
class _Scene:
    """What is made of a frame once, whatever is sampled. obstacles: (m, 3) [m] observed points, camera's frame."""

    observation: Observation
    table: Table | None
    surface: cKDTree
    obstacles: np.ndarray
    output_from_camera: np.ndarray
    observation_id: str


def _best(answer: Synthesis, settings: SynthesisSettings) -> Synthesis:
    """The best of the grasps, whose scores are high enough, and at most as many as wanted."""
    found = sift([_at_least("score", np.array([grasp.score for grasp in answer.grasps]), "min_score")], settings)
    kept = [answer.grasps[i] for i in found.kept[: settings.max_grasps]]
    rejected = answer.rejected | found.rejected
    return replace(answer, grasps=kept, rejected=rejected, remedy=answer.remedy or found.remedy)


def _together(first: Synthesis, second: Synthesis) -> Synthesis:
    """Two answers of one scene as one; a remedy only where neither has a grasp."""
    ranked = sorted([*first.grasps, *second.grasps], key=lambda grasp: -grasp.score)
    rejected = {reason: count + second.rejected[reason] for reason, count in first.rejected.items()}
    remedy = None if ranked else second.remedy or first.remedy
    n_samples = first.n_samples + second.n_samples
    return replace(first, grasps=ranked, rejected=rejected, n_samples=n_samples, remedy=remedy)


def prepare_rehearsals() -> None:
    """Load what rehearsals need, which takes a second that the first answer need not wait for.

    Raises:
        GmiError: BAD_SETTING without mujoco; WEIGHTS_MISSING or WEIGHTS_DAMAGED.
    """
    try:
        import gmi_ros.sim.rehearsal  # noqa: F401
    except ModuleNotFoundError as error:
        message = f"rehearsals need the package {error.name!r}: pip install {error.name}, or set rehearsals to 0"
        raise GmiError(ErrorCode.BAD_SETTING, message) from error
    from gmi_ros.learning.checkpoint import hidden_side

    hidden_side()


class _Rehearsals:
    """Trials in simulation of the grasps of one frame. What was tried once is not tried again."""

    def __init__(
        self, frame: Frame, found: ObjectFrame, table: Table | None, hand: BarrettHand, settings: SynthesisSettings,
        trust: Calibration,
    ):  # fmt: skip
        """trust: in the evaluator's score. Raises GmiError as `prepare_rehearsals`."""
        self._hand, self._settings, self._trust, self._unable = hand, settings, trust, ""
        self._prior: dict[str, float] = {}  # log odds of the evaluator's score, as it is trusted, by grasp_id
        if table is None:
            self._unable = "no table is seen under the object"
            return
        prepare_rehearsals()
        from gmi_ros.learning.checkpoint import hidden_side
        from gmi_ros.sim.reconstruction import world_from_camera
        from gmi_ros.sim.rehearsal import KINDS, Stage

        solid = hidden_side()(frame, found, table.seen_from(found.camera_from_object))
        self._stage, self._world = Stage(frame, found, table, solid, hand), world_from_camera(table, found)
        try:
            self._stage.set_up(KINDS[0])
        except GmiError as error:
            self._unable = _unable(error)

    def ranked(self, answer: Synthesis) -> Synthesis:
        """The same grasps, ranked by what trials told too, of these grasps and before."""
        if self._unable:
            return replace(answer, unrehearsed=self._unable)
        from gmi_ros.sim.rehearsal import rehearse
        from gmi_ros.sim.trial import plan_of

        plans = [plan_of(grasp, self._world, self._hand) for grasp in answer.grasps]
        for grasp in answer.grasps:
            self._prior.setdefault(grasp.grasp_id, float(logits(self._trust(np.array([grasp.score])))[0]))
        prior = np.array([self._prior[grasp.grasp_id] for grasp in answer.grasps])
        sure, at_once = logits(np.array([self._settings.sure_rehearsed, self._settings.sure_at_once])).tolist()
        before = [grasp.rehearsed for grasp in answer.grasps]
        try:
            told = rehearse(self._stage, plans, prior, self._settings.rehearsals, sure, at_once, before)
        except GmiError as error:
            return replace(answer, unrehearsed=_unable(error))
        belief = expit(told.log_odds)
        grasps = [
            replace(
                answer.grasps[i], hold_probability=float(belief[i]), score=float(belief[i]), rehearsed=told.outcomes[i]
            )
            for i in np.argsort(-told.log_odds, kind="stable")
        ]
        return replace(answer, grasps=grasps)


def _unable(error: GmiError) -> str:
    """Why an object cannot be rehearsed on; any other error goes on."""
    if error.code != ErrorCode.NO_VALID_DEPTH:
        raise error
    return error.message


def _drawn(
    scene: _Scene,
    model: "GraspModel",
    hand: BarrettHand,
    settings: SynthesisSettings,
    seed: int,
    stages: dict[str, float],
) -> Synthesis:
    """The answer from one batch of samples."""
    observation, table = scene.observation, scene.table
    found, output_from_camera = observation.object_frame, scene.output_from_camera
    with _timed(stages, "sample"):
        samples = model.sample(observation.image, settings.n_samples, seed)
    with _timed(stages, "wrist"):
        centres = samples.contacts + hand.touch.radius * samples.normals  # (n, 3, 3) of the rounded fingertips
        wrist = solve_wrist(
            hand.touching,
            centres,
            samples.normals,
            settings.normal_weight,
            max_residual=settings.max_residual,
            effort=QUICK,
        )
    with _timed(stages, "filter_rank"):
        camera_from_palm = found.camera_from_object @ wrist.frame_from_palm  # (n, 4, 4)
        residual = wrist.residual.max(axis=1)  # (n,) [m]
        contacts = poses.transform_points(found.camera_from_object, samples.contacts)  # (n, 3, 3)
        lowest = tip_height(hand, camera_from_palm, wrist.joints, table)  # (n,) [m]
        if table is not None:
            lowest = np.minimum(lowest, table.height(contacts).min(axis=1))
        off_surface = np.median(scene.surface.query(contacts)[0], axis=1)  # (n,) [m]
        contacts = poses.transform_points(output_from_camera, contacts)
        separation = np.linalg.norm(contacts[:, [0, 0, 1]] - contacts[:, [1, 2, 2]], axis=2)  # (n, 3)
        approach = camera_from_palm[:, :3, 2] @ _wanted_approach(settings.approach_axis, output_from_camera)  # (n,)
        first = sift(
            [
                _at_most("unreachable", residual, "max_residual"),
                _at_most("spread", wrist.joints[:, 0], "max_spread"),
                _at_most("off_surface", off_surface, "max_surface_distance"),
                _at_least("contacts_too_close", separation.min(axis=1), "min_contact_separation"),
                _at_most("contacts_too_far_apart", separation.max(axis=1), "max_contact_separation"),
                Check(
                    "workspace",
                    (
                        Bound(contacts.min(axis=1), "workspace_low", at_most=False),
                        Bound(contacts.max(axis=1), "workspace_high", at_most=True),
                    ),
                ),
                _at_most("approach_angle", np.arccos(np.clip(approach, -1.0, 1.0)), "max_approach_angle"),
                _at_least("fingertip_below_table", lowest, "table_clearance"),
            ],
            settings,
        )
        # What needs the distances to the cloud, for those alone that have come so far.
        left = first.kept
        posture = clear_posture(hand, camera_from_palm[left], wrist.joints[left], scene.obstacles, table, settings)
        second = sift(
            [
                _at_least("hand_below_table", posture.hand_height, "table_clearance"),
                _at_least("palm_in_cloud", posture.palm_gap, "palm_clearance"),
                _at_least("fingers_in_cloud", posture.finger_gap, "finger_clearance"),
            ],
            settings,
        )
        rows = second.kept  # of left
        free = left[rows]  # of the samples
        if model.evaluator is None:
            hold, log_density = np.full(len(free), np.nan), samples.log_density(free)
            score = settings.density_weight * log_density - settings.residual_weight * residual[free]
        else:
            log_density = np.full(len(free), np.nan)
            fingers = wrist.frame_from_palm[free, None] @ hand.knuckle_frames(wrist.joints[free])  # (k, 3, 4, 4)
            distance = float(found.camera_from_object[2, 3])
            plane = None if table is None else table.seen_from(found.camera_from_object)
            planned = np.concatenate([samples.contacts[free], samples.normals[free]], axis=-1)
            told = model.evaluator.probabilities(observation.image, distance, plane, fingers, planned)
            hold, score = ranking(told, model.evaluator.calibration)
        best = np.argsort(-score, kind="stable")
        grasps = [
            Grasp(
                grasp_id=f"{scene.observation_id}-{seed:x}-{i}",
                label=found.label,
                contacts=samples.contacts[i],
                normals=samples.normals[i],
                camera_from_palm=camera_from_palm[i],
                camera_from_pregrasp=_back_off(camera_from_palm[i], settings.approach_distance),
                joints=wrist.joints[i],
                joints_open=posture.joints_open[row],
                finger_start=posture.finger_start[row],
                finger_speed=posture.finger_speed[row],
                residual=wrist.residual[i],
                status=WristStatus(int(wrist.status[i])),
                log_density=float(log_density[k]),
                hold_probability=float(hold[k]),
                score=float(score[k]),
            )
            for k, row, i in ((int(k), int(rows[k]), int(free[k])) for k in best)
        ]
    return Synthesis(
        observation,
        found,
        table,
        grasps,
        first.rejected | second.rejected,
        stages,
        settings.n_samples,
        seed,
        model.hash,
        scene.observation_id,
        second.remedy or first.remedy,
    )


def ranking(probabilities: np.ndarray, calibrated: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """The probability (n,) that each grasp holds, and the score (n,) that it is ranked by, of an evaluator's answer (n, k).

    As planned and with an error of the wrist count half and half, since a grasp that forgives is the better one. Where the
    evaluator also tells that the closing hand hardly turns the object, the score is the mean of the log odds, two fifths of
    them of that, as a probability (docs/grasping.md, "In balance").
    """
    hold = calibrated(probabilities[:, HELD])
    if probabilities.shape[1] <= STEADY:
        return hold, probabilities[:, [HELD, SHARE]].mean(axis=1)
    return hold, expit(logits(probabilities) @ _WEIGHTS)


def _wanted_approach(axis: tuple[float, ...], output_from_camera: np.ndarray) -> np.ndarray:
    """The unit direction (3,) in the camera's frame that an approach is compared with."""
    length = np.linalg.norm(axis)
    return np.array([0.0, 0.0, 1.0]) if length == 0 else np.asarray(axis) / length @ output_from_camera[:3, :3]


def _at_most(reason: str, measured: np.ndarray, setting: str) -> Check:
    return Check(reason, (Bound(measured, setting, at_most=True),))


def _at_least(reason: str, measured: np.ndarray, setting: str) -> Check:
    return Check(reason, (Bound(measured, setting, at_most=False),))


def _back_off(camera_from_palm: np.ndarray, distance: float) -> np.ndarray:
    """The pre-grasp: the same orientation, `distance` [m] back along the palm's normal."""
    pregrasp = camera_from_palm.copy()
    pregrasp[:3, 3] -= distance * camera_from_palm[:3, 2]
    return pregrasp


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + (time.perf_counter() - start) * 1e3
