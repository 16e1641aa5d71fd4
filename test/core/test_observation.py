"""The observation and the object frame: invariances of what the network sees, and every refusal."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from gmi_ros.core.cloud import clutter_points, fit_table, object_points
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, Intrinsics, measured
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import DEPTH_CLIP_M, WINDOW_M, observe, window_rays
from gmi_ros.core.settings import SynthesisSettings

K = Intrinsics(160, 120, 130.0, 130.0, 79.5, 59.5)


def bar(angle: float, length: float = 30.0, width: float = 10.0, k: Intrinsics = K, depth: float = 0.7) -> Frame:
    """A bar `length` x `width` pixels turned by `angle` [rad] about the image's middle, before a plane 0.1 m behind."""
    u, v = np.meshgrid(np.arange(k.width) - k.cx, np.arange(k.height) - k.cy)
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    mask = (np.abs(along) < length / 2) & (np.abs(across) < width / 2)
    rgb = np.zeros((k.height, k.width, 3), np.uint8)
    rgb[mask] = (200, 100, 50)
    return Frame(rgb, np.where(mask, depth, depth + 0.1).astype(np.float32), mask.astype(np.uint16), k)


@pytest.mark.parametrize("angle", np.linspace(0.05, np.pi - 0.05, 9))
def test_z_axis_follows_the_bar_and_points_up(angle):
    found = object_frame(bar(angle))
    z_axis = found.camera_from_object[:3, 2]
    assert abs(z_axis[:2] @ [np.cos(angle), np.sin(angle)]) > 0.999
    assert z_axis[1] < 0
    np.testing.assert_allclose(found.camera_from_object[:3, 0], [0, 0, 1])
    assert np.linalg.det(found.camera_from_object[:3, :3]) == pytest.approx(1)
    assert not found.degenerate


def test_a_horizontal_bar_points_right():
    np.testing.assert_allclose(object_frame(bar(0.0)).camera_from_object[:3, 2], [1, 0, 0], atol=1e-9)


def test_the_same_mask_gives_the_same_frame_whatever_its_order_of_magnitude():
    frame = bar(0.7)
    again = Frame(frame.rgb, frame.depth, frame.mask * 255, frame.intrinsics)
    np.testing.assert_array_equal(object_frame(frame).camera_from_object, object_frame(again).camera_from_object)


def test_a_round_mask_is_degenerate_and_takes_the_images_up():
    found = object_frame(bar(0.3, length=20, width=20))
    assert found.degenerate and found.eigenvalue_ratio > 0.9
    np.testing.assert_allclose(found.camera_from_object[:3, 2], [0, -1, 0])
    np.testing.assert_allclose(found.camera_from_object[:3, 1], [-1, 0, 0])


def test_origin_is_the_mean_pixel_at_the_median_depth():
    found = object_frame(bar(1.1))
    np.testing.assert_allclose(found.camera_from_object[:3, 3], [0, 0, 0.7], atol=1e-3)


def test_rolling_the_camera_changes_only_the_frame_not_the_picture():
    upright, rolled = bar(np.pi / 2), bar(np.pi / 4)
    seen = [observe(f, object_frame(f)) for f in (upright, rolled)]
    assert (seen[0].mask != seen[1].mask).mean() < 0.02
    np.testing.assert_allclose(seen[0].depth[32, 32], seen[1].depth[32, 32])


def test_the_window_is_metric_whatever_the_camera():
    twice = Intrinsics(320, 240, 260.0, 260.0, 159.5, 119.5)
    coarse, fine = bar(0.6), bar(0.6, length=60, width=20, k=twice)
    areas = [observe(f, object_frame(f)).mask.sum() for f in (coarse, fine)]
    assert areas[0] == pytest.approx(areas[1], rel=0.1)


def test_rays_span_the_window():
    rays = window_rays(object_frame(bar(0.4)))
    assert np.linalg.norm(rays[0, 0] - rays[-1, 0]) == pytest.approx(WINDOW_M * 63 / 64)
    assert np.linalg.norm(rays[0, 0] - rays[0, -1]) == pytest.approx(WINDOW_M * 63 / 64)


def test_holes_are_filled_with_the_nearest_depth_and_counted():
    frame = bar(0.5)
    depth = frame.depth.copy()
    depth[50:60, 60:70] = np.nan
    depth[20:24, 100:104] = 0.0
    seen = observe(Frame(frame.rgb, depth, frame.mask, K), object_frame(frame))
    assert seen.n_holes > 0 and np.isfinite(seen.depth).all()
    assert np.abs(seen.depth).max() <= DEPTH_CLIP_M
    assert observe(frame, object_frame(frame)).n_holes == 0


def test_image_has_the_networks_shape_and_ranges():
    frame = bar(0.5)
    image = observe(frame, object_frame(frame)).image
    assert image.shape == (64, 64, 5) and image.dtype == np.float32
    assert image[..., :3].min() >= 0 and image[..., :3].max() <= 1
    assert set(np.unique(image[..., 4])) == {0.0, 1.0}


