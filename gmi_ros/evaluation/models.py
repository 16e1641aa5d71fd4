"""The networks by folder, ready for inference."""

from pathlib import Path

import torch

from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.learning import checkpoint
from gmi_ros.learning.checkpoint import GraspModel


def load_model(folder: Path | None = None, threads: int = 2) -> GraspModel:
    """The network of a folder, None being the shipped one.

    Args:
        threads: of torch, for the whole process: another number may change the last bits of an answer.

    Raises:
        GmiError: WEIGHTS_MISSING, WEIGHTS_DAMAGED, FILE_NOT_FOUND.
    """
    set_threads(threads)
    return checkpoint.load(folder or resource(SHIPPED))


def set_threads(threads: int) -> None:
    """CPU threads of torch in this process."""
    torch.set_num_threads(threads)
