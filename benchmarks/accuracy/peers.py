"""The peers: what each is asked, and which of its answers count.

Every peer has entries as a user without labels would have them, at thresholds fixed before any data were seen, and
*tuned* ones: the best of many settings by the truth, which nobody could have chosen.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from benchmarks.accuracy.contest import Contestant, Work
from benchmarks.accuracy.judging import Document, figures
from benchmarks.commands import output
from benchmarks.environment import ROOT
from benchmarks.peers.environments import interpreter
from benchmarks.peers.scripts import script
from benchmarks.scoring import score_links
from benchmarks.truth import clusters_of_pairs, dataset_of, pairs_of_clusters, qualified
from pprl.errors import PprlError

DICE = 0.80
"""anonlink's threshold that is fixed beforehand."""
SPLINK_THRESHOLD = 0.95
"""Splink's."""

_DICE_SCAN = tuple(round(0.70 + 0.01 * step, 2) for step in range(26))
_MANY_PAIRS = 2e9
_LEAST_DICE_OF_MANY = 0.75  # below, the pairs of strangers near by filter do not fit into memory
_ANONLINK_AT_MOST = 1.5e10  # pairs
_SPLINK_SCAN = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.98, 0.99, 0.995, 0.999, 0.9999)
_CLK_SCHEMAS = {  # bits of a feature, where they are not those of benchmarks.peers.clk_schema
    "names and birth date": {"birth_date": 300, "sex": 40},
    "address as well": {
        "given_name": 100,
        "surname": 100,
        "birth_date": 100,
        "sex": 20,
        "street": 150,
        "city": 80,
        "postcode": 80,
    },
}
_SPLINK_MODELS: dict[str, list[str]] = {"all fields": [], "without street and city": ["street", "city"]}
_PAIRS_A_RECORD = 100  # of clusters; more is no result
_TOKENS = {  # of OPPRL, by the kinds of field they are made of
    1: ("given_name", "surname", "sex", "birth_date"),
    2: ("given_name", "surname", "sex", "birth_date"),
    3: ("given_name", "surname", "sex", "birth_date"),
    4: ("given_name", "surname", "birth_date"),
    5: ("given_name", "surname", "birth_date"),
    6: ("given_name", "surname", "birth_date"),
    7: ("given_name", "phone"),
    8: ("birth_date", "phone"),
    9: ("given_name", "national_id"),
    10: ("birth_date", "national_id"),
    11: ("email",),
}


def contestants() -> list[Contestant]:
    """Return all peers."""
    shared, own = ROOT / "benchmarks" / "peers", Path(__file__)
    scripts = own.with_name("contestants")

    def peer(name: str, environment: str, module: str, play: Callable[[Work, Path], Document]) -> Contestant:
        lock = shared / "requirements" / f"{environment}.lock"
        return Contestant(name, (*sorted(shared.glob("*.py")), lock, scripts / f"{module}.py", own), play)

    return [
        peer("clkhash and anonlink", "anonlink", "link_anonlink", _anonlink),
        peer("Splink", "splink", "link_splink", _splink),
        peer("OPPRL", "spindle", "tokenise_spindle", _opprl),
    ]


def _anonlink(work: Work, folder: Path) -> Document:
    python = interpreter("anonlink")
    n_pairs = _n_pairs(work)
    if n_pairs > _ANONLINK_AT_MOST:
        raise PprlError(f"it compares all {n_pairs:.2g} pairs, more than {_ANONLINK_AT_MOST:.2g} take hours")
    filters: dict[str, dict[str, str]] = {}
    encode_s: list[float] = []
    for schema, bits in _CLK_SCHEMAS.items():
        filters[schema] = {site: str(folder / f"{site}-{len(filters)}.npy") for site in work.cleaned}
        for site, path in work.cleaned.items():
            encode = {
                "records": str(path),
                "kinds": _kinds(work),
                "bits": bits,
                "filters": filters[schema][site],
            }
            said = _say(script("peers.encode_clkhash", encode, python=python), folder)
            encode_s.append(said["seconds"]["timed"])
    least = _LEAST_DICE_OF_MANY if n_pairs > _MANY_PAIRS else _DICE_SCAN[0]
    thresholds = [DICE, *(one for one in _DICE_SCAN if one >= least and one != DICE)]
    job: Document = {"filters": filters, "duplicates": _has_duplicates(work), "thresholds": thresholds}
    job |= {"processes": _n_cores(), "out": str(folder)}
    said = _say(script("accuracy.contestants.link_anonlink", job, python=python), folder)
    return {
        "entries": list(_entries(work, said["facts"]["ways"], "clkhash and anonlink", DICE)),
        "seconds": {"encode": sum(encode_s[: len(work.cleaned)])} | said["seconds"],
        "versions": said["versions"],
    }


def _splink(work: Work, folder: Path) -> Document:
    kinds = _kinds(work)
    models = {
        name: kept for name, kept in _SPLINK_MODELS.items() if not kept or set(kept) & set(kinds.values())
    }
    link_type = "dedupe_only" if len(work.case.sites) == 1 else "link_and_dedupe"
    job: Document = {
        "files": {site: str(path) for site, path in work.cleaned.items()},
        "kinds": kinds,
        "link_type": link_type if _has_duplicates(work) else "link_only",
        "models": models,
        "thresholds": [SPLINK_THRESHOLD, *_SPLINK_SCAN],
        "threads": _n_cores(),
        "out": str(folder),
    }
    said = _say(script("accuracy.contestants.link_splink", job, python=interpreter("splink")), folder)
    ways = said["facts"]["ways"]
    entries: list[Document] = []
    for method in dict.fromkeys(way["method"] for way in ways):
        found = [way for way in ways if way["method"] == method]
        entries += _entries(work, found, f"Splink {method}", SPLINK_THRESHOLD)
    return {"entries": entries, "seconds": said["seconds"], "versions": said["versions"]}