def replaced(frame: Frame, **arrays) -> Frame:
    return Frame(**{"rgb": frame.rgb, "depth": frame.depth, "mask": frame.mask, "intrinsics": K} | arrays)


def moved_to_border(frame: Frame) -> np.ndarray:
    return np.roll(frame.mask, -(np.nonzero(frame.mask)[1].min()), axis=1)


def first_pixels(frame: Frame, n: int) -> np.ndarray:
    return frame.mask * (np.cumsum(frame.mask).reshape(frame.mask.shape) <= n)


REFUSALS = {
    "empty": (lambda f: {"mask": f.mask * 0}, 0, ErrorCode.MASK_EMPTY, "above 0"),
    "label": (lambda f: {}, 7, ErrorCode.LABEL_NOT_FOUND, "label 7 is not in the mask; it has 1"),
    "small": (lambda f: {"mask": first_pixels(f, 29)}, 0, ErrorCode.MASK_TOO_SMALL, "29 pixels, at least 30"),
    "border": (lambda f: {"mask": moved_to_border(f)}, 0, ErrorCode.MASK_AT_BORDER, "left border"),
    "no depth": (lambda f: {"depth": f.depth * np.nan}, 0, ErrorCode.NO_VALID_DEPTH, "pixels of the mask has a depth"),
    "zero depth": (lambda f: {"depth": f.depth * 0}, 0, ErrorCode.NO_VALID_DEPTH, "pixels of the mask has a depth"),
    "millimetres": (lambda f: {"depth": f.depth * 1000}, 0, ErrorCode.DEPTH_UNITS, "700 m, outside [0.2, 4.0] m"),
    "kilometres": (lambda f: {"depth": f.depth / 1000}, 0, ErrorCode.DEPTH_UNITS, "0.0007 m"),
    "far": (lambda f: {"depth": f.depth * 10}, 0, ErrorCode.NO_VALID_DEPTH, "7 m, outside [0.2, 4.0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_name_the_value_and_the_bound(name):
    change, label, code, text = REFUSALS[name]
    frame = bar(0.5)
    with pytest.raises(GmiError) as refused:
        object_frame(replaced(frame, **change(frame)), label)
    assert refused.value.code == code and text in refused.value.message


def test_sizes_must_agree():
    frame = bar(0.5)
    with pytest.raises(GmiError) as refused:
        replaced(frame, depth=frame.depth[:-1])
    assert refused.value.code == ErrorCode.SIZE_MISMATCH and "depth 160x119" in refused.value.message


@pytest.mark.parametrize("k", [np.zeros(9), np.full(9, np.nan), np.zeros(6)])
def test_unusable_intrinsics(k):
    with pytest.raises(GmiError) as refused:
        Intrinsics.from_k(640, 480, k)
    assert refused.value.code == ErrorCode.BAD_INTRINSICS


def test_the_largest_label_is_taken_and_any_other_on_request():
    frame = bar(0.5)
    mask = frame.mask * 5
    mask[10:18, 10:18] = 9
    frame = replaced(frame, mask=mask)
    assert object_frame(frame).label == 5
    assert object_frame(frame, 9).n_pixels == 64


def test_the_table_is_found_where_it_is():
    frame = bar(0.5)
    found = object_frame(frame)
    table = fit_table(frame, found)
    np.testing.assert_allclose(table.normal, [0, 0, -1], atol=1e-6)
    np.testing.assert_allclose(table.height(object_points(frame, found)), 0.1, atol=1e-6)


def test_there_is_no_table_where_nothing_is_seen():
    frame = bar(0.5)
    nothing = replaced(frame, depth=np.where(frame.mask > 0, frame.depth, 0))
    assert fit_table(nothing, object_frame(nothing)) is None


def test_settings_name_the_field_the_value_and_the_bound():
    with pytest.raises(GmiError) as refused:
        SynthesisSettings(n_samples=10_000_000)
    assert refused.value.code == ErrorCode.BAD_SETTING
    assert "n_samples must be in [1, 4096], got 10000000" in refused.value.message


def test_a_mask_half_near_half_far_has_its_origin_on_some_pixel():
    frame = bar(0.5)
    depth = np.where(np.arange(K.width) < K.width / 2, 0.6, 1.4)[None].repeat(K.height, axis=0).astype(np.float32)
    found = object_frame(replaced(frame, depth=depth))
    assert found.depth == pytest.approx(0.6) and len(object_points(replaced(frame, depth=depth), found))


def test_what_stands_beside_the_object_is_clutter():
    frame = bar(0.5)
    found, depth = object_frame(frame), frame.depth.copy()
    table = fit_table(frame, found)
    surface = cKDTree(object_points(frame, found))
    assert not len(clutter_points(frame, found, table, surface))
    depth[20:40, 110:130] = 0.72  # something 8 cm tall
    seen = replaced(frame, depth=depth)
    points = clutter_points(seen, found, table, surface)
    assert len(points) and (table.height(points) > 0.05).all()
    assert not len(clutter_points(seen, found, None, surface))


def test_what_lies_far_around_changes_nothing():
    """Frame, points and table are found in the object's surroundings: a wider image is the same but for rounding."""
    frame, k = bar(0.5), K
    wide = Intrinsics(k.width + 400, k.height + 300, k.fx, k.fy, k.cx + 250, k.cy + 120)

    def widened(image):
        return np.pad(image, ((120, 180), (250, 150), *[(0, 0)] * (image.ndim - 2)))

    seen = Frame(widened(frame.rgb), widened(frame.depth), widened(frame.mask), wide)
    here, there = object_frame(frame), object_frame(seen)
    np.testing.assert_allclose(there.camera_from_object, here.camera_from_object, atol=1e-12)
    np.testing.assert_allclose(there.centroid_px - here.centroid_px, [250, 120], atol=1e-9)
    assert (there.n_pixels, there.depth) == (here.n_pixels, here.depth)
    assert there.eigenvalue_ratio == pytest.approx(here.eigenvalue_ratio)
    np.testing.assert_allclose(object_points(seen, there), object_points(frame, here), atol=1e-12)
    np.testing.assert_allclose(fit_table(seen, there).normal, fit_table(frame, here).normal, atol=1e-9)


def test_the_object_frame_is_the_pca_of_all_pixels():
    frame = bar(0.8, length=41, width=17)
    found = object_frame(frame)
    v, u = np.nonzero(frame.mask)
    np.testing.assert_allclose(found.centroid_px, [u.mean(), v.mean()], atol=1e-12)
    values, vectors = np.linalg.eigh(np.cov(np.stack([u, v]), bias=True))
    assert found.eigenvalue_ratio == pytest.approx(values[0] / values[1], rel=1e-9)
    assert abs(found.camera_from_object[:2, 2] @ vectors[:, 1]) == pytest.approx(1, abs=1e-12)


def test_labels_areas_and_boxes():
    mask = np.zeros((K.height, K.width), np.uint16)
    mask[10:30, 20:60], mask[50, 70], mask[90:100, 5:9] = 3, 7, 65535
    frame = replaced(bar(0.5), mask=mask)
    assert frame.areas == {3: 800, 65535: 40, 7: 1} and frame.labels() == [3, 65535, 7]
    assert frame.box(3) == (slice(10, 30), slice(20, 60)) and frame.box(7) == (slice(50, 51), slice(70, 71))
    rows, columns = frame.box(8)
    assert not frame.mask[rows, columns].size
    assert replaced(frame, mask=np.zeros_like(mask)).areas == {}
    assert replaced(frame, mask=mask == 3).areas == {1: 800}


def test_measured_is_a_number_above_zero_and_below_infinity():
    depth = np.array([0.5, 0.0, -1.0, np.nan, np.inf, -np.inf], np.float32)
    assert measured(depth).tolist() == [True] + [False] * 5


def test_the_erosion_takes_the_edge_off_as_often_as_it_is_told():
    frame = bar(0.0, length=20, width=8)
    inner = np.zeros_like(frame.mask, bool)
    v, u = np.nonzero(frame.mask)
    inner[v.min() + 3 : v.max() - 2, u.min() + 3 : u.max() - 2] = True
    depth = np.where(inner, 0.6, 0.7).astype(np.float32)
    settings = SynthesisSettings(depth_erosion_px=3)
    assert object_frame(replaced(frame, depth=depth), settings=settings).depth == pytest.approx(0.6)
    settings = SynthesisSettings(depth_erosion_px=2)
    assert object_frame(replaced(frame, depth=depth), settings=settings).depth == pytest.approx(0.7)
    settings = SynthesisSettings(depth_erosion_px=20)  # nothing is left: the whole mask
    assert object_frame(replaced(frame, depth=depth), settings=settings).depth == pytest.approx(0.7)


@pytest.mark.parametrize("k", [(1e-9, 130, 80, 60), (5e9, 5e9, 80, 60), (130, 130, 1e9, 60)])
def test_intrinsics_that_no_camera_has(k):
    with pytest.raises(GmiError) as refused:
        Intrinsics(160, 120, *k)
    assert refused.value.code == ErrorCode.BAD_INTRINSICS and "160x120" in refused.value.message


def test_skew_and_broken_pixels_are_refused():
    for width, k in ((160, [130, 5, 80, 0, 130, 60, 0, 0, 1]), (160.5, [130, 0, 80, 0, 130, 60, 0, 0, 1])):
        with pytest.raises(GmiError) as refused:
            Intrinsics.from_k(width, 120, k)
        assert refused.value.code == ErrorCode.BAD_INTRINSICS


@pytest.mark.parametrize("plane", [(0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0)])
def test_a_table_plane_needs_four_numbers_and_a_normal(plane):
    with pytest.raises(GmiError) as refused:
        SynthesisSettings(table_plane=plane)
    assert refused.value.code == ErrorCode.BAD_SETTING
