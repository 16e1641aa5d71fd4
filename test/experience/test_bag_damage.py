"""Damaged bags: each kind of damage is named, what is whole is used, and nothing else is ever raised."""

import shutil
import sqlite3
import struct
from binascii import crc32
from collections import Counter

import numpy as np
import pytest
import zstandard
from made_bags import MS, NAMES, STORE, camera_info, image, messages, storage_file, write_bag

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.bag import Bag
from gmi_ros.experience.bag_chunks import ChunksLeft
from gmi_ros.experience.bag_rows import RowsLeft
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.bags import Part, read_sets
from gmi_ros.experience.topics import CAMERA_INFO, IMAGE, TopicMap

BOTH = pytest.mark.parametrize("storage", ["mcap", "sqlite3"])


def whole(bag):
    with Bag(bag) as opened:
        return list(opened.messages())


def read(bag):
    """Its messages, and what is said to be wrong."""
    with Bag(bag) as opened:
        found = list(opened.messages())
        return found, " / ".join(opened.problems)


def long_bag(path, storage, compress=False, n=400):
    """n messages of 4 kB of noise on two topics, in several chunks or many pages."""
    rng = np.random.default_rng(3)
    with BagWriter(path, storage, compress) as bag:
        bag.add_topic("/a", IMAGE)
        bag.add_topic("/b", CAMERA_INFO)
        for i in range(n):
            bag.write("/b" if i % 5 == 0 else "/a", b"\0\1\0\0" + rng.bytes(8000), 10**9 + i * 33 * MS)
    return path


def with_checksums(file):
    """The chunks' checksums filled in, as rosbag2 does it."""
    data, position = bytearray(file.read_bytes()), 8
    while position < len(data) - 8:
        opcode, length = struct.unpack_from("<BQ", data, position)
        if opcode == 6:
            start = position + 9
            name_end = start + 32 + struct.unpack_from("<I", data, start + 28)[0]
            struct.pack_into("<I", data, start + 24, crc32(data[name_end + 8 : start + length]))
        position += 9 + length
    file.write_bytes(data)
    return data


@BOTH
@pytest.mark.parametrize("compress", [False, True])
def test_a_truncated_bag_gives_all_that_is_before_the_cut(tmp_path, storage, compress):
    bag = long_bag(tmp_path / "bag", storage, compress)
    expected, file = whole(bag), storage_file(bag)
    data = file.read_bytes()
    seen = []
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(data[: int(len(data) * share)])
        found, problems = read(bag)
        assert found == expected[: len(found)] and file.name in problems
        seen.append(len(found) / len(expected))
    assert all(share - 0.1 < got <= share + 0.02 for share, got in zip((0.3, 0.6, 0.9), seen))


def test_sets_before_a_cut_are_the_same_sets(tmp_path):
    bag = write_bag(tmp_path / "bag", stream=messages(n_sets=60))
    expected, file = list(read_sets(bag)), storage_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 3 // 5])
    problems = []
    found = list(read_sets(bag, problems=problems))
    assert 0 < len(found) < len(expected) and problems
    for one, other in zip(found, expected):
        assert one.stamps == other.stamps and (one.depth.data == other.depth.data).all()


def test_small_rows_that_are_left_are_right(tmp_path):
    bag = write_bag(tmp_path / "bag", "sqlite3", stream=messages(n_sets=60))
    expected, file = whole(bag), storage_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 3 // 5])
    found, problems = read(bag)
    assert len(expected) // 4 < len(found) < len(expected) and "cannot be reached" in problems
    assert not Counter(found) - Counter(expected)
    assert [m.time_ns for m in found] == sorted(m.time_ns for m in found)


def test_an_mcap_file_cut_anywhere_is_never_an_internal_error(tmp_path):
    bag = write_bag(tmp_path / "bag")
    expected, file = whole(bag), storage_file(bag)
    data = file.read_bytes()
    counts = []
    for end in range(0, len(data), 211):
        file.write_bytes(data[:end])
        try:
            found, problems = read(bag)
        except GmiError as error:
            assert error.code == ErrorCode.FILE_DAMAGED and not counts
            continue
        assert found == expected[: len(found)] and problems
        counts.append(len(found))
    assert counts == sorted(counts) and counts[-1] == len(expected)


