"""The chart: seconds of every contestant, one panel for each case and size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_OURS, _PEER = "#1b6ca8", "#b3b3b3"
_INK = "#333333"


def draw(document: dict[str, Any], folder: Path, *, name: str = "speed") -> tuple[Path, Path]:
    """Write the chart as PNG and SVG.

    Parameters
    ----------
    document : dict
        As in the JSON file.
    folder : Path
        Where to.
    name : str
        Of the files, without ending.

    Returns
    -------
    tuple of Path
        PNG and SVG.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [
        (case, [entry for entry in case["entries"] if "seconds" in entry])
        for case in document["cases"]
        if any("seconds" in entry for entry in case["entries"])
    ]
    heights = [len(entries) + 1.1 for _, entries in panels]
    with mpl.rc_context({"svg.hashsalt": "pprl", "font.size": 9}):
        figure = Figure(figsize=(8.5, 0.36 * sum(heights) + 0.9), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(
            "Seconds: median, whiskers from least to most; x: times the first row", x=0.02, ha="left"
        )
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for (case, entries), axis in zip(panels, axes, strict=True):
            _panel(axis, case, entries)
        machine = document["machine"]
        figure.supxlabel(
            f"{machine['processor']}, {machine['cores']} cores; {machine['date'][:10]}; {machine['commit'][:12]}",
            fontsize=7,
            color=_INK,
        )
        png, svg = folder / f"{name}.png", folder / f"{name}.svg"
        figure.savefig(png, dpi=160)
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


def _panel(axis: Any, case: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    medians = [entry["seconds"]["median"] for entry in entries]
    least = [entry["seconds"]["min"] for entry in entries]
    most = [entry["seconds"]["max"] for entry in entries]
    places = range(len(entries))
    ours = [entry["contestant"].startswith("pprl") for entry in entries]
    axis.barh(places, medians, color=[_OURS if own else _PEER for own in ours], height=0.7)
    errors = [
        [middle - low for middle, low in zip(medians, least, strict=True)],
        [high - middle for middle, high in zip(medians, most, strict=True)],
    ]
    axis.errorbar(medians, places, xerr=errors, fmt="none", ecolor=_INK, elinewidth=0.8, capsize=2)
    labels = [_label(entry, medians[0], first=not place) for place, entry in enumerate(entries)]
    for place, label, high in zip(places, labels, most, strict=True):
        axis.annotate(
            label,
            (high, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=_INK,
        )
    axis.set_yticks(list(places), [entry["contestant"] for entry in entries])
    axis.invert_yaxis()
    # room for a label behind each bar, in the font and width of the figure
    axis.set_xlim(
        0, max(high / (1 - 0.013 * (len(label) + 2)) for label, high in zip(labels, most, strict=True))
    )
    axis.set_title(
        f"{case['case']}, {case['size']:,} records a site", loc="left", fontsize=9, fontweight="bold"
    )
    axis.spines[["top", "right"]].set_visible(False)


def _label(entry: dict[str, Any], ours: float, *, first: bool) -> str:
    seconds = entry["seconds"]["median"]
    said = [f"{_figures(seconds)} s"]
    if not first:
        said.append(f"{_figures(seconds / ours)} x")
    if "train" in entry["parts"]:
        said.append(f"besides {_figures(entry['parts']['train']['median'])} s of training")
    if "f1" in entry["result"]:
        said.append(f"F1 {entry['result']['f1']:.3f}")
    return ", ".join(said)


def _figures(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"
