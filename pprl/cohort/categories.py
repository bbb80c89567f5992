"""Category maps: which label of a file means which category of the reference, and nothing by guess.

A map is a CSV ``attribute,label,category``; the attribute ``*`` stands for all. Maps are applied in order,
each to what the one before left, and a label that no map knows stays as it is. Case and repeated blanks do
not matter.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from pprl.cohort.textfile import read_csv, read_text
from pprl.errors import CohortError
from pprl.labels import OMB_MAP, label_key, omb_text

NOT_REPORTED = "Not reported"
SUPPRESSED = "Suppressed"
JOINT = "*"
"""Joins the attributes of a joint cell, ``race*ethnicity``, and their categories."""

_HEADER = ("attribute", "label", "category")
BUILTIN = "builtin:"
_EVERY = "*"


def is_gap(category: str) -> bool:
    """Whether a category stands for people of whom the attribute is not known."""
    return label_key(category) in _GAPS


_GAPS = frozenset({label_key(NOT_REPORTED), label_key(SUPPRESSED)})


@dataclass(frozen=True)
class CategoryMap:
    """Labels to categories.

    Attributes
    ----------
    name : str
        Where it comes from, for reports and errors.
    entries : mapping of (str, str) to str
        Attribute (or ``*``) and label, in any spelling of case and blanks, to the category.
    """

    name: str
    entries: Mapping[tuple[str, str], str]
    _index: dict[tuple[str, str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {(label_key(a), label_key(label)): target for (a, label), target in self.entries.items()}
        object.__setattr__(self, "_index", index)

    def apply(self, attribute: str, label: str) -> str:
        """The category of a label, or the label itself where the map does not know it.

        The parts of a joint label (``White*Hispanic`` of ``race*ethnicity``) are looked up each by itself
        where the whole is not found.
        """
        for key in (label_key(attribute), _EVERY):
            found = self._index.get((key, label_key(label)))
            if found is not None:
                return found
        names, parts = attribute.split(JOINT), label.split(JOINT)
        if len(names) == len(parts) > 1:
            return JOINT.join(self.apply(name, part) for name, part in zip(names, parts, strict=True))
        return label


def resolve(attribute: str, label: str, maps: Iterable[CategoryMap]) -> str:
    """Send a label through maps in order, and last through the built-in words for "not reported".

    Returns
    -------
    str
        A category, `NOT_REPORTED`, or `SUPPRESSED`. A joint label with a gap in any part is a gap.
    """
    for one in maps:
        label = one.apply(attribute, label)
    label = load_category_map("builtin:gaps").apply(attribute, label)
    if JOINT in attribute:
        parts = [part for part in label.split(JOINT) if is_gap(part)]
        if parts:
            return (
                SUPPRESSED
                if any(label_key(part) == label_key(SUPPRESSED) for part in parts)
                else NOT_REPORTED
            )
    return " ".join(label.split())


def load_category_map(source: str | Path) -> CategoryMap:
    """Read a category map.

    Parameters
    ----------
    source : str or Path
        A CSV file with the columns attribute, label and category; or ``builtin:omb``, the usual spellings and
        codes of the US Office of Management and Budget's categories of sex, race and ethnicity.

    Raises
    ------
    CohortError
        Names the file, row and column.
    """
    text = str(source)
    if text.startswith(BUILTIN):
        return _load_builtin(text)
    path = Path(source)
    return parse_category_map(read_text(path), name=str(path))


@cache
def _load_builtin(name: str) -> CategoryMap:
    return parse_category_map(builtin_text(name, ending=".map.csv"), name=name)


def builtin_text(name: str, *, prefix: str = "", ending: str) -> str:
    """The text of a table shipped with the package.

    Parameters
    ----------
    name : str
        ``builtin:NAME``.
    prefix, ending : str
        What stands around NAME in the file's name.

    Raises
    ------
    CohortError
        Where there is none of that name; lists those there are.
    """
    files = {entry.name: entry for entry in (resources.files("pprl.cohort") / "reference").iterdir()}
    wanted = f"{prefix}{name.removeprefix(BUILTIN)}{ending}"
    if wanted == OMB_MAP:
        return omb_text()
    if wanted in files:
        return files[wanted].read_text(encoding="utf-8")
    names = sorted(
        file.removeprefix(prefix).removesuffix(ending)
        for file in [*files, OMB_MAP]
        if file.startswith(prefix) and file.endswith(ending) and (ending == ".map.csv" or ".map." not in file)
        if prefix or not file.startswith("cohort-")
    )
    raise CohortError(f"{name} is not built in; there are {', '.join(BUILTIN + known for known in names)}")


def parse_category_map(text: str, *, name: str) -> CategoryMap:
    """As `load_category_map`, from text; ``name`` stands in errors."""
    table = read_csv(io.StringIO(text), name=name)
    table.need(_HEADER, exactly=True)
    entries: dict[tuple[str, str], str] = {}
    seen: dict[tuple[str, str], str] = {}
    for row, values in table.rows():
        attribute, label, category = (values[column].strip() for column in _HEADER)
        if not attribute:
            raise CohortError(
                "is empty; write the attribute, or * for all", path=name, row=row, column="attribute"
            )
        if not category:
            raise CohortError(
                "is empty; write the category the label means", path=name, row=row, column="category"
            )
        key = (label_key(attribute), label_key(label))
        if label_key(seen.setdefault(key, category)) != label_key(category):
            message = (
                f"{label!r} of {attribute!r} is mapped twice, to {seen[key]!r} and {category!r}; keep one"
            )
            raise CohortError(message, path=name, row=row, column="label")
        entries[(attribute, label)] = category
    return CategoryMap(name, entries)
