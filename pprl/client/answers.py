"""What a broker answers, as frozen records. What is not known here is ignored: a newer broker may say more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pprl.errors import ServiceError

Answer = TypeVar("Answer")

RUNNING = ("queued", "running")
"""States of a job that is not over."""


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker itself.

    Attributes
    ----------
    version : str
    recipient : str
        ``age1...``: what packages are sealed to.
    release_key : str
        ``pprlrelease1...``: what releases are signed with.
    journal_key : str or None
    time : datetime
        Its clock.
    """

    version: str
    recipient: str
    release_key: str
    time: datetime
    journal_key: str | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """A party: ``kind`` is ``site``, ``researcher`` or ``operator``; the keys are what is registered of it."""

    id: str
    kind: str
    name: str
    recipient: str | None = None
    site_key: str | None = None


@dataclass(frozen=True, slots=True)
class Me:
    """Whom the broker takes the caller for, what the token is good for, and until when."""

    party: Party
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A project; ``role`` is the caller's own."""

    id: str
    name: str
    epoch: str
    schema_sha256: str
    created_at: datetime
    profile: str | None = None
    smallest_count: int | None = None
    closed_at: datetime | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A package that arrived; ``state`` is ``received``, ``accepted``, ``refused`` or ``superseded``."""

    id: str
    dataset: str
    sequence: int
    state: str
    received_at: datetime
    n_records: int | None = None
    refusal: str | None = None
    settled_at: datetime | None = None
    quality: Any = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset of a site; ``project`` and ``site`` are ids."""

    id: str
    name: str
    project: str
    site: str
    created_at: datetime
    site_name: str | None = None
    stable_guids: bool | None = None
    retired_at: datetime | None = None
    current_delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """Work of the broker's; ``state`` is ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``."""

    id: str
    kind: str
    state: str
    created_at: datetime
    project: str | None = None
    dataset: str | None = None
    stage: str | None = None
    n_done: int | None = None
    n_total: int | None = None
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    result: Mapping[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.state not in RUNNING


@dataclass(frozen=True, slots=True)
class Upload:
    """A package on its way; ``state`` is ``open``, ``complete`` or ``failed``, ``job`` the intake of a whole one."""

    id: str
    dataset: str
    sha256: str
    n_bytes: int
    n_received: int
    state: str
    expires_at: datetime | None = None
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Records taken back.

    Attributes
    ----------
    id, dataset : str
    requested_at : datetime
    n_records : int
        Of them, those that had been linked.
    purged_at : datetime or None
        Since then they are in no file of the broker's.
    waiting_for : tuple of str
        Names of the recipients that have not acknowledged a release without them.
    """

    id: str
    dataset: str
    requested_at: datetime
    n_records: int
    purged_at: datetime | None = None
    waiting_for: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the records are gone everywhere, as far as the recipients say."""
        return self.purged_at is not None and not self.waiting_for


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """A file of a release, as it travels."""

    id: str
    name: str
    role: str
    n_bytes: int
    media_type: str | None = None
    sha256: str | None = None
    drs_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A release; ``project`` and ``recipient`` are ids, ``sealed_to`` is ``age1...``."""

    id: str
    project: str
    recipient: str
    number: int
    state: str
    sealed_to: str | None = None
    n_rows: int | None = None
    n_entities: int | None = None
    n_added: int | None = None
    n_changed: int | None = None
    n_tombstones: int | None = None
    published_at: datetime | None = None
    acknowledged_at: datetime | None = None
    files: tuple[ReleaseFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; ``next`` is where the next one begins."""

    items: tuple[Any, ...]
    next: str | int | None = None


def read(kind: type[Answer], document: object, *, where: str) -> Answer:
    """Make a record of an answer.

    Parameters
    ----------
    kind : type
        One of the records above.
    document : object
        JSON, parsed.
    where : str
        The service's address, for errors.

    Raises
    ------
    ServiceError
        An entry is missing or of another type.
    """
    try:
        return _adapter(kind).validate_python(document)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise ServiceError(
            f"{where}: the broker's answer is not one that is known here ({kind.__name__.lower()}: "
            f"{place or 'another form'}); is this the address of a broker, and this program new enough?",
            code="answer",
        ) from None


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type[Answer]) -> TypeAdapter[Answer]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
