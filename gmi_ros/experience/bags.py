"""Read the camera's image sets out of a rosbag2, synchronised as the node does it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError, shortened
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.images import canonical_depth, canonical_mask, canonical_rgb
from gmi_ros.core.synchronizer import ApproximateTimeSynchronizer
from gmi_ros.experience.bag import Bag
from gmi_ros.experience.bag_clocks import Clocks
from gmi_ros.experience.coded import Opened, open_image
from gmi_ros.experience.images import MOST_PIXELS, image_array
from gmi_ros.experience.topics import TopicMap

T = TypeVar("T")
LONGEST_FRAME_ID = 255  # characters


@dataclass(frozen=True)
class FrameSet:
    """Four messages that belong together, and their stamps [ns] in the same order."""

    rgb: Any
    depth: Any
    camera_info: Any
    mask: Any
    stamps: tuple[int, int, int, int]


@dataclass(frozen=True)
class Part:
    """What of a bag is read, and how its messages are paired.

    every: of the complete sets, take every n-th, beginning with the first. start_s, duration_s: messages received from
    so long after the bag's first one on, and for how long [s]. by_receipt: by when they were received, not by stamps.
    """

    every: int = 1
    start_s: float = 0.0
    duration_s: float | None = None
    by_receipt: bool = False


def read_sets(
    path: Path | str,
    topics: TopicMap = TopicMap(),
    slop_s: float = 0.05,
    queue_size: int = 10,
    counts: Counter | None = None,
    part: Part = Part(),
    problems: list[str] | None = None,
) -> Iterator[FrameSet]:
    """The sets of a bag (folder, .mcap or .db3) in the order in which they were complete, by time of receipt.

    Only the camera's types are read, so that a bag may hold types that nobody here knows. A damaged bag is read as far
    as it is whole.

    Args:
        counts: told how many messages were read by topic, and as "unreadable" how many of them made no sense and were
            left out.
        problems: told what is damaged, missing or odd, at the end at the latest.

    Raises:
        GmiError: FILE_NOT_FOUND, FILE_DAMAGED where nothing can be read, BAD_REQUEST (a topic is missing or ambiguous).
    """
    typestore = _typestore()
    counts = Counter() if counts is None else counts
    problems = [] if problems is None else problems
    complete: list[FrameSet] = []
    synchronizer = ApproximateTimeSynchronizer(
        4, queue_size, slop_s, lambda *messages: complete.append(FrameSet(*messages, tuple(map(stamp_ns, messages))))
    )
    found, unreadable = 0, Counter()
    with Bag(path) as bag:
        try:
            names = topics.resolve(bag.types).names()
            clocks = Clocks(names, mask=names[3])
            for topic, received, data in bag.messages(names, *bag.window(part.start_s, part.duration_s)):
                try:
                    message = typestore.deserialize_cdr(data, bag.topics[topic].type)
                    stamp = stamp_ns(message)
                except Exception:  # a message of random bytes makes the library raise anything
                    unreadable[topic] += 1
                    counts["unreadable"] += 1
                    continue
                counts[topic] += 1
                clocks.saw(topic, stamp, received)
                synchronizer.add(names.index(topic), received if part.by_receipt else stamp, message)
                while complete:
                    if found % part.every == 0:
                        yield complete[0]
                    del complete[0]
                    found += 1
        finally:
            problems += bag.problems
        problems += [f"{name} has no message" for name in names if not bag.topics[name].count]
        problems += [
            f"{n} of {n + counts[name]} messages of {name} make no sense as {bag.topics[name].type}"
            for name, n in unreadable.items()
        ]
        problems += [] if part.by_receipt else clocks.problems()


@cache
def _typestore():
    """Image, CompressedImage and CameraInfo, which are the same from Humble on."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_JAZZY)


def bag_topics(path: Path | str) -> dict[str, str]:
    """Types of a bag's topics by name. Raises as `read_sets`."""
    with Bag(path) as bag:
        return bag.types


