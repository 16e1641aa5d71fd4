"""The command line: what it lists, its exit statuses, and that no traceback reaches a user."""

import errno
import json
import os
import subprocess
import sys

import pytest

from gmi_ros.cli import main as command
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as end:
        command.main([name, "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0 and f"gmi {name}" in text and "--json" in text


def test_no_command_and_an_unknown_one_are_bad_usage(capsys):
    for arguments in ([], ["fly"], ["synthesize"], ["collect", "--out", "x", "--trials", "0"], ["demo", "--seed", "0"]):
        assert command.main(arguments) == 2, arguments
    assert "must be an integer in [1," in capsys.readouterr().err


def test_bad_usage_ends_with_json_where_that_is_asked_for(capsys):
    assert command.main(["collect", "--out", "x", "--trials", "0", "--json"]) == 2
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["error_code"] == ErrorCode.BAD_REQUEST and "--trials" in told["message"]


@pytest.mark.parametrize(
    "error, status, code",
    [
        (GmiError(ErrorCode.FILE_NOT_FOUND, "no such thing"), 1, 74),
        (GmiError(ErrorCode.BAD_SETTING, "n_samples must be in [1, 4096], got 0"), 2, 80),
        (ZeroDivisionError("division by zero"), 1, 99),
    ],
)
def test_a_failure_is_one_line_and_a_json_object(error, status, code, gmi, monkeypatch, tmp_path):
    from gmi_ros.cli import collect

    def fail(args):
        raise error

    monkeypatch.setattr(collect, "run", fail)
    got, data, stderr = gmi("collect", "--trials", 1, "--out", tmp_path / "s.db")
    assert (got, data["error_code"]) == (status, code) and str(error) in data["message"]
    assert "Traceback" not in stderr and len(stderr.splitlines()) == 1
    gmi("collect", "--trials", 1, "--out", tmp_path / "s.db", "--debug")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from gmi_ros.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'mujoco', 'matplotlib', 'rclpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def run_cli(*arguments, **how):
    return subprocess.run([sys.executable, "-m", "gmi_ros.cli", *arguments], stderr=subprocess.PIPE, timeout=60, **how)


def test_a_reader_who_has_gone_a_full_disk_and_no_output_at_all(tmp_path):
    read, write = os.pipe()
    os.close(read)
    gone = run_cli("weights", "ls", stdout=write)
    os.close(write)
    assert (gone.returncode, gone.stderr) == (command.CUT_OFF, b"")
    with open("/dev/full", "wb") as full:
        done = run_cli("weights", "ls", stdout=full)
    assert done.returncode == 1 and done.stderr.decode().splitlines() == [
        "gmi: cannot write the answer: No space left on device"
    ]
    closed = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m gmi_ros.cli weights ls >&-"], stderr=subprocess.PIPE, timeout=60
    )
    assert (closed.returncode, closed.stderr) == (0, b"")


def test_what_the_terminal_cannot_show_is_no_failure(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = run_cli("experience", "verify", str(tmp_path / "d\u00e9v.db"), stdout=subprocess.PIPE, env=environment)
    assert done.returncode == 1 and b"d\\xe9v.db" in done.stdout and b"Traceback" not in done.stderr


def test_an_interrupt_while_a_command_is_loaded(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_parser", interrupted)
    assert command.main(["doctor"]) == command.INTERRUPTED and "interrupted" in capsys.readouterr().err


def test_json_has_null_where_there_is_no_number(gmi, monkeypatch):
    from gmi_ros.cli import doctor

    told = {"auc": float("nan"), "all": [1.0, float("inf")], "deep": {"x": (float("-inf"), "nan")}}
    monkeypatch.setattr(doctor, "run", lambda args: Report(told, ""))
    assert gmi("doctor")[1] == {"auc": None, "all": [1.0, None], "deep": {"x": [None, "nan"]}}


@pytest.mark.parametrize("number", ["-1e9", "-4E-3", "-.5", "-2"])
def test_negative_numbers_are_no_options(number):
    words = ["synthesize", *"--rgb a --depth b --mask c --camera d --min-score".split(), number]
    assert command._parser("synthesize").parse_args(words).min_score == float(number)


def test_a_file_that_may_not_be_used_is_named(gmi, monkeypatch, tmp_path):
    from gmi_ros.cli import doctor

    def denied(args):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(doctor, "run", denied)
    status, data, _ = gmi("doctor")
    assert (status, data["error"]) == (1, "FILE_NOT_FOUND") and data[
        "message"
    ] == f"cannot use {tmp_path}: Permission denied"


def test_threads_have_a_bound(gmi):
    status, data, _ = gmi("evaluate", "likelihood", "--data", "x.db", "--threads", 65)
    assert status == 2 and "in [1, 64], got '65'" in data["message"]


def test_another_pipe_that_breaks_is_told(gmi, monkeypatch):
    from gmi_ros.cli import doctor

    def broken(args):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(doctor, "run", broken)
    status, data, stderr = gmi("doctor")
    assert (status, data["error"]) == (1, "INTERNAL") and "Broken pipe" in stderr
