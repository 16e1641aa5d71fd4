"""`gmi experience show`: everything about one outcome, and a picture of it."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from gmi_ros.cli import objects
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.episode import Episode, Pixels
from gmi_ros.experience.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("store", type=Path, metavar="STORE", help="experience store, also a packed one")
    parser.add_argument("outcome", metavar="OUTCOME", help="its outcome_id; `gmi experience ls` lists them")
    parser.add_argument("--out", type=Path, default=Path("outcome.png"), metavar="PNG", help="the picture")
    parser.add_argument("--hand", default="bh280", choices=("bh262", "bh280", "bh282"), help="model of the hand")
    objects.add_recorded_meshes(parser)


def run(args: argparse.Namespace) -> Report:
    """Show; of an outcome whose observation never came there is no picture."""
    with Store(args.store) as store:
        episode = store.get(args.outcome)
        verdicts = store.verdicts(args.outcome)
    picture = None if episode.observation_missing else str(args.out)
    if not episode.observation_missing:
        _draw(args, episode)
    data = {name: _plain(value) for name, value in vars(episode).items() if name != "pixels"}
    data |= {"verdicts": [v._asdict() for v in verdicts], "picture": picture}
    return Report(data, _text(episode, data))


def _draw(args: argparse.Namespace, episode: Episode) -> None:
    from gmi_ros.hand.barrett import load_hand
    from gmi_ros.report.draw_episode import draw_episode

    pixels = episode.pixels
    if pixels is None:
        from gmi_ros.evaluation.recipes import render_episode

        pixels = Pixels.of(render_episode(episode, {m.name: m for m in objects.recorded_meshes(args)}))
    try:
        draw_episode(episode, pixels, load_hand(args.hand)).save(args.out, format="PNG")
    except OSError as error:
        raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot write {args.out}: {error}") from error


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _text(episode: Episode, data: dict) -> str:
    from gmi_ros.experience.times import stamp_text

    shown = {name: value for name, value in data.items() if name not in ("verdicts", "picture", "recipe")}
    shown["stamp_ns"] = f"{episode.stamp_ns} ({stamp_text(episode.stamp_ns)})"
    lines = [f"{name}: {_row(value)}" for name, value in shown.items() if value not in (None, "")]
    lines += [f"recipe: {data['recipe']}"] if data["recipe"] else []
    for v in data["verdicts"][:-1]:
        told = f"{'held' if v['success'] else 'failed'} ({v['reason']}) by {v['judged_by'] or 'nobody'}"
        lines.append(f"before: {told}{', ' + v['note'] if v['note'] else ''}")
    no_picture = "there is no picture, since the observation never came"
    return "\n".join([*lines, f"picture: {data['picture']}" if data["picture"] else no_picture])


def _row(value: Any) -> str:
    """A value on one line, matrices with their rows apart."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "; ".join(_row(row) for row in value)
    if isinstance(value, list):
        return " ".join(f"{n:.6g}" for n in value)
    return str(value)
