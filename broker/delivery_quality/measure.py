"""The quality of a delivery, put together from what its parts say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from broker.delivery_quality.drift import fill_distance, share_differs
from broker.delivery_quality.frequent import Frequent, frequent_values
from broker.delivery_quality.repeated import Repeated, repeated_records
from broker.delivery_quality.sentences import warnings_of
from broker.delivery_quality.shown import shown_part, shown_patterns
from broker.delivery_quality.survey import Bits, Survey, survey
from broker.matching.dataset import Dataset
from pprl.package import Manifest
from pprl.suppression import SMALL, cells_to_hide

VERSION = 1
N_PATTERNS = 12
"""Patterns of presence that are shown, at most."""

_EMPTY = 0.01  # a field that hardly any record has
_SHRUNK, _GROWN = 0.8, 1.5  # records against the last delivery
_REPEATED = 0.005  # of the records
_CHANGED = 0.5  # of those that stayed
_ENOUGH = 100  # records to compare by
_FEW = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """Records of a delivery against the last one, by their GUIDs.

    Attributes
    ----------
    added, changed, removed : int
        New; there before, with other tokens; gone.
    """

    added: int
    changed: int
    removed: int


def measure_quality(
    dataset: Dataset,
    manifest: Manifest,
    last: Mapping[str, Any] | None = None,
    *,
    changes: Changes | None = None,
    smallest: int = SMALL,
) -> dict[str, Any]:
    """Measure a delivery, and compare it with the last one of its dataset.

    Parameters
    ----------
    dataset : Dataset
        The delivery's tokens.
    manifest : Manifest
        Its manifest.
    last : mapping or None
        What this function said of the dataset's last accepted delivery; None: there is none. What another version
        said counts as none; fills made under another schema or linkage key are not compared.
    changes : Changes or None
        By the records' GUIDs, where they are known; None also where no record of the last delivery came again.
    smallest : int
        The project's smallest count: what is smaller is not shown.

    Returns
    -------
    dict
        For JSON; docs/intake.md has its entries. Equal inputs give equal answers.

    Notes
    -----
    Rows are gone through in chunks. Of datasets of more than a million or two records over-frequent values are looked
    for among a fixed number of rows, and like records among those of a fixed number of tokens, so that memory
    does not grow with the dataset.
    """
    last = last if last is not None and last.get("version") == VERSION else None
    found = survey(dataset)
    shown = shown_patterns(
        found.masks,
        found.counts,
        n_fields=len(dataset.schema.fields),
        at_most=N_PATTERNS,
        smallest=smallest,
    )
    patterns = [_describe_pattern(dataset, found, place) for place in shown]
    fill = _describe_fill(dataset, found, shown, smallest)
    n_looked_at, frequent = frequent_values(dataset, smallest=smallest)
    quality: dict[str, Any] = {
        "version": VERSION,
        "dataset": manifest.dataset,
        "sequence": manifest.sequence,
        "schema_sha256": manifest.schema_sha256,
        "key_check": manifest.key_check,
        "smallest_count": smallest,
        "compared_with": None if last is None else last["sequence"],
        "records": _describe_size(len(dataset), last, smallest),
        "changes": None if changes is None else _describe_changes(changes, len(dataset), smallest),
        "fields": _describe_fields(dataset, found, last, smallest),
        "patterns": patterns,
        "other_patterns": len(dataset) - sum(one["records"] for one in patterns),
        "fill": fill,
        "fill_drift": _describe_fill_drift(fill, manifest, last),
        "over_frequent": {
            "looked_at": n_looked_at,
            "values": [_describe_frequent(one, n_looked_at, smallest) for one in frequent],
        },
        "alike": _describe_repeated(repeated_records(dataset), manifest, len(dataset), smallest),
    }
    quality["warnings"] = warnings_of(quality)
    quality["verdict"] = "look into" if quality["warnings"] else "good"
    return quality


def _describe_size(n: int, last: Mapping[str, Any] | None, smallest: int) -> dict[str, Any]:
    if last is None:
        return {"count": n, "last": None, "verdict": "first"}
    before = int(last["records"]["count"])
    verdict = "as before"
    if abs(n - before) >= max(smallest, 1) and not _SHRUNK * before <= n <= _GROWN * before:
        verdict = "fewer" if n < before else "more"
    return {"count": n, "last": before, "verdict": verdict}


def _describe_changes(changes: Changes, n: int, smallest: int) -> dict[str, Any]:
    """Two tables with known totals: the records of now, and those of before."""
    kept = n - changes.added
    # What is gone follows from what is new, as both totals are known; one is hidden with the other.
    removed_is_small = bool(0 < changes.removed < smallest or 0 < kept < smallest)
    hidden = cells_to_hide(
        [changes.added, changes.changed, kept - changes.changed],
        smallest,
        hidden={0} if removed_is_small else set(),
    )
    out = frozenset(range(3)) if hidden is None else hidden
    share = changes.changed / kept if kept else 0.0
    return {
        "added": None if 0 in out else changes.added,
        "changed": None if 1 in out else changes.changed,
        "unchanged": None if 2 in out else kept - changes.changed,
        "removed": None if 0 in out else changes.removed,
        "verdict": "most changed" if kept >= _ENOUGH and share >= _CHANGED else "usual",
    }


def _describe_fields(
    dataset: Dataset, found: Survey, last: Mapping[str, Any] | None, smallest: int
) -> list[dict[str, Any]]:
    n = len(dataset)
    before = {} if last is None else {one["field"]: one["share"] for one in last["fields"]}
    described = []
    for number, name in enumerate(dataset.schema.field_names):
        present = found.present(number)
        records, share = shown_part(present, n, smallest)
        last_share = before.get(name)
        verdict, difference = "first", None
        if last is not None and share is not None and last_share is not None:
            difference = round(share - last_share, 4)
            verdict = "as before"
            if share_differs(share, n, last_share, int(last["records"]["count"])):
                verdict = "fewer" if share < last_share else "more"
        elif n >= _ENOUGH and share is not None and share < _EMPTY:
            verdict = "empty"
        described.append(
            {
                "field": name,
                "records": records,
                "share": share,
                "last_share": last_share,
                "difference": difference,
                "verdict": verdict,
            }
        )
    return described


def _describe_pattern(dataset: Dataset, found: Survey, place: int) -> dict[str, Any]:
    count = int(found.counts[place])
    return {
        "fields": _fields_of(dataset, int(found.masks[place])),
        "records": count,
        "share": round(count / len(dataset), 4),
    }


def _fields_of(dataset: Dataset, mask: int) -> list[str]:
    return [name for number, name in enumerate(dataset.schema.field_names) if mask >> number & 1]


def _describe_fill(dataset: Dataset, found: Survey, shown: list[int], smallest: int) -> list[dict[str, Any]]:
    """Set bits by pattern where a filter is of all fields, else by filter, whose records are told roughly.

    From the exact ones it would follow how many have a value without a filter, or none.
    """
    groups: list[tuple[str, list[str] | None, Bits | None]]
    if dataset.schema.filter.layout == "record":
        groups = [
            ("record", _fields_of(dataset, int(found.masks[place])), found.bits("record", place))
            for place in shown
        ]
    else:
        groups = [(name, None, found.bits(name)) for name in dataset.schema.filter_names]
    return [
        {
            "filter": name,
            "fields": fields,
            "records": bits.n if fields is not None else bits.n // _ENOUGH * _ENOUGH,
            "mean": round(bits.mean, 3),
            "sd": round(bits.sd, 3),
        }
        for name, fields, bits in groups
        if bits is not None and bits.n >= max(smallest, _ENOUGH)
    ]


def _describe_fill_drift(
    fill: list[dict[str, Any]], manifest: Manifest, last: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    same = ("schema_sha256", "key_check")
    if last is None or any(last[name] != getattr(manifest, name) for name in same):
        return []
    before = {_group_of(one): _bits_of(one) for one in last["fill"]}
    described = []
    for name in dict.fromkeys(one["filter"] for one in fill):
        pairs = [
            (_bits_of(one), before[_group_of(one)])
            for one in fill
            if one["filter"] == name and _group_of(one) in before
        ]
        if not pairs:
            continue
        distance, threshold = fill_distance(pairs)
        described.append(
            {
                "filter": name,
                "records": sum(here.n for here, _ in pairs),
                "distance": round(distance, 4),
                "threshold": round(threshold, 4),
                "verdict": "different" if distance > threshold else "as before",
            }
        )
    return described


def _group_of(one: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return one["filter"], tuple(one["fields"] or ())


def _bits_of(one: Mapping[str, Any]) -> Bits:
    return Bits(one["records"], one["mean"], one["sd"])


def _describe_frequent(one: Frequent, n_looked_at: int, smallest: int) -> dict[str, Any]:
    records, share = shown_part(one.n_records, one.n_with, smallest)
    if records is not None:
        share = round(records / n_looked_at, 4)
    _, next_share = shown_part(one.n_next, n_looked_at, smallest)
    return {
        "of": one.of,
        "name": one.name,
        "fields": list(one.fields),
        "values": one.n_values,
        "records": records,
        "share": share,
        "next_share": next_share,
    }


def _describe_repeated(found: Repeated, manifest: Manifest, n: int, smallest: int) -> dict[str, Any]:
    records, share = shown_part(found.n_records, n, smallest)
    many = found.n_records >= max(smallest, _FEW) and found.n_records >= _REPEATED * n
    if not found.telling:
        verdict = "cannot be told"
    elif many:
        verdict = "contradicts" if manifest.duplicate_free else "many"
    else:
        verdict = "few"
    return {
        "records": records,
        "share": share,
        "shared_keys": found.n_shared,
        "of_keys": found.n_keys,
        "looked_at_one_in": found.one_in,
        "duplicate_free": manifest.duplicate_free,
        "verdict": verdict,
    }
