"""Places in the window: cells, what is seen between them, and the Gaussians that stand on them."""

import numpy as np
import pytest
import torch

from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import window_rays
from gmi_ros.learning.config import MixtureConfig
from gmi_ros.learning.spatial import ContactHead, SpatialFeatures, seen_at, surface

SMALL = MixtureConfig(features=8, local=8, units=18, components=2)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 5, 64, 64, generator=torch.Generator().manual_seed(0))


def test_cells_lie_where_the_observation_sampled_them(image):
    """A cell is 2 x 2 cells of the window, whose rays `observe` casts; its depth is their mean."""
    at_camera = ObjectFrame(np.eye(4), False, 0.5, np.zeros(2), 0.0, 100, 1)  # the camera's frame is {O}
    rays = window_rays(at_camera)
    coarse = rays[..., 1:].reshape(32, 2, 32, 2, 2).mean(axis=(1, 3))
    found = surface(image)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found[..., 1:], coarse, atol=1e-6)
    depth = image[0, 3].reshape(32, 2, 32, 2).mean(dim=(1, 3))
    np.testing.assert_allclose(found[..., 0], depth, atol=1e-6)


def test_what_is_seen_at_a_cell_s_place_is_the_cell_and_between_two_their_mean(image):
    local = torch.randn(2, 8, 32, 32)
    places = surface(image).flatten(2).transpose(1, 2)  # (2, cells, 3)
    cells = local.flatten(2).transpose(1, 2)
    torch.testing.assert_close(seen_at(local, places), cells, atol=1e-4, rtol=0)
    between = (places[:, 40:41] + places[:, 41:42]) / 2
    torch.testing.assert_close(seen_at(local, between), (cells[:, 40:41] + cells[:, 41:42]) / 2, atol=1e-4, rtol=0)


def test_outside_the_window_the_edge_is_seen():
    local = torch.randn(1, 8, 32, 32)
    far = torch.tensor([[[0.0, 5.0, 5.0], [0.0, -5.0, -5.0]]])
    torch.testing.assert_close(seen_at(local, far)[0], torch.stack([local[0, :, 0, 0], local[0, :, -1, -1]]))


def test_maps_have_the_grid_s_size_and_no_gaussian_is_narrower_than_the_noise(image):
    local, whole = SpatialFeatures(SMALL).eval()(image)
    assert local.shape == (2, 8, 32, 32) and whole.shape == (2, 8)
    head = ContactHead(SMALL, 0).eval()
    with torch.no_grad():
        head.anchor.weight.normal_(0.0, 3.0)
    context = torch.randn(2, 4, 18)
    placed = head.place(context, local, head.anchors(local, surface(image)))
    for part in (*placed, *head.normals(context, torch.randn(2, 4, 8), torch.randn(2, 4, 3))):
        assert part.log_scale.exp().min() >= SMALL.target_noise * 0.999
    assert placed[0].logits.shape == (2, 4, 2 * 32 * 32)


def test_before_training_the_gaussians_stand_on_the_surface(image):
    head, seen = ContactHead(SMALL, 0), surface(image)
    means, _ = head.anchors(torch.randn(2, 8, 32, 32), seen)
    torch.testing.assert_close(means[:, 0, :1024], seen.flatten(2).transpose(1, 2))
