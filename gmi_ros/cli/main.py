"""The command `gmi`: finds the subcommand, runs it, and turns what comes of it into text, JSON and an exit status."""

import argparse
import errno
import importlib
import json
import math
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError

DONE, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130
CUT_OFF = 141  # who read the output has gone, as `| head` does
_NEGATIVE = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)

# Name -> what it does. Each is a module of this package with `add_arguments(parser)` and `run(args) -> Report`; only
# the module of the command that was asked for is imported.
COMMANDS = {
    "demo": "see, synthesise, execute and record in a simulated cell, over ROS 2",
    "up": "start the nodes without launch_ros",
    "record": "record topics into a rosbag2",
    "synthesize": "grasps for one frame read from files",
    "bag": "what is in a rosbag2, and which of its topics a replay would take",
    "replay": "grasps for every image set of a rosbag2, without ROS",
    "collect": "simulated picking trials into an experience store",
    "experience": "what executed grasps came to: list, show, export, merge and verify the stores",
    "train": "train a network on experience stores, or go on with trained weights on new records",
    "weights": "which weights are at work; put new ones in their place, or previous ones back",
    "evaluate": "how good a network is, by several measures",
    "figures": "pictures of what a network samples, and a page in which the grasps can be turned",
    "bench": "measure how fast everything is",
    "doctor": "what is installed, which fallbacks are in use, and does it work",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed with a message, 2 bad usage."""
    argv = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what the terminal cannot show is shown as its number
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(argv)
    except KeyboardInterrupt:
        print("gmi: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is flushed to there
        if isinstance(error, BrokenPipeError):
            return CUT_OFF
        print(f"gmi: cannot write the answer: {error.strerror or error}", file=sys.stderr)
        return FAILED


def _run(argv: list[str]) -> int:
    command = next((word for word in argv if not word.startswith("-")), None)
    try:
        args = _parser(command).parse_args(argv)
    except _UsageError as error:
        _failed(ErrorCode.BAD_REQUEST, error.message, "--json" in argv)
        return BAD_USAGE
    try:
        report = importlib.import_module(f"gmi_ros.cli.{args.command}").run(args)
    except GmiError as error:
        if args.debug:
            traceback.print_exc()
        return _failed(error.code, error.message, args.json)
    except KeyboardInterrupt:
        print(f"gmi {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except MemoryError:
        return _failed(ErrorCode.INTERNAL, f"gmi {args.command} ran out of memory: ask for fewer at once", args.json)
    except Exception as error:  # the last fence before the user: one line, and how to see more
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            raise
        if args.debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.filename is not None:
            code = ErrorCode.STORE_UNWRITABLE if error.errno in _FULL else ErrorCode.FILE_NOT_FOUND
            return _failed(code, f"cannot use {os.fsdecode(error.filename)}: {error.strerror}", args.json)
        text = f"{type(error).__name__}: {error} (a defect of gmi_ros; `gmi {args.command} --debug` shows where)"
        return _failed(ErrorCode.INTERNAL, text, args.json)
    if report.text:
        print(report.text)
    if args.json:
        print(json.dumps(_finite(report.data), allow_nan=False))
    if sys.stdout is not None:
        sys.stdout.flush()
    return DONE if report.ok else FAILED


def _parser(command: str | None) -> argparse.ArgumentParser:
    """The parser, with the arguments of `command` only: the others' modules stay unimported."""
    parser = _Parser(
        prog="gmi",
        description="Grasp synthesis for a three-finger BarrettHand.",
        epilog="`gmi COMMAND --help` tells the rest.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, does in COMMANDS.items():
        sub = commands.add_parser(
            name, help=does, description=does[0].upper() + does[1:] + ".", formatter_class=_HelpFormatter
        )
        if name == command:
            importlib.import_module(f"gmi_ros.cli.{name}").add_arguments(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        sub.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    return parser


def _reader_has_gone() -> bool:
    """Whether it is the output that nobody reads, and not another pipe that broke."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


def _finite(data: Any) -> Any:
    """The same with null for numbers that JSON does not have."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


class _UsageError(Exception):
    """An option that argparse does not take; its usage has been printed."""

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class _Parser(argparse.ArgumentParser):
    """A parser that leaves the last word to `main`, which may have to say it in JSON. Subcommands' are of this class."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = _NEGATIVE  # argparse's own does not know -1e-3, and takes it for an option

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise _UsageError(message)


class _HelpFormatter(argparse.HelpFormatter):
    """Help with the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False, argparse.SUPPRESS) and "default" not in (action.help or "")
        return f"{action.help} (default: %(default)s)" if shown and action.option_strings else action.help


def _failed(code: ErrorCode, message: str, as_json: bool) -> int:
    print(f"gmi: error {code.name} ({int(code)}): {message}", file=sys.stderr)
    if as_json:
        print(json.dumps(Report.failure(code, message).data), flush=True)
    return BAD_USAGE if code is ErrorCode.BAD_SETTING else FAILED
