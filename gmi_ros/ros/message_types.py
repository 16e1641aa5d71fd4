"""Classes of messages by the names of their types."""

import importlib

from gmi_ros.core.errors import ErrorCode, GmiError


def message_class(kind: str) -> type:
    """The class of `package/msg/Name`.

    Raises:
        GmiError: BAD_REQUEST where its package is not installed, or has no such type.
    """
    package, _, name = kind.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"no messages of type {kind!r}: {package} is not installed here"
        ) from error
