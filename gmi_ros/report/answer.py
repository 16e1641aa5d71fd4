"""An answer of the pipeline as plain data, for JSON: lengths [m], angles [rad], contacts and normals in {O}."""

import numpy as np

from gmi_ros.core.errors import GmiError
from gmi_ros.core.grasp import Grasp
from gmi_ros.core.sieve import Remedy
from gmi_ros.pipeline import Synthesis


def grasp_data(grasp: Grasp) -> dict:
    """One grasp. Poses are camera_from_palm; what is not said in {O} or {P} is in the camera's optical frame."""
    return {
        "grasp_id": grasp.grasp_id,
        "contacts": grasp.contacts.tolist(),
        "normals": grasp.normals.tolist(),
        "wrist_pose": grasp.camera_from_palm.tolist(),
        "pregrasp_wrist_pose": grasp.camera_from_pregrasp.tolist(),
        "joints": grasp.joints.tolist(),
        "joints_open": grasp.joints_open.tolist(),
        "finger_start": grasp.finger_start.tolist(),
        "finger_speed": grasp.finger_speed.tolist(),
        "residual_m": grasp.residual.tolist(),
        "status": grasp.status.name.lower(),
        "log_density": _known(grasp.log_density),
        "hold_probability": _known(grasp.hold_probability),
        "score": float(grasp.score),
        "rehearsed": list(grasp.rehearsed),
    }


def _known(number: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(number) else float(number)


def answer_data(synthesis: Synthesis) -> dict:
    """All of an answer but for the times that it took: the same for the same frame, model, settings and seed."""
    found = synthesis.object_frame
    return {
        "error_code": int(synthesis.error_code),
        "message": synthesis.message,
        "seed": synthesis.seed,
        "grasps": [grasp_data(grasp) for grasp in synthesis.grasps],
        "object_frame": {
            "pose": found.camera_from_object.tolist(),
            "degenerate": bool(found.degenerate),
            "label": int(found.label),
            "n_pixels": int(found.n_pixels),
        },
        "n_sampled": synthesis.n_samples,
        "rejected": dict(synthesis.rejected),
        "remedy": _remedy_data(synthesis.remedy),
        "model_hash": synthesis.model_hash,
        "observation_id": synthesis.observation_id,
    }


def _remedy_data(remedy: Remedy | None) -> dict | None:
    """What would let some samples pass, where every one was rejected: settings by name and the values to give them."""
    if remedy is None:
        return None
    changes = {name: list(value) if isinstance(value, tuple) else value for name, value in remedy.changes.items()}
    return {"reason": remedy.reason, "fell": remedy.fell, "changes": changes, "passing": remedy.passing}


def refusal_data(error: GmiError, seed: int) -> dict:
    """The same keys where there is no answer."""
    return {
        "error_code": int(error.code),
        "error": error.code.name,
        "message": error.message,
        "seed": seed,
        "grasps": [],
        "object_frame": None,
    }
