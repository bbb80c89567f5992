"""Searches in the metadata service: records by what stands at some paths of their documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, func, or_, select
from sqlalchemy.orm import Session

from broker.gen3.documents import TYPE
from broker.gen3.readers import readable
from broker.store.tables import MetadataRecord, Party
from pprl.errors import GovernanceError

FOUND, MOST_FOUND = 10, 2_000
"""Records of a search that says no limit, and of any."""

_FILTERS, _LEVELS = 20, 20


def search(
    session: Session,
    filters: Mapping[str, Sequence[str]],
    *,
    party: Party | None,
    now: datetime,
    limit: int = FOUND,
    offset: int = 0,
) -> list[MetadataRecord]:
    """Records that fit all filters, the oldest first.

    Parameters
    ----------
    session : Session
        Of the store.
    filters : mapping of str to sequence of str
        ``a.b.c``, a path into documents, to the texts of which its value is one. ``*`` fits whatever is there;
        ``\\*`` is an asterisk.
    party : Party or None
        Who asks.
    now : datetime
        With time zone.
    limit : int
        At most `MOST_FOUND` are given.
    offset : int
        How many to leave out first.

    Raises
    ------
    GovernanceError
    """
    if limit < 0 or not 0 <= offset < 2**62:
        raise GovernanceError("limit and offset must not be negative")
    if len(filters) > _FILTERS or any(len(values) > _FILTERS for values in filters.values()):
        raise GovernanceError(f"a search takes at most {_FILTERS} paths, and as many values of each")
    statement = select(MetadataRecord).where(
        readable(session, party, now=now), *(_fits(session, path, values) for path, values in filters.items())
    )
    found = statement.order_by(MetadataRecord.key).limit(min(limit, MOST_FOUND)).offset(offset)
    return list(session.scalars(found))


def _fits(session: Session, path: str, values: Iterable[str]) -> ColumnElement[bool]:
    """Whether what stands at a path of the document is one of some texts."""
    names = path.split(".")
    _check_path(names)
    text = MetadataRecord.guid_type if path == TYPE else _text_at(session, names)
    conditions: list[ColumnElement[bool]] = []
    for value in values:
        if "\0" in value:
            raise GovernanceError("a value of a search holds what is no character")
        if value == "*":
            conditions.append(_is_at(session, names))
        else:
            conditions.append(text == ("*" if value == "\\*" else value))
    return or_(*conditions)


def _is_at(session: Session, names: Sequence[str]) -> ColumnElement[bool]:
    """Whether anything stands at a path, be it null."""
    if session.get_bind().dialect.name == "postgresql":
        return func.json_extract_path(MetadataRecord.data, *names).is_not(None)
    return func.json_type(MetadataRecord.data, _json_path(names)).is_not(None)


def _text_at(session: Session, names: Sequence[str]) -> ColumnElement[Any]:
    """What stands at a path, as text; NULL where nothing does."""
    if session.get_bind().dialect.name == "postgresql":
        return func.json_extract_path_text(MetadataRecord.data, *names)
    path = _json_path(names)
    kind = func.json_type(MetadataRecord.data, path)
    # To SQLite they are the numbers 1 and 0.
    return case(
        (kind.in_(["true", "false"]), kind),
        else_=cast(func.json_extract(MetadataRecord.data, path), String),
    )


def _check_path(names: Sequence[str]) -> None:
    if len(names) > _LEVELS or any(not name or '"' in name or "\\" in name or "\0" in name for name in names):
        raise GovernanceError("a path of a search is names with dots between them, without quotes")


def _json_path(names: Sequence[str]) -> str:
    """As SQLite has it."""
    return "$" + "".join(f'."{name}"' for name in names)
