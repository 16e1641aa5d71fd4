"""Messages compared to the byte."""

from array import array
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from gmi_ros.srv import SynthesizeGrasp


def content(value: Any, name: str = "response") -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every field of a message. Its serialization will not do: the padding in it is any bytes."""
    if hasattr(value, "get_fields_and_field_types"):
        for field in value.get_fields_and_field_types():
            yield from content(getattr(value, field), f"{name}.{field}")
    elif isinstance(value, (list, np.ndarray, array)):
        yield f"{name} (length)", bytes([len(value)])
        for index, item in enumerate(value):
            yield from content(item, f"{name}[{index}]")
    else:
        yield name, np.float64(value).tobytes() if isinstance(value, float) else repr(value).encode()


def difference(one: SynthesizeGrasp.Response, two: SynthesizeGrasp.Response) -> str:
    """The first field that differs in any bit; nothing where they are the same but for the time that they took."""
    for response in (one, two):
        response.age, response.stage_ms = 0.0, [0.0] * len(response.stage_ms)
    return next((a[0] for a, b in zip_longest(content(one), content(two)) if a != b), "")
