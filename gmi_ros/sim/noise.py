"""The noise of a Kinect (v1), put on a rendered frame; nothing but the frame is known.

Sources: axial noise Nguyen, Izadi, Lovell, Modeling Kinect Sensor Noise for Improved 3D Reconstruction and Tracking,
3DIMPVT 2012; disparity, baseline and steps of 1/8 pixel Konolige, Mihelich, Technical description of Kinect
calibration, ROS wiki, 2011.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, Intrinsics

_FAR = 1e3  # stands for the depth of what has none [m]
_LEAST_COSINE = 0.05  # nearer to 90 degrees the noise grows without bound
_WHOLE = (0.0, 1.0)
_LIMITS = {
    "sigma_nearest": (0.0, 0.1), "sigma_growth": (0.0, 0.1), "sigma_grazing": (0.0, 0.01), "nearest": (0.0, 5.0),
    "smooth_share": _WHOLE, "smooth_px": (1.0, 20.0), "disparity_step": _WHOLE, "baseline": (0.001, 1.0),
    "edge_jump": (0.001, 10.0), "edge_loss": _WHOLE, "grazing_angle": (0.0, np.pi / 2), "hole_share": (0.0, 0.5),
    "hole_px": (0.5, 50.0), "rgb_sigma": (0.0, 100.0),
}  # fmt: skip


@dataclass(frozen=True)
class KinectNoise:
    """How strong each part of the noise is; zeros (grazing_angle: pi/2, shadow: False) leave it out.

    sigma_nearest [m], sigma_growth [1/m], nearest [m], sigma_grazing [m^1.5]: standard deviation of depth z seen at
        angle a off the surface's normal: sigma_nearest + sigma_growth (z - nearest)^2 and, beyond 60 degrees,
        + sigma_grazing / sqrt(z) (a / (pi/2 - a))^2 [m]. Measured on quantised depth, so it includes the quantisation
        (exact as a mean over the places between two steps; at one place up to 10 % off).
    smooth_share: of that variance, what neighbours share; smooth_px: how far, the sigma of a Gaussian [px].
    disparity_step [px], baseline [m]: depth comes in steps of disparity, fx baseline / z.
    shadow: no depth where the projector, `baseline` to the right of the camera, is hidden by something nearer.
    edge_jump [m], edge_loss: share of pixels without depth among those beside a jump in depth.
    grazing_angle [rad]: no depth where a surface is seen at more than this off its normal.
    hole_share, hole_px [px]: share of the image in random holes, and their radius.
    rgb_sigma: standard deviation of the (evenly distributed) noise in brightness, in levels of 255.
    """

    sigma_nearest: float = 0.0012
    sigma_growth: float = 0.0019
    sigma_grazing: float = 0.0001
    nearest: float = 0.4
    smooth_share: float = 0.5
    smooth_px: float = 1.5
    disparity_step: float = 0.125
    baseline: float = 0.075
    shadow: bool = True
    edge_jump: float = 0.02
    edge_loss: float = 0.5
    grazing_angle: float = 1.4
    hole_share: float = 0.003
    hole_px: float = 2.5
    rgb_sigma: float = 2.0

    def __post_init__(self):
        for name, (low, high) in _LIMITS.items():
            if not low <= getattr(self, name) <= high:
                message = f"KinectNoise.{name} must be in [{low:g}, {high:g}], got {getattr(self, name)}"
                raise GmiError(ErrorCode.BAD_SETTING, message)

    def apply(self, frame: Frame, seed: int) -> Frame:
        """The frame with this noise; the same seed gives the same frame."""
        return kinect_noise(frame, np.random.default_rng(seed), self)


def kinect_noise(frame: Frame, rng: np.random.Generator, noise: KinectNoise = KinectNoise()) -> Frame:
    """The frame as a Kinect would have taken it: rgb and depth noisy, all else as it was.

    Depth is 0 wherever there is none, and nowhere is there more of it than before. Lateral noise is left out.
    """
    depth, box = np.zeros(frame.depth.shape, np.float32), _bounds(frame.valid)
    if frame.valid.any():
        depth[box] = _noisy_depth(frame.depth[box], frame.valid[box], box, frame.intrinsics, noise, rng)
    return replace(frame, depth=depth, rgb=_noisy_rgb(frame.rgb, noise, rng))


def quantisation_step(z: np.ndarray, intrinsics: Intrinsics, noise: KinectNoise) -> np.ndarray:
    """Distance (...) [m] between neighbouring depths at depth z (...) [m]: z^2 / (fx baseline) times disparity_step."""
    return z**2 * (noise.disparity_step / (intrinsics.fx * noise.baseline))


def _bounds(valid: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold every reading: a picture of one object is mostly empty."""
    spans = []
    for axis in (1, 0):
        there = np.flatnonzero(valid.any(axis=axis))
        spans.append(slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0))
    return spans[0], spans[1]


