"""The replay's page in a headless browser: everything on it can be used, and nothing is complained about."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from browser import changed
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.model import GraspModel
from gmi_ros.pipeline import synthesize
from gmi_ros.report.draw import FINGER_COLOURS
from gmi_ros.report.replay_report import PAGE, Named, ReplayReport
from replaying import SEED, SETTINGS, frame, replayed
from tiny_network import tiny_network

HAND = load_hand()
EVIL = "<img src=x onerror=alert(1)></script><script>document.title = 'evil'</script>"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Name -> address: of two models, of a bag whose sets are all refused, of one without a set."""
    first, second = (Named(name, GraspModel(tiny_network(seed), "0" * 16)) for seed, name in ((1, "one"), (2, EVIL)))
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for name, frames, other in (
        ("two", [frame(0), frame(9, shown=False), None, frame(20)], second),
        ("refused", [frame(0, shown=False), frame(1, shown=False), None], None),
        ("empty", [], None),
    ):
        told, counts = ReplayReport(first, HAND, SETTINGS, SEED, second=other), Counter()
        try:
            with told.written(folder / name, Path("/bags/made up"), counts, [EVIL] if other else []):
                counts.update(replayed(told, first.model, HAND, frames))
                counts["/topic" + EVIL] = 3
                if not frames:
                    raise GmiError(ErrorCode.BAD_REQUEST, "the bag holds no complete image set")
        except GmiError:
            pass
        found[name] = (folder / name / PAGE).as_uri()
    return found


def text(tab, selector: str) -> str:
    return tab.evaluate(f"document.querySelector('{selector}').innerText")


def open_whole(tab, address: str) -> None:
    """Open the page and wait until the first set's surface is there."""
    tab.open(address)
    tab.wait_for("!chosen || !chosen.scene || panes.every(pane => pane.surface)")
    tab.settle()


@pytest.fixture
def two(tab, pages):
    open_whole(tab, pages["two"])
    return tab


def view(tab, number: int = 1) -> np.ndarray:
    return tab.see(f".pane:nth-child({number}) .view")


def test_the_slider_changes_the_set(two):
    assert text(two, "#which").startswith("set 0 of 4, 0.000 s")
    first = two.see("#picture")
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 20
    left, top, width, height = two.box("#slider")
    two.click((left + width - 4, top + height / 2))
    assert text(two, "#which").startswith("set 3 of 4, 2.000 s")
    two.wait_for("panes.every(pane => pane.surface)")
    two.settle()
    assert changed(first, two.see("#picture")) > 0.02
    for key, number in (("Home", 0), ("ArrowRight", 1), ("PageDown", 3), ("ArrowRight", 3), ("ArrowLeft", 2)):
        two.key(key)
        assert two.evaluate("chosen.index") == number == two.evaluate("Number(element('slider').value)")
    two.click(two.middle("#next"))
    two.click(two.middle("#previous"))
    two.click(two.middle("#thumbnails button:nth-child(2)"))
    assert two.evaluate("chosen.index") == 1 and "MASK_EMPTY" in text(two, "#legend")
    assert "the mask is empty" in text(two, ".message") and text(two, ".grasps") == ""
    left, top, width, height = two.box("#timeline")
    two.click((left + 0.1 * width, top + height / 2))
    assert two.evaluate("chosen.index") == 0
    assert two.complaints == []


def test_the_grasps_turn_and_both_views_together(two):
    start, other = view(two, 1), view(two, 2)
    assert len(np.unique(start.reshape(-1, 3), axis=0)) > 100  # something shaded is there
    two.drag(two.middle(".pane:nth-child(1) .view"), (120, -40))
    assert changed(start, view(two, 1)) > 0.05 and changed(other, view(two, 2)) > 0.05
    turned = view(two, 2)
    two.wheel(two.middle(".pane:nth-child(2) .view"), -300)
    assert changed(turned, view(two, 2)) > 0.05
    angles = "[panes[0].viewer.azimuth, panes[0].viewer.distance]"
    seen_from = two.evaluate(angles)
    assert seen_from == two.evaluate(angles.replace("0]", "1]"))
    two.key("End")  # another set is seen from where this one was
    assert two.evaluate("chosen.index") == 3 and two.evaluate(angles) == seen_from
    two.key("ArrowLeft", ".pane .view")  # turns the view, not the set
    assert two.evaluate("chosen.index") == 3 and two.evaluate(angles) != seen_from
    assert two.complaints == []


