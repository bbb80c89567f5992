"""The charts: F1 by contestant and case, estimate against truth, calibration, recall by stratum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.accuracy.judging import Document
from benchmarks.accuracy.tables import case_names, entries, estimated, has_duplicates, headline

_INK, _FAINT, _PEER = "#333333", "#d9d9d9", "#8c8c8c"
_PROFILES = {"standard": "#1b6ca8", "strict": "#6fa8d6", "fields": "#d1662f", "tokens": "#3d8f5f"}
_STRATA_OF = {"pprl standard": "#1b6ca8", "pprl fields": "#d1662f", "Splink one-to-one": "#555555"}
_MARKS = "osD^vP*X<>"
_FAR_OFF = 0.8
_SURE = 0.999  # links above make one bin
_BIN_LINKS, _N_BINS = 15, 8
_FEW_PAIRS = 50
_LEAST_ERROR = 5e-4


def draw(document: Document, folder: Path, *, prefix: str = "") -> list[Path]:
    """Write the charts for which there are figures.

    Parameters
    ----------
    document : dict
        As in ``accuracy.json``.
    folder : Path
        Where to.
    prefix : str
        Of the files' names, which are ``f1.png``, ``estimates.png``, ``calibration.png``, ``strata.png``.

    Returns
    -------
    list of Path
        Those written.
    """
    charts: dict[str, Callable[[Document], Any]] = {
        "f1": _f1,
        "estimates": _estimates,
        "calibration": _calibration,
        "strata": _strata,
    }
    written = []
    for name, make in charts.items():
        figure = make(document)
        if figure is not None:
            machine = document["machine"]
            figure.supxlabel(
                f"{machine['date'][:10]}, commit {machine['commit'][:12]}", fontsize=7, color=_PEER
            )
            written.append(folder / f"{prefix}{name}.png")
            figure.savefig(written[-1], dpi=150)
    return written


def _new(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _f1(document: Document) -> Any:
    found = {name: entries(document, name) for name in case_names(document)}
    found = {name: one for name, one in found.items() if one}
    if not found:
        return None
    rows = [sum(len(one) + 1.6 for one in list(found.values())[side::2]) for side in (0, 1)]
    n_lines = -(-len(found) // 2)
    columns = min(len(found), 2)
    figure = _new(5.2 * columns, 0.23 * max(rows) + 0.9)
    heights = [
        max(len(one) for one in list(found.values())[line * 2 : line * 2 + 2]) + 1.6
        for line in range(n_lines)
    ]
    axes = figure.subplots(n_lines, columns, squeeze=False, height_ratios=heights).ravel()
    figure.suptitle(
        "F1 with 95 % intervals; hollow: settings chosen by the truth", x=0.02, ha="left", fontsize=10
    )
    for axis, (name, contestants) in zip(axes, found.items(), strict=False):
        _f1_panel(axis, document, name, contestants)
    for axis in axes[len(found) :]:
        axis.set_visible(False)
    return figure


def _f1_panel(axis: Any, document: Document, name: str, contestants: dict[str, Any]) -> None:
    lowest = 1.0
    for place, (contestant, found) in enumerate(contestants.items()):
        scores = [headline(document, name, entry) for _, entry in found]
        known = [one for one in scores if one["f1"] is not None]
        if not known:
            continue
        value = mean(one["f1"] for one in known)
        low = min(one["f1_interval"][0] for one in known)
        high = max(one["f1_interval"][1] for one in known)
        tuned = found[0][1]["tuned"]
        colour = _PROFILES.get(contestant.removeprefix("pprl "), _PEER)
        if value <= _FAR_OFF:  # an arrow at the edge stands for it
            axis.annotate(
                f"\u25c4 {value:.3f}",
                (0.01, place),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=7,
            )
            continue
        lowest = min(lowest, low)
        axis.plot([low, high], [place, place], color=colour, linewidth=1.2)
        axis.plot(
            [value], [place], "o", color=colour, markerfacecolor="white" if tuned else colour, markersize=5
        )
        axis.annotate(
            f"{value:.3f}", (high, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=7
        )
    axis.set_yticks(range(len(contestants)), list(contestants), fontsize=8)
    axis.set_ylim(len(contestants) - 0.5, -0.5)
    span = 1 - lowest
    axis.set_xlim(lowest - 0.12 * span - 1e-3, 1 + 0.1 * span + 1e-3)
    axis.tick_params(axis="x", labelsize=7)
    axis.locator_params(axis="x", nbins=6)
    axis.set_title(name, loc="left", fontsize=9, fontweight="bold")
    _tidy(axis)


def _estimates(document: Document) -> Any:
    told = estimated(document)
    if not told:
        return None
    figure = _new(10.4, 4.9)
    axes = figure.subplots(1, 2)
    marks = dict(zip(dict.fromkeys(name for name, _ in told), _MARKS * 9, strict=False))
    figure.suptitle(
        "What pprl says of its links without labels, with 95 % intervals, against the truth",
        x=0.02,
        ha="left",
        fontsize=10,
    )
    ticks = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    for axis, measure in zip(axes, ("precision", "recall"), strict=True):
        worst = 0.02
        for (name, profile), comparisons in told.items():
            for one in comparisons:
                at = one["thresholds"][0]
                true, said = at["truth"][measure], at["estimate"][measure]
                if true is None:
                    continue
                x, y, low, high = (
                    _error(value) for value in (true, said["value"], said["low"], said["high"])
                )
                axis.plot([x, x], [low, high], color=_PROFILES[profile], linewidth=0.8, alpha=0.5)
                axis.plot([x], [y], marks[name], color=_PROFILES[profile], markersize=5, alpha=0.9)
                worst = max(worst, x, y, low)
        ends = [_LEAST_ERROR * 0.8, worst * 1.3]
        axis.plot(ends, ends, color=_FAINT, zorder=0)
        for scale, limits in ((axis.set_xscale, axis.set_xlim), (axis.set_yscale, axis.set_ylim)):
            scale("log")
            limits(ends[::-1])
        shown = [tick for tick in ticks if tick <= ends[1]]
        for place in (axis.set_xticks, axis.set_yticks):
            place(shown, [f"{1 - tick:g}" for tick in shown], fontsize=7)
            place([], minor=True)
        axis.set_xlabel(f"true {measure}", fontsize=8)
        axis.set_ylabel(f"estimated {measure}", fontsize=8)
        axis.set_aspect("equal")
        _tidy(axis)
    handles = [_handle("s", colour, profile) for profile, colour in _PROFILES.items() if _has(told, profile)]
    handles += [_handle(mark, _INK, name) for name, mark in marks.items()]
    figure.legend(handles=handles, loc="outside right center", fontsize=8, frameon=False)
    return figure


def _error(value: float) -> float:
    return max(1 - value, _LEAST_ERROR)


def _has(told: dict[tuple[str, str], Any], profile: str) -> bool:
    return any(other == profile for _, other in told)


def _handle(mark: str, colour: str, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", marker=mark, color=colour, label=label, markersize=5)


def _calibration(document: Document) -> Any:
    pooled: dict[str, dict[str, list[Document]]] = {}
    for result in document["results"]:
        if "estimates" in result:
            of_profile = pooled.setdefault(result["profile"], {})
            of_profile.setdefault(result["case"], []).extend(result["estimates"]["histogram"])
    if not pooled:
        return None
    columns = min(len(pooled), 2)
    lines = -(-len(pooled) // 2)
    figure = _new(4.2 * columns + 1.4, 3.3 * lines + 0.4)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    figure.suptitle(
        f"Links by their probability, in bins of equal numbers (and one above {_SURE}): share that is true",
        x=0.02,
        ha="left",
        fontsize=10,
    )
    names = case_names(document)
    colours = _colours(names)
    least = 0.5
    for axis, (profile, by_case) in zip(axes, pooled.items(), strict=False):
        axis.plot([0, 1], [0, 1], color=_FAINT, zorder=0)
        for name, rows in by_case.items():
            bins = equal_bins(rows)
            x = [one["expected"] / one["links"] for one in bins]
            y = [one["true"] / one["links"] for one in bins]
            ends = [_wilson(one["true"], one["links"]) for one in bins]
            least = min(least, *(low for low, _ in ends))
            axis.plot(x, y, "-o", color=colours[name], linewidth=1, markersize=3.5, label=name)
            axis.vlines(
                x, [low for low, _ in ends], [high for _, high in ends], color=colours[name], alpha=0.35
            )
        axis.set_title(profile, loc="left", fontsize=9, fontweight="bold")
        axis.set_xlim(0.48, 1.02)
        axis.set_xlabel("probability told", fontsize=8)
        axis.set_ylabel("share that is true", fontsize=8)
        axis.tick_params(labelsize=7)
        _tidy(axis)
    for axis in axes[len(pooled) :]:
        axis.set_visible(False)
    handles = [
        _handle("o", colours[name], name) for name in names if any(name in one for one in pooled.values())
    ]
    figure.legend(handles=handles, loc="outside right center", fontsize=8, frameon=False)
    return figure


def equal_bins(rows: Sequence[Document]) -> list[Document]:
    """Merge a histogram's rows into bins of about equal numbers of links, and one of all that are as good as sure.

    Parameters
    ----------
    rows : sequence of dict
        As of `benchmarks.accuracy.judging.histogram`, of several runs if wanted.

    Returns
    -------
    list of dict
        ``links``, ``expected``, ``true``; by increasing probability.
    """
    doubtful = sorted((one for one in rows if one["expected"] < _SURE * one["links"]), key=_log_odds)
    sure = [one for one in rows if one["expected"] >= _SURE * one["links"]]
    n_each = max(sum(one["links"] for one in doubtful) / _N_BINS, _BIN_LINKS)
    groups: list[list[Document]] = [[]]
    for one in doubtful:
        if sum(row["links"] for row in groups[-1]) >= n_each:
            groups.append([])
        groups[-1].append(one)
    if len(groups) > 1 and sum(row["links"] for row in groups[-1]) < n_each / 2:
        last = groups.pop()
        groups[-1].extend(last)
    return [
        {key: sum(row[key] for row in group) for key in ("links", "expected", "true")}
        for group in (*groups, sure)
        if group
    ]


def _log_odds(row: Document) -> float:
    return float(row["log_odds"])


def _strata(document: Document) -> Any:
    names = [
        name
        for name in case_names(document)
        if not has_duplicates(document, name) and _recall_by(document, name).keys() - {"birth_decade"}
    ]
    by_case = {name: _recall_by(document, name) for name in names}
    strata = list(dict.fromkeys(stratum for found in by_case.values() for stratum in found))
    if not names:
        return None
    sizes = [
        max(len(_categories(by_case[name].get(stratum, {}))) for name in names) + 1.2 for stratum in strata
    ]
    figure = _new(4.6 * len(names), 0.24 * sum(sizes) + 1.2)
    axes = figure.subplots(len(strata), len(names), squeeze=False, height_ratios=sizes, sharex="col")
    figure.suptitle("Recall among people of each class, with 95 % intervals", x=0.02, ha="left", fontsize=10)
    for column, name in enumerate(names):
        for line, stratum in enumerate(strata):
            axis = axes[line, column]
            found = by_case[name].get(stratum, {})
            if not _categories(found):
                axis.set_visible(False)
                continue
            _strata_panel(axis, found)
            if not line:
                axis.set_title(name, loc="left", fontsize=9, fontweight="bold")
            axis.set_ylabel(stratum.replace("_", " "), fontsize=8)
    handles = [_handle("o", colour, contestant) for contestant, colour in _STRATA_OF.items()]
    figure.legend(handles=handles, loc="outside upper right", fontsize=8, frameon=False, ncols=3)
    return figure


def _strata_panel(axis: Any, found: dict[str, dict[str, tuple[float, int]]]) -> None:
    categories = _categories(found)
    for number, (contestant, colour) in enumerate(_STRATA_OF.items()):
        for place, category in enumerate(categories):
            if category in found.get(contestant, {}):
                n_found, n = found[contestant][category]
                low, high = _wilson(n_found, n)
                at = place + (number - 1) * 0.22
                axis.plot([low, high], [at, at], color=colour, linewidth=1)
                axis.plot([n_found / n], [at], "o", color=colour, markersize=3.5)
    n_of = {
        category: max(one[category][1] for one in found.values() if category in one)
        for category in categories
    }
    axis.set_yticks(range(len(categories)), [f"{one} ({n_of[one]:,})" for one in categories], fontsize=7)
    axis.set_ylim(len(categories) - 0.4, -0.6)
    axis.tick_params(axis="x", labelsize=7, labelbottom=True)
    axis.locator_params(axis="x", nbins=6)
    _tidy(axis)


def _recall_by(document: Document, name: str) -> dict[str, dict[str, dict[str, tuple[float, int]]]]:
    """Stratum, contestant, category: true pairs found, and all, over the seeds."""
    counts: dict[str, dict[str, dict[str, tuple[float, int]]]] = {}
    for contestant, found in entries(document, name).items():
        for _, entry in found if contestant in _STRATA_OF else []:
            for stratum, shares in entry["figures"]["recall_by"].items():
                of = counts.setdefault(stratum, {}).setdefault(contestant, {})
                for category, share in shares.items():
                    n_found, n = of.get(category, (0.0, 0))
                    of[category] = n_found + share["value"] * share["n"], n + share["n"]
    return counts


def _categories(found: dict[str, dict[str, tuple[float, int]]]) -> list[str]:
    n_of = {category: n for one in found.values() for category, (_, n) in one.items()}
    return sorted(category for category, n in n_of.items() if n >= _FEW_PAIRS)


def _wilson(n_found: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, n_found / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _colours(names: Sequence[str]) -> dict[str, str]:
    palette = (
        "#1b6ca8",
        "#d1662f",
        "#3d8f5f",
        "#8e5ea2",
        "#c9a227",
        "#5f6b73",
        "#b5446e",
        "#4fa3a5",
        "#222222",
    )
    return {name: palette[number % len(palette)] for number, name in enumerate(names)}


def _tidy(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", color="#eeeeee", zorder=-1)
    axis.set_axisbelow(True)
