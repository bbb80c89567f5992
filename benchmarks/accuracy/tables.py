"""Figures of a run as tables in Markdown; of several seeds, their means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import mean
from typing import Any

from benchmarks.accuracy.judging import MEASURES, Document

Row = list[str]


def page(document: Document) -> str:
    """Return all tables as one page."""
    lines = ["# Accuracy beside the neighbours", "", made_on(document), "", *summary(document)]
    for name in case_names(document):
        lines += ["", f"## {title(document, name)}", "", *of_case(document, name)]
    told = estimates(document)
    if len(told) > 2:
        lines += ["", "## Estimates without labels, beside the truth", "", *told]
    return "\n".join(lines) + "\n"


def made_on(document: Document) -> str:
    """Return a sentence that tells one run's figures from another's."""
    machine = document["machine"]
    changed = f" and {machine['changed_files']} changed files" if machine["changed_files"] else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Python {machine['python']}, "
        f"{machine['date']}, commit {machine['commit'][:12]}{changed}. `{document['command']}`"
    )


def case_names(document: Document) -> list[str]:
    """Return the names of the cases, in order."""
    return list(dict.fromkeys(case["case"] for case in document["cases"]))


def title(document: Document, name: str) -> str:
    """Return the title of a case."""
    return str(next(case["title"] for case in document["cases"] if case["case"] == name))


def has_duplicates(document: Document, name: str) -> bool:
    """Say whether people have several records at a site of a case."""
    return any(case["duplicates"] for case in document["cases"] if case["case"] == name)


def entries(document: Document, name: str) -> dict[str, list[tuple[Document, Document]]]:
    """Return the entries of a case by name, each with its result, one for each seed."""
    found: dict[str, list[tuple[Document, Document]]] = {}
    for result in document["results"]:
        if result["case"] == name:
            for entry in result.get("entries", []):
                found.setdefault(entry["name"], []).append((result, entry))
    return found


def headline(document: Document, name: str, entry: Document) -> Document:
    """Return the score that an entry is compared by.

    The links', or where a site has duplicates that of all pairs that its entities imply: who is linked to whom over
    a third is a matter of the entity there, not of the link.
    """
    figures = entry["figures"]
    score: Document = figures["entities"]["pairs"] if has_duplicates(document, name) else figures["links"]
    return score


def summary(document: Document) -> list[str]:
    """Return F1 by contestant and case."""
    names = case_names(document)
    by_case = {name: entries(document, name) for name in names}
    rows: list[Row] = [["F1", *names]]
    for contestant in dict.fromkeys(one for found in by_case.values() for one in found):
        row = [contestant]
        for name, found in by_case.items():
            scores = [headline(document, name, entry)["f1"] for _, entry in found.get(contestant, [])]
            row.append(_mean(scores))
        rows.append(row)
    return table(rows)


def of_case(document: Document, name: str) -> list[str]:
    """Return what a case is, the scores of its contestants, and why others are absent."""
    cases = [case for case in document["cases"] if case["case"] == name]
    records = " x ".join(f"{n:,}" for n in cases[0]["records"].values())
    seeds = ", ".join(str(case["seed"]) for case in cases)
    about = f"{records} records, {cases[0]['people']:,} people, {cases[0]['true_pairs']:,} true pairs, seed {seeds}"
    lines = [f"{about}. Fields: {', '.join(cases[0]['fields'])}.", ""]
    duplicates = has_duplicates(document, name)
    rows: list[Row] = [["", "setting", *MEASURES, "95 %", "B-cubed F1", "seconds"]]
    for contestant, found in entries(document, name).items():
        scores = [headline(document, name, entry) for _, entry in found]
        settings = dict.fromkeys(entry.get("about", "") for _, entry in found)
        rows.append(
            [
                contestant,
                " / ".join(settings),
                *(_mean([one[measure] for one in scores]) for measure in MEASURES),
                _range([one["f1_interval"] for one in scores]),
                _mean([entry["figures"]["entities"]["f1"] for _, entry in found]),
                f"{mean(sum(one['seconds'].values()) for one, _ in found):.1f}",
            ]
        )
    lines += table(rows)
    if duplicates:
        lines += ["", "Precision, recall and F1 of all pairs that entities imply."]
    for result in document["results"]:
        if result["case"] == name and "absent" in result:
            lines += ["", f"{result['contestant']} is absent (seed {result['seed']}): {result['absent']}."]
    return lines


def estimates(document: Document) -> list[str]:
    """Return what pprl says of its links beside the truth, and how often its intervals hold the truth."""
    rows: list[Row] = [
        ["case", "profile", "precision", "true", "recall", "true", "intervals that hold the truth", "doubts"]
    ]
    for (name, profile), told in estimated(document).items():
        first = [one["thresholds"][0] for one in told]
        held = [within for one in told for threshold in one["thresholds"] for within in _held(threshold)]
        row = [name, profile]
        for measure in ("precision", "recall"):
            row.append(_mean([one["estimate"][measure]["value"] for one in first]))
            row.append(_mean([one["truth"][measure] for one in first]))
        doubts = len({doubt for one in told for doubt in one["doubts"]})
        rows.append([*row, f"{sum(held)} of {len(held)}", str(doubts) if doubts else ""])
    return table(rows)


def estimated(document: Document) -> dict[tuple[str, str], list[Document]]:
    """Return the comparisons of all runs by case and profile."""
    found: dict[tuple[str, str], list[Document]] = {}
    for result in document["results"]:
        if "estimates" in result:
            key = result["case"], result["profile"]
            found.setdefault(key, []).extend(result["estimates"]["comparisons"])
    return found


def table(rows: Sequence[Row]) -> list[str]:
    """Return a table, its first row the heading."""
    head, *body = [f"| {' | '.join(cells)} |" for cells in rows]
    return [head, "|" + "---|" * len(rows[0]), *body]


def _held(threshold: Document) -> Iterator[bool]:
    """Of precision and recall, whether the interval holds the truth."""
    for measure in ("precision", "recall"):
        true, told = threshold["truth"][measure], threshold["estimate"][measure]
        if true is not None:
            yield told["low"] - 1e-6 <= true <= told["high"] + 1e-6


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{mean(known):.4f}" if known else ""


def _range(intervals: Sequence[Any]) -> str:
    """The bootstrap's interval of one seed; from the least to the most of several tells more, but not here."""
    ends = [ends for ends in intervals if None not in ends]
    return f"{min(low for low, _ in ends):.4f} to {max(high for _, high in ends):.4f}" if ends else ""
