"""Intake: sealed packages become datasets in memory, or nothing does.

A package is accepted when it is sealed to this broker, whole, signed by a trusted site, not expired, of one linkage
with its fellows, and not older than a delivery of the same dataset accepted before. The *register* remembers the
latest delivery of each dataset; the very same delivery may come again, so that a run can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from broker.matching.dataset import Dataset
from pprl.errors import CorruptError, PprlError, ReplayedError
from pprl.files import new_file
from pprl.guid import GUID_BYTES
from pprl.package import Identity, Manifest, Package, VerifyKey, check_same_linkage, open_package
from pprl.schema.columns import (
    PRESENCE,
    RECORD_GUID,
    exact_column,
    exact_parts,
    filter_column,
    key_columns,
    token_columns,
)

_VERSION = 1


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
        The register cannot be written.
    """
    deliveries: list[Delivery] = []
    for path in paths:
        with open_package(path, identity, trusted=trusted, now=now, advance=advance) as package:
            register.check(str(path), package.manifest)
            # Before the tokens are read, so that a mixture is refused at once.
            earlier = [(str(delivery.path), delivery.manifest) for delivery in deliveries]
            check_same_linkage([*earlier, (str(path), package.manifest)])
            deliveries.append(Delivery(path, package.manifest, _load(package)))
    register.record([delivery.manifest for delivery in deliveries])
    return deliveries


def _load(package: Package) -> Dataset:
    """Read the token table into arrays laid out beforehand, so that it is held once."""
    manifest = package.manifest
    schema, n = manifest.linkage_schema, manifest.n_records
    row_bytes = sum(column.type.bit_width // 8 for column in token_columns(schema))
    if n * row_bytes > manifest.payload_bytes:  # or a manifest could ask for any amount of memory
        raise CorruptError(f"{package.path}: says it has more records than fit it; ask the site for it again")
    guids = np.empty((n, GUID_BYTES), dtype=np.uint8)
    presence = np.empty(n, dtype=np.uint32)
    n_words = schema.filter.n_bits // 64
    filters = {name: np.empty((n, n_words), dtype=np.uint64) for name in schema.filter_names}
    exact: dict[str, npt.NDArray[np.uint64]] = {}
    if schema.filter.layout == "field":
        exact = {
            f"{field.name}:{part}": np.empty(n, dtype=np.uint64)
            for field in schema.fields
            for part in exact_parts(field)
        }
    keys = tuple(tuple(np.empty(n, dtype=np.uint64) for _ in key_columns(key)) for key in schema.match_keys)
    row = 0
    for batch in package:
        rows = slice(row, row + batch.num_rows)
        guids[rows] = _fixed(batch.column(RECORD_GUID), np.uint8)
        presence[rows] = np.asarray(batch.column(PRESENCE))
        for name, filter_rows in filters.items():
            filter_rows[rows] = _fixed(batch.column(filter_column(name)), np.uint64)
        for name, tokens in exact.items():
            tokens[rows] = _words(batch.column(exact_column(*name.split(":"))))
        for key, columns in zip(schema.match_keys, keys, strict=True):
            for name, tokens in zip(key_columns(key), columns, strict=True):
                tokens[rows] = _words(batch.column(name))
        row += batch.num_rows
    if len(np.unique(guids.view(f"V{GUID_BYTES}"))) < n:
        raise CorruptError(f"{package.path}: gives two records one GUID; ask the site for a fresh package")
    return Dataset(manifest.dataset, schema, guids, presence, filters, exact, keys, manifest.duplicate_free)


def _fixed(column: pa.Array, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Rows of a fixed-size binary column without a copy."""
    width = column.type.byte_width
    data = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    rows = data[column.offset * width : (column.offset + len(column)) * width]
    return rows.view(dtype).reshape(len(column), width // np.dtype(dtype).itemsize)  # may be of no rows


def _words(column: pa.Array) -> npt.NDArray[np.uint64]:
    return np.asarray(pc.fill_null(column, 0), dtype=np.uint64)
