"""What each ingredient of the matching is worth: the same packages linked again with one of them left out.

``python -m benchmarks.accuracy.ablation [CASE...]``

An ingredient is left out by replacing a function of the broker for one run; no switch for it is in the product.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import pandas as pd

from benchmarks.accuracy import linkage
from benchmarks.accuracy.cases import CASES, Case, Settings
from benchmarks.accuracy.contest import Work
from benchmarks.scoring import score_clusters, score_links
from broker.intake import Register, take_in
from broker.matching import alone, duplicates, entities, pipeline, weigh
from broker.matching.entities import Links
from broker.matching.evidence import record
from broker.matching.evidence.fields import model, names
from broker.matching.evidence.fields.similarity import SimilarityColumn
from broker.matching.evidence.model import default_weights
from broker.matching.pipeline import Linkage
from pprl.console import note, run
from pprl.guid import to_text
from pprl.package import Identity

_CASES = ("febrl4", "pseudopeople", "generated", "generated-hard", "three-sites")
_PROFILES = ("standard", "fields")
_PEOPLE = 20_000  # records at a site of generated cases


@dataclass(frozen=True, slots=True)
class Ingredient:
    """Something that may be left out.

    Attributes
    ----------
    name : str
        What is left out.
    patches : callable
        Makes the replacements: (object, attribute, value).
    concerns : callable
        Whether it is there at all for a profile and a case.
    """

    name: str
    patches: Callable[[], list[tuple[Any, str, Any]]]
    concerns: Callable[[str, Case], bool] = lambda _profile, _case: True


def _no_competition() -> list[tuple[Any, str, Any]]:
    compete = weigh.compete

    def free(between: weigh.Between, *given: Any) -> Any:
        return compete(replace(between, exclusive=(False, False)), *given)

    return [(weigh, "compete", free)]


def _no_strangers() -> list[tuple[Any, str, Any]]:
    strangers = duplicates.strangers

    def none(*given: Any, **named: Any) -> weigh.Strangers:
        seen = strangers(*given, **named)
        return weigh.Strangers(seen.features[:0], seen.n_pairs[:0], seen.weight[:0])

    return [(duplicates, "strangers", none)]


def _defaults_only() -> list[tuple[Any, str, Any]]:
    def fit(between: weigh.Between, _strangers: Any, features: Any, *, seed: int) -> weigh.Fit:
        del seed
        return weigh.settle(between, default_weights(features), 0.0)

    return [(weigh, "fit", fit), *_no_thirds()]


def _nothing_implied() -> list[tuple[Any, str, Any]]:
    def unknown(schema: Any, shared: Any, missing: Any) -> Any:
        del missing
        return np.zeros((len(shared), len(schema.fields)), dtype=np.uint8)

    return [(record, "field_states", unknown)]


def _everyone_alone() -> list[tuple[Any, str, Any]]:
    def by_itself(within: weigh.Between, _posterior: Any) -> Any:
        return np.arange(within.shape[0])

    return [(duplicates, "people_within", by_itself), (pipeline, "TURNS", 1)]


def _not_borrowed() -> list[tuple[Any, str, Any]]:
    return [(duplicates, "borrowed", lambda features, _fits: (default_weights(features), 0.0))]


def _no_thirds() -> list[tuple[Any, str, Any]]:
    def learn(within: weigh.Between, features: Any, *, seed: int) -> weigh.Fit:
        del seed
        return weigh.settle(within, default_weights(features), 0.0)

    return [(pipeline, "learn_alone", learn)]


def _join_by_link() -> list[tuple[Any, str, Any]]:
    gather = entities.gather_entities

    def by_links(edges: Links, is_link: Any, *sizes: Any, threshold: float, absent: float) -> Any:
        del absent
        links = edges.some(is_link)
        return gather(links, np.ones(len(links), dtype=np.bool_), *sizes, threshold=threshold, absent=0.0)

    return [(pipeline, "gather_entities", by_links)]


def _fields(profile: str, _case: Case) -> bool:
    return profile == "fields"


def _standard(profile: str, _case: Case) -> bool:
    return profile != "fields"


def _duplicates(_profile: str, case: Case) -> bool:
    return any(site.duplicates for site in case.sites)


def _several(profile: str, case: Case) -> bool:
    return _duplicates(profile, case) and len(case.sites) > 1


def _one(profile: str, case: Case) -> bool:
    return not _several(profile, case) and _duplicates(profile, case)


INGREDIENTS = (
    Ingredient("nothing", list),
    Ingredient("the competition of a record's candidates", _no_competition),
    Ingredient("pairs within the datasets, as strangers", _no_strangers),
    Ingredient("all learning: default weights", _defaults_only),
    Ingredient("what match keys imply of fields", _nothing_implied, _standard),
    Ingredient("households", lambda: [(model, "household_column", lambda *_: None)], _fields),
    Ingredient(
        "exchanged and moved names",
        lambda: [(names.NameColumn, "levels", SimilarityColumn.levels)],
        _fields,
    ),
    Ingredient("representatives of duplicates", _everyone_alone, _several),
    Ingredient("doubt whether representatives are strangers", lambda: [(duplicates, "DOUBT", 0.0)], _several),
    Ingredient("weights from between the datasets within them: default weights", _not_borrowed, _several),
    Ingredient("learning a second and third time", lambda: [(pipeline, "TURNS", 1)], _several),
    Ingredient("what third records tell of a dataset alone: default weights", _no_thirds, _one),
    Ingredient("how many records people have", lambda: [(alone, "_PRIOR_PAIRS", 1e12)], _one),
    Ingredient(
        "what an error costs that comes twice alike", lambda: [(entities, "REPEATED", 0.0)], _duplicates
    ),
    Ingredient(
        "what a pair not looked at says: as if nothing were known",
        lambda: [(pipeline, "weight_of_absent", lambda *_: entities.ABSENT)],
        _duplicates,
    ),
    Ingredient("entities by all pairs: joined by single links", _join_by_link, _duplicates),
)


@contextmanager
def without(ingredient: Ingredient) -> Iterator[None]:
    """Leave an ingredient out of the runs within."""
    with ExitStack() as stack:
        for place, name, value in ingredient.patches():
            stack.enter_context(patch.object(place, name, value))
        yield


def ablate(case: Case, profile: str, folder: Path) -> pd.DataFrame:
    """Link a case with each ingredient left out in turn.

    Parameters
    ----------
    case : Case
        What is linked.
    profile : str
        Of the schema.
    folder : Path
        For packages; must exist and be empty.

    Returns
    -------
    DataFrame
        ``case``, ``profile``, ``without``, and ``precision``, ``recall``, ``f1`` of the links or, of cases with
        duplicates, of all pairs that entities imply; ``estimated_precision``, ``estimated_recall`` of the first
        comparison.
    """
    work = Work(case, folder)
    linked = linkage.link(case, profile, folder)
    local = {
        name: pd.read_csv(path, dtype=str, keep_default_na=False).set_index("record_guid")["local_id"]
        for name, path in linked.ids.items()
    }
    deliveries = take_in(
        [folder / f"{site.name}.pprl" for site in case.sites],
        Identity.load(folder / "broker.key"),
        trusted=None,
        register=Register(folder / "ablation.json"),
        now=datetime.now(UTC),
    )
    found = [delivery.dataset for delivery in deliveries]
    names_of = np.concatenate(
        [data.name + "/" + local[data.name].loc[to_text(data.guids)].to_numpy(dtype=str) for data in found]
    )
    rows = []
    for ingredient in INGREDIENTS:
        if not ingredient.concerns(profile, case):
            continue
        with without(ingredient):
            made = pipeline.link(found)
        figures = _score(made, names_of, work, entities=_duplicates(profile, case))
        rows.append({"case": case.name, "profile": profile, "without": ingredient.name} | figures)
    return pd.DataFrame(rows)


def _score(made: Linkage, names_of: Any, work: Work, *, entities: bool) -> dict[str, float]:
    if entities:
        clusters = pd.DataFrame({"record_id": names_of, "cluster_id": made.entity})
        score = score_clusters(clusters, work.truth.people).pairs
    else:
        links = pd.DataFrame({"left_id": names_of[made.links.left], "right_id": names_of[made.links.right]})
        score = score_links(links, work.truth.pairs, symmetric=True)
    told = made.comparisons[0].estimates[0]
    return {
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "estimated_precision": told.precision.value,
        "estimated_recall": told.recall.value,
    }


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--people", type=click.IntRange(1), default=_PEOPLE, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--names", "tables", type=click.Choice(["full", "small"]), default="full", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV file to write as well.")
def main(cases: tuple[str, ...], people: int, seed: int, tables: str, out: Path | None) -> None:
    """Link with one ingredient left out at a time, and print what becomes of F1."""
    parts = []
    for name in cases or _CASES:
        for profile in _PROFILES:
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as made:
                settings = Settings(folder=Path(made), seed=seed, people=people, names=tables)
                note(f"{name}, {profile}")
                parts.append(ablate(CASES[name](settings), profile, Path(folder)))
    table = pd.concat(parts, ignore_index=True)
    if out is not None:
        table.to_csv(out, index=False, float_format="%.5f", lineterminator="\n")
    click.echo(markdown(table))


def markdown(table: pd.DataFrame) -> str:
    """F1 by ingredient left out and case, as a table in Markdown."""
    columns = list(dict.fromkeys(zip(table["case"], table["profile"], strict=True)))
    lines = [
        "| left out | " + " | ".join(f"{case}, `{profile}`" for case, profile in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    f1 = table.set_index(["without", "case", "profile"])["f1"].to_dict()
    for ingredient in INGREDIENTS:
        cells = [f1.get((ingredient.name, *column)) for column in columns]
        if any(cell is not None for cell in cells):
            shown = ["" if cell is None else f"{cell:.4f}" for cell in cells]
            lines.append(f"| {ingredient.name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
