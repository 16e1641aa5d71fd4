"""Figures 4, 5 and 6 of the paper from our data, and a page in which the grasps can be turned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.draws import Touches, draw, standardised, touches
from gmi_ros.experience.episode import Episode
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.learning.card import TITLES
from gmi_ros.learning.checkpoint import GraspModel, architecture_of
from gmi_ros.learning.files import write_together
from gmi_ros.report.figures_data import KnownView, choose, read_successes
from gmi_ros.report.figures_map import lay_out
from gmi_ros.report.figures_plots import MODE_LETTERS, Row, grasps_page, histograms
from gmi_ros.report.figures_views import Onlooker, camera_picture, solve
from gmi_ros.report.grasp_page import Shown, page

SPLITS = ("similar", "different")
HISTOGRAM_SAMPLES = 4000  # of the paper's Figure 4
PAGE = "grasps.html"
_NUMBERED = {"similar": "figure_5", "different": "figure_6"}
_CLOUD = 300  # samples whose contacts are shown
_CHOICES, _KNOWN = 30, 10  # samples and recorded grasps that can be chosen on the page, of each object
_TILE = 280  # [px]


@dataclass(frozen=True)
class Choice:
    """What is drawn: `objects` random ones of each split, or these names; so many samples of each; from this seed.

    noise: add the output noise to the samples, without which those of a network without a latent are all the same.
    """

    splits: Sequence[str] = SPLITS
    objects: int = 3
    names: Sequence[str] = ()
    samples: int = 1000
    seed: int = 1
    noise: bool = False


def make_figures(
    model: GraspModel,
    stores: Sequence[Path],
    hand: BarrettHand,
    out: Path,
    choice: Choice = Choice(),
    progress: bool = True,
) -> list[Path]:
    """Write figure_4.png, a page of grasps for each split (figure_5.png similar, figure_6.png different) and PAGE.

    Raises:
        GmiError: BAD_REQUEST for a split or an object that the stores do not have, or a package that is not installed;
            BAD_SETTING where all samples would be the same; STORE_UNWRITABLE; the stores' and the recipes' errors.
    """
    successes = read_successes(stores, choice.splits)
    instances = _instances(successes, choice)
    contents, shown, title = {}, [], TITLES[architecture_of(model.network)]
    first = instances[choice.splits[0]][0]
    everything = np.stack([e.grasp_vector() for episodes in successes.values() for e in episodes])
    drawn = draw(model, first.image, first.known, HISTOGRAM_SAMPLES, choice.seed, choice.noise)
    contents["figure_4.png"] = histograms(
        drawn,
        standardised(model, everything),
        standardised(model, first.known),
        f"{title}: {HISTOGRAM_SAMPLES:,} samples for one view of {first.name}, in standard deviations of training",
    )
    total = sum(len(chosen) for chosen in instances.values())
    with tqdm(total=total, desc="figures", unit=" objects", disable=not progress, dynamic_ncols=True) as bar:
        for split, chosen in instances.items():
            rows = []
            for instance in chosen:
                row, one = _object(model, instance, hand, choice)
                rows.append(row)
                shown.append(one)
                bar.update()
            contents[f"{_NUMBERED.get(split, f'figure_{split}')}.png"] = grasps_page(
                rows, f"{title}: {choice.samples:,} grasps sampled for one view of each object, split “{split}”"
            )
    contents[PAGE] = page(shown, hand, f"Sampled grasps, {title}")
    write_together(out, contents)
    return [out / name for name in contents]


def _instances(successes: dict[str, list[Episode]], choice: Choice) -> dict[str, list[KnownView]]:
    names = {e.object_name for episodes in successes.values() for e in episodes}
    unknown = [name for name in choice.names if name not in names]
    if unknown:
        raise GmiError(
            ErrorCode.BAD_REQUEST,
            f"no success of {', '.join(unknown)} in {' and '.join(choice.splits)}; "
            f"there are {', '.join(sorted(names))}",
        )
    rng = np.random.default_rng(choice.seed)
    return {split: choose(episodes, choice.objects, rng, choice.names) for split, episodes in successes.items()}


def _object(model: GraspModel, instance: KnownView, hand: BarrettHand, choice: Choice) -> tuple[Row, Shown]:
    """Everything about one instance, for the picture and for the page."""
    drawn = draw(model, instance.image, instance.known, choice.samples, choice.seed, choice.noise)
    known = standardised(model, instance.known)
    found = lay_out(drawn, known, len(MODE_LETTERS), choice.seed)
    modes = list(found.modes)
    others = [i for i in range(len(drawn.grasps)) if i not in modes][:_CHOICES]
    vectors = np.concatenate([drawn.likely[None], drawn.grasps[modes + others], known[:_KNOWN]])
    grasps = touches(model, vectors)
    wrists = solve(hand, grasps)
    cloud = touches(model, drawn.grasps[:_CLOUD])

    onlooker = Onlooker(instance, hand, wrists.frame_from_palm[0, :3, 0], _TILE)
    picture = camera_picture(instance, _TILE)
    in_hand = [onlooker.grasp(_one(grasps, i), wrists, i) for i in range(1 + len(modes))]
    row = Row(
        instance.name,
        picture,
        onlooker.contacts(cloud, _one(grasps, 0)),
        in_hand[0],
        f"Eq. 7: within {1e3 * wrists.residual[0].max():.1f} mm",
        in_hand[1:],
        found,
    )
    n_known = len(known[:_KNOWN])
    labels = ["y*", *MODE_LETTERS[: len(modes)], *[""] * (len(others) + n_known)]
    kinds = ["likely", *["peak"] * len(modes), *["sample"] * len(others), *["known"] * n_known]
    at = np.concatenate([found.likely[None], found.samples[modes + others], found.known[:_KNOWN]])
    low, high = np.reshape(found.extent, (2, 2)).T
    shown = Shown(
        instance, grasps, wrists, labels, kinds, (at - low) / (high - low),
        cloud, (found.samples - low) / (high - low), found.density[::-2, ::2], picture,
    )  # fmt: skip
    return row, shown


def _one(grasps: Touches, index: int) -> Touches:
    return Touches(grasps.contacts[[index]], grasps.normals[[index]])
