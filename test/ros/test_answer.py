"""Answers as large as what was asked for: refused objects cost their words, not the images that they were seen in."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.models import load_model
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros.answer import answer_request
from gmi_ros.ros.worker import Deadline
from gmi_ros.srv import SynthesizeGrasp


@pytest.fixture
def held(draw, weights):
    """Bytes that an answer about this many labels holds, all of two pixels at either end of the image."""
    model, hand, settings = load_model(weights, 1), load_hand(), SynthesisSettings()

    def measure(labels: int) -> int:
        frame = draw()
        mask = np.zeros_like(frame.mask)
        mask.flat[np.arange(labels) + 200] = mask.flat[-np.arange(labels) - 200] = np.arange(labels) + 1
        frame = replace(frame, mask=mask)
        request = SynthesizeGrasp.Request(all_objects=True, seed=1)
        tracemalloc.start()
        try:
            answer = answer_request(request, frame, 0.0, model, hand, settings, None, Deadline(60.0))
            assert len(answer.objects) == labels and all(o.refusal is not None for o in answer.objects)
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    return measure


def test_refused_objects_hold_no_images(held):
    held(2)  # what is made once
    few, many = held(10), held(210)
    assert many - few < 200 * 2000  # bytes; the mask around one of them has 19,000
