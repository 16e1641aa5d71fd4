"""The report of a replay: what became of every set, and pictures of some, as one HTML page."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.core.version import version
from gmi_ros.experience.bags import FrameSet
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.learning.card import TITLES
from gmi_ros.learning.checkpoint import GraspModel, architecture_of
from gmi_ros.learning.files import write_together
from gmi_ros.pipeline import STAGES, Synthesis, synthesize
from gmi_ros.report.draw import FINGER_COLOURS
from gmi_ros.report.html_page import compose, packed
from gmi_ros.report.replay_columns import Columns
from gmi_ros.report.replay_set import NORMAL_UNIT, UNIT, grasps_data, picture_data, scene_data

PAGE = "report.html"
_SCRIPTS = ("data", "charts", "picture", "pane", "summary", "page")  # replay_*.js, in this order
_UNREADABLE = "unreadable"  # the key of `counts` that is no topic
_NOTHING_TO_REPORT = (ErrorCode.FILE_NOT_FOUND, ErrorCode.STORE_UNWRITABLE)


@dataclass(frozen=True)
class Named:
    """A model and what it is called in the report."""

    name: str
    model: GraspModel


class ReplayReport:
    """Collects what is answered to the sets of a bag, by one model or by two."""

    def __init__(
        self,
        first: Named,
        hand: BarrettHand,
        settings: SynthesisSettings = SynthesisSettings(),
        seed: int = 1,
        label: int = 0,
        second: Named | None = None,
        most: int = 300,
    ):
        """The replay's own model, hand, settings, seed and label.

        Args:
            second: asked about the same sets here, for comparison.
            most: sets that get pictures, evenly spread over the bag; the others are in the statistics only.
        """
        self._models = [first] if second is None else [first, second]
        self._hand, self._settings, self._seed, self._label, self._most = hand, settings, seed, label, most
        self._columns = [Columns() for _ in self._models]
        self._stamps: list[int] = []  # [ns]
        self._shown: list[dict] = []
        self._stride = 1  # from one set with pictures to the next

    @contextmanager
    def written(
        self, out: Path, bag: Path, counts: Counter, unreadable: Sequence[str] = (), damage: Sequence[str] = ()
    ) -> Iterator["ReplayReport"]:
        """Write `out`/report.html at the end, also where the replay fails or is interrupted: with what came before.

        Args:
            counts: messages read by topic, and as "unreadable" those that made no sense.
            unreadable, damage: sentences about what of the bag was not used. All three are read at the end.

        Raises:
            GmiError: STORE_UNWRITABLE; and whatever is raised within.
        """
        try:
            yield self
        except (GmiError, KeyboardInterrupt) as error:
            if not isinstance(error, GmiError):
                self._write(out, bag, counts, [*unreadable, *damage, "The replay was interrupted."])
            elif error.code not in _NOTHING_TO_REPORT:
                self._write(out, bag, counts, [*unreadable, *damage, f"The replay ended early: {error.message}"])
            raise
        self._write(out, bag, counts, [*unreadable, *damage])

    def add(
        self, index: int, frame_set: FrameSet, frame: Frame | None, synthesis: Synthesis | None, data: dict
    ) -> None:
        """One set: its place in the bag, its frame (None where it makes none), and what the first model answered: the
        synthesis (None where the set was refused) and the answer as data."""
        answers = [(synthesis, data["error_code"], data["message"])]
        answers += [self._answer(frame, other.model, answers[0]) for other in self._models[1:]]
        self._stamps.append(frame_set.stamps[0])
        for columns, (answer, code, _) in zip(self._columns, answers, strict=True):
            columns.add(code, answer)
        if index % self._stride:
            return
        self._shown.append(self._picture(index, frame, answers))
        if len(self._shown) > self._most:
            self._stride *= 2
            self._shown = [shown for shown in self._shown if shown["index"] % self._stride == 0]

    def _answer(self, frame: Frame | None, model: GraspModel, first: tuple) -> tuple[Synthesis | None, int, str]:
        """As `add` takes it; a set that makes no frame is refused whatever the model."""
        if frame is None:
            return first
        try:
            synthesis = synthesize(frame, model, self._hand, self._settings, self._seed, self._label)
        except GmiError as error:
            return None, int(error.code), error.message
        return synthesis, int(synthesis.error_code), synthesis.message

    def _picture(self, index: int, frame: Frame | None, answers: list[tuple]) -> dict:
        shown = {"index": index, "picture": None, "scene": None}
        known = next((synthesis for synthesis, *_ in answers if synthesis is not None), None)
        if frame is not None:
            shown["picture"] = picture_data(frame, 0 if known is None else known.object_frame.label)
            if known is not None:
                shown["scene"] = scene_data(frame, known.object_frame, known.table)
        shown["answers"] = [
            {"message": message} | ({} if synthesis is None else grasps_data(synthesis, self._hand))
            for synthesis, _, message in answers
        ]
        return shown

    def data(self, bag: str, counts: Counter, notes: Sequence[str] = ()) -> dict:
        """What the page is made from. All but `times` is the same for the same sets, models, settings and seed."""
        codes = {int(code): code.name for code in ErrorCode}
        first = self._stamps[0] if self._stamps else 0
        return {
            "bag": bag,
            "version": version(),
            "models": [_model_data(named) for named in self._models],
            "settings": self._settings_data(),
            "messages": {topic: count for topic, count in counts.items() if topic != _UNREADABLE},
            "unreadable": counts[_UNREADABLE],
            "notes": list(notes),
            "start": first,
            "stamps": packed([(stamp - first) / 1e9 for stamp in self._stamps], "<f8"),  # [s]
            "codes": codes,
            "stages": STAGES,
            "answers": [columns.data() for columns in self._columns],
            "times": [columns.times() for columns in self._columns],
            "shown": self._shown,
            "unit": UNIT,
            "normal_unit": NORMAL_UNIT,
            "fingers": FINGER_COLOURS,
            "radii": np.round(self._hand.link_segments(np.zeros(4))[1], 4).tolist(),  # [m]
        }

    def _settings_data(self) -> dict:
        """Seed, label, hand, and the settings that are not as they come."""
        told = {"seed": self._seed, "label": self._label or "the largest", "hand": self._hand.name}
        for f in fields(self._settings):
            value = getattr(self._settings, f.name)
            if value != f.default:
                told[f.name] = list(value) if isinstance(value, tuple) else value
        return {name: str(value) for name, value in told.items()}

    def _write(self, out: Path, bag: Path, counts: Counter, notes: Sequence[str]) -> None:
        data = self.data(str(bag), counts, notes)
        scripts = [f"replay_{name}.js" for name in _SCRIPTS]
        page = compose("replay_page.html", ["replay_page.css"], scripts, f"Replay of {bag.name or bag}", data)
        write_together(out, {PAGE: page})


def _model_data(named: Named) -> dict:
    """judged: its scores are probabilities from an evaluator, not log densities."""
    model = named.model
    title = TITLES[architecture_of(model.network)]
    return {"name": named.name, "title": title, "hash": model.hash, "judged": model.evaluator is not None}
