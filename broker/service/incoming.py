"""An upload's file: bytes in their order, as they come, and how many are on the disk for certain."""

from __future__ import annotations

import fcntl
import os

from sqlalchemy import select

from broker.service.problems import Refusal
from broker.store import Store
from broker.store.files import is_full
from broker.store.tables import Dataset, Party, Upload, UploadState
from broker.work.queue import Kind, enqueue
from pprl.errors import StoreError, StoreFullError
from pprl.guid import RandomBytes

SYNC_EVERY_BYTES = 64 * 1024 * 1024


class Incoming:
    """Appends to an upload; one request at a time may.

    What is not on the disk for certain when everything stops is cut off by the next request, so that the file holds
    the first ``n_received`` bytes of the package, whatever happened.

    Parameters
    ----------
    store : Store
        Where it goes.
    upload : Upload
        Which.
    random_bytes : callable
        Source of the id of the job.

    Raises
    ------
    Refusal
        Another request is sending to it.
    StoreError
        The disk cannot be written.
    """

    def __init__(self, store: Store, upload: Upload, *, random_bytes: RandomBytes = os.urandom) -> None:
        self._store, self._key, self._random_bytes = store, upload.key, random_bytes
        self.n_bytes = upload.n_bytes
        if (
            upload.state is not UploadState.OPEN
        ):  # or a file would be made that the intake may take for the package
            raise Refusal(409, f"the upload is {upload.state.value}")
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(store.uploads / upload.id, flags, 0o600)
        except OSError as error:
            raise _unwritten(error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with store.read() as session:  # asked again, now that nobody else can send
                row = session.get_one(Upload, upload.key)
            if row.state is not UploadState.OPEN:
                self._remove_if_empty(upload.id)
                raise Refusal(409, f"the upload is {row.state.value}")
            self.n_received = min(row.n_received, os.fstat(self._file).st_size)
            os.ftruncate(self._file, self.n_received)
            os.lseek(self._file, self.n_received, os.SEEK_SET)
            self._n_synced = self.n_received
        except BlockingIOError:
            os.close(self._file)
            raise Refusal(
                409, "another request is sending to this upload", code="busy", headers={"Retry-After": "1"}
            ) from None
        except BaseException:
            os.close(self._file)
            raise

    def _remove_if_empty(self, name: str) -> None:
        """Leave nothing where the upload was finished by another request and its file has been taken away."""
        if os.fstat(self._file).st_size == 0:
            (self._store.uploads / name).unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append some bytes.

        Raises
        ------
        Refusal
            They are more than the upload was announced with.
        StoreError
            The disk is full.
        """
        if self.n_received + len(data) > self.n_bytes:
            raise Refusal(413, "more came than was announced; begin the upload anew with the right size")
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            raise _unwritten(error) from None
        self.n_received += len(data)
        if self.n_received - self._n_synced >= SYNC_EVERY_BYTES:
            self._sync()

    def close(self) -> int:
        """Let go; what came is on the disk. With the last byte the intake is queued.

        Returns
        -------
        int
            Bytes on the disk for certain.
        """
        try:
            self._sync()
            return self._n_synced
        finally:
            os.close(self._file)

    def _sync(self) -> None:
        try:
            n_received = min(os.lseek(self._file, 0, os.SEEK_CUR), self.n_bytes)
            os.fsync(self._file)
        except OSError as error:
            raise _unwritten(error) from None
        with self._store.begin() as session:
            row = session.scalars(select(Upload).where(Upload.key == self._key).with_for_update()).one()
            if row.state is not UploadState.OPEN:
                raise Refusal(409, f"the upload is {row.state.value}")
            row.n_received = n_received
            if n_received == row.n_bytes:
                row.state = UploadState.COMPLETE
                dataset, party = session.get_one(Dataset, row.dataset_key), session.get_one(Party, row.by_key)
                job = enqueue(
                    session,
                    Kind.INTAKE,
                    by=party,
                    dataset=dataset,
                    arguments={"upload": row.id},
                    now=self._store.clock(),
                    random_bytes=self._random_bytes,
                )
                row.job_key = job.key
        self._n_synced = n_received


def _unwritten(error: OSError) -> StoreError:
    if is_full(error):
        return StoreFullError("the broker's disk is full; what came so far is kept, go on later")
    return StoreError(f"the upload cannot be written ({error.strerror})")
