"""A case made of anybody's files: two of one site each, who is who, and a linkage schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.accuracy.cases import Case, Site
from pprl.errors import PprlError
from pprl.schema import parse_schema
from pprl.site.normalise import DateOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One file, and how it is to be read.

    Attributes
    ----------
    path : Path
        CSV file.
    id_column : str
        Column of record ids.
    columns : tuple of str
        Texts ``field=COLUMN``.
    date_order : {"ymd", "dmy", "mdy"}
        How dates that end with the year are written.
    duplicates : bool
        Whether a person may have several rows.
    """

    path: Path
    id_column: str
    columns: tuple[str, ...] = ()
    date_order: DateOrder = "ymd"
    duplicates: bool = field(default=False)


def case_of_files(
    files: Sequence[Described], truth: Path, schema: Path, *, labels: Sequence[str] = ()
) -> Case:
    """Make a case of labelled files.

    Parameters
    ----------
    files : sequence of Described
        One for each site, ``a`` first; the truth of pairs speaks of the first and the second.
    truth : Path
        CSV, ``left_id,right_id`` or ``record_id,cluster_id``, see `benchmarks.truth.read_truth`.
    schema : Path
        The linkage schema; its profile does not matter.
    labels : sequence of str
        Columns by whose values recall is told, such as a race.

    Raises
    ------
    PprlError
        Where the schema cannot be read or is wrong, or a text is not ``field=COLUMN``.
    """
    try:
        toml = schema.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise PprlError(f"{schema}: cannot be read") from None
    parse_schema(toml, source=str(schema))
    sites = tuple(
        Site(
            name="abcdefgh"[number],
            path=one.path,
            id_column=one.id_column,
            columns=dict(_field_and_column(text) for text in one.columns),
            date_order=one.date_order,
            duplicates=one.duplicates,
        )
        for number, one in enumerate(files)
    )
    title = " and ".join(one.path.name for one in files)
    return Case(
        name="files",
        title=title,
        seed=0,
        sites=sites,
        truth=truth,
        toml=toml,
        labels={column: column for column in labels},
    )


def _field_and_column(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals):
        raise PprlError(f"{text}: write field=COLUMN, for example surname=LAST_NM")
    return name, column
