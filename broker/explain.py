"""Answers from a run's folder: why two records were linked or not, and which candidates a record has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from broker.evidence_table import (
    ANOTHER,
    BELOW,
    DROPPED,
    EVIDENCE_VERSION,
    LINKED,
    log_odds,
    version_of,
    weights_of,
)
from broker.matching.explain import LEAST_POSTERIOR
from broker.waterfall import threshold_bits
from pprl.errors import PprlError
from pprl.guid import from_text, to_text

NOT_KEPT, NOT_COMPARED = "not kept", "not compared"
"""Outcomes of pairs besides those of `broker.evidence_table`."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A linkage run's folder.

    Attributes
    ----------
    path : Path
    threshold : float
    duplicate_free : dict of str to bool
        By dataset.
    """

    path: Path
    threshold: float
    duplicate_free: dict[str, bool]

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open the folder that `pprl-broker link` wrote.

        Raises
        ------
        PprlError
            It is none, or holds no evidence that can be read here.
        """
        try:
            quality = json.loads((path / "quality.json").read_bytes())
            duplicate_free = {d["dataset"]: bool(d["duplicate_free"]) for d in quality["datasets"]}
            run = cls(path, float(quality["threshold"]), duplicate_free)
        except OSError:
            raise PprlError(
                f"{path}: is not the folder of a linkage run: no quality.json to read; give the --out of "
                "pprl-broker link"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise PprlError(f"{path}/quality.json: is damaged; link again") from None
        if not run._evidence.exists():
            raise PprlError(
                f"{path}: holds no evidence.parquet: an older program made this run, or the file was taken away; "
                "link again"
            )
        version = version_of(_reading(run._evidence, pq.read_schema))
        if version != str(EVIDENCE_VERSION):
            raise PprlError(
                f"{run._evidence}: is of version {version or 'none'}, and {EVIDENCE_VERSION} is known here; "
                "use the program that made the run"
            )
        return run

    def record(self, guid: str) -> Answer:
        """Dataset and entity of a record.

        Raises
        ------
        PprlError
            No record of the run has this GUID.
        """
        found = self._rows("entities.parquet", pc.field("record_guid") == guid)
        if not found:
            raise PprlError(f"{self.path}: no record of this run has the GUID {guid}")
        return {"dataset": found[0]["dataset"], "record": guid, "entity": found[0]["entity_guid"]}

    def evidence_of(self, *guids: str) -> list[Answer]:
        """Rows of the evidence table of these records."""
        mine = pc.field("left_record").isin(guids) | pc.field("right_record").isin(guids)
        return self._rows("evidence.parquet", mine)

    @property
    def _evidence(self) -> Path:
        return self.path / "evidence.parquet"

    def _rows(self, name: str, which: pc.Expression) -> list[Answer]:
        path = self.path / name
        rows: list[Answer] = _reading(
            path, lambda path: ds.dataset(path, format="parquet").to_table(filter=which).to_pylist()
        )
        return rows


def explain_pair(run: Run, one: str, two: str) -> Answer:
    """Explain why two records were linked, or why not.

    Parameters
    ----------
    run : Run
        Where to look.
    one, two : str
        Record GUIDs, in any order.

    Returns
    -------
    dict
        ``left``, ``right`` (dataset and record), ``outcome``, ``linked``, ``why``, ``threshold``,
        ``one_entity``, and ``instead``, the links that either record has to the other's dataset. Where evidence was
        kept also ``probability``, ``prior``, ``intercept``, ``parts``, ``log_odds``, ``within`` (one dataset),
        ``others``, ``competition``; weights in bits.

    Raises
    ------
    PprlError
        A GUID is none, is not of the run, or both are the same.
    """
    guids = [_guid(text, name) for text, name in ((one, "LEFT_GUID"), (two, "RIGHT_GUID"))]
    if guids[0] == guids[1]:
        raise PprlError("LEFT_GUID and RIGHT_GUID are one record; give two, or one to see its candidates")
    ends = [run.record(guid) for guid in guids]
    rows = run.evidence_of(*guids)
    row = next((row for row in rows if {row["left_record"], row["right_record"]} == set(guids)), None)
    if row is not None and row["left_record"] != guids[0]:
        ends.reverse()
    outcome = row["outcome"] if row is not None else _outcome_without_evidence(run, ends)
    datasets = {end["dataset"] for end in ends}
    instead = [
        other
        for end in ends
        for other in _candidates(rows, end["record"])
        if other["outcome"] in (LINKED, DROPPED)
        and {end["dataset"], other["dataset"]} == datasets
        and other["record"] not in guids
    ]
    answer: Answer = {
        "left": _name(ends[0]),
        "right": _name(ends[1]),
        "outcome": outcome,
        "linked": outcome == LINKED,
        "why": _why(run, outcome, ends[0]["dataset"], row),
        "threshold": run.threshold,
        "one_entity": ends[0]["entity"] == ends[1]["entity"],
        "unit_of_weights": "bits",
    }
    return answer | ({} if row is None else weights_of(row)) | {"instead": instead}


def explain_record(run: Run, one: str) -> Answer:
    """Tell the candidates of a record of which evidence was kept, the likeliest first.

    Returns
    -------
    dict
        ``record``, ``threshold`` and ``candidates``, each with dataset, record, probability, log odds of the pair alone
        in bits, and outcome.

    Raises
    ------
    PprlError
        As of `explain_pair`.
    """
    end = run.record(_guid(one, "LEFT_GUID"))
    candidates = _candidates(run.evidence_of(end["record"]), end["record"])
    return {
        "record": _name(end),
        "threshold": run.threshold,
        "unit_of_weights": "bits",
        "candidates": candidates,
    }


def _candidates(rows: list[Answer], guid: str) -> list[Answer]:
    """The other ends of a record's rows."""
    found = []
    for row in rows:
        for mine, other in (("left", "right"), ("right", "left")):
            if row[f"{mine}_record"] == guid:
                found.append(
                    {
                        "dataset": row[f"{other}_dataset"],
                        "record": row[f"{other}_record"],
                        "probability": row["probability"],
                        "log_odds": round(log_odds(row), 4),
                        "outcome": row["outcome"],
                    }
                )
    return sorted(found, key=lambda one: (-one["probability"], -one["log_odds"], one["record"]))


def _outcome_without_evidence(run: Run, ends: list[Answer]) -> str:
    one, two = (end["dataset"] for end in ends)
    return NOT_COMPARED if one == two and run.duplicate_free.get(one, False) else NOT_KEPT


def _why(run: Run, outcome: str, dataset: str, row: Answer | None) -> str:
    if row is not None and outcome == BELOW and log_odds(row) >= threshold_bits(run.threshold):
        return "by its own evidence alone it would be a link, but other candidates are likelier"
    return {
        LINKED: f"the probability is not below the threshold {run.threshold:g}",
        BELOW: f"the probability is below the threshold {run.threshold:g}",
        ANOTHER: "another pair was chosen, and a record has at most one match in a duplicate-free dataset",
        DROPPED: "chosen at first, then dropped: other pairs of the records it would have joined spoke against it, "
        "such as two records of a duplicate-free dataset",
        NOT_KEPT: "never a candidate, neither near by filter nor with a match key in common that few others share; or "
        f"one with a probability below {LEAST_POSTERIOR:g}",
        NOT_COMPARED: f"both are records of {dataset}, which is said to hold no person twice, and were not compared",
    }[outcome]


def _name(end: Answer) -> Answer:
    return {"dataset": end["dataset"], "record": end["record"]}


def _guid(text: str, argument: str) -> str:
    try:
        return to_text(from_text([text]))[0]
    except ValueError:  # what was typed may be a local id: it is not repeated
        raise PprlError(
            f"{argument} is not a record's GUID: expected 36 characters as in links.csv, hexadecimal digits 8-4-4-4-12"
        ) from None


def _reading(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except FileNotFoundError:
        raise PprlError(f"{path}: is missing; link again") from None
    except PermissionError:
        raise PprlError(f"{path}: may not be read by this user; ask the broker's operator") from None
    except (OSError, pa.ArrowException):
        raise PprlError(f"{path}: cannot be read as a Parquet file; link again") from None
