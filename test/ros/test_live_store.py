"""Full frames give way to records, to the budget and to a full disk; records to nothing."""

from collections import namedtuple

import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.store import Store
from gmi_ros.ros import live_store
from gmi_ros.ros.convert_outcome import episode_from_messages
from gmi_ros.ros.live_store import LiveStore

pytestmark = pytest.mark.ros
Usage = namedtuple("Usage", "free")


@pytest.fixture
def kept(tmp_path, draw):
    """A store with five full frames beside it."""
    store = LiveStore(tmp_path / "experience.db", 1e9)
    for n in range(5):
        assert store.frames.write(f"frame {n}", draw(stamp_ns=n))
    return store


def episode(executed, name: str):
    return episode_from_messages(*executed(0, name)[:2])


def test_the_oldest_frame_goes_when_a_record_needs_the_budget(kept, executed):
    kept.add(episode(executed, "a"))
    kept.budget.budget_bytes = live_store.RECORD_BYTES + kept.store_bytes + kept.frames.used_bytes() // 2
    kept.add(episode(executed, "b"))
    there = [n for n in range(5) if f"frame {n}" in kept.frames]
    assert 0 < len(there) < 5 and there == list(range(5 - len(there), 5))
    kept.budget.budget_bytes = live_store.RECORD_BYTES
    with pytest.raises(GmiError, match="never deleted") as caught:
        kept.add(episode(executed, "c"))
    assert caught.value.code == ErrorCode.STORE_UNWRITABLE and len(kept.frames) == 0
    assert not kept.add(episode(executed, "a"))  # what is there needs no room
    kept.close()
    with Store(kept.path) as store:
        assert store.verify() == 2


@pytest.mark.parametrize("method", ["add", "complete"])
@pytest.mark.parametrize("free, stored", [(0, True), (10**12, False)])
def test_they_go_too_when_the_disk_is_full_and_only_then(kept, executed, monkeypatch, method, free, stored):
    outcome, observation, _ = executed(0, "a")
    if method == "complete":
        assert kept.add(episode_from_messages(outcome, None))
    write, whole = getattr(Store, method), episode_from_messages(outcome, observation)

    def refuses_while_frames_are_there(self, episode):
        if len(kept.frames):
            raise GmiError(ErrorCode.STORE_UNWRITABLE, "database or disk is full")
        return write(self, episode)

    monkeypatch.setattr(Store, method, refuses_while_frames_are_there)
    monkeypatch.setattr(live_store.shutil, "disk_usage", lambda path: Usage(free))
    if stored:
        assert getattr(kept, method)(whole) and len(kept.frames) == 0
        assert kept.stored == 1 and not kept.get("a").observation_missing
    else:
        with pytest.raises(GmiError):
            getattr(kept, method)(whole)
        assert len(kept.frames) == 5
    kept.close()
