"""The Kinect's noise: as strong as measured, in steps of disparity, taking away and never adding."""

from dataclasses import replace

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.sim.noise import KinectNoise, kinect_noise, quantisation_step

KINECT = Intrinsics(640, 480, 525.0, 525.0, 319.5, 239.5)
QUIET = KinectNoise(
    sigma_nearest=0, sigma_growth=0, sigma_grazing=0, disparity_step=0, shadow=False, edge_loss=0,
    grazing_angle=np.pi / 2, hole_share=0, rgb_sigma=0,
)  # fmt: skip
AXIAL = replace(QUIET, sigma_nearest=0.0012, sigma_growth=0.0019)
ROWS, COLUMNS = slice(200, 280), slice(300, 380)  # of the box before the wall


def _frame(depth: np.ndarray, mask: np.ndarray | None = None) -> Frame:
    mask = np.zeros(depth.shape, np.uint16) if mask is None else mask
    return Frame(np.full((*depth.shape, 3), 120, np.uint8), depth.astype(np.float32), mask, KINECT, 7, "eye")


def _wall(z: float) -> Frame:
    return _frame(np.full((480, 640), z))


def _box_before_wall(wall: float = 1.0, box: float = 0.8) -> Frame:
    depth, mask = np.full((480, 640), wall), np.zeros((480, 640), np.uint16)
    depth[ROWS, COLUMNS], mask[ROWS, COLUMNS] = box, 3
    depth[:20] = 0
    return _frame(depth, mask)


def _plane(angle: float) -> Frame:
    """A plane 1 m before the camera, its normal turned by `angle` [rad] from the optical axis."""
    u, v = np.meshgrid(np.arange(640), np.arange(480))
    rays = KINECT.deproject(np.stack([u, v], axis=-1), np.ones(u.shape))
    along = rays @ [np.sin(angle), 0, np.cos(angle)]
    return _frame(np.where(along > 0.2, np.cos(angle) / np.maximum(along, 0.2), 0))


@pytest.mark.parametrize("z", [0.5, 0.8, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("smooth_share, disparity_step", [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 0.125)])
def test_a_wall_has_the_published_sigma(z, smooth_share, disparity_step):
    noise = replace(AXIAL, smooth_share=smooth_share, disparity_step=disparity_step)
    step = quantisation_step(np.array(z), KINECT, KinectNoise())
    wall = z + np.linspace(-1, 1, 640) * step  # at every place between two steps, which matters where they are wide
    error = noise.apply(_frame(np.tile(wall, (480, 1))), 1).depth - wall
    assert error.std() == pytest.approx(0.0012 + 0.0019 * (z - 0.4) ** 2, rel=0.04)
    assert abs(error.mean()) < 0.03 * error.std()


def test_neighbours_share_the_smooth_part_only():
    def correlation(smooth_share: float) -> float:
        error = replace(AXIAL, smooth_share=smooth_share).apply(_wall(1.0), 2).depth - 1.0
        return float(np.corrcoef(error[:, 1:].ravel(), error[:, :-1].ravel())[0, 1])

    assert abs(correlation(0.0)) < 0.01
    expected = np.exp(-1 / (4 * AXIAL.smooth_px**2))  # of white noise smoothed by a Gaussian, one pixel apart
    assert correlation(1.0) == pytest.approx(expected, abs=0.03)
    assert correlation(0.5) == pytest.approx(expected / 2, abs=0.03)


def test_a_slanted_surface_is_noisier_and_a_grazing_one_is_not_seen():
    noise = replace(QUIET, sigma_nearest=0.0012, sigma_grazing=0.0001, smooth_share=0.0)
    centre = np.s_[200:280, 310:330]
    spread = []
    for degrees in (0, 45, 75):
        frame = _plane(np.radians(degrees))
        spread.append(np.std([noise.apply(frame, s).depth[centre] - frame.depth[centre] for s in range(3)]))
    assert spread[1] == pytest.approx(spread[0], rel=0.05)
    assert spread[2] - spread[0] == pytest.approx(0.0001 * (75 / 15) ** 2, rel=0.15)
    limit = replace(QUIET, grazing_angle=np.radians(80))
    assert (limit.apply(_plane(np.radians(75)), 1).depth[centre] > 0).all()
    assert (limit.apply(_plane(np.radians(85)), 1).depth[centre] == 0).all()


def test_without_noise_nothing_changes():
    frame = _box_before_wall()
    quiet = QUIET.apply(frame, 1)
    np.testing.assert_array_equal(quiet.depth, frame.depth)
    np.testing.assert_array_equal(quiet.rgb, frame.rgb)


def test_quantised_disparities_are_whole_steps_and_nearest():
    z = np.linspace(0.4, 4.0, 480 * 640).reshape(480, 640)
    noise = replace(QUIET, disparity_step=0.125)
    depth = noise.apply(_frame(z), 1).depth.astype(float)
    steps = KINECT.fx * noise.baseline / depth / noise.disparity_step
    np.testing.assert_allclose(steps, np.rint(steps), atol=2e-3)
    assert (np.abs(depth - z) <= 0.51 * quantisation_step(np.maximum(depth, z), KINECT, noise) + 1e-6).all()
    levels = np.unique(depth)
    middle = (levels[1:] + levels[:-1]) / 2
    np.testing.assert_allclose(np.diff(levels), quantisation_step(middle, KINECT, noise), rtol=0.02)
    assert quantisation_step(np.array(1.0), KINECT, noise) == pytest.approx(1 / (525 * 0.075) / 8)


def test_holes_only_take_away_and_their_share_is_as_asked():
    frame = _wall(1.0)
    lost = [replace(QUIET, hole_share=0.02).apply(frame, seed).depth == 0 for seed in range(5)]
    assert np.mean(lost) == pytest.approx(0.02, rel=0.15)
    kept = replace(QUIET, hole_share=0.02).apply(frame, 0).depth
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1)}
    neighbours = lost[0][:, 1:] & lost[0][:, :-1]
    assert neighbours.sum() > 0.5 * lost[0].sum()  # blobs, not single pixels


