"""Figures 4 to 6: what is drawn is what the network answers, and the page works in a browser."""

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import changed
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.draws import Draws, Touches
from gmi_ros.evaluation.recipes import episodes_of
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.report.figures_data import WITHIN, choose, read_successes
from gmi_ros.report.figures_map import Map, embed, lay_out
from gmi_ros.report.figures_plots import Row, grasps_page, histograms
from gmi_ros.report.figures_views import Onlooker, camera_picture, solve
from gmi_ros.report.grasp_page import Shown, mesh, page
from gmi_ros.sim.collect import Job, TrialOptions, run_batch
from gmi_ros.sim.geometry import volume
from gmi_ros.sim.objects import find_object

ENDED = "{{"  # a mark of the template that nothing replaced


@pytest.fixture(scope="module")
def episodes():
    records = run_batch(Job(find_object("block_20"), 0, 1, TrialOptions())).records
    return [e for r in records if r.result.success for e in episodes_of(r, "similar")]


@pytest.fixture(scope="module")
def instance(episodes):
    return choose(episodes, 1, np.random.default_rng(0))[0]


# The data.


def store(path: Path, episodes) -> Path:
    with Store(path, "rw") as opened:
        opened.add_many(episodes)
    return path


def test_of_an_object_the_view_is_shown_in_which_most_grasps_are_known(episodes, instance):
    directions = []  # of each view, and of each palm, in the world
    for episode in episodes:
        world_from_camera = poses.from_xyzw(*np.split(np.array(episode.recipe["camera"]), [3]))
        directions.append((world_from_camera[:3, 2], (world_from_camera @ episode.camera_from_palm)[:3, 2]))
    views, palms = np.array(directions).swapaxes(0, 1)
    assert len(instance.known) == (views @ palms.T >= np.cos(WITHIN)).sum(axis=1).max()  # all at rest in one pose
    own = [e for e in episodes if np.allclose(e.recipe["camera"][:3], instance.camera.world_from_camera[:3, 3])]
    assert np.abs(instance.known - own[0].grasp_vector()).max(axis=1).min() < 1e-5


def test_the_known_grasps_lie_on_the_object(instance):
    model_from_object = poses.inverse(instance.world_from_model) @ instance.world_from_object
    contacts = poses.transform_points(model_from_object, instance.known.reshape(-1, 2, 3, 3)[:, 0].reshape(-1, 3))
    vertices, _ = mesh(instance.object_model)
    assert (contacts <= vertices.max(axis=0) + 0.004).all() and (contacts >= vertices.min(axis=0) - 0.004).all()


def test_named_objects_come_in_the_order_of_their_names_and_random_ones_by_the_seed(episodes):
    assert [i.name for i in choose(episodes, 3, np.random.default_rng(0), ["mug_20", "block_20"])] == ["block_20"]
    assert [i.name for i in choose(episodes, 3, np.random.default_rng(0))] == ["block_20"]


def test_a_split_that_is_not_there_is_named_with_those_that_are(tmp_path, episodes):
    path = store(tmp_path / "x.db", episodes)
    assert len(read_successes([path], ["similar"])["similar"]) == len(episodes)
    with pytest.raises(GmiError, match="no simulated success of split different in .*; there is: similar") as refused:
        read_successes([path], ["similar", "different"])
    assert refused.value.code == ErrorCode.BAD_REQUEST
    empty = store(tmp_path / "empty.db", [])
    with pytest.raises(GmiError, match="there is: no simulated success at all"):
        read_successes([empty], ["similar"])


def test_a_grasp_that_is_not_finite_is_refused(tmp_path, episodes, monkeypatch):
    path = store(tmp_path / "x.db", episodes[:1])
    read = Store.episodes

    def spoilt(self, **kinds):
        for episode in read(self, **kinds):
            episode.contacts_reached[1, 2] = np.nan
            yield episode

    monkeypatch.setattr(Store, "episodes", spoilt)
    with pytest.raises(GmiError, match="1 of the grasp's 18 numbers of similar/block_20/.* are not finite") as refused:
        read_successes([path], ["similar"])
    assert refused.value.code == ErrorCode.FILE_DAMAGED


# The map.


