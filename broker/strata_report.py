"""What a run says of its strata: for quality.json, in words, and as small charts of recall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from broker.matching.quality import Interval
from broker.matching.strata import Distance, Group, Lower, Stratum

_WIDTH, _MARGIN = 170.0, 4.0
_STEP = 0.05


def describe_strata(strata: Sequence[Stratum], names: Sequence[str]) -> list[dict[str, Any]]:
    """What quality.json says of a comparison's strata.

    Parameters
    ----------
    strata : sequence of Stratum
        Of one comparison.
    names : sequence of str
        Of the datasets.
    """
    return [
        {
            "stratum": stratum.name,
            "dataset": names[stratum.dataset],
            "groups": [_describe_group(group) for group in stratum.groups],
            "lower": [_describe_lower(lower, stratum, names[stratum.dataset]) for lower in stratum.lower],
            "distance_with_match": _describe_distance(stratum.before),
            "distance_linked": _describe_distance(stratum.after),
        }
        for stratum in strata
    ]


def strata_charts(strata: Sequence[dict[str, Any]], overall: float) -> list[dict[str, Any]]:
    """Geometry of the charts of recall; both datasets of a stratum have the same axis.

    Parameters
    ----------
    strata : sequence of dict
        As of `describe_strata`.
    overall : float
        Recall of all records, drawn as a line.

    Returns
    -------
    list of dict
        For each stratum: ``low`` is the share at the left end, the right end is 1; ``rows`` has for each of its
        groups places of value, low and high, or None.
    """
    return [
        _chart(one, overall, [other for other in strata if other["stratum"] == one["stratum"]])
        for one in strata
    ]


def _chart(one: dict[str, Any], overall: float, alike: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shown = [group["recall"] for other in alike for group in other["groups"] if group["recall"]]
    least = min([overall, *(recall["low"] for recall in shown)])
    low: float = max(min(math.floor(least / _STEP) * _STEP, 1 - _STEP), 0.0)

    def x(share: float) -> float:
        return round(_MARGIN + (max(share, low) - low) / (1 - low) * (_WIDTH - 2 * _MARGIN), 1)

    def row(recall: dict[str, float] | None) -> dict[str, float] | None:
        if recall is None:
            return None
        left, right = x(recall["low"]), x(recall["high"])
        return {"x": x(recall["value"]), "left": left, "width": round(max(right - left, 1.0), 1)}

    return {
        "width": _WIDTH,
        "low": low,
        "start": x(low),
        "end": x(1),
        "overall": x(overall),
        "rows": [row(group["recall"]) for group in one["groups"]],
    }


def _describe_group(group: Group) -> dict[str, Any]:
    rate = group.linked / group.records if group.records and group.linked is not None else None
    return {
        "category": group.category,
        "records": group.records,
        "linked": group.linked,
        "match_rate": None if rate is None else round(rate, 4),
        "expected_matches": None if group.expected is None else round(group.expected, 1),
        "recall": _describe_interval(group.recall),
        "precision": _describe_interval(group.precision),
    }


def _describe_lower(lower: Lower, stratum: Stratum, dataset: str) -> dict[str, Any]:
    here, others, name = lower.recall, lower.others, stratum.name.replace("_", " ")
    return {
        "category": lower.category,
        "recall": _describe_interval(here),
        "others": _describe_interval(others),
        "says": (
            f"{name} {lower.category} of {dataset}: an estimated {100 * here.value:.1f} % of the matches are "
            f"linked (95 % interval {100 * here.low:.1f} to {100 * here.high:.1f}), of the others "
            f"{100 * others.value:.1f} %"
        ),
    }


def _describe_interval(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {
        "value": round(interval.value, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }


def _describe_distance(distance: Distance | None) -> dict[str, float] | None:
    if distance is None:
        return None
    return {
        "value": round(distance.value, 4),
        "chance_low": round(distance.chance_low, 4),
        "chance_high": round(distance.chance_high, 4),
    }
