"""Training and its files: resuming to the bit, strict loading, damage told apart."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from learning_toy import TINY, toy_data

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint, files, run, training
from gmi_ros.learning.config import MixtureConfig, NetworkConfig, TrainingConfig
from gmi_ros.learning.networks import RCVAE

MIXTURE = MixtureConfig(features=8, local=8, units=8, layers=1, components=2)
CONFIG = TrainingConfig(network=TINY, batch_size=8, max_epochs=4, device="cpu")


def train(folder, config=CONFIG, data=None, **options):
    return training.train(config, data or toy_data(), folder, progress=False, **options)


@pytest.fixture
def folder(tmp_path):
    checkpoint.save(tmp_path / "model", RCVAE(TINY, 5), {"val_nll": 1.0}, "# card\n")
    return tmp_path / "model"


@pytest.mark.parametrize(("owner", "during"), [(run, "save_state"), (run.Run, "_validate")])
@pytest.mark.parametrize("model", ["r_cvae", "mixture"])  # the mixture has dropout
def test_an_interrupted_run_ends_in_the_same_bits(tmp_path, monkeypatch, owner, during, model):
    network = {"r_cvae": TINY, "mixture": MIXTURE}[model]
    config = TrainingConfig(model, network, batch_size=8, max_epochs=4, cooldown=0.5, device="cpu")
    whole = train(tmp_path / "whole", config)
    original, calls = getattr(owner, during), []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(owner, during, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", config)
    monkeypatch.undo()
    parts = train(tmp_path / "parts", config)
    name = checkpoint.WEIGHTS
    assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {k: v for k, v in parts.items() if k != "seconds"} == {k: v for k, v in whole.items() if k != "seconds"}
    assert len((tmp_path / "parts" / run.LOG).read_text().splitlines()) == 1 + 4


def test_training_lowers_the_bound_and_leaves_a_model(tmp_path):
    result = train(tmp_path, TrainingConfig(network=TINY, batch_size=8, max_epochs=6, device="cpu"))
    log = [line.split(",") for line in (tmp_path / run.LOG).read_text().splitlines()]
    assert float(log[-1][1]) < float(log[1][1])
    assert result["val_nll"] == pytest.approx(min(float(row[3]) for row in log[1:]), rel=1e-5)
    model = checkpoint.load(tmp_path)
    assert model.sample(np.zeros((64, 64, 5), np.float32), 3, 0).contacts.shape == (3, 3, 3)
    assert json.loads((tmp_path / "metrics.json").read_text())["best_epoch"] == result["best_epoch"]
    assert "validation" in (tmp_path / "card.md").read_text()


def test_stops_early_with_the_best_weights(tmp_path):
    config = TrainingConfig(network=TINY, batch_size=8, max_epochs=50, patience=2, learning_rate=0.1, device="cpu")
    result = train(tmp_path, config)
    assert result["epochs"] == result["best_epoch"] + 2 < 50
    again = train(tmp_path, config)  # a finished run answers at once
    assert again == result


def test_the_learning_rate_falls_to_zero_over_the_last_part():
    config = TrainingConfig(max_epochs=10, cooldown=0.4, learning_rate=2e-3)
    rates = [run.learning_rate(config, e) for e in (0.0, 6.0, 7.0, 8.0, 10.0)]
    assert rates == pytest.approx([2e-3, 2e-3, 1.5e-3, 1e-3, 0.0])
    assert run.learning_rate(TrainingConfig(max_epochs=10), 9.99) == TrainingConfig().learning_rate


def test_without_a_learning_rate_nothing_is_learned(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "learning_rate", lambda config, epochs: 0.0)
    train(tmp_path, TrainingConfig(network=TINY, batch_size=8, max_epochs=3, device="cpu"))
    validated = {line.split(",")[3] for line in (tmp_path / run.LOG).read_text().splitlines()[1:]}
    assert len(validated) == 1


def test_resuming_another_run_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(GmiError, match="a run with other settings: seed 0, now 1; train into") as error:
        train(tmp_path, TrainingConfig(network=TINY, batch_size=8, max_epochs=4, seed=1, device="cpu"))
    assert error.value.code == ErrorCode.BAD_SETTING
    with pytest.raises(GmiError, match="a run with other data"):
        train(tmp_path, data=toy_data(seed=1))
    assert train(tmp_path, data=toy_data(seed=1), resume=False)["epochs"] == 4


def test_weights_of_which_no_run_was_begun_are_not_trained_over(folder):
    before = (folder / checkpoint.WEIGHTS).read_bytes()
    with pytest.raises(GmiError, match="no run was begun there: train into another folder, or .*--restart") as error:
        train(folder)
    assert error.value.code == ErrorCode.BAD_SETTING and (folder / checkpoint.WEIGHTS).read_bytes() == before
    assert train(folder, resume=False)["epochs"] == 4


def test_a_damaged_state_is_told(tmp_path):
    train(tmp_path)
    path = tmp_path / "resume.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(GmiError, match="not a whole training state") as error:
        train(tmp_path)
    assert error.value.code == ErrorCode.WEIGHTS_DAMAGED


def test_a_gpu_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GmiError, match="sees no GPU") as error:
        train(tmp_path, TrainingConfig(network=TINY, device="cuda"))
    assert error.value.code == ErrorCode.BAD_SETTING


def test_what_is_saved_is_what_is_loaded(folder):
    network, digest = checkpoint.load_network(folder)
    for (name, a), (_, b) in zip(RCVAE(TINY, 5).state_dict().items(), network.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    assert checkpoint.load(folder).hash == digest[:16] and len(digest) == 64


def test_the_paper_s_network_is_under_5_mb(tmp_path):
    checkpoint.save(tmp_path, RCVAE(NetworkConfig()), {}, "")
    assert (tmp_path / checkpoint.WEIGHTS).stat().st_size < 5e6


@pytest.mark.parametrize("name", [checkpoint.CONFIG, checkpoint.WEIGHTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(GmiError) as error:
        checkpoint.load(folder)
    assert error.value.code == ErrorCode.WEIGHTS_MISSING
    assert str(folder) in error.value.message and f"lacks {name}" in error.value.message


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(GmiError, match="nowhere is not a folder") as error:
        checkpoint.load(tmp_path / "nowhere")
    assert error.value.code == ErrorCode.WEIGHTS_MISSING


def rewrite(folder, change):
    tensors = load_file(folder / checkpoint.WEIGHTS)
    change(tensors)
    save_file(tensors, folder / checkpoint.WEIGHTS)
    digest = hashlib.sha256((folder / checkpoint.WEIGHTS).read_bytes()).hexdigest()
    edit_config(folder, weights_sha256=digest)


def edit_config(folder, **changes):
    path = folder / checkpoint.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut(folder, size):
    path = folder / checkpoint.WEIGHTS
    path.write_bytes(path.read_bytes()[:size])


def flip(folder):
    path = folder / checkpoint.WEIGHTS
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: cut(f, 0), "not a whole safetensors file (0 bytes)"),
        (lambda f: cut(f, 100), "not a whole safetensors file (100 bytes)"),
        (lambda f: cut(f, -4), "not a whole safetensors file"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"\xff" * 4000), "not a whole safetensors file"),
        (flip, "SHA-256"),
        (lambda f: rewrite(f, lambda t: t["scale"].fill_(float("nan"))), "scale has 18 values that are not finite"),
        (lambda f: rewrite(f, lambda t: t.update(scale=torch.zeros(3))), "scale is torch.float32 (3,)"),
        (lambda f: rewrite(f, lambda t: t.pop("scale")), "lacks ['scale'] (1 in all)"),
        (lambda f: (f / "config.json").write_text("{"), "not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "must be an object"),
        (lambda f: edit_config(f, architecture="gan"), "architecture is 'gan', this program reads 'cnn', "),
        (lambda f: edit_config(f, architecture="cvae"), "prior.grasp"),
        (lambda f: edit_config(f, version=99), "version is 99"),
        (lambda f: edit_config(f, network={"latent": 2}), "needs the fields"),
    ],
)
def test_damage_is_told(folder, damage, words):
    damage(folder)
    with pytest.raises(GmiError) as error:
        checkpoint.load(folder)
    assert error.value.code == ErrorCode.WEIGHTS_DAMAGED and words in error.value.message


def test_a_full_disk_leaves_the_previous_files_whole(folder, monkeypatch):
    before = (folder / checkpoint.WEIGHTS).read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(GmiError, match="No space left") as error:
        checkpoint.save(folder, RCVAE(TINY, 6), {}, "")
    assert error.value.code == ErrorCode.STORE_UNWRITABLE
    assert (folder / checkpoint.WEIGHTS).read_bytes() == before
    assert not list(folder.glob(".*partial"))
    checkpoint.load(folder)