def test_the_map_keeps_heaps_apart_and_is_the_same_for_a_seed():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    heap = np.repeat([0, 1, 2], 40)
    points = rng.normal(0, 1, (3, 18))[heap] * 2 + rng.normal(0, 0.1, (120, 18))
    at = embed(points, seed=3)
    assert np.array_equal(at, embed(points, seed=3))
    distance = np.linalg.norm(at[:, None] - at[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (heap[distance.argmin(axis=1)] == heap).all()

    found = lay_out(Draws(points, points[0], None, None), points[:2], 4, seed=3)
    assert found.density.max() == 1.0 and len(found.known) == 2
    assert set(heap[found.modes]) == {0, 1, 2}  # each heap has a peak


def test_samples_that_are_all_the_same_have_no_map():
    drawn = Draws(np.ones((60, 18)), np.ones(18), None, None)
    with pytest.raises(GmiError, match="all 60 samples are the same grasp") as refused:
        lay_out(drawn, drawn.grasps[:1], 4, seed=1)
    assert refused.value.code == ErrorCode.BAD_SETTING


@pytest.mark.parametrize("package", ["sklearn.manifold", "matplotlib.figure"])
def test_a_package_that_is_not_installed_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    rng = np.random.default_rng(0)
    drawn = Draws(rng.normal(size=(60, 18)), np.zeros(18), None, None)
    with pytest.raises(GmiError, match=r"needs? the package .*pip install '\.\[train\]' in the checkout") as refused:
        if package.startswith("sklearn"):
            embed(drawn.grasps, 1)
        else:
            histograms(drawn, drawn.grasps, drawn.grasps, "title")
    assert refused.value.code == ErrorCode.BAD_REQUEST


def test_a_recipe_of_another_version_is_refused(tmp_path, episodes):
    path = store(tmp_path / "x.db", [replace(episodes[0], recipe={**episodes[0].recipe, "version": 1})])
    with pytest.raises(GmiError, match="block_20/.* has recipe version 1, this gmi_ros reads version 2") as refused:
        read_successes([path], ["similar"])
    assert refused.value.code == ErrorCode.BAD_REQUEST


# The pictures.


@pytest.fixture(scope="module")
def grasps(instance):
    known = instance.known.reshape(-1, 2, 3, 3)
    return Touches(known[:, 0], known[:, 1])


@pytest.fixture(scope="module")
def wrists(grasps):
    return solve(load_hand(), grasps)


def test_the_hand_reaches_the_recorded_contacts(wrists):
    assert np.median(wrists.residual) < 0.010


def test_pictures_show_contacts_normals_and_the_hand(instance, grasps, wrists):
    one = Touches(grasps.contacts[:1], grasps.normals[:1])
    onlooker = Onlooker(instance, load_hand(), wrists.frame_from_palm[0, :3, 0], 96)
    held, bare = onlooker.grasp(one, wrists, 0), onlooker.contacts(grasps, one)
    assert held.size == bare.size == camera_picture(instance, 96).size == (96, 96)
    for colour in ((255, 170, 40), (60, 220, 220), (240, 90, 220)):  # of F1, F2, F3
        for picture in (held, bare):
            assert (np.abs(np.asarray(picture).astype(int) - colour).max(axis=-1) < 60).sum() >= 3
    assert np.array_equal(np.asarray(held), np.asarray(onlooker.grasp(one, wrists, 0)))


def made_up_map(rng) -> Map:
    samples = rng.random((50, 2))
    density = np.exp(-np.square(np.linspace(-2, 2, 160)))[:, None] * np.ones(160)
    return Map(samples, np.array([0.5, 0.5]), samples[:3], density, (0.0, 1.0, 0.0, 1.0), np.array([1, 2]))


@pytest.mark.parametrize("latents", [None, 9])
def test_pages_are_pictures_whatever_the_network_has(latents):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    z = None if latents is None else rng.normal(0, 2, (200, latents))
    drawn = Draws(rng.normal(size=(200, 18)), np.zeros(18), z, z)
    png = histograms(drawn, rng.normal(size=(300, 18)), drawn.grasps[:4], "title")
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    assert picture.width == 1260 and np.asarray(picture).std() > 20
    if latents is None:
        small = Image.new("RGB", (32, 32), (200, 30, 30))
        rows = [Row("mug_20", small, small, small, "note", [small] * n, made_up_map(rng)) for n in (1, 4)]
        picture = np.asarray(Image.open(io.BytesIO(grasps_page(rows, "title"))).convert("RGB")).astype(int)
        assert (np.abs(picture - (200, 30, 30)).max(axis=-1) < 10).mean() > 0.4


# The page.


def test_the_mesh_is_closed_and_holds_the_parts_volume():
    model = find_object("hammer_20")
    vertices, triangles = mesh(model)
    a, b, c = vertices[triangles].swapaxes(0, 1)
    inside = np.einsum("ni,ni->n", a, np.cross(b, c)).sum() / 6  # positive where faces look outwards
    assert inside == pytest.approx(sum(volume(part) for part in model.parts), rel=0.05)
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


@pytest.fixture(scope="module")
def made_page(instance, grasps, wrists, tmp_path_factory):
    n = len(grasps.contacts)
    rng = np.random.default_rng(0)
    shown = Shown(
        instance, grasps, wrists, ["y*", "A", *[""] * (n - 2)], ["likely", "peak", *["known"] * (n - 2)],
        rng.random((n, 2)), grasps, rng.random((40, 2)), rng.random((160, 160)), camera_picture(instance, 64),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("page") / "grasps.html"
    path.write_bytes(page([shown, shown], load_hand(), "Grasps of </script> & <b>"))
    return path


def test_the_page_is_complete_in_itself(made_page):
    text = made_page.read_text(encoding="utf-8")
    assert ENDED not in text and not re.search(r"(src|href)=\"(?!data:)|https?://|@import|url\(", text)
    assert text.count("</script>") == text.count("<script")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert data["title"] == "Grasps of </script> & <b>" and len(data["scenes"]) == 2
    assert "<title>Grasps of &lt;/script&gt; &amp; &lt;b&gt;</title>" in text


def test_the_page_s_contacts_and_hand_are_those_of_eq_7(made_page, instance, grasps, wrists):
    text = made_page.read_text(encoding="utf-8")
    scene = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])["scenes"][0]
    page_from_object = np.array(scene["frame"])
    told = np.reshape(scene["grasps"][0]["contacts"], (3, 3)) / 1e4
    np.testing.assert_allclose(poses.transform_points(page_from_object, grasps.contacts[0]), told, atol=1e-4)
    hand = load_hand()
    segments, radii = hand.link_segments(wrists.joints[0])
    ends = poses.transform_points(page_from_object @ wrists.frame_from_palm[0], segments.reshape(-1, 3))
    np.testing.assert_allclose(ends, np.reshape(scene["grasps"][0]["hand"], (-1, 3)) / 1e4, atol=1e-4)
    # The object stands on the table, and the page's z is up.
    heights = np.reshape(scene["vertices"], (-1, 3))[:, 2]
    assert -20 <= heights.min() <= 20


@pytest.fixture
def view(tab, made_page):
    """The tab with the page freshly opened, and a function that looks at the viewer."""
    tab.open(made_page.as_uri())
    x, y, w, h = tab.evaluate(
        "(b => [b.x, b.y, b.width, b.height])(document.querySelector('#view').getBoundingClientRect())"
    )
    return lambda: tab.screenshot((x + w / 4, y + h / 4, w / 2, h / 2)).astype(int)


def test_dragging_wheel_and_keys_turn_and_zoom_the_grasp(tab, view):
    start = view()
    assert len(np.unique(start.reshape(-1, 3), axis=0)) > 100  # something shaded is there
    middle = tab.middle("#view")
    tab.drag(middle, (120, -40))
    turned = view()
    assert changed(start, turned) > 0.05
    tab.wheel(middle, -300)
    assert changed(turned, view()) > 0.05
    tab.evaluate("document.querySelector('#view').dispatchEvent(new MouseEvent('dblclick'))")
    tab.settle()
    assert changed(start, view()) == 0.0
    tab.evaluate("document.querySelector('#view').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))")
    tab.settle()
    assert changed(start, view()) > 0.02
    assert tab.complaints == []


def test_a_finger_turns_and_two_fingers_zoom(tab, view):
    start = view()
    x, y = tab.middle("#view")
    tab.touch([(x, y)], [(x + 60, y)], [(x + 120, y)])
    turned = view()
    assert changed(start, turned) > 0.05
    before = tab.evaluate("[viewer.azimuth, viewer.distance]")
    tab.touch([(x - 40, y), (x + 40, y)], [(x - 80, y), (x + 80, y)])
    after = tab.evaluate("[viewer.azimuth, viewer.distance]")
    assert after[1] == pytest.approx(before[1] / 2, rel=0.05) and after[0] == pytest.approx(before[0], abs=0.02)
    assert tab.complaints == []


def test_hand_grasps_objects_and_the_map_can_be_chosen(tab, view):
    with_hand = view()
    tab.click(tab.middle("#show-hand"))
    assert changed(with_hand, view()) > 0.02
    tab.click(tab.middle("#grasps button:nth-child(2)"))
    assert "peak A" in tab.evaluate("document.querySelector('#told').textContent")
    x, y = tab.evaluate(
        "(([at, b]) => [b.x + at[0] / data.map * b.width, b.bottom - at[1] / data.map * b.height])"
        "([scene.grasps.at(-1).at, document.querySelector('#map').getBoundingClientRect()])"
    )
    tab.click((x, y))
    assert "recorded success" in tab.evaluate("document.querySelector('#told').textContent")
    tab.click(tab.middle("#scenes button:nth-child(2)"))
    assert tab.evaluate("scene === data.scenes[1] && grasp === scene.grasps[0]")
    assert tab.complaints == []
