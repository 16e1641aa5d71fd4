"""An episode says everything that is wrong with it at once; its parts survive packing."""

import numpy as np
import pytest
from episodes import make_episode, make_pixels, make_robot_episode, make_values

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import packing
from gmi_ros.experience.episode import Episode


def test_all_mismatches_come_in_one_error():
    pixels = make_pixels(np.random.default_rng(0))
    pixels = type(pixels)(pixels.rgb[:32], pixels.depth.astype(float), pixels.mask)
    wrong = {
        "source": "dream", "recipe": None, "pixels": pixels, "camera_from_object": 2 * np.eye(4),
        "contacts_reached": np.zeros((2, 3)), "normals_reached": np.zeros((3, 3)), "joints": [0, 0, 0, np.nan],
        "normals_predicted": None, "seed": -1, "view": 1.5, "reason": None, "height_lifted": np.inf,
    }  # fmt: skip
    with pytest.raises(GmiError) as error:
        make_episode(**wrong)
    assert error.value.code == ErrorCode.BAD_REQUEST
    for part in (
        "source must be one of simulation, robot, bag", "pixels.rgb must be (64, 64, 3) uint8, got (32, 64, 3)",
        "pixels.depth must be (64, 64) float32", "camera_from_object is not a rigid pose",
        "contacts_reached must be (3, 3) of numbers, got (2, 3)", "normals_reached must be unit vectors",
        "joints has numbers that are not finite", "contacts_predicted and normals_predicted come together",
        "seed must be an integer", "view must be an integer", "reason must be text", "height_lifted must be finite",
    ):  # fmt: skip
        assert part in error.value.message


def test_either_pixels_or_recipe():
    with pytest.raises(GmiError, match="neither is"):
        make_episode(recipe=None)
    with pytest.raises(GmiError, match="both are"):
        make_episode(pixels=make_pixels(np.random.default_rng(0)))


def test_ids_are_derived_where_they_are_not_given():
    episode = make_episode(trial_seed=12)
    assert episode.outcome_id == episode.grasp_id == episode.observation_id == "train/mug_00/12"
    assert make_episode(trial_seed=12, view=3).outcome_id == "train/mug_00/12/3"
    with pytest.raises(GmiError, match="outcome_id is empty"):
        make_episode(object_name="")


def test_grasp_vector_is_points_then_normals_of_what_was_reached():
    episode = make_episode(1)
    vector = episode.grasp_vector()
    assert vector.shape == (18,) and vector.dtype == np.float32
    np.testing.assert_allclose(vector[:9].reshape(3, 3), episode.contacts_reached, rtol=1e-6)
    np.testing.assert_allclose(vector[9:].reshape(3, 3), episode.normals_reached, rtol=1e-6)
    with pytest.raises(GmiError, match="no contacts reached"):
        make_episode(contacts_reached=None, normals_reached=None).grasp_vector()


def test_pixels_make_the_networks_image():
    image = make_robot_episode(1).pixels.image
    assert image.shape == (64, 64, 5) and image.dtype == np.float32


def test_defaults_are_enough_for_a_failure_without_contacts():
    Episode(source="robot", success=False, camera_from_object=np.eye(4), outcome_id="a", recipe={})


def test_unchecked_has_every_field_of_a_checked_one():
    values = make_values(3)
    checked = Episode(**values)
    assert vars(Episode.unchecked(**vars(checked))) == vars(checked)


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"a": 1, "b": 2.5, "c": [1, 2, {"d": None, "e": True}], "f": "text", "g": "#", "h": ["#x", ""]},
        {"big": 2**62, "small": -(2**40), "fine": 0.1, "tiny": 1e-300, "huge": 1e300},
    ],
)
def test_recipes_come_back_equal(recipe):
    assert packing.unpack_recipe(*packing.pack_recipe(recipe)) == recipe


def test_recipes_of_a_kind_share_their_template_and_cost_their_numbers():
    (first, data), (second, _) = (packing.pack_recipe({"pose": np.full(7, i, np.float32)}) for i in (0.5, 0.25))
    assert first == second and len(data) == 28


@pytest.mark.parametrize("recipe", [{"a": object()}, {"a": {1: 2}}, {"a": 2**70}, {"a": b"bytes"}])
def test_recipes_that_json_cannot_hold_are_refused(recipe):
    with pytest.raises(GmiError) as error:
        packing.pack_recipe(recipe)
    assert error.value.code == ErrorCode.BAD_REQUEST
