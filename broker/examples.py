"""Pairs that show at a glance what a comparison goes by; as JSON, without a GUID."""

from __future__ import annotations

from typing import Any

import numpy as np

from broker.evidence_table import LINKED, OUTCOMES, evidence_row, outcomes, weights_of
from broker.matching.conclude import Comparison
from broker.matching.pipeline import Linkage

TYPICAL, LEAST_SURE, NOT_LINKED = "typical link", "least probable link", "likeliest pair not linked"


def examples(linkage: Linkage, comparison: Comparison) -> list[dict[str, Any]]:
    """A typical link, the least probable one, and the likeliest pair that is not linked.

    Returns
    -------
    list of dict
        ``example`` says which it is, ``outcome`` what became of it; the rest as of
        `broker.evidence_table.weights_of`. What a comparison has not is left out.
    """
    found = comparison.explained
    log_odds, linked = found.log_odds, outcomes(linkage, comparison) == OUTCOMES.index(LINKED)
    ours, others = np.flatnonzero(linked), np.flatnonzero(~linked)
    chosen: dict[int, str] = {}
    if len(ours):
        by_evidence = ours[np.argsort(log_odds[ours], kind="stable")]
        chosen[int(by_evidence[(len(ours) - 1) // 2])] = TYPICAL
        chosen.setdefault(int(ours[np.lexsort((log_odds[ours], found.posterior[ours]))[0]]), LEAST_SURE)
    if len(others):
        chosen[int(others[np.lexsort((-log_odds[others], -found.posterior[others]))[0]])] = NOT_LINKED
    rows = {title: evidence_row(linkage, comparison, number) for number, title in chosen.items()}
    return [{"example": title, "outcome": row["outcome"], **weights_of(row)} for title, row in rows.items()]
