"""Intake: sealed packages become datasets, or nothing does.

A package is accepted when it is sealed to this broker, whole, signed by a trusted site, not expired, of one linkage
with its fellows, and not older than a delivery of the same dataset accepted before. The *register* remembers the
latest delivery of each dataset; the very same delivery may come again, so that a run can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from broker.matching.dataset import Dataset
from broker.token_arrays import TokenArrays, drop_pages, row_bytes
from pprl.errors import CorruptError, PprlError, ReplayedError
from pprl.files import new_file, scratch_file
from pprl.package import Identity, Manifest, Package, VerifyKey, check_same_linkage, open_package
from pprl.schema.columns import (
    PRESENCE,
    RECORD_GUID,
    exact_column,
    exact_parts,
    filter_column,
    key_columns,
    stratum_column,
)

BYTES_IN_MEMORY = 1024 * 1024 * 1024
"""Of tokens, over all packages of a run; about 5 million records of profile ``standard``."""

_VERSION = 1
_ROWS_AT_ONCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Delivery:
    """One accepted package.

    Attributes
    ----------
    path : Path
    manifest : Manifest
    dataset : Dataset
    """

    path: Path
    manifest: Manifest
    dataset: Dataset


class Register:
    """The latest delivery accepted of each dataset.

    Parameters
    ----------
    path : Path
        A JSON file; missing is empty.

    Raises
    ------
    PprlError
        The file is something else, or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._latest: dict[str, dict[str, Any]] = {}
        if path.exists():
            try:
                content = json.loads(path.read_bytes())
                known = content["version"] == _VERSION
                if known:
                    self._latest = {
                        key: {
                            "sequence": int(entry["sequence"]),
                            "payload_sha256": str(entry["payload_sha256"]),
                        }
                        for key, entry in content["latest"].items()
                    }
            except OSError as error:
                raise PprlError(f"{path}: cannot be read ({error.strerror})") from None
            except (ValueError, LookupError, TypeError, AttributeError):
                raise PprlError(
                    f"{path}: is not a register of deliveries; move it away to begin anew"
                ) from None
            if not known:
                raise PprlError(f"{path}: is a register of a version not known here; update this program")

    @property
    def folder(self) -> Path:
        """Where its file is."""
        return self._path.parent

    def check(self, name: str, manifest: Manifest) -> None:
        """Refuse an older delivery than the latest accepted.

        Raises
        ------
        ReplayedError
        """
        latest = self._latest.get(_key(manifest))
        if latest is None or manifest.sequence > latest["sequence"]:
            return
        if manifest.sequence < latest["sequence"]:
            raise ReplayedError(
                f"{name}: delivery {manifest.sequence} of dataset {manifest.dataset!r} is older than delivery "
                f"{latest['sequence']}, accepted before; use that one, or ask the site for a fresh package"
            )
        if manifest.payload_sha256 != latest["payload_sha256"]:
            raise ReplayedError(
                f"{name}: another delivery {manifest.sequence} of dataset {manifest.dataset!r} was accepted before; "
                "the site must give every delivery a higher sequence number"
            )

    def record(self, manifests: Sequence[Manifest]) -> None:
        """Remember deliveries as the latest of their datasets, in the file.

        Raises
        ------
        PprlError
            The file cannot be written.
        """
        for manifest in manifests:
            self._latest[_key(manifest)] = {
                "sequence": manifest.sequence,
                "payload_sha256": manifest.payload_sha256,
            }
        with new_file(self._path) as file:
            content = {"version": _VERSION, "latest": self._latest}
            file.write(json.dumps(content, indent=1, sort_keys=True).encode() + b"\n")


def _key(manifest: Manifest) -> str:
    return f"{manifest.project}/{manifest.epoch}/{manifest.dataset}/{manifest.signer}"


def take_in(
    paths: Sequence[Path],
    identity: Identity,
    *,
    trusted: Collection[VerifyKey] | None,
    register: Register,
    now: datetime,
    scratch: Path | None = None,
    bytes_in_memory: int = BYTES_IN_MEMORY,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Delivery]:
    """Open, check and load packages of one linkage.

    Parameters
    ----------
    paths : sequence of Path
        The packages.
    identity : Identity
        The broker's.
    trusted : collection of VerifyKey or None
        Sites whose signature counts; None trusts any.
    register : Register
        Is asked, and told when all packages are accepted.
    now : datetime
        With time zone.
    scratch : Path or None
        Folder for the tokens of large packages, which go to files without a name that are gone with the datasets;
        None is the register's folder.
    bytes_in_memory : int
        Packages whose tokens fit into what is left of this are held in memory.
    advance : callable
        Called with numbers of payload bytes done.

    Returns
    -------
    list of Delivery
        In the order of ``paths``.

    Raises
    ------
    PackageError
        One of its kinds, naming the file; nothing is accepted then.
    PprlError
        The register cannot be written, or the scratch folder has no room.
    """
    deliveries: list[Delivery] = []
    folder = register.folder if scratch is None else scratch
    for path in paths:
        with open_package(path, identity, trusted=trusted, now=now, advance=advance) as package:
            register.check(str(path), package.manifest)
            # Before the tokens are read, so that a mixture is refused at once.
            earlier = [(str(delivery.path), delivery.manifest) for delivery in deliveries]
            check_same_linkage([*earlier, (str(path), package.manifest)])
            dataset = load(package, folder=folder, bytes_in_memory=bytes_in_memory)
            bytes_in_memory = room_after(dataset, bytes_in_memory)
            deliveries.append(Delivery(path, package.manifest, dataset))
    register.record([delivery.manifest for delivery in deliveries])
    return deliveries


