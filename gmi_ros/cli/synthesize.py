"""`gmi synthesize`: one frame from files to ranked grasps."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings

if TYPE_CHECKING:
    from gmi_ros.pipeline import Synthesis


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--rgb", type=Path, required=True, metavar="FILE", help="colour picture, 8 bits")
    parser.add_argument(
        "--depth",
        type=Path,
        required=True,
        metavar="FILE",
        help="npy of floats [m], or 16-bit png [mm], registered to rgb",
    )
    parser.add_argument(
        "--mask", type=Path, required=True, metavar="FILE", help="grey png: 0 background, 0/255 or one label per object"
    )
    parser.add_argument(
        "--camera",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON or YAML: width, height, K (9 numbers, row-major)",
    )
    parser.add_argument("--seed", type=options.seed, default=1, help="the same seed gives the same grasps")
    parser.add_argument("--label", type=int, default=0, help="label of the object in the mask, 0 = the largest")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw the best grasp into this png")
    options.add_model(parser)
    options.add_settings(parser, SynthesisSettings)


def run(args: argparse.Namespace) -> Report:
    """Read, synthesise, say what came of it; a refusal is a report too, with its error_code."""
    try:
        return _synthesize(args, options.settings_from(args, SynthesisSettings))
    except GmiError as error:
        if error.code is ErrorCode.BAD_SETTING:
            raise  # bad usage, which has an exit status of its own
        from gmi_ros.report.answer import refusal_data

        return Report(
            refusal_data(error, args.seed), f"refused, {error.code.name} ({int(error.code)}): {error.message}", ok=False
        )


def _synthesize(args: argparse.Namespace, settings: SynthesisSettings) -> Report:
    from gmi_ros.cli.frame_files import read_frame

    if args.picture:
        from gmi_ros.cli.pictures import check_picture

        check_picture(args.picture)
    if not 0 <= args.label <= 65535:
        raise GmiError(ErrorCode.LABEL_NOT_FOUND, f"label must be in [0, 65535], got {args.label}")
    frame = read_frame(args.rgb, args.depth, args.mask, args.camera)

    from gmi_ros.evaluation.models import load_model
    from gmi_ros.hand.barrett import load_hand
    from gmi_ros.pipeline import synthesize
    from gmi_ros.report.answer import answer_data

    hand = load_hand(args.hand)
    synthesis = synthesize(
        frame, load_model(args.model, settings.inference_threads), hand, settings, args.seed, args.label
    )
    data, text = {**answer_data(synthesis), "stages_ms": synthesis.stages_ms}, _text(synthesis)
    ok = synthesis.error_code is ErrorCode.OK
    if args.picture:
        from gmi_ros.cli.pictures import save_picture
        from gmi_ros.report.draw import draw_synthesis

        try:
            save_picture(draw_synthesis(frame, synthesis, hand, args.rgb.name, synthesis.message), args.picture)
        except GmiError as error:  # the answer is one without it
            data["picture_error"] = error.message
            text, ok = f"{text}\n{error.message}", False
    return Report(data, text, ok)


def _text(synthesis: "Synthesis") -> str:
    lines = [f"seed {synthesis.seed}: {synthesis.message}; {sum(synthesis.stages_ms.values()):.0f} ms"]
    if synthesis.object_frame.degenerate:
        lines.append("the object frame is degenerate: the mask has no distinct principal axis")
    for rank, grasp in enumerate(synthesis.grasps, 1):
        spread, *fingers = grasp.joints
        lines.append(
            f"{rank:3d}  score {grasp.score:8.2f}  residual {1e3 * grasp.residual.max():5.1f} mm  "
            f"spread {spread:.2f}  fingers {' '.join(f'{f:.2f}' for f in fingers)} rad"
        )
    return "\n".join(lines)