def _opprl(work: Work, folder: Path) -> Document:
    kinds = _kinds(work)
    numbers = [number for number, needed in _TOKENS.items() if set(needed) <= set(kinds.values())]
    if not numbers or "birth_date" not in kinds.values():
        raise PprlError("its tokens want names and a birth date")
    job = {
        "files": {site: str(path) for site, path in work.cleaned.items()},
        "kinds": kinds,
        "tokens": numbers,
        "workers": _n_cores(),
        "out": str(folder),
    }
    said = _say(script("accuracy.contestants.tokenise_spindle", job, python=interpreter("spindle")), folder)
    pairs = {number: _sharing(work, folder, f"opprl_token_{number}v2") for number in numbers}
    everybody = work.truth.people["record_id"]

    def entry(name: str, chosen: Sequence[int], *, tuned: bool) -> Document:
        links = pd.concat([pairs[number] for number in chosen]).drop_duplicates(ignore_index=True)
        clusters = clusters_of_pairs(links, everybody)
        about = "tokens " + ", ".join(map(str, chosen))
        found = figures(links, clusters, work.truth, work.strata)
        return {"name": name, "tuned": tuned, "about": about, "figures": found}

    any_token = entry("OPPRL, any token", numbers, tuned=False)
    single = [entry("OPPRL, best token", [number], tuned=True) for number in numbers]
    best = max(single, key=lambda one: one["figures"]["links"]["f1"] or 0.0)
    seconds = {name: value for name, value in said["seconds"].items() if name != "start"}
    return {"entries": [any_token, best], "seconds": seconds, "versions": said["versions"]}


def _entries(work: Work, ways: Sequence[Document], name: str, threshold: float) -> Iterator[Document]:
    """Of ways to link, the best at a threshold and the best of all, by F1 of their links.

    A user would have one model of several and not know whether it is the better one: that is in the peer's favour.
    """
    scored = []
    for way in ways:
        clusters = _clusters(work, way)
        size = clusters["cluster_id"].value_counts()
        if (size * (size - 1) / 2).sum() > _PAIRS_A_RECORD * len(work.truth.people):
            continue  # most of the people have become one: nothing to be proud of, and too many pairs to count
        score = score_links(links_of(work, clusters), work.truth.pairs, symmetric=True)
        scored.append((0.0 if math.isnan(score.f1) else score.f1, way, clusters))
    fixed = [one for one in scored if one[1]["threshold"] == threshold]
    if not fixed:
        raise PprlError(f"{name} at {threshold:g} makes nearly everybody one person")
    for chosen, tuned in ((fixed, False), (scored, True)):
        _, way, clusters = max(chosen, key=itemgetter(0))
        yield {
            "name": f"{name}, tuned" if tuned else name,
            "tuned": tuned,
            "about": f"{way['model']}, {way['threshold']:g}",
            "threshold": way["threshold"],
            "figures": figures(links_of(work, clusters), clusters, work.truth, work.strata),
        }


def _clusters(work: Work, way: Document) -> pd.DataFrame:
    """Return the records that are not alone, with their clusters."""
    table = pd.read_csv(way["path"], dtype=str, keep_default_na=False)
    if "row" in table:
        rows = zip(table["dataset"], table["row"], strict=True)
        table["local_id"] = pd.Series([work.records[site].iat[int(row)] for site, row in rows], dtype="str")
    records = qualified(table["dataset"], table["local_id"])
    return pd.DataFrame({"record_id": records, "cluster_id": table["cluster_id"]})


def links_of(work: Work, clusters: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of clusters; of different sites only, where no person has two records at one."""
    return _between(work, pairs_of_clusters(clusters))


def _between(work: Work, pairs: pd.DataFrame) -> pd.DataFrame:
    if _has_duplicates(work):
        return pairs
    return pairs[dataset_of(pairs["left_id"]) != dataset_of(pairs["right_id"])].reset_index(drop=True)


def _sharing(work: Work, folder: Path, column: str) -> pd.DataFrame:
    """Return the pairs of records with the same token."""
    parts = []
    for site in work.cleaned:
        table = pq.read_table(folder / site, columns=["record_id", column]).to_pandas().dropna()
        parts.append(
            pd.DataFrame({"record_id": qualified(site, table["record_id"]), "cluster_id": table[column]})
        )
    return _between(work, pairs_of_clusters(pd.concat(parts, ignore_index=True)))


def _n_pairs(work: Work) -> float:
    sizes = [len(ids) for ids in work.records.values()]
    between = (sum(sizes) ** 2 - sum(size**2 for size in sizes)) / 2
    return between + (sum(size**2 for size in sizes) / 2 if _has_duplicates(work) else 0)


def _has_duplicates(work: Work) -> bool:
    return any(site.duplicates for site in work.case.sites)


def _kinds(work: Work) -> dict[str, str]:
    return {field.name: field.kind.value for field in work.case.schema.fields}


def _n_cores() -> int:
    return len(os.sched_getaffinity(0))


def _say(words: list[str], folder: Path) -> dict[str, Any]:
    """Run a script and return its report."""
    said: dict[str, Any] = json.loads(output(words, folder).splitlines()[-1])
    return said
