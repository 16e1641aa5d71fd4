"""The objects: data in, convex parts out, the same each time; and the splits, which share nothing."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim import objects
from gmi_ros.sim.assorted import EXTENT, KINDS, THICKNESS
from gmi_ros.sim.composites import drawn
from gmi_ros.sim.objects import ASSORTED, FILES, ObjectModel, class_names, find_object, make_object
from gmi_ros.sim.shapes import THINNEST, Part, corners, parts_of, width
from gmi_ros.sim.similarity import chamfer, distance, nearest, normalised_points, surface_points
from gmi_ros.sim.splits import SPLITS, objects_of, practice_objects

SIZES = {"train": 161, "similar": 20, "different": 53, "dev": 30, "random": 100}
NUMBERS, SUM, WEIGHTED = (4635, 140.76210785483318, 2.7567711986741115)  # of objects 0 to 2 of each training class
ASSORTED_SUMS = (3357, 109.74217786567337, 0.7969915262468965)  # of assorted_0 to 23
RGB = (0.591520, 0.587184, 0.556727)  # of mug_1


def every_object() -> list[ObjectModel]:
    return [model for split in SPLITS for model in objects_of(split)]


def extent(model: ObjectModel) -> np.ndarray:
    return np.ptp(np.concatenate([corners(part) for part in model.parts]), axis=0)


def test_splits_have_their_sizes_and_share_no_object():
    assert {split: len(objects_of(split)) for split in SPLITS} == SIZES
    names = Counter(model.name for model in every_object())
    assert max(names.values()) == 1


def test_classes_of_the_files_are_apart():
    classes = [class_names(file) for file in FILES]
    assert [len(c) for c in classes] == [20, 53, 10, 8]
    assert len({name for c in classes for name in c}) == 91
    seen = {split: Counter(model.class_name for model in objects_of(split)) for split in SPLITS}
    assert set(seen["train"]) == set(seen["similar"]) == set(class_names())
    assert set(seen["train"].values()) == {8, 9} and set(seen["similar"].values()) == {1}
    assert not set(seen["different"]) & (set(seen["train"]) | set(seen["dev"]))


def test_every_part_is_solid_and_every_object_of_a_size_to_grasp():
    for model in every_object():
        assert 1 <= len(model.parts) <= 12, model.name
        for part in model.parts:
            assert width(part) >= THINNEST, model.name
            assert np.linalg.norm(part.xyzw) == pytest.approx(1)
            assert (part.vertices is not None) == (part.shape == "hull")
            assert part.shape != "hull" or ConvexHull(part.vertices).volume > 1e-8
        assert 0.04 <= extent(model).max() <= 0.26 and extent(model).min() >= 0.025, model.name


def test_parts_of_an_object_touch():
    """Grown from any part by shared surface or volume, every object is one body."""
    made = practice_objects(80, split=ASSORTED)
    for model in objects_of("random") + objects_of("different") + objects_of("dev") + made:
        hulls = [ConvexHull(corners(part)) for part in model.parts]
        joined, todo = {0}, [0]
        while todo:
            near = hulls[todo.pop()]
            for i, other in enumerate(hulls):
                if i not in joined and overlap(near, other):
                    joined.add(i)
                    todo.append(i)
        assert len(joined) == len(hulls), model.name


def test_assorted_objects_are_solid_and_of_a_size_to_grasp():
    made = practice_objects(80, split=ASSORTED)
    assert len(KINDS) == 8 and max(len(model.parts) for model in made) <= 30
    for model in made:
        assert all(width(part) >= THINNEST for part in model.parts), model.name
        sides = extent(model)
        assert EXTENT[0] <= sides.max() <= EXTENT[1] and sides.min() >= THICKNESS, model.name
        low = np.concatenate([corners(part) for part in model.parts])[:, 2].min()
        assert low == pytest.approx(0, abs=1e-9), model.name


def test_when_nothing_that_is_drawn_fits_it_is_said():
    rng, parts = np.random.default_rng(1), list(make_object("can", 0).parts)
    assert drawn(rng, lambda: parts, lambda parts, sides: True)
    with pytest.raises(GmiError, match="none of 1000 objects drawn"):
        drawn(rng, lambda: parts, lambda parts, sides: False)


def overlap(a: ConvexHull, b: ConvexHull, skin: float = 1e-3) -> bool:
    """Whether two convex bodies come within about `skin` [m]: no axis of a few parts them."""
    axes = np.concatenate([a.equations[:, :3], b.equations[:, :3]])
    along_a, along_b = a.points @ axes.T, b.points @ axes.T
    gap = np.maximum(along_a.min(axis=0) - along_b.max(axis=0), along_b.min(axis=0) - along_a.max(axis=0))
    return bool(gap.max() < skin)


def test_objects_that_weights_were_trained_on_stay_as_they_were():
    trained_on = [make_object(name, index) for name in class_names() for index in range(3)]
    assert checksum(trained_on) == pytest.approx((NUMBERS, SUM, WEIGHTED), rel=1e-12)
    assert checksum(practice_objects(24, split=ASSORTED)) == pytest.approx(ASSORTED_SUMS, rel=1e-9)
    assert make_object("mug", 1).rgb == pytest.approx(RGB)


def checksum(models: Iterable[ObjectModel]) -> tuple[int, float, float]:
    numbers = [
        (part.size or tuple(part.vertices.ravel())) + part.position + part.xyzw
        for model in models
        for part in model.parts
    ]
    flat = np.concatenate([np.array(n) for n in numbers])
    return len(flat), flat.sum(), flat @ np.cos(np.arange(len(flat)))


def test_an_object_is_a_function_of_its_name():
    for name in ("mug_3", "lamp_0", "random_17", "assorted_17"):
        first, cached = find_object(name), find_object(name)
        assert first is cached and first.name == name
        make_object.cache_clear()
        again = find_object(name)
        assert again.rgb == first.rgb and len(again.parts) == len(first.parts)
        for a, b in zip(first.parts, again.parts, strict=True):
            assert (a.shape, a.size, a.position, a.xyzw) == (b.shape, b.size, b.position, b.xyzw)
            np.testing.assert_array_equal(corners(a), corners(b))
    assert find_object("mug_3").parts[0].size != find_object("mug_4").parts[0].size


def test_composites_have_two_to_six_pieces_and_a_size_to_grasp():
    models = objects_of("random", n_random=60)
    assert {len(m.parts) for m in models} == {2, 3, 4, 5, 6}
    for model in models:
        assert extent(model).min() >= 0.04 and extent(model).max() <= 0.18
        assert min(corners(part)[:, 2].min() for part in model.parts) == pytest.approx(0, abs=1e-12)


def test_similarity_of_shapes_ignores_size_place_and_heading():
    model = find_object("camera_0")
    points = normalised_points(model, 200)
    assert distance(points, points) == 0
    turned = Rotation.from_euler("z", 2 * np.pi * 5 / 24)
    moved = ObjectModel("test", 0, tuple(larger(part, 1.7, turned) for part in model.parts), model.rgb)
    assert distance(points, turned.apply(points)) < 1e-6 < chamfer(points, turned.apply(points))
    # Other points of the same surface: nearer than any other shape is.
    assert distance(normalised_points(model, 400), normalised_points(moved, 400)) < 0.1
    other = normalised_points(find_object("mug_0"), 200)
    assert distance(points, other) == pytest.approx(distance(other, points)) and distance(points, other) > 0.15
    # `below` and the bounds change nothing of what is found.
    headings = [Rotation.from_euler("z", 2 * np.pi * i / 24) for i in range(24)]
    assert distance(points, other) == pytest.approx(min(chamfer(h.apply(points), other) for h in headings))
    crowd = [normalised_points(m, 60) for m in objects_of("different")[:12]]
    query = normalised_points(find_object("mug_0"), 60)
    everyone = [distance(query, c) for c in crowd]
    assert nearest(query, crowd) == (int(np.argmin(everyone)), pytest.approx(min(everyone)))
    assert nearest(query, crowd, below=0.99 * min(everyone))[0] == -1


def larger(part: Part, scale: float, turn: Rotation) -> Part:
    position = turn.apply(scale * np.array(part.position))
    xyzw = (turn * Rotation.from_quat(part.xyzw)).as_quat()
    vertices = None if part.vertices is None else scale * part.vertices
    return Part(part.shape, tuple(scale * s for s in part.size), tuple(position), tuple(xyzw), vertices)


def test_surface_points_lie_on_the_outside_of_the_union():
    model = find_object("mug_0")
    points = surface_points(model, 300)
    depths = []
    for part in model.parts:
        faces = ConvexHull(corners(part)).equations
        depths.append(-(points @ faces[:, :3].T + faces[:, 3]).max(axis=1))
    np.testing.assert_allclose(np.max(depths, axis=0), 0, atol=2e-6)


def test_different_objects_are_farther_from_training_than_training_objects_from_each_other():
    train = [normalised_points(model, 100) for model in objects_of("train")]
    own = [nearest(train[i], train[:i] + train[i + 1 :])[1] for i in range(0, len(train), 7)]
    limit = float(np.median(own))
    for model in objects_of("different"):
        index, found = nearest(normalised_points(model, 100), train, below=limit)
        assert index == -1, f"{model.name} is {found:.3f} from {objects_of('train')[index].name}, not {limit:.3f}"


@pytest.mark.parametrize("axis", "xyz")
def test_mirror_images_are_mirror_images(axis):
    flip = np.where(np.array(list("xyz")) == axis, -1, 1)
    for entry in (
        {"shape": "hull", "points": [[0, 0, 0], [0.03, 0, 0], [0, 0.02, 0], [0.01, 0.01, 0.04]]},
        {"shape": "box", "size": [0.01, 0.02, 0.03]},
    ):
        part, image = parts_of(entry | {"at": [0.1, 0.2, 0.3], "turn": [0.3, 0.5, 0.7], "mirror": axis})
        a, b = corners(part) * flip, corners(image)
        assert np.linalg.norm(a[:, None] - b, axis=-1).min(axis=1).max() < 1e-12


def test_copies_stand_evenly_about_the_axis():
    parts = parts_of({"shape": "box", "size": [0.01, 0.02, 0.03], "at": [0.1, 0, 0], "repeat": 5})
    np.testing.assert_allclose(np.sum([part.position for part in parts], axis=0), 0, atol=1e-12)
    np.testing.assert_allclose([np.hypot(*part.position[:2]) for part in parts], 0.1)


def test_a_revolution_is_cut_where_it_is_not_convex():
    vase = {"shape": "revolution", "profile": [[0.03, 0], [0.04, 0.02], [0.02, 0.06], [0.02, 0.08], [0.03, 0.1]]}
    assert [part.shape for part in parts_of(vase)] == ["hull", "cylinder", "hull"]
    (cone,) = parts_of({"shape": "revolution", "profile": [[0.03, 0], [0, 0.09]]})
    ideal = np.pi * 0.03**2 * 0.09 / 3
    assert ConvexHull(cone.vertices).volume == pytest.approx(ideal, rel=0.01)


def test_tubes_go_from_point_to_point():
    path = np.array([[0, 0, 0.1], [0.05, 0, 0.1], [0.05, 0.02, 0.02]])
    for part, start, end in zip(
        parts_of({"shape": "tube", "radius": 0.01, "points": path.tolist()}), path[:-1], path[1:], strict=True
    ):
        axis = Rotation.from_quat(part.xyzw).apply([0, 0, part.size[1]])
        np.testing.assert_allclose([part.position - axis, part.position + axis], [start, end], atol=1e-12)


@pytest.mark.parametrize(
    "entry, why",
    [
        ({"shape": "blob"}, "shape must be one of box, ellipsoid"),
        ({"radius": 0.1}, "shape must be one of box"),
        ({"shape": "cylinder", "radius": 0.02}, "cylinder takes radius, half_height"),
        ({"shape": "box", "size": [0.1, 0.1, 0.1], "colour": 1}, "box takes size"),
        ({"shape": "box", "size": [0.1, 0.1]}, "not the numbers of a box"),
        ({"shape": "box", "size": [0.1, 0.1, -0.1]}, "at least 0.001 m"),
        ({"shape": "box", "size": [0.1, 0.1, float("nan")]}, "at least 0.001 m"),
        ({"shape": "hull", "points": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]}, "not the numbers of a hull"),
        ({"shape": "polygon", "sides": 6, "radius": 0.03, "half_height": 0.0004}, "at least 0.001 m"),
        ({"shape": "revolution", "profile": [[0.03, 0], [0.04, 0]]}, "z must rise"),
        ({"shape": "tube", "radius": 0.01, "points": [[0, 0, 0]]}, "not the numbers of a tube"),
        ({"shape": "box", "size": [0.1, 0.1, 0.1], "repeat": 0}, "repeat"),
        ({"shape": "box", "size": [0.1, 0.1, 0.1], "mirror": "w"}, "mirror"),
    ],
)
def test_bad_entries_are_refused(entry, why):
    with pytest.raises(GmiError, match=why) as refused:
        parts_of(entry)
    assert refused.value.code == ErrorCode.FILE_DAMAGED


@pytest.mark.parametrize("text", ["__import__('os')", "r**2", "unknown+1", "r/0", "r+", "'r'"])
def test_bad_expressions_are_refused(text, monkeypatch):
    template = {"vars": {"r": [0.01, 0.02]}, "parts": [{"shape": "cylinder", "radius": text, "half_height": 0.1}]}
    monkeypatch.setattr(objects, "_templates", lambda file: {"oddity": template})
    with pytest.raises(GmiError, match="household.yaml, oddity: .*only numbers.*vars.*r") as refused:
        make_object("oddity", 0)
    assert refused.value.code == ErrorCode.FILE_DAMAGED


@pytest.mark.parametrize("name", ["unicorn_0", "mug", "mug_", "mug_-1", "mug_01", "mug_²", "random_x", "_3", ""])
def test_unknown_objects_are_named(name):
    with pytest.raises(GmiError, match=f"no object '{name}'.*bottle.*lamp.*shoe.*random") as refused:
        find_object(name)
    assert refused.value.code == ErrorCode.BAD_REQUEST


def test_composites_from_any_number_on_are_the_same_ones():
    assert objects_of("random", 3, first_random=2) == objects_of("random", 5)[2:]


def test_unknown_splits_and_empty_ones_are_refused():
    with pytest.raises(GmiError, match="no split 'test'.*train, similar, different, dev, random") as refused:
        objects_of("test")
    assert refused.value.code == ErrorCode.BAD_REQUEST
    with pytest.raises(GmiError, match="0 random objects: at least 1"):
        objects_of("random", n_random=0)
    with pytest.raises(GmiError, match="random object -1: the first is 0"):
        objects_of("random", first_random=-1)
    with pytest.raises(GmiError, match="no object 'unicorn_2'"):
        make_object("unicorn", 2)