def test_an_index_that_is_missing_costs_nothing(tmp_path):
    bag = long_bag(tmp_path / "bag", "mcap")
    expected, file = whole(bag), storage_file(bag)
    data = file.read_bytes()
    summary = struct.unpack("<Q", data[-28:-20])[0]
    file.write_bytes(data[:summary])
    found, problems = read(bag)
    assert found == expected and "400 messages were found in it" in problems
    (bag / "metadata.yaml").unlink()
    found, problems = read(bag)
    assert found == expected and "no metadata.yaml" in problems


def test_one_bad_chunk_costs_that_chunk(tmp_path):
    bag = long_bag(tmp_path / "bag", "mcap")
    expected, file = whole(bag), storage_file(bag)
    data = with_checksums(file)
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    found, problems = read(bag)
    assert len(expected) // 2 < len(found) < len(expected) and "checksum" in problems
    assert not Counter(found) - Counter(expected)
    assert found[-1] == expected[-1] and found[0] == expected[0]


def test_rubbish_between_two_chunks_is_stepped_over(tmp_path):
    bag = long_bag(tmp_path / "bag", "mcap")
    expected, file = whole(bag), storage_file(bag)
    data = with_checksums(file)
    middle = len(data) // 2
    data[middle : middle + 1_000_000] = np.random.default_rng(1).bytes(1_000_000)
    file.write_bytes(data)
    found, problems = read(bag)
    assert len(expected) // 3 < len(found) < len(expected) and "are no records" in problems
    assert not Counter(found) - Counter(expected) and found[-1] == expected[-1]


def test_damaged_pages_cost_the_rows_on_them(tmp_path):
    bag = long_bag(tmp_path / "bag", "sqlite3")
    expected, file = whole(bag), storage_file(bag)
    data = bytearray(file.read_bytes())
    for page in (200, 201, 202):
        data[page * 4096 : (page + 1) * 4096] = bytes(4096)
    file.write_bytes(data)
    found, problems = read(bag)
    assert len(found) >= len(expected) - 4 and file.name in problems + file.name
    assert [m for m in found if m in set(expected)][-1] == expected[-1]


@BOTH
def test_what_reads_the_damaged_reads_the_whole_too(tmp_path, storage):
    """The reading of what is left, on files that nothing is wrong with, gives what rosbags gives."""
    for compress in (False, True):
        bag = long_bag(tmp_path / f"bag_{compress}", storage, compress, n=60)
        told = []
        left = (ChunksLeft if storage == "mcap" else RowsLeft)(storage_file(bag), told.append)
        packed = storage == "sqlite3" and compress
        plain = [m._replace(cdr=zstandard.decompress(m.cdr)) if packed else m for m in left.messages({"/a"}, 0, 2**62)]
        with Bag(bag) as opened:
            assert plain == list(opened.messages(["/a"])) and told == []
            assert {t.name: t.count for t in left.topics} == {"/a": 48, "/b": 12}
            assert left.span_ns == opened.span_ns
        left.close()


@BOTH
@pytest.mark.parametrize("how", ["empty", "rubbish", "gone"])
def test_a_bag_of_which_nothing_is_left_is_named(tmp_path, storage, how):
    bag = write_bag(tmp_path / "bag", storage)
    file = storage_file(bag)
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if how == "empty" else np.random.default_rng(0).bytes(file.stat().st_size))
    with pytest.raises(GmiError) as error:
        list(read_sets(bag))
    assert error.value.code == ErrorCode.FILE_DAMAGED and str(bag) in error.value.message
    assert {"empty": "0 bytes", "rubbish": "nothing", "gone": "no .mcap"}[how] in error.value.message


@BOTH
@pytest.mark.parametrize(
    "text", ["rosbag2_bagfile_information: [", "", "- 1", "rosbag2_bagfile_information: 7", "\0\1"]
)
def test_damaged_metadata_costs_nothing(tmp_path, storage, text):
    bag = write_bag(tmp_path / "bag", storage)
    expected = whole(bag)
    (bag / "metadata.yaml").write_text(text)
    found, problems = read(bag)
    assert found == expected and "metadata.yaml is damaged" in problems


