"""Markers for RViz: all that an answer holds is drawn, in its frame, ranked by colour."""

import pytest

from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.checkpoint import load
from gmi_ros.pipeline import synthesize
from gmi_ros.ros.configuration import bounded_motion
from gmi_ros.ros.convert import grasp_message, header_message
from gmi_ros.ros.markers import grasp_markers, rank_colour
from gmi_ros.ros.settings import NodeSettings

pytestmark = pytest.mark.ros


def test_colours_run_from_green_over_yellow_to_red():
    assert rank_colour(0, 5)[:2] == (0.0, 1.0) and rank_colour(2, 5)[:2] == (1.0, 1.0)
    assert rank_colour(4, 5)[:2] == (1.0, 0.0) and rank_colour(0, 1)[:2] == (0.0, 1.0)
    reds = [rank_colour(rank, 9)[0] - rank_colour(rank, 9)[1] for rank in range(9)]
    assert reds == sorted(reds)


def test_an_answer_is_drawn_whole_and_none_clears_the_last(draw, weights):
    frame, hand = draw(), load_hand()
    made = synthesize(frame, load(weights), hand, SynthesisSettings(n_samples=8), 1)
    motion, header = bounded_motion(NodeSettings(), hand), header_message(frame)
    grasps = [grasp_message(grasp, made, motion, header) for grasp in made.grasps]
    markers = grasp_markers(grasps, hand).markers
    drawn = {}
    for marker in markers[1:]:
        assert marker.header == header
        drawn.setdefault(marker.ns, []).append(marker.id)
    assert markers[0].action == markers[0].DELETEALL
    counts = {ns: len(ids) for ns, ids in drawn.items()}
    assert all(len(set(ids)) == len(ids) for ids in drawn.values())
    assert counts == {
        "object_frame": 3, "contacts": 3, "normals": 3, "hand": len(hand.link_segments(made.grasps[0].joints)[1]),
        "approaches": len(grasps),
    }  # fmt: skip
    assert len(grasp_markers([], hand).markers) == 1
