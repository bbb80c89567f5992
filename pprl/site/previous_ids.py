"""The GUIDs that records had at the last delivery, found by their local ids, whatever their number.

::

    NAME.ids.csv -> hash of the local id, GUID -> scratch file -> in the order of the hashes, another scratch file
    local ids of a chunk -> hashes -> their places among the first halves, held in memory -> the rows there

Eight bytes of a record stay in memory, and twice as many are needed while the file is read, to find ids and GUIDs that
stand twice. The scratch files hold no local id, and have no name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.errors import InputError
from pprl.guid import GUID_BYTES, TEXT_CHARACTERS, from_characters
from pprl.schema.columns import byte_column, byte_rows
from pprl.site.ids_file import HEADER
from pprl.site.readers.delimited import DelimitedFile
from pprl.site.readers.local_ids import LocalIds
from pprl.site.shuffle import GuidOrder, write_rows
from pprl.site.text_arrays import text_arrays

_GUID, _LOCAL = HEADER.decode().strip().split(",")
_ROW = pa.schema(
    [pa.field("hash", pa.binary(16), nullable=False), pa.field("guid", pa.binary(GUID_BYTES), nullable=False)]
)
_BYTES_A_ROW = 16 + GUID_BYTES
_ROWS_PER_CHUNK = 131_072


class PreviousIds:
    """The ids file of an earlier delivery of the same dataset, read.

    Parameters
    ----------
    path : str or Path
        ``record_guid,local_id``, as `pprl.site.tokenise` writes it.
    scratch, ordered : binary file
        Two empty scratch files; the second stays open as long as this is used.
    advance : callable
        Called with the number of bytes just read.

    Attributes
    ----------
    path : str
        As given.
    n_ids : int
        In the file.
    n_kept : int
        Found again so far.

    Raises
    ------
    InputError
        The file is not one of ids, or an id or a GUID is missing, malformed or stands twice; names the row.
    OSError
        A scratch file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        scratch: IO[bytes],
        ordered: IO[bytes],
        *,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.path, self.n_kept = str(path), 0
        order = GuidOrder(_ROW, scratch.fileno())
        for batch in self._rows(advance):
            first = order.reserve(batch.num_rows)
            order.add(first, write_rows(scratch.fileno(), first, batch))
        self.n_ids = order.n_rows
        self._high = np.empty(self.n_ids, np.uint64)
        at = 0
        for batch in order:
            hashes, guids = map(byte_rows, batch.columns)
            self._high[at : at + len(hashes)] = hashes.view(">u8")[:, 0]
            ordered.write(np.concatenate([hashes, guids], axis=1).tobytes())
            at += len(hashes)
        ordered.flush()
        self._ordered: npt.NDArray[np.uint8] = np.memmap(
            ordered, np.uint8, mode="r", shape=(self.n_ids, _BYTES_A_ROW)
        )

    def keep(self, local_ids: pa.StringArray, guids: npt.NDArray[np.uint8]) -> None:
        """Give records that were there before the GUIDs they had.

        Parameters
        ----------
        local_ids : pyarrow.StringArray, length n
            Never null; unique over all calls.
        guids : ndarray of uint8, shape (n, 16)
            Fresh ones; those of records known are replaced in place.
        """
        hashes = _hashes(local_ids).view(">u8").astype(np.uint64)
        asked = np.argsort(hashes[:, 0])  # ascending, so that pages of the scratch file are visited once
        at = np.searchsorted(self._high, hashes[asked, 0])
        while asked.size:  # a second round only where 64 bits of two ids agree
            inside = at < self.n_ids
            asked, at = asked[inside], at[inside]
            same = self._high[at] == hashes[asked, 0]
            asked, at = asked[same], at[same]
            rows = np.asarray(self._ordered[at])
            found = rows[:, 8:16].copy().view(">u8")[:, 0] == hashes[asked, 1]
            guids[asked[found]] = rows[found, 16:]
            self.n_kept += int(found.sum())
            asked, at = asked[~found], at[~found] + 1

    def _rows(self, advance: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
        ids, guids, n_rows, reported = LocalIds(), LocalIds(), 0, 0
        with closing(self._open()) as source:
            for batch in source.batches([_GUID, _LOCAL], rows_per_chunk=_ROWS_PER_CHUNK):
                texts, local_ids = pc.utf8_lower(batch.column(0)), batch.column(1)
                raw, wrong = _parsed(texts)
                if wrong is not None:
                    raise self._error("not a GUID; 36 characters are expected", n_rows + wrong, _GUID)
                guids.add(texts, on_missing=lambda number: self._error("no GUID", number, _GUID))
                ids.add(local_ids, on_missing=lambda number: self._error("no local id", number, _LOCAL))
                yield pa.record_batch([byte_column(_hashes(local_ids)), byte_column(raw)], schema=_ROW)
                n_rows += batch.num_rows
                advance(source.bytes_read - reported)
                reported = source.bytes_read
        if not n_rows:
            raise InputError("holds no ids", path=self.path)
        for column, values, what in ((_LOCAL, ids, "local id"), (_GUID, guids, "GUID")):
            if values.maybe_twice():
                self._refuse_twice(values, column, what)

    def _open(self) -> DelimitedFile:
        path = Path(self.path)
        if not path.is_file():
            what = "is a folder; name the file" if path.is_dir() else "there is no such file"
            raise InputError(what, path=self.path)
        source = DelimitedFile(self.path, delimiter=",", encoding="utf-8")
        if source.header != (_GUID, _LOCAL):
            source.close()
            raise InputError(  # which does not repeat the line: it may be somebody's data
                f"is no ids file, which begins with {_GUID},{_LOCAL}; name the one that was written with the last "
                "package",
                path=self.path,
            )
        return source

    def _refuse_twice(self, values: LocalIds, column: str, what: str) -> None:
        with closing(self._open()) as again:
            columns = (b.column(0) for b in again.batches([column], rows_per_chunk=_ROWS_PER_CHUNK))
            found = values.find_twice(map(pc.utf8_lower, columns) if column == _GUID else columns)
        if found is not None:
            with closing(self._open()) as source:
                first, _ = source.place_of(found[0])
            raise self._error(f"the {what} stands in row {first} already", found[1], column)

    def _error(self, what: str, record_number: int, column: str) -> InputError:
        with closing(self._open()) as source:
            row, note = source.place_of(record_number)
        return InputError(
            f"{what}{note}; name the ids file as it was written", path=self.path, row=row, column=column
        )


def _parsed(texts: pa.StringArray) -> tuple[npt.NDArray[np.uint8], int | None]:
    """GUIDs from text, and the number of the first that is none."""
    if pc.all(pc.equal(pc.fill_null(pc.binary_length(texts), 0), TEXT_CHARACTERS)).as_py():
        starts, text, _ = text_arrays(texts)
        try:
            return from_characters(text[starts[0] : starts[-1]].reshape(-1, TEXT_CHARACTERS)), None
        except ValueError:
            pass
    return np.empty((0, GUID_BYTES), np.uint8), next(
        number for number, value in enumerate(texts.to_pylist()) if not _is_guid(value)
    )


def _is_guid(text: str | None) -> bool:
    raw = (text or "").encode()
    if len(raw) != TEXT_CHARACTERS:
        return False
    try:
        from_characters(np.frombuffer(raw, np.uint8).reshape(1, -1))
    except ValueError:
        return False
    return True


def _hashes(local_ids: pa.StringArray) -> npt.NDArray[np.uint8]:
    """128 bits of each, big end first, shape (n, 16).

    Python's own string hash, keyed anew in every process, of the text and of the text with a mark behind it: among 22
    million ids two agree with a chance below 1 in 10 ** 23.
    """
    texts = local_ids.to_pylist()
    halves = np.empty((len(texts), 2), ">i8")
    halves[:, 0] = np.fromiter(map(hash, texts), np.int64, len(texts))
    halves[:, 1] = np.fromiter((hash(text + "\0") for text in texts), np.int64, len(texts))
    return halves.view(np.uint8)
