"""Where a network runs."""

import torch

from gmi_ros.core.errors import ErrorCode, GmiError


def device_named(name: str) -> torch.device:
    """cpu, cuda, or auto: cuda where torch sees a GPU, else the CPU.

    Raises:
        GmiError: BAD_SETTING for a GPU that is not there.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise GmiError(ErrorCode.BAD_SETTING, "device is cuda, but torch sees no GPU here; use auto or cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")
