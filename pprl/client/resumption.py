"""What is kept beside a package while it is sent, so that the same command goes on where it was, however it ended.

``NAME.pprl.upload.json`` holds the digest of the package, good for as long as the package is the same file, and the id
of the upload. It holds nothing secret; without it, the digest is computed again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pprl.errors import PprlError
from pprl.files import new_file

_FORMAT = 1
_LARGEST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """What tells whether a file is the same.

    Attributes
    ----------
    n_bytes, mtime_ns : int
    """

    n_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, handle: int) -> Facts:
        """Those of an open file."""
        found = os.fstat(handle)
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept.

    Attributes
    ----------
    facts : Facts
    sha256 : str
    broker : str or None
        The service's address.
    dataset, upload : str or None
        Ids, once the upload has begun.
    """

    facts: Facts
    sha256: str
    broker: str | None = None
    dataset: str | None = None
    upload: str | None = None

    def at(self, broker: str, dataset: str) -> str | None:
        """The upload to a dataset of a broker, where there is one."""
        return self.upload if (self.broker, self.dataset) == (broker, dataset) else None

    def begun(self, broker: str, dataset: str, upload: str) -> Kept:
        """The same, with an upload."""
        return replace(self, broker=broker, dataset=dataset, upload=upload)


def path_beside(package: Path) -> Path:
    """Where it is kept."""
    return package.with_name(f"{package.name}.upload.json")


def load(package: Path, facts: Facts) -> Kept | None:
    """What is kept of a package, None where that is nothing or of another file."""
    try:
        with path_beside(package).open("rb") as file:
            document = json.loads(file.read(_LARGEST_BYTES))
        if document["format"] != _FORMAT or Facts(**document["facts"]) != facts:
            return None
        words = {name: document[name] for name in ("sha256", "broker", "dataset", "upload")}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(words["sha256"], str) or not all(
        value is None or isinstance(value, str) for value in words.values()
    ):
        return None
    return Kept(facts, **words)


def keep(package: Path, kept: Kept) -> None:
    """Keep it; in a folder that cannot be written to, the next command computes the digest again."""
    document = {"format": _FORMAT, **asdict(kept)}
    with suppress(PprlError), new_file(path_beside(package), mode=0o600) as file:
        file.write(json.dumps(document, indent=2).encode() + b"\n")


def forget(package: Path) -> None:
    """Remove it."""
    with suppress(OSError):
        path_beside(package).unlink()
