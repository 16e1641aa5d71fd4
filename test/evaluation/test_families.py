"""Families to learn from records with: apart from all that is trained on, measured in pairs, and gone on with."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation import families
from gmi_ros.evaluation.families import (
    DEV_FAMILIES,
    FAMILIES,
    LEARN,
    TEST,
    Wanted,
    main,
    members,
    run_seed,
    summary,
    table,
)
from gmi_ros.evaluation.judged import load_judged
from gmi_ros.evaluation.picks import Comparison, compare, record_picks
from gmi_ros.experience.store import Store
from gmi_ros.sim.shapes import corners
from gmi_ros.sim.similarity import nearest, normalised_points
from gmi_ros.sim.splits import SPLITS, objects_of
from gmi_ros.sim.trial import REASONS

SHIPPED_FOLDER = Path(resource(SHIPPED))
ALIKE = 0.1  # unseen objects of the training classes are mostly nearer to a training object than this


def test_no_family_and_no_member_is_in_a_split_or_counted_twice():
    splits = {model.class_name for split in SPLITS if split != "dev" for model in objects_of(split)}
    assert not splits & {*FAMILIES, *DEV_FAMILIES} and not set(FAMILIES) & set(DEV_FAMILIES) and len(FAMILIES) == 5
    names = [m.name for seed in (1, 2) for part in (LEARN, TEST) for m in members("traffic_cone", seed, part)]
    assert len(set(names)) == len(names) == 2 * 80
    assert not {m.name for m in members("gear", 1, LEARN)} & {m.name for m in objects_of("dev")}


def test_members_are_whole_and_of_a_size_to_grasp():
    for model in (m for f in (*FAMILIES, *DEV_FAMILIES[-3:]) for m in members(f, 3, TEST)[:2]):
        points = np.concatenate([corners(part) for part in model.parts])
        extent = np.ptp(points, axis=0)
        assert 0.04 <= extent.max() <= 0.26 and extent.min() >= 0.025, model.name
        assert abs(points[:, 2].min()) < 0.002, model.name  # it stands
        hulls = [ConvexHull(corners(part)) for part in model.parts]
        joined, todo = {0}, [0]
        while todo:
            one = hulls[todo.pop()]
            for i, other in enumerate(hulls):
                if i not in joined and _close(one, other):
                    joined.add(i)
                    todo.append(i)
        assert len(joined) == len(hulls), model.name


def _close(a: ConvexHull, b: ConvexHull) -> bool:
    axes = np.concatenate([a.equations[:, :3], b.equations[:, :3]])
    along_a, along_b = a.points @ axes.T, b.points @ axes.T
    return bool(
        np.maximum(along_a.min(axis=0) - along_b.max(axis=0), along_b.min(axis=0) - along_a.max(axis=0)).max() < 1e-3
    )


def test_members_are_no_near_copies_of_what_was_trained_on():
    trained = [normalised_points(model, 100) for model in objects_of("train")]
    for family in FAMILIES:
        name, near = nearest(normalised_points(members(family, 1, TEST)[0], 100), trained, below=ALIKE)
        assert (name, near) == (-1, ALIKE), f"{family}: {near} from training object {name}"


def test_picks_are_recorded_as_a_robot_would_and_go_on(tmp_path):
    objects = members("kettlebell", 1, LEARN)[:2]
    for picks in (2, 3):
        told = record_picks(tmp_path / "parts.db", SHIPPED_FOLDER, "families", objects, picks, 9, 1, False)
    assert told["picks"] == 3
    record_picks(tmp_path / "whole.db", SHIPPED_FOLDER, "families", objects, 3, 9, 1, False)
    with Store(tmp_path / "parts.db") as parts, Store(tmp_path / "whole.db") as whole:
        assert [(e.outcome_id, e.success) for e in parts] == [(e.outcome_id, e.success) for e in whole]
        assert all(e.reason in REASONS and e.hold_share is None and e.model_hash for e in parts)
        assert all(e.closing_turn is None for e in parts)  # no robot can tell
    assert len(load_judged([tmp_path / "parts.db"], 1, False)) == 3
    with pytest.raises(GmiError, match="cannot be continued"):
        record_picks(tmp_path / "parts.db", SHIPPED_FOLDER, "families", objects, 3, 8, 1, False)


def test_the_same_policy_twice_holds_the_same():
    objects = members("tee_pipe", 1, TEST)[:2]
    found = list(compare((SHIPPED_FOLDER, SHIPPED_FOLDER), objects, range(2), 4))
    assert [one.number for one in found] == [0, 1] and all(one.held[0] == one.held[1] for one in found)


def test_the_summary_counts_in_pairs():
    rows = [[f"a_{i}", i % 2 == 0, True] for i in range(10)]
    found = summary([{"picks": {"basket": {}}, "held": {"basket": rows, "old": [["b_0", True, True]]}}], ["basket"])
    line = found["basket"]
    assert (line["before"], line["after"], line["change"], line["gap_closed"]) == (50.0, 100.0, 50.0, 1.0)
    assert line["ci95"][0] > 0 and found["families"] == line
    assert found["old"]["change"] == 0 and found["old"]["gap_closed"] is None
    assert "| basket | 10 | 50.0 % | 100.0 % | +50.0" in table(found)


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    """The parts in between are replaced; the lines of instances that are there are taken as they are."""
    asked = []

    def compared(both, objects, numbers, seed, workers):
        asked.append(len(numbers))
        return iter([families_line(n) for n in numbers])

    monkeypatch.setattr(families, "record_picks", lambda *_: {"picks": 1, "successes": 1})
    monkeypatch.setattr(families, "fine_tune", lambda *_, **__: {"worse": []})
    monkeypatch.setattr(families, "compare", compared)
    few = Wanted(("basket",), seeds=1, picks=1, instances=3, old=2)
    run_seed(1, tmp_path, few, tmp_path, 1, False)
    more = Wanted(("basket",), seeds=1, picks=1, instances=5, old=2)
    found = run_seed(1, tmp_path, more, tmp_path, 1, False)
    assert asked == [3, 2, 2, 0] and len(found["held"]["basket"]) == 5 and len(found["held"]["old"]) == 2
    assert json.loads((tmp_path / "seed_1" / "basket.jsonl").read_text().splitlines()[4]) == ["basket_4", True, False]


def families_line(number):
    return Comparison(number, f"basket_{number}", (True, False))


def test_bad_options_are_told(tmp_path, capsys):
    with pytest.raises(SystemExit, match="no family sock: choose from dustpan"):
        main(["--out", str(tmp_path), "--families", "sock"])
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--picks", "0"])
    assert "at least 1" in capsys.readouterr().err
