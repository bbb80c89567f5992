"""The evidence of a run's pairs as a Parquet file, for `pprl-broker explain`: weights in bits, what was seen in words.

::

    left_dataset, left_record, right_dataset, right_record      as in links.parquet
    probability       six digits, that of links.parquet where the pair is a link
    outcome           linked, below threshold, another chosen, dropped
    others            share of the probability that other candidates of either record take
    prior, intercept  weights that every pair of the comparison has
    weight:PART, seen:PART      for each part compared; null in a comparison without the part
    competition       weight that other candidates take from the log odds, or within a dataset links of either change

``prior + intercept + weight:... + competition`` is the binary logarithm of the odds ``probability`` stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from broker.matching.conclude import Comparison
from broker.matching.evidence.model import BITS_PER_NAT
from broker.matching.explain import Explained
from broker.matching.pipeline import Linkage
from broker.tables import ROWS_PER_BATCH
from pprl.guid import guid_column

EVIDENCE_VERSION = 1
LINKED, BELOW, ANOTHER, DROPPED = OUTCOMES = ("linked", "below threshold", "another chosen", "dropped")
"""Outcomes. Dropped is a link whose entity would have held two records of a duplicate-free dataset."""

_DIGITS = 4
_WORDS = pa.dictionary(pa.int32(), pa.string())
_VERSION = b"pprl_evidence_version"
_HEAD = [
    pa.field("left_dataset", _WORDS),
    pa.field("left_record", pa.string()),
    pa.field("right_dataset", _WORDS),
    pa.field("right_record", pa.string()),
    pa.field("probability", pa.float64()),
    pa.field("outcome", _WORDS),
    pa.field("others", pa.float32()),
    pa.field("prior", pa.float32()),
    pa.field("intercept", pa.float32()),
]


def evidence_schema(linkage: Linkage) -> pa.Schema:
    """Columns of the table: those of all parts that some comparison has."""
    parts = dict.fromkeys(part for c in linkage.comparisons for part in c.explained.parts)
    fields = [
        field
        for part in parts
        for field in (pa.field(f"weight:{part}", pa.float32()), pa.field(f"seen:{part}", _WORDS))
    ]
    return pa.schema(
        [*_HEAD, *fields, pa.field("competition", pa.float32())],
        metadata={_VERSION: str(EVIDENCE_VERSION), "unit": "bits"},
    )


def version_of(schema: pa.Schema) -> str:
    """What the file says its version is; empty where it says nothing."""
    return str((schema.metadata or {}).get(_VERSION, b"").decode("ascii", "replace"))


def outcomes(linkage: Linkage, comparison: Comparison) -> npt.NDArray[np.int8]:
    """Of each explained pair of a comparison, the number of its outcome in `OUTCOMES`."""
    found = comparison.explained
    starts = linkage.starts
    left, right = starts[comparison.left] + found.pairs.left, starts[comparison.right] + found.pairs.right
    together = linkage.entity[left] == linkage.entity[right]
    return np.select(
        [found.chosen & together, found.chosen, found.posterior < linkage.threshold],
        [OUTCOMES.index(LINKED), OUTCOMES.index(DROPPED), OUTCOMES.index(BELOW)],
        OUTCOMES.index(ANOTHER),
    ).astype(np.int8)


def evidence_batches(linkage: Linkage) -> Iterator[pa.RecordBatch]:
    """The explained pairs, comparison by comparison, in the order of their rows."""
    schema = evidence_schema(linkage)
    for comparison in linkage.comparisons:
        outcome = outcomes(linkage, comparison)
        for start in range(0, len(outcome), ROWS_PER_BATCH):
            some = slice(start, start + ROWS_PER_BATCH)
            n = len(outcome[some])
            columns = _columns(linkage, comparison, outcome[some], some)
            arrays = [columns.get(field.name, pa.nulls(n, field.type)) for field in schema]
            yield pa.record_batch(arrays, schema=schema)


def evidence_row(linkage: Linkage, comparison: Comparison, number: int) -> dict[str, Any]:
    """One of the explained pairs of a comparison, as a row of the table."""
    some = slice(number, number + 1)
    columns = _columns(linkage, comparison, outcomes(linkage, comparison)[some], some)
    return {name: column[0].as_py() for name, column in columns.items()}


def weights_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Probability and weights from a row of the evidence table."""
    parts = [
        {
            "part": name.removeprefix("weight:"),
            "seen": row[f"seen:{name.removeprefix('weight:')}"],
            "weight": round(weight, _DIGITS),
        }
        for name, weight in row.items()
        if name.startswith("weight:") and weight is not None
    ]
    return {
        "probability": row["probability"],
        "prior": round(row["prior"], _DIGITS),
        "intercept": round(row["intercept"], _DIGITS),
        "parts": parts,
        "log_odds": round(log_odds(row), _DIGITS),
        "within": row["left_dataset"] == row["right_dataset"],
        "others": round(row["others"], 6),
        "competition": round(row["competition"], _DIGITS),
    }


def log_odds(row: Mapping[str, Any]) -> float:
    """Of the pair alone, its rivals apart; in bits, from a row of the table."""
    parts = sum(weight for name, weight in row.items() if name.startswith("weight:") and weight is not None)
    return float(row["prior"] + row["intercept"] + parts)


def write_evidence(path: Path, linkage: Linkage) -> None:
    """Write the file, readable by its owner alone.

    Raises
    ------
    OSError
        As of a disk that is full.
    """
    schema = evidence_schema(linkage)
    plain = {"left_record", "right_record", "competition", "others"}
    options = {
        "compression": "zstd",
        "use_dictionary": [name for name in schema.names if name not in plain],
    }
    path.touch(mode=0o600)
    with path.open("wb") as file, pq.ParquetWriter(file, schema, **options) as writer:
        for batch in evidence_batches(linkage):
            writer.write_batch(batch)


def _columns(
    linkage: Linkage, comparison: Comparison, outcome: npt.NDArray[np.int8], some: slice
) -> dict[str, pa.Array]:
    found = comparison.explained
    n, pattern = len(outcome), found.pattern[some]
    columns = {
        "probability": pa.array(_rounded(found, linkage.threshold, some)),
        "outcome": _words(outcome, OUTCOMES),
        "others": _floats(found.others[some]),
        "prior": _floats(np.full(n, found.prior * BITS_PER_NAT)),
        "intercept": _floats(np.full(n, found.intercept * BITS_PER_NAT)),
        "competition": _floats(found.competition[some] * BITS_PER_NAT),
    }
    for side in ("left", "right"):
        dataset = linkage.datasets[getattr(comparison, side)]
        columns[f"{side}_dataset"] = _words(np.zeros(n), (dataset.name,))
        columns[f"{side}_record"] = guid_column(dataset.guids[getattr(found.pairs, side)[some]])
    for part, seen in enumerate(found.seen):
        columns[f"weight:{seen.part}"] = _floats(found.weights[pattern, part] * BITS_PER_NAT)
        columns[f"seen:{seen.part}"] = _words(seen.which[pattern], seen.texts)
    return columns


def _rounded(found: Explained, threshold: float, some: slice) -> npt.NDArray[np.float64]:
    """Six digits that leave no pair on the other side of the threshold, as in links.parquet, and none certain."""
    posterior = found.posterior[some]
    near = np.clip(np.round(posterior, 6), threshold, 1 - 1e-6)
    return np.where(posterior >= threshold, near, np.floor(posterior * 1e6) / 1e6)


def _words(which: npt.NDArray[np.generic], texts: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(which.astype(np.int32)), pa.array(texts, pa.string()))


def _floats(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values.astype(np.float32))
