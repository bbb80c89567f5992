"""What a package says of itself, and the checks that packages of one linkage must pass.

A manifest travels as one *frame*, twice in the same bytes: in the clear in the header, so that a package
explains itself without a key, and first in the sealed payload::

    pprl-package/1 LF | length, 4 bytes big-endian | manifest, canonical JSON | signature, 64 bytes

The signature is Ed25519 over ``pprl package manifest v1`` NUL and the manifest's bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from pprl.errors import (
    CorruptError,
    KeyFileError,
    NotAPackageError,
    PackageError,
    ReplayedError,
    TruncatedError,
    WrongKeyError,
    WrongProjectError,
    WrongSchemaError,
)
from pprl.package.age import Recipient
from pprl.package.signing import SIGNATURE_BYTES, SigningKey, VerifyKey
from pprl.schema import Schema
from pprl.schema.model import Label
from pprl.suppression import SMALL

MAX_MANIFEST_BYTES = 256 * 1024
MAX_SEQUENCE = 2**53 - 1  # the largest whole number that every JSON reader keeps exact

_MAGIC_PREFIX = b"pprl-package/"
MAGIC = _MAGIC_PREFIX + b"1\n"
_SIGNED_PREFIX = b"pprl package manifest v1\0"
_LENGTH = struct.Struct(">I")
_TIME = "%Y-%m-%dT%H:%M:%SZ"

_Count = Annotated[int, Field(ge=0, le=MAX_SEQUENCE, strict=True)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_SiteName = Annotated[str, StringConstraints(pattern=r"^[\p{L}\p{N}][\p{L}\p{M}\p{N} .,&'()/_-]{0,79}$")]


class Manifest(BaseModel):
    """A package's manifest.

    Attributes
    ----------
    format : int
        Version of the package format.
    project, epoch : str
        Those of the schema.
    dataset : str
        Names the delivery's data; the same over refreshes.
    site : str
        The site's name, for people.
    schema_sha256 : str
        Fingerprint of ``linkage_schema``.
    linkage_schema : Schema
        ``schema`` in the JSON: the whole linkage schema, every default resolved.
    key_check : str
        Key-check value of the linkage key under this schema, 16 hexadecimal digits.
    n_records : int
        Rows of the Arrow stream.
    field_counts : mapping of str to int
        Records with a value, for every field of the schema.
    stratum_counts : mapping of str to tuple of (int or None)
        For every stratum of the schema the records in none of its categories, then those in each; None where a count
        is hidden, as it is in `pprl.suppression.shown_counts`. Not written where there are no strata.
    duplicate_free : bool
        Whether the site vouches that no person has two rows.
    sequence : int
        1, 2, ...; a later delivery of a dataset has a higher one.
    created, expires : datetime
        UTC, whole seconds.
    recipient : str
        ``age1...``: whom the package is sealed to.
    signer : str
        ``pprlsite1...``: whose signature it bears.
    payload_sha256 : str
        Of the Arrow stream.
    payload_bytes : int
        Length of the Arrow stream.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format: Literal[1] = 1
    project: Label
    epoch: Label
    dataset: Label
    site: _SiteName
    schema_sha256: _Sha256
    linkage_schema: Schema = Field(alias="schema")
    key_check: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    n_records: _Count
    field_counts: Mapping[str, _Count]
    stratum_counts: Mapping[str, tuple[_Count | None, ...]] = Field(default_factory=dict)
    duplicate_free: Annotated[bool, Field(strict=True)]
    sequence: Annotated[int, Field(ge=1, le=MAX_SEQUENCE, strict=True)]
    created: datetime
    expires: datetime
    recipient: Annotated[str, StringConstraints(max_length=100)]
    signer: Annotated[str, StringConstraints(max_length=100)]
    payload_sha256: _Sha256
    payload_bytes: Annotated[int, Field(ge=1, le=MAX_SEQUENCE, strict=True)]

    @field_validator("created", "expires", mode="before")
    @classmethod
    def _read_time(cls, value: object) -> object:
        if isinstance(value, str):
            return datetime.strptime(value, _TIME).replace(tzinfo=UTC)
        return value

    @field_validator("created", "expires")
    @classmethod
    def _whole_seconds_utc(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("a time needs its time zone; give it in UTC")
        return value.astimezone(UTC).replace(microsecond=0)

    @field_serializer("created", "expires")
    def _write_time(self, value: datetime) -> str:
        return value.strftime(_TIME)

    @model_serializer(mode="wrap")
    def _without_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        entries: dict[str, Any] = write(self)
        if not self.stratum_counts:
            del entries["stratum_counts"]
        return entries

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        schema = self.linkage_schema
        if (schema.project, schema.epoch) != (self.project, self.epoch):
            raise ValueError("project and epoch are not those of its schema")
        if schema.fingerprint != self.schema_sha256:
            raise ValueError("the schema fingerprint is not that of its schema")
        if set(self.field_counts) != set(schema.field_names):
            raise ValueError("the field counts are not those of its fields")
        if any(count > self.n_records for count in self.field_counts.values()):
            raise ValueError("a field count exceeds the number of records")
        if {name: len(counts) for name, counts in self.stratum_counts.items()} != {
            stratum.name: len(stratum.categories) + 1 for stratum in schema.strata
        }:
            raise ValueError("the stratum counts are not those of its strata")
        for missing, *counts in self.stratum_counts.values():
            shown = [count for count in counts if count is not None]
            if missing is None or any(0 < count < SMALL for count in shown):
                raise ValueError("a stratum count is shown that must be hidden, or hidden that must be shown")
            n_shown = missing + sum(shown)
            if n_shown > self.n_records or (n_shown < self.n_records) != (len(shown) < len(counts)):
                raise ValueError("the counts of a stratum do not add up to the number of records")
        if self.expires <= self.created:
            raise ValueError("it expires before it was made")
        try:
            Recipient.parse(self.recipient)
            VerifyKey.parse(self.signer)
        except KeyFileError as error:
            raise ValueError(str(error)) from None
        return self

    def canonical_json(self) -> str:
        """One line, sorted keys, no blanks: what is signed."""
        return json.dumps(
            self.model_dump(mode="json", by_alias=True),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )


def make_manifest(**entries: object) -> Manifest:
    """A manifest of these entries, with an error for people where one is malformed.

    Raises
    ------
    PackageError
    """
    try:
        return Manifest.model_validate(entries)
    except ValidationError as error:
        raise PackageError(f"the package cannot be made: {_first(error)}") from None


def sign_frame(manifest: Manifest, key: SigningKey) -> bytes:
    """The signed frame of a manifest.

    Raises
    ------
    PackageError
        The manifest exceeds 256 KiB.
    ValueError
        The key is not that of the manifest's signer.
    """
    if str(key.verify_key) != manifest.signer:
        raise ValueError("the signing key is not that of the manifest's signer")
    body = manifest.canonical_json().encode("utf-8")
    if len(body) > MAX_MANIFEST_BYTES:
        raise PackageError(f"the manifest has {len(body)} bytes; at most {MAX_MANIFEST_BYTES} are allowed")
    return MAGIC + _LENGTH.pack(len(body)) + body + key.sign(_SIGNED_PREFIX + body)


def open_frame(frame: bytes) -> Manifest:
    """Read a frame and check its signature against the signer it names.

    Raises
    ------
    NotAPackageError
        Another format or version.
    TruncatedError, CorruptError
        Too short; malformed, too long, or not in canonical form.
    SignatureError
        The signature does not fit.
    """
    body = frame[frame_head(frame[: len(MAGIC) + _LENGTH.size]) : -SIGNATURE_BYTES]
    if len(frame) != frame_bytes(frame):
        raise CorruptError("its manifest has another length than it says; ask the site for it again")
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as error:
        raise CorruptError(f"its manifest is wrong: {_first(error)}; ask the site for it again") from None
    VerifyKey.parse(manifest.signer).verify(frame[-SIGNATURE_BYTES:], _SIGNED_PREFIX + body)
    if manifest.canonical_json().encode("utf-8") != body:
        raise CorruptError("its manifest is not in canonical form; ask the site for it again")
    return manifest


def frame_head(head: bytes) -> int:
    """Check the fixed first bytes of a frame and return how many they are."""
    n_bytes = len(MAGIC) + _LENGTH.size
    if not head.startswith(MAGIC):
        if head.startswith(_MAGIC_PREFIX):
            raise NotAPackageError("is a token package of a version not known here; update this program")
        raise NotAPackageError("is sealed, but holds no token package")
    if len(head) < n_bytes:
        raise TruncatedError("ends inside its manifest; copy it again")
    return n_bytes


def frame_bytes(head: bytes) -> int:
    """Length of the whole frame, told by its first bytes."""
    n_head = frame_head(head)
    (n_body,) = _LENGTH.unpack_from(head, len(MAGIC))
    if n_body > MAX_MANIFEST_BYTES:
        raise CorruptError(f"its manifest claims {n_body} bytes, more than {MAX_MANIFEST_BYTES}")
    return n_head + int(n_body) + SIGNATURE_BYTES


def check_same_linkage(packages: Sequence[tuple[str, Manifest]]) -> None:
    """Check that packages may be linked with each other.

    Parameters
    ----------
    packages : sequence of (str, Manifest)
        Each with the name it has in errors, its file usually.

    Raises
    ------
    WrongProjectError, WrongSchemaError, WrongKeyError
        Two packages differ in project or epoch, schema or linkage key; both are named.
    ReplayedError
        One dataset is given twice.
    """
    seen: dict[str, str] = {}
    for name, manifest in packages:
        first_name, first = packages[0]
        both = f"{first_name} and {name}"
        if (first.project, first.epoch) != (manifest.project, manifest.epoch):
            raise WrongProjectError(
                f"{both}: of project {first.project}, epoch {first.epoch}, and of project "
                f"{manifest.project}, epoch {manifest.epoch}; link packages of one project and epoch"
            )
        if first.schema_sha256 != manifest.schema_sha256:
            raise WrongSchemaError(
                f"{both}: made with different schemas ({first.schema_sha256[:12]} and "
                f"{manifest.schema_sha256[:12]}); give both sites the same schema file and tokenise again"
            )
        if first.key_check != manifest.key_check:
            raise WrongKeyError(
                f"{both}: made with different linkage keys (check {first.key_check} and "
                f"{manifest.key_check}); give both sites the same key and tokenise again"
            )
        if manifest.dataset in seen:
            raise ReplayedError(
                f"{seen[manifest.dataset]} and {name}: both hold dataset {manifest.dataset}; give each once"
            )
        seen[manifest.dataset] = name


def _first(error: ValidationError) -> str:
    """The first complaint, without the value that caused it: manifests come from strangers."""
    detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in detail["loc"] if isinstance(part, str))[:80]
    known = place.split(".")[0] in {*Manifest.model_fields, "schema"}
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] in ("extra_forbidden", "json_invalid"):
        return "not JSON" if detail["type"] == "json_invalid" else "an entry that is not known"
    return f"{place}: {message}" if place and known else message