def test_edges_lose_readings_and_the_rest_keeps_them():
    frame = _box_before_wall()
    depth = replace(QUIET, edge_loss=1.0).apply(frame, 1).depth
    inner = depth[ROWS.start + 1 : ROWS.stop - 1, COLUMNS.start + 1 : COLUMNS.stop - 1]
    assert (inner > 0).all()
    rim = np.zeros(depth.shape, bool)
    rim[ROWS, COLUMNS] = True
    rim[ROWS.start + 1 : ROWS.stop - 1, COLUMNS.start + 1 : COLUMNS.stop - 1] = False
    assert (depth[rim] == 0).all()
    assert (depth[320:] > 0).all()
    half = replace(QUIET, edge_loss=0.5).apply(frame, 1).depth
    assert (half[rim] == 0).mean() == pytest.approx(0.5, abs=0.15)


def test_the_shadow_is_as_wide_as_the_disparities_differ_and_on_the_left():
    wall, box = 1.0, 0.8
    frame = _box_before_wall(wall, box)
    depth = replace(QUIET, shadow=True).apply(frame, 1).depth
    lost = (depth == 0) & frame.valid
    width = KINECT.fx * QUIET.baseline * (1 / box - 1 / wall)
    row = np.flatnonzero(lost[240])
    assert row.max() == COLUMNS.start - 1
    assert len(row) == pytest.approx(width, abs=1)
    assert not lost[:, COLUMNS.start :].any() and not lost[: ROWS.start].any()


@pytest.mark.parametrize("frame", [_box_before_wall(), _plane(1.2)])
def test_where_nothing_was_seen_nothing_is_and_the_rest_is_as_it_was(frame):
    noisy = KinectNoise().apply(frame, 5)
    assert noisy.depth.dtype == np.float32 and noisy.rgb.dtype == np.uint8
    assert (noisy.depth[~frame.valid] == 0).all() and (noisy.depth >= 0).all() and np.isfinite(noisy.depth).all()
    np.testing.assert_array_equal(noisy.mask, frame.mask)
    assert noisy.intrinsics == frame.intrinsics
    assert (noisy.stamp_ns, noisy.frame_id) == (frame.stamp_ns, frame.frame_id)
    assert np.mean(noisy.depth[frame.valid] > 0) > 0.75  # most of it is still there


def test_what_is_not_finite_becomes_zero_and_an_empty_frame_stays_empty():
    depth = np.full((480, 640), 1.0)
    depth[100:110] = np.nan
    depth[110:120] = np.inf
    assert (KinectNoise().apply(_frame(depth), 1).depth[100:120] == 0).all()
    assert not KinectNoise().apply(_wall(0.0), 1).depth.any()


def test_colour_noise_is_of_the_brightness():
    frame = _wall(1.0)
    rgb = replace(QUIET, rgb_sigma=3.0).apply(frame, 1).rgb.astype(float)
    assert rgb.std() == pytest.approx(3.0, rel=0.05) and rgb.mean() == pytest.approx(120, abs=0.05)
    assert (np.ptp(rgb, axis=-1) == 0).all()


def test_the_seed_decides():
    frame = _box_before_wall()
    first, again, other = (KinectNoise().apply(frame, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.depth, again.depth)
    np.testing.assert_array_equal(first.rgb, again.rgb)
    assert (first.depth != other.depth).mean() > 0.3
    drawn = kinect_noise(frame, np.random.default_rng(4))
    np.testing.assert_array_equal(first.depth, drawn.depth)
    assert (frame.depth == _box_before_wall().depth).all()  # what was given is not touched


@pytest.mark.parametrize("name, value", [("hole_share", 0.9), ("sigma_nearest", -1.0), ("smooth_px", float("nan"))])
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(GmiError, match=rf"KinectNoise.{name} must be in \[.*got {value}") as caught:
        KinectNoise(**{name: value})
    assert caught.value.code == ErrorCode.BAD_SETTING
