"""Will this grasp hold? A network that looks at what is seen in the plane that each finger closes in.

Where a finger meets the object, and how, is decided in the plane that it moves in. So a grid of points is laid into that
plane of every grasp, and each point is told how far it is behind or before the surface that is seen there: a slice of the
truncated distances that volumetric mapping keeps (Curless and Levoy 1996), along the camera's rays. What it looks at
moves with the hand: a wrist that is 5 mm off sees other distances, and nothing has to be learned about poses. The contacts and normals that the
grasp was made for can be told too, in the frame of F3, which stands still in the palm. What the object is as a whole (how heavy its far end, how deep its hidden side) is told by the window, which is looked at once.
"""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import WINDOW_M
from gmi_ros.learning.calibration import Calibration
from gmi_ros.learning.config import EvaluatorConfig
from gmi_ros.learning.spec import IMAGE_SHAPE, JUDGEMENTS, STEADY

# The grid in a finger's frame [m] (BarrettHand.knuckle_frames): across its plane and along the finger.
_ACROSS, _ALONG = (-0.014, 0.014), (-0.06, 0.15)
_NEAR, _FAR = 0.02, 0.1  # lengths that tell touching from passing, and where in the hand the object is [m]
_CHANNELS = 3  # of a point: near, far, mask
_POSE = 12 + 5  # numbers: of a finger's frame, and of how it stands on the table
_MET = 3 * 6 + 1 + 3  # numbers: contacts and normals, whether these are known, and where {O} is
_F3 = 2


class EvaluatorNetwork(nn.Module):
    """Images and fingers to logits, k of them in the order of spec.JUDGEMENTS: that the grasp holds as planned (HELD), and
    with an error of the wrist (SHARE); with `config.steady` also that the closing hand hardly turns the object (STEADY)."""

    config_type = EvaluatorConfig

    def __init__(self, config: EvaluatorConfig = EvaluatorConfig(), seed: int = 0):
        super().__init__()
        self.config, self.n_answers = config, len(JUDGEMENTS) if config.steady else STEADY
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation, the global generator left alone
            torch.manual_seed(seed)
            self.finger, self.thumb = _Finger(config), _Finger(config)
            self.context = _Context(config) if config.context_features else None
            told = 3 * config.finger_features + config.context_features + (_MET if config.planned else 0)
            self.joined = nn.Sequential(
                nn.Linear(told, config.hand_units), nn.ReLU(), nn.Dropout(config.unit_dropout),
                nn.Linear(config.hand_units, config.hand_units), nn.ReLU(), nn.Dropout(config.unit_dropout),
                nn.Linear(config.hand_units, self.n_answers),
            )  # fmt: skip
        lines = [
            torch.linspace(*ends, n) if n > 1 else torch.zeros(1)
            for ends, n in (
                (_ACROSS, config.across),
                (_ALONG, config.along),
                ((config.lowest, config.highest), config.up),
            )
        ]
        across, along, up = torch.meshgrid(*lines, indexing="ij")
        self.register_buffer("grid", torch.stack([along, across, up, torch.ones_like(up)]).flatten(1), persistent=False)

    def forward(self, images: Tensor, distance: Tensor, table: Tensor, fingers: Tensor, planned: Tensor) -> Tensor:
        """Logits (m, n, k) of n grasps for each of m images.

        Args:
            images: (m, 5, 64, 64) in the units of `Observation.image`. distance: (m,) [m] of {O}'s origin along the
                optical axis. table: (m, 4) normal and offset of the plane under the object in {O}, NaN where it is not
                known. fingers: (m, n, 3, 3, 4) poses [m] in {O} of the frames of F1, F2, F3. planned: (m, n, 3, 6) contact
                [m] and outward normal in {O} that each finger is to meet, NaN where nobody says; for `config.planned`.
        """
        x, y, z = (fingers @ self.grid).unbind(dim=-2)  # (m, n, 3, g) each
        # The window is cut at the object's distance: what stands before or behind it is seen off the axes of {O}. Columns run
        # against y and rows against z, from -1 to 1 across the window.
        distance = distance[:, None, None, None]
        scale = distance * (-2 / WINDOW_M) / (distance + x).clamp(min=0.05)
        column, row = y * scale, z * scale
        place = torch.stack([column, row], dim=-1).flatten(1, 2)  # (m, n 3, g, 2)
        found = functional.grid_sample(images[:, 3:5], place, "bilinear", "border", align_corners=False)
        depth, mask = found.unflatten(2, x.shape[1:3]).unbind(dim=1)
        behind = x - depth
        outside = torch.maximum(column.abs(), row.abs()) > 1
        near = torch.tanh(behind / _NEAR).masked_fill(outside, -1.0)
        far = (behind / _FAR).clamp(-2.0, 2.0).masked_fill(outside, -1.0)
        seen = torch.stack([near, far, mask.masked_fill(outside, 0.0)], dim=-2)  # (m, n, 3, channels, g)
        poses = torch.cat(
            [(fingers * fingers.new_tensor([1.0, 1.0, 1.0, 1.0 / _FAR])).flatten(3), _stands(fingers, table)], -1
        )
        told = [
            self.finger(seen[:, :, :2], poses[:, :, :2]).flatten(2),  # F1 and F2
            self.thumb(seen[:, :, 2], poses[:, :, 2]),
        ]
        if self.context is not None:
            told.append(self.context(images[:, 3:5], table)[:, None].expand(-1, fingers.shape[1], -1))
        if self.config.planned:
            told.append(_met(fingers[:, :, _F3], planned))
        return self.joined(torch.cat(told, dim=-1))


