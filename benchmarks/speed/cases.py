"""The four cases: who takes part, with what, and whether what came out is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.commands import command
from benchmarks.peers.environments import interpreter
from benchmarks.peers.scripts import script
from benchmarks.scoring import read_links, score_links
from benchmarks.speed.inputs import SITES, Workplace
from benchmarks.speed.measure import Run
from pprl.errors import PprlError

Judge = Callable[[Run], dict[str, Any]]
Command = Callable[[int], list[str]]

_FIFTHS = 4  # a Dice coefficient of .8
_NEAREST = 10
_ALL_PAIRS_AT_MOST = 100_000  # records a site
_ANONLINK_AT_MOST = 100_000  # records a site; ten times as many take a hundred times as long
_ANONLINK_THRESHOLDS = (0.8, 0.75, 0.78, 0.82, 0.85, 0.88)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One who takes part.

    Attributes
    ----------
    name : str
        Unique in its case.
    what : str
        What is timed, in a few words.
    command : callable
        What is run, of the number of the round, from 0.
    n_cores : int
    speaks : bool
        Whether it prints a report; the whole command is timed where not.
    judge : callable
        Makes figures of a run's result, after the first run.
    """

    name: str
    what: str
    command: Command
    n_cores: int
    speaks: bool = True
    judge: Judge = field(default=lambda _: {})


@dataclass(slots=True)
class Case:
    """A case at one size.

    Attributes
    ----------
    name : str
    size : int
        Records at each site.
    about : str
        What is compared, in a sentence.
    contestants : list of Contestant
        Ours first.
    absent : dict of str to str
        Who cannot take part, and why.
    """

    name: str
    size: int
    about: str
    contestants: list[Contestant]
    absent: dict[str, str] = field(default_factory=dict)


def kernel(place: Workplace, size: int) -> Case:
    """All pairs of filters above a Dice coefficient of .8."""
    left, right = place.filters(size)
    case = Case("kernel", size, "All pairs of filters with a Dice coefficient of at least .8.", [])
    ours = place.folder / "pairs-pprl.npy"

    def add(name: str, what: str, module: str, *, python: Path | None, n_cores: int = 1, **more: Any) -> None:
        pairs = place.folder / f"pairs-{name}.npy"
        job = {"left": str(left), "right": str(right), "fifths": _FIFTHS, "pairs": str(pairs)}
        words = script(f"speed.contestants.{module}", job | {"threads": n_cores} | more, python=python)
        case.contestants.append(
            Contestant(
                name, what, lambda _: words, n_cores, judge=lambda _: _agreement(pairs, with_ours=ours)
            )
        )

    for name, n_cores in (("pprl", 1), ("pprl, 2 cores", 2)):
        add(name, "within_dice", "kernel_pprl", python=None, n_cores=n_cores, search="dice")
    add("pprl nearest", f"nearest, k = {_NEAREST}", "kernel_pprl", python=None, search="nearest", k=_NEAREST)
    for name, what, module, peer, more in (
        ("anonlink", "dice_coefficient_accelerated", "kernel_anonlink", "anonlink", {}),
        ("faiss range", "IndexBinaryFlat.range_search", "kernel_faiss", "faiss", {"search": "range"}),
        (
            "faiss knn",
            f"IndexBinaryFlat.search, k = {_NEAREST}",
            "kernel_faiss",
            "faiss",
            {"search": "knn", "k": _NEAREST},
        ),
    ):
        with _or_absent(case, name):
            add(name, what, module, python=interpreter(peer), **more)
    return case


def encode(place: Workplace, size: int) -> Case:
    """Cleaned records to filters."""
    records = str(place.people(size).cleaned[0])
    about = "Cleaned records of six fields to filters."
    case = Case("encode", size, about, [])
    for name, what, schema in (
        ("pprl", "Encoder.encode, filters and the tokens of nine match keys", place.schema),
        ("pprl filters", "Encoder.encode, filters and the token of the birth date", place.filter_schema),
    ):
        job = {"records": records, "schema": str(schema), "key": str(place.linkage_key)}
        case.contestants.append(_alone(name, what, script("speed.contestants.encode_pprl", job)))
    with _or_absent(case, "clkhash"):
        theirs = script("peers.encode_clkhash", {"records": records}, python=interpreter("anonlink"))
        case.contestants.append(_alone("clkhash", "hash_chunk, filters", theirs))
    return case


def tokenise(place: Workplace, size: int) -> Case:
    """A file of people to a file for the broker."""
    people = place.people(size)
    ours = [*place.tokenise(size, 0), "--workers", "2"]
    about = "A file of people to a file for the broker: pprl cleans, encodes, signs and seals."
    case = Case(
        "tokenise",
        size,
        about,
        [Contestant("pprl", "pprl tokenise, the whole command", lambda _: ours, 2, speaks=False)],
    )
    with _or_absent(case, "clkhash"):
        job = {"records": str(people.cleaned[0]), "out": str(place.folder / "clks.json"), "workers": 2}
        words = script("speed.contestants.tokenise_clkhash", job, python=interpreter("anonlink"))
        case.contestants.append(Contestant("clkhash", "generate_clk_from_csv to JSON", lambda _: words, 2))
    with _or_absent(case, "spindle-token"):
        spark = interpreter("spindle")

        def on_spark(number: int) -> list[str]:
            job = {"records": str(people.raw[0]), "out": str(place.folder / f"opprl-{number}"), "workers": 2}
            return script("speed.contestants.tokenise_spindle", job, python=spark)

        case.contestants.append(
            Contestant("spindle-token", "tokens 1 to 6 to Parquet, Spark running", on_spark, 2)
        )
    return case


