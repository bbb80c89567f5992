"""The bytes of a text file as UTF-8, for the CSV parser: unpacked, decoded, without byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib

from pprl.errors import InputError

BLOCK_BYTES = 1 << 22
_GZIP = b"\x1f\x8b"


class SuspectError(Exception):
    """Bytes that no text holds were met; `pprl.site.readers.diagnosis` says where."""


class Unpacked:
    """A file's bytes, unpacked where it is gzip.

    Parameters
    ----------
    path : str
        The file.

    Attributes
    ----------
    n_bytes : int
        Its size on disk.

    Raises
    ------
    InputError
        Where it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._disk = io.FileIO(path)
            self.n_bytes = self._disk.seek(0, io.SEEK_END)
            self._disk.seek(0)
            is_packed = self._disk.read(2) == _GZIP
            self._disk.seek(0)
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", path=path) from None
        self._bytes = gzip.GzipFile(fileobj=self._disk, mode="rb") if is_packed else self._disk

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk that were read so far."""
        return self.n_bytes if self._disk.closed else self._disk.tell()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, nothing at the end."""
        try:
            return self._bytes.read(size) or b""
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise InputError(
                "the gzip file is cut short or damaged; copy it again", path=self._path
            ) from None
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", path=self._path) from None

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()
        self._disk.close()


class TextStream(io.RawIOBase):
    """Text as UTF-8, checked for what text cannot hold.

    Parameters
    ----------
    path : str
        A text file, packed with gzip or not.
    encoding : str
        A codec's name; a byte order mark is dropped.

    Raises
    ------
    InputError
        Where the file cannot be read, or the encoding is not known or plainly another.
    SuspectError
        At a NUL; also by `read`.
    UnicodeDecodeError
        Where the bytes are not of the encoding, unless that is UTF-8, which the CSV parser checks; also by
        `read`.
    """

    def __init__(self, path: str, *, encoding: str) -> None:
        super().__init__()
        codec = codec_of(encoding, path=path)
        self._bytes = Unpacked(path)
        self._decoder = None if codec.name == "utf-8" else codec.incrementaldecoder()
        self._n_quotes = 0
        self._ahead = b""
        try:
            self._ahead = self._fetch(BLOCK_BYTES).removeprefix(codecs.BOM_UTF8)
        except BaseException:
            self._bytes.close()
            raise

    @property
    def n_bytes(self) -> int:
        """Size of the file on disk."""
        return self._bytes.n_bytes

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk that were read so far."""
        return self._bytes.bytes_read

    @property
    def has_open_quote(self) -> bool:
        """Whether the number of quotation marks that were read is odd."""
        return self._n_quotes % 2 == 1

    def readable(self) -> bool:
        """It is."""
        return True

    def peek(self) -> bytes:
        """What the next reads will give, up to a block."""
        return self._ahead

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes, nothing at the end; ``size`` must be given."""
        found = self._ahead or self._fetch(size)
        found, self._ahead = found[:size], found[size:]
        self._n_quotes += found.count(b'"')
        return found

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()
        super().close()

    def _fetch(self, size: int) -> bytes:
        while True:
            raw = self._bytes.read(size)
            found = raw if self._decoder is None else self._decoder.decode(raw, final=not raw).encode()
            if b"\0" in found:
                raise SuspectError
            if found or not raw:
                return found


def codec_of(encoding: str, *, path: str) -> codecs.CodecInfo:
    """Look a codec up; plain ASCII is read as UTF-8.

    Raises
    ------
    InputError
        Where there is none of that name.
    """
    try:
        codec = codecs.lookup(encoding)
        "".encode(encoding)
    except LookupError:
        raise InputError(
            f"no text encoding {encoding!r}; try utf-8, latin-1, cp1252 or utf-16", path=path
        ) from None
    return codecs.lookup("utf-8") if codec.name in ("ascii", "utf-8-sig") else codec
