"""Other names of records of the metadata service."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.gen3.documents import MOST_VALUES, check_name
from broker.store.tables import AliasKind, MetadataAlias, MetadataRecord, Party
from broker.store.tables.metadata import ALIAS_CHARACTERS
from pprl.errors import ConflictError, GovernanceError, NotFoundError

MOST_ALIASES = MOST_VALUES
"""That are given at once."""

_AT_ONCE = 500
_LISTED = (AliasKind.VALUE, AliasKind.NAME)


def aliases_of(session: Session, record: MetadataRecord) -> list[str]:
    """The aliases of a record, sorted."""
    return sorted(_held(session, record))


def add_aliases(session: Session, record: MetadataRecord, aliases: object) -> list[str]:
    """Give a record aliases; those that it has are given again, and blank ones left out.

    Returns
    -------
    list of str
        Those asked for.

    Raises
    ------
    ConflictError
        One is that of another record of the owner's.
    """
    wanted, held = _checked(aliases), _held(session, record)
    _add(session, record, [one for one in wanted if one not in held], AliasKind.NAME)
    return sorted(wanted)


def set_aliases(session: Session, record: MetadataRecord, aliases: object, *, merge: bool) -> list[str]:
    """Give a record aliases, and take those away that are not among them unless ``merge``.

    Values of its crosswalk stay: they are its names as long as it has them.

    Returns
    -------
    list of str
        All that it has then.

    Raises
    ------
    ConflictError
    """
    wanted = set(_checked(aliases))
    held = _held(session, record)
    if not merge:
        gone = [name for name, kind in held.items() if kind is AliasKind.NAME and name not in wanted]
        _delete(session, record, gone)
    _add(session, record, sorted(wanted - set(held)), AliasKind.NAME)
    return aliases_of(session, record)


def delete_alias(session: Session, record: MetadataRecord, alias: str) -> None:
    """Take one alias away.

    Raises
    ------
    NotFoundError
    """
    if alias not in _held(session, record):
        raise NotFoundError("the record has no such alias")
    _delete(session, record, [alias])


def delete_aliases(session: Session, record: MetadataRecord) -> None:
    """Take all aliases away.

    Raises
    ------
    NotFoundError
        There are none.
    """
    held = _held(session, record)
    if not held:
        raise NotFoundError("the record has no aliases")
    _delete(session, record, held)


def follow_values(session: Session, record: MetadataRecord, values: Sequence[str]) -> None:
    """Make the values of its crosswalk, and those alone, aliases of a record.

    Raises
    ------
    ConflictError
        One is that of another record of the owner's, or its GUID.
    """
    held = _held(session, record)
    wanted = set(values)
    _delete(
        session,
        record,
        [name for name, kind in held.items() if kind is AliasKind.VALUE and name not in wanted],
    )
    _add(session, record, sorted(wanted - set(held)), AliasKind.VALUE)


def holders(session: Session, owner: Party, names: Collection[str]) -> set[int]:
    """Keys of an owner's records that have some of these aliases."""
    return set(
        session.scalars(
            select(MetadataAlias.record_key).where(
                MetadataAlias.owner_key == owner.key, MetadataAlias.alias.in_(list(names))
            )
        )
    )


def _held(session: Session, record: MetadataRecord) -> dict[str, AliasKind]:
    rows = session.execute(
        select(MetadataAlias.alias, MetadataAlias.kind).where(
            MetadataAlias.record_key == record.key, MetadataAlias.kind.in_(_LISTED)
        )
    )
    return {row.alias: row.kind for row in rows}


def _add(session: Session, record: MetadataRecord, names: Iterable[str], kind: AliasKind) -> None:
    names = [name for name in names if name != record.guid]
    if not names:
        return
    taken = session.scalars(
        select(MetadataAlias.key)
        .where(MetadataAlias.owner_key == record.owner_key, MetadataAlias.alias.in_(names))
        .union_all(
            select(MetadataRecord.key).where(
                MetadataRecord.owner_key == record.owner_key, MetadataRecord.guid.in_(names)
            )
        )
    ).first()
    if taken is not None:
        raise ConflictError("an alias or value is that of another of your records")
    session.add_all(
        MetadataAlias(owner_key=record.owner_key, alias=name, record_key=record.key, kind=kind)
        for name in names
    )
    session.flush()


def _delete(session: Session, record: MetadataRecord, names: Iterable[str]) -> None:
    names = list(names)
    if names:
        session.execute(
            delete_rows(MetadataAlias).where(
                MetadataAlias.record_key == record.key, MetadataAlias.alias.in_(names)
            )
        )


def _checked(aliases: object) -> list[str]:
    if aliases is None:
        return []
    if not isinstance(aliases, list) or len(aliases) > MOST_ALIASES:
        raise GovernanceError(f"aliases are a list of at most {MOST_ALIASES} texts")
    if not all(isinstance(one, str) for one in aliases):
        raise GovernanceError("an alias is a text")
    # The client sends one for every cell, blank cells included.
    return [check_name(one, ALIAS_CHARACTERS) for one in dict.fromkeys(one.strip() for one in aliases) if one]
