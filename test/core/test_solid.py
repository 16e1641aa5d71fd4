"""Layers of what is solid: from and to where."""

import numpy as np

from gmi_ros.core.solid import LAYER_M, LAYERS, further, thickness


def ray(*filled):
    return np.concatenate([filled, np.zeros(LAYERS - len(filled))])


def test_a_whole_number_of_sure_layers_is_as_thick_as_they_are():
    for n in (1, 2, 17, LAYERS):
        assert abs(thickness(ray(*[1.0] * n), 0.5) / LAYER_M - n) < 1e-9


def test_it_ends_where_it_is_first_as_unlikely_as_asked():
    slope = ray(*np.linspace(0.95, 0.05, 10))  # middles half a layer to nine and a half
    for least in (0.3, 0.5, 0.75):
        at = thickness(slope, least) / LAYER_M - 0.5
        assert abs(np.interp(at, np.arange(10), slope[:10]) - least) < 1e-9
    assert abs(thickness(ray(0.5, *[1.0] * 5), 0.75) - LAYER_M / 4) < 1e-9  # what comes behind a gap does not count


def test_the_surer_it_must_be_the_thinner_it_is():
    rng = np.random.default_rng(2)
    solid = rng.random((50, LAYERS))
    thick = [thickness(solid, least) for least in (0.1, 0.4, 0.6, 0.9)]
    assert all((a >= b).all() for a, b in zip(thick, thick[1:], strict=False))
    assert (thick[-1] > 0).all() and (thick[0] <= LAYER_M * LAYERS).all()


def test_the_rest_of_a_ray_is_what_is_behind_gaps():
    def in_layers(*filled):
        return (np.array(further(ray(*filled) >= 0.5)).reshape(-1, 2) / LAYER_M).round(9).tolist()

    assert in_layers(1, 1, 0, 0, 1, 1, 1) == [[4, 7]]
    assert in_layers(0.2, 0.1, 0.9, 0, 0.6) == [[2, 3], [4, 5]]
    assert in_layers(1, 1) == in_layers() == []
