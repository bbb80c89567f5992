"""A researcher's match table as a Gen3 crosswalk: a CSV pair for ``gen3 objects crosswalk publish``, and MDS records.

A column of a crosswalk is one identifier of one commons, ``commons_url|identifier_type|identifier_name``. Here the
researcher's entity GUID is one, and the subject GUID of each dataset that is in a commons is another. The client makes
a blank cell an alias of its own, and fails at the second one; so there is a file for every combination of datasets,
whose rows have no blanks. Values are opaque GUIDs of one project and recipient, and nothing else: what is in a metadata
service can be looked up by whoever has a value.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from broker.gen3 import documents
from broker.gen3.documents import GUID_TYPE, METHODOLOGIES, TYPE
from broker.releases.files import CSV, JSON, Extra
from pprl.errors import GovernanceError
from pprl.guid import as_values, to_text
from pprl.release.table import Content

CROSSWALK, INFO, MDS = "crosswalk", "crosswalk-info", "mds"
"""Roles of the files."""

INFO_HEADER = ("commons_url", "identifier_name", "description")
"""Of the file that tells what the columns are."""

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_TYPE = re.compile(r"[A-Za-z0-9_]{1,60}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()-]{0,79}")
_NOT_IN_TEXT = re.compile(r'[",|\\\r\n]')
_PREFIX = re.compile(r"([A-Za-z0-9.]+/)?")


@dataclass(frozen=True, slots=True)
class Identifier:
    """What one column of a crosswalk holds.

    Attributes
    ----------
    commons_url : str
        ``https://data.midrc.org``
    type : str
        ``gen3_node_property`` where it is a property of a commons' graph; for others a word of one's own.
    name : str
        ``Case.submitter_id``
    description : str
        For people. None of ``" , | \\`` or line breaks, which the client writes and reads differently.
    """

    commons_url: str
    type: str
    name: str
    description: str = ""

    def __post_init__(self) -> None:
        for what, value, pattern in (
            ("URL of the commons", self.commons_url, _URL),
            ("type of identifier", self.type, _TYPE),
            ("name of the identifier", self.name, _NAME),
        ):
            if not pattern.fullmatch(value):
                raise GovernanceError(f"the {what} {value!r} cannot stand in a crosswalk")
        if _NOT_IN_TEXT.search(self.description):
            raise GovernanceError(
                f"the description of {self.name!r} must not have quotes, commas, bars or backslashes"
            )

    @property
    def header(self) -> str:
        """Its column's header."""
        return f"{self.commons_url}|{self.type}|{self.name}"


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """How a project's tables become crosswalks.

    Attributes
    ----------
    entity : Identifier
        Of the researcher's entity GUIDs.
    datasets : mapping of str to Identifier
        Of the datasets that are in a commons; others are left out.
    methodologies : tuple of str
        ``mapping_methodologies`` of the records.
    guid_prefix : str
        Before the GUID of each record: ``dg.MD1R/``.
    """

    entity: Identifier
    datasets: Mapping[str, Identifier]
    methodologies: tuple[str, ...] = ()
    guid_prefix: str = ""

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.guid_prefix):
            raise GovernanceError("the prefix of GUIDs must be like dg.MD1R/")
        headers = [one.header for one in (self.entity, *self.datasets.values())]
        if len(set(headers)) < len(headers):
            raise GovernanceError(
                "two columns of the crosswalk would be the same; give each dataset one of its own"
            )


@dataclass(frozen=True, slots=True)
class _Subjects:
    """Entities that are in the same datasets.

    Attributes
    ----------
    names : tuple of str
        The datasets.
    rows : list of tuple of str
        The entity's GUID and that of each dataset.
    """

    names: tuple[str, ...]
    rows: list[tuple[str, ...]]


def crosswalk_files(crosswalk: Crosswalk) -> Callable[[Content], Iterable[Extra]]:
    """For `broker.releases.builder.build_release`: what to make of a researcher's content.

    Files are ``crosswalk-1.csv`` and so on, one for each combination of datasets that some entity is in; the
    ``crosswalk-info.csv`` that goes with all of them; and ``mds.json``, for the batch of a metadata service.
    """

    def make(content: Content) -> Iterator[Extra]:
        groups = _by_datasets(content, crosswalk)
        for number, subjects in enumerate(groups, start=1):
            yield Extra(f"crosswalk-{number}.csv", CROSSWALK, CSV, _as_csv(subjects, crosswalk))
        yield Extra("crosswalk-info.csv", INFO, CSV, _info(crosswalk))
        records = [record for subjects in groups for record in _records(subjects, crosswalk)]
        yield Extra("mds.json", MDS, JSON, json.dumps(records, indent=1, ensure_ascii=False).encode() + b"\n")

    return make


def mds_record(crosswalk: Crosswalk, guids: Mapping[str | None, str]) -> dict[str, Any]:
    """One record of a metadata service.

    Parameters
    ----------
    crosswalk : Crosswalk
        What the columns are.
    guids : mapping of str or None to str
        Of a dataset its subject GUID, and of None the entity's.
    """
    by_commons: dict[str, Any] = {}
    for name, guid in guids.items():
        one = crosswalk.entity if name is None else crosswalk.datasets[name]
        by_commons.setdefault(one.commons_url, {})[one.name] = {
            "value": guid,
            "type": one.type,
            "description": one.description,
        }
    by_commons[METHODOLOGIES] = list(crosswalk.methodologies)
    return {TYPE: GUID_TYPE, documents.CROSSWALK: {GUID_TYPE: by_commons}}


def _records(subjects: _Subjects, crosswalk: Crosswalk) -> Iterator[dict[str, Any]]:
    """For ``POST /metadata``."""
    for row in subjects.rows:
        guids = dict(zip((None, *subjects.names), row, strict=True))
        yield {"guid": f"{crosswalk.guid_prefix}{row[0]}", "data": mds_record(crosswalk, guids)}


def _by_datasets(content: Content, crosswalk: Crosswalk) -> list[_Subjects]:
    """Entities by the datasets in a commons that they are in; in one at least."""
    table = content.table
    mapped = np.array([name in crosswalk.datasets for name in table.names], np.bool_)
    rows = np.flatnonzero(mapped[table.dataset]) if len(table) else np.empty(0, np.int64)
    entity = as_values(table.entity[rows])
    # A table is in the order of its entities: an entity's rows stand together, its datasets ascending.
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = entity[1:] != entity[:-1]
    starts = np.flatnonzero(is_first).tolist()
    groups: dict[tuple[int, ...], list[tuple[str, ...]]] = {}
    entity_text, row_text = to_text(table.entity[rows]), to_text(table.row[rows])
    datasets = table.dataset[rows].tolist()
    for start, end in pairwise([*starts, len(rows)]):
        row = (entity_text[start], *row_text[start:end])
        groups.setdefault(tuple(datasets[start:end]), []).append(row)
    return [
        _Subjects(tuple(table.names[number] for number in numbers), some)
        for numbers, some in sorted(groups.items())
    ]


def _as_csv(subjects: _Subjects, crosswalk: Crosswalk) -> bytes:
    columns = [crosswalk.entity, *(crosswalk.datasets[name] for name in subjects.names)]
    return _csv([[one.header for one in columns], *subjects.rows])


def _info(crosswalk: Crosswalk) -> bytes:
    rows = [
        (one.commons_url, one.name, one.description)
        for one in (crosswalk.entity, *crosswalk.datasets.values())
    ]
    return _csv([INFO_HEADER, *rows])


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