def test_grasps_and_what_is_drawn_can_be_chosen(two):
    first, told = view(two), text(two, ".pane .told")
    assert told.startswith("grasp 1 of ")
    two.click(two.middle(".pane:nth-child(1) .grasps button:nth-child(2)"))
    assert text(two, ".pane .told").startswith("grasp 2 of ") and changed(first, view(two)) > 0.001
    two.key("ArrowUp")
    assert text(two, ".pane .told") == told and changed(first, view(two)) < 0.001
    for box in ("show-hand", "show-surface", "show-frame", "show-contacts"):
        before = view(two)
        two.click(two.middle(f"#{box}"))
        assert changed(before, view(two)) > 0.001, box
    for box in ("zoom", "show-mask"):
        before = two.see("#picture")
        two.click(two.middle(f"#{box}"))
        assert changed(before, two.see("#picture")) > 0.001, box
    assert two.complaints == []


def test_the_picture_s_marks_are_where_the_contacts_are_seen(two):
    two.click(two.middle("#show-mask"))
    two.click(two.middle("#show-frame"))
    two.evaluate("panes[1].grasp = null; drawPicture()")
    answer = synthesize(frame(0), GraspModel(tiny_network(1), ""), HAND, SETTINGS, SEED)
    contacts = poses.transform_points(answer.object_frame.camera_from_object, answer.grasps[0].contacts)
    where = frame(0).intrinsics.project(contacts) + 0.5  # on the picture, which is as large as the frame
    drawn = two.evaluate(
        "(([scale, right, down]) => " + str(where.tolist()) + ".map(([x, y]) => [...element('picture').getContext('2d')"
        ".getImageData(Math.round(x * scale + right), Math.round(y * scale + down), 1, 1).data]))"
        "(zoomOf(chosen, () => "
        + str((frame(0).intrinsics.project(answer.object_frame.camera_from_object[:3, 3]) + 0.5).tolist())
        + "))"
    )
    for finger, pixel in enumerate(drawn):
        np.testing.assert_allclose(pixel[:3], FINGER_COLOURS[finger], atol=2)


def test_two_models_are_compared(two):
    table = text(two, "#charts")
    assert "Two models on the same sets" in table and "sets answered" in table
    assert [line for line in table.splitlines() if line.startswith("sets answered")][0].split("\t")[1:] == [
        "2 of 4", "2 of 4",
    ]  # fmt: skip
    assert "Answered by both 2, by the first alone 0, by the second alone 0, by neither 2." in table
    assert two.evaluate("document.querySelectorAll('.pane').length") == 2
    for title in ("Score of each set's best grasp", "Latency by stage [ms]", "Samples rejected [%]", "Messages read"):
        assert title in table
    assert two.complaints == []


def test_names_do_nothing(two):
    assert two.evaluate("document.title") == "Replay of made up"
    assert EVIL in text(two, ".pane:nth-child(2) h2") and EVIL in text(two, "#notes") and EVIL in text(two, "#charts")
    assert two.evaluate("document.querySelectorAll('img[onerror]').length") == 0
    assert two.complaints == []


def test_a_bag_whose_sets_are_all_refused(tab, pages):
    open_whole(tab, pages["refused"])
    assert "0 answered with 0 grasps, 3 refused" in text(tab, "#summary")
    assert "MASK_EMPTY: 2" in text(tab, "#legend") and "There is nothing to count." in text(tab, "#charts")
    assert "Refused before anything was sampled." in text(tab, "#told-set")
    tab.key("End")
    assert "This set makes no frame." in text(tab, "#told-set")
    assert tab.evaluate("getComputedStyle(document.querySelector('.view')).visibility") == "hidden"
    assert tab.complaints == []


def test_a_bag_without_a_set(tab, pages):
    open_whole(tab, pages["empty"])
    assert "no complete image set" in text(tab, "#summary") and "/topic" in text(tab, "#charts")
    assert "The replay ended early: the bag holds no complete image set" in text(tab, "#notes")
    assert tab.evaluate("document.querySelector('#chosen').offsetHeight") == 0
    assert tab.complaints == []
