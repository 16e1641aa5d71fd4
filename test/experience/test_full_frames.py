"""Full frames come back bit for bit or are named as damaged; the oldest give way; names cannot leave the folder."""

import dataclasses
import errno
import os
import threading

import numpy as np
import pytest
from episodes import make_robot_episode

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.images import canonical_depth
from gmi_ros.experience import full_frames
from gmi_ros.experience.budget import RECORD_BYTES, DiskBudget
from gmi_ros.experience.frame_files import decode_frame, encode_frame
from gmi_ros.experience.full_frames import FullFrames
from gmi_ros.experience.store import Store

NAMES = [
    "plain-1", "../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "a\0b", "x" * 255, "ü" * 255, "~" * 3,
    "\ud800", "con", " ", "a.frame", "\n",
]  # fmt: skip


def make_frame(seed: int = 0, height: int = 24, width: int = 32, millimetres: bool = False) -> Frame:
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 3000, (height, width)).astype(np.uint16)
    depth = canonical_depth(raw, "16UC1") if millimetres else rng.normal(1, 0.1, (height, width)).astype(np.float32)
    return Frame(
        rgb=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        depth=depth,
        mask=rng.integers(0, 4, (height, width)).astype(np.uint16),
        intrinsics=Intrinsics(width, height, 30.1, 30.2, width / 2 - 0.5, height / 2 - 0.25),
        stamp_ns=2**62 + seed,
        frame_id="camera ü",
    )


def assert_equal(a: Frame, b: Frame) -> None:
    for name in ("rgb", "depth", "mask"):
        ours, others = getattr(a, name), getattr(b, name)
        assert ours.dtype == others.dtype and ours.shape == others.shape and ours.tobytes() == others.tobytes()
    assert (a.intrinsics, a.stamp_ns, a.frame_id) == (b.intrinsics, b.stamp_ns, b.frame_id)


@pytest.mark.parametrize("millimetres", [False, True])
def test_a_frame_comes_back_bit_for_bit(tmp_path, millimetres):
    frame = make_frame(1, millimetres=millimetres)
    holes = np.array(frame.depth)
    holes[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
    holes[1, 0] = -np.float32(np.nan)  # another payload
    frames = FullFrames(tmp_path / "frames", 10**6)
    for name, kept in (("plain", frame), ("holes", dataclasses.replace(frame, depth=holes))):
        assert frames.write(name, kept) and name in frames
        assert_equal(frames.read(name), kept)
        assert_equal(FullFrames(tmp_path / "frames", 0).read(name), kept)


def test_depth_of_a_16_bit_camera_takes_no_more_than_16_bits():
    floats, whole = (len(encode_frame("a", make_frame(1, 120, 160, m))) for m in (False, True))
    assert whole < floats - 120 * 160


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_no_name_leaves_the_folder_or_meets_another(tmp_path, name):
    frames = FullFrames(tmp_path / "in" / "frames", 10**6)
    others = [n for n in NAMES if n != name]
    for other in others:
        assert frames.write(other, make_frame(2))
    assert frames.write(name, make_frame(3))
    assert_equal(frames.read(name), make_frame(3))
    assert_equal(frames.read(others[0]), make_frame(2))
    assert [p.name for p in tmp_path.iterdir()] == ["in"] and len(list(frames.folder.iterdir())) == len(NAMES)
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["frames"]


def test_one_that_is_there_stays(tmp_path):
    frames = FullFrames(tmp_path, 10**6)
    assert frames.write("a", make_frame(1)) and frames.write("a", make_frame(2))
    assert_equal(frames.read("a"), make_frame(1))


def size_of_one() -> int:
    return len(encode_frame("0", make_frame(0)))


def test_the_oldest_give_way_also_after_a_restart(tmp_path):
    budget = round(4.5 * size_of_one())
    frames = FullFrames(tmp_path, budget)
    for i in range(12):
        if i == 7:
            frames = FullFrames(tmp_path, budget)
        assert frames.write(str(i), make_frame(i))
        os.utime(tmp_path / f"{i}.frame", ns=(i, i))
        assert [str(k) in frames for k in range(i + 1)] == [k > i - 4 for k in range(i + 1)]
        assert frames.used_bytes() == sum(f.stat().st_size for f in tmp_path.iterdir()) <= budget
    assert frames.delete_oldest(1) > 0 and "8" not in frames and len(frames) == 3
    assert frames.delete_oldest(10**9) > 0 and frames.delete_oldest() == 0 and not list(tmp_path.iterdir())


def test_one_that_is_larger_than_the_budget_costs_no_other(tmp_path):
    frames = FullFrames(tmp_path, size_of_one() + 100)
    assert frames.write("small", make_frame(1))
    assert not frames.write("large", make_frame(1, 100, 100)) and "small" in frames and "large" not in frames


def test_a_full_disk_takes_the_oldest_and_says_when_there_is_none(tmp_path, monkeypatch):
    frames, real = FullFrames(tmp_path, 10**9), os.fsync
    for i in range(5):
        frames.write(str(i), make_frame(i))
    room = sum(f.stat().st_size for f in tmp_path.iterdir()) + 10

    def fsync(file):
        if sum(f.stat().st_size for f in tmp_path.iterdir()) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(full_frames.os, "fsync", fsync)
    assert frames.write("new", make_frame(9))
    assert "0" not in frames and "1" in frames and "new" in frames
    room = 0
    assert not frames.write("newer", make_frame(9)) and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GmiError, match="cannot keep full frames") as error:
        FullFrames(tmp_path / "file" / "frames", 10**6).write("a", make_frame())
    assert error.value.code == ErrorCode.STORE_UNWRITABLE


