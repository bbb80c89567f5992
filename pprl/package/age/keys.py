"""X25519 identities and recipients of age; their files are those of the age tool."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pprl.errors import CorruptError, KeyFileError
from pprl.guid import RandomBytes
from pprl.package.age import bech32
from pprl.package.age.header import Stanza, decode_base64, encode_base64
from pprl.package.keyfiles import (
    pair_of_paths,
    read_public_file,
    read_secret_file,
    write_public_file,
    write_secret_file,
)

FILE_KEY_BYTES = 16
_KEY_BYTES = 32
_TAG_BYTES = 16
_TYPE = "X25519"
_INFO = b"age-encryption.org/v1/X25519"
_RECIPIENT_PREFIX = "age"
_IDENTITY_PREFIX = "AGE-SECRET-KEY-"
_ZERO_NONCE = bytes(12)  # each wrap key is used once


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key that files are sealed to; ``str`` gives ``age1...``.

    Attributes
    ----------
    public : bytes
        32 bytes, a point of Curve25519.

    Raises
    ------
    ValueError
        Where the point is none that can be sealed to.
    """

    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != _KEY_BYTES:
            raise ValueError(f"an age recipient has {_KEY_BYTES} bytes, not {len(self.public)}")
        try:  # a point of low order gives the same shared secret to everybody
            X25519PrivateKey.from_private_bytes(bytes(_KEY_BYTES)).exchange(
                X25519PublicKey.from_public_bytes(self.public)
            )
        except ValueError:
            raise ValueError("the point is of low order; nothing can be sealed to it") from None

    def __str__(self) -> str:
        return bech32.encode(_RECIPIENT_PREFIX, self.public)

    @classmethod
    def parse(cls, text: str) -> Recipient:
        """Read ``age1...``.

        Raises
        ------
        KeyFileError
        """
        try:
            prefix, data = bech32.decode(text)
            if prefix != _RECIPIENT_PREFIX:
                raise ValueError("does not begin with age1")
            return cls(data)
        except ValueError as error:
            raise KeyFileError(f"not an age recipient (age1...): it {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> Recipient:
        """Read a ``.pub`` file that holds one recipient.

        Raises
        ------
        KeyFileError
        """
        lines = read_public_file(path, what="an age recipient")
        if len(lines) != 1:
            raise KeyFileError(f"{path}: expected one line age1..., found {len(lines)}")
        try:
            return cls.parse(lines[0])
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None

    @classmethod
    def find(cls, text: str) -> Recipient:
        """What a person gives on a command line: ``age1...`` itself, or a file that holds it.

        Raises
        ------
        KeyFileError
        """
        return cls.parse(text) if text.startswith("age1") and not Path(text).exists() else cls.load(text)

    def save(self, path: str | Path) -> None:
        """Write a ``.pub`` file; an existing one is never replaced.

        Raises
        ------
        KeyFileError
        """
        write_public_file(path, [str(self)])

    def wrap(self, file_key: bytes, *, random_bytes: RandomBytes = os.urandom) -> Stanza:
        """The stanza that hands a file key to this recipient."""
        secret = X25519PrivateKey.from_private_bytes(random_bytes(_KEY_BYTES))
        share = secret.public_key().public_bytes_raw()
        cipher = _wrap_cipher(secret.exchange(X25519PublicKey.from_public_bytes(self.public)), share, self)
        return Stanza((_TYPE, encode_base64(share)), cipher.encrypt(_ZERO_NONCE, file_key, None))


@dataclass(frozen=True, slots=True)
class Identity:
    """The secret half of a `Recipient`.

    Attributes
    ----------
    secret : bytes
        32 bytes; never shown by ``repr`` or ``str``.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise ValueError(f"an age identity has {_KEY_BYTES} bytes, not {len(self.secret)}")

    @classmethod
    def new(cls, *, random_bytes: RandomBytes = os.urandom) -> Identity:
        """Draw an identity."""
        return cls(random_bytes(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Read ``AGE-SECRET-KEY-1...``.

        Raises
        ------
        KeyFileError
        """
        try:
            prefix, data = bech32.decode(text)
            if prefix != _IDENTITY_PREFIX:
                raise ValueError("does not begin with AGE-SECRET-KEY-1")
            return cls(data)
        except ValueError as error:
            raise KeyFileError(f"not an age identity (AGE-SECRET-KEY-1...): it {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> Identity:
        """Read an identity file, as this program or ``age-keygen`` writes it.

        Raises
        ------
        KeyFileError
            Where it is missing, holds not exactly one X25519 identity, or is readable by group or others.
        """
        lines = read_secret_file(path, what="an age identity")
        if len(lines) != 1:
            raise KeyFileError(f"{path}: expected one line AGE-SECRET-KEY-1..., found {len(lines)}")
        try:
            return cls.parse(lines[0])
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write an identity file that only its owner may read; an existing one is never replaced.

        Raises
        ------
        KeyFileError
        """
        write_secret_file(
            path, [f"# public key: {self.recipient}", bech32.encode(_IDENTITY_PREFIX, self.secret)]
        )

    def save_pair(self, path: str | Path) -> Path:
        """Write the identity and, beside it, its recipient as ``NAME.pub``, whose path is returned.

        Raises
        ------
        KeyFileError
            Where one of them exists.
        """
        secret, public = pair_of_paths(path)
        self.save(secret)
        self.recipient.save(public)
        return public

    @property
    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw())

    def unwrap(self, stanzas: tuple[Stanza, ...]) -> bytes | None:
        """The file key, or None where no stanza is for this identity.

        Raises
        ------
        CorruptError
            Where an X25519 stanza is malformed.
        """
        private, recipient = X25519PrivateKey.from_private_bytes(self.secret), self.recipient
        for stanza in stanzas:
            if stanza.args[0] != _TYPE:
                continue
            if len(stanza.args) != 2 or len(stanza.body) != FILE_KEY_BYTES + _TAG_BYTES:
                raise _malformed()
            share = decode_base64(stanza.args[1].encode("ascii"))
            if len(share) != _KEY_BYTES:
                raise _malformed()
            try:
                shared = private.exchange(X25519PublicKey.from_public_bytes(share))
            except ValueError:  # all zero: a point of low order
                raise _malformed() from None
            try:
                return _wrap_cipher(shared, share, recipient).decrypt(_ZERO_NONCE, stanza.body, None)
            except InvalidTag:
                continue
        return None


def _wrap_cipher(shared: bytes, share: bytes, recipient: Recipient) -> ChaCha20Poly1305:
    key = HKDF(algorithm=SHA256(), length=32, salt=share + recipient.public, info=_INFO).derive(shared)
    return ChaCha20Poly1305(key)


def _malformed() -> CorruptError:
    return CorruptError("its header is malformed (an X25519 recipient); ask for the file again")
