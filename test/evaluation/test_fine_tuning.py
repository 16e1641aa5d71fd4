"""From recorded grasps to weights at work: learned from, compared, refused when worse, kept, put back."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from gmi_ros.cli.main import main
from gmi_ros.core.errors import GmiError
from gmi_ros.evaluation.judged import load_judged
from gmi_ros.evaluation.tuning import NETWORKS, Tuning, fine_tune, table
from gmi_ros.evaluation.weights import COMPARISON, install, kept, restore
from gmi_ros.experience.episode import Episode, Pixels
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EVALUATOR, EvaluatorConfig, NetworkConfig
from gmi_ros.learning.evaluator import EvaluatorNetwork
from gmi_ros.learning.networks import RCVAE
from gmi_ros.learning.tuning import EVALUATOR_TUNING, GENERATOR_TUNING, Mixture

TINY = EvaluatorConfig(across=1, along=4, up=3, filters=(8,), finger_units=16, finger_features=8, hand_units=16)
SMALL = NetworkConfig(kernels=(7, 5, 5, 5), channels=(2, 2, 4, 4), hidden=8, latent=2)
JOINTS = np.array([0.0, 1.4, 1.4, 1.4])


def record(number: int, prefix: str, **changes) -> Episode:
    """A block on a table, seen by a robot from above; the hand that comes down on it holds it, one beside it does not."""
    rng = np.random.default_rng([number, *prefix.encode()])
    depth, mask = np.full((64, 64), 0.05, np.float32), np.zeros((64, 64), bool)
    depth[22:42, 22:42], mask[22:42, 22:42] = -0.03, True
    pixels = Pixels(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), depth, mask)
    camera_from_object, o_from_palm = np.eye(4), np.eye(4)
    camera_from_object[:3, :3], camera_from_object[2, 3] = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]]), 0.7
    o_from_palm[:3, :3] = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # its z along the view
    held = bool(number % 2)
    o_from_palm[:3, 3] = [-0.1, 0.0 if held else 0.15, 0.0] + rng.normal(0, 0.005, 3)
    hand = load_hand()
    contacts = hand.tips(JOINTS) @ o_from_palm[:3, :3].T + o_from_palm[:3, 3]
    normals = -hand.pad_normals(JOINTS) @ o_from_palm[:3, :3].T
    values = {
        "source": "robot", "success": held, "outcome_id": f"{prefix}-{number}", "pixels": pixels,
        "camera_from_object": camera_from_object, "camera_from_palm": camera_from_object @ o_from_palm, "joints": JOINTS,
        "contacts_predicted": contacts, "normals_predicted": normals,
        "contacts_reached": contacts, "normals_reached": normals, "reason": "held" if held else "no_contact",
        "judged_by": "lift", "model_hash": "0123456789abcdef",
    }  # fmt: skip
    return Episode(**{**values, **changes})


def write(path: Path, n: int, prefix: str, **changes) -> Path:
    with Store(path, "rw") as store:
        store.add_many([record(i, prefix, **changes) for i in range(n)])
    return path


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Stores and untrained networks at work."""
    folder = tmp_path_factory.mktemp("tuning")
    checkpoint.save(folder / "work", RCVAE(SMALL, seed=1), {}, "Untrained.")
    checkpoint.save(folder / "work" / EVALUATOR, EvaluatorNetwork(TINY, 1), {}, "Untrained.")
    stores = {name: write(folder / f"{name}.db", n, name) for name, n in (("new", 40), ("old", 20), ("check", 20))}
    quick = {"batch_size": 16, "grasps_per_image": 1, "learning_rate": 5e-3, "device": "cpu", "max_epochs": 2}
    wanted = Tuning(
        folder / "work", (stores["new"],), (stores["old"],), (stores["check"],), mixture=Mixture(batches=10),
        evaluator=replace(EVALUATOR_TUNING, **quick), generator=replace(GENERATOR_TUNING, **quick),
    )  # fmt: skip
    return folder, wanted


@pytest.fixture(scope="module")
def tuned(room):
    folder, wanted = room
    return folder / "new_weights", fine_tune(wanted, folder / "new_weights", workers=1, progress=False)


@pytest.fixture
def at_work(room, tmp_path):
    """A folder of its own with the weights at work."""
    for part in (".", EVALUATOR):
        source, target = room[0] / "work" / part, tmp_path / "work" / part
        target.mkdir(parents=True, exist_ok=True)
        for file in (checkpoint.CONFIG, checkpoint.WEIGHTS, checkpoint.CARD, checkpoint.METRICS):
            (target / file).write_bytes((source / file).read_bytes())
    return tmp_path / "work"


