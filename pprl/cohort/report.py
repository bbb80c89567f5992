"""The report: JSON for machines, Markdown for people, and the figure, in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pprl.cohort.comparison import Comparison, Representation, base_name
from pprl.cohort.description import Description
from pprl.cohort.table import pooled_label
from pprl.cohort.wording import SHORT, base_sentence, missing_sentence, notes, sentence
from pprl.distance import Floats
from pprl.files import new_folder

REPORT_VERSION = 1


def write_report(representation: Representation, folder: str | Path) -> Path:
    """Write represent.json, represent.md, figure.svg and figure.png into a new folder.

    Parameters
    ----------
    representation : Representation
        What to report.
    folder : str or Path
        Appears when all is written; an older report of that name is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    PprlError
        Where the folder cannot be written, or holds something else.
    """
    from pprl.cohort.figure import draw

    with new_folder(folder) as place:
        (place / "represent.json").write_text(to_json(representation), encoding="utf-8")
        (place / "represent.md").write_text(to_markdown(representation), encoding="utf-8")
        draw(representation, svg=place / "figure.svg", png=place / "figure.png")
    return Path(folder)


def to_json(representation: Representation) -> str:
    """The whole result as JSON text; suppressed counts are null. Equal results give equal bytes."""
    one = representation
    content = {
        "version": REPORT_VERSION,
        "cohort": {"name": one.cohort, "n": one.n},
        "reference": one.reference,
        "maps": list(one.maps),
        "distance": "jensen-shannon",
        "base": base_name(one.base),
        "seed": one.seed,
        "n_resamples": one.n_resamples,
        "suppress": one.suppress,
        "suppressed_as": one.suppressed_as,
        "attributes": [_comparison(comparison) for comparison in one.comparisons],
        "described": [_description(description) for description in one.descriptions],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_rows(representation: Representation) -> list[tuple[str, ...]]:
    """The summary as rows of text, the header first."""
    rows: list[tuple[str, ...]] = [
        ("attribute", "n", "raw", "adjusted", "95 % interval", "null 95 %", "verdict")
    ]
    for one in representation.comparisons:
        rows.append(
            (
                one.attribute,
                f"{one.table.n:,}",
                f"{one.raw:.4f}",
                "-" if one.adjusted is None else f"{one.adjusted:.4f}",
                "-" if one.interval is None else f"{one.interval[0]:.3f}-{one.interval[1]:.3f}",
                "-" if one.null is None else f"{one.null:.3f}",
                SHORT[one.verdict],
            )
        )
    return rows


def to_markdown(representation: Representation) -> str:
    """The report a person reads."""
    one = representation
    lines = [
        "# How representative the cohort is",
        "",
        f"Cohort: {_cell(one.cohort)}, {one.n:,} people. Reference: {_cell(one.reference)}.",
        "",
        f'{base_sentence(one.base)} *Raw* counts "Not reported" as a category; *adjusted* leaves it out on '
        "both "
        "sides, which is right where answers are missing at random. The *null* is the distance that 95 % "
        "of perfect "
        f"samples of the same size stay below. Intervals and null: {one.n_resamples:,} resamples, seed "
        f"{one.seed}.",
        "",
    ]
    if one.suppress >= 2:
        lines += [
            f"Counts of 1 to {one.suppress - 1} are suppressed, with as many others as keep them from "
            "being found by "
            "subtraction; the distances follow from what is shown.",
            "",
        ]
    lines += _table([*to_rows(one)], left={0, 6})
    lines += ["", "![Cohort and reference, category by category](figure.svg)", ""]
    for comparison, description in zip(one.comparisons, one.descriptions, strict=False):
        lines += _section(comparison, description)
    rest = one.descriptions[len(one.comparisons) :]
    if rest:
        lines += ["# Described only", "", "The reference has nothing to compare these with.", ""]
        for description in rest:
            lines += _described(description)
    lines += ["# Sources", ""]
    sources = dict.fromkeys(text for comparison in one.comparisons for text in comparison.population.sources)
    lines += [f"- {_cell(text)}" for text in sources] or ["- none given"]
    lines += [f"- Category maps, in order: {', '.join(map(_cell, one.maps)) or 'none'}", ""]
    return "\n".join(lines)


def _section(comparison: Comparison, description: Description) -> list[str]:
    lines = [f"## {_cell(comparison.attribute)}", "", sentence(comparison)]
    missing = missing_sentence(comparison)
    lines += ["", missing] if missing else []
    for remark in notes(comparison):
        lines += ["", remark]
    raw, reported = _reference_percent(comparison)
    rows = [
        ("category", "count", "cohort %", "reference %", "cohort % of reported", "reference % of reported")
    ]
    for place, line in enumerate(description.lines):
        rows.append(
            (
                line.category,
                "suppressed" if line.count is None else f"{line.count:,}",
                _percent(line.percent),
                _percent(raw[place]),
                _percent(line.percent_reported),
                _percent(reported[place]),
            )
        )
    if description.suppressed:
        share = 100.0 * description.suppressed_count / description.n
        rows.append(
            (
                pooled_label(description.suppressed),
                f"{description.suppressed_count:,}",
                _percent(share),
                "",
                "",
                "",
            )
        )
    return [*lines, "", *_table(rows, left={0}), "", _period(comparison), ""]


def _period(comparison: Comparison) -> str:
    population = comparison.population
    span = f", {population.start} to {population.end}" if population.start and population.end else ""
    place = f", {_cell(population.geography)}" if population.geography else ""
    return f"Reference: {population.kind.value}{span}{place}."


def _described(description: Description) -> list[str]:
    lines = [f"## {_cell(description.attribute)}", ""]
    if description.mean is not None:
        text = f"{description.mean:.2f} ± {description.sd:.2f} (mean ± standard deviation)"
        return [*lines, f"{text}, reported of {description.n_reported:,} of {description.n:,} people.", ""]
    rows = [("category", "count", "%", "% of reported")]
    for line in description.lines:
        count = "suppressed" if line.count is None else f"{line.count:,}"
        rows.append((line.category, count, _percent(line.percent), _percent(line.percent_reported)))
    if description.suppressed:
        share = 100.0 * description.suppressed_count / description.n
        rows.append(
            (pooled_label(description.suppressed), f"{description.suppressed_count:,}", _percent(share), "")
        )
    return [*lines, *_table(rows, left={0}), ""]


def _comparison(comparison: Comparison) -> dict[str, Any]:
    one, population = comparison, comparison.population
    raw, reported = _reference_percent(comparison)
    suppressed_range = None
    if one.suppressed_range is not None:
        suppressed_range = {
            "raw": _rounded(one.suppressed_range[0]),
            "adjusted": _rounded(one.suppressed_range[1]),
        }
    return {
        "attribute": one.attribute,
        "n": one.table.n,
        "n_reported": None if one.table.gap is None else one.table.n - one.table.gap,
        "raw": _rounded(one.raw),
        "adjusted": _rounded(one.adjusted),
        "interval_95": _rounded(one.interval),
        "null_95": _rounded(one.null),
        "null_share_as_far": _rounded(one.null_share),
        "missing_bounds": _rounded(one.bounds),
        "suppressed_range": suppressed_range,
        "verdict": one.verdict.value,
        "sentences": [text for text in (sentence(one), missing_sentence(one), *notes(one)) if text],
        "reference": {
            "kind": population.kind.value,
            "period_start": population.start.isoformat() if population.start else None,
            "period_end": population.end.isoformat() if population.end else None,
            "geography": population.geography or None,
            "sources": list(population.sources),
            "categories": [
                {"category": name, "percent": _rounded(raw[i]), "percent_reported": _rounded(reported[i])}
                for i, name in enumerate(one.table.names)
            ],
        },
    }


def _description(description: Description) -> dict[str, Any]:
    return {
        "attribute": description.attribute,
        "n": description.n,
        "n_reported": description.n_reported,
        "mean": _rounded(description.mean),
        "sd": _rounded(description.sd),
        "categories": [
            {
                "category": line.category,
                "count": line.count,
                "percent": _rounded(line.percent),
                "percent_reported": _rounded(line.percent_reported),
            }
            for line in description.lines
        ],
        "suppressed_categories": list(description.suppressed),
        "suppressed_count": description.suppressed_count if description.suppressed else None,
    }


def _reference_percent(comparison: Comparison) -> tuple[Floats, list[float | None]]:
    """Percentages of the reference, "Not reported" last: of all, and of those reported."""
    population = comparison.population
    everything = np.append(population.weights, population.gap)
    reported = [100.0 * float(weight) / float(population.weights.sum()) for weight in population.weights]
    return 100.0 * everything / everything.sum(), [*reported, None]


def _rounded(value: Any) -> Any:
    """Six decimals: beyond them is the rounding of the inputs."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return [round(float(part), 6) for part in value]
    return round(float(value), 6)


def _percent(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value >= 1.0 or value == 0.0 else f"{value:.2g}"


def _cell(text: str) -> str:
    """Text that does not break out of Markdown: no bars, no line ends, no tags."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _table(rows: Sequence[tuple[str, ...]], *, left: set[int]) -> list[str]:
    head, *body = rows
    rule = [":--" if place in left else "--:" for place in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *(tuple(map(_cell, row)) for row in body))]
