"""The cohort, counted: how many people carry each label of each attribute, as the file spells it.

A cohort is a table of people, one row each, of which only the named columns are read; or a count table
``attribute,category,count``. Which of the two it is, its header says.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pprl.cohort.categories import BUILTIN, JOINT, builtin_text
from pprl.cohort.textfile import read_csv
from pprl.errors import CohortError
from pprl.labels import label_key

MAX_LABELS = 5000
"""An attribute with more labels than this is no category, and its labels are not repeated in any message."""

_COUNT_COLUMNS = ("attribute", "category", "count")
_TOTAL = "total"
_Rows = Callable[[Sequence[str]], Iterator[tuple[int, list[str]]]]
_SUPPRESSED = re.compile(
    r"(?:<\s*(?P<below>\d+)|(?:<=|≤)\s*(?P<most>\d+)|\d+\s*[-–]\s*(?P<upto>\d+)|\*|suppressed)", re.I
)


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many people carry one label.

    Attributes
    ----------
    count : int or None
        None where the file suppresses it.
    limit : int or None
        The most a suppressed count can be, where the file says so.
    row : int
        Row where the label first stands; 0 where there is none.
    """

    count: int | None
    limit: int | None = None
    row: int = 0


@dataclass(frozen=True)
class Tally:
    """One attribute of a cohort.

    Attributes
    ----------
    attribute : str
    labels : mapping of str to LabelCount
    total : int
        People in all; what suppressed counts add up to follows from it.
    column : str
        The column the labels stand in, for errors.
    """

    attribute: str
    labels: Mapping[str, LabelCount]
    total: int
    column: str

    @property
    def hidden_total(self) -> int:
        """People in the suppressed counts together."""
        return self.total - sum(label.count or 0 for label in self.labels.values())


@dataclass(frozen=True)
class Cohort:
    """A counted cohort.

    Attributes
    ----------
    name : str
        File or built-in name.
    tallies : mapping of str to Tally
        By attribute, in the order asked for, or of the file.
    n : int
        People; the largest total where the attributes of a count table differ in theirs.
    n_ids_not_found : int
        Ids that ``only`` lists and the cohort does not have.
    """

    name: str
    tallies: Mapping[str, Tally]
    n: int
    n_ids_not_found: int = 0


def load_cohort(
    source: str | Path,
    *,
    attributes: Sequence[str] = (),
    optional: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    id_column: str | None = None,
    only: str | Path | None = None,
    only_column: str | None = None,
) -> Cohort:
    """Count a cohort.

    Parameters
    ----------
    source : str or Path
        CSV or Parquet, people or counts; or ``builtin:red-coral``, ``builtin:midrc-n3c``.
    attributes, optional : sequence of str
        Attributes to count: those that must be there, and those counted where they are. ``race*ethnicity``
        counts two columns jointly. Without ``optional``, a count table gives the former only; without
        both, all it has.
    columns : mapping of str to str, optional
        The column of an attribute, where it has another name.
    id_column : str, optional
        Column of ids: nobody may stand twice.
    only : str or Path, optional
        CSV of ids; people whose id it does not list are left out. Needs ``id_column``.
    only_column : str, optional
        Column of ``only`` that holds the ids; the first by default.

    Raises
    ------
    CohortError
        Names the file, row and column.
    """
    if str(source).startswith(BUILTIN):
        table = read_csv(
            io.StringIO(builtin_text(str(source), prefix="cohort-", ending=".csv")), name=str(source)
        )
        cohort = _counted(str(source), table.select(_COUNT_COLUMNS))
        return _with(cohort, attributes, only=not optional)
    path = Path(source)
    wanted = set(_only_ids(Path(only), column=only_column)) if only is not None else None
    if wanted is not None and id_column is None:
        raise CohortError("a list of ids needs the cohort's column of ids; name it with --id")
    with ExitStack() as stack:
        header, select = _open(path, stack)
        if set(_COUNT_COLUMNS) <= set(header):
            extra = next((name for name in header if name not in _COUNT_COLUMNS), None)
            if extra is not None:
                message = (
                    f"has a column {extra!r} beside {', '.join(_COUNT_COLUMNS)}; a count "
                    "table has these three only"
                )
                raise CohortError(message, path=str(path))
            if id_column is not None:
                raise CohortError(
                    "is a table of counts and has no ids; give a table of people", path=str(path)
                )
            return _with(_counted(str(path), select(_COUNT_COLUMNS)), attributes, only=not optional)
        places = _places(header, attributes, optional, columns or {}, str(path))
        if not places:
            message = f"has none of the columns {', '.join(optional) or 'asked for'}; name one: race=COLUMN"
            raise CohortError(message, path=str(path))
        if id_column is not None and id_column not in header:
            raise CohortError("is not there", path=str(path), column=id_column)
        return _people(str(path), select, places, id_column=id_column, wanted=wanted)


