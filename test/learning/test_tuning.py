"""Going on with trained networks: the mixture is as stated, new things are learned, old ones are not forgotten."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.calibration import Calibration
from gmi_ros.learning.config import EVALUATOR, TrainingConfig
from gmi_ros.learning.evaluator import EvaluatorNetwork, widened
from gmi_ros.learning.evaluator_training import train_evaluator
from gmi_ros.learning.evaluator_tuning import (
    _counted_for_all,
    judged_summary,
    losses,
    probabilities,
    tune_evaluator,
    with_answers,
)
from gmi_ros.learning.generator_tuning import _Tuning, contrast, tune_generator
from gmi_ros.learning.run import learning_rate
from gmi_ros.learning.spec import HELD, SHARE, STEADY
from gmi_ros.learning.training import train
from gmi_ros.learning.tuning import GENERATOR_TUNING, Mixture, between
from learning_toy import TINY as TINY_GENERATOR
from learning_toy import toy_data
from test_evaluator import CONFIG, toy_trials

TUNED = replace(CONFIG, max_epochs=4, patience=4, learning_rate=6e-3, cooldown=1.0)
MIXTURE = Mixture(share=0.5, batches=12)
CALIBRATION = Calibration(0.8, 0.2, -0.1)


def empty_trials(n_images=30, seed=5):
    """As toy_trials, but nothing that is seen belongs to the object, and nothing holds."""
    data = toy_trials(n_images, seed=seed)
    nothing, unknown = np.zeros_like(data.held), np.full(len(data), np.nan, np.float32)
    return replace(data, mask=np.zeros_like(data.mask), held=nothing, share=unknown, steady=unknown)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("before") / EVALUATOR
    train_evaluator(replace(CONFIG, max_epochs=6), toy_trials(40), folder, progress=False)
    network, _ = checkpoint.load_network(folder, (EVALUATOR,))
    metrics, card = (json.loads((folder / checkpoint.METRICS).read_text()), (folder / checkpoint.CARD).read_text())
    checkpoint.save(folder, network, metrics, card, CALIBRATION)
    return folder


def tune(folder, out, mixture=MIXTURE, **changes):
    given = replace(TUNED, **changes)
    held_out, check = empty_trials(12, 6), toy_trials(12, seed=8)
    return tune_evaluator(given, mixture, folder, empty_trials(), toy_trials(), held_out, check, out, progress=False)


@pytest.fixture(scope="module")
def tuned(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("after") / EVALUATOR
    return folder, tune(trained, folder)


def loss(folder, data):
    network = checkpoint.load_network(folder, (EVALUATOR,))[0].eval()
    return losses(probabilities(network, data)[:, HELD], data.held).mean()


def test_new_things_are_learned_and_old_ones_not_forgotten(trained, tuned):
    new, old = empty_trials(20, 9), toy_trials(20, seed=10)
    assert loss(tuned[0], new) < loss(trained, new) / 3
    assert loss(tuned[0], old) < loss(trained, old) + 0.1
    card = (tuned[0] / checkpoint.CARD).read_text()
    assert "50 % of every minibatch" in card and "32, 16 of them new" in card


def test_its_calibration_goes_with_it(tuned):
    assert checkpoint.load_evaluator(tuned[0]).calibration == CALIBRATION


def test_with_less_replay_more_is_forgotten(trained, tuned, tmp_path):
    tune(trained, tmp_path, Mixture(share=0.95, batches=MIXTURE.batches))
    old = toy_trials(20, seed=10)
    assert loss(tmp_path, old) > loss(tuned[0], old)


def test_an_ended_run_goes_on_to_the_same_bits_and_no_other_goes_on_in_its_place(trained, tuned, tmp_path):
    class Ended(Exception):
        pass

    def end(*_):
        if (tmp_path / "log.csv").exists():
            raise Ended

    with pytest.MonkeyPatch.context() as patch:  # ended in the second epoch
        patch.setattr("gmi_ros.learning.run.learning_rate", lambda *given: end() or learning_rate(*given))
        with pytest.raises(Ended):
            tune(trained, tmp_path)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    result = tune(trained, tmp_path)
    assert (tuned[0] / checkpoint.WEIGHTS).read_bytes() == (tmp_path / checkpoint.WEIGHTS).read_bytes()
    assert {**result, "seconds": 0} == {**tuned[1], "seconds": 0}
    with pytest.raises(GmiError, match="other data"):
        tune(trained, tmp_path, Mixture(share=0.4, batches=MIXTURE.batches))


def test_what_the_old_network_says_of_what_was_not_tried_is_kept_as_target(trained):
    network, data = checkpoint.load_network(trained, (EVALUATOR,))[0], toy_trials(10, seed=3)
    given = with_answers(data, network)
    said = probabilities(network, data)
    for kept, had, answer in ((given.share, data.share, SHARE), (given.steady, data.steady, STEADY)):
        known = np.isfinite(had)
        assert 0 < known.sum() < len(data) and (kept[known] == had[known]).all()
        np.testing.assert_allclose(kept[~known], said[~known, answer], atol=1e-6)


def test_a_widened_evaluator_answers_as_before_and_learns_what_it_could_not(tmp_path):
    plain, data = replace(CONFIG.network, steady=False, planned=False), toy_trials(40)
    train_evaluator(replace(CONFIG, network=plain, max_epochs=4), data, tmp_path / "plain", progress=False)
    network, _ = checkpoint.load_network(tmp_path / "plain", (EVALUATOR,))
    wide, seen = widened(network, True, True).eval(), toy_trials(10, seed=3)
    before, after = probabilities(network.eval(), seen), probabilities(wide, seen)
    np.testing.assert_allclose(after[:, :2], before, atol=1e-6)
    assert (after[:, STEADY] == 0.5).all() and widened(wide, False, False) is wide
    sides = (toy_trials(30, seed=5), data, toy_trials(12, seed=6), toy_trials(12, seed=8))
    config = replace(TUNED, max_epochs=8, patience=8)
    tune_evaluator(
        config, MIXTURE, tmp_path / "plain", *sides, tmp_path / "wide", progress=False, steady=True, planned=True
    )
    learned, _ = checkpoint.load_network(tmp_path / "wide", (EVALUATOR,))
    told = probabilities(learned.eval(), seen)
    assert ((told[:, STEADY] > 0.5) != seen.held).mean() > 0.75  # toy trials are steady where they are not held


def test_losses_and_their_summary():
    told, held = np.array([0.9, 0.2, 0.5]), np.array([True, False, True])
    np.testing.assert_allclose(losses(told, held), -np.log([0.9, 0.8, 0.5]))
    found = judged_summary(told, held)
    assert found["n"] == 3 and found["auc"] == 1.0 and found["nll"] == pytest.approx(0.3406, abs=1e-3)
    assert judged_summary(told, np.ones(3, bool))["auc"] is None


def test_the_generator_learns_new_grasps_and_keeps_the_old(tmp_path):
    old, new = toy_data(seed=1), toy_data(seed=2)
    new = replace(new, grasps=new.grasps + 0.2)
    config = TrainingConfig(model="cvae", network=TINY_GENERATOR, batch_size=16, max_epochs=1, device="cpu")
    train(config, old, tmp_path / "before", progress=False)
    tuning = replace(config, learning_rate=1e-2, max_epochs=2, patience=2)
    result = tune_generator(
        tuning, MIXTURE, tmp_path / "before", new, old, new, old, tmp_path / "after", progress=False
    )
    assert result["n_train"] == len(new) and result["n_replay"] == len(old)
    before, after = (checkpoint.load_network(tmp_path / name)[0] for name in ("before", "after"))
    assert (before.normaliser.grasp_mean == after.normaliser.grasp_mean).all()
    lines = (tmp_path / "after" / "log.csv").read_text().splitlines()[1:]
    assert float(lines[-1].split(",")[3]) < float(lines[0].split(",")[3])


def gap(before, after, data):
    """By how many nats grasps that held became likelier than such as failed, from one network to the other."""
    planned = np.isfinite(data.planned).all(axis=(1, 2))
    images = torch.from_numpy(data.images(data.image_index[planned])).permute(0, 3, 1, 2)
    grasps = torch.from_numpy(data.grasps[planned])
    told = []
    for network in (before, after):
        bound = network.eval()(images).elbo(grasps, torch.Generator().manual_seed(0))
        told.append((bound.reconstruction - bound.kl).detach().numpy())
    held = data.held[planned]
    return (told[1] - told[0])[held].mean() - (told[1] - told[0])[~held].mean()


def test_failures_make_grasps_like_them_less_likely(tmp_path):
    old, new = toy_data(seed=1), toy_data(seed=2)
    config = TrainingConfig(model="cvae", network=TINY_GENERATOR, batch_size=16, max_epochs=1, device="cpu")
    train(config, old, tmp_path / "before", progress=False)
    tuning = replace(config, learning_rate=1e-2, max_epochs=8, patience=8)
    tried = {"successes alone": None, "failures too": (toy_trials(40), toy_trials(12, seed=6))}
    found = {}
    for name, trials in tried.items():
        out = tmp_path / name
        tune_generator(tuning, MIXTURE, tmp_path / "before", new, old, new, old, out, progress=False, tried=trials)
        ends = [checkpoint.load_network(folder)[0] for folder in (tmp_path / "before", out)]
        found[name] = gap(*ends, toy_trials(20, seed=9))
    assert found["failures too"] > found["successes alone"] + 0.3


def test_trials_without_a_planned_grasp_change_nothing(tmp_path):
    old, trials = toy_data(seed=1), toy_trials(10)
    unplanned = replace(trials, planned=np.full_like(trials.planned, np.nan))
    config = TrainingConfig(model="cvae", network=TINY_GENERATOR, batch_size=16, max_epochs=1, device="cpu")
    train(config, old, tmp_path / "before", progress=False)
    for name, tried in (("a", None), ("b", (unplanned, unplanned))):
        sides = (old, old, old, old, tmp_path / name)
        told = tune_generator(config, Mixture(batches=2), tmp_path / "before", *sides, progress=False, tried=tried)
        assert told["n_tried"] == 0
    assert (tmp_path / "a" / checkpoint.WEIGHTS).read_bytes() == (tmp_path / "b" / checkpoint.WEIGHTS).read_bytes()


def test_weights_between_two_networks_are_on_the_line_from_one_to_the_other():
    before, after = (EvaluatorNetwork(CONFIG.network, seed) for seed in (1, 2))
    for part in (0.0, 0.25, 1.0):
        state = between(before, after, part).state_dict()
        for name, tensor in state.items():
            ends = before.state_dict()[name], after.state_dict()[name]
            torch.testing.assert_close(tensor, (1 - part) * ends[0] + part * ends[1])


def test_of_nothing_that_changed_nothing_is_told():
    held = torch.tensor([1.0, 0.0, 1.0])
    assert contrast(torch.zeros(3), held).item() == pytest.approx(np.log(2))
    likelier = torch.zeros(3, requires_grad=True)
    contrast(likelier, held).backward()
    assert (torch.sign(-likelier.grad) == 2 * held - 1).all()


def test_a_record_counts_for_all_answers_unless_it_was_tried_for_them():
    trials = toy_trials(10)
    counted = _counted_for_all(trials)
    for name in ("share", "steady"):
        had, got = getattr(trials, name), getattr(counted, name)
        known = np.isfinite(had)
        assert 0 < known.sum() < len(trials) and (got[known] == had[known]).all()
        assert (got[~known] == trials.held[~known]).all()


@pytest.mark.parametrize(("n", "share", "new"), [(10, 0.3, 3), (10, 0.05, 1), (2, 0.95, 1), (64, 0.5, 32)])
def test_the_mixture_counts(n, share, new):
    assert Mixture(share=share).new_of(n) == new


def test_a_mixture_out_of_its_bounds_is_refused():
    with pytest.raises(GmiError, match=r"share must be in \[0.05, 0.95\], got 1.0") as refused:
        Mixture(share=1.0)
    assert refused.value.code == ErrorCode.BAD_SETTING


@pytest.mark.parametrize(("n", "together"), [(10, 1), (10, 3), (2, 6)])
def test_so_many_grasps_of_each_image_are_drawn_together(n, together):
    """All grasps as often as others; only which come together is asked for."""
    image_index = np.repeat(np.arange(40), np.random.default_rng(0).integers(1, 9, 40))
    run = SimpleNamespace(config=replace(GENERATOR_TUNING, grasps_per_image=together))
    rng = np.random.default_rng(1)
    drawn = np.stack([_Tuning._drawn(run, image_index, n, rng) for _ in range(40000 // n)])
    assert drawn.shape == (40000 // n, n)
    together = min(together, n)
    images = image_index[drawn[:, : n // together * together]].reshape(len(drawn), -1, together)
    assert (images == images[..., :1]).all()
    counts = np.bincount(drawn.ravel(), minlength=len(image_index))
    assert np.abs(counts / drawn.size * len(image_index) - 1).max() < 0.4
