"""The part of `gmi replay` that keeps the whole frames which recorded grasps were made from."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from gmi_ros.cli import options

if TYPE_CHECKING:
    from gmi_ros.experience.full_frames import FullFrames

_ANY = 1 << 62  # bytes: the disk is the bound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--full-frames."""
    parser.add_argument(
        "--full-frames",
        action="store_true",
        help="also keep the whole frames that records in STORE were made from, in STORE's .frames, which `gmi train --from "
        "--imagined` looks at again",
    )


class KeptFrames:
    """Told of every set of a replay, keeps the frames of records; on a full disk the oldest give way to the newest."""

    def __init__(self, frames: "FullFrames", wanted: frozenset[str]):
        self.frames, self._wanted, self._seen = frames, wanted, set()

    def add(self, frame, synthesis) -> None:
        """Raises GmiError STORE_UNWRITABLE where frames cannot be written, other than for lack of room."""
        name = None if synthesis is None else synthesis.observation_id
        if name in self._wanted and name not in self._seen:
            self._seen.add(name)
            self.frames.write(name, frame)

    @property
    def data(self) -> dict:
        """kept, refused (no room was left for them), absent: observations whose frame the replay did not come upon."""
        kept = sum(name in self.frames for name in self._seen)
        return {
            "kept": kept,
            "refused": len(self._seen) - kept,
            "absent": len(self._wanted - self._seen),
        }

    @property
    def text(self) -> str:
        """For a person."""
        data = self.data
        told = f"{data['kept']} whole frames of records kept in {self.frames.folder}"
        told += f"; {data['refused']} not, for lack of room" if data["refused"] else ""
        return told + (f"; of {data['absent']} records the frame did not come up" if data["absent"] else "")


def kept_frames(args: argparse.Namespace) -> KeptFrames | None:
    """What keeps the frames of the records in args.experience, where that is asked for.

    Raises:
        GmiError: BAD_SETTING for --full-frames without --experience; the store's errors.
    """
    options.refuse_idle(("--full-frames", args.full_frames, args.experience is not None, "--experience STORE"))
    if not args.full_frames:
        return None
    from gmi_ros.experience.full_frames import FOLDER, FullFrames
    from gmi_ros.experience.store import Store

    wanted: frozenset[str] = frozenset()
    if args.experience.is_file():
        with Store(args.experience) as store:
            wanted = frozenset(e.observation_id for e in store.episodes(source="bag") if not e.observation_missing)
    return KeptFrames(FullFrames(args.experience.with_suffix(FOLDER), _ANY), wanted)


def with_frames(on_set: Callable[..., None] | None, kept: KeptFrames | None) -> Callable[..., None] | None:
    """`on_set` of report.replay.replay, that keeps frames too."""
    if kept is None:
        return on_set

    def told(number, frame_set, frame, synthesis, data) -> None:
        kept.add(frame, synthesis)
        if on_set is not None:
            on_set(number, frame_set, frame, synthesis, data)

    return told
