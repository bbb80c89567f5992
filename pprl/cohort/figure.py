"""The chart: cohort and reference side by side, category by category, with the distances above."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pprl.cohort.comparison import Comparison, Representation, base_name
from pprl.cohort.wording import SHORT
from pprl.distance import Floats

# Of Okabe and Ito's colours, told apart with any colour vision; the hatching tells them apart without colour.
_COHORT = "#0072B2"
_REFERENCE = "#E69F00"
_INK = "#222222"
_FAINT = "#6b6b6b"

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": "#9a9a9a",
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "hatch.linewidth": 0.8,
    "text.parse_math": False,  # a category may be called $20k-$40k
    "svg.hashsalt": "pprl",  # else every run names its clip paths anew
    "svg.fonttype": "path",
}
_BAR = 0.38
_INCHES_PER_BAR = 0.46
_INCHES_AROUND = 1.05
_PNG_DPI = 160
_MAX_BARS = 30


def draw(representation: Representation, *, svg: Path, png: Path) -> None:
    """Draw the figure; equal results give equal files.

    Parameters
    ----------
    representation : Representation
        What to draw.
    svg, png : Path
        Files to write.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A label in a script the font lacks is drawn as boxes; the tables beside the figure have it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        comparisons = representation.comparisons
        bars = [max(2, len(_drawn(one))) for one in comparisons]
        heights = [_INCHES_PER_BAR * n + _INCHES_AROUND for n in bars]
        head, foot = 0.95, 0.1 + 0.17 * len(_footer(representation))
        height = sum(heights) + head + foot
        figure = Figure(figsize=(11.0, height))
        FigureCanvasAgg(figure)
        top = height - head
        for one, tall in zip(comparisons, heights, strict=True):
            bottom = top - tall + 0.45
            for column, adjusted in enumerate((False, True)):
                left = 0.205 + 0.405 * column
                axes = figure.add_axes((left, bottom / height, 0.365, (tall - _INCHES_AROUND) / height))
                _panel(axes, one, adjusted=adjusted)
            figure.text(0.015, (top - 0.33) / height, _title(one.attribute), weight="bold", size=11)
            if len(one.pooled.names) > _MAX_BARS:
                text = f"the {_MAX_BARS} of {len(one.pooled.names):,} furthest apart"
                figure.text(0.015, (top - 0.52) / height, text, size=8, color=_FAINT)
            top -= tall
        figure.text(0.015, 1 - 0.32 / height, _headline(representation), weight="bold", size=13)
        figure.text(0.205, 1 - 0.78 / height, 'All people, "Not reported" as a category', color=_FAINT)
        figure.text(0.610, 1 - 0.78 / height, '"Not reported" left out on both sides', color=_FAINT)
        _legend(figure, height)
        for number, line in enumerate(reversed(_footer(representation))):
            figure.text(0.015, (0.13 + 0.17 * number) / height, line, size=7.5, color=_FAINT)
        figure.savefig(
            svg, format="svg", metadata={"Date": None, "Creator": None, "Title": _headline(representation)}
        )
        figure.savefig(png, format="png", dpi=_PNG_DPI, metadata={"Software": None})


def _panel(axes: Any, one: Comparison, *, adjusted: bool) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    distance = one.adjusted if adjusted else one.raw
    if distance is None:
        axes.set_axis_off()
        axes.text(
            0.0,
            0.5,
            "not defined: what is reported cannot be told\nfrom what is not",
            color=_FAINT,
            va="center",
        )
        return
    kept = _drawn(one)
    end = len(one.pooled.names) - (1 if adjusted else 0)
    cohort, reference = _shares(one.pooled.cohort[:end]), _shares(one.pooled.reference[:end])
    cells = kept[kept < end]
    names = [one.pooled.names[cell] for cell in cells]
    cohort, reference = cohort[cells], reference[cells]
    place = np.arange(len(names), dtype=np.float64)
    axes.barh(place - _BAR / 2, cohort, _BAR, color=_COHORT, edgecolor="white", linewidth=0.5)
    axes.barh(
        place + _BAR / 2, reference, _BAR, color=_REFERENCE, edgecolor="white", linewidth=0.5, hatch="////"
    )
    # One scale for all panels: bars of different panels can be compared.
    axes.set_xlim(0, 112)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
    axes.set_ylim(max(2, len(kept)) - 0.5, -0.5)
    axes.set_yticks(
        place, ["" if adjusted else textwrap.fill(name, 29) for name in names], size=7.8, linespacing=1.0
    )
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    for y, value in [
        *zip(place - _BAR / 2, cohort, strict=True),
        *zip(place + _BAR / 2, reference, strict=True),
    ]:
        axes.text(value + 1.0, y, _percent(value), va="center", size=7.5)
    _caption(axes, one, adjusted=adjusted)


def _drawn(one: Comparison) -> npt.NDArray[np.intp]:
    """The cells that are drawn, in order: all, or those furthest apart where there are too many to read."""
    n = len(one.pooled.names)
    if n <= _MAX_BARS:
        return np.arange(n)
    apart = np.abs(_shares(one.pooled.cohort) - _shares(one.pooled.reference))
    return np.sort(np.argsort(-apart, kind="stable")[:_MAX_BARS])


def _caption(axes: Any, one: Comparison, *, adjusted: bool) -> None:
    if not adjusted:
        axes.set_title(f"raw distance {one.raw:.4f}", loc="left", size=9.5, pad=18, weight="bold")
        return
    axes.set_title(
        f"adjusted distance {one.adjusted:.4f}: {SHORT[one.verdict]}",
        loc="left",
        size=9.5,
        pad=18,
        weight="bold",
    )
    if one.interval is not None and one.null is not None:
        low, high = one.interval
        text = f"95 % interval {low:.3f} to {high:.3f}; chance alone gives up to {one.null:.3f}"
        axes.annotate(
            text,
            (0.0, 1.0),
            (0.0, 6.0),
            xycoords="axes fraction",
            textcoords="offset points",
            size=8,
            color=_FAINT,
        )


def _legend(figure: Any, height: float) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=_COHORT, edgecolor="white", label="cohort"),
        Patch(facecolor=_REFERENCE, edgecolor="white", hatch="////", label="reference"),
    ]
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(0.985, 1 - 0.12 / height),
        ncols=2,
        frameon=False,
        fontsize=10,
    )


def _headline(representation: Representation) -> str:
    name = Path(representation.cohort).name.removeprefix("builtin:")
    return f"{name} ({representation.n:,} people) against the reference"


def _footer(representation: Representation) -> list[str]:
    sources = list(dict.fromkeys(s for one in representation.comparisons for s in one.population.sources))
    reference = "; ".join(sources) or Path(representation.reference).name
    text = f"Reference: {reference}."
    method = (
        f"Jensen-Shannon distance, logarithms in base {base_name(representation.base)}. Interval: bootstrap. "
        "Chance: 95 % of perfect samples of the same size stay below."
    )
    if representation.suppress >= 2:
        method += (
            f" Counts below {representation.suppress} are suppressed; a bar of joined names is their sum."
        )
    return [*textwrap.wrap(text, 190), *textwrap.wrap(method, 190)]


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shares(weights: Floats) -> Floats:
    shares: Floats = 100.0 * weights / weights.sum()
    return shares


def _percent(value: float) -> str:
    if value == 0.0:
        return "0"
    return f"{value:.1f}" if value >= 0.1 else "<0.1"
