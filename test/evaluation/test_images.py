"""Pictures from recipes: what is not to be trained on, kept pictures, noise and a user's own meshes."""

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.dataset import load_grasp_data
from gmi_ros.evaluation import recipes
from gmi_ros.evaluation.images import images_of
from gmi_ros.evaluation.recipes import MESHES, bare_cell, episodes_of, render_episode
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import Job, TrialOptions, run_batch
from gmi_ros.sim.objects import ObjectModel, find_object
from gmi_ros.sim.shapes import Part
from gmi_ros.sim.splits import practice_objects


def successes(model: ObjectModel, split: str, options: TrialOptions = TrialOptions()):
    records = run_batch(Job(model, 0, 7, options)).records
    return [e for r in records if r.result.success for e in episodes_of(r, split)]


@pytest.fixture(scope="module")
def soap():
    return successes(find_object("soap_1"), "train")


def images(episodes, objects=None, cache=None):
    return images_of(episodes, objects or {}, workers=1, progress=False, cache=cache)


@pytest.mark.parametrize("split", ["similar", "different"])
def test_records_of_a_test_split_are_not_trained_on(tmp_path, soap, split):
    with Store(tmp_path / "x.db", "rw") as store:
        store.add_many(successes(find_object("soap_1"), split))
    with pytest.raises(GmiError, match=f"records of {split} are for testing") as refused:
        load_grasp_data([tmp_path / "x.db"], workers=1, progress=False)
    assert refused.value.code == ErrorCode.BAD_REQUEST
    assert len(load_grasp_data([tmp_path / "x.db"], workers=1, progress=False, held_out=True)) >= len(soap)


def test_kept_images_are_those_that_were_rendered(tmp_path, soap):
    first = images(soap, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    for again in (images(soap, cache=tmp_path), images(soap)):
        assert all(np.array_equal(again[name], first[name]) for name in first)
    assert kept.stat().st_mtime_ns == written
    images(soap[1:], cache=tmp_path)  # other episodes, another file
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_kept_images_are_named(tmp_path, soap):
    images(soap, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.raises(GmiError, match="delete it") as refused:
        images(soap, cache=tmp_path)
    assert refused.value.code == ErrorCode.FILE_DAMAGED


def test_noise_is_rendered_from_the_recipe_the_same_each_time(soap):
    noisy = successes(find_object("soap_1"), "train", TrialOptions(noise=True))[0]
    first, second = render_episode(noisy), render_episode(noisy)
    np.testing.assert_array_equal(first.image, second.image)
    clean = render_episode(soap[0])
    seen = first.mask & clean.mask
    difference = np.abs(first.depth - clean.depth)[seen]
    assert 0 < np.median(difference) < 0.01


def test_a_mesh_is_rendered_only_where_it_is_the_one_that_was_recorded():
    def cube(half: float) -> ObjectModel:
        corners = half * np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3) + [0, 0, half]
        return ObjectModel(
            "mine", 0, (Part("hull", (), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), corners),), (0.5, 0.5, 0.5)
        )

    episode = successes(cube(0.03), MESHES)[0]
    assert render_episode(episode, {"mine_0": cube(0.03)}).mask.any()
    with pytest.raises(GmiError, match="not the mesh that was recorded"):
        render_episode(episode, {"mine_0": cube(0.031)})
    with pytest.raises(GmiError, match="mine_0 is a mesh of your own: .*--meshes DIR"):
        render_episode(episode)


def test_only_the_objects_that_were_looked_at_last_stay_in_memory(monkeypatch):
    monkeypatch.setattr(recipes, "_CELLS_KEPT", 3)
    first, *others = practice_objects(4)
    cell = bare_cell(first)
    for one in others[:-1]:
        bare_cell(one)
    assert bare_cell(first) is cell  # and counts as looked at again
    for one in others:
        bare_cell(one)
    assert bare_cell(first) is not cell