def load(
    package: Package,
    *,
    folder: Path,
    bytes_in_memory: int = BYTES_IN_MEMORY,
    look_at: Callable[[pa.RecordBatch], object] = lambda _: None,
) -> Dataset:
    """Load and check the records of an open package.

    Parameters
    ----------
    package : Package
        Open.
    folder : Path
        For the tokens of a large one: in a file without a name that is gone with the dataset.
    bytes_in_memory : int
        A package whose tokens fit into it is held in memory.
    look_at : callable
        Called with each batch, in order; whatever it makes of them counts only once the whole is loaded.

    Raises
    ------
    PackageError
        It is not what its manifest says.
    """
    in_memory = _token_bytes(package) <= bytes_in_memory
    with nullcontext() if in_memory else scratch_file(folder) as file:
        manifest = package.manifest
        return _load(
            package,
            TokenArrays(manifest.linkage_schema, manifest.n_records, file=file, folder=folder),
            look_at,
        )


def room_after(dataset: Dataset, bytes_in_memory: int) -> int:
    """What is left of the memory for tokens once a dataset is loaded; one that does not fit lies in a file."""
    n_bytes = len(dataset) * row_bytes(dataset.schema)
    return bytes_in_memory - n_bytes if n_bytes <= bytes_in_memory else bytes_in_memory


def _token_bytes(package: Package) -> int:
    """What the arrays of a package take, once its manifest cannot ask for more than there is."""
    manifest = package.manifest
    n_bytes = manifest.n_records * row_bytes(manifest.linkage_schema)
    if n_bytes > manifest.payload_bytes:
        raise CorruptError(f"{package.path}: says it has more records than fit it; ask the site for it again")
    return n_bytes


def _load(package: Package, arrays: TokenArrays, look_at: Callable[[pa.RecordBatch], object]) -> Dataset:
    for batch in package:
        arrays.append(batch)
        look_at(batch)
    columns = arrays.finish()
    manifest = package.manifest
    schema, guids = manifest.linkage_schema, columns[RECORD_GUID]
    if not _ascending(guids) and _has_equal(guids):
        raise CorruptError(f"{package.path}: gives two records one GUID; ask the site for a fresh package")
    drop_pages(guids)
    exact = [(field.name, part) for field in schema.fields for part in exact_parts(field)]
    return Dataset(
        name=manifest.dataset,
        schema=schema,
        guids=guids,
        presence=columns[PRESENCE],
        filters={name: columns[filter_column(name)] for name in schema.filter_names},
        exact={f"{field}:{part}": columns[exact_column(field, part)] for field, part in exact}
        if schema.filter.layout == "field"
        else {},
        keys=tuple(tuple(columns[name] for name in key_columns(key)) for key in schema.match_keys),
        duplicate_free=manifest.duplicate_free,
        strata={stratum.name: columns[stratum_column(stratum.name)] for stratum in schema.strata},
    )


def _ascending(guids: npt.NDArray[np.uint8]) -> bool:
    """Whether each GUID is above the one before it, as the packages of this program have them."""
    for start in range(0, len(guids), _ROWS_AT_ONCE):
        high, low = guids[start : start + _ROWS_AT_ONCE + 1].view(">u8").T.astype(np.uint64)
        above = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))
        if not above.all():
            return False
    return True


def _has_equal(guids: npt.NDArray[np.uint8]) -> bool:
    """Whether two GUIDs, in any order, are the same."""
    halves = guids.view(np.uint64)
    first = np.sort(halves[:, 0])
    # Of random GUIDs hardly two share a half, and only those need a closer look.
    shared = first[1:][first[1:] == first[:-1]]
    if not len(shared):
        return False
    rows = halves[np.isin(halves[:, 0], shared)]
    rows = rows[np.lexsort(rows.T)]
    return bool((rows[1:] == rows[:-1]).all(axis=1).any())
