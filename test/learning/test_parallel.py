"""Two processes train as one: the same minibatch between them, one model, a loss like a single process's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from learning_toy import TINY, toy_data

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint, training
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.parallel import Team

CONFIG = TrainingConfig(network=TINY, batch_size=8, max_epochs=3, device="cpu")
RANK = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
import torch
torch.set_num_threads(1)
from test_parallel import CONFIG, toy_data, training
result = training.train(CONFIG, toy_data(), Path(sys.argv[1]), progress=False)
import os
Path(sys.argv[1], f"rank{{os.environ['RANK']}}.json").write_text(json.dumps(result))
"""


def test_two_processes_end_near_one_and_agree(tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run([*command, str(tmp_path / "two")], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    one = training.train(CONFIG, toy_data(), tmp_path / "one", progress=False)
    first, second = (json.loads((tmp_path / "two" / f"rank{i}.json").read_text()) for i in (0, 1))
    assert {k: v for k, v in first.items() if k != "seconds"} == {k: v for k, v in second.items() if k != "seconds"}
    assert first["train_nll"] == pytest.approx(one["train_nll"], abs=1.0)
    assert first["val_nll"] == pytest.approx(one["val_nll"], abs=1.0)
    checkpoint.load(tmp_path / "two")


def test_a_minibatch_that_does_not_divide_is_refused():
    assert Team(0, 4).share(100) == 25
    with pytest.raises(GmiError, match="batch_size must be a multiple of the 3 processes, got 100") as error:
        Team(0, 3).share(100)
    assert error.value.code == ErrorCode.BAD_SETTING


def test_processes_that_do_not_meet_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(GmiError, match="start with torchrun") as error:
        training.train(CONFIG, toy_data(), tmp_path, progress=False)
    assert error.value.code == ErrorCode.BAD_SETTING
