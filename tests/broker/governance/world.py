"""A broker with two projects, and everybody in them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from broker.governance import (
    add_member,
    create_dataset,
    create_party,
    create_project,
    disable_party,
    end_membership,
    grant,
)
from broker.journal import LOCAL
from broker.store import Store
from broker.store.tables import (
    Delivery,
    DeliveryState,
    Job,
    JobState,
    Party,
    PartyKind,
    Permission,
    Release,
    ReleaseFile,
    ReleaseState,
    Role,
    Run,
    Upload,
    UploadState,
    Use,
    Withdrawal,
)
from pprl.schema import parse_schema


def a_schema(project):
    fields = '["given_name", "surname", "birth_date", "sex", "postcode"]'
    return parse_schema(f'[linkage]\nproject = "{project}"\nepoch = "1"\nfields = {fields}\n')


class World:
    """Parties by name, and one subject of each kind.

    ``owner`` has the dataset that all is about, ``other`` the one it is linked with; ``former`` has a dataset and is no
    member any more; ``named`` is in the permission and gets the release, ``unnamed`` does not; ``stranger`` and
    ``steward_elsewhere`` are members of the other project alone.
    """

    def __init__(self, session: Session, store: Store) -> None:
        self.now = store.clock()
        how = {"by": LOCAL, "now": self.now}

        def party(name, kind):
            return create_party(session, kind, name=name, **how)

        self.parties: dict[str, Party] = {
            "operator": party("operator", PartyKind.OPERATOR),
            **{
                name: party(name, PartyKind.SITE)
                for name in ("owner", "other", "former", "stranger", "disabled")
            },
            **{
                name: party(name, PartyKind.RESEARCHER)
                for name in ("steward", "steward_elsewhere", "named", "unnamed", "expired")
            },
        }
        self.project, self.elsewhere = (
            create_project(session, a_schema(name), **how) for name in ("heart", "lung")
        )
        session.flush()
        for project, role, names in (
            (self.project, Role.CONTRIBUTOR, ("owner", "other", "former", "disabled")),
            (self.project, Role.STEWARD, ("steward",)),
            (self.project, Role.RECIPIENT, ("named", "unnamed")),
            (self.elsewhere, Role.CONTRIBUTOR, ("stranger",)),
            (self.elsewhere, Role.STEWARD, ("steward_elsewhere",)),
        ):
            for name in names:
                add_member(session, project, self[name], role=role, **how)
        add_member(
            session,
            self.project,
            self["expired"],
            role=Role.RECIPIENT,
            expires_at=self.now + timedelta(seconds=1),
            **how,
        )
        session.flush()
        self.dataset, self.other_dataset, self.former_dataset = (
            create_dataset(session, self.project, self[site], name=site, **how)
            for site in ("owner", "other", "former")
        )
        session.flush()
        end_membership(session, self.project, self["former"], **how)
        disable_party(session, self["disabled"], **how)
        self.permission = self.allow(session, Use.COUNT, ("named", "expired"))
        self.now += timedelta(hours=1)
        self._add_work(session)

    def __getitem__(self, name: str) -> Party:
        return self.parties[name]

    def allow(self, session: Session, use: Use, recipients=(), *, days: float = 30) -> Permission:
        return grant(
            session,
            use,
            self.dataset,
            self.dataset if use is Use.DEDUPLICATE else self.other_dataset,
            recipients=[self[name] for name in recipients],
            approver=self["steward"],
            expires_at=self.now + timedelta(days=days),
            by=LOCAL,
            now=self.now,
        )

    def _add_work(self, session: Session) -> None:
        now, of_project = self.now, {"project_key": self.project.key}
        of_dataset, by = {"dataset_key": self.dataset.key}, {"created_by_key": self["owner"].key}
        self.job = Job(
            id="job", kind="intake", **of_project, **of_dataset, **by, arguments={}, state=JobState.DONE,
            created_at=now, not_before=now, attempts=1, stage="", n_done=0, n_total=0,
        )  # fmt: skip
        self.run = Run(
            id="run", **of_project, program="p", settings={}, quality={}, n_records=0, n_links=0, n_entities=0,
            created_at=now,
        )  # fmt: skip
        self.delivery = Delivery(
            id="delivery", **of_dataset, sequence=1, state=DeliveryState.ACCEPTED, payload_sha256="0" * 64,
            manifest_json="{}", n_records=0, received_by_key=self["owner"].key, received_at=now,
        )  # fmt: skip
        self.upload = Upload(
            id="upload", **of_dataset, by_key=self["owner"].key, sha256="0" * 64, n_bytes=1, n_received=0,
            state=UploadState.OPEN, created_at=now, expires_at=now,
        )  # fmt: skip
        self.withdrawal = Withdrawal(
            id="withdrawal", **of_dataset, requested_by_key=self["owner"].key, requested_at=now, n_records=1
        )
        self.release = Release(
            id="release", **of_project, recipient_key=self["named"].key, number=1, state=ReleaseState.PUBLISHED,
            sealed_to="age1", n_rows=0, n_entities=0, n_added=0, n_changed=0, n_tombstones=0, created_at=now,
            created_by_key=self["steward"].key,
        )  # fmt: skip
        session.add_all([self.job, self.run, self.delivery, self.upload, self.withdrawal, self.release])
        session.flush()
        self.file = ReleaseFile(
            id="file",
            release_key=self.release.key,
            name="x",
            role="table",
            media_type="x",
            n_bytes=0,
            facts={},
        )
        session.add(self.file)
        session.flush()

    def subject(self, kind: type | None):
        """The one of its kind; for a party, the owner."""
        if kind is None:
            return None
        if kind is Party:
            return self["owner"]
        found = (self.project, self.dataset, self.delivery, self.upload, self.withdrawal, self.permission)
        (one,) = [s for s in (*found, self.run, self.job, self.release, self.file) if type(s) is kind]
        return one
