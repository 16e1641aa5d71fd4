"""The data set in the repository: its card tells what its stores hold, and today's code makes the same trials."""

import json
from pathlib import Path

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.collecting import collect
from gmi_ros.evaluation.goal import Goal, Tally
from gmi_ros.evaluation.recipes import episodes_of
from gmi_ros.experience.store import Store
from gmi_ros.report import data_card
from gmi_ros.sim.collect import CANDIDATES, TRIALS_PER_SEED, Job, TrialOptions, run_batch
from gmi_ros.sim.engines import LocalEngine
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.splits import objects_of

DATA = Path(__file__).parents[2] / "data"
SPLITS = sorted(path.name.split(".")[0] for path in DATA.glob("*.db.zst"))


def test_the_card_is_what_the_stores_hold():
    told = json.loads((DATA / "card.json").read_text())
    assert told == data_card.card(data_card.read_parts(DATA))
    assert set(told["successes"]) == set(SPLITS) and "train" in SPLITS


def test_the_data_set_fits_its_thirty_megabytes():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) <= 30e6


@pytest.mark.parametrize("split", SPLITS)
def test_all_objects_are_there_and_none_of_another_split(split):
    with Store(DATA / f"{split}.db.zst") as store:
        assert {name for name, *_ in store.tally(split)} == {model.name for model in objects_of(split)}
        assert store.count() == store.count(split=split)


@pytest.mark.parametrize("split", SPLITS)
def test_todays_code_makes_the_same_trials(split):
    with Store(DATA / f"{split}.db.zst") as store:
        kept = next(store.episodes(success=True, split=split))
        number = kept.trial_seed % TRIALS_PER_SEED // CANDIDATES
        job = Job(find_object(kept.object_name), number, kept.trial_seed // TRIALS_PER_SEED, TrialOptions())
        for made in (e for record in run_batch(job).records for e in episodes_of(record, split)):
            kept = store.get(made.outcome_id)
            assert (kept.success, kept.reason, kept.recipe) == (made.success, made.reason, made.recipe)
            if made.contacts_reached is not None:
                np.testing.assert_allclose(kept.contacts_reached, made.contacts_reached, atol=1e-6)


def test_the_cards_command_leads_to_these_batches_in_this_order():
    goal = Goal(successes=data_card.GOALS["similar"], each=data_card.EACH)
    tally = {model.name: Tally() for model in objects_of("similar")}
    with Store(DATA / "similar.db.zst") as store:
        for number, e in enumerate(store.episodes()):
            if number % CANDIDATES == 0:
                assert e.object_name == goal.next_object(tally)
            tally[e.object_name] = tally[e.object_name].plus(e.trial_seed, e.success, e.reason)
    assert goal.next_object(tally) is None


def test_a_folder_is_packed_with_its_card_and_unpacked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(data_card, "write_pictures", lambda folder: None)
    runs, data, again = (tmp_path / name for name in ("runs", "data", "again"))
    with LocalEngine(1) as engine:
        collect(runs / "dev.db", "dev", objects_of("dev")[:1], Goal(trials=32), engine, progress=False)
    data_card.main([str(runs), str(data)])
    told = json.loads((data / "card.json").read_text())
    assert told["successes"]["dev"] + told["failures"]["dev"] == 32 == sum(told["reasons"]["dev"].values())
    assert told["objects"] == {"dev": 1} and "| dev | 1 |" in (data / "card.md").read_text()
    data_card.main([str(data), str(again), "--unpack"])
    assert (again / "dev.db").read_bytes() == (runs / "dev.db").read_bytes()


def test_a_folder_without_stores_is_named(tmp_path):
    with pytest.raises(GmiError) as refused:
        data_card.read_parts(tmp_path)
    assert refused.value.code == ErrorCode.FILE_NOT_FOUND
    with pytest.raises(SystemExit, match="data_card: .*holds none of"):
        data_card.main([str(tmp_path), str(tmp_path)])
