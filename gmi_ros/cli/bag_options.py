"""Options that say which topics of a bag are the camera's, what of it is read, and where its outcomes go."""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from gmi_ros.cli import options
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings

if TYPE_CHECKING:
    from gmi_ros.experience.bags import Part
    from gmi_ros.experience.topics import TopicMap

ROLES = {
    "rgb": "colour images",
    "depth": "registered depth images",
    "camera_info": "intrinsics",
    "mask": "segmentation masks",
}
_SLOP_S = 0.05


def add_topics(parser: argparse.ArgumentParser) -> None:
    """--preset, --topics and one option for each role."""
    parser.add_argument(
        "--preset",
        metavar="CAMERA",
        help="topics, slop and bounds of the depth as `gmi up --camera` takes them: azure_kinect, kinect_v1, "
        "realsense, zed, or a YAML file of that form",
    )
    parser.add_argument(
        "--topics",
        nargs="+",
        metavar="ROLE=TOPIC",
        help=f"topics by role ({', '.join(ROLES)}), or a YAML file of such pairs; what nobody names is found by name",
    )
    for role, what in ROLES.items():
        parser.add_argument(
            f"--{role.replace('_', '-')}-topic", metavar="TOPIC", help=f"{what} (default: found by name)"
        )


def add_part(parser: argparse.ArgumentParser) -> None:
    """What is read and how it is paired."""
    parser.add_argument("--every", type=options.count, default=1, metavar="N", help="take every n-th image set")
    parser.add_argument("--start", type=options.seconds, metavar="S", help="skip so much of the bag [s]")
    parser.add_argument("--duration", type=options.seconds, metavar="S", help="read so much of the bag [s]")
    parser.add_argument(
        "--slop", type=options.seconds, help=f"largest spread of a set's stamps [s] (default: {_SLOP_S})"
    )
    parser.add_argument(
        "--queue-size", type=options.count, default=10, help="messages of each topic that wait for others"
    )
    parser.add_argument(
        "--by-receipt", action="store_true", help="pair messages by when they were received, not by their stamps"
    )


def apply_preset(args: argparse.Namespace) -> None:
    """Take the preset's slop and settings where no option gives them.

    Raises:
        GmiError: as load_camera; BAD_SETTING where the preset's value is of another kind.
    """
    from gmi_ros.experience.cameras import load_camera

    args.camera = load_camera(args.preset) if args.preset else None
    given = args.camera.parameters if args.camera else {}
    if args.slop is None:
        args.slop = given.get("slop_s", _SLOP_S)
        if isinstance(args.slop, bool) or not isinstance(args.slop, (int, float)):
            raise GmiError(ErrorCode.BAD_SETTING, f"{args.preset}: slop_s must be a number [s], got {args.slop!r}")
    for field in fields(SynthesisSettings):
        if field.name in given and getattr(args, field.name, None) is None:
            setattr(args, field.name, given[field.name])


def part(args: argparse.Namespace) -> "Part":
    """What of the bag is read."""
    from gmi_ros.experience.bags import Part

    return Part(args.every, args.start or 0.0, args.duration, args.by_receipt)


@dataclass(frozen=True)
class Found:
    """The four topics, and the roles whose topic was guessed."""

    topics: "TopicMap"
    guessed: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line for a person."""
        told = (f"{role} {name}" + (" (guessed)" if role in self.guessed else "") for role, name in self.data.items())
        return f"topics: {', '.join(told)}"

    @property
    def data(self) -> dict[str, str]:
        """Topics by role."""
        return dict(zip(ROLES, self.topics.names(), strict=True))


def find_topics(args: argparse.Namespace, types: dict[str, str]) -> Found:
    """The topics that the options name, and of the other roles those that the names give away.

    Args:
        types: of the bag's topics, by name.

    Raises:
        GmiError: as TopicMap.resolve; BAD_REQUEST for a role that there is not, FILE_NOT_FOUND, FILE_DAMAGED.
    """
    from gmi_ros.experience.topics import DEFAULTS, TopicMap, slashed

    given = dict.fromkeys(ROLES)
    if args.camera:
        camera = {role: getattr(args.camera.topics, role) for role in ROLES}
        # Masks are not the camera's: where the preset leaves the usual name, another one may be guessed.
        given |= {role: name for role, name in camera.items() if (role, name) != ("mask", DEFAULTS["mask"])}
    given |= _pairs(args.topics or [])
    given |= {role: name for role in ROLES if (name := getattr(args, f"{role}_topic"))}
    resolved = TopicMap(**given).resolve(types)
    names = dict(zip(ROLES, resolved.names(), strict=True))
    usual = {role: given[role] or DEFAULTS[role] for role in ROLES}
    return Found(resolved, tuple(role for role in ROLES if not names[role].startswith(slashed(usual[role]))))


def outcomes_text(outcomes: dict, store: Path) -> str:
    """What became of the outcomes in the bag, for a person."""
    told = (
        f"{outcomes['outcomes']} outcomes: {outcomes['stored']} stored in {store} ({outcomes['pairs']} successful "
        f"training pairs, {outcomes['unpaired']} without their observation), {outcomes['duplicates']} were there before, "
        f"{outcomes['completed']} of those there lacked their observation and have it now"
    )
    return "\n".join([told, *(f"damage: {problem}" for problem in outcomes["problems"])])


def _pairs(words: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        role, equals, name = word.partition("=")
        pairs |= {role: name} if equals else _of_file(Path(word))
    wrong = [f"{role}={name}" for role, name in pairs.items() if role not in ROLES or not name]
    if wrong:
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"--topics takes pairs such as rgb=/topic of {', '.join(ROLES)}, got {wrong[0]!r}"
        )
    return pairs


def _of_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"--topics: {path} is neither ROLE=TOPIC nor a file that is there")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is no YAML: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(n, str) for pair in content.items() for n in pair):
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} must hold lines such as `rgb: /topic`, got {content!r:.200}")
    return content
