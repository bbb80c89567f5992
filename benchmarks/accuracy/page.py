"""docs/accuracy.md: its tables and charts, put between markers into prose that people write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.accuracy import tables
from benchmarks.accuracy.figure import draw
from benchmarks.accuracy.judging import Document
from pprl.errors import PprlError
from pprl.files import new_file

PARTS = ("made", "summary", "cases", "estimates")
"""Names of the parts between ``<!-- accuracy:NAME -->`` and ``<!-- /accuracy:NAME -->``."""


def write_docs(document: Document, page: Path) -> list[Path]:
    """Write the parts of a page, and the charts beside it, from a run.

    Parameters
    ----------
    document : dict
        As in ``accuracy.json``.
    page : Path
        Markdown file with every pair of markers of `PARTS`; what is outside of them stays.

    Returns
    -------
    list of Path
        What was written; charts are named like the page.

    Raises
    ------
    PprlError
        Where a marker is missing.
    """
    text = page.read_text(encoding="utf-8")
    made: dict[str, Callable[[Document], list[str]]] = {
        "made": lambda document: [tables.made_on(document)],
        "summary": tables.summary,
        "cases": _cases,
        "estimates": tables.estimates,
    }
    for part in PARTS:
        begin, end = f"<!-- accuracy:{part} -->", f"<!-- /accuracy:{part} -->"
        before, found, rest = text.partition(begin)
        _, found_end, behind = rest.partition(end)
        if not (found and found_end):
            raise PprlError(
                f"{page}: lacks the markers {begin} and {end}; write them where the part is to be"
            )
        inside = "\n".join(made[part](document))
        text = f"{before}{begin}\n{inside}\n{end}{behind}"
    with new_file(page) as file:
        file.write(text.encode())
    return [page, *draw(document, page.parent, prefix=f"{page.stem}-")]


def _cases(document: Document) -> list[str]:
    lines = []
    for name in tables.case_names(document):
        lines += [f"### {name}: {tables.title(document, name)}", "", *tables.of_case(document, name), ""]
    return lines[:-1]
