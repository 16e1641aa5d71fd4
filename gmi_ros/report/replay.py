"""Offline replay: every image set of a bag through the node's pipeline, one JSON line and picture per set."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.experience.bags import FrameSet, Part, read_sets, set_to_frame
from gmi_ros.experience.topics import TopicMap
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.learning.checkpoint import GraspModel
from gmi_ros.pipeline import Synthesis, synthesize
from gmi_ros.report.answer import answer_data, refusal_data
from gmi_ros.report.draw import draw_synthesis

LINES = "grasps.jsonl"
SLOP_S, QUEUE_SIZE = 0.05, 10  # the node's defaults (slop_s, queue_size), so that both see the same sets


def replay(
    bag: Path,
    out: Path,
    model: GraspModel,
    hand: BarrettHand,
    settings: SynthesisSettings = SynthesisSettings(),
    seed: int = 1,
    topics: TopicMap = TopicMap(),
    slop_s: float = SLOP_S,
    queue_size: int = QUEUE_SIZE,
    label: int = 0,
    pictures: bool = True,
    progress: bool = True,
    part: Part = Part(),
    problems: list[str] | None = None,
    counts: Counter | None = None,
    on_set: Callable[[int, FrameSet, Frame | None, Synthesis | None, dict], None] | None = None,
) -> dict:
    """Write `out`/grasps.jsonl, one line per set, and `out`/NNNNNN.png unless `pictures` is False.

    A line holds the stamps [ns] of rgb, depth, camera_info and mask, and the answer or the refusal; nothing in it
    depends on the clock, so that two replays give the same file.

    Args:
        problems, counts: told what is damaged and the messages read, as `read_sets` does it.
        on_set: told of every set, as ReplayReport.add is.

    Returns:
        frames, grasps, refused, reasons (refusals by name), unreadable messages, problems of the bag, the file's path.

    Raises:
        GmiError: the bag's errors, STORE_UNWRITABLE, BAD_REQUEST where the bag holds no complete set.
    """
    totals, reasons, counts = Counter(), Counter(), Counter() if counts is None else counts
    problems = [] if problems is None else problems
    source = read_sets(bag, topics, slop_s, queue_size, counts, part, problems)
    try:
        with ExitStack() as opened:
            lines = None
            for frame_set in opened.enter_context(tqdm(source, disable=not progress, unit=" sets")):
                if lines is None:  # what an earlier replay left goes when there is something to put in its place
                    lines = opened.enter_context(_begun(out))
                frame, synthesis, data = _answer(frame_set, model, hand, settings, seed, label)
                lines.write(json.dumps({"index": totals["frames"], "stamps": list(frame_set.stamps), **data}) + "\n")
                if pictures and frame is not None:
                    title = f"set {totals['frames']}, stamp {frame.stamp_ns / 1e9:.3f} s, seed {seed}"
                    picture = draw_synthesis(frame, synthesis, hand, title, data["message"])
                    picture.save(out / f"{totals['frames']:06d}.png")
                if on_set is not None:
                    on_set(totals["frames"], frame_set, frame, synthesis, data)
                totals.update(frames=1, grasps=len(data["grasps"]), refused=int(data["error_code"] != 0))
                if data["error_code"]:
                    reasons[ErrorCode(data["error_code"]).name] += 1
    except OSError as error:
        raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot write the replay into {out}: {error}") from error
    if not totals["frames"]:
        read = ", ".join(f"{count} of {name}" for name, count in counts.items()) or "none"
        raise GmiError(
            ErrorCode.BAD_REQUEST,
            "; ".join([f"{bag} holds no complete image set within {slop_s} s; messages read: {read}", *problems]),
        )
    return {
        "frames": totals["frames"],
        "grasps": totals["grasps"],
        "refused": totals["refused"],
        "reasons": dict(reasons),
        "unreadable": counts["unreadable"],
        "problems": problems,
        "file": str(out / LINES),
    }


def _begun(out: Path) -> TextIO:
    """The file of lines in a folder that holds nothing of an earlier replay."""
    out.mkdir(parents=True, exist_ok=True)
    for picture in out.glob("[0-9]" * 6 + ".png"):
        picture.unlink()
    return open(out / LINES, "w", encoding="utf-8")


def _answer(
    frame_set: FrameSet, model: GraspModel, hand: BarrettHand, settings: SynthesisSettings, seed: int, label: int
) -> tuple[Frame | None, Synthesis | None, dict]:
    """The frame (None where the set makes none), the answer (None where it was refused), and either as data."""
    frame = None
    try:
        frame = set_to_frame(frame_set)
        synthesis = synthesize(frame, model, hand, settings, seed, label)
    except GmiError as error:
        return frame, None, refusal_data(error, seed)
    data = answer_data(synthesis)
    if synthesis.error_code:
        data["error"] = synthesis.error_code.name
    return frame, synthesis, data
