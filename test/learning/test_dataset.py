"""Training data: checks, images, split, class balance, standardisation."""

import dataclasses

import numpy as np
import pytest
import torch

from learning_toy import toy_data

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import Observation
from gmi_ros.learning.dataset import BalancedSampler, split_pairs
from gmi_ros.learning.normaliser import Normaliser
from gmi_ros.learning.training import to_batch


def test_images_equal_the_observation_s():
    data = toy_data()
    observation = Observation(data.rgb[3], data.depth[3], data.mask[3], n_holes=0, object_frame=None)
    assert data.images(np.array([3]))[0].tobytes() == observation.image.tobytes()


def test_classes_then_objects_then_pairs_are_uniform():
    data = toy_data(8, 5)  # class 1: object 0; class 0: objects 1, 2, 3
    keep = np.flatnonzero((data.object_id != 2) | (np.arange(len(data)) % 5 == 0))  # object 2 has few pairs
    drawn = BalancedSampler(data, keep).draw(30_000, np.random.default_rng(0))
    assert set(drawn) == set(keep)
    shares = [np.mean(data.object_id[drawn] == i) for i in range(4)]
    np.testing.assert_allclose(shares, [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=0.01)
    of_object = np.bincount(drawn[data.object_id[drawn] == 1])
    np.testing.assert_allclose(of_object[of_object > 0] / 30_000, 1 / 60, atol=0.004)


def test_successes_can_be_uniform_instead():
    data = toy_data(8, 5)
    keep = np.flatnonzero((data.object_id != 2) | (np.arange(len(data)) % 5 == 0))
    drawn = BalancedSampler(data, keep, "success").draw(30_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn)[keep] / 30_000, 1 / len(keep), atol=0.005)


def test_the_sampler_is_seeded():
    data = toy_data()
    draws = [BalancedSampler(data, np.arange(40)).draw(50, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])


def test_the_split_is_a_seeded_partition():
    train, validation = split_pairs(toy_data(21, 5), 0.1, seed=0)
    assert len(validation) == 10 and sorted([*train, *validation]) == list(range(105))
    assert not np.array_equal(validation, split_pairs(toy_data(21, 5), 0.1, seed=1)[1])
    with pytest.raises(GmiError, match="1 success cannot be split"):
        split_pairs(toy_data(1, 1), 0.1, 0)


def test_training_sizes_are_nested_and_leave_validation_alone():
    sizes = [split_pairs(toy_data(21, 5), 0.1, seed=0, n_train=n) for n in (20, 40, 95, 0)]
    assert [len(train) for train, _ in sizes] == [20, 40, 95, 95]
    for (smaller, validation), (larger, same) in zip(sizes, sizes[1:]):
        assert set(smaller) <= set(larger) and np.array_equal(validation, same) and not set(larger) & set(same)
    with pytest.raises(GmiError, match=r"pairs must be in \[1, 95\] \(105 there, 10 for validation\), got 96"):
        split_pairs(toy_data(21, 5), 0.1, 0, 96)


def test_shared_views_are_for_training_only_and_keep_validation_out():
    data = toy_data(20, 5)  # every image has five grasps; let the first be its own, the others guests from elsewhere
    own = np.arange(100) % 5 == 0
    guests = np.random.default_rng(3).integers(20, size=100)
    data = dataclasses.replace(data, own=own, trial=np.where(own, np.arange(100) // 5, guests))
    train, validation = split_pairs(data, 0.2, seed=1)
    assert data.own[validation].all() and len(validation) == 4
    held = set(data.trial[validation])
    assert not held & set(data.trial[train]) and not held & set(data.image_index[train])
    assert sorted(data.trial[train[data.own[train]]]) == sorted(set(range(20)) - held)
    drawn = BalancedSampler(data, train).draw(2000, np.random.default_rng(0))
    assert data.own[drawn].all() and set(drawn) == set(train[data.own[train]])


def test_standardised_data_have_zero_mean_and_unit_variance():
    data, pairs = toy_data(8, 5), np.arange(3, 40)  # images count as often as their pairs
    normaliser = Normaliser().fit(data, pairs)
    images, rows, grasps = to_batch(data, pairs, torch.device("cpu"))
    x = normaliser.standardise_image(images)[rows].double()
    y = normaliser.standardise_grasp(grasps).double()
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(5).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.var((0, 2, 3), correction=0), torch.ones(5).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(y.mean(0), torch.zeros(18).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(0, correction=0), torch.ones(18).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(normaliser.restore_grasp(normaliser.standardise_grasp(grasps)), grasps)


def test_a_constant_dimension_is_only_centred():
    data = toy_data()
    data.grasps[:, 4] = 0.25
    y = Normaliser().fit(data, np.arange(40)).standardise_grasp(torch.from_numpy(data.grasps))
    assert y[:, 4].abs().max() < 1e-6


def test_the_fingerprint_sees_any_change():
    data, changed = toy_data(), toy_data()
    assert data.fingerprint() == changed.fingerprint()
    changed.grasps[7, 3] += 1
    assert data.fingerprint() != changed.fingerprint()


def damaged_grasps():
    grasps = toy_data().grasps.copy()
    grasps[0, 0] = np.nan
    return grasps


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grasps": damaged_grasps()}, "grasps has 1 values that are not finite"),
        ({"image_index": np.full(40, 8)}, "image_index must be in [0, 7], got 8 to 8"),
        ({"class_id": np.zeros(3, int)}, "class_id has shape (3,), must be (40,)"),
        ({"mask": np.zeros((8, 64, 64), np.uint8)}, "mask has the type uint8"),
    ],
)
def test_bad_data_are_refused(change, words):
    with pytest.raises(GmiError) as error:
        dataclasses.replace(toy_data(), **change)
    assert error.value.code == ErrorCode.FILE_DAMAGED and words in error.value.message


def test_no_data_are_refused():
    with pytest.raises(GmiError, match="0 pairs and 8 images"):
        toy_data(8, 0)


def test_grasps_of_one_image_are_drawn_together():
    data = toy_data(8, 5)
    pairs = np.arange(3, 40)
    drawn = BalancedSampler(data, pairs).draw(100, np.random.default_rng(0), grasps_per_image=4)
    assert len(drawn) == 100 and set(drawn) <= set(pairs)
    images = data.image_index[drawn].reshape(25, 4)
    assert (images == images[:, :1]).all()
    _, rows, grasps = to_batch(data, drawn, torch.device("cpu"))
    assert len(torch.unique(rows)) == len(np.unique(images))
    np.testing.assert_array_equal(grasps.numpy(), data.grasps[drawn])
