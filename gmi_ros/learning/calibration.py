"""What an evaluator's probabilities are worth once they are compared with each other and with what held."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from gmi_ros.core.errors import ErrorCode, GmiError

_SUREST = 1e-6  # probabilities nearer to 0 and 1 than this say no more


@dataclass(frozen=True)
class Calibration:
    """A line through the logits of one frame's grasps (Platt 1999) that also looks at their mean.

    What an evaluator does not see of an object, it does not see for all grasps of it: where a frame's grasps are doubtful, the
    best of them is less sure than an equally high one among others as good. The order within a frame stays as it is.

    slope: of a grasp's own logit, above 0. shared: of the mean logit of the frame's grasps, at least 0. offset: added.
    """

    slope: float = 1.0
    shared: float = 0.0
    offset: float = 0.0

    def __post_init__(self):
        numbers = (self.slope, self.shared, self.offset)
        if (
            not all(isinstance(x, int | float) and np.isfinite(x) for x in numbers)
            or self.slope <= 0
            or self.shared < 0
        ):
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"a calibration needs a finite slope above 0, shared of at least 0 and an offset, got {numbers}",
            )

    def __call__(self, probability: np.ndarray, mean_logit: float | None = None) -> np.ndarray:
        """The probability (n,) that each of a frame's grasps holds, from what the evaluator says of them (n,).

        mean_logit: of all the frame's grasps, where these are only some of them.
        """
        if self == Calibration() or not len(probability):
            return probability
        own = logits(probability)
        mean = own.mean() if mean_logit is None else mean_logit
        return expit(self.slope * own + self.shared * mean + self.offset)

    def after(self, first: "Calibration") -> "Calibration":
        """The calibration that does what `first` does and then this one."""
        both = self.slope + self.shared
        return Calibration(
            self.slope * first.slope,
            self.slope * first.shared + self.shared * (first.slope + first.shared),
            both * first.offset + self.offset,
        )


def logits(probability: np.ndarray) -> np.ndarray:
    """Of probabilities (n,), finite also at 0 and 1."""
    return logit(np.clip(probability, _SUREST, 1 - _SUREST))
