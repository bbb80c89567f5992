"""Ed25519 keys that sites sign their packages with.

Their text is Bech32, as that of age keys: ``pprlsite1...`` is public, ``PPRL-SITE-KEY-1...`` secret. The
prefix is the version: another algorithm would get another prefix.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pprl.errors import KeyFileError, SignatureError
from pprl.guid import RandomBytes
from pprl.package.age import bech32
from pprl.package.keyfiles import (
    pair_of_paths,
    read_public_file,
    read_secret_file,
    write_public_file,
    write_secret_file,
)

SIGNATURE_BYTES = 64
_KEY_BYTES = 32
_PUBLIC_PREFIX = "pprlsite"
_SECRET_PREFIX = "PPRL-SITE-KEY-"  # noqa: S105 - names the kind of key, is none


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """The public half of a site's signing key; ``str`` gives ``pprlsite1...``.

    Attributes
    ----------
    public : bytes
        32 bytes.
    """

    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != _KEY_BYTES:
            raise ValueError(f"a site's public key has {_KEY_BYTES} bytes, not {len(self.public)}")

    def __str__(self) -> str:
        return bech32.encode(_PUBLIC_PREFIX, self.public)

    @classmethod
    def parse(cls, text: str) -> VerifyKey:
        """Read ``pprlsite1...``.

        Raises
        ------
        KeyFileError
        """
        try:
            prefix, data = bech32.decode(text)
            if prefix != _PUBLIC_PREFIX:
                raise ValueError("does not begin with pprlsite1")
            return cls(data)
        except ValueError as error:
            raise KeyFileError(f"not a site's public key (pprlsite1...): it {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> VerifyKey:
        """Read a ``.pub`` file that holds one site's public key.

        Raises
        ------
        KeyFileError
        """
        lines = read_public_file(path, what="a site's public key")
        if len(lines) != 1:
            raise KeyFileError(f"{path}: expected one line pprlsite1..., found {len(lines)}")
        try:
            return cls.parse(lines[0])
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None

    @classmethod
    def find(cls, text: str) -> VerifyKey:
        """What a person gives on a command line: ``pprlsite1...`` itself, or a file that holds it.

        Raises
        ------
        KeyFileError
        """
        return cls.parse(text) if text.startswith("pprlsite1") and not Path(text).exists() else cls.load(text)

    def save(self, path: str | Path) -> None:
        """Write a ``.pub`` file; an existing one is never replaced.

        Raises
        ------
        KeyFileError
        """
        write_public_file(path, [str(self)])

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature.

        Raises
        ------
        SignatureError
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise SignatureError(
                "its signature does not fit its manifest; ask the site for it again"
            ) from None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A site's secret signing key.

    Attributes
    ----------
    secret : bytes
        32 bytes, the seed of RFC 8032; never shown by ``repr`` or ``str``.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise ValueError(f"a site's signing key has {_KEY_BYTES} bytes, not {len(self.secret)}")

    @classmethod
    def new(cls, *, random_bytes: RandomBytes = os.urandom) -> SigningKey:
        """Draw a signing key."""
        return cls(random_bytes(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Read ``PPRL-SITE-KEY-1...``.

        Raises
        ------
        KeyFileError
        """
        try:
            prefix, data = bech32.decode(text)
            if prefix != _SECRET_PREFIX:
                raise ValueError("does not begin with PPRL-SITE-KEY-1")
            return cls(data)
        except ValueError as error:
            raise KeyFileError(f"not a site's signing key (PPRL-SITE-KEY-1...): it {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> SigningKey:
        """Read a key file.

        Raises
        ------
        KeyFileError
            Where it is missing, malformed, or readable by group or others.
        """
        lines = read_secret_file(path, what="a site's signing key")
        if len(lines) != 1:
            raise KeyFileError(f"{path}: expected one line PPRL-SITE-KEY-1..., found {len(lines)}")
        try:
            return cls.parse(lines[0])
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write a key file that only its owner may read; an existing one is never replaced.

        Raises
        ------
        KeyFileError
        """
        lines = [
            "# pprl site key: SECRET. It signs the packages of this site.",
            f"# public key: {self.verify_key}",
            bech32.encode(_SECRET_PREFIX, self.secret),
        ]
        write_secret_file(path, lines)

    def save_pair(self, path: str | Path) -> Path:
        """Write the key and, beside it, its public half as ``NAME.pub``, whose path is returned.

        Raises
        ------
        KeyFileError
            Where one of them exists.
        """
        secret, public = pair_of_paths(path)
        self.save(secret)
        self.verify_key.save(public)
        return public

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return VerifyKey(Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes (Ed25519, RFC 8032)."""
        return Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)
