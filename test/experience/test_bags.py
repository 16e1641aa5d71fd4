"""Bags: what is written is read back, in both storages, synchronised as the node does it; damage is named."""

import json
from collections import Counter

import numpy as np
import pytest
from compressing import compressed_depth, file_of
from made_bags import MS, N_SETS, NAMES, STORE, TYPES, H, W, header, messages, storage_file, write_bag
from rosbags.rosbag2 import Reader

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.synchronizer import ApproximateTimeSynchronizer
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.bags import bag_topics, read_sets, set_to_frame
from gmi_ros.experience.definitions import definition_file, typestore_for
from gmi_ros.experience.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, TopicMap


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_reads_back_the_sets_that_the_synchroniser_makes_live(tmp_path, storage):
    expected = []
    live = ApproximateTimeSynchronizer(4, 10, 0.05, lambda *m: expected.append(m))
    for index, _, stamp, message in messages():
        live.add(index, stamp, message)
    counts = Counter()
    sets = list(read_sets(write_bag(tmp_path / "bag", storage), counts=counts))

    assert len(sets) == len(expected) > N_SETS // 2
    assert sum(counts.values()) == len(messages()) and counts["unreadable"] == 0
    for found, (rgb, depth, info, mask) in zip(sets, expected):
        np.testing.assert_array_equal(found.rgb.data, rgb.data)
        np.testing.assert_array_equal(found.depth.data, depth.data)
        np.testing.assert_array_equal(found.mask.data, mask.data)
        assert found.camera_info.header == info.header and max(found.stamps) - min(found.stamps) < 50 * MS


def test_a_set_becomes_a_frame(tmp_path):
    found = next(iter(read_sets(write_bag(tmp_path / "bag"))))
    frame = set_to_frame(found)
    np.testing.assert_array_equal(frame.rgb.ravel(), found.rgb.data)
    np.testing.assert_allclose(frame.depth.ravel(), found.depth.data.view(np.uint16) / 1000, rtol=1e-6)
    np.testing.assert_array_equal(frame.mask.ravel(), found.mask.data)
    assert (frame.intrinsics.fx, frame.stamp_ns, frame.frame_id) == (10.0, found.stamps[0], "camera_optical")


def test_a_bag_of_compressed_images_gives_the_same_frames(tmp_path):
    plain = [set_to_frame(s) for s in read_sets(write_bag(tmp_path / "plain"))]
    endings = ("/compressed", "/compressedDepth", "", "/compressed")
    kinds = (COMPRESSED_IMAGE, COMPRESSED_IMAGE, CAMERA_INFO, COMPRESSED_IMAGE)
    with BagWriter(tmp_path / "compressed") as bag:
        for name, ending, kind in zip(NAMES, endings, kinds):
            bag.add_topic(name + ending, kind)
        for index, received, stamp, message in messages():
            if index != 2:
                array = np.frombuffer(message.data, np.uint16 if index == 1 else np.uint8).reshape(H, W, -1).squeeze()
                told, data = compressed_depth(array) if index == 1 else ("png", file_of(array))
                message = TYPES[COMPRESSED_IMAGE](header(stamp), told, np.frombuffer(data, np.uint8))
            bag.write(NAMES[index] + endings[index], bytes(STORE.serialize_cdr(message, kinds[index])), received)
    found = [set_to_frame(s) for s in read_sets(tmp_path / "compressed")]
    assert len(found) == len(plain) > N_SETS // 2
    for frame, wanted in zip(found, plain):
        for part in ("rgb", "depth", "mask"):
            np.testing.assert_array_equal(getattr(frame, part), getattr(wanted, part))


def test_a_storage_file_alone_is_enough(tmp_path):
    for storage in ("mcap", "sqlite3"):
        bag = write_bag(tmp_path / storage, storage)
        n_sets = len(list(read_sets(bag)))
        (bag / "metadata.yaml").unlink()
        assert len(list(read_sets(bag))) == len(list(read_sets(storage_file(bag)))) == n_sets


