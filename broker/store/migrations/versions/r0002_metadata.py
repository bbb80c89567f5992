"""The second version: what the metadata service holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision: str | None = "r0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "metadata_records",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("guid", sa.String(length=255), nullable=False),
        sa.Column("guid_type", sa.String(length=100), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("owner_key", KEY, nullable=False),
        sa.Column("project_key", KEY, nullable=True),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_key"], ["parties.key"], name=op.f("fk_metadata_records_owner_key_parties")
        ),
        sa.ForeignKeyConstraint(
            ["project_key"], ["projects.key"], name=op.f("fk_metadata_records_project_key_projects")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_metadata_records")),
        sa.UniqueConstraint("guid", name=op.f("uq_metadata_records_guid")),
    )
    op.create_index(
        op.f("ix_metadata_records_owner_key_guid_type"),
        "metadata_records",
        ["owner_key", "guid_type"],
        unique=False,
    )
    op.create_index(
        op.f("ix_metadata_records_project_key"), "metadata_records", ["project_key"], unique=False
    )
    op.create_table(
        "metadata_aliases",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("owner_key", KEY, nullable=False),
        sa.Column("alias", sa.String(length=500), nullable=False),
        sa.Column("record_key", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "value", "name", "guid", name="kind", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["owner_key"], ["parties.key"], name=op.f("fk_metadata_aliases_owner_key_parties")
        ),
        sa.ForeignKeyConstraint(
            ["record_key"],
            ["metadata_records.key"],
            name=op.f("fk_metadata_aliases_record_key_metadata_records"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_metadata_aliases")),
        sa.UniqueConstraint("owner_key", "alias", name=op.f("uq_metadata_aliases_owner_key_alias")),
    )
    op.create_index(op.f("ix_metadata_aliases_alias"), "metadata_aliases", ["alias"], unique=False)
    op.create_index(op.f("ix_metadata_aliases_record_key"), "metadata_aliases", ["record_key"], unique=False)
