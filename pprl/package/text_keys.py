"""What keys of 32 bytes with a Bech32 text have in common: the text and the files, nothing of their use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Self

from pprl.errors import KeyFileError
from pprl.guid import RandomBytes
from pprl.package.age import bech32
from pprl.package.keyfiles import (
    pair_of_paths,
    read_public_file,
    read_secret_file,
    write_public_file,
    write_secret_file,
)

KEY_BYTES = 32


class TextKey:
    """Base of both halves; a subclass is a dataclass whose only field is the key's bytes.

    Attributes
    ----------
    prefix : str
        The Bech32 prefix; a text begins with it and ``1``.
    what : str
        What the key is, with its article, for errors.
    """

    __slots__ = ()
    prefix: ClassVar[str]
    what: ClassVar[str]
    _read: ClassVar = staticmethod(read_public_file)

    def __init__(self, raw: bytes, /) -> None:
        raise TypeError(f"{type(self).__name__} is no kind of key by itself")

    @classmethod
    def _check(cls, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise ValueError(f"{cls.what} has {KEY_BYTES} bytes, not {len(raw)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the key's text.

        Raises
        ------
        KeyFileError
        """
        try:
            prefix, raw = bech32.decode(text)
            if prefix != cls.prefix:
                raise ValueError(f"does not begin with {cls.prefix}1")
            return cls(raw)
        except ValueError as error:
            raise KeyFileError(f"not {cls.what} ({cls.prefix}1...): it {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that holds one such key.

        Raises
        ------
        KeyFileError
            Where it is missing, malformed, or, being secret, readable by group or others.
        """
        lines = cls._read(path, what=cls.what)
        if len(lines) != 1:
            raise KeyFileError(f"{path}: expected one line {cls.prefix}1..., found {len(lines)}")
        try:
            return cls.parse(lines[0])
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None


class PublicTextKey(TextKey):
    """A public half; ``str`` gives its text."""

    __slots__ = ()
    public: bytes

    def __str__(self) -> str:
        return bech32.encode(self.prefix, self.public)

    @classmethod
    def find(cls, text: str) -> Self:
        """What a person gives on a command line: the text itself, or a file that holds it.

        Raises
        ------
        KeyFileError
        """
        is_text = text.startswith(f"{cls.prefix}1") and not Path(text).exists()
        return cls.parse(text) if is_text else cls.load(text)

    def save(self, path: str | Path) -> None:
        """Write a ``.pub`` file; an existing one is never replaced.

        Raises
        ------
        KeyFileError
        """
        write_public_file(path, [str(self)])


class SecretTextKey(TextKey):
    """A secret half, which no text of it shows but its file.

    Attributes
    ----------
    comment : tuple of str
        Lines that its file begins with.
    """

    __slots__ = ()
    _read: ClassVar = staticmethod(read_secret_file)
    comment: ClassVar[tuple[str, ...]] = ()
    secret: bytes

    @classmethod
    def new(cls, *, random_bytes: RandomBytes = os.urandom) -> Self:
        """Draw a key."""
        return cls(random_bytes(KEY_BYTES))

    @property
    def public_half(self) -> PublicTextKey:
        """The public half."""
        raise TypeError(f"{type(self).__name__} has no public half")

    def save(self, path: str | Path) -> None:
        """Write a key file that only its owner may read; an existing one is never replaced.

        Raises
        ------
        KeyFileError
        """
        text = bech32.encode(self.prefix, self.secret)
        write_secret_file(path, [*self.comment, f"# public key: {self.public_half}", text])

    def save_pair(self, path: str | Path) -> Path:
        """Write the key and, beside it, its public half as ``NAME.pub``, whose path is returned.

        Raises
        ------
        KeyFileError
            Where one of them exists.
        """
        secret, public = pair_of_paths(path)
        self.save(secret)
        self.public_half.save(public)
        return public
