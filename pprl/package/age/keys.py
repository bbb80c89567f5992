"""X25519 identities and recipients of age; their files are those of the age tool."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pprl.errors import CorruptError
from pprl.guid import RandomBytes
from pprl.package.age.header import Stanza, decode_base64, encode_base64
from pprl.package.text_keys import KEY_BYTES, PublicTextKey, SecretTextKey

FILE_KEY_BYTES = 16
_TAG_BYTES = 16
_TYPE = "X25519"
_INFO = b"age-encryption.org/v1/X25519"
_ZERO_NONCE = bytes(12)  # each wrap key is used once


@dataclass(frozen=True, slots=True)
class Recipient(PublicTextKey):
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

    prefix: ClassVar[str] = "age"
    what: ClassVar[str] = "an age recipient"

    public: bytes

    def __post_init__(self) -> None:
        self._check(self.public)
        try:  # a point of low order gives the same shared secret to everybody
            X25519PrivateKey.from_private_bytes(bytes(KEY_BYTES)).exchange(
                X25519PublicKey.from_public_bytes(self.public)
            )
        except ValueError:
            raise ValueError("the point is of low order; nothing can be sealed to it") from None

    def wrap(self, file_key: bytes, *, random_bytes: RandomBytes = os.urandom) -> Stanza:
        """The stanza that hands a file key to this recipient."""
        secret = X25519PrivateKey.from_private_bytes(random_bytes(KEY_BYTES))
        share = secret.public_key().public_bytes_raw()
        cipher = _wrap_cipher(secret.exchange(X25519PublicKey.from_public_bytes(self.public)), share, self)
        return Stanza((_TYPE, encode_base64(share)), cipher.encrypt(_ZERO_NONCE, file_key, None))


@dataclass(frozen=True, slots=True)
class Identity(SecretTextKey):
    """The secret half of a `Recipient`.

    Attributes
    ----------
    secret : bytes
        32 bytes; never shown by ``repr`` or ``str``.
    """

    prefix: ClassVar[str] = "AGE-SECRET-KEY-"
    what: ClassVar[str] = "an age identity"

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        self._check(self.secret)

    @property
    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw())

    @property
    def public_half(self) -> Recipient:
        """The public half."""
        return self.recipient

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
            if len(share) != KEY_BYTES:
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
