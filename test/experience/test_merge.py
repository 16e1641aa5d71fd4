"""Merging is a union: the same content whatever the order, the grouping and the repetition, and nothing is lost."""

import dataclasses
import itertools
import random

import numpy as np
import pytest
from episodes import assert_same, make_episode, make_older, make_robot_episode

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.compressed import pack
from gmi_ros.experience.episode import Pixels
from gmi_ros.experience.merge import merge
from gmi_ros.experience.store import Store


def write(path, episodes, judged=()):
    with Store(path, "rw") as store:
        store.add_many(episodes)
        for outcome_id, success, at in judged:
            store.judge(outcome_id, success, note=f"at {at}", judged_ns=at)
    return path


def content(path) -> dict:
    """Everything that a store holds but the order: records to the bit, and their verdicts."""
    with Store(path) as store:
        assert store.verify() == len(store)
        return {r.outcome_id: (r._replace(row=0), store.verdicts(r.outcome_id)) for r in store.records()}


def merged(out, *stores):
    merge(stores, out)
    return content(out)


def random_store(rng, path):
    """Outcomes of a small number of names, which collide: the same, with other values, images or verdicts."""
    episodes, judged = [], []
    for number in rng.sample(range(8), 5):
        if number < 3:
            episodes.append(make_episode(number, software_version=rng.choice(["1", "2"]), note="", judged_ns=0))
        else:
            image = rng.choice([f"image-{number % 2}", ""])
            variant = {"pixels_seed": rng.choice([20, 21]), "grasp_id": rng.choice(["", "grasp"])}
            variant |= {"success": rng.random() < 0.5, "note": "", "judged_ns": 0, "observation_id": image}
            episodes.append(make_robot_episode(number, **variant))
        if rng.random() < 0.4:
            judged.append((episodes[-1].outcome_id, rng.random() < 0.5, rng.randrange(1, 4)))
    try:
        return write(path, episodes, judged)
    except GmiError:  # two images of one name within one store
        path.unlink()
        return random_store(rng, path)


@pytest.mark.parametrize("seed", range(3))
def test_order_grouping_and_repetition_make_no_difference(tmp_path, seed):
    rng = random.Random(seed)
    a, b, c = (random_store(rng, tmp_path / f"{name}.db") for name in "abc")
    wanted = merged(tmp_path / "abc", a, b, c)
    for number, order in enumerate(itertools.permutations([a, b, c])):
        assert merged(tmp_path / f"order-{number}", *order) == wanted
    ab = tmp_path / "ab"
    merge([a, b], ab)
    assert merged(tmp_path / "ab-c", ab, c) == wanted == merged(tmp_path / "c-ab", c, ab)
    bc = tmp_path / "bc"
    merge([c, b], bc)
    assert merged(tmp_path / "a-bc", a, bc) == merged(tmp_path / "ab-bc", ab, bc) == wanted
    assert merged(ab, a, b, c, ab, tmp_path / "abc") == wanted  # into one that is there
    again = merge([c, tmp_path / "abc", b, a], tmp_path / "abc")
    assert again.added == again.verdicts == 0 and content(tmp_path / "abc") == wanted


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost(tmp_path, seed):
    rng = random.Random(seed)
    stores = [random_store(rng, tmp_path / f"{name}.db") for name in "abc"]
    merge(stores, tmp_path / "out")
    with Store(tmp_path / "out") as out:
        for path in stores:
            with Store(path) as store:
                for episode in store:
                    kept = [e for e in out if e.outcome_id.split("~")[0] == episode.outcome_id]
                    assert any(told(e) == told(episode) for e in kept)
                    verdicts = {v for e in kept for v in out.verdicts(e.outcome_id)}
                    assert verdicts >= set(store.verdicts(episode.outcome_id))


def told(episode):
    """What is no verdict and no name, to be compared."""
    found = []
    for name, value in vars(episode).items():
        if name not in ("outcome_id", "observation_id", "success", "reason", "judged_by", "note", "judged_ns"):
            parts = vars(value).values() if isinstance(value, Pixels) else [value]
            found += [p.tobytes() if isinstance(p, np.ndarray) else repr(p) for p in parts]
    return found