def test_records_of_a_robot_are_learned_from_and_compared(tuned, room):
    out, found = tuned
    assert found["records"] == {
        "held_out_by": "image", "trials": 32, "trials_held_out": 8, "successes": found["records"]["successes"],
        "successes_held_out": 20 - found["records"]["successes"], "executed_as_planned": 32,
    }  # fmt: skip
    assert found["to_hash"] == checkpoint.load(out).hash != found["from_hash"] == checkpoint.load(room[1].folder).hash
    line = found[EVALUATOR]["new"]
    assert asdict(checkpoint.load_evaluator(out / EVALUATOR).trust) == found[EVALUATOR]["trust"]
    assert line["after"]["nll"] < line["before"]["nll"] and line["change"] < 0 and line["before"]["n"] == 8
    assert found["generator"]["new"]["change"] < 0 and found["worse"] == []
    assert json.loads((out / COMPARISON).read_text()) == found
    assert "50 % of every minibatch" in (out / EVALUATOR / checkpoint.CARD).read_text()
    assert table(found).count("\n") == 4 and "evaluator" in table(found)


def test_who_would_lose_too_much_goes_a_part_of_the_way(tuned, room, tmp_path, monkeypatch):
    whole = tuned[1]
    assert whole[EVALUATOR]["part"] == 1.0
    lost = min(whole[name]["old"]["change"] for name in NETWORKS)
    monkeypatch.setattr("gmi_ros.evaluation.tuning.TOLERANCE", dict.fromkeys(NETWORKS, lost - 0.01))
    found = fine_tune(room[1], tmp_path / "out", workers=1, progress=False)
    for name in NETWORKS:
        assert found[name]["part"] < 1
        folder = tmp_path / "out" / (EVALUATOR if name == EVALUATOR else ".")
        assert f"{found[name]['part']:g} was gone" in (folder / checkpoint.CARD).read_text()
    assert found["to_hash"] == checkpoint.load(tmp_path / "out").hash != whole["to_hash"]
    again = fine_tune(room[1], tmp_path / "out", workers=1, progress=False)
    assert again == found


def test_how_much_a_generator_may_forget_can_be_said(tuned, room, tmp_path):
    lost = tuned[1]["generator"]["old"]["change"]
    found = fine_tune(replace(room[1], forget=lost - 0.01), tmp_path / "out", workers=1, progress=False)
    assert found["generator"]["part"] < 1 and found[EVALUATOR] == tuned[1][EVALUATOR]


def test_an_evaluator_that_learns_more_answers_is_compared_with_what_it_was(room, tmp_path):
    plain = replace(TINY, steady=False, planned=False)
    checkpoint.save(tmp_path / "plain", RCVAE(SMALL, seed=1), {}, "Untrained.")
    checkpoint.save(tmp_path / "plain" / EVALUATOR, EvaluatorNetwork(plain, 1), {}, "Untrained.")
    wanted = replace(room[1], folder=tmp_path / "plain", networks=(EVALUATOR,), mixture=Mixture(batches=1))
    found = fine_tune(replace(wanted, steady=True, planned=True), tmp_path / "out", workers=1, progress=False)
    assert 0 < found[EVALUATOR]["part"] <= 1
    learned, _ = checkpoint.load_network(tmp_path / "out" / EVALUATOR, (EVALUATOR,))
    assert learned.config.steady and learned.config.planned


def test_what_does_not_go_on_stays_as_it_is(room, tmp_path):
    folder, wanted = room
    quick = replace(wanted, networks=(EVALUATOR,), mixture=Mixture(batches=1))
    fine_tune(quick, tmp_path, workers=1, progress=False)
    assert (tmp_path / checkpoint.WEIGHTS).read_bytes() == (folder / "work" / checkpoint.WEIGHTS).read_bytes()
    ours, theirs = (f / EVALUATOR / checkpoint.WEIGHTS for f in (tmp_path, folder / "work"))
    assert ours.read_bytes() != theirs.read_bytes()


def test_too_few_records_and_records_of_a_test_split_are_refused(room, tmp_path):
    few = write(tmp_path / "few.db", 9, "few")
    with pytest.raises(GmiError, match="9 records in .*few.db: at least 10 are needed"):
        fine_tune(replace(room[1], experience=(few,)), tmp_path / "out", progress=False)
    tested = write(tmp_path / "tested.db", 12, "tested", split="similar")
    with pytest.raises(GmiError, match="records of similar are for testing"):
        fine_tune(replace(room[1], experience=(tested,)), tmp_path / "out", workers=1, progress=False)


def test_what_was_broken_off_tells_nothing_unless_a_person_says_so(tmp_path):
    path = tmp_path / "mixed.db"
    with Store(path, "rw") as store:
        store.add_many([record(1, "a"), record(2, "b", reason="cancelled"), record(4, "c", reason="execution_timeout")])
        store.add(record(6, "d", reason="cancelled", judged_by="person"))
    assert load_judged([path], 1, False).held.tolist() == [True, False]


def test_new_weights_take_the_place_of_the_old_which_can_be_put_back(tuned, at_work):
    out, found = tuned
    done = install(out, at_work)
    assert done == {"installed": found["to_hash"], "previous": found["from_hash"], "number": 1}
    assert checkpoint.load(at_work).hash == found["to_hash"] and [k.hash for k in kept(at_work)] == [found["from_hash"]]
    with pytest.raises(GmiError, match="are at work in .* already"):
        install(out, at_work)
    back = restore(at_work)
    assert back["installed"] == found["from_hash"] == checkpoint.load(at_work).hash and back["number"] == 2
    assert not (at_work / COMPARISON).exists()  # it was about the others
    assert restore(at_work, 2)["installed"] == found["to_hash"]  # and that undone
    assert (at_work / COMPARISON).read_bytes() == (out / COMPARISON).read_bytes()
    with pytest.raises(GmiError, match=f"{found['to_hash']}, number 2 of those kept, are at work in .* already"):
        restore(at_work, 2)
    assert [k.number for k in kept(at_work)] == [1, 2, 3]
    with pytest.raises(GmiError, match="number 9; valid are 1, 2, 3"):
        restore(at_work, 9)


