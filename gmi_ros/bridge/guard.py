"""What must hold while hand and arm move: both are heard, no motor is hot, no fingertip presses too hard."""

import numpy as np

from gmi_ros.bridge.drivers import Arm, ArmState, Hand, HandState, MotionFault
from gmi_ros.bridge.fingers import tip_force
from gmi_ros.bridge.plan import MotionSettings
from gmi_ros.core.errors import ErrorCode
from gmi_ros.hand.barrett import BarrettHand

_SPIKE = 0.2  # [s] of force beyond the hand's that is an impact, not a squeeze


class Guard:
    """Looks at what the drivers tell, every tick; `now` [s] is of the clock that their states carry."""

    def __init__(self, hand: Hand, arm: Arm, figures: BarrettHand, settings: MotionSettings):
        self._hand, self._arm, self._figures, self._settings = hand, arm, figures, settings
        self._bearable = 0.0  # when no fingertip pressed too hard, last [s]

    def check(self, now: float) -> None:
        """Raises MotionFault where a driver is silent, a motor too hot, or a fingertip presses harder than it may."""
        s, hand, arm = self._settings, self._hand.state(), self._arm.state()
        for what, state in (("hand", hand), ("arm", arm)):
            if state is not None and now - state.heard > s.silence_timeout:
                silence = f"the {what}'s driver has been silent for {now - state.heard:.1f} s"
                raise MotionFault(
                    ErrorCode.ACTION_SERVER_LOST, f"{what}_silent", f"{silence}, at most {s.silence_timeout:g} s"
                )
        if hand is None:
            return
        stop = self._figures.temperature.stop
        if hand.temperature is not None and hand.temperature >= stop:
            hot = f"a motor of the hand has {hand.temperature:.0f} degrees Celsius, at most {stop:g}"
            raise MotionFault(ErrorCode.EXECUTION_FAILED, "too_hot", hot)
        force, most = tip_force(hand, self._figures), self._figures.max_tip_force
        if not (force > most).any():
            self._bearable = now
        elif now - self._bearable > _SPIKE:
            hard = f"a fingertip presses with {np.nanmax(force):.0f} N, the hand bears {most:g} N"
            raise MotionFault(ErrorCode.EXECUTION_FAILED, "force_limit", hard)

    def is_heard(self, now: float) -> bool:
        """Whether neither driver is silent."""
        states: list[HandState | ArmState | None] = [self._hand.state(), self._arm.state()]
        return all(state is None or now - state.heard <= self._settings.silence_timeout for state in states)
