"""How right a linkage is, against data whose truth is known.

`score_links` counts pairs, `score_clusters` looks at whole entities, `score_run` reads what ``pprl-broker
link`` wrote. Every figure has a 95 % interval.

The intervals come from a Poisson bootstrap (Chamandy et al., *Estimating uncertainty for massive data
streams*, Google 2012): a record, or a person with all their records, enters a replicate Poisson(1) times. A
sum of k such weights is Poisson(k), so that records with the same counts of right and wrong are drawn
together and a million records cost no more than their few distinct outcomes. Where nothing went wrong, the
interval has no width: the bootstrap cannot see errors that did not occur.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.truth import qualified, read_truth
from pprl.errors import PprlError

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

_N_REPLICATES = 2000
_LEVEL = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of pairs and what follows from them.

    Attributes
    ----------
    precision, recall, f1 : float
        Shares between 0 and 1; nan where there is nothing to divide by.
    tp, fp, fn : int
        Pairs found and true, found and not true, true and not found.
    precision_interval, recall_interval, f1_interval : tuple of float
        95 % bootstrap intervals.
    """

    precision: float
    recall: float
    f1: float
    tp: int
    fp: int
    fn: int
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval


@dataclass(frozen=True, slots=True)
class Share:
    """A share of ``n`` with its 95 % bootstrap interval."""

    value: float
    interval: Interval
    n: int


@dataclass(frozen=True, slots=True)
class ClusterScore:
    """How well entities agree with people.

    Attributes
    ----------
    pairs : Score
        Over all pairs of records that entities and people imply.
    precision, recall, f1 : float
        B-cubed (Bagga and Baldwin, *Algorithms for scoring coreference chains*, 1998): a record's precision
        is the share of its entity's records that are the same person's, its recall the share of its person's
        records that are in the same entity, averaged over records; f1 is the harmonic mean of both averages.
    precision_interval, recall_interval, f1_interval : tuple of float
        95 % bootstrap intervals.
    n_records, n_entities, n_people : int
        What was counted.
    """

    pairs: Score
    precision: float
    recall: float
    f1: float
    n_records: int
    n_entities: int
    n_people: int
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval


@dataclass(frozen=True, slots=True)
class RunScore:
    """Scores of one linkage run: its links, and the entities made of them."""

    links: Score
    entities: ClusterScore

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for a JSON file."""
        return asdict(self)


def score_links(found: pd.DataFrame, truth: pd.DataFrame, *, symmetric: bool = False, seed: int = 0) -> Score:
    """Compare found pairs with true ones.

    Parameters
    ----------
    found, truth : DataFrame
        Columns ``left_id``, ``right_id``; more columns and repeated rows do not matter.
    symmetric : bool
        Whether (x, y) and (y, x) are one pair: so within one site, where ids on both sides are of one kind.
    seed : int
        Of the bootstrap, which draws left records with all their pairs.
    """
    found_key, true_key, stride = _keys(found, truth, symmetric=symmetric)
    found_key, true_key = np.unique(found_key), np.unique(true_key)
    hit = np.isin(found_key, true_key, assume_unique=True)
    missed = true_key[~np.isin(true_key, found_key, assume_unique=True)]

    n_left = int(max(found_key.max(initial=-1), true_key.max(initial=-1)) // stride) + 1
    kinds = (found_key[hit], found_key[~hit], missed)
    counts = [np.bincount(keys // stride, minlength=n_left) for keys in kinds]
    return _score(np.stack(counts, axis=1).astype(np.float64), seed=seed)


def among(pairs: pd.DataFrame, others: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Say of each pair whether it is among others, whichever way round; both as in `score_links`."""
    key, other_key, _ = _keys(pairs, others, symmetric=True)
    return np.isin(key, other_key)


def recall_by(
    found: pd.DataFrame, truth: pd.DataFrame, categories: pd.Series, *, seed: int = 0
) -> dict[str, Share]:
    """Return the recall among people of each category.

    Parameters
    ----------
    found, truth : DataFrame
        Pairs as in `score_links`, (x, y) and (y, x) being one; those of ``truth`` are different.
    categories : Series of str
        Category of a record, by its id; null where it is not known. A pair is of its left record's, or of its right
        record's where that one has none; pairs of neither count in no category.
    seed : int
        Of the bootstrap, which draws left records with all their pairs.
    """
    hit = among(truth, found)
    left, right = (truth[end].map(categories) for end in ("left_id", "right_id"))
    category = left.where(left.notna(), right)
    shares = {}
    for name in sorted(category.dropna().unique()):
        chosen = (category == name).to_numpy()
        row = pd.factorize(truth["left_id"][chosen])[0]
        n_found, n_true = np.bincount(row, weights=hit[chosen]), np.bincount(row)
        score = _score(np.stack([n_found, np.zeros(len(n_true)), n_true - n_found], axis=1), seed=seed)
        shares[name] = Share(score.recall, score.recall_interval, score.tp + score.fn)
    return shares