def link(place: Workplace, size: int) -> Case:
    """Two sites' files to linked records."""
    people = place.people(size)
    truth = pd.read_csv(people.truth, dtype=str)
    packages = place.packages(size)
    run = place.folder / f"run-{size}"
    ours = [command("pprl-broker"), "link", *map(str, packages), "--identity", str(place.broker_key)]
    ids = {site: package.with_suffix(".ids.csv") for site, package in zip(SITES, packages, strict=True)}

    def judge_ours(_: Run) -> dict[str, Any]:
        links = read_links(run, ids)
        found = links.assign(**{side: links[side].str.partition("/")[2] for side in ("left_id", "right_id")})
        stages = json.loads((run / "quality.json").read_bytes())["comparisons"][0]
        return _score(found, truth) | {"seconds_by_stage": stages.get("seconds", {})}

    about = "Two sites' files to linked records: sealed packages, plaintext, filters."
    what = "pprl-broker link, the whole command; pairs that share a match key, scored by filter, and a probe"
    by_key = [*ours, "--candidates", "keys", "--out", str(run)]
    case = Case("link", size, about, [Contestant("pprl", what, lambda _: by_key, 2, False, judge_ours)])
    if size <= _ALL_PAIRS_AT_MOST:
        what = "pprl-broker link, the whole command; all pairs compared by filter"
        exact = [*ours, "--candidates", "all", "--out", str(run)]
        case.contestants.append(Contestant("pprl, all pairs", what, lambda _: exact, 2, False, judge_ours))
    with _or_absent(case, "splink"):
        duck = interpreter("splink")
        found = place.folder / "pairs-splink.csv"

        def on_duckdb(number: int) -> list[str]:
            sides = {"left": str(people.cleaned[0]), "right": str(people.cleaned[1])}
            job = sides | {"threads": 2, "pairs": str(found), "try_others": number == 0}
            return script("speed.contestants.link_splink", job, python=duck)

        what = "predict and cluster_pairwise_predictions_at_threshold"
        case.contestants.append(Contestant("splink", what, on_duckdb, 2, judge=_judge_of(found, truth)))
    with _or_absent(case, "anonlink"):
        if size > _ANONLINK_AT_MOST:
            raise PprlError(
                f"left out above {_ANONLINK_AT_MOST:,} records a site: it compares all pairs, "
                "its time grows with the square"
            )
        python = interpreter("anonlink")
        filters = place.filters(size)
        pairs = place.folder / "pairs-anonlink.csv"

        def on_anonlink(number: int) -> list[str]:
            job = {
                "left": str(filters[0]),
                "right": str(filters[1]),
                "left_records": str(people.cleaned[0]),
                "right_records": str(people.cleaned[1]),
                "thresholds": _ANONLINK_THRESHOLDS[: None if number == 0 else 1],
                "processes": 2,
                "pairs": str(pairs),
            }
            return script("speed.contestants.link_anonlink", job, python=python)

        what = f"all pairs of filters, Dice >= {_ANONLINK_THRESHOLDS[0]}, and greedy_solve"
        case.contestants.append(Contestant("anonlink", what, on_anonlink, 2, judge=_judge_of(pairs, truth)))
    return case


CASES: dict[str, Callable[[Workplace, int], Case]] = {
    "kernel": kernel,
    "encode": encode,
    "tokenise": tokenise,
    "link": link,
}
"""By name, in the order in which they are run."""


def _alone(name: str, what: str, words: list[str]) -> Contestant:
    return Contestant(name, what, lambda _: words, 1)


@contextmanager
def _or_absent(case: Case, name: str) -> Iterator[None]:
    """Note why a contestant cannot take part, and go on."""
    try:
        yield
    except PprlError as error:
        case.absent[name] = str(error)


def _agreement(pairs: Path, *, with_ours: Path) -> dict[str, Any]:
    found, ours = np.load(pairs), np.load(with_ours)
    return {
        "pairs": len(found),
        "pairs_of_pprl_not_found": len(np.setdiff1d(ours, found)),
        "pairs_not_of_pprl": len(np.setdiff1d(found, ours)),
    }


def _judge_of(pairs: Path, truth: pd.DataFrame) -> Judge:
    """Score what a peer wrote, and what it would give at other thresholds and settings."""

    def judge(run: Run) -> dict[str, Any]:
        others = run.facts.pop("others", {})
        score = _score(pd.read_csv(pairs, dtype=str), truth)
        score["threshold"] = run.facts.get("threshold")
        score["f1_otherwise"] = {
            how: _score(pd.read_csv(path, dtype=str), truth)["f1"] for how, path in others.items()
        }
        return score

    return judge


def _score(found: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    score = score_links(found, truth)
    return {
        "precision": round(score.precision, 5),
        "recall": round(score.recall, 5),
        "f1": round(score.f1, 5),
        "f1_interval": [round(value, 5) for value in score.f1_interval],
        "links": score.tp + score.fp,
        "true_links": score.tp + score.fn,
    }