@BOTH
def test_a_split_bag_with_one_bad_file(tmp_path, storage):
    parts = []
    suffix = ".mcap" if storage == "mcap" else ".db3"
    bag = tmp_path / "bag"
    bag.mkdir()
    for i in (0, 1, 2, 10):
        part = tmp_path / f"part_{i}"
        with BagWriter(part, storage) as writer:
            writer.add_topic("/a", IMAGE)
            for n in range(5):
                writer.write("/a", b"\0\1\0\0" + bytes([i, n]), i * 1000 + n)
        shutil.copy(storage_file(part), bag / f"bag_{i}{suffix}")
        parts.append(whole(part))
    assert whole(bag) == sum(parts, [])  # in the order of their numbers
    (bag / f"bag_1{suffix}").write_bytes(b"")
    found, problems = read(bag)
    assert found == parts[0] + parts[2] + parts[3] and f"bag_1{suffix}: it is empty: 0 bytes" in problems
    names = "".join(f"    - bag_{i}{suffix}\n" for i in (0, 2, 3))
    (bag / "metadata.yaml").write_text("rosbag2_bagfile_information:\n  version: 9\n  relative_file_paths:\n" + names)
    found, problems = read(bag)
    assert found == parts[0] + parts[2] + parts[3]
    assert f"bag_3{suffix} is named by metadata.yaml, but is not there" in problems
    assert f"does not name bag_1{suffix}, bag_10{suffix}" in problems


def test_files_that_do_not_belong_together_are_not_one_bag(tmp_path):
    for name, storage in (("one", "mcap"), ("two", "mcap"), ("one", "sqlite3")):
        made = write_bag(tmp_path / f"{name}_{storage}", storage)
        (tmp_path / "all").mkdir(exist_ok=True)
        shutil.copy(storage_file(made), tmp_path / "all" / f"{name}{storage_file(made).suffix}")
    with pytest.raises(GmiError, match="which of one.db3, one.mcap, two.mcap belong together"):
        Bag(tmp_path / "all")


