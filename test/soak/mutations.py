"""One field of a valid image set or of a request, changed: every field, and every way in which it can be wrong."""

import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from gmi_ros.msg import GraspFilters

MESSAGES = ("rgb", "depth", "camera_info", "mask", "request")
WHOLE_SET = "set"  # the four messages, which have one stamp and one size
UINT32 = 2**32 - 1
_NUMBERS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e-300, 1e300, 1e9, -525.0)
_DEPTH_KINDS = {"32FC1": ("f4", 1.0), "64FC1": ("f8", 1.0), "16UC1": ("u2", 1000.0)}  # and units per metre
_MASK_KINDS = {"mono8": "u1", "mono16": "u2", "16UC1": "u2"}


@dataclass(frozen=True)
class Mutation:
    """A way to spoil one field. message: one of MESSAGES, or WHOLE_SET. apply(message or list, rng) changes it."""

    message: str
    field: str
    name: str
    apply: Callable[[Any, random.Random], None]


def mutations() -> list[Mutation]:
    """All of them, in an order that never changes."""
    found = [m for name in MESSAGES[:4] for m in _of_header(name)]
    found += [m for name in ("rgb", "depth", "mask") for m in _of_image(name)]
    return found + _of_depth() + _of_mask() + _of_camera_info() + _of_request() + _of_set()


def _set(path: str, *choices: Any) -> Callable[[Any, random.Random], None]:
    """Sets a field, such as header.stamp.sec, to one of the values; a function makes its value of the old one."""

    def apply(message, rng):
        *parents, last = path.split(".")
        for parent in parents:
            message = getattr(message, parent)
        value = rng.choice(choices)
        setattr(message, last, value(getattr(message, last), rng) if callable(value) else value)

    return apply


def _shift(header, seconds: float) -> None:
    stamp = header.stamp
    total = stamp.sec * 10**9 + stamp.nanosec + round(seconds * 1e9)
    stamp.sec, stamp.nanosec = divmod(total, 10**9)


def _of_set() -> list[Mutation]:
    def stamped(kind: str, *seconds: float) -> Mutation:
        def apply(messages, rng):
            shift = rng.choice(seconds)
            for message in messages:
                _shift(message.header, shift)

        return Mutation(WHOLE_SET, "header.stamp", kind, apply)

    def size(messages, rng):
        """All agree, but there are no such data."""
        width, height = rng.choice(((0, 0), (1, 1), (60_000, 60_000), (32_768, 32_768), (UINT32, UINT32)))
        for message in messages:
            message.width, message.height = width, height

    return [
        stamped("old", -30.0, -1000.0, -1e9),
        stamped("in the future", 30.0, 1000.0, 2e8),
        stamped("a little off", -0.05, 0.01),
        Mutation(WHOLE_SET, "size", "any", size),
    ]


def _of_header(name: str) -> list[Mutation]:
    def stamped(kind: str, *seconds: float) -> Mutation:
        return Mutation(name, "header.stamp", kind, lambda message, rng: _shift(message.header, rng.choice(seconds)))

    return [
        stamped("within the slop", 0.001, -0.01, 0.02),
        stamped("beyond the slop", 0.2, -0.2, 30.0, -30.0),
        Mutation(name, "header.stamp", "seconds", _set("header.stamp.sec", 0, -1, 2**31 - 1, -(2**31))),
        Mutation(name, "header.stamp", "nanoseconds", _set("header.stamp.nanosec", 2 * 10**9, UINT32)),
        Mutation(name, "header.frame_id", "another", _set("header.frame_id", "camera_depth_optical_frame", "x" * 300)),
        Mutation(name, "header.frame_id", "strange", _set("header.frame_id", "", "/", "\x7f\n{}%s", "Kamera ü 日本")),
    ]


