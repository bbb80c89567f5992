"""The report of a linkage run: one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import math
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from broker.strata_report import strata_charts
from broker.waterfall import waterfall_chart

_WIDTH, _HEIGHT = 860.0, 260.0
_LEFT, _BOTTOM, _TOP = 54.0, 44.0, 14.0
_LABEL_WIDTH = 70.0


def render_report(quality: dict[str, Any]) -> str:
    """Render the report.

    Parameters
    ----------
    quality : dict
        The content of quality.json.

    Returns
    -------
    str
        A whole HTML document.
    """
    environment = Environment(
        loader=PackageLoader("broker"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_filters(environment)
    charts = [histogram_chart(comparison["histogram"]) for comparison in quality["comparisons"]]
    by_class = [strata_charts(c["strata"], c["estimate"]["recall"]["value"]) for c in quality["comparisons"]]
    waterfalls = [
        [waterfall_chart(example, quality["threshold"]) for example in comparison["examples"]]
        for comparison in quality["comparisons"]
    ]
    return environment.get_template("report.html.j2").render(
        quality=quality, strata_charts=by_class, charts=charts, waterfalls=waterfalls
    )


def add_filters(environment: Environment) -> None:
    """Give an environment the filters of these templates, for pages that include some of them."""
    environment.filters["count"] = lambda number: f"{number:,}".replace(",", " ")
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    # A match key's name may be long: it may go on in the next line behind a plus.
    environment.filters["breakable"] = lambda text: escape(text).replace("+", Markup("+<wbr>"))
    environment.filters["figure"] = lambda number: f"{number:.4f}"


def histogram_chart(histogram: dict[str, Any]) -> dict[str, Any]:
    """Geometry of a histogram of weights: counts on a logarithmic axis, weights in bits along the bottom.

    Parameters
    ----------
    histogram : dict
        Of a comparison in quality.json.
    """
    edges: list[float] = histogram["edges"]
    between, null = histogram["between"], histogram["null"]
    decades = max(1, math.ceil(math.log10(max([10.0, *between, *null]))))
    low, high = edges[0], edges[-1]

    def x(weight: float) -> float:
        return round(_LEFT + (weight - low) / (high - low) * (_WIDTH - _LEFT), 1)

    def y(count: float) -> float:
        # One pair stands a little above the base line, so that it can be seen.
        share: float = (math.log10(count) + 0.25) / (decades + 0.25) if count >= 0.6 else 0.0
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)

    base, threshold = y(0), x(min(max(histogram["threshold"], low), high))
    # Its label stands to the right of the line, where there is room.
    label = {"x": threshold + 5, "anchor": "start"}
    if threshold > _WIDTH - _LABEL_WIDTH:
        label = {"x": threshold - 5, "anchor": "end"}
    bars = [
        {
            "x": x(left),
            "width": round(max(x(right) - x(left) - 1, 1), 1),
            "between_y": y(b),
            "between_height": round(base - y(b), 1),
            "null_y": y(n),
            "null_height": round(base - y(n), 1),
            "title": f"weight {left:.1f} to {right:.1f}: {b:,} pairs between, {n:,.0f} that cannot match",
        }
        for left, right, b, n in zip(edges[:-1], edges[1:], between, null, strict=True)
    ]
    step = max(1, round((high - low) / 10 / 5) * 5)
    first = math.ceil(low / step) * step
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "base": base,
        "bars": bars,
        "threshold": threshold,
        "threshold_label": label,
        "ticks_x": [
            {"x": x(tick), "label": f"{tick:g}"} for tick in range(first, math.floor(high) + 1, step)
        ],
        "ticks_y": [{"y": y(10**power), "label": _short(10**power)} for power in range(decades + 1)],
    }


def _short(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count // size}{letter}"
    return str(count)