def test_metadata_hashes_and_quality_of_service_are_recorded(tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/a", IMAGE, latched=True, reliable=False, depth=3)
    with Reader(tmp_path / "bag") as reader:
        (connection,) = reader.connections
    (qos,) = connection.ext.offered_qos_profiles
    assert (qos.durability.name, qos.reliability.name, qos.depth) == ("TRANSIENT_LOCAL", "BEST_EFFORT", 3)
    assert connection.digest.startswith("RIHS01_") and "uint32 height" in connection.msgdef.data


@pytest.mark.parametrize("name", [IMAGE, CAMERA_INFO, "geometry_msgs/msg/PoseStamped", "gmi_ros/msg/GraspOutcome"])
def test_type_hashes_are_those_of_the_installed_packages(name):
    file = definition_file(name)
    if file is None or not file.with_suffix(".json").exists():
        pytest.skip(f"{name} is not installed")
    hashes = json.loads(file.with_suffix(".json").read_text())["type_hashes"]
    assert typestore_for([name]).hash_rihs01(name) == hashes[0]["hash_string"]


def test_types_that_nobody_knows_are_left_alone(tmp_path):
    from rosbags.rosbag2 import Writer

    path = tmp_path / "bag"
    with Writer(path, version=9) as writer:
        unknown = {"msgdef": "not a definition", "rihs01": "RIHS01_0"}
        strange = writer.add_connection("/strange", "gmi_ros/msg/NotThere", **unknown)
        writer.write(strange, 1, b"\0\1\0\0rest")
        connections = [
            writer.add_connection(n, CAMERA_INFO if i == 2 else IMAGE, typestore=STORE) for i, n in enumerate(NAMES)
        ]
        for index, received, _, message in messages():
            data = STORE.serialize_cdr(message, CAMERA_INFO if index == 2 else IMAGE)
            writer.write(connections[index], received, data)
        writer.write(connections[0], 10**12, b"\0\1\0\0rubbish")
    counts, problems = Counter(), []
    assert list(read_sets(path, counts=counts, problems=problems))
    assert counts["unreadable"] == 1
    assert problems == ["1 of 11 messages of /rgb/image make no sense as sensor_msgs/msg/Image"]


def test_missing_topics_are_all_named_with_what_the_bag_has(tmp_path):
    bag = write_bag(tmp_path / "bag", leave_out=(1, 3))
    with pytest.raises(GmiError) as error:
        list(read_sets(bag))
    assert error.value.code == ErrorCode.BAD_REQUEST
    for part in ("depth: no", "mask: no", "/rgb/image (sensor_msgs/msg/Image)", "/rgb/camera_info"):
        assert part in error.value.message


TYPICAL = {
    "/camera/color/image_raw": IMAGE,
    "/camera/color/camera_info": CAMERA_INFO,
    "/camera/aligned_depth_to_color/image_raw": IMAGE,
    "/camera/aligned_depth_to_color/camera_info": CAMERA_INFO,
    "/yolo/segmentation": IMAGE,
    "/tf": "tf2_msgs/msg/TFMessage",
}


def test_obvious_topics_are_guessed():
    assert TopicMap().resolve(TYPICAL).names() == (
        "/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw", "/camera/color/camera_info",
        "/yolo/segmentation",
    )  # fmt: skip


def test_default_names_win_over_guesses_and_given_names_over_both():
    types = TYPICAL | dict.fromkeys(NAMES, IMAGE) | {"/rgb/camera_info": CAMERA_INFO, "/other": IMAGE}
    found = TopicMap(mask="other").resolve(types)
    assert (found.rgb, found.mask) == ("/rgb/image", "/other")


def test_compressed_topics_serve_where_there_are_no_plain_ones():
    types = {name + "/compressed": COMPRESSED_IMAGE for name, kind in TYPICAL.items() if kind == IMAGE}
    depth = "/camera/aligned_depth_to_color/image_raw/compressedDepth"
    types |= {depth: COMPRESSED_IMAGE, "/camera/color/camera_info": CAMERA_INFO}
    types["/camera/color/image_raw/compressedDepth"] = COMPRESSED_IMAGE  # what image_transport offers for nothing
    found = TopicMap().resolve(types)
    assert found.names() == (
        "/camera/color/image_raw/compressed", depth, "/camera/color/camera_info", "/yolo/segmentation/compressed",
    )  # fmt: skip
    assert TopicMap().resolve(types | TYPICAL) == TopicMap().resolve(TYPICAL)
    assert TopicMap(rgb="/camera/color/image_raw").resolve(types) == found


def test_two_that_could_be_it_are_not_guessed():
    with pytest.raises(GmiError, match="mask: could be /sam/mask or /yolo/segmentation"):
        TopicMap().resolve(TYPICAL | {"/sam/mask": IMAGE})


def test_a_named_topic_of_another_type_is_refused():
    with pytest.raises(GmiError, match="rgb: /tf is tf2_msgs/msg/TFMessage, not sensor_msgs/msg/Image"):
        TopicMap(rgb="/tf").resolve(TYPICAL)


def test_no_bag_and_no_messages(tmp_path):
    with pytest.raises(GmiError) as error:
        list(read_sets(tmp_path / "none"))
    assert error.value.code == ErrorCode.FILE_NOT_FOUND
    (tmp_path / "folder").mkdir()
    with pytest.raises(GmiError, match="holds no .mcap or .db3 file"):
        bag_topics(tmp_path / "folder")
    for storage in ("mcap", "sqlite3"):
        assert list(read_sets(write_bag(tmp_path / storage, storage, stream=[]))) == []


def test_the_writer_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(GmiError, match="mcap, sqlite3, got 'rosbag1'"):
        BagWriter(tmp_path / "bag", "rosbag1")
    with pytest.raises(GmiError, match="exists already"):
        BagWriter(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(GmiError) as error:
        BagWriter(tmp_path / "file" / "bag")
    assert error.value.code == ErrorCode.STORE_UNWRITABLE
    with BagWriter(tmp_path / "bag") as bag:
        with pytest.raises(GmiError, match="no definition of nowhere/msg/Thing"):
            bag.add_topic("/a", "nowhere/msg/Thing")
        bag.add_topic("/a", IMAGE)
        with pytest.raises(GmiError, match="/a was added already"):
            bag.add_topic("/a", IMAGE)
        with pytest.raises(GmiError, match="/b was not added"):
            bag.write("/b", b"", 0)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_compressed_bag_is_smaller_and_reads_the_same(tmp_path, storage):
    sizes = []
    for compress in (False, True):
        with BagWriter(tmp_path / f"bag_{compress}", storage, compress=compress) as bag:
            bag.add_topic("/a", IMAGE)
            for stamp in range(20):
                bag.write("/a", b"\0\1\0\0" + bytes(20_000), stamp)
        with Reader(tmp_path / f"bag_{compress}") as reader:
            assert [len(data) for _, _, data in reader.messages()] == [20_004] * 20
        sizes.append(sum(f.stat().st_size for f in (tmp_path / f"bag_{compress}").iterdir()))
    assert sizes[1] < sizes[0] / 10
