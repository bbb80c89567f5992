"""Sealing: the age v1 format (age-encryption.org/v1) with X25519 recipients, in constant memory.

A file is sealed to public keys, and opened by the secret half of one of them. What is not here: passphrases,
ASCII armour, post-quantum and plug-in recipients. Errors are those of a package, without the file's name; the
caller knows it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO

from pprl.errors import WrongRecipientError
from pprl.guid import RandomBytes
from pprl.package.age.header import Header, Stanza, read_header, write_header
from pprl.package.age.keys import FILE_KEY_BYTES, Identity, Recipient
from pprl.package.age.stream import NONCE_BYTES, StreamReader, StreamWriter, sealed_bytes

__all__ = [
    "Header",
    "Identity",
    "Recipient",
    "Stanza",
    "StreamReader",
    "StreamWriter",
    "open_sealed",
    "read_header",
    "seal",
    "sealed_bytes",
]


def seal(
    target: IO[bytes],
    recipients: Sequence[Recipient],
    *,
    extra: Sequence[Stanza] = (),
    random_bytes: RandomBytes = os.urandom,
) -> StreamWriter:
    """Begin a sealed file.

    Parameters
    ----------
    target : binary file
        The header is written to it at once.
    recipients : sequence of Recipient
        Each can open the file; at least one.
    extra : sequence of Stanza
        Further stanzas, readable by anyone and covered by the MAC; age ignores types it does not know.
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.

    Returns
    -------
    StreamWriter
        Takes the content; ``finish()`` ends it.
    """
    if not recipients:
        raise ValueError("a file is sealed to at least one recipient")
    file_key = random_bytes(FILE_KEY_BYTES)
    stanzas = tuple(recipient.wrap(file_key, random_bytes=random_bytes) for recipient in recipients)
    target.write(write_header((*stanzas, *extra), file_key))
    return StreamWriter(target, file_key, random_bytes(NONCE_BYTES))


def open_sealed(source: IO[bytes], identity: Identity) -> tuple[Header, StreamReader]:
    """Begin to read a sealed file.

    Parameters
    ----------
    source : binary file
        At its start.
    identity : Identity
        Of one of its recipients.

    Returns
    -------
    header : Header
        Its MAC checked.
    content : StreamReader

    Raises
    ------
    NotAPackageError, TruncatedError, CorruptError
        As `read_header` and `StreamReader`.
    WrongRecipientError
        Where the file is not sealed to this identity.
    """
    header = read_header(source)
    file_key = identity.unwrap(header.stanzas)
    if file_key is None:
        raise WrongRecipientError(f"is not sealed to {identity.recipient}; use the identity it was sealed to")
    header.check(file_key)
    return header, StreamReader(source, file_key)
