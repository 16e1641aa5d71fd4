"""Message definitions for bags: from the .msg files that are installed, else from those that rosbags brings."""

import os
import sys
from pathlib import Path

from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource


def typestore_for(type_names: list[str]) -> Typestore:
    """A typestore with these types (`package/msg/Name`) and all that they are made of.

    Installed files come first: they are what the messages that arrive here were made with.

    Raises:
        GmiError: FILE_NOT_FOUND naming the type whose definition is nowhere, FILE_DAMAGED for one that is no .msg.
    """
    shipped = get_typestore(Stores.ROS2_JAZZY).fielddefs
    found: dict = {}
    wanted = list(type_names)
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        path = definition_file(name)
        if path is not None:
            try:
                found.update({name: get_types_from_msg(path.read_text(), name)[name]})
            except (TypesysError, KeyError, UnicodeDecodeError) as error:
                raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is no message definition: {error}") from error
        elif name in shipped:
            found[name] = shipped[name]
        else:
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"no definition of {name}: share/*/msg/*.msg of no prefix has it")
        wanted += _parts(found[name])
    typestore = get_typestore(Stores.EMPTY)
    typestore.register(found)
    return typestore


def definition_file(type_name: str) -> Path | None:
    """The installed .msg file of `package/msg/Name`: in an ament prefix, in this environment, or in our checkout."""
    package, _, name = type_name.replace("/msg/", "/").partition("/")
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in [*prefixes, Path(sys.prefix)]:
        path = prefix / "share" / package / "msg" / f"{name}.msg"
        if path.is_file():
            return path
    if package == "gmi_ros":
        try:
            return resource(f"msg/{name}.msg")
        except GmiError:
            return None
    return None


def _parts(definition: tuple) -> list[str]:
    """Names of the message types among the fields of a definition (constants, fields)."""
    names = []
    for _, (kind, detail) in definition[1]:
        while kind.name in ("ARRAY", "SEQUENCE"):  # detail: (what it holds, how many)
            kind, detail = detail[0]
        if kind.name == "NAME":
            names.append(detail)
    return names