@BOTH
def test_files_compressed_as_a_whole(tmp_path, storage):
    """rosbag2's --compression-mode file; cut off too."""
    bag = long_bag(tmp_path / "bag", storage, n=60)
    expected, file = whole(bag), storage_file(bag)
    packed = file.with_name(file.name + ".zstd")
    packed.write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(file.name, packed.name))
    assert read(bag) == (expected, "")
    assert whole(packed) == expected
    data = packed.read_bytes()
    packed.write_bytes(data[: len(data) // 2])
    found, problems = read(bag)
    assert found == expected[: len(found)] and 15 < len(found) < 35 and "cut off" in problems
    packed.write_bytes(data[:8])
    with pytest.raises(GmiError, match="nothing of this bag can be read"):
        Bag(bag)


def test_a_recorder_that_was_killed_leaves_its_log(tmp_path):
    bag = write_bag(tmp_path / "bag", "sqlite3")
    file, expected = storage_file(bag), whole(bag)
    with sqlite3.connect(file) as rows:
        rows.execute("PRAGMA journal_mode=WAL")
        rows.execute("INSERT INTO messages SELECT max(id) + 1, topic_id, max(timestamp) + 1, data FROM messages")
        rows.commit()
        killed = tmp_path / "killed"
        killed.mkdir()
        for part in (file, file.with_name(file.name + "-wal")):
            shutil.copy(part, killed / part.name)
    rows.close()
    found, problems = read(killed)
    assert len(found) == len(expected) + 1 and found[:-1] == expected and "what its log" in problems


@BOTH
def test_flipped_bytes_never_raise_anything_else(tmp_path, storage):
    bag = write_bag(tmp_path / "bag", storage)
    file = storage_file(bag)
    data = file.read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(20):
        broken = bytearray(data)
        for position in rng.integers(0, len(data), 8):
            broken[position] = int(rng.integers(256))
        file.write_bytes(bytes(broken))
        try:
            list(read_sets(bag, problems=[]))
        except GmiError as error:
            assert error.code in (ErrorCode.FILE_DAMAGED, ErrorCode.BAD_REQUEST)


def test_types_that_lie_are_counted_and_named(tmp_path):
    stream = [(i, t, s, camera_info(s) if i == 1 and n % 2 else m) for n, (i, t, s, m) in enumerate(messages())]
    with BagWriter(tmp_path / "bag") as bag:
        for index, name in enumerate(NAMES):
            bag.add_topic(name, CAMERA_INFO if index == 2 else IMAGE)
        for index, received, _, message in stream:
            kind = message.__msgtype__
            bag.write(NAMES[index], bytes(STORE.serialize_cdr(message, kind)), received)
    problems = []
    assert list(read_sets(tmp_path / "bag", problems=problems))
    (told,) = problems
    assert "messages of /depth/image make no sense as sensor_msgs/msg/Image" in told


@pytest.mark.parametrize(("left_out", "told"), [((2,), "camera_info: no CameraInfo"), ((3,), "mask: no Image")])
def test_missing_topics_are_named(tmp_path, left_out, told):
    with pytest.raises(GmiError, match=told) as error:
        list(read_sets(write_bag(tmp_path / "bag", leave_out=left_out)))
    assert error.value.code == ErrorCode.BAD_REQUEST and "/rgb/image (sensor_msgs/msg/Image)" in error.value.message


@BOTH
def test_no_messages_at_all(tmp_path, storage):
    problems = []
    assert list(read_sets(write_bag(tmp_path / "bag", storage, stream=[]), problems=problems)) == []
    assert problems == [f"{name} has no message" for name in NAMES]


def test_clocks_that_differ_are_named_and_can_be_passed_by(tmp_path):
    late = 5000 * MS
    stream = []
    for index, received, stamp, message in messages():
        if index == 1:
            array = np.frombuffer(message.data, np.uint16).reshape(message.height, message.width)
            message = image(array, "16UC1", stamp - late)
        stream.append((index, received, stamp, message))
    bag = write_bag(tmp_path / "bag", stream=stream)
    problems = []
    assert list(read_sets(bag, problems=problems)) == []
    (told,) = problems
    assert "/depth/image are 4.99" in told and "behind those of /rgb/image" in told and "--by-receipt" in told
    problems = []
    assert len(list(read_sets(bag, problems=problems, part=Part(by_receipt=True)))) > 6 and problems == []


def test_stamps_that_nobody_set_are_named(tmp_path):
    stream = [(i, t, 0, image(np.zeros((6, 8), np.uint16), "16UC1", 0) if i == 1 else m) for i, t, _, m in messages()]
    problems = []
    assert list(read_sets(write_bag(tmp_path / "bag", stream=stream), problems=problems)) == []
    assert any("messages of /depth/image have the stamp 0.000 s" in problem for problem in problems)


def test_a_late_mask_is_no_other_clock(tmp_path):
    stream = sorted(((i, t + (800 * MS if i == 3 else 0), s, m) for i, t, s, m in messages()), key=lambda item: item[1])
    problems = []
    assert list(read_sets(write_bag(tmp_path / "bag", stream=stream), queue_size=50, problems=problems))
    assert problems == []


@BOTH
def test_a_part_of_a_bag(tmp_path, storage):
    bag = write_bag(tmp_path / "bag", storage)
    expected = list(read_sets(bag))
    assert [s.stamps for s in read_sets(bag, part=Part(every=3))] == [s.stamps for s in expected][::3]
    with Bag(bag) as opened:
        first, last = opened.span_ns
    part = list(read_sets(bag, part=Part(start_s=0.1, duration_s=0.15)))
    assert 0 < len(part) < len(expected)
    assert all(first + 0.1e9 - 60 * MS <= min(s.stamps) and max(s.stamps) < first + 0.25e9 for s in part)
    with pytest.raises(GmiError, match="start must be at most"):
        list(read_sets(bag, part=Part(start_s=(last - first) / 1e9 + 1)))


def test_given_topics_and_problems_go_together(tmp_path):
    bag = write_bag(tmp_path / "bag")
    problems = []
    (bag / "metadata.yaml").unlink()
    with pytest.raises(GmiError, match="/other is not in the bag"):
        list(read_sets(bag, TopicMap(mask="/other"), problems=problems))
    assert "no metadata.yaml" in problems[0]


def test_depth_that_came_late_to_the_recorder_is_no_other_clock(tmp_path):
    stream = [(i, t + (3000 * MS if i == 1 else 0), s, m) for i, t, s, m in messages(n_sets=60)]
    for _, _, _, message in stream:  # as drivers stamp that take all of it at once
        message.header.stamp.nanosec -= message.header.stamp.nanosec % (33 * MS)
    problems = []
    stream.sort(key=lambda item: item[1])
    list(read_sets(write_bag(tmp_path / "bag", stream=stream), queue_size=200, problems=problems))
    assert problems == []
