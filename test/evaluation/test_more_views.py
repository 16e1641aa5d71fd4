"""Further views of recorded successes: the same grasp in the world, seen from elsewhere, whoever does the work."""

from pathlib import Path

import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.resources import resource
from gmi_ros.evaluation.dataset import load_grasp_data, scenes, successes
from gmi_ros.evaluation.more_views import main, more_views
from gmi_ros.evaluation.recipes import camera_of, render_episode
from gmi_ros.sim.collect import OFF_APPROACH

STORE = Path(resource("data/dev.db.zst"))


@pytest.fixture(scope="module")
def episodes():
    """Of five resting poses."""
    return [e for scene in scenes(list(successes(STORE)))[:5] for e in scene]


@pytest.fixture(scope="module")
def made(episodes):
    return list(more_views(episodes, 2, workers=1))


def in_world(episode) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contacts, normals and the palm of an episode in the world."""
    world_from_camera = camera_of(episode).world_from_camera
    world_from_o = world_from_camera @ episode.camera_from_object.astype(float)
    return (
        poses.transform_points(world_from_o, episode.contacts_reached.astype(float)),
        poses.rotate(world_from_o, episode.normals_reached.astype(float)),
        world_from_camera @ episode.camera_from_palm.astype(float),
    )


def test_each_pose_is_seen_so_often_and_each_view_is_one_of_a_trial(episodes, made):
    assert len(made) == 10 and len({e.outcome_id for e in made}) == 10
    assert {e.view for e in made} == {1, 2}
    assert not {e.outcome_id for e in made} & {e.outcome_id for e in episodes}
    for before, scene in zip(scenes(episodes), scenes(made), strict=True):
        assert scene[0].recipe["object"] == before[0].recipe["object"] and len(scene) == 2


def test_the_grasp_stays_where_it_is_in_the_world(episodes, made):
    trials = {(e.object_name, e.trial_seed): e for e in episodes}
    for episode in made:
        for new, old in zip(in_world(episode), in_world(trials[episode.object_name, episode.trial_seed]), strict=True):
            np.testing.assert_allclose(new, old, atol=1e-5)


def test_views_are_free_but_not_from_behind(made):
    angles = [np.arccos(camera_of(e).world_from_camera[:3, 2] @ in_world(e)[2][:3, 2]) for e in made]
    assert max(angles) <= OFF_APPROACH + 1e-6 and max(angles) > np.radians(30)


def test_the_object_is_seen_and_the_window_is_about_it(made):
    for episode in made:
        seen = render_episode(episode)
        rows, columns = np.nonzero(seen.mask)
        assert len(rows) > 50 and abs(rows.mean() - 31.5) < 8 and abs(columns.mean() - 31.5) < 8


def test_processes_change_nothing(episodes, made):
    again = list(more_views(episodes, 2, workers=2))
    assert [e.outcome_id for e in again] == [e.outcome_id for e in made]
    for one, other in zip(again, made, strict=True):
        assert one.recipe == other.recipe and np.array_equal(one.contacts_reached, other.contacts_reached)


def test_training_pairs_them_with_the_other_successes_of_the_pose(tmp_path, capsys):
    out = tmp_path / "free.db"
    main([str(STORE), "--views", "1", "--out", str(out)])
    n = len(scenes(list(successes(STORE))))
    assert capsys.readouterr().out == f"{n} views of {n} resting poses in {out}\n"
    alone, wide = (load_grasp_data([out], progress=False, within=w) for w in (0.0, np.radians(75)))
    assert len(alone) == n == len(wide)  # guests come from the store of the first views
    both = load_grasp_data([STORE, out], progress=False, within=np.radians(75))
    free = np.unique(both.image_index)[-n:]
    assert np.isin(both.image_index, free).sum() > 3 * n


@pytest.mark.parametrize("words", [["--views", "0"], ["--workers", "0"], ["--out", str(STORE)]])
def test_bad_options_are_told(words, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(STORE), "--out", str(tmp_path / "x.db"), *words])
    assert end.value.code == 2 and words[-1] in capsys.readouterr().err


def test_a_store_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SystemExit, match="nowhere.db"):
        main([str(tmp_path / "nowhere.db"), "--out", str(tmp_path / "x.db")])
