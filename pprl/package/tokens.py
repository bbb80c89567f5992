"""Reading a token table from an Arrow IPC stream that nobody has vouched for yet.

The messages of the stream are cut here, not by the Arrow library, so that their sizes are bounded before
memory is taken: only a schema, uncompressed record batches and the end mark may come. The columns must be
those of the linkage schema, in order and without further metadata; every batch is validated in full.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from pprl.errors import CorruptError, TruncatedError
from pprl.schema import Schema
from pprl.schema.columns import PRESENCE, stratum_column, token_columns

MAX_METADATA_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 512 * 1024 * 1024

_CONTINUATION = 0xFFFFFFFF
_PREFIX = struct.Struct("<Ii")
# Message, field and type numbers of Arrow's Message.fbs.
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
_SCHEMA_MESSAGE, _BATCH_MESSAGE = 1, 3
_BATCH_LENGTH, _BATCH_COMPRESSION = 0, 3


class TokenReader:
    """The record batches of a token table, checked one by one.

    Parameters
    ----------
    read : callable
        ``read(n)`` gives ``n`` bytes, fewer only at the end.
    schema : Schema
        The linkage schema whose columns are expected.

    Attributes
    ----------
    n_records : int
        Rows given out so far.
    field_counts : dict of str to int
        Rows given out so far that have a value, by field.
    stratum_counts : dict of str to list of int
        Rows given out so far without a category and in each, by stratum.
    """

    def __init__(self, read: Callable[[int], bytes], schema: Schema) -> None:
        self._read = read
        self._columns = token_columns(schema)
        self._row_bytes = sum(field.type.bit_width // 8 for field in self._columns)
        self._n_fields = len(schema.fields)
        self.n_records = 0
        self.field_counts = dict.fromkeys(schema.field_names, 0)
        self.stratum_counts = {s.name: [0] * (len(s.categories) + 1) for s in schema.strata}

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Give out the batches; ends after the stream's end mark.

        Raises
        ------
        TruncatedError
            The stream ends before its end mark.
        CorruptError
            A message or a batch is not as it must be.
        """
        message = self._next_message(_SCHEMA_MESSAGE)
        if message is None:
            raise _malformed("an end before the columns")
        with _arrow_errors():
            found = pa.ipc.read_schema(pa.ipc.read_message(message))
        if not found.equals(self._columns, check_metadata=True):
            raise CorruptError("its columns are not those of its schema; ask the site for it again")
        while (message := self._next_message(_BATCH_MESSAGE)) is not None:
            with _arrow_errors():
                batch = pa.ipc.read_record_batch(pa.ipc.read_message(message), self._columns)
                batch.validate(full=True)
            self._count(batch)
            yield batch

    def _next_message(self, expected: int) -> pa.Buffer | None:
        prefix = self._exactly(_PREFIX.size)
        continuation, n_metadata = _PREFIX.unpack(prefix)
        if continuation != _CONTINUATION or not 0 <= n_metadata <= MAX_METADATA_BYTES:
            raise _malformed("the start of a message")
        if n_metadata == 0:
            return None
        metadata = self._exactly(n_metadata)
        n_body = self._check_metadata(metadata, expected)
        return pa.py_buffer(b"".join((prefix, metadata, self._exactly(n_body))))

    def _check_metadata(self, metadata: bytes, expected: int) -> int:
        """Length of the body that follows, once kind, size and packing of the message are sound."""
        table = _Table.root(metadata)
        n_body = table.number(_BODY_LENGTH, "<q")
        if table.number(_HEADER_TYPE, "<B") != expected:
            raise _malformed("a message of a kind that token tables do not have")
        if not 0 <= n_body <= MAX_BATCH_BYTES:
            raise _malformed(f"a batch of more than {MAX_BATCH_BYTES} bytes")
        if expected == _BATCH_MESSAGE:
            batch = table.table(_HEADER)
            if batch.has(_BATCH_COMPRESSION):  # could be made to unfold to any size
                raise _malformed("a compressed batch")
            if not 0 <= batch.number(_BATCH_LENGTH, "<q") * self._row_bytes <= n_body:
                raise _malformed("a batch with more rows than bytes")
        return n_body

    def _count(self, batch: pa.RecordBatch) -> None:
        for field, column in zip(self._columns, batch.columns, strict=True):
            if not field.nullable and column.null_count:
                raise _malformed(f"an empty value in column {field.name}")
        presence = np.asarray(batch.column(PRESENCE))
        if self._n_fields < 32 and bool(np.any(presence >> self._n_fields)):
            raise _malformed("a presence bit of no field")
        for bit, name in enumerate(self.field_counts):
            self.field_counts[name] += int(np.count_nonzero(presence & np.uint32(1 << bit)))
        for name, counts in self.stratum_counts.items():
            found = np.bincount(
                np.asarray(batch.column(stratum_column(name))), minlength=len(counts)
            ).tolist()
            if len(found) > len(counts):
                raise _malformed("a number of no category")
            self.stratum_counts[name] = [a + b for a, b in zip(counts, found, strict=True)]
        self.n_records += batch.num_rows

    def _exactly(self, n_bytes: int) -> bytes:
        data = self._read(n_bytes)
        if len(data) < n_bytes:
            raise TruncatedError("its token table ends too early; copy it again")
        return data


@contextmanager
def _arrow_errors() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError):
        # Arrow's own words may repeat values, so they are not passed on.
        raise CorruptError("its token table cannot be read; ask the site for it again") from None


class _Table:
    """The little of the FlatBuffers encoding that is needed to look before Arrow leaps."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position
        self._fields = position - _unpack("<i", data, position)
        self._n_bytes = _unpack("<H", data, self._fields)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _unpack("<I", data, 0))

    def has(self, field: int) -> bool:
        return self._offset(field) != 0

    def number(self, field: int, layout: str) -> int:
        offset = self._offset(field)
        return _unpack(layout, self._data, self._position + offset) if offset else 0

    def table(self, field: int) -> _Table:
        offset = self._offset(field)
        if not offset:
            raise _malformed("a message without content")
        place = self._position + offset
        return _Table(self._data, place + _unpack("<I", self._data, place))

    def _offset(self, field: int) -> int:
        slot = 4 + 2 * field
        return _unpack("<H", self._data, self._fields + slot) if slot < self._n_bytes else 0


def _unpack(layout: str, data: bytes, position: int) -> int:
    if not 0 <= position <= len(data) - struct.calcsize(layout):
        raise _malformed("a message that points outside itself")
    (value,) = struct.unpack_from(layout, data, position)
    return int(value)


def _malformed(what: str) -> CorruptError:
    return CorruptError(f"its token table is malformed ({what}); ask the site for it again")
