"""The figures' pages: histograms of one instance (Figure 4), rows of pictures and a map of grasps (Figures 5 and 6)."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.grasp import FINGERS
from gmi_ros.evaluation.draws import Draws
from gmi_ros.report.draw import FINGER_COLOURS
from gmi_ros.report.figures_map import Map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODE_LETTERS = "ABCD"
_INK, _GREY, _DARK, _STAR = "#222222", "#c9ccd1", "#55585f", "#e4002b"
_COLOURS = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in FINGER_COLOURS]
_NUMBERS = ("p_x", "p_y", "p_z", "n_x", "n_y", "n_z")
_LATENT, _BINS = "#3b6fb6", 60
_RANGE = 3.2  # shown on either side, in standard deviations
_ABREAST = 8  # latents in a row
_DPI = 100


@dataclass(frozen=True, eq=False)
class Row:
    """One line of Figure 5 or 6.

    camera: what was seen. contacts: the object with the samples' contacts. likely: the most likely grasp in the hand;
    note: what is said below it. modes: a picture for each of the map's.
    """

    title: str
    camera: Image.Image
    contacts: Image.Image
    likely: Image.Image
    note: str
    modes: Sequence[Image.Image]
    map: Map


def histograms(draws: Draws, everything: np.ndarray, known: np.ndarray, title: str) -> bytes:
    """Figure 4 as PNG: the 18 numbers of the samples and their latents, all in the standardised units of training.

    Args:
        everything: (m, 18) all recorded grasps, which is what is known of a grasp without seeing the object.
        known: (k, 18) the recorded grasps of this view.
    """
    n_latents = 0 if draws.latents is None else draws.latents.shape[1]
    height = 1.35 * (3 + -(-n_latents // _ABREAST)) + 1.1
    figure = _figure(12.6, height)
    figure.suptitle(title, fontsize=12, y=1 - 0.1 / height)
    rows = np.linspace(1 - 0.45 / height, 0.75 / height, 4 + -(-n_latents // _ABREAST))  # tops of the rows, and the end
    outputs = figure.add_gridspec(
        3, 6, left=0.012, right=0.988, top=rows[0] - 0.2 / height, bottom=rows[3] + 0.2 / height, hspace=0.6, wspace=0.1
    )
    for finger in range(3):
        for column, name in enumerate(_NUMBERS):
            number = 9 * (column // 3) + 3 * finger + column % 3
            axes = figure.add_subplot(outputs[finger, column])
            _bars(axes, everything[:, number], _GREY, _RANGE)
            _bars(axes, draws.grasps[:, number], _COLOURS[finger], _RANGE)
            axes.plot(known[:, number], np.zeros(len(known)), "|", color=_INK, ms=9, mew=1.2, clip_on=False)
            axes.axvline(draws.likely[number], color=_STAR, lw=1.2)
            _dress(axes, f"{FINGERS[finger]}  ${name}$", _RANGE)
    if n_latents:
        latents = figure.add_gridspec(
            -(-n_latents // _ABREAST), min(n_latents, _ABREAST), left=0.012, right=0.988,
            top=rows[3] - 0.2 / height, bottom=rows[-1] + 0.2 / height, hspace=0.6, wspace=0.1,
        )  # fmt: skip
    for i in range(n_latents):
        axes = figure.add_subplot(latents[i // _ABREAST, i % _ABREAST])
        shown = [z[:, i] for z in (draws.latents, draws.recognised) if z is not None]
        reach = max(_RANGE, 1.1 * float(np.percentile(np.abs(shown), 99.5)))
        z = np.linspace(-reach, reach, 200)
        axes.fill_between(z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), color=_GREY, lw=0)
        _bars(axes, draws.latents[:, i], _LATENT, reach)
        if draws.recognised is not None:
            look = {"histtype": "step", "color": _INK, "lw": 1.0}
            axes.hist(draws.recognised[:, i], _BINS, range=(-reach, reach), density=True, **look)
        _dress(axes, f"latent  $z_{{{i + 1}}}$", reach)
    _legend_of_histograms(figure, n_latents > 0, draws.recognised is not None)
    return _png(figure)


def _bars(axes: "Axes", values: np.ndarray, colour: str, reach: float) -> None:
    if not (np.abs(values) <= reach).any():
        return  # no density of nothing
    look = {"histtype": "stepfilled", "color": colour, "alpha": 1.0 if colour == _GREY else 0.75, "lw": 0}
    axes.hist(values, _BINS, range=(-reach, reach), density=True, **look)


def _dress(axes: "Axes", title: str, reach: float) -> None:
    axes.set_title(title, fontsize=9, pad=3)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    step = max(2, round(reach / 2))
    axes.set_xticks([-step, 0, step])
    axes.tick_params(labelsize=7, length=2, pad=1)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _legend_of_histograms(figure: "Figure", latents: bool, recognised: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        *[Patch(color=colour, alpha=0.75, label=f"{f} samples") for f, colour in zip(FINGERS, _COLOURS, strict=True)],
        Patch(color=_GREY, label="all recorded grasps; $N(0, 1)$ for $z$" if latents else "all recorded grasps"),
        Line2D([], [], color=_INK, marker="|", ls="", ms=9, label="recorded in this view"),
        Line2D([], [], color=_STAR, lw=1.2, label="most likely grasp $y^*$"),
    ]
    if latents:
        handles.append(Patch(color=_LATENT, alpha=0.75, label="$z$ of the prior $p(z|x)$"))
    if recognised:
        handles.append(Line2D([], [], color=_INK, lw=1.0, label="$z$ of recorded grasps, $q(z|x,y)$"))
    figure.legend(handles=handles, loc="lower center", ncols=4, fontsize=8.5, frameon=False)


def grasps_page(rows: Sequence[Row], title: str) -> bytes:
    """Figure 5 or 6 as PNG: for each object what the camera saw, its grasps, and the map of all samples."""
    figure = _figure(13.2, 2.66 * len(rows) + 1.0)
    figure.suptitle(title, fontsize=12, y=1 - 0.12 / figure.get_figheight())
    edge = 1 / figure.get_figheight()
    grid = figure.add_gridspec(
        len(rows), 5, left=0.005, right=0.995, top=1 - 0.62 * edge, bottom=0.38 * edge, wspace=0.03, hspace=0.04
    )
    heads = (
        "camera image",
        "contacts of the samples",
        "most likely grasp $y^*$",
        "grasps at the peaks",
        "t-SNE, density",
    )
    for i, row in enumerate(rows):
        for column, picture in enumerate((row.camera, row.contacts, row.likely)):
            _picture(figure.add_subplot(grid[i, column]), picture)
        small = grid[i, 3].subgridspec(2, 2, wspace=0.03, hspace=0.03)
        for j in range(4):
            axes = figure.add_subplot(small[j // 2, j % 2])
            axes.set_axis_off()
            if j < len(row.modes):
                _picture(axes, row.modes[j])
                _caption(axes, 0.93, "top", MODE_LETTERS[j])
        _plane(figure.add_subplot(grid[i, 4]), row.map)
        first, _, third = figure.axes[-8:-5]  # of this row's eight
        _caption(first, 0.965, "top", row.title)
        _caption(third, 0.035, "bottom", row.note)
        if i == 0:
            for column, head in enumerate(heads):
                box = grid[0, column].get_position(figure)
                figure.text((box.x0 + box.x1) / 2, box.y1 + 0.05 * edge, head, ha="center", va="bottom", fontsize=10)
    _legend_of_grasps(figure)
    return _png(figure)


def _picture(axes: "Axes", picture: Image.Image) -> None:
    axes.imshow(np.asarray(picture), interpolation="lanczos")
    axes.set_axis_off()


def _caption(axes: "Axes", height: float, side: str, text: str) -> None:
    box = {"boxstyle": "round,pad=0.25", "fc": "#000000a0", "ec": "none"}
    axes.text(0.04, height, text, transform=axes.transAxes, color="w", va=side, fontsize=9.5, weight="bold", bbox=box)


def _plane(axes: "Axes", found: Map) -> None:
    axes.contourf(found.density, levels=np.linspace(0.05, 1, 11), extent=found.extent, cmap="Blues", vmax=1.2)
    axes.contour(found.density, levels=[0.1, 0.25, 0.5, 0.75], extent=found.extent, colors="#2f5f9f", linewidths=0.6)
    axes.plot(*found.samples.T, ".", color=_DARK, ms=2, alpha=0.5)
    axes.plot(*found.known.T, "o", mfc="none", mec=_INK, ms=6, mew=1.1)
    for letter, index in zip(MODE_LETTERS, found.modes, strict=False):
        axes.annotate(
            letter, found.samples[index], ha="center", va="center", fontsize=9, weight="bold",
            bbox={"boxstyle": "circle,pad=0.18", "fc": "white", "ec": _INK, "lw": 0.8},
        )  # fmt: skip
    axes.plot(*found.likely, "*", color=_STAR, mec="white", mew=0.7, ms=15)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlim(found.extent[:2])
    axes.set_ylim(found.extent[2:])


def _legend_of_grasps(figure: "Figure") -> None:
    from matplotlib.lines import Line2D

    def dot(marker: str, label: str, **look) -> Line2D:
        return Line2D([], [], marker=marker, ls="", label=label, **look)

    handles = [dot("o", f"contact of {f}", color=c, mec=_INK) for f, c in zip(FINGERS, _COLOURS, strict=True)]
    handles += [
        dot("*", "most likely $y^*$", color=_STAR, mec="w", ms=13),
        dot(".", "sample", color=_DARK),
        dot("o", "recorded success of this view", mfc="none", mec=_INK),
        dot("$A$", "peak of the density", color=_INK),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=9, frameon=False)


def _figure(width: float, height: float) -> "Figure":
    """A figure that draws without a screen [inches]."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        message = f"figures need the package {error.name!r}: pip install '.[train]' in the checkout"
        raise GmiError(ErrorCode.BAD_REQUEST, message) from error
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: "Figure") -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    # 256 colours, well chosen: a third of the size, and nobody sees it.
    picture = Image.open(drawn).convert("RGB").quantize(256, kmeans=4, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    picture.save(packed, format="png", optimize=True)
    return packed.getvalue()