def test_nothing_to_put_back_is_told(at_work):
    with pytest.raises(GmiError, match="keeps no previous weights"):
        restore(at_work)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"worse": ["the evaluator lost 0.2 nats"]}, "is worse: the evaluator lost 0.2 nats"),
        ({"from_hash": "0" * 16}, "went on from weights 0{16}"),
        ({"to_hash": "0" * 16}, "is about weights 0{16}"),
        ({"worse": 3}, "worse must be a list of reasons, got 3"),
        (None, "comparison.json is not there"),
    ],
)
def test_worse_or_unknown_weights_are_not_installed(tuned, at_work, tmp_path, change, told):
    new, before = tmp_path / "new", checkpoint.load(at_work).hash
    for part in (".", EVALUATOR):
        (new / part).mkdir(parents=True, exist_ok=True)
        for file in (checkpoint.CONFIG, checkpoint.WEIGHTS):
            (new / part / file).write_bytes((tuned[0] / part / file).read_bytes())
    if change is not None:
        (new / COMPARISON).write_text(json.dumps({**tuned[1], **change}))
    with pytest.raises(GmiError, match=told):
        install(new, at_work)
    assert checkpoint.load(at_work).hash == before and not kept(at_work)


def test_weights_that_lose_what_was_known_are_named_worse(room, tmp_path):
    """What holds on the robot is the opposite of what the old records say; one epoch at a high rate forgets those."""
    folder, wanted = room
    base = fine_tune(wanted, tmp_path / "base", workers=1, progress=False)
    assert not base["worse"]
    with Store(tmp_path / "opposite.db", "rw") as store:
        store.add_many([replace(e, success=not e.success) for e in (record(i, "opposite") for i in range(40))])
    quick = replace(
        wanted, folder=tmp_path / "base", experience=(tmp_path / "opposite.db",), networks=(EVALUATOR,),
        mixture=Mixture(share=0.95, batches=20),
    )  # fmt: skip
    found = fine_tune(quick, tmp_path / "worse", workers=1, progress=False)
    assert any("on old records" in told for told in found["worse"])
    with pytest.raises(GmiError, match="is worse: the evaluator lost"):
        install(tmp_path / "worse", tmp_path / "base")


def test_the_commands(room, at_work, tmp_path, capsys):
    folder, _ = room
    out, stores = tmp_path / "out", {name: str(folder / f"{name}.db") for name in ("new", "old", "check")}
    words = ["train", "--from", str(at_work), "--experience", stores["new"], "--data", stores["old"]]
    words += ["--check", stores["check"], "--out", str(out), "--cache", str(tmp_path / "cache"), "--quiet", "--json"]
    quick = "--batches 8 --max-epochs 1 --batch-size 16 --grasps-per-image 1 --learning-rate 0.01 --share 0.25 --imagined 5".split()
    assert main([*words, *quick, "--workers", "1", "--threads", "1", "--device", "cpu"]) == 0
    text = capsys.readouterr().out
    assert "imagined on 0 views: 0 trials, 0 held; 40 views were not kept whole" in text
    assert "25 % of a minibatch is new" in text and json.loads(text.splitlines()[-1])["share"] == 0.25
    assert main(["weights", "install", str(out), "--into", str(at_work)]) == 0
    assert main(["weights", "ls", "--model", str(at_work), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["previous"]) == 1
    assert main(["weights", "restore", "--model", str(at_work)]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "d"], "--from needs --experience"),
        (["--experience", "x.db", "--data", "y.db"], "--experience"),
        (["--from", "d", "--experience", "x.db", "--hidden", "8"], "--hidden 8 needs a training from nothing"),
        (["--from", "d", "--experience", "x.db", "--no-steady"], "--no-steady needs a training from nothing"),
        (
            ["--from", "d", "--experience", "x.db", "--networks", "generator", "--planned"],
            "--planned needs an evaluator that goes on",
        ),
        (
            ["--from", "d", "--experience", "x.db", "--networks", "evaluator", "--forget", "0.6"],
            "--forget 0.6 needs a generator that goes on",
        ),
        (["--forget", "0.6", "--data", "y.db"], "--forget 0.6 needs --from DIR"),
        (["--from", "d", "--experience", "x.db", "--share", "1.5"], "share must be in [0.05, 0.95], got 1.5"),
        ([], "--data is missing"),
    ],
)
def test_options_that_do_nothing_or_lack_something_are_refused(tmp_path, capsys, words, told):
    assert main(["train", *words, "--out", str(tmp_path), "--json"]) != 0
    assert told in json.loads(capsys.readouterr().out.splitlines()[-1])["message"]
