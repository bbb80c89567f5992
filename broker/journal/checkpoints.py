"""Checkpoints: signatures over the journal up to an entry, kept beside it and, better, somewhere else as well."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.journal.chain import canonical
from broker.store.tables import Checkpoint, JournalEntry, StoreFact
from pprl.errors import JournalError, KeyFileError
from pprl.package.signing import Ed25519PublicText, Ed25519SecretText

_SIGNED_PREFIX = b"pprl journal checkpoint v1\0"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class JournalVerifyKey(Ed25519PublicText):
    """The public half of a journal key; ``str`` gives ``pprljournal1...``.

    Attributes
    ----------
    public : bytes
        32 bytes.
    """

    prefix: ClassVar[str] = "pprljournal"
    what: ClassVar[str] = "a journal's public key"
    unfit: ClassVar[str] = "the signature does not fit the checkpoint"

    public: bytes

    def __post_init__(self) -> None:
        self._check(self.public)


@dataclass(frozen=True, slots=True)
class JournalKey(Ed25519SecretText):
    """The secret key that checkpoints are signed with; best kept where the database's administrators cannot read it.

    Attributes
    ----------
    secret : bytes
        32 bytes, the seed of RFC 8032; never shown by ``repr`` or ``str``.
    """

    prefix: ClassVar[str] = "PPRL-JOURNAL-KEY-"
    what: ClassVar[str] = "a journal's signing key"
    comment: ClassVar[tuple[str, ...]] = (
        "# pprl journal key: SECRET. It signs the checkpoints of a broker's journal.",
    )

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        self._check(self.secret)

    @property
    def public_half(self) -> JournalVerifyKey:
        """The public half."""
        return JournalVerifyKey(self._public_bytes())


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that stands for itself.

    Attributes
    ----------
    store : str
        The store's id.
    n : int
        The last entry it covers.
    hash : str
        Of that entry.
    at : str
        UTC, to the second.
    signer : str
        ``pprljournal1...``
    signature : str
        128 hexadecimal digits.
    """

    store: str
    n: int
    hash: str
    at: str
    signer: str
    signature: str

    def message(self) -> bytes:
        """What is signed."""
        return _message(self.store, self.n, self.hash, self.at)

    def is_signed(self) -> bool:
        """Whether the signature is that of its signer."""
        try:
            key = JournalVerifyKey.parse(self.signer)
            return key.is_signed(bytes.fromhex(self.signature), self.message())
        except (KeyFileError, ValueError):
            return False

    def to_line(self) -> str:
        """A line of JSON."""
        return canonical(asdict(self))


def make_checkpoint(session: Session, key: JournalKey, *, now: datetime) -> SignedCheckpoint:
    """Sign the journal as it stands; where its last entry is signed already, that checkpoint is given.

    Raises
    ------
    JournalError
        The journal is empty.
    """
    last = session.scalars(select(JournalEntry).order_by(JournalEntry.number.desc()).limit(1)).first()
    if last is None:
        raise JournalError("the journal is empty; there is nothing to sign yet")
    store_id = session.scalars(select(StoreFact.value).where(StoreFact.name == "store_id")).one()
    row = session.get(Checkpoint, last.number)
    if row is None:
        at = now.astimezone(UTC).replace(microsecond=0)
        message = _message(store_id, last.number, last.hash, at.strftime(_TIME))
        row = Checkpoint(
            number=last.number,
            hash=last.hash,
            at=at,
            signer=str(key.public_half),
            signature=key.sign(message).hex(),
        )
        session.add(row)
        session.flush()
    return signed(row, store_id)


def signed(row: Checkpoint, store_id: str) -> SignedCheckpoint:
    """A row of the store as a checkpoint that stands for itself."""
    return SignedCheckpoint(store_id, row.number, row.hash, row.at.strftime(_TIME), row.signer, row.signature)


def read_checkpoints(path: Path) -> list[SignedCheckpoint]:
    """Read a file of checkpoints, one in a line.

    Raises
    ------
    JournalError
        It cannot be read, or a line is no checkpoint; the line is named.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise JournalError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > _MAX_BYTES:
        raise JournalError(f"{path}: is too large for a file of checkpoints")
    return list(_parse(path, raw.splitlines()))


def _parse(path: Path, lines: Iterable[bytes]) -> Iterable[SignedCheckpoint]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            checkpoint = SignedCheckpoint(**entry)
            whole = type(checkpoint.n) is int and all(
                isinstance(value, str) for name, value in entry.items() if name != "n"
            )
        except (ValueError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise JournalError(f"{path}, line {number}: is not a checkpoint of a journal")
        yield checkpoint


def _message(store: str, n: int, digest: str, at: str) -> bytes:
    return _SIGNED_PREFIX + canonical({"store": store, "n": n, "hash": digest, "at": at}).encode()
