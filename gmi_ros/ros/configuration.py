"""What grasp_synthesizer works with once it is configured: hand, weights, motion, transforms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rclpy.node import Node

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand, load_hand
from gmi_ros.learning.checkpoint import GraspModel, load
from gmi_ros.pipeline import prepare_rehearsals
from gmi_ros.ros.convert import Motion
from gmi_ros.ros.settings import NO_POSE, NodeSettings, pose_of
from gmi_ros.ros.transforms import Transforms


@dataclass(frozen=True)
class Configuration:
    """Made by `configure`, let go of by cleaning up. folder: of the weights."""

    hand: BarrettHand
    model: GraspModel
    folder: Path
    transforms: Transforms

    def close(self) -> None:
        """Stop listening to transforms."""
        self.transforms.close()


def make_configuration(node: Node, settings: NodeSettings, synthesis: SynthesisSettings) -> Configuration:
    """Load hand and weights, try the weights once, and begin to listen to transforms.

    Raises:
        GmiError: WEIGHTS_MISSING, WEIGHTS_DAMAGED, BAD_SETTING.
    """
    given = None if settings.camera_pose == NO_POSE else pose_of("camera_pose", settings.camera_pose)
    torch.set_num_threads(synthesis.inference_threads)
    weights = load_weights(settings, synthesis)
    if synthesis.rehearsals and weights.model.evaluator is not None:
        prepare_rehearsals()
    transforms = Transforms(node, settings.target_frame, given)
    return Configuration(load_hand(settings.hand), weights.model, weights.folder, transforms)


@dataclass(frozen=True)
class Weights:
    """Loaded and tried. folder: where they are from."""

    model: GraspModel
    folder: Path


def folder_of(settings: NodeSettings) -> Path:
    """Where the settings have the weights loaded from. Raises GmiError WEIGHTS_MISSING where the package has none."""
    return Path(settings.model).expanduser() if settings.model else _shipped_model()


def load_weights(settings: NodeSettings, synthesis: SynthesisSettings) -> Weights:
    """Load the weights and try them once.

    Raises:
        GmiError: WEIGHTS_MISSING, WEIGHTS_DAMAGED, BAD_SETTING.
    """
    folder = folder_of(settings)
    model = load(folder, settings.device)
    # The first call takes longer than all that follow, and would find out about weights that do not fit.
    model.sample(np.zeros((64, 64, 5), np.float32), synthesis.n_samples, 1)
    return Weights(model, folder)


def bounded_motion(settings: NodeSettings, hand: BarrettHand) -> Motion:
    """What every goal carries, once it is within the hand's own limits.

    Raises:
        GmiError: BAD_SETTING naming the parameter, its value and the hand's bound.
    """
    bounds = {
        "tip_force_limit": (hand.active_tip_force, "N"),
        "finger_speed_limit": (float(hand.max_speed[1:].min()), "rad/s"),
        "spread_speed": (float(hand.max_speed[0]), "rad/s"),
    }
    for name, (bound, unit) in bounds.items():
        if getattr(settings, name) > bound:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"{name} must be at most {bound} {unit} for the {hand.name}, got {getattr(settings, name)}",
            )
    return Motion(
        hand=hand.name,
        hand_mount_from_palm=pose_of("hand_mount_from_palm", settings.hand_mount_from_palm),
        tip_force_limit=settings.tip_force_limit,
        finger_speed_limit=settings.finger_speed_limit,
        spread_speed=settings.spread_speed,
        approach_speed=settings.approach_speed,
        lift_speed=settings.lift_speed,
        lift_height=settings.lift_height,
    )


def _shipped_model() -> Path:
    try:
        return resource(SHIPPED)
    except GmiError as error:
        raise GmiError(ErrorCode.WEIGHTS_MISSING, f"the package has no weights: {error.message}") from error