def set_to_frame(frame_set: FrameSet, to_array: Callable[[Any], np.ndarray] = image_array) -> Frame:
    """The Frame of a set; its stamp and frame_id are the rgb image's.

    `to_array` makes an array of an Image message as it is (cv_bridge's passthrough, where that is installed). A
    CompressedImage is read here, once its size was found to be the camera's.

    Raises:
        GmiError: BAD_INTRINSICS, UNREGISTERED_DEPTH, UNKNOWN_ENCODING, SIZE_MISMATCH, BAD_REQUEST for a frame_id
            beyond LONGEST_FRAME_ID.
    """
    rgb, depth, mask, info = frame_set.rgb, frame_set.depth, frame_set.mask, frame_set.camera_info
    if info.width * info.height > MOST_PIXELS:
        raise GmiError(
            ErrorCode.BAD_INTRINSICS,
            f"camera_info of {info.width}x{info.height} has {info.width * info.height} pixels, at most {MOST_PIXELS} "
            "are taken",
        )
    intrinsics = Intrinsics.from_k(info.width, info.height, info.k)
    _check_frame_ids(rgb, depth, info)
    images = (("rgb/image", rgb, False), ("depth/image", depth, True), ("segmentation/mask", mask, True))
    opened = [_opened(topic, message, to_array, lossless, intrinsics) for topic, message, lossless in images]
    (rgb_pixels, depth_pixels, mask_pixels) = [
        _at(topic, image.pixels) for (topic, *_), image in zip(images, opened, strict=True)
    ]
    return Frame(
        rgb=canonical_rgb(*rgb_pixels),
        depth=canonical_depth(*depth_pixels),
        mask=canonical_mask(*mask_pixels),
        intrinsics=intrinsics,
        stamp_ns=stamp_ns(rgb),
        frame_id=rgb.header.frame_id,
    )


def _check_frame_ids(rgb: Any, depth: Any, info: Any) -> None:
    """Depth and intrinsics must be the colour camera's; a mask may say what it likes, since it is of the rgb image."""
    of_rgb, of_depth, of_info = (m.header.frame_id.lstrip("/") for m in (rgb, depth, info))  # tf had a slash once
    if len(of_rgb) > LONGEST_FRAME_ID:
        raise GmiError(
            ErrorCode.BAD_REQUEST,
            f"the rgb image's frame_id must have at most {LONGEST_FRAME_ID} characters, got {len(of_rgb)}: "
            f"{shortened(of_rgb, 60)!r}",
        )
    if of_depth != of_rgb:
        raise GmiError(
            ErrorCode.UNREGISTERED_DEPTH,
            f"the depth is in frame {of_depth!r}, the rgb image in {of_rgb!r}: "
            "both must be the same (take the camera's registered or aligned depth)",
        )
    if of_info and of_info != of_rgb:
        raise GmiError(
            ErrorCode.BAD_INTRINSICS,
            f"the camera_info is of frame {of_info!r}, the rgb image of {of_rgb!r}: "
            "both must be the same (take the camera_info of the colour camera)",
        )


def _opened(
    topic: str, message: Any, to_array: Callable[[Any], np.ndarray], lossless: bool, intrinsics: Intrinsics
) -> Opened:
    opened = _at(topic, lambda: open_image(message, to_array, lossless))
    wanted = (intrinsics.width, intrinsics.height)
    if opened.size != wanted:
        raise GmiError(
            ErrorCode.SIZE_MISMATCH,
            f"{topic} is {opened.size[0]}x{opened.size[1]} and camera_info {wanted[0]}x{wanted[1]}: "
            "all four must have one size (register depth to rgb)",
        )
    return opened


def _at(topic: str, look: Callable[[], T]) -> T:
    """What `look` returns; its errors name the topic."""
    try:
        return look()
    except GmiError as error:
        raise GmiError(error.code, f"{topic}: {error.message}") from error


def stamp_ns(message: Any) -> int:
    """The header's stamp [ns]."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