def widened(network: EvaluatorNetwork, steady: bool, planned: bool) -> EvaluatorNetwork:
    """The network, or one that answers alike and besides can learn STEADY, and from planned contacts, where it could not.

    What is new begins at nothing: log odds of 0, contacts that change no answer.
    """
    config = replace(network.config, steady=steady or network.config.steady, planned=planned or network.config.planned)
    if config == network.config:
        return network
    wide, had = EvaluatorNetwork(config), network.state_dict()
    state = {name: torch.zeros_like(tensor) for name, tensor in wide.state_dict().items()}
    for name, tensor in state.items():
        tensor[tuple(slice(n) for n in had[name].shape)] = had[name]
    wide.load_state_dict(state)
    return wide


def _stands(fingers: Tensor, table: Tensor) -> Tensor:
    """How each finger's frame stands on the table (m, n, 3, 5): where up is in it, how high its origin is, and a 1; zeros
    where the table is not known. A fingertip that is 3 mm lower may hold what it would slide off."""
    known = _known(table)[:, None, None]  # (m, 1, 1, 1)
    up = table[:, None, None, :3, None]  # (m, 1, 1, 3, 1)
    turned = (fingers[..., :3].transpose(-1, -2) @ up)[..., 0]
    height = (fingers[..., 3] * up[..., 0]).sum(dim=-1, keepdim=True) - table[:, None, None, 3:]
    told = torch.cat([turned, height / _FAR, torch.ones_like(height)], dim=-1)
    return torch.where(known, told, torch.zeros_like(told))


def _met(frame: Tensor, planned: Tensor) -> Tensor:
    """Of planned contacts and normals (m, n, 3, 6) in {O} what a frame (m, n, 3, 4) sees of them, (m, n, _MET)."""
    known = torch.isfinite(planned).flatten(2).all(dim=-1, keepdim=True)  # (m, n, 1)
    turn, origin = frame[..., :3], frame[..., 3]
    contacts = (planned[..., :3] - origin[:, :, None]) @ turn / _FAR
    told = torch.cat([contacts, planned[..., 3:] @ turn], dim=-1).flatten(2)
    told = torch.where(known, told, torch.zeros_like(told))
    middle = -(origin[:, :, None] @ turn)[:, :, 0] / _FAR
    return torch.cat([told, known.to(told.dtype), middle], dim=-1)


def _known(table: Tensor) -> Tensor:
    """Which of the tables (m, 4) are known, (m, 1)."""
    return torch.isfinite(table).all(dim=-1, keepdim=True)


