"""What a comparison means, in plain sentences."""

from __future__ import annotations

import numpy as np

from pprl.cohort.comparison import Comparison, Verdict, base_name
from pprl.cohort.table import pooled_label

SHORT = {
    Verdict.INDISTINGUISHABLE: "like a perfect sample",
    Verdict.DIFFERS: "differs",
    Verdict.UNDEFINED: "not defined",
}


def sentence(comparison: Comparison) -> str:
    """One or two sentences on the adjusted distance and what chance could do to it."""
    one = comparison
    if one.adjusted is None or one.null is None or one.interval is None:
        if one.table.gap is None:
            return (
                f"{_title(one.attribute)}: the adjusted distance is not defined, since the count of people "
                "not "
                "reported is suppressed."
            )
        return (
            f"{_title(one.attribute)}: the adjusted distance is not defined, since it is reported of nobody."
        )
    n = round(float(one.pooled.cohort[:-1].sum()))
    chance = f"95 % of perfect samples of {n:,} people stay below {one.null:.4f}"
    if one.verdict is Verdict.INDISTINGUISHABLE:
        return (
            f"{_title(one.attribute)} cannot be told from perfect sampling: its adjusted distance is "
            f"{one.adjusted:.4f}, and {chance}."
        )
    low, high = one.interval
    text = (
        f"{_title(one.attribute)} differs from the reference: its adjusted distance is {one.adjusted:.4f} "
        "(95 % "
        f"interval {low:.4f} to {high:.4f}), and {chance}."
    )
    cohort, reference = _percent(one.pooled.cohort[:-1]), _percent(one.pooled.reference[:-1])
    over, under = int(np.argmax(cohort - reference)), int(np.argmin(cohort - reference))
    names = one.pooled.names
    return text + (
        f" Furthest above it is {names[over]} ({cohort[over]:.1f} % against {reference[over]:.1f} %), "
        "furthest below "
        f"{names[under]} ({cohort[under]:.1f} % against {reference[under]:.1f} %)."
    )


def missing_sentence(comparison: Comparison) -> str:
    """What the people not reported could do to the verdict; empty where there are none."""
    one = comparison
    if one.bounds is None or one.null is None or one.adjusted is None:
        return ""
    cohort, reference = _percent(one.pooled.cohort)[-1], _percent(one.pooled.reference)[-1]
    if cohort == 0.0 and reference == 0.0:
        return ""
    low, high = one.bounds
    text = (
        f"Not reported are {cohort:.1f} % of the cohort and {reference:.1f} % of the reference; whoever "
        "they are, the "
        f"distance lies between {low:.4f} and {high:.4f}"
    )
    if one.verdict is Verdict.DIFFERS:
        if low <= one.null:
            return text + ", so they alone could account for the difference."
        return text + ", so they alone cannot account for the difference."
    if high > one.null:
        return text + ", so a difference could be hidden among them."
    return text + ", so no difference can be hidden among them."


def notes(comparison: Comparison) -> list[str]:
    """Remarks a reader needs to judge the figures by."""
    one, remarks = comparison, []
    table, population = one.table, one.population
    if table.hidden:
        names = pooled_label([table.names[cell] for cell in table.hidden_cells])
        if table.suppressed_here:
            how = "all distances were computed with them as one category, from what is shown only"
        else:
            how = "the counts are suppressed in the cohort's file and follow together by subtraction"
        text = f"Together {table.pooled_count:,} people are {names}: {how}."
        if one.suppressed_range is not None and one.adjusted is not None and not table.suppressed_here:
            low, high = one.suppressed_range[1]
            text += f" However they divide, the adjusted distance lies between {low:.4f} and {high:.4f}."
        remarks.append(text)
    if table.withheld:
        remarks.append(
            "Some of the cohort's values were withheld for privacy, which happens to rare groups first: "
            "they are not "
            "missing at random, and the adjusted distance cannot correct for it."
        )
    if population.suppressed:
        share = 100.0 * population.suppressed / (population.weights.sum() + population.gap)
        remarks.append(
            f"{share:.1f} % of the reference were withheld for privacy, which happens to rare groups "
            "first: they are "
            "not missing at random, and the adjusted distance cannot correct for it."
        )
    return remarks


def base_sentence(base: float) -> str:
    """Says which logarithm the distances have, and so what their greatest value is."""
    most = float(np.sqrt(np.log(2.0) / np.log(base)))
    return (
        f"Jensen-Shannon distances with logarithms in base {base_name(base)}: 0 "
        f"is equal, {most:.4g} is disjoint."
    )


def _percent(weights: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
    shares: np.typing.NDArray[np.float64] = 100.0 * weights / weights.sum()
    return shares


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]
