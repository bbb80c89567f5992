"""Found links and entities against the truth, and what pprl said of itself beside what is true."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.scoring import among, recall_by, score_clusters, score_links
from benchmarks.truth import Truth, dataset_of

Document = dict[str, Any]

MEASURES = ("precision", "recall", "f1")
BIN_WIDTH = 0.25
"""Of the histogram of links, in units of log odds."""


def figures(
    links: pd.DataFrame, clusters: pd.DataFrame, truth: Truth, strata: pd.DataFrame, *, seed: int = 0
) -> Document:
    """Score links and entities.

    Parameters
    ----------
    links : DataFrame
        ``left_id``, ``right_id``, qualified record ids.
    clusters : DataFrame
        ``record_id``, ``cluster_id``.
    truth : Truth
        Who is who.
    strata : DataFrame
        As of `benchmarks.accuracy.strata.strata_of`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``links``, ``entities`` and ``recall_by`` stratum and category; plain numbers, None for what is not defined.
    """
    return {
        "links": plain(asdict(score_links(links, truth.pairs, symmetric=True, seed=seed))),
        "entities": plain(asdict(score_clusters(clusters, truth.people, seed=seed))),
        "recall_by": {
            str(name): {
                category: plain(asdict(share))
                for category, share in recall_by(links, truth.pairs, column.dropna(), seed=seed).items()
            }
            for name, column in strata.items()
        },
    }


def estimates(run: Path, links: pd.DataFrame, truth: Truth) -> Document:
    """Hold what a run's ``quality.json`` says of its links against the truth.

    Parameters
    ----------
    run : Path
        The broker's folder.
    links : DataFrame
        Its links, with ``probability``.
    truth : Truth
        Who is who.

    Returns
    -------
    dict
        ``comparisons``: of every two datasets, or one with itself, the estimates and the truth at each threshold;
        ``histogram``: links by probability, with how many of them are true.
    """
    quality = json.loads((run / "quality.json").read_bytes())
    is_true = among(links, truth.pairs)
    link_side, true_side = _datasets(links), _datasets(truth.pairs)
    comparisons = []
    for told in quality["comparisons"]:
        names = {told["left"], told["right"]}
        here = link_side.map(names.__eq__).to_numpy()
        n_true = int(true_side.map(names.__eq__).sum())
        comparisons.append(
            {
                "left": told["left"],
                "right": told["right"],
                "expected_matches": told["expected_matches"],
                "true_matches": n_true,
                "doubts": told["doubts"],
                "converged": told["converged"],
                "thresholds": [
                    _beside(one, links["probability"].to_numpy()[here], is_true[here], n_true)
                    for one in (told["estimate"], *told["by_threshold"])
                ],
            }
        )
    return {"comparisons": comparisons, "histogram": histogram(links["probability"].to_numpy(), is_true)}


def histogram(probability: np.ndarray[Any, Any], is_true: np.ndarray[Any, Any]) -> list[Document]:
    """Count links and true ones by probability, in bins of equal width of log odds; empty bins are left out."""
    near = np.clip(probability, 1e-9, 1 - 1e-9)
    bins = np.floor(np.log(near / (1 - near)) / BIN_WIDTH).astype(int)
    rows = []
    for number in np.unique(bins):
        here = bins == number
        rows.append(
            {
                "log_odds": float(number * BIN_WIDTH),
                "links": int(here.sum()),
                "expected": round(float(probability[here].sum()), 6),
                "true": int(is_true[here].sum()),
            }
        )
    return rows


def plain(value: Any) -> Any:
    """Make what `dataclasses.asdict` gives fit for JSON: lists for tuples, six decimals, None for nan."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value


def _datasets(pairs: pd.DataFrame) -> pd.Series:
    """Of each pair, the set of the datasets it is of."""
    ends = [dataset_of(pairs[end]) for end in ("left_id", "right_id")]
    return pd.Series([{left, right} for left, right in zip(*ends, strict=True)], dtype=object)


def _beside(
    told: Document, probability: np.ndarray[Any, Any], is_true: np.ndarray[Any, Any], n_true: int
) -> Document:
    chosen = probability >= told["threshold"] - 1e-9
    n_links, n_right = int(chosen.sum()), int(is_true[chosen].sum())
    found = {
        "precision": n_right / n_links if n_links else math.nan,
        "recall": n_right / n_true if n_true else math.nan,
        "f1": 2 * n_right / (n_links + n_true) if n_links + n_true else math.nan,
    }
    return {
        "threshold": told["threshold"],
        "links_told": told["links"],
        "links": n_links,
        "estimate": {name: told[name] for name in MEASURES},
        "truth": plain(found),
    }
