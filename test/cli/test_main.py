"""The command line: what it lists, its exit statuses, and that no traceback reaches a user."""

import json
import subprocess
import sys

import pytest

from gmi_ros.cli import main as command
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
