"""Records with pixels, of a robot or a bag, are trained from as they are, beside simulated ones."""

from pathlib import Path

import numpy as np
import pytest
from episodes import make_robot_episode

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation import images
from gmi_ros.evaluation.dataset import load_grasp_data
from gmi_ros.evaluation.judged import load_judged
from gmi_ros.experience.compressed import unpack
from gmi_ros.experience.store import Store
from gmi_ros.learning.dataset import split_pairs

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def robot(tmp_path):
    """Four grasps of two images, two that held; one without contacts, one whose observation never came, one judged."""
    common = {"judged_by": "sensor", "note": "", "judged_ns": 0, "split": "live"}
    with Store(tmp_path / "robot.db", "rw") as store:
        for i in range(4):
            store.add(make_robot_episode(i, f"image-{i // 2}", pixels_seed=i // 2, **common, success=i % 2 == 0))
        store.add(
            make_robot_episode(4, **common, success=True, contacts_reached=None, normals_reached=None, joints=None)
        )
        missing = {"pixels": None, "recipe": {"observation_missing": "gone"}}
        store.add(make_robot_episode(5, **common | missing, success=True))
        store.add(make_robot_episode(6, **common, source="bag", success=False))
        store.judge("outcome-6", True)
    return tmp_path / "robot.db"


@pytest.fixture
def no_workers(monkeypatch):
    def refuse(*_):
        raise AssertionError("pixels need no rendering")

    monkeypatch.setattr(images, "in_chunks", refuse)


def test_pairs_of_pixels_are_what_was_stored(robot, no_workers, tmp_path):
    data = load_grasp_data([robot], progress=False, cache=tmp_path / "cache")
    assert len(data) == 3 and len(data.rgb) == 3 and data.own.all()  # outcomes 0, 2 and the one that a person judged
    assert not (tmp_path / "cache").exists()  # nothing that has to be made again
    with Store(robot) as store:
        for pair, number in enumerate((0, 2, 6)):
            episode = store.get(f"outcome-{number}")
            np.testing.assert_array_equal(data.grasps[pair], episode.grasp_vector())
            for name in ("rgb", "mask"):
                np.testing.assert_array_equal(
                    getattr(data, name)[data.image_index[pair]], getattr(episode.pixels, name)
                )
            depth = data.depth[data.image_index[pair]].astype(np.float32)
            np.testing.assert_allclose(depth, episode.pixels.depth, atol=2e-4)
    training, validation = split_pairs(data, 0.4, 1)
    assert len(training) + len(validation) == 3


def test_trials_of_pixels_are_judged_in_their_view(robot, no_workers):
    data = load_judged([robot], progress=False)
    assert data.held.tolist() == [True, False, True, False, True] and len(data.rgb) == 3  # without 4 and 5
    with Store(robot) as store:
        np.testing.assert_array_equal(data.rgb[data.image_index[3]], store.get("outcome-3").pixels.rgb)


def test_pixels_and_recipes_in_one_set(robot, tmp_path):
    unpack(DATA / "dev.db.zst", tmp_path / "dev.db")
    with Store(tmp_path / "dev.db") as store, Store(tmp_path / "sim.db", "rw") as sim:
        sim.add_many(store.batch(store.ids(success=True)[:3]))
    cache = tmp_path / "cache"
    alone = load_grasp_data([tmp_path / "sim.db"], workers=1, progress=False, cache=cache)
    both = load_grasp_data([robot, tmp_path / "sim.db"], workers=1, progress=False, cache=cache)
    assert len(both) == len(alone) + 3 == 6
    assert len(list(cache.iterdir())) == 1  # the same rendered images serve both
    for name in ("rgb", "depth", "mask"):
        np.testing.assert_array_equal(
            getattr(both, name)[both.image_index[3:]], getattr(alone, name)[alone.image_index]
        )


def test_a_store_without_a_pair_is_named(tmp_path):
    with Store(tmp_path / "failures.db", "rw") as store:
        store.add(make_robot_episode(1, success=False))
    with pytest.raises(GmiError, match="nothing to train on") as error:
        load_grasp_data([tmp_path / "failures.db"], progress=False)
    assert error.value.code == ErrorCode.BAD_REQUEST
