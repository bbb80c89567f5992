"""The results of a run: a JSON file that grows with every contestant, a page and charts beside it."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

from benchmarks.accuracy import tables
from benchmarks.accuracy.contest import Work
from benchmarks.accuracy.figure import draw
from benchmarks.accuracy.judging import Document
from benchmarks.environment import ROOT
from benchmarks.machine import stamp
from pprl.errors import PprlError
from pprl.files import new_file


class Results:
    """The file ``accuracy.json`` of a folder, and ``accuracy.md`` beside it.

    Parameters
    ----------
    folder : Path
        Must exist. What an earlier run left there is taken up where inputs are the same.
    now : datetime
        With time zone.
    """

    def __init__(self, folder: Path, *, now: datetime) -> None:
        self._folder = folder
        path = folder / "accuracy.json"
        before = read(path) if path.exists() else {"results": [], "cases": []}
        self.of_before: list[Document] = before["results"]
        self._cases_of_before: list[Document] = before["cases"]
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
                "duplicates": any(site.duplicates for site in case.sites),
                "records": {name: len(ids) for name, ids in work.records.items()},
                "true_pairs": len(work.truth.pairs),
                "people": int(work.truth.people["cluster_id"].nunique()),
                "files": work.digest,
            }
        )

    def add(self, result: Document) -> None:
        """Add a result and write the files; results of before that are not replaced yet stay."""
        self.document["results"].append(result)
        self._write("accuracy.json", json.dumps(self._with_rest(), indent=1) + "\n")
        self._write("accuracy.md", self.markdown())

    def markdown(self) -> str:
        """Lay the figures out as a page in Markdown."""
        return tables.page(self.document)

    def draw(self) -> list[Path]:
        """Draw the charts."""
        return draw(self.document, self._folder)

    def _write(self, name: str, text: str) -> None:
        with new_file(self._folder / name) as file:
            file.write(text.encode())

    def _with_rest(self) -> Document:
        def rest(before: list[Document], done: list[Document], *keys: str) -> list[Document]:
            known = {tuple(one[key] for key in keys) for one in done}
            return [one for one in before if tuple(one[key] for key in keys) not in known]

        cases, results = self.document["cases"], self.document["results"]
        return self.document | {
            "cases": cases + rest(self._cases_of_before, cases, "case", "seed"),
            "results": results + rest(self.of_before, results, "case", "seed", "contestant"),
        }


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
