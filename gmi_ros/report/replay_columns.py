"""What one model answered to all sets of a bag, as columns: small, whatever the bag's length."""

from array import array

import numpy as np

from gmi_ros.pipeline import STAGES, Synthesis
from gmi_ros.report.html_page import packed


class Columns:
    """One entry for each set: error code, grasps, samples, best score, rejected samples by filter, time by stage."""

    def __init__(self):
        self._codes, self._grasps, self._sampled = array("H"), array("I"), array("I")
        self._scores = array("f")  # of all grasps, set after set, best first
        self._rejected: list[dict[str, int]] = []
        self._stages = array("f")  # [ms], so many as STAGES of each set

    def add(self, code: int, synthesis: Synthesis | None) -> None:
        """One set's answer; None where it was refused before anything was sampled."""
        grasps = [] if synthesis is None else synthesis.grasps
        self._codes.append(code)
        self._grasps.append(len(grasps))
        self._sampled.append(0 if synthesis is None else synthesis.n_samples)
        self._scores.extend(float(grasp.score) for grasp in grasps)
        self._rejected.append({} if synthesis is None else dict(synthesis.rejected))
        times = {} if synthesis is None else synthesis.stages_ms
        self._stages.extend(times.get(stage, np.nan) for stage in STAGES)

    def data(self) -> dict:
        """All but the times: the same for the same sets, model, settings and seed."""
        names = list(dict.fromkeys(name for rejected in self._rejected for name in rejected))
        counts = [[rejected.get(name, 0) for name in names] for rejected in self._rejected]
        return {
            "codes": packed(self._codes, "<u2"),
            "grasps": packed(self._grasps, "<u4"),
            "sampled": packed(self._sampled, "<u4"),
            "scores": packed(self._scores, "<f4"),
            "filters": names,
            "rejected": packed(counts, "<u4"),
        }

    def times(self) -> str:
        """Milliseconds, so many as STAGES of each set; NaN where a set was refused before them."""
        return packed(self._stages, "<f4")
