"""Files that are either whole or not there: a temporary name, fsync, rename."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pprl.errors import PprlError


@contextmanager
def new_file(path: str | Path, *, mode: int = 0o644, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name only when the block ends well.

    Parameters
    ----------
    path : str or Path
        Its parent folder must exist.
    mode : int
        Permission bits, in force before the first byte is written.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    binary file
        Open for writing and reading.

    Raises
    ------
    PprlError
        Where the folder is missing, the file exists and may not be replaced, or the disk is full.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise PprlError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not overwrite and path.exists():
        raise PprlError(f"{path}: exists already and is not overwritten; choose another name or move it away")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise PprlError(f"{path}: cannot be written ({error.strerror})") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # unlike a rename, fails where a file has appeared meanwhile
            temporary.unlink()
        _sync_folder(path.parent)
    except FileExistsError:
        raise PprlError(
            f"{path}: exists already and is not overwritten; choose another name or move it away"
        ) from None
    except OSError as error:
        raise PprlError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)


def check_output_folder(path: str | Path) -> None:
    """Refuse a folder that `new_folder` would refuse, before long work is done for it.

    Raises
    ------
    PprlError
        Where ``path`` is a file, or a folder holding something that was not written by `new_folder`
        (it has files but no marker).
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and (not any(path.iterdir()) or (path / _MARKER).exists())):
        raise PprlError(f"{path}: exists and is not an output folder of this program; choose another --out")


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block ends well; an older one is replaced then.

    Raises
    ------
    PprlError
        As `check_output_folder`, and where it cannot be written.
    """
    path = Path(path)
    check_output_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    retired = temporary.with_suffix(".old")
    try:
        yield temporary
        (temporary / _MARKER).touch()
        temporary.chmod(0o755)
        for folder, _, names in os.walk(temporary):
            for name in names:
                _sync_file(Path(folder) / name)
            _sync_folder(Path(folder))
        if path.exists():
            path.replace(retired)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if retired.exists() and not path.exists():
            retired.replace(path)
        raise PprlError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


_MARKER = ".pprl-output"


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    _sync_file(path)
