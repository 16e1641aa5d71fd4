"""Poses that come one by one, followed as an arm's Cartesian controller follows them: a little later, and evenly."""

from collections import deque

import numpy as np

from gmi_ros.bridge.ways import between


class PoseStream:
    """Plays stamped poses `delay` [s] after their stamps, in between along straight lines.

    The delay takes up what the middleware makes uneven. Stamps may be of any clock: the first pose of a stream says how
    it stands to the plant's.
    """

    def __init__(self, delay: float):
        self._delay = delay
        self._points: deque[tuple[float, np.ndarray]] = deque()  # when it is due [s], pose (4, 4)
        self._offset: float | None = None  # of the plant's time to the stamps; None where no stream is under way [s]

    def add(self, stamp: float, pose: np.ndarray, now: float, here: np.ndarray) -> None:
        """The next pose (4, 4), which comes at `now` [s]; here: (4, 4) where the arm is sent to at this moment."""
        if self._offset is None:
            self._offset = now + self._delay - stamp
            self._points = deque([(now, here)])
        due = max(stamp + self._offset, self._points[-1][0])
        self._points.append((due, pose))

    def end(self) -> None:
        """Nothing more comes: the last pose is the end."""
        self._offset = None

    def stop(self) -> None:
        """Forget what is not played yet."""
        self._points.clear()
        self.end()

    def lacks(self, time: float) -> bool:
        """Whether a stream is under way whose poses do not reach up to this time [s]."""
        return self._offset is not None and self._points[-1][0] < time

    def pose_at(self, time: float) -> np.ndarray | None:
        """Where the arm is to be (4, 4); None before the first pose."""
        while len(self._points) > 1 and self._points[1][0] <= time:
            self._points.popleft()
        if not self._points:
            return None
        begin, pose = self._points[0]
        if len(self._points) == 1 or time <= begin:
            return pose
        end, further = self._points[1]
        return between(pose, further, (time - begin) / (end - begin))
