"""Documents of a metadata service, and the crosswalk in them; pure.

::

    {"_guid_type": "subject",
     "crosswalk": {"subject": {COMMONS_URL: {IDENTIFIER: {"value": ..., "type": ..., "description": ...}},
                               "mapping_methodologies": [...]}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from broker.store.tables.metadata import ALIAS_CHARACTERS, GUID_CHARACTERS, TYPE_CHARACTERS
from pprl.errors import GovernanceError

DOCUMENT_BYTES = 64 * 1024
"""A document may have as many, as JSON."""

DEEPEST = 32
"""Levels of a document."""

MOST_VALUES = 200
"""Of a crosswalk's record."""

TYPE, CROSSWALK, METHODOLOGIES = "_guid_type", "crosswalk", "mapping_methodologies"

GUID_TYPE = "subject"
"""``_guid_type`` of the records of crosswalks, by which the client finds them."""

Document = dict[str, Any]


def check_document(document: object) -> Document:
    """What may be kept: an object of JSON, of some size, with texts that every database takes.

    Cells of a crosswalk that are blank are left out: to the client a blank is a value like any other, and the next one
    collides with it.

    Raises
    ------
    GovernanceError
        It may not be kept; nothing of it is repeated.
    """
    if not isinstance(document, dict):
        raise GovernanceError("a record of metadata is an object of JSON")
    _check_level(document, 1)
    kind = document.get(TYPE)
    if isinstance(kind, str) and len(kind) > TYPE_CHARACTERS:
        raise GovernanceError(f"the {TYPE} of a record has at most {TYPE_CHARACTERS} characters")
    kept = _without_blanks(document)
    # In the form that it is kept in, which spells out what is not ASCII.
    if len(json.dumps(kept)) > DOCUMENT_BYTES:
        raise GovernanceError(f"a record of metadata has at most {DOCUMENT_BYTES} bytes; make it smaller")
    values = values_of(kept)
    if len(values) > MOST_VALUES:
        raise GovernanceError(f"a record of a crosswalk has at most {MOST_VALUES} values")
    for value in values:
        check_name(value, ALIAS_CHARACTERS)
    return kept


def check_name(name: object, most: int = GUID_CHARACTERS) -> str:
    """A GUID, or another name of a record.

    Raises
    ------
    GovernanceError
    """
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= most
        or not name.isprintable()
        or name.strip() != name
    ):
        raise GovernanceError(f"a GUID or alias is a text of 1 to {most} characters that can be seen")
    return name


def type_of(document: Document) -> str | None:
    """Its ``_guid_type``, if that is a text."""
    kind = document.get(TYPE)
    return kind if isinstance(kind, str) else None


def values_of(document: Document) -> list[str]:
    """The values of its crosswalk, each once, in their order."""
    return list(dict.fromkeys(cell["value"] for *_, cell in cells_of(document)))


def cells_of(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of its crosswalk: commons, identifier, and what is said of it; those without a text for a value are left out."""
    for url, identifiers in _subject(document).items():
        if isinstance(identifiers, dict):
            for name, cell in identifiers.items():
                if isinstance(cell, dict) and isinstance(cell.get("value"), str) and cell["value"]:
                    yield url, name, cell


def merged(before: Document, after: Document) -> Document:
    """Two crosswalks of one subject in one: what the client does for a record that it finds.

    Keys beside the crosswalk are replaced, as in a shallow merge; in the crosswalk each identifier is, and of the
    methodologies all are kept.
    """
    crosswalk: Document = {**_object(before.get(CROSSWALK)), **_object(after.get(CROSSWALK))}
    subject: Document = {**_subject(before)}
    for url, identifiers in _subject(after).items():
        held = subject.get(url)
        if isinstance(held, dict) and isinstance(identifiers, dict):
            subject[url] = {
                **held,
                **{name: {**_object(held.get(name)), **_object(cell)} for name, cell in identifiers.items()},
            }
        else:
            subject[url] = identifiers
    methodologies = {
        text
        for document in (before, after)
        for text in _list(_subject(document).get(METHODOLOGIES))
        if isinstance(text, str)
    }
    subject[METHODOLOGIES] = sorted(methodologies)
    return {**before, **after, CROSSWALK: {**crosswalk, GUID_TYPE: subject}}


def _subject(document: Document) -> Document:
    return _object(_object(document.get(CROSSWALK)).get(GUID_TYPE))


def _without_blanks(document: Document) -> Document:
    subject = _subject(document)
    if not subject:
        return document
    kept = {
        url: {name: cell for name, cell in identifiers.items() if not _is_blank(cell)}
        if isinstance(identifiers, dict)
        else identifiers
        for url, identifiers in subject.items()
    }
    return {
        **document,
        CROSSWALK: {**document[CROSSWALK], GUID_TYPE: {k: v for k, v in kept.items() if v != {}}},
    }


def _is_blank(cell: object) -> bool:
    return isinstance(cell, Mapping) and isinstance(cell.get("value"), str) and not cell["value"].strip()


def _check_level(value: object, level: int) -> None:
    if level > DEEPEST:
        raise GovernanceError(f"a record of metadata has at most {DEEPEST} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name)
            _check_level(member, level + 1)
    elif isinstance(value, list):
        for member in value:
            _check_level(member, level + 1)
    elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise GovernanceError("a number in a record of metadata is finite")


def _check_text(text: str) -> None:
    """PostgreSQL keeps no NUL, and half of a surrogate pair is no character."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise GovernanceError("a text in a record of metadata holds what is no character")


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