def score_clusters(found: pd.DataFrame, truth: pd.DataFrame, *, seed: int = 0) -> ClusterScore:
    """Compare entities with people.

    Parameters
    ----------
    found, truth : DataFrame
        Columns ``record_id``, ``cluster_id``, one row a record. A record that ``found`` lacks is alone in its
        entity.
    seed : int
        Of the bootstrap, which draws people with all their records.

    Raises
    ------
    PprlError
        Where a record is twice in one of them, or ``found`` has a record that ``truth`` lacks.
    """
    for name, frame in (("found", found), ("true", truth)):
        if frame["record_id"].duplicated().any():
            raise PprlError(f"the {name} clusters name a record twice; each record belongs to one cluster")
    joined = truth.merge(found, on="record_id", how="left", suffixes=("", "_found"))
    n_known = int(joined["cluster_id_found"].notna().sum())
    if n_known < len(found):
        raise PprlError(f"{len(found) - n_known} of the found clusters' records are not among the true ones")
    person, people = pd.factorize(joined["cluster_id"])
    entity, entities = pd.factorize(joined["cluster_id_found"])
    alone = entity < 0
    entity[alone] = len(entities) + np.arange(int(alone.sum()))
    n_people, n_entities = len(people), int(entity.max(initial=-1)) + 1

    # one cell for each entity and person that share records
    cell, n_cell = np.unique(entity.astype(np.int64) * n_people + person, return_counts=True)
    cell_entity, cell_person = np.divmod(cell, n_people) if len(cell) else (cell, cell)
    n_entity = np.bincount(entity, minlength=n_entities)[cell_entity]
    n_person = np.bincount(person, minlength=n_people)

    def for_each_person(values: npt.NDArray[Any]) -> Floats:
        return np.bincount(cell_person, weights=values, minlength=n_people).astype(np.float64)

    tp = for_each_person(n_cell * (n_cell - 1) / 2)
    fp = for_each_person(n_cell * (n_entity - n_cell) / 2)  # half to each of the two people taken for one
    fn = n_person * (n_person - 1) / 2 - tp
    outcomes = np.stack(
        [
            for_each_person(n_cell**2 / n_entity),
            for_each_person(n_cell**2 / n_person[cell_person]),
            n_person.astype(np.float64),
        ],
        axis=1,
    )
    shares, intervals = _with_intervals(_b_cubed, outcomes, seed=seed)
    return ClusterScore(
        pairs=_score(np.stack([tp, fp, fn], axis=1), seed=seed),
        precision=shares[0],
        recall=shares[1],
        f1=shares[2],
        n_records=len(joined),
        n_entities=n_entities,
        n_people=n_people,
        precision_interval=intervals[0],
        recall_interval=intervals[1],
        f1_interval=intervals[2],
    )


def read_links(run: str | Path, ids: Mapping[str, str | Path]) -> pd.DataFrame:
    """Read a run's links in terms of the sites' own record ids.

    Parameters
    ----------
    run : path
        The folder that ``pprl-broker link`` wrote.
    ids : mapping
        Dataset name to the ids file (``record_guid,local_id``) that ``pprl tokenise`` left at that site.

    Returns
    -------
    DataFrame
        ``left_id``, ``right_id``: pairs of dataset name and local id joined by a slash, in this order of
        datasets; ``probability``.
    """
    links = _read_csv(
        Path(run) / "links.csv",
        ["left_dataset", "left_record", "right_dataset", "right_record", "probability"],
    )
    local = _local_ids(ids)
    ends = [_named(links[f"{side}_record"], local, run) for side in ("left", "right")]
    place = {name: number for number, name in enumerate(ids)}
    order = [links[f"{side}_dataset"].map(place).to_numpy() for side in ("left", "right")]
    turned = order[0] > order[1]
    return pd.DataFrame(
        {
            "left_id": ends[0].where(~turned, ends[1]),
            "right_id": ends[1].where(~turned, ends[0]),
            "probability": links["probability"].astype(np.float64),
        }
    )


def read_entities(run: str | Path, ids: Mapping[str, str | Path]) -> pd.DataFrame:
    """Read a run's entities: columns ``record_id`` (as in `read_links`) and ``cluster_id``."""
    entities = _read_csv(Path(run) / "entities.csv", ["entity_guid", "dataset", "record_guid"])
    records = _named(entities["record_guid"], _local_ids(ids), run)
    return pd.DataFrame({"record_id": records, "cluster_id": entities["entity_guid"]})


