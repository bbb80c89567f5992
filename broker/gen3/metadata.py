"""Records of the metadata service: publish, change, find, delete.

The rules are those of Gen3's service, which clients rely on: a GUID is taken once, a merge replaces whole keys, an
alias stands for one record. Three things differ. Records have owners, and aliases are unique among those of one owner.
The values of a crosswalk are aliases of its record at once, without a further call. And where a client publishes a
crosswalk of a known subject under a GUID that it has just been given, as the ``gen3`` client does, the record that is
there is updated, and that GUID becomes another name of it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import case, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from broker.gen3.aliases import follow_values, holders
from broker.gen3.documents import Document, check_document, check_name, merged, type_of, values_of
from broker.gen3.readers import readable
from broker.store.tables import AliasKind, MetadataAlias, MetadataRecord, Party, Project
from broker.store.tables.metadata import ALIAS_CHARACTERS
from pprl.errors import ConflictError, DeniedError, GovernanceError, NotFoundError
from pprl.guid import RandomBytes, new_guids, to_text

MOST_MINTED, MOST_IN_BATCH = 10_000, 2_000

_MINTED = re.compile(r"(?P<prefix>.*)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NONE = "there is no such record of metadata"


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who may read a record beside its owner; by default nobody.

    Attributes
    ----------
    project : Project or None
        That it is shared with.
    is_open : bool
        Whether everybody may read it.
    """

    project: Project | None = None
    is_open: bool = False


@dataclass(slots=True)
class Batch:
    """What became of the records of a batch, by their GUIDs.

    Attributes
    ----------
    created, updated, conflict : list of str
    """

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    conflict: list[str] = field(default_factory=list)


def mint(count: int, *, prefix: str, random_bytes: RandomBytes = os.urandom) -> list[str]:
    """Give GUIDs out. Nothing is kept of them: clients ask without saying who they are.

    Raises
    ------
    GovernanceError
    """
    if not 1 <= count <= MOST_MINTED:
        raise GovernanceError(f"from 1 to {MOST_MINTED} GUIDs are given at once")
    return [f"{prefix}{guid}" for guid in to_text(new_guids(count, random_bytes=random_bytes))]


def get(session: Session, name: str, *, party: Party | None, now: datetime) -> MetadataRecord:
    """The record of a GUID or an alias; a GUID comes first, then one's own aliases.

    Raises
    ------
    NotFoundError
        There is none, or none that the party may read.
    """
    if not _is_name(name):
        raise NotFoundError(_NONE)
    may_read = readable(session, party, now=now)
    own = case((MetadataRecord.owner_key == (-1 if party is None else party.key), 0), else_=1)
    by_alias = (
        select(MetadataRecord)
        .join(MetadataAlias, MetadataAlias.record_key == MetadataRecord.key)
        .where(MetadataAlias.alias == name, may_read)
        .order_by(own, MetadataRecord.key)
        .limit(1)
    )
    by_guid = select(MetadataRecord).where(MetadataRecord.guid == name, may_read)
    found = session.scalars(by_guid).first() or session.scalars(by_alias).first()
    if found is None:
        raise NotFoundError(_NONE)
    return found


def create(
    session: Session,
    guid: str,
    document: object,
    *,
    by: Party,
    now: datetime,
    overwrite: bool = False,
    sharing: Sharing | None = None,
    prefix: str | None = None,
) -> tuple[MetadataRecord, bool]:
    """Publish a record.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    guid : str
        Of the record.
    document : object
        Its content, from JSON.
    by : Party
        Its owner.
    now : datetime
        With time zone.
    overwrite : bool
        Whether one of the same GUID is to be replaced.
    sharing : Sharing or None
        Who else may read it; None leaves that as it is.
    prefix : str or None
        Of the GUIDs that `mint` gives. Where this is one of them and another record of the owner's has a value of the
        crosswalk, that one is updated.

    Returns
    -------
    tuple of (MetadataRecord, bool)
        And whether it is new.

    Raises
    ------
    ConflictError
        There is one of that GUID, or a value of the crosswalk is another's alias.
    GovernanceError
    """
    checked = check_document(document)
    record = session.scalars(select(MetadataRecord).where(MetadataRecord.guid == check_name(guid))).first()
    if record is not None:
        if not overwrite or record.owner_key != by.key:
            raise ConflictError("there is a record of that GUID already")
        _set(session, record, checked, sharing=sharing, now=now)
        return record, False
    if (known := _known(session, guid, checked, by=by, prefix=prefix)) is not None:
        _set(session, known, check_document(merged(known.data, checked)), sharing=sharing, now=now)
        return known, False
    if session.scalars(
        select(MetadataAlias.key).where(MetadataAlias.owner_key == by.key, MetadataAlias.alias == guid)
    ).first():
        raise ConflictError("another of your records has that GUID for an alias")
    record = MetadataRecord(
        guid=guid, guid_type=None, data={}, owner_key=by.key, is_open=False, created_at=now, updated_at=now
    )
    session.add(record)
    session.flush()
    _set(session, record, checked, sharing=sharing, now=now)
    return record, True