def _noisy_depth(
    depth: np.ndarray,
    valid: np.ndarray,
    box: tuple[slice, slice],
    intrinsics: Intrinsics,
    noise: KinectNoise,
    rng: np.random.Generator,
) -> np.ndarray:
    """Depth (h, w) [m], 0 where there is none, of the part of the image in the box."""
    z = np.where(valid, depth, 1).astype(np.float32)  # (h, w) [m], also where there is none
    inverse = valid / z  # (h, w) [1/m], 0 = nothing, infinitely far
    cosine = _viewing_cosine(inverse, box, intrinsics)
    lost = ~valid | _edges(z, valid, noise, rng) | _holes(valid.shape, noise, rng)
    lost |= cosine < math.cos(noise.grazing_angle)
    if noise.shadow:
        lost |= _shadow(inverse * (intrinsics.fx * noise.baseline))
    noisy = _field(valid.shape, noise, rng)
    noisy *= _sigma(z, cosine, intrinsics, noise)
    noisy += z
    return np.where(lost, np.float32(0), _quantised(noisy, intrinsics, noise))


def _sigma(z: np.ndarray, cosine: np.ndarray, intrinsics: Intrinsics, noise: KinectNoise) -> np.ndarray:
    """Standard deviation (h, w) [m] to be added before quantising, which brings 1/12 of its step squared itself."""
    wanted = z - noise.nearest
    wanted *= wanted
    wanted *= noise.sigma_growth
    wanted += noise.sigma_nearest
    steep = cosine < 0.5
    angle = np.arccos(np.maximum(cosine[steep], _LEAST_COSINE))
    wanted[steep] += noise.sigma_grazing / np.sqrt(z[steep]) * (angle / (np.pi / 2 - angle)) ** 2
    wanted *= wanted
    step = quantisation_step(z, intrinsics, noise)
    step *= step
    step /= 12
    wanted -= step
    return np.sqrt(np.maximum(wanted, 0, out=wanted), out=wanted)


def _quantised(z: np.ndarray, intrinsics: Intrinsics, noise: KinectNoise) -> np.ndarray:
    """Depth (h, w) [m] whose disparity is a whole number of steps, at least one."""
    if noise.disparity_step == 0:
        return z
    steps_at_1m = intrinsics.fx * noise.baseline / noise.disparity_step
    steps = steps_at_1m / np.maximum(z, 1e-3)
    np.maximum(np.rint(steps, out=steps), 1, out=steps)
    return np.divide(steps_at_1m, steps, out=steps)