class _Context(nn.Module):
    """What the whole window, depth and mask (m, 2, 64, 64), and the table under it (m, 4) tell, (m, context_features)."""

    def __init__(self, config: EvaluatorConfig):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((2, *config.context_filters)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
        self.look = nn.Sequential(*layers, nn.Flatten())
        side = IMAGE_SHAPE[0]
        for _ in config.context_filters:
            side = (side + 1) // 2
        self.tell = nn.Sequential(
            nn.Dropout(config.unit_dropout),
            nn.Linear(config.context_filters[-1] * side**2 + 5, config.context_features),
            nn.ReLU(),
        )  # fmt: skip

    def forward(self, window: Tensor, table: Tensor) -> Tensor:
        depth, mask = window.unbind(dim=1)
        looked = self.look(torch.stack([(depth / _FAR).clamp(-2.0, 2.0), mask], dim=1))
        known = _known(table)
        under = torch.where(known, table * table.new_tensor([1.0, 1.0, 1.0, 1.0 / _FAR]), torch.zeros_like(table))
        return self.tell(torch.cat([looked, under, known.to(looked.dtype)], dim=-1))


class _Finger(nn.Module):
    """What the plane of a finger (..., channels, points) and its pose (..., _POSE) tell, (..., told)."""

    def __init__(self, config: EvaluatorConfig):
        super().__init__()
        self._shape = (_CHANNELS * config.across, config.along, config.up)
        sizes = (self._shape[0], *config.filters)
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2 if i == 0 else 1, padding=1), nn.ReLU()]
        self.look = nn.Sequential(*layers, nn.Flatten())
        places = ((config.along + 1) // 2) * ((config.up + 1) // 2)
        self.tell = nn.Sequential(
            nn.Linear(sizes[-1] * places + _POSE, config.finger_units), nn.ReLU(), nn.Dropout(config.unit_dropout / 2),
            nn.Linear(config.finger_units, config.finger_features), nn.ReLU(),
        )  # fmt: skip

    def forward(self, seen: Tensor, pose: Tensor) -> Tensor:
        looked = self.look(seen.reshape(-1, *self._shape)).unflatten(0, pose.shape[:-1])
        return self.tell(torch.cat([looked, pose], dim=-1))


class GraspEvaluator:
    """Wraps a network for inference: numpy in, numpy out, the same bits for the same request."""

    def __init__(
        self,
        network: EvaluatorNetwork,
        weights_hash: str,
        device: torch.device = torch.device("cpu"),
        calibration: Calibration = Calibration(),
        trust: Calibration = Calibration(),
    ):
        """trust: what the score that grasps are ranked by counts for beside rehearsals (sim.rehearsal), as a probability."""
        self._network = network.eval().requires_grad_(False).to(device)
        self._device, self.hash, self.calibration, self.trust = device, weights_hash, calibration, trust

    def probabilities(
        self, image: np.ndarray, distance: float, table: np.ndarray | None, fingers: np.ndarray, planned: np.ndarray
    ) -> np.ndarray:
        """(n, k) of each grasp, in the order of spec.JUDGEMENTS, before the calibration.

        Args:
            image: (64, 64, 5), as `Observation.image` gives it. distance: of {O}'s origin along the optical axis [m].
            table: (4,) normal and offset [m] of the plane under the object in {O}, or None. fingers: (n, 3, 4, 4) poses [m] in {O} of the hand's knuckle frames.
            planned: (n, 3, 6) contacts [m] and outward normals in {O}, NaN where the grasp was made without.

        Raises:
            GmiError: BAD_REQUEST for wrong shapes or numbers that are not finite.
        """
        n = len(fingers)
        if image.shape != IMAGE_SHAPE or fingers.shape != (n, 3, 4, 4) or planned.shape != (n, 3, 6):
            told = (
                f"an image {IMAGE_SHAPE}, fingers (n, 3, 4, 4) and planned (n, 3, 6) are needed, got {image.shape}, "
                f"{fingers.shape} and {planned.shape}"
            )
            raise GmiError(ErrorCode.BAD_REQUEST, told)
        if not (np.isfinite(image).all() and np.isfinite(fingers).all() and np.isfinite(distance)):
            raise GmiError(ErrorCode.BAD_REQUEST, "image, distance or fingers have values that are not finite")
        if not n:
            return np.empty((0, self._network.n_answers))
        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(image, dtype=np.float32, order="C")[None]).to(self._device)
            logits = self._network(
                pixels.permute(0, 3, 1, 2),
                torch.tensor([distance], dtype=torch.float32, device=self._device),
                torch.tensor([[math.nan] * 4 if table is None else table.tolist()], device=self._device),
                torch.from_numpy(np.ascontiguousarray(fingers[None, ..., :3, :], np.float32)).to(self._device),
                torch.from_numpy(np.ascontiguousarray(planned[None], np.float32)).to(self._device),
            )
            return torch.sigmoid(logits)[0].cpu().numpy().astype(float)
