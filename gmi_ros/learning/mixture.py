"""A better model than the paper's: where on the object each finger may touch, one finger after the other.

p(y|x) = prod_k p(p_k | earlier contacts, x) p(n_k | p_k, earlier contacts, x), for F3, which opposes the others, F1 and
F2. Both factors are mixtures of Gaussians (Bishop 1994), so that the density is known exactly. What differs from the
paper's networks: a place is told by pointing at it in the window, which is aligned with {O}, and not by numbers, so that
an edge on an object that was never seen is still an edge; and the normal is told from what is seen at that place. The
targets are smoothed by a fixed noise, which is taken off again when sampling: unit normals and flat faces make the true
density singular.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gmi_ros.learning.config import MixtureConfig
from gmi_ros.learning.distributions import Bound, GraspDistribution
from gmi_ros.learning.gaussians import Gaussians, draw, heaviest, log_density
from gmi_ros.learning.likelihood import Estimate
from gmi_ros.learning.normaliser import Normaliser
from gmi_ros.learning.spatial import ContactHead, SpatialFeatures, seen_at, surface
from gmi_ros.learning.spec import GRASP_DIM

_ORDER = (2, 0, 1)  # F3, F1, F2
_PLACES = [slice(3 * f, 3 * f + 3) for f in _ORDER]  # of a grasp's numbers, in this order
_NORMALS = [slice(9 + 3 * f, 12 + 3 * f) for f in _ORDER]


class MixtureNetwork(nn.Module):
    """Images to `MixtureGrasps`."""

    config_type = MixtureConfig

    def __init__(self, config: MixtureConfig = MixtureConfig(), seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation, the global generator left alone
            torch.manual_seed(seed)
            self.features = SpatialFeatures(config)
            self.heads = nn.ModuleList(ContactHead(config, earlier) for earlier in range(3))
        self.config = config
        self.normaliser = Normaliser()

    def forward(
        self, image: Tensor, generator: torch.Generator | None = None, rows: Tensor | None = None
    ) -> "MixtureGrasps":
        """As `networks.CNN.forward`; the noise while training is on the targets, not on the images."""
        local, whole = self.features(self.normaliser.standardise_image(image))
        seen, anchors = surface(image), []
        for head, place in zip(self.heads, _PLACES, strict=True):
            mean, std = self.normaliser.grasp_mean[place], self.normaliser.grasp_std[place]
            anchors.append(head.anchors(local, (seen - mean[:, None, None]) / std[:, None, None]))
        return MixtureGrasps(self, local, whole, tuple(anchors), rows)


@dataclass(frozen=True)
class MixtureGrasps(GraspDistribution):
    """The answer for b rows over m images.

    local: (m, local, 32, 32), whole: (m, features) and anchors: of each head, what the network made of the images.
    rows: (b,) which image each row is about; None: row k about image k.
    """

    network: MixtureNetwork
    local: Tensor
    whole: Tensor
    anchors: tuple[tuple[Tensor, Tensor], ...]
    rows: Tensor | None = None

    @property
    def normaliser(self) -> Normaliser:
        return self.network.normaliser

    def centres(self, n: int, generator: torch.Generator) -> Tensor:
        """Sharper than the density: as the settings `focus` and `spread` say."""
        config = self.network.config
        return self._of_rows(lambda answer: answer._drawn(n, generator, config.focus, config.spread)[0])

    def sample(self, n: int, generator: torch.Generator, noise: bool = False) -> Tensor:
        """As everywhere; with noise, a fair draw: the later contacts of a grasp have seen the noise of the earlier."""
        if not noise:
            return self.normaliser.restore_grasp(self.centres(n, generator))
        fair = self._of_rows(lambda answer: answer._drawn(n, generator, 1.0, 1.0)[1])
        return self.normaliser.restore_grasp(fair)

    def mean(self) -> Tensor:
        """The heaviest Gaussian of each part, given the ones before."""
        chosen = self._of_rows(lambda answer: answer._chain(1, lambda parts: (heaviest(parts),) * 2)[0])
        return self.normaliser.restore_grasp(chosen[:, 0])

    def output_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        drawn = torch.randn(shape, generator=generator, dtype=self.whole.dtype, device=self.whole.device)
        return self.network.config.target_noise * drawn

    def density(self, centres: Tensor) -> Tensor:
        if self.rows is None:
            return self._log_prob(centres)
        rows = self.rows.repeat_interleave(centres.shape[1])
        return self._of_each(centres.flatten(0, 1), rows).reshape(centres.shape[:2])

    def density_at(self, centres: Tensor, rows: Tensor) -> Tensor:
        return self.density(centres[:, rows])

    def elbo(self, y: Tensor, generator: torch.Generator) -> Bound:
        """The exact log-likelihood; while training that of the grasps with the noise on them."""
        y = self.normaliser.standardise_grasp(y)
        if self.network.training:
            y = y + self.output_noise(tuple(y.shape), generator)
        exact = self._of_each(y, self.rows)
        return Bound(exact, torch.zeros_like(exact))

    def log_prob(self, y: Tensor, n_samples: int, generator: torch.Generator) -> Estimate:
        exact = self._of_each(self.normaliser.standardise_grasp(y), self.rows) - self.normaliser.log_volume
        return Estimate(exact, torch.zeros_like(exact))

    def _of_rows(self, make) -> Tensor:
        """What `make` answers for the images of the rows."""
        if self.rows is None:
            return make(self)
        local, whole = self.local[self.rows], self.whole[self.rows]
        anchors = tuple(tuple(part[self.rows] for part in pair) for pair in self.anchors)
        return make(replace(self, local=local, whole=whole, anchors=anchors, rows=None))

    def _of_each(self, y: Tensor, rows: Tensor | None) -> Tensor:
        """log p (b,) of standardised y (b, 18), of which number k is about image rows[k].

        Grasps of one image are worked on side by side, (m, n, 18): their number goes into products of matrices.
        """
        if rows is None:
            return self._log_prob(y[:, None])[:, 0]
        counts = torch.bincount(rows, minlength=len(self.whole))
        order = torch.argsort(rows, stable=True)
        slots = torch.empty_like(rows)
        slots[order] = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows[order]]
        side_by_side = y.new_zeros(len(self.whole), int(counts.max()), GRASP_DIM)
        side_by_side = side_by_side.index_put((rows, slots), y)
        return self._log_prob(side_by_side)[rows, slots]

    def _log_prob(self, y: Tensor) -> Tensor:
        """Of standardised y (m, n, 18)."""
        terms = []

        def tell(parts: tuple[Gaussians, ...], where: slice) -> tuple[Tensor, Tensor]:
            terms.append(log_density(parts, y[..., where]))
            return (y[..., where],) * 2

        self._walk(y.shape[1], tell)
        return torch.stack(terms).sum(dim=0)

    def _drawn(self, n: int, generator: torch.Generator, focus: float, spread: float) -> tuple[Tensor, Tensor]:
        """n grasps for each image, (m, n, 18) each, without the noise and with it."""
        noise = self.network.config.target_noise
        return self._chain(n, lambda parts: draw(parts, noise, focus, spread, generator))

    def _chain(self, n: int, choose) -> tuple[Tensor, Tensor]:
        """Grasps (m, n, 18) of what `choose` makes of each mixture: what is kept, and what the next ones see."""
        kept = self.whole.new_zeros(len(self.whole), n, GRASP_DIM)
        seen = torch.zeros_like(kept)

        def put(parts: tuple[Gaussians, ...], where: slice) -> tuple[Tensor, Tensor]:
            kept[..., where], seen[..., where] = chosen = choose(parts)
            return chosen

        self._walk(n, put)
        return kept, seen

    def _walk(self, n: int, choose) -> None:
        """From contact to contact: `choose` is asked for the place and the normal of each, given their mixtures.

        It answers (m, n, 3) twice, of which the second is what the next mixtures depend on.
        """
        told = [self.whole[:, None].expand(-1, n, -1)]
        for head, anchors, where, normal_where in zip(self.network.heads, self.anchors, _PLACES, _NORMALS, strict=True):
            context = head.context(torch.cat(told, dim=-1))
            _, place = choose(head.place(context, self.local, anchors), where)
            metres = place * self.normaliser.grasp_std[where] + self.normaliser.grasp_mean[where]
            seen = seen_at(self.local, metres)
            _, normal = choose(head.normals(context, seen, place), normal_where)
            told += [place, normal, seen]
