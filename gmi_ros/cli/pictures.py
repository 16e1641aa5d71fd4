"""Writing pictures where the user asked for them."""

from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.core.errors import ErrorCode, GmiError

if TYPE_CHECKING:
    from PIL.Image import Image


def check_picture(path: Path) -> None:
    """Whether a picture can be written there, as far as its name tells: before what it shows is made.

    Raises:
        GmiError: BAD_SETTING for an ending that names no picture format, or the name of a folder.
    """
    from PIL import Image

    known = Image.registered_extensions()
    writable = sorted(ending for ending, name in known.items() if name in Image.SAVE)
    if path.suffix.lower() not in writable or path.is_dir():
        raise GmiError(ErrorCode.BAD_SETTING, f"{path} is no name of a picture: it must end in .png, .jpg or the like")


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
