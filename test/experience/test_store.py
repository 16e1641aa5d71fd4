"""The store keeps what it acknowledged, each outcome once, and says what is wrong with a file."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from episodes import assert_same, make_episode, make_older, make_robot_episode

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.compressed import unpack
from gmi_ros.experience.database import translated
from gmi_ros.experience.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def code_of(function, *args):
    with pytest.raises(GmiError) as error:
        function(*args)
    return error.value.code, error.value.message


def test_round_trip_of_every_field(path):
    episodes = [make_episode(i) for i in range(6)] + [make_robot_episode(i) for i in range(6, 10)]
    episodes.append(make_episode(10, outcome_id="given", seed=2**64 - 1, trial_seed=3, view=2))
    with Store(path, "rw") as store:
        assert [store.add(e) for e in episodes] == [True] * len(episodes)
    with Store(path) as store:
        for stored, episode in zip(store, episodes, strict=True):
            assert_same(episode, stored)
            assert_same(episode, store.get(episode.outcome_id))
            assert episode.outcome_id in store
        assert store.verify() == len(store) == len(episodes)


def test_an_outcome_is_stored_once_whatever_it_is_called(path):
    with Store(path, "rw") as store:
        assert store.add(make_episode(1)) and store.add(make_robot_episode(2))
        assert not store.add(make_episode(1)) and not store.add(make_robot_episode(2))
        # The same trial by another software, and the same name given by hand.
        assert not store.add(make_episode(1, software_version="0.2.0"))
        assert not store.add(make_episode(5, outcome_id=make_episode(1).outcome_id))
        assert store.add_many([make_episode(1), make_episode(3), make_episode(3)]) == 1
        assert len(store) == 3


def test_unknown_outcomes(path):
    with Store(path, "rw") as store:
        store.add(make_episode(1, trial_seed=12))
        for trial in ("13", "012", "12/0", "12/1", "", "-1"):
            name = f"train/mug_01/{trial}"
            assert name not in store
            assert code_of(store.get, name)[0] == ErrorCode.BAD_REQUEST
        assert "train/mug_01/12" in store


def test_filters_and_counts(path):
    with Store(path, "rw") as store:
        store.add_many([make_episode(i, split="dev" if i < 3 else "train") for i in range(10)])
        store.add(make_robot_episode(11))
        assert (len(store), store.count()) == (11, 11)
        assert (store.count(success=True), store.count(split="dev"), store.count(source="robot")) == (6, 3, 1)
        assert [e.success for e in store.episodes(success=True, split="dev")] == [True]
        assert store.count(split="nowhere") == 0 == len(list(store.episodes(source="bag")))


def test_one_image_of_many_grasps_is_stored_once(path):
    with Store(path, "rw") as store:
        for i in range(5):
            store.add(make_robot_episode(i, observation_id="image", pixels_seed=1))
        store.add(make_robot_episode(5, pixels_seed=2))
        store.add(make_robot_episode(6, observation_id="outcome-5", pixels_seed=2))  # the one before becomes shared
        assert store._database.execute("SELECT count(*) FROM observations").fetchone()[0] == 2
        assert [e.observation_id for e in store] == ["image"] * 5 + ["outcome-5"] * 2
        code, message = code_of(store.add, make_robot_episode(7, observation_id="image", pixels_seed=3))
        assert code == ErrorCode.BAD_REQUEST and "another image" in message
        assert len(store) == 7


def test_a_failed_batch_leaves_nothing(path):
    def batch():
        yield make_episode(1)
        raise RuntimeError("collector stopped")

    with Store(path, "rw") as store:
        with pytest.raises(RuntimeError):
            store.add_many(batch())
        assert len(store) == 0 and store.add(make_episode(1))


def test_simulated_records_are_small(path):
    recipe = {"rest": 1, "light": 0.5}
    Store(path, "rw").close()
    empty = path.stat().st_size
    with Store(path, "rw") as store:
        store.add_many(
            make_episode(
                i,
                recipe=recipe,
                contacts_predicted=None,
                normals_predicted=None,
                stamp_ns=0,
                trial_seed=i,
                seed=i,
                object_name=f"object_{i % 7}",
                success=True,
                reason="",
                note="",
                judged_ns=0,
                closing_turn=None,
            )  # fmt: skip
            for i in range(1000)
        )
    assert (path.stat().st_size - empty) / 1000 < 230


def test_readers_see_what_is_committed_while_it_is_written(path):
    with Store(path, "rw") as writer:
        writer.add(make_episode(0))
        with Store(path) as first, Store(path) as second:
            iterator = iter(first)
            next(iterator)
            for i in range(1, 300):
                writer.add(make_episode(i))
            assert len(second) == 300 and sum(1 for _ in iterator) == 299


def test_several_threads_may_add(path):
    with Store(path, "rw") as store:

        def add_every_other(first):
            for i in range(first, 40, 2):
                store.add(make_episode(i))

        threads = [threading.Thread(target=add_every_other, args=[first]) for first in (0, 1, 0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert store.verify() == 40


def test_one_writer_at_a_time(path):
    with Store(path, "rw"):
        code, message = code_of(Store, path, "rw")
        assert code == ErrorCode.STORE_UNWRITABLE and f"process {os.getpid()}" in message
    with Store(path, "rw") as store:
        store.add(make_episode(1))
    assert [p.name for p in path.parent.iterdir()] == ["store.db"]


def test_a_reader_cannot_write(path):
    Store(path, "rw").close()
    with Store(path) as store:
        code, message = code_of(store.add, make_episode(1))
        assert code == ErrorCode.STORE_UNWRITABLE and "for reading only" in message


def test_places_where_nothing_can_be(path, tmp_path):
    (tmp_path / "file").touch()
    assert code_of(Store, tmp_path / "file" / "store.db", "rw")[0] == ErrorCode.STORE_UNWRITABLE
    assert code_of(Store, path)[0] == ErrorCode.FILE_NOT_FOUND
    assert code_of(Store, path, "w")[0] == ErrorCode.BAD_REQUEST


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(path):
    Store(path, "rw").close()
    path.parent.chmod(0o555)
    try:
        assert code_of(Store, path, "rw")[0] == ErrorCode.STORE_UNWRITABLE
        with Store(path) as store:
            assert len(store) == 0
    finally:
        path.parent.chmod(0o755)


def test_files_that_are_no_store(path):
    path.write_bytes(b"this is a text, and a long one at that; " * 100)
    assert code_of(Store, path)[0] == code_of(Store, path, "rw")[0] == ErrorCode.STORE_CORRUPT
    path.write_bytes(b"")
    assert code_of(Store, path)[0] == ErrorCode.STORE_CORRUPT
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE a (b)").connection.close()
    code, message = code_of(Store, path, "rw")
    assert code == ErrorCode.STORE_CORRUPT and "another program" in message


def test_another_version_and_a_missing_table_are_named(path):
    Store(path, "rw").close()
    for statement, words in (
        ("PRAGMA user_version = 99", "version 99, this gmi_ros reads versions 1 to 4: update gmi_ros"),
        ("DROP TABLE names", "lacks the table names"),
    ):
        database = sqlite3.connect(path)
        database.execute(statement)
        database.close()
        code, message = code_of(Store, path)
        assert code == ErrorCode.STORE_CORRUPT and words in message
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 4")
        database.close()


OLD = [1, 2, 3]


def as_stored(number, version):
    """What is left of an episode in a store of this version."""
    lost = {"closing_turn": None} | ({"hold_share": None} if version < 2 else {})
    if version < 3:
        lost |= {"note": "", "judged_ns": 0, "contacts_computed": False}
    return make_episode(number, **lost)


@pytest.fixture(params=OLD)
def old_store(request, path):
    """A store as an older version wrote it, and that version."""
    with Store(path, "rw") as store:
        store.add_many(make_episode(i) for i in range(3))
    make_older(path, request.param)
    return path, request.param


def test_an_older_store_is_read_as_it_is(old_store):
    path, version = old_store
    before = path.read_bytes()
    with Store(path) as store:
        assert store.version == version and store.verify() == 3
        for number, episode in enumerate(store):
            assert_same(episode, as_stored(number, version))
            assert_same(store.batch([number + 1])[0], episode)
            assert [v.success for v in store.verdicts(episode.outcome_id)] == [episode.success]
        assert [s.outcome_id for s in store.summaries()] == [make_episode(i).outcome_id for i in (2, 1, 0)]
        assert store.totals(since_ns=make_episode(1).stamp_ns) == (2, 1)
    assert path.read_bytes() == before


def test_an_older_store_is_brought_up_when_opened_for_writing(old_store):
    path, version = old_store
    for _ in range(2):
        with Store(path, "rw") as store:
            store.add(make_episode(7, hold_share=0.6, closing_turn=0.2))
            assert store.verify() == 4 and store.version == 4
            kept = store.get(make_episode(7).outcome_id)
            assert (kept.hold_share, kept.closing_turn) == (0.6, 0.2)
    with Store(path, "rw") as store:
        assert_same(store.get(make_episode(1).outcome_id), as_stored(1, version))
        assert store.judge(make_episode(1).outcome_id, False, note="no").note == "no"


def test_a_store_of_the_first_release_is_brought_up(tmp_path):
    """One that was not made by these tests: of the data set that comes with the package."""
    unpack(ROOT / "data" / "dev.db.zst", tmp_path / "dev.db")
    with Store(tmp_path / "dev.db") as store:
        version, before = store.version, [store.totals(), list(store.records(object_name="cup"))]
        assert store.totals(judged_by="simulation") == store.totals(since_ns=0, until_ns=0) == before[0]
    with Store(tmp_path / "dev.db", "rw") as store:
        assert [store.totals(), list(store.records(object_name="cup"))] == before
        assert version < store.version == 4


def test_a_database_of_another_program_is_not_migrated(path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE episodes (id)")
    database.close()
    before = path.read_bytes()
    assert code_of(Store, path, "rw")[0] == ErrorCode.STORE_CORRUPT
    assert path.read_bytes() == before or sqlite3.connect(path).execute("PRAGMA table_info(episodes)").fetchall() == [
        (0, "id", "", 0, None, 0)
    ]


def test_damage_in_the_middle_is_found(path):
    with Store(path, "rw") as store:
        store.add_many(make_robot_episode(i) for i in range(20))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20000] = bytes(20000)
    path.write_bytes(bytes(data))
    with Store(path) as store:
        assert code_of(store.verify)[0] == ErrorCode.STORE_CORRUPT


def test_a_record_that_makes_no_sense_is_named(path):
    with Store(path, "rw") as store:
        store.add_many(make_episode(i) for i in range(3))
        store._database.execute("UPDATE episodes SET contacts_reached = x'00' WHERE id = 2")
        code, message = code_of(store.verify)
        assert code == ErrorCode.STORE_CORRUPT and "episode 2" in message


def test_bytes_that_are_no_text_and_numbers_that_are_none_are_damage(path):
    with Store(path, "rw") as store:
        store.add_many(make_episode(i) for i in range(3))
        found = [e.outcome_id for e in store]
        store._database.execute("UPDATE names SET text = CAST(x'b1ff' || text AS TEXT)")
    with Store(path) as store:
        for read in (store.verify, lambda: list(store), lambda: store.get(found[0])):
            assert code_of(read)[0] == ErrorCode.STORE_CORRUPT
    with Store(path, "rw") as store:  # also where it is written to
        assert code_of(lambda: list(store))[0] == ErrorCode.STORE_CORRUPT
    with Store(path.with_name("seeds.db"), "rw") as store:
        store.add(make_episode(1))
        store._database.execute("UPDATE episodes SET trial_seed = 'many'")
        code, message = code_of(lambda: list(store))
        assert code == ErrorCode.STORE_CORRUPT and "its trial_seed is 'many'" in message and ".db: episode" in message
    with pytest.raises(GmiError, match="bytes that are no text"), translated(path, False):
        b"\xb1\xff".decode()
