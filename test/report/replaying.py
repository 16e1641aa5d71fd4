"""A made-up replay for the tests of its report: frames of a box on a table, some of them refused, through a tiny model."""

from collections import Counter
from types import SimpleNamespace

import numpy as np

from gmi_ros.core.errors import GmiError
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.pipeline import synthesize
from gmi_ros.report.answer import answer_data, refusal_data

SETTINGS = SynthesisSettings(n_samples=64, inference_threads=1)
SEED = 3


def frame(number: int, shown: bool = True) -> Frame:
    """A box 10 cm tall on a table, seen from above, each time a little farther to the right; or an empty mask."""
    rgb = np.full((120, 160, 3), (120, 110, 100), np.uint8)
    depth, mask = np.full((120, 160), 0.70, np.float32), np.zeros((120, 160), np.uint16)
    box = np.s_[45:69, 60 + number : 72 + number]
    rgb[box], depth[box], mask[box] = (200, 40, 40), 0.60, int(shown)
    depth[:10] = np.nan
    return Frame(rgb, depth, mask, Intrinsics(160, 120, 130.0, 130.0, 79.5, 59.5), 10**18 + number * 10**8)


def frame_set(one: Frame) -> SimpleNamespace:
    """Of a bag's set what the report looks at."""
    return SimpleNamespace(stamps=(one.stamp_ns,) * 4)


def replayed(report, model, hand, frames) -> Counter:
    """Tell a report of these frames as `replay` does (None: a set that makes no frame); the messages read."""
    for index, one in enumerate(frames):
        synthesis = None
        try:
            if one is None:
                raise GmiError(10, "this set makes no frame")
            synthesis = synthesize(one, model, hand, SETTINGS, SEED)
            told = answer_data(synthesis)
        except GmiError as error:
            told = refusal_data(error, SEED)
        report.add(index, frame_set(one or frame(index)), one, synthesis, told)
    return Counter({"/rgb/image": len(frames), "unreadable": 2})
