"""Key files: lines of text, comments with ``#``, and secrets that nobody but their owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pprl.errors import KeyFileError
from pprl.files import new_file

MAX_KEY_FILE_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret_file(path: str | Path, *, what: str) -> list[str]:
    """Read the lines of a secret key file.

    Parameters
    ----------
    path : str or Path
        The file.
    what : str
        What is expected there, for errors: "a linkage key".

    Returns
    -------
    list of str
        Stripped lines, without comments and blank ones.

    Raises
    ------
    KeyFileError
        Where it is missing, not a small text file, or its group or others have any right to it.
    """
    return _read(Path(path), what=what, secret=True)


def read_public_file(path: str | Path, *, what: str) -> list[str]:
    """As `read_secret_file`, for public keys: anybody may read them."""
    return _read(Path(path), what=what, secret=False)


def write_secret_file(path: str | Path, lines: list[str]) -> None:
    """Write a new file that only its owner may read (0600); an existing one is never replaced.

    Raises
    ------
    KeyFileError
        Where the file exists: keys are not overwritten.
    PprlError
        Where it cannot be written.
    """
    _write(Path(path), lines, mode=0o600)


def write_public_file(path: str | Path, lines: list[str]) -> None:
    """As `write_secret_file`, readable by all (0644)."""
    _write(Path(path), lines, mode=0o644)


def check_unused(*paths: Path) -> None:
    """Refuse paths that exist, before the first of several files is written.

    Raises
    ------
    KeyFileError
    """
    for path in paths:
        if path.exists() or path.is_symlink():
            raise KeyFileError(f"{path}: exists already; keys are never overwritten, choose another name")


def pair_of_paths(path: str | Path) -> tuple[Path, Path]:
    """Where a new secret key and its public half go: ``NAME.key`` and ``NAME.pub``.

    Raises
    ------
    KeyFileError
        Where one of them exists, or the secret key would be named as a public one.
    """
    secret = Path(path)
    public = secret.with_suffix(".pub")
    if secret == public:
        raise KeyFileError(f"{path}: the secret key needs another name; its public half is put in {public}")
    check_unused(secret, public)
    return secret, public


def _write(path: Path, lines: list[str], *, mode: int) -> None:
    check_unused(path)
    with new_file(path, mode=mode, overwrite=False) as file:
        file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))


def _read(path: Path, *, what: str, secret: bool) -> list[str]:
    try:
        # Non-blocking, so that a pipe of that name is refused rather than waited on.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyFileError(f"{path}: there is no such file; expected {what}") from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror}); expected {what}") from None
    try:
        facts = os.fstat(handle)  # of the open file: the name may point elsewhere by now
        if not stat.S_ISREG(facts.st_mode):
            raise KeyFileError(f"{path}: is not a regular file; expected {what}")
        if secret and facts.st_mode & _OTHERS:
            raise KeyFileError(
                f"{path}: others than its owner have rights to it (mode {stat.S_IMODE(facts.st_mode):04o}); "
                f"run: chmod 600 {path}"
            )
        with os.fdopen(handle, "rb", closefd=False) as file:
            raw = file.read(MAX_KEY_FILE_BYTES + 1)
    finally:
        os.close(handle)
    return meaningful_lines(raw, source=str(path), what=what)


def meaningful_lines(raw: bytes, *, source: str, what: str) -> list[str]:
    """Cut a key file into stripped lines, without comments and blank ones; ``source`` names it in errors.

    Raises
    ------
    KeyFileError
        Where it is not a small text file.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if len(raw) > MAX_KEY_FILE_BYTES or "\0" in text:
        raise KeyFileError(f"{source}: is not {what}: a key file is a few lines of text")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
