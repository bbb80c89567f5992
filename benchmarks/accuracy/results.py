"""The results of a run: a JSON file that grows with every contestant, and the tables that people read."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.accuracy.contest import Work
from benchmarks.accuracy.judging import MEASURES, Document
from benchmarks.environment import ROOT
from benchmarks.machine import stamp
from pprl.errors import PprlError
from pprl.files import new_file


class Results:
    """The file ``accuracy.json`` of a folder.

    Parameters
    ----------
    folder : Path
        Must exist. What an earlier run left there is taken up where inputs are the same.
    now : datetime
        With time zone.
    command : mapping
        Options of this run.
    """

    def __init__(self, folder: Path, *, now: datetime, command: Mapping[str, Any]) -> None:
        self._path, self._page = folder / "accuracy.json", folder / "accuracy.md"
        before = read(self._path) if self._path.exists() else {"results": []}
        self.of_before: list[Document] = before["results"]
        self.document: Document = {
            "command": " ".join(["python -m benchmarks.accuracy", *sys.argv[1:]]),
            "machine": stamp(ROOT, now=now),
            "cases": [],
            "results": [],
        }

    def add_case(self, work: Work) -> None:
        """Tell what a case is."""
        case = work.case
        self.document["cases"].append(
            {
                "case": case.name,
                "seed": case.seed,
                "title": case.title,
                "fields": list(case.schema.field_names),
                "records": {name: len(ids) for name, ids in work.records.items()},
                "true_pairs": len(work.truth.pairs),
                "people": int(work.truth.people["cluster_id"].nunique()),
            }
        )

    def add(self, result: Document) -> None:
        """Add a result and write the files."""
        self.document["results"].append(result)
        done = {(one["case"], one["seed"], one["contestant"]) for one in self.document["results"]}
        rest = [one for one in self.of_before if (one["case"], one["seed"], one["contestant"]) not in done]
        whole = self.document | {"results": [*self.document["results"], *rest]}
        for path, text in ((self._path, json.dumps(whole, indent=1) + "\n"), (self._page, self.markdown())):
            with new_file(path) as file:
                file.write(text.encode())

    def markdown(self) -> str:
        """Lay the figures out as a page in Markdown."""
        return markdown(self.document)


def read(path: Path) -> Document:
    """Read the file of a run.

    Raises
    ------
    PprlError
        Where it is not one.
    """
    try:
        document: Document = json.loads(path.read_bytes())
        _ = document["cases"], document["results"]
    except (OSError, ValueError, KeyError, TypeError):
        raise PprlError(f"{path}: is not a file that python -m benchmarks.accuracy wrote") from None
    return document


def markdown(document: Document) -> str:
    """Lay the figures of a run out as a page in Markdown; of several seeds, their means."""
    machine = document["machine"]
    lines = [
        "# Accuracy beside the neighbours",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['date']}, commit {machine['commit'][:12]}"
        + (f" and {machine['changed_files']} changed files" if machine["changed_files"] else "")
        + f". `{document['command']}`",
    ]
    for name in dict.fromkeys(case["case"] for case in document["cases"]):
        cases = [case for case in document["cases"] if case["case"] == name]
        results = [one for one in document["results"] if one["case"] == name]
        lines += ["", f"## {cases[0]['title']}", "", *_about(cases), "", *table(results)]
        lines += [f"\n{one['contestant']} is absent: {one['absent']}." for one in results if "absent" in one]
    return "\n".join(lines) + "\n"


def _about(cases: list[Document]) -> list[str]:
    records = " x ".join(f"{n:,}" for n in cases[0]["records"].values())
    seeds = ", ".join(str(case["seed"]) for case in cases)
    return [
        f"{records} records, {cases[0]['true_pairs']:,} true pairs, seed {seeds}. {', '.join(cases[0]['fields'])}."
    ]


def table(results: list[Document]) -> list[str]:
    """Lay the results of one case out, the means over seeds, in order of first appearance."""
    rows = [["", *MEASURES, "F1 of entities' pairs", "B-cubed F1", "seconds"]]
    names = dict.fromkeys(entry["name"] for one in results for entry in one.get("entries", []))
    for name in names:
        found = [(one, e) for one in results for e in one.get("entries", []) if e["name"] == name]
        links = [e["figures"]["links"] for _, e in found]
        entities = [e["figures"]["entities"] for _, e in found]
        rows.append(
            [
                name,
                *(_mean([one[measure] for one in links]) for measure in MEASURES),
                _mean([one["pairs"]["f1"] for one in entities]),
                _mean([one["f1"] for one in entities]),
                f"{mean(sum(one['seconds'].values()) for one, _ in found):.1f}",
            ]
        )
    head, *body = [f"| {' | '.join(cells)} |" for cells in rows]
    return [head, "|" + "---|" * len(rows[0]), *body]


def _mean(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{mean(known):.4f}" if known else ""