def create_batch(
    session: Session,
    items: object,
    *,
    by: Party,
    now: datetime,
    overwrite: bool = True,
    sharing: Sharing | None = None,
) -> Batch:
    """Publish many records: ``[{"guid": ..., "data": {...}}]``.

    Returns
    -------
    Batch
        Those that cannot be, as GUID or value is taken, are named; the others are published.

    Raises
    ------
    GovernanceError
        Something in it is no record; nothing is published.
    """
    if not isinstance(items, list) or len(items) > MOST_IN_BATCH:
        raise GovernanceError(f"a batch is a list of at most {MOST_IN_BATCH} records")
    batch = Batch()
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict) or not {"guid", "data"} <= set(item):
            raise GovernanceError(f"record {number} of the batch is not an object with guid and data")
        try:
            with session.begin_nested():
                record, is_new = create(
                    session, item["guid"], item["data"], by=by, now=now, overwrite=overwrite, sharing=sharing
                )
        except ConflictError:
            batch.conflict.append(item["guid"])
        except GovernanceError as error:
            raise GovernanceError(f"record {number} of the batch: {error}") from None
        else:
            (batch.created if is_new else batch.updated).append(record.guid)
    return batch


def update(
    session: Session,
    guid: str,
    document: object,
    *,
    by: Party,
    now: datetime,
    merge: bool = False,
    sharing: Sharing | None = None,
    prefix: str | None = None,
) -> MetadataRecord:
    """Change a record.

    Parameters
    ----------
    session : Session
        Of `broker.store.Store.begin`.
    guid : str
        Of the record.
    document : object
        Its new content.
    by : Party
        Its owner.
    now : datetime
        With time zone.
    merge : bool
        Whether keys that the new content has not are kept.
    sharing : Sharing or None
        Who else may read it; None leaves that as it is.
    prefix : str or None
        As in `create`.

    Raises
    ------
    NotFoundError
        There is none of that GUID.
    DeniedError
        It is another's.
    """
    checked = check_document(document)
    try:
        record = owned(session, guid, by=by, now=now)
    except NotFoundError:
        known = _known(session, guid, checked, by=by, prefix=prefix)
        if known is None:
            raise
        _set(session, known, check_document(merged(known.data, checked)), sharing=sharing, now=now)
        return known
    new = check_document({**record.data, **checked}) if merge else checked
    _set(session, record, new, sharing=sharing, now=now)
    return record


def delete(session: Session, guid: str, *, by: Party, now: datetime) -> Document:
    """Delete a record and its aliases; gives its content.

    Raises
    ------
    NotFoundError, DeniedError
    """
    record = owned(session, guid, by=by, now=now)
    data = record.data
    session.execute(delete_rows(MetadataAlias).where(MetadataAlias.record_key == record.key))
    session.delete(record)
    session.flush()
    return data


def owned(session: Session, guid: str, *, by: Party, now: datetime) -> MetadataRecord:
    """The record that a party names by its GUID, and may change.

    Raises
    ------
    NotFoundError
        There is none, or none that it may know of.
    DeniedError
        It may read it only.
    """
    if not _is_name(guid):
        raise NotFoundError(_NONE)
    record = session.scalars(select(MetadataRecord).where(MetadataRecord.guid == guid)).first()
    if record is None:
        record = session.scalars(
            select(MetadataRecord)
            .join(MetadataAlias, MetadataAlias.record_key == MetadataRecord.key)
            .where(
                MetadataAlias.owner_key == by.key,
                MetadataAlias.alias == guid,
                MetadataAlias.kind == AliasKind.GUID,
            )
        ).first()
    if record is not None and record.owner_key == by.key:
        return record
    if record is not None:
        get(session, guid, party=by, now=now)  # to whom it is not there, it is not there
        raise DeniedError("the record is another party's; you may read it only")
    raise NotFoundError(_NONE)


def _known(
    session: Session, guid: str, document: Document, *, by: Party, prefix: str | None
) -> MetadataRecord | None:
    """The record of the same subject, where a client has a GUID for a new one; that becomes a name of it."""
    found = _MINTED.fullmatch(guid)
    if prefix is None or found is None or found["prefix"] != prefix:
        return None
    keys = holders(session, by, values_of(document))
    if len(keys) > 1:
        raise ConflictError("the crosswalk has values of two records; delete one of them first")
    if not keys:
        return None
    record = session.get_one(MetadataRecord, keys.pop())
    session.add(MetadataAlias(owner_key=by.key, alias=guid, record_key=record.key, kind=AliasKind.GUID))
    return record


def _set(
    session: Session, record: MetadataRecord, document: Document, *, sharing: Sharing | None, now: datetime
) -> None:
    record.data, record.guid_type, record.updated_at = document, type_of(document), now
    if sharing is not None:
        record.project_key = None if sharing.project is None else sharing.project.key
        record.is_open = sharing.is_open
    follow_values(session, record, values_of(record.data))


def _is_name(text: str) -> bool:
    """Whether a text can be the name of a record at all; the database need not be asked about others."""
    return 0 < len(text) <= ALIAS_CHARACTERS and text.isprintable()
