"""Writing files so that a reader sees either the old content or the new, and telling what is wrong with tensors."""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from torch import Tensor

from gmi_ros.core.errors import ErrorCode, GmiError


def write_together(folder: Path, contents: dict[str, bytes]) -> None:
    """Write the files of a folder: all are complete on the disk before the first takes its name.

    A full disk or a kill while writing leaves the previous files as they were.

    Raises:
        GmiError: STORE_UNWRITABLE where the folder or the disk does not take them.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            partial = folder / f".{name}.partial"
            written.append((partial, folder / name))
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    except BaseException as error:
        for partial, _ in written:
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise GmiError(
                ErrorCode.STORE_UNWRITABLE,
                f"{folder} cannot be written ({error.strerror}); what it held before is as it was",
            ) from error
        raise
    for partial, final in written:
        os.replace(partial, final)


def read_tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file's content.

    Raises:
        GmiError: WEIGHTS_DAMAGED where the header or the length is wrong.
    """
    try:
        return parse_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        message = f"{path} is not a whole safetensors file ({len(content)} bytes): {error}"
        raise GmiError(ErrorCode.WEIGHTS_DAMAGED, message) from error


def check_tensors(tensors: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    """Compare names, shapes and types with those expected, and refuse values that are not finite.

    Raises:
        GmiError: WEIGHTS_DAMAGED, naming the first tensor that does not fit.
    """
    absent, unknown = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if absent or unknown:
        raise _damaged(
            path, f"lacks {absent[:3]} ({len(absent)} in all) and has the unknown {unknown[:3]} ({len(unknown)} in all)"
        )
    for name, tensor in tensors.items():
        want = expected[name]
        if tensor.shape != want.shape or tensor.dtype != want.dtype:
            raise _damaged(
                path, f"{name} is {tensor.dtype} {tuple(tensor.shape)}, must be {want.dtype} {tuple(want.shape)}"
            )
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise _damaged(path, f"{name} has {bad} values that are not finite")


def _damaged(path: Path, message: str) -> GmiError:
    return GmiError(ErrorCode.WEIGHTS_DAMAGED, f"{path}: {message}")
