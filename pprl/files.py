"""Files that are either whole or not there: a temporary name, fsync, rename."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    check_new_file(path, overwrite=overwrite)
    with _complaints(path), _part_of(path, mode=mode) as (file, temporary):
        yield file
        _finish(file)
        _place(temporary, path, overwrite=overwrite)
        _sync_folder(path.parent)


@contextmanager
def new_files(*wanted: tuple[str | Path, int], overwrite: bool = True) -> Iterator[tuple[IO[bytes], ...]]:
    """Write files that belong together: all appear under their names when the block ends well, or none does.

    Parameters
    ----------
    *wanted : tuple of (str or Path, int)
        A file and its permission bits, as for `new_file`.
    overwrite : bool
        Whether existing files may be replaced. They are back in their places where the block fails.

    Yields
    ------
    tuple of binary files
        Open for writing and reading.

    Raises
    ------
    PprlError
        As `new_file`.
    """
    paths = [Path(path) for path, _ in wanted]
    for path in paths:
        check_new_file(path, overwrite=overwrite)
    with ExitStack() as stack:
        stack.enter_context(_complaints(*paths))
        parts = [
            stack.enter_context(_part_of(path, mode=mode))
            for path, (_, mode) in zip(paths, wanted, strict=True)
        ]
        yield tuple(file for file, _ in parts)
        for file, _ in parts:
            _finish(file)
        moves = [
            (temporary, path, temporary.with_suffix(".old"), temporary.stat().st_ino)
            for (_, temporary), path in zip(parts, paths, strict=True)
        ]
        try:
            for temporary, path, older, _ in moves:
                if overwrite and path.exists():
                    path.rename(older)
                _place(temporary, path, overwrite=overwrite)
        except BaseException:
            for _, path, older, inode in moves:
                if path.exists() and path.stat().st_ino == inode:
                    path.unlink()
                if older.exists():
                    older.replace(path)
            raise
        for _, _, older, _ in moves:
            older.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            _sync_folder(folder)


@contextmanager
def scratch_file(folder: Path) -> Iterator[IO[bytes]]:
    """A file without a name, which nobody else can open and which is gone with the process, however that ends.

    Parameters
    ----------
    folder : Path
        On the disk that is to hold it.

    Raises
    ------
    PprlError
        Where nothing can be written to it.
    """
    with ExitStack() as stack:
        with _complaints(folder):
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # mode 0600, unlinked at once
        yield file


def check_new_file(path: str | Path, *, overwrite: bool) -> None:
    """Refuse a file that `new_file` would refuse, before long work is done for it.

    Raises
    ------
    PprlError
        Where its folder is missing, it is a folder itself, or it exists and may not be replaced.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise PprlError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise PprlError(f"{path}: is a folder; name a file")
    if not overwrite and path.exists():
        raise _exists(path)


@contextmanager
def _complaints(*paths: Path) -> Iterator[None]:
    """What the system refuses, as an error that names the files meant."""
    try:
        yield
    except OSError as error:
        names = ", ".join(map(str, paths))
        raise PprlError(f"{names}: cannot be written ({error.strerror})") from None


@contextmanager
def _part_of(path: Path, *, mode: int) -> Iterator[tuple[IO[bytes], Path]]:
    """A file of a temporary name beside ``path``, removed at the end."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            os.fchmod(file.fileno(), mode)
            yield file, temporary
    finally:
        temporary.unlink(missing_ok=True)


def _finish(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _place(temporary: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, fails where a file has appeared meanwhile
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        check_new_file(path, overwrite=False)
        temporary.rename(path)
    else:
        temporary.unlink()


_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # FAT, network shares


def _exists(path: Path) -> PprlError:
    return PprlError(f"{path}: exists already and is not overwritten; choose another name or move it away")


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
def new_folder(path: str | Path, *, mode: int = 0o755) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block ends well; an older one is replaced then.

    Parameters
    ----------
    path : str or Path
        Its parents are made where they are missing.
    mode : int
        Permission bits, in force when it appears; until then only its owner may enter.

    Yields
    ------
    Path
        A folder of a temporary name.

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
        temporary.chmod(mode)
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