def _only_ids(path: Path, *, column: str | None) -> Iterator[str]:
    """Ids listed in a CSV file, in its first column where none is named."""
    with ExitStack() as stack:
        header, select = _open(path, stack)
        if column is not None and column not in header:
            raise CohortError("is not there", path=str(path), column=column)
        for row, (value,) in select([column or header[0]]):
            if not value.strip():
                raise CohortError(
                    "is empty; every row needs an id", path=str(path), row=row, column=column or header[0]
                )
            yield value.strip()


def _open(path: Path, stack: ExitStack) -> tuple[tuple[str, ...], _Rows]:
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                file = stack.enter_context(pq.ParquetFile(path))
            except pa.ArrowInvalid:
                raise CohortError("is not a Parquet file", path=str(path)) from None
            return tuple(file.schema_arrow.names), lambda columns: _parquet_rows(file, columns)
        text = stack.enter_context(path.open(encoding="utf-8-sig", newline=""))
    except OSError as error:
        raise CohortError(f"cannot be read ({error.strerror})", path=str(path)) from None
    table = read_csv(text, name=str(path))
    return table.header, table.select


def _parquet_rows(file: Any, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    before = 0
    for batch in file.iter_batches(columns=list(dict.fromkeys(columns))):
        lists = [
            ["" if value is None else str(value) for value in batch[name].to_pylist()] for name in columns
        ]
        for row, values in enumerate(zip(*lists, strict=True), before + 1):
            yield row, list(values)
        before += batch.num_rows


def _places(
    header: Sequence[str],
    attributes: Sequence[str],
    optional: Sequence[str],
    columns: Mapping[str, str],
    path: str,
) -> dict[str, tuple[str, ...]]:
    """The columns each attribute is read from."""
    places: dict[str, tuple[str, ...]] = {}
    for attribute in dict.fromkeys((*attributes, *optional)):
        found: list[str] = []
        for part in attribute.split(JOINT):
            asked = columns.get(part)
            if asked is not None and asked not in header:
                raise CohortError("is not there", path=path, column=asked)
            near = [name for name in header if label_key(name) == label_key(part)]
            name = asked or (part if part in header else near[0] if len(near) == 1 else None)
            if name is not None:
                found.append(name)
            elif attribute in attributes:
                message = f"has no column {part!r}; say which one it is, for example {part}=COLUMN"
                raise CohortError(message, path=path)
        if len(found) == len(attribute.split(JOINT)):
            places[attribute] = tuple(found)
    return places


def _people(
    name: str,
    select: _Rows,
    places: Mapping[str, tuple[str, ...]],
    *,
    id_column: str | None,
    wanted: set[str] | None,
) -> Cohort:
    columns = list(dict.fromkeys(column for group in places.values() for column in group))
    groups = [tuple(columns.index(column) for column in group) for group in places.values()]
    counts: list[dict[str, list[int]]] = [{} for _ in groups]
    ids: set[str] = set()
    n = 0
    for row, values in select([*columns, id_column] if id_column is not None else columns):
        if id_column is not None:
            identity = values[-1].strip()
            if not identity:
                raise CohortError("is empty; every person needs an id", path=name, row=row, column=id_column)
            if wanted is not None and identity not in wanted:
                continue
            if identity in ids:
                message = "stands a second time; the table must have one row per person"
                raise CohortError(message, path=name, row=row, column=id_column)
            ids.add(identity)
        n += 1
        for group, counted in zip(groups, counts, strict=True):
            label = values[group[0]] if len(group) == 1 else JOINT.join(values[place] for place in group)
            entry = counted.get(label)
            if entry is not None:
                entry[0] += 1
                continue
            if len(counted) == MAX_LABELS:
                message = f"has more than {MAX_LABELS:,} different values; it is not a category"
                raise CohortError(message, path=name, row=row, column=columns[group[0]])
            counted[label] = [1, row]
    if n == 0:
        raise CohortError(
            "has nobody whose id is in the list" if wanted is not None else "has no people", path=name
        )
    tallies = {
        attribute: Tally(
            attribute,
            {label: LabelCount(count, row=first) for label, (count, first) in counted.items()},
            n,
            JOINT.join(group),
        )
        for (attribute, group), counted in zip(places.items(), counts, strict=True)
    }
    return Cohort(name, tallies, n, len(wanted - ids) if wanted is not None else 0)


def _counted(name: str, rows: Iterable[tuple[int, list[str]]]) -> Cohort:
    labels: dict[str, dict[str, LabelCount]] = {}
    totals: dict[str, int] = {}
    overall: int | None = None
    for row, values in rows:
        attribute, label, text = (value.strip() for value in values)
        if not attribute:
            raise CohortError("is empty; name the attribute", path=name, row=row, column="attribute")
        count = _label_count(text, name, row)
        if label_key(attribute) == _TOTAL or label_key(label) == _TOTAL:
            if count.count is None:
                raise CohortError(
                    "is suppressed; a total must be a number", path=name, row=row, column="count"
                )
            if label_key(attribute) == _TOTAL:
                overall = count.count
            else:
                totals[attribute] = count.count
            continue
        known = labels.setdefault(attribute, {})
        twin = next((other for other in known if label_key(other) == label_key(label)), None)
        if twin is not None:
            message = f"{label!r} of {attribute!r} stands in row {known[twin].row} already; keep one"
            raise CohortError(message, path=name, row=row, column="category")
        known[label] = count
    if not labels:
        raise CohortError("has no counts below its header", path=name)
    tallies = {
        attribute: _tally(name, attribute, known, totals.get(attribute, overall))
        for attribute, known in labels.items()
    }
    return Cohort(name, tallies, max(tally.total for tally in tallies.values()))


def _tally(name: str, attribute: str, labels: Mapping[str, LabelCount], total: int | None) -> Tally:
    """Check the counts of one attribute against its total; suppressed ones follow by subtraction."""
    counted = sum(label.count or 0 for label in labels.values())
    hidden = {key: label for key, label in labels.items() if label.count is None}
    if not hidden:
        if total is not None and total != counted:
            message = (
                f"the counts of {attribute!r} add up to {counted:,}, but the total is {total:,}; correct one"
            )
            raise CohortError(message, path=name)
        if counted == 0:
            raise CohortError(f"the counts of {attribute!r} are all 0", path=name)
        return Tally(attribute, labels, counted, "category")
    row = next(iter(hidden.values())).row
    if total is None:
        message = (
            f"a count of {attribute!r} is suppressed and its total is not known; add a row "
            f"{attribute},Total,N "
            "or total,,N, so that the suppressed counts follow by subtraction"
        )
        raise CohortError(message, path=name, row=row, column="count")
    rest = total - counted
    most = sum(label.limit if label.limit is not None else rest for label in hidden.values())
    if not 0 <= rest <= most:
        message = (
            f"the suppressed counts of {attribute!r} would be {rest:,} together (total {total:,} less "
            f"{counted:,}), "
            f"outside 0 to {max(most, 0):,}; correct the total or a count"
        )
        raise CohortError(message, path=name, row=row, column="count")
    if len(hidden) == 1:
        key = next(iter(hidden))
        labels = {**labels, key: LabelCount(rest, row=row)}
    return Tally(attribute, labels, total, "category")


def _label_count(text: str, name: str, row: int) -> LabelCount:
    if re.fullmatch(r"\d+(\.0+)?", text):
        return LabelCount(int(text.partition(".")[0]), row=row)
    match = _SUPPRESSED.fullmatch(text)
    if match is None:
        message = (
            f"{text!r} is not a count; write a whole number without thousands "
            "separator, or <20 where suppressed"
        )
        raise CohortError(message, path=name, row=row, column="count")
    if match["below"] is not None:
        return LabelCount(None, max(int(match["below"]) - 1, 0), row)
    limit = match["most"] or match["upto"]
    return LabelCount(None, int(limit) if limit is not None else None, row)


def _with(cohort: Cohort, attributes: Sequence[str], *, only: bool) -> Cohort:
    missing = next((attribute for attribute in attributes if attribute not in cohort.tallies), None)
    if missing is not None:
        message = f"has no attribute {missing!r}; it has {', '.join(cohort.tallies)}"
        raise CohortError(message, path=cohort.name)
    if only and attributes:
        return replace(cohort, tallies={name: cohort.tallies[name] for name in dict.fromkeys(attributes)})
    return cohort
