"""The header of an age file: recipient stanzas under a MAC; read strictly and within bounds.

::

    age-encryption.org/v1
    -> X25519 SHARE              arguments, printable ASCII, one blank between
    BODY                         base64 without padding, 64 columns, the last line shorter (maybe empty)
    --- MAC                      HMAC-SHA-256 over all before, up to and including the three dashes
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import IO

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pprl.errors import CorruptError, NotAPackageError, TruncatedError

MAX_HEADER_BYTES = 1024 * 1024
MAX_STANZAS = 64  # each X25519 stanza costs a scalar multiplication before anything is authenticated

_MAGIC = b"age-encryption.org/"
_VERSION_LINE = _MAGIC + b"v1\n"
_COLUMNS = 64
_ARGUMENT = re.compile(rb"[\x21-\x7e]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Stanza:
    """One recipient stanza.

    Attributes
    ----------
    args : tuple of str
        The first one is its type.
    body : bytes
        Base64 removed.
    """

    args: tuple[str, ...]
    body: bytes

    def encode(self) -> bytes:
        """As it stands in a header."""
        text = _unpadded(self.body)
        lines = [text[i : i + _COLUMNS] for i in range(0, len(text) + 1, _COLUMNS)]
        return b"-> " + " ".join(self.args).encode("ascii") + b"\n" + b"".join(line + b"\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header.

    Attributes
    ----------
    stanzas : tuple of Stanza
    covered : bytes
        What the MAC covers.
    mac : bytes
        Not checked yet; see `check`.
    """

    stanzas: tuple[Stanza, ...]
    covered: bytes
    mac: bytes

    @property
    def n_bytes(self) -> int:
        """Length in the file."""
        return len(self.covered) + len(b" \n") + len(_unpadded(self.mac))

    def check(self, file_key: bytes) -> None:
        """Check the MAC.

        Raises
        ------
        CorruptError
        """
        if not hmac.compare_digest(self.mac, _mac(file_key, self.covered)):
            raise CorruptError("its header was changed (the MAC does not fit); ask for the file again")


def write_header(stanzas: tuple[Stanza, ...], file_key: bytes) -> bytes:
    """A header over these stanzas, MAC included."""
    covered = _VERSION_LINE + b"".join(stanza.encode() for stanza in stanzas) + b"---"
    return covered + b" " + _unpadded(_mac(file_key, covered)) + b"\n"


def read_header(file: IO[bytes]) -> Header:
    """Read a header and leave the file at the payload.

    Parameters
    ----------
    file : binary file
        At its start.

    Raises
    ------
    NotAPackageError
        Not an age file, or of a version not known here.
    TruncatedError
        It ends inside the header.
    CorruptError
        Against the grammar of the header, too long, or of too many stanzas.
    """
    lines = _Lines(file)
    first = file.readline(len(_VERSION_LINE))
    if first != _VERSION_LINE:
        if _VERSION_LINE.startswith(first):
            raise TruncatedError("ends inside its header; copy it again")
        if first.startswith(_MAGIC):
            raise NotAPackageError(
                "is sealed in a version of the age format not known here; update this program"
            )
        raise NotAPackageError("is not a sealed file (it does not begin as an age file does)")
    lines.seen.append(first)
    stanzas: list[Stanza] = []
    line = lines.next()
    while line.startswith(b"-> "):
        if len(stanzas) == MAX_STANZAS:
            raise CorruptError(f"its header has more than {MAX_STANZAS} recipients")
        args = line[len(b"-> ") :].split(b" ")
        if not all(_ARGUMENT.fullmatch(arg) for arg in args):
            raise _malformed("a recipient's arguments")
        body = []
        while True:
            line = lines.next()
            if len(line) > _COLUMNS:
                raise _malformed("a body line of more than 64 columns")
            body.append(line)
            if len(line) < _COLUMNS:
                break
        stanzas.append(Stanza(tuple(arg.decode("ascii") for arg in args), decode_base64(b"".join(body))))
        line = lines.next()
    if not stanzas or not line.startswith(b"--- "):
        raise _malformed("a line that is neither recipient nor MAC")
    mac = decode_base64(line[len(b"--- ") :])
    if len(mac) != _MAC_BYTES:
        raise _malformed("the MAC")
    return Header(tuple(stanzas), b"".join(lines.seen[:-1]) + b"---", mac)


def decode_base64(text: bytes) -> bytes:
    """Base64 without padding, in its one canonical form.

    Raises
    ------
    CorruptError
    """
    try:
        if _BASE64.fullmatch(text) is None:
            raise _malformed("base64")
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise _malformed("base64") from None
    if _unpadded(data) != text:
        raise _malformed("base64")
    return data


def encode_base64(data: bytes) -> str:
    """Base64 without padding."""
    return _unpadded(data).decode("ascii")


class _Lines:
    """The lines of a header, kept for the MAC, within a bound."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seen: list[bytes] = []
        self._file = file
        self._left = MAX_HEADER_BYTES

    def next(self) -> bytes:
        line = self._file.readline(self._left)
        self._left -= len(line)
        if not line.endswith(b"\n"):
            if self._left <= 0:
                raise CorruptError(f"its header is longer than {MAX_HEADER_BYTES} bytes")
            raise TruncatedError("ends inside its header; copy it again")
        self.seen.append(line)
        return line[:-1]


def _mac(file_key: bytes, covered: bytes) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"header").derive(file_key)
    return hmac.digest(key, covered, "sha256")


def _unpadded(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _malformed(what: str) -> CorruptError:
    return CorruptError(f"its header is malformed ({what}); ask for the file again")
