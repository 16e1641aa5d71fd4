"""Weights that a running node is to take: loaded and tried aside, one load at a time."""

import threading

from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.ros.configuration import Configuration, Weights, folder_of, load_weights
from gmi_ros.ros.settings import NodeSettings


class NewWeights:
    """Between the moment that parameters are judged and the one that they hold, and for whoever asks to load again."""

    def __init__(self):
        self._lock = threading.Lock()
        self._prepared: Weights | None = None

    def prepare(self, settings: NodeSettings, synthesis: SynthesisSettings, made: Configuration | None) -> None:
        """Load what new settings name, unless it is at work already, or nothing is.

        Raises:
            GmiError: as configuration.load_weights; nothing is prepared then.
        """
        self._prepared = None
        if made is not None and folder_of(settings) != made.folder:
            self._prepared = self.load(settings, synthesis)

    def prepared(self, settings: NodeSettings) -> Weights | None:
        """What `prepare` loaded for these settings, once; None where that was nothing."""
        found, self._prepared = self._prepared, None
        return found if found is not None and found.folder == folder_of(settings) else None

    def load(self, settings: NodeSettings, synthesis: SynthesisSettings) -> Weights:
        """Load and try. Raises GmiError as configuration.load_weights."""
        with self._lock:
            return load_weights(settings, synthesis)