def _field(shape: tuple[int, int], noise: KinectNoise, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise (h, w) of variance 1, a part of it shared by neighbours."""
    field = rng.standard_normal(shape, np.float32)
    field *= math.sqrt(1 - noise.smooth_share)
    if noise.smooth_share > 0:
        reach = int(np.ceil(3 * noise.smooth_px))
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / noise.smooth_px) ** 2)
        kernel /= np.linalg.norm(kernel)  # keeps the variance
        smooth = rng.random(shape, np.float32)  # its sums become Gaussian
        smooth -= 0.5
        for axis in (0, 1):
            smooth = ndimage.correlate1d(smooth, kernel, axis, mode="wrap")
        smooth *= math.sqrt(12 * noise.smooth_share)
        field += smooth
    return field


def _viewing_cosine(inverse: np.ndarray, box: tuple[slice, slice], intrinsics: Intrinsics) -> np.ndarray:
    """Cosine (h, w) of the angle between a pixel's ray and its surface's normal, from inverse depth w (h, w) [1/m].

    Over a plane w is affine in the pixel: of the two differences on each axis the smaller one is the surface's, also
    beside an edge. With a = fx w_u, b = fy w_v and the ray (x, y, 1), the normal is (a, b, w - x a - y b); their
    product is w.
    """
    k = intrinsics
    y = ((np.arange(box[0].start, box[0].stop) - k.cy) / k.fy).astype(np.float32)[:, None]  # (h, 1)
    x = ((np.arange(box[1].start, box[1].stop) - k.cx) / k.fx).astype(np.float32)[None, :]  # (1, w)
    a, b = _smaller_difference(inverse, 1), _smaller_difference(inverse, 0)
    a *= k.fx
    b *= k.fy
    squared = x * a  # in place from here: a new image costs more than the sum
    squared += y * b
    squared -= inverse
    for component in (squared, a, b):
        component *= component
    squared += a
    squared += b  # of the normal's length
    squared *= x**2 + (y**2 + 1)  # and of the ray's
    np.sqrt(np.maximum(squared, 1e-12, out=squared), out=squared)
    return np.divide(inverse, squared, out=squared)


def _smaller_difference(values: np.ndarray, axis: int) -> np.ndarray:
    """For each element the smaller one of its differences to the next and from the last."""
    if values.shape[axis] == 1:
        return np.zeros_like(values)
    difference = np.diff(values, axis=axis)
    size = np.abs(difference)
    smaller = np.empty_like(values)
    d, s, out = (np.moveaxis(a, axis, 0) for a in (difference, size, smaller))
    out[0], out[-1] = d[0], d[-1]
    out[1:-1] = np.where(s[:-1] < s[1:], d[:-1], d[1:])
    return smaller


def _edges(z: np.ndarray, valid: np.ndarray, noise: KinectNoise, rng: np.random.Generator) -> np.ndarray:
    """Pixels (h, w) bool that see no depth because some neighbour of the four is nearer or farther by a jump."""
    far = np.where(valid, z, np.float32(_FAR))
    edge = np.zeros(valid.shape, bool)
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        jump = np.abs(far[a] - far[b]) > noise.edge_jump
        edge[a] |= jump
        edge[b] |= jump
    edge[edge] = rng.random(int(edge.sum())) < noise.edge_loss
    return edge


def _shadow(disparity: np.ndarray) -> np.ndarray:
    """Pixels (h, w) bool that the projector does not reach: one to their right comes first from its place, u - d."""
    place = np.arange(disparity.shape[1], dtype=np.float32) - disparity  # (h, w) [px]
    first = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    shadow = np.zeros(disparity.shape, bool)
    shadow[:, :-1] = place[:, :-1] >= first[:, 1:]
    return shadow


def _holes(shape: tuple[int, int], noise: KinectNoise, rng: np.random.Generator) -> np.ndarray:
    """Discs (h, w) bool at random places, of hole_px give or take a half, frayed at the rim."""
    holes = np.zeros(shape, bool)
    mean_area = np.pi * noise.hole_px**2 * 13 / 12  # [px2], of radii even in [0.5, 1.5] hole_px
    n = rng.poisson(noise.hole_share * holes.size / mean_area)
    centres, radii = rng.random((n, 1, 2)) * shape, noise.hole_px * rng.uniform(0.5, 1.5, (n, 1))
    reach = int(np.ceil(1.5 * noise.hole_px))
    offsets = np.stack(np.mgrid[-reach : reach + 1, -reach : reach + 1], axis=-1).reshape(1, -1, 2)
    pixels = np.rint(centres).astype(int) + offsets  # (n, m, 2)
    frayed = np.linalg.norm(offsets, axis=-1) <= radii + rng.uniform(-0.5, 0.5, pixels.shape[:2])
    v, u = pixels[frayed & ((pixels >= 0) & (pixels < shape)).all(axis=-1)].T
    holes[v, u] = True
    return holes


def _noisy_rgb(rgb: np.ndarray, noise: KinectNoise, rng: np.random.Generator) -> np.ndarray:
    if noise.rgb_sigma == 0:
        return rgb
    half_width = noise.rgb_sigma * math.sqrt(3)
    brighter = np.rint((2 * rng.random(rgb.shape[:2], np.float32) - 1) * half_width).astype(np.int16)
    return np.clip(rgb + brighter[..., None], 0, 255).astype(np.uint8)
