"""What physics costs without us: the steps of trials on tape, and a bare loop that does them again."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import mujoco
import numpy as np

from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import ObjectModel

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class Entry(NamedTuple):
    """A call of `step`: simulated time [s], state, where hand and welds are, controls, number of steps."""

    time: float
    state: np.ndarray
    place: tuple[np.ndarray, ...]
    ctrl: np.ndarray
    n: int


class RecordingCell(Cell):
    """A cell that notes what every call of `step` began with, and can do those steps again."""

    def __init__(self, object_model: ObjectModel, hand: BarrettHand):
        self.tape: list[Entry] = []
        super().__init__(object_model, hand)

    def step(self, n: int = 1) -> None:
        """As Cell.step."""
        model, data = self.model, self.data
        state = np.empty(mujoco.mj_stateSize(model, _STATE))
        mujoco.mj_getState(model, data, state, _STATE)
        palm = self._palm_body
        place = (model.body_pos[palm].copy(), model.body_quat[palm].copy(), model.eq_data.copy(), data.eq_active.copy())
        self.tape.append(Entry(data.time, state, place, data.ctrl.copy(), n))
        super().step(n)

    def replay(self) -> tuple[int, float]:
        """Number of steps on the tape, and the time that a bare loop of mj_step takes for them [s].

        The state is set only where a trial begins anew or a weld is switched, outside the measured time.
        """
        model, data = self.model, self.data
        elapsed, steps = 0.0, 0
        for piece in _continuous(self.tape, model.opt.timestep):
            model.body_pos[self._palm_body], model.body_quat[self._palm_body], model.eq_data[:], _ = piece[0].place
            mujoco.mj_setState(model, data, piece[0].state, _STATE)
            controls = [(entry.ctrl, entry.n) for entry in piece]
            start = time.perf_counter()
            for ctrl, n in controls:
                data.ctrl[:] = ctrl
                mujoco.mj_step(model, data, n)
            elapsed += time.perf_counter() - start
            steps += sum(n for _, n in controls)
        return steps, elapsed


def _continuous(tape: list[Entry], timestep: float) -> Iterator[list[Entry]]:
    """The tape cut where a step does not go on from where the one before ended."""
    piece: list[Entry] = []
    for entry in tape:
        if piece:
            last = piece[-1]
            moved = any(not np.array_equal(a, b) for a, b in zip(entry.place, last.place, strict=True))
            if moved or abs(entry.time - last.time - last.n * timestep) > timestep / 2:
                yield piece
                piece = []
        piece.append(entry)
    if piece:
        yield piece
