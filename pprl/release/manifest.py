"""What a release says of itself: whose it is, against which one its delta is, and the digests of its files.

It travels as ``release.json``, in the clear: one line of canonical JSON, ``{"manifest": ..., "signature": ...}``. The
signature is Ed25519 over ``pprl release manifest v1`` NUL and the canonical JSON of the manifest. It holds counts and
digests, and no GUID but that of the release.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_serializer,
    field_validator,
)

from pprl.errors import CorruptError, KeyFileError, NotAPackageError, SignatureError
from pprl.guid import GUID_PATTERN
from pprl.release.keys import ReleaseKey, ReleaseVerifyKey
from pprl.release.table import RowKind
from pprl.schema.model import Label

MANIFEST_FILE = "release.json"
MAX_MANIFEST_BYTES = 256 * 1024

TABLE, SUPERSEDED, DELTA = "table", "superseded", "delta"
"""Roles of files that a release may have; others are for people and other programs."""

_SIGNED_PREFIX = b"pprl release manifest v1\0"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_Guid = Annotated[str, StringConstraints(pattern=f"^{GUID_PATTERN}$")]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Frozen):
    """One file of a release.

    Attributes
    ----------
    name : str
        Of what is inside the seal; the sealed file has ``.age`` behind it.
    role : str
        ``table``, ``superseded``, ``delta``, or another for other uses.
    media_type : str
        Of what is inside.
    sha256, n_bytes : str, int
        Of the sealed bytes.
    content_sha256 : str
        Of what is inside.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
    role: _Text
    media_type: _Text
    sha256: _Sha256
    n_bytes: _Count
    content_sha256: _Sha256

    @property
    def sealed_name(self) -> str:
        """Of the file as it travels."""
        return f"{self.name}.age"


class Base(_Frozen):
    """The release that a delta is against.

    Attributes
    ----------
    release : str
        Its id.
    number : int
    table_sha256, superseded_sha256 : str
        Of its tables as CSV.
    """

    release: _Guid
    number: Annotated[int, Field(ge=1)]
    table_sha256: _Sha256
    superseded_sha256: _Sha256


class ReleaseManifest(_Frozen):
    """A release's manifest.

    Attributes
    ----------
    format : int
        Version.
    release : str
        Its id.
    project : str
    number : int
        1, 2, ... for each recipient of a project.
    row_kind : str
        ``record``: rows are the recipient's own; ``subject``: rows are entities as the sites know them.
    datasets : mapping of str to int
        Whose rows it may have, and the sequence number of the delivery that was current.
    counts : mapping of str to int
        ``rows``, ``entities``, ``withheld`` and, of the delta, ``added``, ``changed``, ``removed``, ``superseded``,
        ``ended``.
    base : Base or None
        What the delta is against; None for the first release, which has no delta.
    table_sha256, superseded_sha256 : str
        Of the tables as CSV.
    files : tuple of File
    created : datetime
        UTC, whole seconds.
    recipient : str
        ``age1...``: whom the files are sealed to.
    signer : str
        ``pprlrelease1...``
    """

    format: Literal[1] = 1
    release: _Guid
    project: Label
    number: Annotated[int, Field(ge=1, strict=True)]
    row_kind: RowKind
    datasets: Mapping[Label, Annotated[int, Field(ge=0, lt=2**53)]]
    counts: Mapping[str, _Count]
    base: Base | None
    table_sha256: _Sha256
    superseded_sha256: _Sha256
    files: tuple[File, ...]
    created: datetime
    recipient: _Text
    signer: _Text

    @field_validator("created", mode="before")
    @classmethod
    def _read_time(cls, value: object) -> object:
        return datetime.strptime(value, _TIME).replace(tzinfo=UTC) if isinstance(value, str) else value

    @field_validator("created")
    @classmethod
    def _whole_seconds_utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC).replace(microsecond=0)

    @field_serializer("created")
    def _write_time(self, value: datetime) -> str:
        return value.strftime(_TIME)

    def canonical_json(self) -> bytes:
        """What is signed: sorted keys, no blanks, UTF-8."""
        return _canonical(self.model_dump(mode="json"))

    def files_of(self, role: str) -> tuple[File, ...]:
        """Those of a role."""
        return tuple(file for file in self.files if file.role == role)


def sign_manifest(manifest: ReleaseManifest, key: ReleaseKey) -> bytes:
    """The bytes of ``release.json``."""
    signature = key.sign(_SIGNED_PREFIX + manifest.canonical_json()).hex()
    return _canonical({"manifest": manifest.model_dump(mode="json"), "signature": signature}) + b"\n"


def load_manifest(path: Path, broker: ReleaseVerifyKey) -> ReleaseManifest:
    """Read ``release.json`` and check its signature.

    Parameters
    ----------
    path : Path
        The file.
    broker : ReleaseVerifyKey
        Whose signature it must bear.

    Returns
    -------
    ReleaseManifest

    Raises
    ------
    NotAPackageError
        It is missing, or something else, or of a version not known here.
    CorruptError
        It says what cannot be.
    SignatureError
        It is signed by somebody else, or was changed.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise NotAPackageError(
            f"{path}: cannot be read ({error.strerror}); name the folder that the release was fetched to"
        ) from None
    body, signature = _parts(path, raw)
    try:
        manifest = ReleaseManifest.model_validate(body)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise CorruptError(
            f"{path}: {where or 'manifest'} is not what it must be; fetch the release again"
        ) from None
    try:
        signer = ReleaseVerifyKey.parse(manifest.signer)
    except KeyFileError:
        raise SignatureError(f"{path}: names no key as its signer; fetch the release again") from None
    if signer != broker:
        raise SignatureError(
            f"{path}: is signed by {manifest.signer}, not by the broker's key {broker}; ask the broker which is right"
        )
    try:
        broker.verify(signature, _SIGNED_PREFIX + _canonical(body))
    except SignatureError as error:
        raise SignatureError(f"{path}: {error}") from None
    return manifest


def _parts(path: Path, raw: bytes) -> tuple[Mapping[str, Any], bytes]:
    try:
        document: Any = json.loads(raw) if len(raw) <= MAX_MANIFEST_BYTES else None
        body, signature = document["manifest"], document["signature"]
        version = body["format"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise NotAPackageError(f"{path}: is not the manifest of a release") from None
    if version != 1:
        raise NotAPackageError(f"{path}: is of a version that is not known here; update this program")
    if not isinstance(signature, str) or not re.fullmatch(r"[0-9a-f]{128}", signature):
        raise SignatureError(f"{path}: bears no signature; fetch the release again")
    return body, bytes.fromhex(signature)


def _canonical(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
