"""An Arrow IPC stream that is made while it is read, and so takes no place on disk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import pyarrow as pa

from pprl.site.ahead import made_ahead

_END = b"\xff\xff\xff\xff\0\0\0\0"


class ArrowStream:
    """The bytes of an Arrow IPC stream, to be read like those of a file, and from the start again.

    Parameters
    ----------
    columns : pyarrow.Schema
        Of the batches.
    batches : iterable of pyarrow.RecordBatch
        Gives the same each time it is iterated.
    advance : callable
        Called with the number of records of every batch that is read.
    """

    def __init__(
        self,
        columns: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        *,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._columns, self._batches, self._advance = columns, batches, advance
        self._n_read, self._held, self._coming = 0, memoryview(b""), self._messages()

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        parts = []
        while size:
            if not self._held:
                message = next(self._coming, None)
                if message is None:
                    break
                self._held = memoryview(message)
            part, self._held = self._held[:size], self._held[size:]
            parts.append(part)
            size -= len(part)
            self._n_read += len(part)
        return b"".join(parts)

    def tell(self) -> int:
        """Number of bytes read."""
        return self._n_read

    def seek(self, offset: int, /) -> int:
        """Back to the start; there is no other place to go to.

        Raises
        ------
        ValueError
            Where the offset is not 0.
        """
        if offset:
            raise ValueError(f"this stream can only be read from its start, not from {offset}")
        self._n_read, self._held, self._coming = 0, memoryview(b""), self._messages()
        return 0

    def _messages(self) -> Generator[pa.Buffer | bytes]:
        yield self._columns.serialize()
        for batch, message in made_ahead((batch, batch.serialize()) for batch in self._batches):
            yield message
            self._advance(batch.num_rows)
        yield _END
