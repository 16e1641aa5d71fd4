"""Writing pictures where the user asked for them."""

from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.core.errors import ErrorCode, GmiError

if TYPE_CHECKING:
    from PIL.Image import Image


def save_picture(picture: "Image", path: Path) -> None:
    """Write a picture, making its folder.

    Raises:
        GmiError: STORE_UNWRITABLE with the reason, also for an ending that names no picture format.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except (OSError, ValueError) as error:
        raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot write the picture {path}: {error}") from error
