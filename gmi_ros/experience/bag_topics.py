"""What a bag says about its topics, and one message of it."""

from functools import lru_cache
from typing import NamedTuple

import yaml
from rosbags.interfaces import Qos


class BagTopic(NamedTuple):
    """A topic: its type, how many messages it has, and how it was offered."""

    name: str
    type: str
    count: int
    profiles: tuple[Qos, ...] = ()


class BagMessage(NamedTuple):
    """A message as DDS brought it, and when it was received [ns]."""

    topic: str
    time_ns: int
    cdr: bytes


@lru_cache(maxsize=256)  # topics share them, and the reader is slow
def parse_profiles(text: str) -> tuple[Qos, ...]:
    """Qualities of service as rosbag2 writes them, any version; none where they make no sense."""
    from rosbags.rosbag2.metadata import parse_qos

    try:
        return tuple(parse_qos(text))
    except Exception:  # damage shows as anything; without them the topic is offered reliable and volatile
        return ()


def is_yaml_map(text: bytes) -> dict | None:
    """The map in a YAML text; None where it holds anything else."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
