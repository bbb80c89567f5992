"""What is linked with whose leave: projects, members, datasets, permissions.

::

    projects 1---* members *---1 parties
             1---* datasets *---1 parties (the site)
             1---* permissions *---2 datasets
                          | 1---* permission_recipients *---1 parties
             shown_overlaps *---2 datasets
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.store.tables.base import Base, Count, Key, Label, PrimaryKey, PublicId, Sha256, Time, one_of


class Project(Base):
    """A linkage of some sites under one schema.

    Attributes
    ----------
    id : str
    name : str
        Unique; the ``project`` of its schema.
    epoch : str
        Of its schema, now.
    schema_json : str
        The linkage schema in canonical JSON.
    schema_sha256 : str
        Its fingerprint.
    smallest_count : int
        Counts below it are not shown.
    created_at : datetime
    closed_at : datetime or None
        From then on it can be read, not changed.
    """

    __tablename__ = "projects"
    __table_args__ = (CheckConstraint("smallest_count >= 0", "smallest_count"),)

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    name: Mapped[Label] = mapped_column(unique=True)
    epoch: Mapped[Label]
    schema_json: Mapped[str] = mapped_column(Text)
    schema_sha256: Mapped[Sha256]
    smallest_count: Mapped[int]
    created_at: Mapped[Time]
    closed_at: Mapped[Time | None]


class Role(StrEnum):
    """What a member is to a project."""

    CONTRIBUTOR = "contributor"
    """A site that may own datasets of it."""
    STEWARD = "steward"
    """Governs it: approves permissions, starts runs, asks for releases."""
    RECIPIENT = "recipient"
    """A researcher that may be named in permissions."""


class Member(Base):
    """A party's role in a project; parties have at most one in each.

    Attributes
    ----------
    project_key, party_key : int
    role : Role
    since : datetime
    expires_at : datetime or None
    ended_at : datetime or None
        Memberships end, and are never deleted.
    """

    __tablename__ = "members"
    __table_args__ = (
        Index(
            "uq_members_project_key_party_key_current",
            "project_key",
            "party_key",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    key: Mapped[PrimaryKey]
    project_key: Mapped[Key] = mapped_column(ForeignKey("projects.key"))
    party_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), index=True)
    role: Mapped[Role] = one_of(Role, "role")
    since: Mapped[Time]
    expires_at: Mapped[Time | None]
    ended_at: Mapped[Time | None]


class Dataset(Base):
    """A site's records in a project, over all its deliveries.

    Attributes
    ----------
    id : str
    project_key : int
    site_key : int
        The party that owns it.
    name : str
        Unique in its project; the ``dataset`` of its packages.
    stable_guids : bool
        Whether the site vouches that a record keeps its GUID over deliveries.
    created_at : datetime
    retired_at : datetime or None
        From then on it takes no deliveries and is linked no more.
    """

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("project_key", "name"),)

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    project_key: Mapped[Key] = mapped_column(ForeignKey("projects.key"))
    site_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), index=True)
    name: Mapped[Label]
    stable_guids: Mapped[bool]
    created_at: Mapped[Time]
    retired_at: Mapped[Time | None]


class Use(StrEnum):
    """What may be done with two datasets."""

    DEDUPLICATE = "deduplicate"
    """Find the records of one person within a dataset (the two are the same one)."""
    LINK = "link"
    """Link them and release the links to the recipients named."""
    COUNT = "count"
    """Link them and tell how many people are in both, small counts hidden."""


class Permission(Base):
    """One use of one or two datasets, allowed by somebody until some day. What has no row is forbidden.

    Attributes
    ----------
    id : str
    project_key : int
    left_key, right_key : int
        The two datasets, the smaller key left; the same for `Use.DEDUPLICATE`.
    use : Use
    approved_by_key : int
        A party; an operator or a steward.
    approved_at, expires_at : datetime
    revoked_at : datetime or None
    revoked_by_key : int or None
    """

    __tablename__ = "permissions"
    __table_args__ = (
        CheckConstraint("left_key <= right_key", "order"),
        CheckConstraint("(use = 'deduplicate') = (left_key = right_key)", "pair"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by_key IS NULL)", "revoked"),
        Index(
            "uq_permissions_left_key_right_key_use_valid",
            "left_key",
            "right_key",
            "use",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    key: Mapped[PrimaryKey]
    id: Mapped[PublicId]
    project_key: Mapped[Key] = mapped_column(ForeignKey("projects.key"), index=True)
    left_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"))
    right_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"))
    use: Mapped[Use] = one_of(Use, "use")
    approved_by_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"))
    approved_at: Mapped[Time]
    expires_at: Mapped[Time]
    revoked_at: Mapped[Time | None]
    revoked_by_key: Mapped[Key | None] = mapped_column(ForeignKey("parties.key"))


class PermissionRecipient(Base):
    """A party that may get what the permission's use gives: the links, or the counts."""

    __tablename__ = "permission_recipients"

    permission_key: Mapped[Key] = mapped_column(ForeignKey("permissions.key"), primary_key=True)
    recipient_key: Mapped[Key] = mapped_column(ForeignKey("parties.key"), primary_key=True)


class ShownOverlap(Base):
    """The counts of two datasets that were shown last, whatever the permission: a count that moves by less than the
    smallest one stays as it was, or the difference would tell of a few people.

    Attributes
    ----------
    left_key, right_key : int
        The two datasets, as in `Permission`.
    n_left, n_both, n_right : int
        People in the left dataset alone, in both, in the right one alone.
    shown_at : datetime
    """

    __tablename__ = "shown_overlaps"

    left_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"), primary_key=True)
    right_key: Mapped[Key] = mapped_column(ForeignKey("datasets.key"), primary_key=True)
    n_left: Mapped[Count]
    n_both: Mapped[Count]
    n_right: Mapped[Count]
    shown_at: Mapped[Time]
