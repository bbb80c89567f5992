"""Crosswalks out of metadata records: a CSV for every combination of identifiers, without blanks.

``gen3 objects crosswalk read`` ends at 500 records and says nothing, and writes one table with blanks where a record
has fewer identifiers than others, which ``publish`` then trips over. These files it can publish again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from broker.gen3.crosswalk import INFO_HEADER
from broker.gen3.documents import Document, cells_of
from pprl.errors import GovernanceError

_MOST_PATTERNS = 500


def write_crosswalks(records: Iterable[tuple[str, Document]], folder: Path) -> dict[str, int]:
    """Write ``crosswalk-1.csv`` and so on, and the ``crosswalk-info.csv`` that goes with all of them.

    Parameters
    ----------
    records : iterable of (str, dict)
        GUIDs and documents; those without a crosswalk are left out.
    folder : Path
        Exists, and is empty.

    Returns
    -------
    dict of str to int
        Rows of each file.

    Raises
    ------
    GovernanceError
        There are more combinations than files can be open.
    """
    descriptions: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        writers: dict[tuple[str, ...], tuple[str, Any]] = {}
        for _, document in records:
            cells = sorted(
                (f"{url}|{cell.get('type') or 'unknown'}|{name}", url, name, cell)
                for url, name, cell in cells_of(document)
            )
            if not cells:
                continue
            headers = tuple(header for header, *_ in cells)
            if headers not in writers:
                if len(writers) == _MOST_PATTERNS:
                    raise GovernanceError(
                        f"the records have more than {_MOST_PATTERNS} combinations of columns"
                    )
                name = f"crosswalk-{len(writers) + 1}.csv"
                file = stack.enter_context((folder / name).open("w", newline="", encoding="utf-8"))
                writers[headers] = name, csv.writer(file, lineterminator="\n")
                writers[headers][1].writerow(headers)
                counts[name] = 0
            name, writer = writers[headers]
            writer.writerow([cell["value"] for *_, cell in cells])
            counts[name] += 1
            for _, url, identifier, cell in cells:
                text = cell.get("description")
                descriptions.setdefault((url, identifier), text if isinstance(text, str) else "")
    with (folder / "crosswalk-info.csv").open("w", newline="", encoding="utf-8") as file:
        info = csv.writer(file, lineterminator="\n")
        info.writerow(INFO_HEADER)
        info.writerows((*where, text) for where, text in sorted(descriptions.items()))
    return counts