def read_ids(ids: Mapping[str, str | Path]) -> dict[str, pd.Series]:
    """Read the sites' own record ids, by dataset, in the order of their files."""
    return {
        name: _read_csv(Path(path), ["record_guid", "local_id"])["local_id"] for name, path in ids.items()
    }


def score_run(
    run: str | Path, ids: Mapping[str, str | Path], truth: str | Path, *, seed: int = 0
) -> RunScore:
    """Score a run over any number of sites.

    Parameters
    ----------
    run : path
        The folder that ``pprl-broker link`` wrote.
    ids : mapping
        Dataset name to ids file; the first and second are those that a truth of pairs speaks of.
    truth : path
        Pairs or clusters, see `benchmarks.truth.read_truth`.
    seed : int
        Of the bootstrap.
    """
    known = read_truth(truth, read_ids(ids))
    links = score_links(read_links(run, ids), known.pairs, symmetric=True, seed=seed)
    return RunScore(links, score_clusters(read_entities(run, ids), known.people, seed=seed))


def _keys(
    some: pd.DataFrame, others: pd.DataFrame, *, symmetric: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Return a number for each pair of either frame, equal where the pairs are; and how many to a left record."""
    both = pd.concat([frame[["left_id", "right_id"]] for frame in (some, others)], ignore_index=True)
    if symmetric:
        codes, _ = pd.factorize(pd.concat([both["left_id"], both["right_id"]], ignore_index=True))
        ends = np.sort(codes.reshape(2, -1), axis=0)
        left, right = ends[0], ends[1]
    else:
        left, right = pd.factorize(both["left_id"])[0], pd.factorize(both["right_id"])[0]
    stride = int(right.max(initial=0)) + 1
    key = left.astype(np.int64) * stride + right
    return key[: len(some)], key[len(some) :], stride


def _local_ids(ids: Mapping[str, str | Path]) -> dict[str, str]:
    local: dict[str, str] = {}
    for name, path in ids.items():
        table = _read_csv(Path(path), ["record_guid", "local_id"])
        local.update(zip(table["record_guid"], qualified(name, table["local_id"]), strict=True))
    return local


def _named(records: pd.Series, local: dict[str, str], run: str | Path) -> pd.Series:
    named = records.map(local)
    n_unknown = int(named.isna().sum())
    if n_unknown:
        raise PprlError(f"{run}: {n_unknown} records are in no ids file given; give those of this very run")
    return named


def _read_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, usecols=columns)
    except FileNotFoundError:
        raise PprlError(f"{path}: there is no such file") from None
    except ValueError as error:
        raise PprlError(f"{path}: not a table with the columns {', '.join(columns)}: {error}") from None


def _score(outcomes: Floats, *, seed: int) -> Score:
    """Score units (rows) that have so many true positives, false positives and false negatives (columns)."""
    shares, intervals = _with_intervals(_precision_recall_f1, outcomes, seed=seed)
    tp, fp, fn = (round(float(value)) for value in outcomes.sum(axis=0))
    return Score(
        precision=shares[0],
        recall=shares[1],
        f1=shares[2],
        tp=tp,
        fp=fp,
        fn=fn,
        precision_interval=intervals[0],
        recall_interval=intervals[1],
        f1_interval=intervals[2],
    )


def _precision_recall_f1(totals: Floats) -> Floats:
    tp, fp, fn = totals.T
    with np.errstate(invalid="ignore"):
        return np.stack([tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn)])


def _b_cubed(totals: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        precision, recall = totals[:, 0] / totals[:, 2], totals[:, 1] / totals[:, 2]
        return np.stack([precision, recall, 2 * precision * recall / (precision + recall)])


def _with_intervals(
    statistic: Callable[[Floats], Floats], outcomes: Floats, *, seed: int
) -> tuple[list[float], list[Interval]]:
    """Return three shares and their intervals; ``statistic`` makes (3, n) shares of (n, 3) totals."""
    profiles, n_units = np.unique(outcomes, axis=0, return_counts=True)
    weights = np.random.default_rng(seed).poisson(n_units, size=(_N_REPLICATES, len(n_units)))
    replicates = statistic(weights @ profiles)
    shares = statistic(outcomes.sum(axis=0)[None])[:, 0]
    return [float(share) for share in shares], [_interval(row) for row in replicates]


def _interval(replicates: Floats) -> Interval:
    known = replicates[~np.isnan(replicates)]
    if not len(known):
        return (float("nan"), float("nan"))
    low, high = np.percentile(known, _LEVEL)
    return float(low), float(high)
