"""Writing a package: a pass that checks and hashes the token table, a pass that seals it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Protocol

from pprl.errors import CorruptError
from pprl.files import new_file
from pprl.guid import RandomBytes
from pprl.package.age import Recipient, Stanza, seal
from pprl.package.manifest import Manifest, make_manifest, sign_frame
from pprl.package.signing import SigningKey
from pprl.package.tokens import TokenReader
from pprl.schema import Schema
from pprl.suppression import shown_counts

STANZA_ARGS = ("pprl-manifest", "1")
VALID_FOR = timedelta(days=90)

_COPY_BYTES = 1024 * 1024


class Rereadable(Protocol):
    """What a token table is read from, twice: a file, or what can do as much."""

    def read(self, size: int, /) -> bytes:
        """``size`` bytes, fewer only at the end."""

    def tell(self) -> int:
        """The place of the next byte."""

    def seek(self, offset: int, /) -> object:
        """Go back to a place that `tell` has told."""


def write_package(
    target: str | Path | IO[bytes],
    arrow_stream: str | Path | Rereadable,
    *,
    schema: Schema,
    key_check: str,
    site: str,
    dataset: str,
    duplicate_free: bool,
    signing_key: SigningKey,
    recipient: Recipient,
    now: datetime,
    sequence: int = 1,
    valid_for: timedelta = VALID_FOR,
    advance: Callable[[int], None] = lambda _: None,
    random_bytes: RandomBytes = os.urandom,
) -> Manifest:
    """Sign a token table, seal it to one recipient and write it; the file appears only when it is whole.

    Parameters
    ----------
    target : str, Path or binary file
        The package, ``NAME.pprl``. An open file is written to from where it stands; it is the caller's to make it
        appear only when it is whole.
    arrow_stream : str, Path or Rereadable
        An Arrow IPC stream, uncompressed, with the columns of `pprl.schema.columns.token_columns`. A file is
        read from where it stands to its end.
    schema : Schema
        The linkage schema the tokens were made with; goes along whole.
    key_check : str
        `pprl.site.keys.KeyTree.check_value`.
    site : str
        The site's name, for people.
    dataset : str
        Names the data; the same over refreshes.
    duplicate_free : bool
        Whether the site vouches that no person has two rows.
    signing_key : SigningKey
        The site's.
    recipient : Recipient
        The broker's.
    now : datetime
        With time zone.
    sequence : int
        1, 2, ...; each delivery of a dataset needs a higher one.
    valid_for : timedelta
        After that time the package is refused.
    advance : callable
        Called with numbers of bytes done; they add up to twice the length of the token table.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    Manifest
        Counts and digest are those found in the table.

    Raises
    ------
    CorruptError, TruncatedError
        The token table is not what the schema says, or changed between the passes.
    PackageError
        A name or time is malformed, or the manifest too long.
    PprlError
        The file cannot be written.
    """
    with ExitStack() as stack:
        if isinstance(arrow_stream, str | Path):
            stream: Rereadable = stack.enter_context(Path(arrow_stream).open("rb"))
        else:
            stream = arrow_stream
        start = stream.tell()
        digest, n_bytes, tokens = _survey(stream, schema, advance)
        manifest = make_manifest(
            project=schema.project,
            epoch=schema.epoch,
            dataset=dataset,
            site=site,
            schema_sha256=schema.fingerprint,
            linkage_schema=schema,
            key_check=key_check,
            n_records=tokens.n_records,
            field_counts=tokens.field_counts,
            stratum_counts=_shown(tokens.stratum_counts),
            duplicate_free=duplicate_free,
            sequence=sequence,
            created=now,
            expires=now + valid_for,
            recipient=str(recipient),
            signer=str(signing_key.verify_key),
            payload_sha256=digest,
            payload_bytes=n_bytes,
        )
        frame = sign_frame(manifest, signing_key)
        stream.seek(start)
        file = stack.enter_context(new_file(target)) if isinstance(target, str | Path) else target
        sealed = seal(file, [recipient], extra=[Stanza(STANZA_ARGS, frame)], random_bytes=random_bytes)
        sealed.write(frame)
        again = hashlib.sha256()
        while block := stream.read(_COPY_BYTES):
            again.update(block)
            sealed.write(block)
            advance(len(block))
        if again.hexdigest() != digest:
            raise CorruptError("the token table changed while it was packed; pack it again")
        sealed.finish()
    return manifest


def _survey(
    stream: Rereadable, schema: Schema, advance: Callable[[int], None]
) -> tuple[str, int, TokenReader]:
    """Digest and length of a token table that must be sound, and its reader, which has counted it."""
    digest, n_bytes = hashlib.sha256(), 0

    def read(n: int) -> bytes:
        nonlocal n_bytes
        data = stream.read(n)
        digest.update(data)
        n_bytes += len(data)
        advance(len(data))
        return data

    tokens = TokenReader(read, schema)
    for _ in tokens:
        pass
    if stream.read(1):
        raise CorruptError("something follows the end of the token table; pack it again")
    return digest.hexdigest(), n_bytes, tokens


def _shown(counts: Mapping[str, Sequence[int]]) -> dict[str, tuple[int | None, ...]]:
    """Counts of strata as a manifest may show them: small ones are hidden, and what they would follow from.

    Who has no category is always shown, since of some strata the counts of fields tell it.
    """
    return {name: (missing, *shown_counts(some)) for name, (missing, *some) in counts.items()}
