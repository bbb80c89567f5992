"""What goes over the wire: bodies of requests, and of answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from pprl.guid import GUID_PATTERN

Id = Annotated[str, StringConstraints(pattern=f"^{GUID_PATTERN}$")]
"""The GUID of a row of the store."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
KeyText = Annotated[str, StringConstraints(min_length=8, max_length=100)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Use = Literal["deduplicate", "link", "count"]
RoleName = Literal["contributor", "steward", "recipient"]
KindName = Literal["site", "researcher", "operator"]


class Body(BaseModel):
    """Of a request: what is not asked for is refused."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """Of an answer."""


ItemT = TypeVar("ItemT", bound=BaseModel)


class Page(Answer, Generic[ItemT]):
    """A piece of a list; ``next`` is ``after`` for the next piece, null at the end."""

    items: list[ItemT]
    next: str | None = None


# requests


class NewParty(Body):
    """A party to make known."""

    kind: KindName
    name: Name
    recipient: KeyText | None = None
    site_key: KeyText | None = None


class NewRecipient(Body):
    """``age1...``: what releases to the party are sealed to."""

    recipient: KeyText


class NewSiteKey(Body):
    """``pprlsite1...``: what the site signs with."""

    public: KeyText


class NewToken(Body):
    """A token to issue."""

    name: Name
    scopes: Annotated[list[Name], Field(max_length=20)] | None = None
    expires_at: AwareDatetime


class NewProject(Body):
    """A project to found."""

    schema_toml: Annotated[str, StringConstraints(max_length=100_000)] = Field(alias="schema")
    smallest_count: Annotated[int, Field(ge=0, le=1000)] | None = None


class NewMember(Body):
    """A party and what it is to be."""

    party: Id
    role: RoleName
    expires_at: AwareDatetime | None = None


class NewDataset(Body):
    """Room for a site's records."""

    name: Label
    stable_guids: bool = False


class NewUpload(Body):
    """A package that is to come."""

    sha256: Sha256
    n_bytes: Annotated[int, Field(ge=1, le=1 << 50)]


class NewWithdrawal(Body):
    """Record GUIDs to withdraw."""

    records: Annotated[list[Id], Field(min_length=1, max_length=100_000)]


class NewPermission(Body):
    """A use of two datasets to allow; the same one twice to deduplicate it."""

    use: Use
    left: Id
    right: Id
    recipients: Annotated[list[Id], Field(max_length=100)] = []
    expires_at: AwareDatetime


class NewRun(Body):
    """Settings of a linkage run."""

    threshold: Annotated[float, Field(ge=0.01, le=0.999)] = 0.5
    candidates: Literal["auto", "all", "keys", "lsh"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = 0


class CrosswalkIdentifier(Body):
    """A column of a crosswalk; see `broker.gen3.crosswalk.Identifier`."""

    commons_url: Annotated[str, StringConstraints(max_length=200)]
    type: Name
    name: Name
    description: Annotated[str, StringConstraints(max_length=300)] = ""


class NewCrosswalk(Body):
    """How a release becomes a crosswalk; see `broker.gen3.crosswalk.Crosswalk`."""

    entity: CrosswalkIdentifier
    datasets: Annotated[dict[Label, CrosswalkIdentifier], Field(max_length=100)]
    methodologies: Annotated[
        list[Annotated[str, StringConstraints(max_length=500)]], Field(max_length=20)
    ] = []
    guid_prefix: Annotated[str, StringConstraints(max_length=40)] = ""


class NewRelease(Body):
    """A release to make."""

    recipient: Id
    datasets: Annotated[list[Label], Field(max_length=100)] | None = None
    crosswalk: NewCrosswalk | None = None


# answers


class PartyOut(Answer):
    """A party."""

    id: str
    kind: str
    name: str
    recipient: str | None
    site_key: str | None
    created_at: datetime
    disabled_at: datetime | None


class Me(Answer):
    """Whom the broker takes the caller for."""

    party: PartyOut
    scopes: list[str]
    expires_at: datetime | None


class BrokerOut(Answer):
    """What parties need to know of the broker."""

    version: str
    recipient: str
    release_key: str
    journal_key: str
    time: datetime


class TokenOut(Answer):
    """A token, without itself."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenIssued(TokenOut):
    """A token, shown this once."""

    token: str


class ProjectOut(Answer):
    """A project, and the caller's role in it."""

    id: str
    name: str
    epoch: str
    profile: str
    schema_sha256: str
    smallest_count: int
    created_at: datetime
    closed_at: datetime | None
    role: str | None


class MemberOut(Answer):
    """A member of a project."""

    party: str
    name: str
    kind: str
    role: str
    since: datetime
    expires_at: datetime | None


class DeliveryOut(Answer):
    """A delivery of a dataset; ``quality`` for those who may see it."""

    id: str
    dataset: str
    sequence: int
    state: str
    n_records: int
    refusal: str | None
    received_at: datetime
    settled_at: datetime | None
    quality: dict[str, Any] | None


class DatasetOut(Answer):
    """A dataset."""

    id: str
    name: str
    project: str
    site: str
    site_name: str
    stable_guids: bool
    created_at: datetime
    retired_at: datetime | None
    current_delivery: DeliveryOut | None


class JobOut(Answer):
    """A job."""

    id: str
    kind: str
    project: str | None
    dataset: str | None
    state: str
    stage: str
    n_done: int
    n_total: int
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    result: dict[str, Any] | None


class UploadOut(Answer):
    """An upload; ``job`` is its intake, once all bytes came."""

    id: str
    dataset: str
    sha256: str
    n_bytes: int
    n_received: int
    state: str
    expires_at: datetime
    job: JobOut | None


class WithdrawalOut(Answer):
    """A withdrawal, and which recipients have not acknowledged it yet."""

    id: str
    dataset: str
    requested_at: datetime
    n_records: int
    purged_at: datetime | None
    waiting_for: list[str]


class WithdrawalAsked(Answer):
    """A withdrawal and the job that clears away what is left."""

    withdrawal: WithdrawalOut
    job: JobOut


class PermissionOut(Answer):
    """A permission."""

    id: str
    project: str
    use: str
    left: str
    right: str
    recipients: list[str]
    approved_by: str
    approved_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    is_valid: bool


class CountOut(Answer):
    """People in the left dataset alone, in both, in the right one alone; null where a count is too small to be told."""

    left: int | None
    both: int | None
    right: int | None


class RunOut(Answer):
    """A linkage run."""

    id: str
    project: str
    program: str
    settings: dict[str, Any]
    n_records: int
    n_links: int
    n_entities: int
    created_at: datetime
    finished_at: datetime | None


class ReleaseFileOut(Answer):
    """A file of a release; null digest: it is gone, as records of it were withdrawn."""

    id: str
    name: str
    role: str
    media_type: str
    sha256: str | None
    n_bytes: int
    drs_uri: str


class ReleaseOut(Answer):
    """A release."""

    id: str
    project: str
    recipient: str
    number: int
    state: str
    sealed_to: str
    n_rows: int
    n_entities: int
    n_added: int
    n_changed: int
    n_tombstones: int
    published_at: datetime | None
    acknowledged_at: datetime | None
    files: list[ReleaseFileOut]


class EntryOut(Answer):
    """An entry of the journal: its text as it is hashed, and the hash."""

    number: int
    body: str
    hash: str


class EntriesOut(Answer):
    """Entries of the journal, in order; ``next`` is ``after`` for the next piece."""

    items: list[EntryOut]
    next: int | None


class CheckpointOut(Answer):
    """A signed checkpoint of the journal."""

    store: str
    n: int
    hash: str
    at: str
    signer: str
    signature: str


class CheckpointsOut(Answer):
    """All checkpoints."""

    items: list[CheckpointOut]


class Health(Answer):
    """Whether the service can work."""

    status: Literal["ok"]