def _of_image(name: str) -> list[Mutation]:
    def near(value, rng):
        return max(0, value + rng.choice((-7, -1, 1, 40)))

    def data(kind: str, change) -> Mutation:
        def apply(message, rng):
            message.data = array("B", change(bytes(message.data), rng))

        return Mutation(name, "data", kind, apply)

    sizes = [
        Mutation(name, field, kind, _set(field, *choices))
        for field in ("height", "width", "step")
        for kind, choices in (
            ("near", (near,)), ("small", (0, 1)), ("huge", (60_000, 2**31, UINT32)),
        )
    ]  # fmt: skip
    encodings = {
        "another": ("rgb8", "bgr8", "rgba8", "mono8", "mono16", "16UC1", "32FC1", "64FC1", "16SC1", "32SC1", "8UC4"),
        "unknown": ("", "RGB8", "yuv422", "bayer_rggb8", "jpeg", "rgb8; jpeg compressed", "\0", "8U", "é" * 5000),
        "channels": ("8UC0", "8UC5", "8UC-1", "8UC1000000000", "32FC99999999999999999999", "8UC١", "16UC01"),
    }
    return [
        *sizes,
        *(Mutation(name, "encoding", kind, _set("encoding", *choices)) for kind, choices in encodings.items()),
        Mutation(name, "is_bigendian", "one", _set("is_bigendian", 1)),
        Mutation(name, "is_bigendian", "no truth value", _set("is_bigendian", 2, 255)),
        data("empty", lambda old, rng: b""),
        data("short", lambda old, rng: old[: rng.choice((1, len(old) // 2, len(old) - 1))]),
        data("long", lambda old, rng: old + bytes(rng.choice((1, 1000, len(old))))),
        data("random", lambda old, rng: rng.randbytes(len(old))),
        data("some bytes random", _with_random_bytes),
        data("constant", lambda old, rng: bytes([rng.choice((0, 1, 127, 255))]) * len(old)),
    ]


def _with_random_bytes(old: bytes, rng: random.Random) -> bytes:
    new = bytearray(old)
    for _ in range(rng.choice((1, 100, 5000))):
        new[rng.randrange(len(new))] = rng.randrange(256)
    return bytes(new)


def _of_depth() -> list[Mutation]:
    def depth(kind: str, change) -> Mutation:
        def apply(message: Image, rng):
            dtype, per_metre = _DEPTH_KINDS[message.encoding]
            pixels = _pixels(message, dtype)
            metres = pixels / per_metre
            with np.errstate(over="ignore"):
                change(metres, rng)
            if dtype == "u2":  # NaN and infinity are zero there, and what is too far is 65 m
                metres = np.clip(np.nan_to_num(metres, nan=0.0, posinf=0.0, neginf=0.0), 0.0, 65.5)
            with np.errstate(over="ignore"):
                pixels[...] = metres * per_metre

        return Mutation("depth", "data", kind, apply)

    def everywhere(metres, rng):
        metres[...] = rng.choice(_NUMBERS)

    def on_the_object(metres, rng):
        metres[_middle(metres)] = rng.choice((*_NUMBERS, 0.1, 5.0, 0.199999, 4.0, 3.9e38))

    def scaled(metres, rng):
        metres *= rng.choice((1000.0, 0.001, -1.0, 100.0))

    def holes(metres, rng):
        share = rng.choice((0.05, 0.5, 0.99))
        metres[np.random.default_rng(rng.getrandbits(32)).random(metres.shape) < share] = rng.choice(_NUMBERS)

    def noisy(metres, rng):
        noise = np.random.default_rng(rng.getrandbits(32)).normal(size=metres.shape)
        metres += rng.choice((0.001, 0.05, 1.0)) * noise

    def flat(metres, rng):
        metres[...] = rng.choice((0.3, 0.6, 3.9))

    kinds = {
        "a number everywhere": everywhere, "a number on the object": on_the_object, "another unit": scaled,
        "holes": holes, "noise": noisy, "flat": flat,
    }  # fmt: skip
    return [depth(kind, change) for kind, change in kinds.items()]


def _of_mask() -> list[Mutation]:
    def mask(kind: str, change) -> Mutation:
        def apply(message: Image, rng):
            change(_pixels(message, _MASK_KINDS[message.encoding]), rng)

        return Mutation("mask", "data", kind, apply)

    def box(labels, rows, columns):
        labels[...] = 0
        labels[rows, columns] = 1

    def at_border(labels, rng):
        labels[rng.choice(((0, 80), (-1, 80), (60, 0), (60, -1)))] = labels.max()

    def few(labels, rng):
        box(labels, slice(50, 50 + rng.choice((1, 5))), slice(75, 75 + rng.choice((1, 5))))

    def line(labels, rng):
        box(labels, slice(50, 50 + rng.choice((1, 2))), slice(60, 110))

    def square(labels, rng):
        box(labels, slice(50, 66), slice(72, 88))

    def two_parts(labels, rng):
        labels[10:22, 100:130] = labels.max()

    def another_label(labels, rng):
        labels[labels > 0] = rng.choice((7, 255, np.iinfo(labels.dtype).max))

    def random_labels(labels, rng):
        highest = rng.choice((1, 3, 200))
        inner = labels[2:-2, 2:-2]
        inner[...] = np.random.default_rng(rng.getrandbits(32)).integers(0, highest + 1, inner.shape)

    def nothing(labels, rng):
        labels[...] = 0

    kinds = {
        "nothing": nothing, "at the border": at_border, "few pixels": few, "a line": line, "a square": square,
        "two parts": two_parts, "another label": another_label, "random labels": random_labels,
    }  # fmt: skip
    return [mask(kind, change) for kind, change in kinds.items()]


def _of_camera_info() -> list[Mutation]:
    def k(kind: str, indices, values) -> Mutation:
        def apply(message, rng):
            message.k[rng.choice(indices)] = rng.choice(values)

        return Mutation("camera_info", "k", kind, apply)

    def floats(length: int):
        return lambda old, rng: np.array([rng.choice((*_NUMBERS, 0.1)) for _ in range(length)])

    def distortion(old, rng):
        return [rng.choice((*_NUMBERS, 0.1)) for _ in range(rng.choice((0, 1, 5, 8, 10_000)))]

    def window(message, rng):
        for name in ("x_offset", "y_offset", "height", "width"):
            setattr(message.roi, name, rng.choice((0, 1, 60, UINT32)))

    return [
        *(
            Mutation("camera_info", field, kind, _set(field, *choices))
            for field in ("height", "width")
            for kind, choices in (("small", (0, 1, 60)), ("huge", (60_000, 2**31, UINT32)))
        ),
        k("focal length", (0, 4), (*_NUMBERS, 1.0, 200.0)),
        k("centre", (2, 5), (*_NUMBERS, 60.0, -200.0)),
        k("elsewhere", (1, 3, 6, 7, 8), (*_NUMBERS, 0.1)),
        Mutation("camera_info", "d", "any", _set("d", distortion)),
        Mutation("camera_info", "r", "any", _set("r", floats(9))),
        Mutation("camera_info", "p", "any", _set("p", floats(12))),
        Mutation("camera_info", "distortion_model", "any", _set("distortion_model", "", "fisheye", "x" * 300)),
        Mutation("camera_info", "binning", "any", _set("binning_x", 0, 2, UINT32)),
        Mutation("camera_info", "roi", "any", window),
    ]


def _of_request() -> list[Mutation]:
    def filters(message, rng):
        message.filters = GraspFilters(use=True)
        name = rng.choice([n for n in GraspFilters.get_fields_and_field_types() if n not in ("use", "approach_axis")])
        old = getattr(message.filters, name)
        value = rng.choice((*_NUMBERS, 0.01))
        setattr(message.filters, name, value if isinstance(old, float) else np.full(len(old), value))

    return [
        Mutation("request", "n_samples", "any", _set("n_samples", 1, 3, 4097, UINT32)),
        Mutation("request", "max_grasps", "any", _set("max_grasps", 1, 4096, 4097, UINT32)),
        Mutation("request", "seed", "any", _set("seed", 0, 1, 2**63 - 1, 2**63, 2**64 - 1)),
        Mutation("request", "target_label", "any", _set("target_label", 0, 2, 65_535, 65_537, UINT32)),
        Mutation("request", "max_age", "any", _set("max_age", *_NUMBERS)),
        Mutation("request", "all_objects", "true", _set("all_objects", True)),
        Mutation("request", "filters", "any", filters),
    ]


def _middle(pixels: np.ndarray) -> tuple[slice, slice]:
    """Where the object of the sets is, more or less."""
    h, w = pixels.shape
    return np.s_[h * 3 // 8 : h * 23 // 40, w * 7 // 16 : w * 21 // 40]


def _pixels(message: Image, dtype: str) -> np.ndarray:
    """(h, w) of the message's own memory, without the padding of rows."""
    rows = np.frombuffer(message.data, dtype).reshape(message.height, -1)
    return rows[:, : message.width]
