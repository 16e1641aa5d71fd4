"""Conventions of rosbag2: what our writer writes has the keys that rosbag2's own files have, and its files are read.

The genuine files are the test resources of ros2/rosbag2 (Humble to Rolling), of which nothing is kept here: name a
checkout in GMI_ROSBAG2 to read them.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
import yaml
from made_bags import storage_file
from rosbags.rosbag2 import Reader

from gmi_ros.experience.bag import Bag
from gmi_ros.experience.bag_chunks import ChunksLeft
from gmi_ros.experience.bag_rows import RowsLeft
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.topics import IMAGE

# Keys of metadata.yaml as rosbag2 writes them (rosbag2_storage/yaml.hpp), each since the version that brought it.
KEYS = {
    "version": 1, "storage_identifier": 1, "duration": 1, "starting_time": 1, "message_count": 1,
    "topics_with_message_count": 1, "relative_file_paths": 1, "compression_format": 3, "compression_mode": 3,
    "files": 5, "custom_data": 6, "ros_distro": 8,
}  # fmt: skip
TOPIC_KEYS = {"name": 1, "type": 1, "serialization_format": 1, "offered_qos_profiles": 4, "type_description_hash": 7}
QOS_KEYS = {
    "history", "depth", "reliability", "durability", "deadline", "lifespan", "liveliness", "liveliness_lease_duration",
    "avoid_ros_namespace_conventions",
}  # fmt: skip
GENUINE = Path(os.environ.get("GMI_ROSBAG2", "/nowhere"))


def information(path):
    return yaml.safe_load(path.read_text())["rosbag2_bagfile_information"]


def check_keys(told):
    """Every key of its version is there, and none that no version has."""
    version = told["version"]
    wanted = {key for key, since in KEYS.items() if since <= version}
    assert wanted <= set(told) <= set(KEYS)
    for topic in told["topics_with_message_count"]:
        wanted = {key for key, since in TOPIC_KEYS.items() if since <= version}
        assert set(topic) == {"message_count", "topic_metadata"}
        assert wanted <= set(topic["topic_metadata"]) <= set(TOPIC_KEYS)
        profiles = topic["topic_metadata"]["offered_qos_profiles"]
        profiles = yaml.safe_load(profiles) if isinstance(profiles, str) else profiles
        for profile in profiles or ():
            assert set(profile) == QOS_KEYS
            assert isinstance(profile["reliability"], str if version >= 9 else int)
    for file in told.get("files") or ():
        assert set(file) == {"path", "starting_time", "duration", "message_count"}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compress", [False, True])
def test_ours_has_the_keys_of_its_version(tmp_path, storage, compress):
    with BagWriter(tmp_path / "bag", storage, compress) as bag:
        bag.add_topic("/a", IMAGE, latched=True)
        for stamp in range(3):
            bag.write("/a", b"\0\1\0\0" + bytes(99), 10**9 + stamp)
    told = information(tmp_path / "bag" / "metadata.yaml")
    check_keys(told)
    assert told["version"] == 9 and told["storage_identifier"] == storage
    assert told["relative_file_paths"] == [storage_file(tmp_path / "bag").name]
    assert told["starting_time"] == {"nanoseconds_since_epoch": 10**9} and told["message_count"] == 3
    (topic,) = told["topics_with_message_count"]
    assert topic["topic_metadata"]["serialization_format"] == "cdr"
    assert topic["topic_metadata"]["type_description_hash"].startswith("RIHS01_")
    (profile,) = topic["topic_metadata"]["offered_qos_profiles"]
    assert (profile["reliability"], profile["durability"], profile["depth"]) == ("reliable", "transient_local", 10)


def genuine(pattern):
    found = sorted(GENUINE.rglob(pattern))
    if not found:
        pytest.skip("no checkout of ros2/rosbag2 in GMI_ROSBAG2")
    return found


def test_genuine_metadata_has_these_keys():
    versions = set()
    for path in genuine("metadata.yaml"):
        told = information(path)
        check_keys(told)
        versions.add(told["version"])
    assert len(versions) >= 4


@pytest.mark.parametrize("suffix", ["*.mcap", "*.db3"])
def test_genuine_files_are_read_whole_by_both_roads(suffix):
    for path in genuine(suffix):
        with Reader(path) as reader:
            expected = Counter((c.topic, t, data) for c, t, data in reader.messages())
        with Bag(path) as bag:
            assert Counter(map(tuple, bag.messages())) == expected and bag.problems == []
            topics = {t.name: t.type for t in bag.topics.values() if t.count}
        told = []
        left = (ChunksLeft if path.suffix == ".mcap" else RowsLeft)(path, told.append)
        names = {t.name for t in left.topics}
        assert Counter(map(tuple, left.messages(names, 0, 2**63 - 1))) == expected and told == []
        assert {t.name: t.type for t in left.topics if t.count} == topics
        left.close()


def test_genuine_bags_are_read_as_metadata_says():
    for path in genuine("metadata.yaml"):
        told = information(path)
        with Bag(path.parent) as bag:
            counts = Counter(m.topic for m in bag.messages())
            assert bag.problems == []
        wanted = {t["topic_metadata"]["name"]: t["message_count"] for t in told["topics_with_message_count"]}
        assert {name: counts[name] for name in wanted} == wanted


def test_genuine_files_cut_off_give_a_beginning(tmp_path):
    for path in genuine("*.mcap") + genuine("*.db3"):
        with Bag(path) as bag:
            expected = Counter(bag.messages())
        data = path.read_bytes()
        cut = tmp_path / path.name
        cut.write_bytes(data[: len(data) * 2 // 3])
        try:
            with Bag(cut) as bag:
                assert not Counter(bag.messages()) - expected and bag.problems
        except Exception as error:
            assert type(error).__name__ == "GmiError", f"{path}: {error!r}"