def test_a_later_verdict_counts_and_is_no_conflict(tmp_path):
    episode = make_robot_episode(3, success=False, reason="slipped", judged_by="sensor", note="", judged_ns=0)
    a = write(tmp_path / "a", [episode])
    b = write(tmp_path / "b", [episode], [("outcome-3", True, 7)])
    for out, order in (("ab", [a, b]), ("ba", [b, a])):
        found = merge(order, tmp_path / out)
        assert (found.added, found.known, found.conflicts) == (1, 1, [])
        with Store(tmp_path / out) as store:
            first, last = store.verdicts("outcome-3")
            assert (first.success, first.judged_by, last.success, last.judged_by) == (False, "sensor", True, "person")


def test_conflicts_are_named(tmp_path):
    common = {"note": "", "judged_ns": 0}
    image = [make_robot_episode(i, "image", pixels_seed=i, **common) for i in (1, 2)]
    grasps = [make_robot_episode(3, joints=np.full(4, float(i)), **common) for i in (1, 2)]
    verdicts = [make_robot_episode(4, success=success, **common) for success in (True, False)]
    a, b = (write(tmp_path / str(i), [image[i], grasps[i], verdicts[i]]) for i in (0, 1))
    found = merge([a, b], tmp_path / "out")
    by_name = {c.name: c for c in found.conflicts}
    assert {n: c.what for n, c in by_name.items()} == {
        "image": "observation",
        "outcome-3": "record",
        "outcome-4": "verdict",
    }
    assert "differ in joints;" in by_name["outcome-3"].told and {c.store for c in found.conflicts} == {str(b)}
    with Store(tmp_path / "out") as store:
        assert len(store) == 5
        names = [e.outcome_id for e in store if e.outcome_id.startswith("outcome-3")]
        assert sorted(float(store.get(name).joints[0]) for name in names) == [1.0, 2.0]
        assert by_name["outcome-3"].told.split("; ")[1].split(" ")[0] in names
        for episode in image:
            stored = store.get(episode.outcome_id)
            np.testing.assert_array_equal(stored.pixels.rgb, episode.pixels.rgb)
            assert stored.observation_id.startswith("image")


def test_records_are_copied_to_the_bit_and_packed_and_older_stores_are_read(tmp_path):
    plain = write(tmp_path / "plain.db", [make_robot_episode(i) for i in range(5)])
    old = write(tmp_path / "old.db", [make_episode(i) for i in range(5)])
    make_older(old, 1)
    pack(plain, tmp_path / "plain.db.zst")
    content_of_both = {**content(plain), **content(old)}
    assert merged(tmp_path / "out", tmp_path / "plain.db.zst", old) == content_of_both
    for _ in range(3):  # from copy to copy
        merge([tmp_path / "out"], tmp_path / "next")
        (tmp_path / "next").replace(tmp_path / "out")
    assert content(tmp_path / "out") == content_of_both


def test_an_error_in_the_middle_leaves_what_was_there(tmp_path):
    a = write(tmp_path / "a", [make_episode(i) for i in range(4)])
    damaged = write(tmp_path / "b", [make_robot_episode(i) for i in range(4)])
    with Store(damaged, "rw") as store, store.writing() as database:
        database.execute("UPDATE observations SET data = x'00' WHERE id = 3")
    there = write(tmp_path / "there", [make_robot_episode(2, joints=np.ones(4))])
    before = content(there)
    for out in (tmp_path / "new", there):
        with pytest.raises(GmiError) as error:
            merge([a, damaged, there, tmp_path / "none"], out)
        assert error.value.code in (ErrorCode.STORE_CORRUPT, ErrorCode.FILE_NOT_FOUND)
    assert not (tmp_path / "new").exists() and content(there) == before
    with Store(there, "rw"), pytest.raises(GmiError, match="one writer at a time"):
        merge([a], there)


def test_merged_records_are_episodes_as_before(tmp_path):
    episodes = [make_robot_episode(1), dataclasses.replace(make_episode(2), grasp_id="g")]
    merge([write(tmp_path / "a", episodes)], tmp_path / "out")
    with Store(tmp_path / "out") as store:
        for episode in episodes:
            assert_same(episode, store.get(episode.outcome_id))
