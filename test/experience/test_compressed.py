"""Packed stores hold what the plain ones did, are read as they are, and refuse to be written."""

import resource
import tempfile

import pytest
import zstandard
from episodes import assert_same, make_episode

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.compressed import pack, unpack
from gmi_ros.experience.store import Store


@pytest.fixture
def packed(tmp_path):
    with Store(tmp_path / "plain.db", "rw") as store:
        store.add_many(make_episode(i) for i in range(20))
    pack(tmp_path / "plain.db", tmp_path / "plain.db.zst")
    return tmp_path / "plain.db.zst"


def test_a_packed_store_reads_as_the_plain_one(packed):
    with Store(packed) as store:
        found = list(store)
        assert store.verify() == len(store) == 20
    for number, episode in enumerate(found):
        assert_same(episode, make_episode(number))


def test_it_is_smaller_and_comes_back_to_the_byte(packed, tmp_path):
    plain = tmp_path / "plain.db"
    unpack(packed, tmp_path / "again.db")
    assert (tmp_path / "again.db").read_bytes() == plain.read_bytes()
    assert packed.stat().st_size < plain.stat().st_size


def test_an_unpacked_store_can_be_continued(packed, tmp_path):
    unpack(packed, tmp_path / "again.db")
    with Store(tmp_path / "again.db", "rw") as store:
        assert not store.add(make_episode(3)) and store.add(make_episode(20))


def refusal(function, *args):
    with pytest.raises(GmiError) as error:
        function(*args)
    return error.value.code


def bomb() -> bytes:
    """64 MB of zeros in 2 kB."""
    return zstandard.ZstdCompressor().compress(bytes(2**26))


def test_what_is_refused(packed, tmp_path):
    assert refusal(Store, packed, "rw") == ErrorCode.STORE_UNWRITABLE
    assert refusal(Store, tmp_path / "none.db.zst") == ErrorCode.FILE_NOT_FOUND
    assert refusal(unpack, packed, tmp_path / "plain.db") == ErrorCode.BAD_REQUEST
    damaged = tmp_path / "damaged.db.zst"
    for content in (packed.read_bytes()[:200] + b"nonsense", packed.read_bytes()[:-50], b"nonsense", b"", bomb()):
        damaged.write_bytes(content)
        assert refusal(Store, damaged) == ErrorCode.STORE_CORRUPT
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".partial")]


def test_a_store_that_tells_no_size_and_a_disk_without_room(packed, tmp_path, monkeypatch):
    plain = zstandard.ZstdDecompressor().decompress(packed.read_bytes())
    packer = zstandard.ZstdCompressor().compressobj()
    (tmp_path / "piped.db.zst").write_bytes(packer.compress(plain) + packer.flush())
    with pytest.raises(GmiError, match="does not say how large it is: unpack it with"):
        Store(tmp_path / "piped.db.zst")
    (tmp_path / "full").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    try:
        with pytest.raises(GmiError, match="cannot unpack .* File too large .TMPDIR names another") as refused:
            Store(packed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert refused.value.code == ErrorCode.STORE_UNWRITABLE


def test_a_store_that_is_being_written_is_not_packed(tmp_path):
    with Store(tmp_path / "open.db", "rw") as store:
        store.add(make_episode(1))
        assert refusal(pack, tmp_path / "open.db", tmp_path / "open.db.zst") == ErrorCode.BAD_REQUEST
