"""Trials as the evaluator learns from them: an image, where the hand closed in it, and how it ended."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning.image_arrays import ImageArrays
from gmi_ros.learning.spec import IMAGE_SIZE


@dataclass(frozen=True)
class JudgedData(ImageArrays):
    """n trials over m images.

    rgb: (m, 64, 64, 3) uint8. depth: (m, 64, 64) float16 or float32 [m], relative to the object. mask: (m, 64, 64) bool.
    distance: (m,) [m] of {O}'s origin along the optical axis. table: (m, 4), the plane that the object rests
    on in {O}, normal and offset as core.cloud.Table, NaN where it is not known. image_index: (n,). fingers: (n, 3, 3, 4) float32, the poses [m] in
    {O} of the frames in whose xz-planes F1, F2, F3 close (BarrettHand.knuckle_frames). held: (n,) bool, as planned.
    planned: (n, 3, 6) float32, contact [m] and outward normal in {O} that each finger was to meet, NaN where nobody said.
    share: (n,) of the trials with errors of the wrist that held, NaN where there were none. steady: (n,) how likely it is
    that closing the hand turns the object too little to matter, NaN where that was not tried. object_id, scene_id: (n,) int.

    Raises:
        GmiError: FILE_DAMAGED, naming the array that has another shape, or holds what it must not.
    """

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    distance: np.ndarray
    table: np.ndarray
    image_index: np.ndarray
    fingers: np.ndarray
    planned: np.ndarray
    held: np.ndarray
    share: np.ndarray
    steady: np.ndarray
    object_id: np.ndarray
    scene_id: np.ndarray

    def __post_init__(self):
        m, n, side = len(self.rgb), len(self.held), (IMAGE_SIZE, IMAGE_SIZE)
        shapes = {
            "rgb": (m, *side, 3), "depth": (m, *side), "mask": (m, *side), "distance": (m,), "table": (m, 4), "image_index": (n,),
            "fingers": (n, 3, 3, 4), "planned": (n, 3, 6), "share": (n,), "steady": (n,), "object_id": (n,), "scene_id": (n,),
        }  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise _damaged(f"{name} has shape {getattr(self, name).shape}, must be {shape}")
        if not n or not m:
            raise _damaged(f"{n} trials and {m} images: at least one of each is needed")
        for name in ("depth", "fingers", "distance"):
            if bad := int((~np.isfinite(getattr(self, name))).sum()):
                raise _damaged(f"{name} has {bad} values that are not finite")

    @property
    def judgements(self) -> np.ndarray:
        """(n, 3) in the order of spec.JUDGEMENTS, in [0, 1], NaN where not known."""
        return np.stack([self.held, self.share, self.steady], axis=-1).astype(np.float32)

    @property
    def grasps(self) -> np.ndarray:
        """(n, 18) float32 what was planned, in the order of GraspData.grasps."""
        n = len(self)
        return np.concatenate([self.planned[..., :3].reshape(n, 9), self.planned[..., 3:].reshape(n, 9)], axis=1)

    def __len__(self) -> int:
        return len(self.held)


def _damaged(message: str) -> GmiError:
    return GmiError(ErrorCode.FILE_DAMAGED, f"trials to judge by: {message}")