def test_what_a_killed_writer_left_is_removed_by_the_next_one_only(tmp_path):
    left = tmp_path / ".a.frame.partial"
    left.write_bytes(b"half")
    assert "a" not in FullFrames(tmp_path, 10**6) and left.exists()
    FullFrames(tmp_path, 10**6).write("b", make_frame())
    assert [p.name for p in tmp_path.iterdir()] == ["b.frame"]


def code_of(function, *args):
    with pytest.raises(GmiError) as error:
        function(*args)
    return error.value.code


def test_damaged_and_missing_frames_are_named(tmp_path):
    frames = FullFrames(tmp_path, 10**6)
    assert code_of(frames.read, "a") == ErrorCode.FILE_NOT_FOUND
    frames.write("a", make_frame())
    path, whole = tmp_path / "a.frame", (tmp_path / "a.frame").read_bytes()
    rng = np.random.default_rng(1)
    damaged = [b"", whole[:9], whole[: len(whole) // 2], whole[:-1], b"GMIFRAM1\xff\xff\xff\xff{}"]
    for at in rng.integers(len(whole), size=200):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(changed))
    n_refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            found = frames.read("a")  # a digit of the header may still make sense
        except GmiError as error:
            assert error.code == ErrorCode.FILE_DAMAGED
            n_refused += 1
        else:
            assert found.rgb.tobytes() == make_frame().rgb.tobytes()
    assert n_refused > len(damaged) / 2
    path.write_bytes(whole)
    path.rename(tmp_path / "b.frame")
    assert code_of(frames.read, "b") == ErrorCode.FILE_DAMAGED


def test_a_header_that_claims_too_much_takes_no_memory():
    whole = encode_frame("a", make_frame())
    huge = whole.replace(b'"width": 32', b'"width": 99').replace(b'"fx": 30.1', b'"fx": 90.1')
    assert huge != whole
    with pytest.raises(ValueError, match="99x24"):
        decode_frame(huge)


def test_several_threads_may_write(tmp_path):
    frames = FullFrames(tmp_path, round(6.5 * size_of_one()))
    threads = [
        threading.Thread(target=lambda k=k: [frames.write(f"{k}-{i}", make_frame(i)) for i in range(10)])
        for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(frames) == 6 == len(list(tmp_path.iterdir()))


def test_the_budget_takes_frames_first_then_refuses_records_and_deletes_none(tmp_path):
    frames = FullFrames(tmp_path / "frames", 0)
    budget = DiskBudget(2_000_000, frames)
    with Store(tmp_path / "store.db", "rw") as store:
        kept, n_frames = 0, []
        with pytest.raises(GmiError, match="disk budget is used up") as error:
            while True:
                budget.make_room(store)
                assert store.add(make_robot_episode(kept))
                assert budget.used_bytes(store) <= budget.budget_bytes
                assert frames.write(f"outcome-{kept}", make_frame(kept, 96, 128)) or frames.budget_bytes < 100_000
                assert budget.used_bytes(store) <= budget.budget_bytes
                n_frames.append(len(frames))
                kept += 1
        assert error.value.code == ErrorCode.STORE_UNWRITABLE
        for number in (budget.budget_bytes, store.size_bytes(), RECORD_BYTES):
            assert str(number) in error.value.message
        assert max(n_frames) > 3 and len(frames) == 0 and store.verify() == kept > 20
        budget.budget_bytes *= 2
        budget.make_room(store)
        assert store.add(make_robot_episode(kept))


def test_the_size_of_a_store_is_what_it_takes(tmp_path):
    path = tmp_path / "store.db"
    with Store(path, "rw") as store:
        store.add_many(make_robot_episode(i) for i in range(50))
        with Store(path) as reader:
            assert reader.size_bytes() == store.size_bytes()
        assert store.size_bytes() >= path.stat().st_size + (tmp_path / "store.db-wal").stat().st_size
    with Store(path) as store:
        assert store.size_bytes() == path.stat().st_size
