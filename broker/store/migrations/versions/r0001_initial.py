"""The first version: all tables, and the triggers that let nobody change the journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision: str | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

_APPEND_ONLY = ("journal", "checkpoints")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "journal",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_journal")),
    )
    op.create_table(
        "parties",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "site",
                "researcher",
                "operator",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("recipient", sa.String(length=100), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_parties")),
        sa.UniqueConstraint("id", name=op.f("uq_parties_id")),
        sa.UniqueConstraint("name", name=op.f("uq_parties_name")),
    )
    op.create_table(
        "projects",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.String(length=100), nullable=False),
        sa.Column("schema_json", sa.Text(), nullable=False),
        sa.Column("schema_sha256", sa.String(length=64), nullable=False),
        sa.Column("smallest_count", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.CheckConstraint("smallest_count >= 0", name=op.f("ck_projects_smallest_count")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_projects")),
        sa.UniqueConstraint("id", name=op.f("uq_projects_id")),
        sa.UniqueConstraint("name", name=op.f("uq_projects_name")),
    )
    op.create_table(
        "store_facts",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_store_facts")),
    )
    op.create_table(
        "stored_files",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_stored_files")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("party_key", KEY, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["party_key"], ["parties.key"], name=op.f("fk_api_tokens_party_key_parties")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("id", name=op.f("uq_api_tokens_id")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_tokens_token_sha256")),
    )
    op.create_index(op.f("ix_api_tokens_party_key"), "api_tokens", ["party_key"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("signer", sa.String(length=100), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["journal.number"], name=op.f("fk_checkpoints_number_journal")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "datasets",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_key", KEY, nullable=False),
        sa.Column("site_key", KEY, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("stable_guids", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("retired_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["project_key"], ["projects.key"], name=op.f("fk_datasets_project_key_projects")
        ),
        sa.ForeignKeyConstraint(["site_key"], ["parties.key"], name=op.f("fk_datasets_site_key_parties")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_datasets")),
        sa.UniqueConstraint("id", name=op.f("uq_datasets_id")),
        sa.UniqueConstraint("project_key", "name", name=op.f("uq_datasets_project_key_name")),
    )
    op.create_index(op.f("ix_datasets_site_key"), "datasets", ["site_key"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("party_key", KEY, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["party_key"], ["parties.key"], name=op.f("fk_idempotency_keys_party_key_parties")
        ),
        sa.PrimaryKeyConstraint("party_key", "name", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"], unique=False)
    op.create_table(
        "identities",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("party_key", KEY, nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["party_key"], ["parties.key"], name=op.f("fk_identities_party_key_parties")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identities_issuer_subject")),
    )
    op.create_index(op.f("ix_identities_party_key"), "identities", ["party_key"], unique=False)
    op.create_table(
        "members",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("project_key", KEY, nullable=False),
        sa.Column("party_key", KEY, nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "contributor",
                "steward",
                "recipient",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("since", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["party_key"], ["parties.key"], name=op.f("fk_members_party_key_parties")),
        sa.ForeignKeyConstraint(
            ["project_key"], ["projects.key"], name=op.f("fk_members_project_key_projects")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_party_key"), "members", ["party_key"], unique=False)
    op.create_index(
        "uq_members_project_key_party_key_current",
        "members",
        ["project_key", "party_key"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "site_keys",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("party_key", KEY, nullable=False),
        sa.Column("public", sa.String(length=100), nullable=False),
        sa.Column("registered_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["party_key"], ["parties.key"], name=op.f("fk_site_keys_party_key_parties")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_site_keys")),
        sa.UniqueConstraint("public", name=op.f("uq_site_keys_public")),
    )
    op.create_index(
        "uq_site_keys_party_key_valid",
        "site_keys",
        ["party_key"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_key", KEY, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "received",
                "accepted",
                "refused",
                "superseded",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest_json", sa.Text(), nullable=False),
        sa.Column("n_records", sa.BigInteger(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("received_by_key", KEY, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("settled_at", TIME, nullable=True),
        sa.Column("quality", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_key"], ["datasets.key"], name=op.f("fk_deliveries_dataset_key_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["received_by_key"], ["parties.key"], name=op.f("fk_deliveries_received_by_key_parties")
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["stored_files.sha256"], name=op.f("fk_deliveries_sha256_stored_files")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("id", name=op.f("uq_deliveries_id")),
    )
    op.create_index(op.f("ix_deliveries_sha256"), "deliveries", ["sha256"], unique=False)
    op.create_index(
        "uq_deliveries_dataset_key_sequence_good",
        "deliveries",
        ["dataset_key", "sequence"],
        unique=True,
        sqlite_where=sa.text("state <> 'refused'"),
        postgresql_where=sa.text("state <> 'refused'"),
    )
    op.create_table(
        "jobs",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("project_key", KEY, nullable=True),
        sa.Column("dataset_key", KEY, nullable=True),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "done",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("created_by_key", KEY, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=100), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("cancel_asked_at", TIME, nullable=True),
        sa.Column("stage", sa.String(length=100), nullable=False),
        sa.Column("n_done", sa.BigInteger(), nullable=False),
        sa.Column("n_total", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_key"], ["parties.key"], name=op.f("fk_jobs_created_by_key_parties")
        ),
        sa.ForeignKeyConstraint(["dataset_key"], ["datasets.key"], name=op.f("fk_jobs_dataset_key_datasets")),
        sa.ForeignKeyConstraint(["project_key"], ["projects.key"], name=op.f("fk_jobs_project_key_projects")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
    )
    op.create_index(op.f("ix_jobs_dataset_key"), "jobs", ["dataset_key"], unique=False)
    op.create_index(op.f("ix_jobs_project_key"), "jobs", ["project_key"], unique=False)
    op.create_index("ix_jobs_state_not_before", "jobs", ["state", "not_before"], unique=False)
    op.create_table(
        "permissions",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_key", KEY, nullable=False),
        sa.Column("left_key", KEY, nullable=False),
        sa.Column("right_key", KEY, nullable=False),
        sa.Column(
            "use",
            sa.Enum(
                "deduplicate",
                "link",
                "count",
                name="use",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("approved_by_key", KEY, nullable=False),
        sa.Column("approved_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("revoked_by_key", KEY, nullable=True),
        sa.CheckConstraint(
            "(use = 'deduplicate') = (left_key = right_key)", name=op.f("ck_permissions_pair")
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by_key IS NULL)", name=op.f("ck_permissions_revoked")
        ),
        sa.CheckConstraint("left_key <= right_key", name=op.f("ck_permissions_order")),
        sa.ForeignKeyConstraint(
            ["approved_by_key"], ["parties.key"], name=op.f("fk_permissions_approved_by_key_parties")
        ),
        sa.ForeignKeyConstraint(
            ["left_key"], ["datasets.key"], name=op.f("fk_permissions_left_key_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["project_key"], ["projects.key"], name=op.f("fk_permissions_project_key_projects")
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by_key"], ["parties.key"], name=op.f("fk_permissions_revoked_by_key_parties")
        ),
        sa.ForeignKeyConstraint(
            ["right_key"], ["datasets.key"], name=op.f("fk_permissions_right_key_datasets")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_permissions")),
        sa.UniqueConstraint("id", name=op.f("uq_permissions_id")),
    )
    op.create_index(op.f("ix_permissions_project_key"), "permissions", ["project_key"], unique=False)
    op.create_index(
        "uq_permissions_left_key_right_key_use_valid",
        "permissions",
        ["left_key", "right_key", "use"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "shown_overlaps",
        sa.Column("left_key", KEY, nullable=False),
        sa.Column("right_key", KEY, nullable=False),
        sa.Column("n_left", sa.BigInteger(), nullable=False),
        sa.Column("n_both", sa.BigInteger(), nullable=False),
        sa.Column("n_right", sa.BigInteger(), nullable=False),
        sa.Column("shown_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["left_key"], ["datasets.key"], name=op.f("fk_shown_overlaps_left_key_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["right_key"], ["datasets.key"], name=op.f("fk_shown_overlaps_right_key_datasets")
        ),
        sa.PrimaryKeyConstraint("left_key", "right_key", name=op.f("pk_shown_overlaps")),
    )
    op.create_table(
        "uploads",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_key", KEY, nullable=False),
        sa.Column("by_key", KEY, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("n_received", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "complete",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("job_key", KEY, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["by_key"], ["parties.key"], name=op.f("fk_uploads_by_key_parties")),
        sa.ForeignKeyConstraint(
            ["dataset_key"], ["datasets.key"], name=op.f("fk_uploads_dataset_key_datasets")
        ),
        sa.ForeignKeyConstraint(["job_key"], ["jobs.key"], name=op.f("fk_uploads_job_key_jobs")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_uploads")),
        sa.UniqueConstraint("id", name=op.f("uq_uploads_id")),
    )
    op.create_index(op.f("ix_uploads_dataset_key"), "uploads", ["dataset_key"], unique=False)
    op.create_table(
        "withdrawals",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_key", KEY, nullable=False),
        sa.Column("requested_by_key", KEY, nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("n_records", sa.BigInteger(), nullable=False),
        sa.Column("purged_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_key"], ["datasets.key"], name=op.f("fk_withdrawals_dataset_key_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by_key"], ["parties.key"], name=op.f("fk_withdrawals_requested_by_key_parties")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_withdrawals")),
        sa.UniqueConstraint("id", name=op.f("uq_withdrawals_id")),
    )
    op.create_index(op.f("ix_withdrawals_dataset_key"), "withdrawals", ["dataset_key"], unique=False)
    op.create_table(
        "permission_recipients",
        sa.Column("permission_key", KEY, nullable=False),
        sa.Column("recipient_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["permission_key"],
            ["permissions.key"],
            name=op.f("fk_permission_recipients_permission_key_permissions"),
        ),
        sa.ForeignKeyConstraint(
            ["recipient_key"], ["parties.key"], name=op.f("fk_permission_recipients_recipient_key_parties")
        ),
        sa.PrimaryKeyConstraint("permission_key", "recipient_key", name=op.f("pk_permission_recipients")),
    )
    op.create_table(
        "runs",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_key", KEY, nullable=False),
        sa.Column("job_key", KEY, nullable=True),
        sa.Column("program", sa.String(length=100), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("n_records", sa.BigInteger(), nullable=False),
        sa.Column("n_links", sa.BigInteger(), nullable=False),
        sa.Column("n_entities", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["job_key"], ["jobs.key"], name=op.f("fk_runs_job_key_jobs")),
        sa.ForeignKeyConstraint(["project_key"], ["projects.key"], name=op.f("fk_runs_project_key_projects")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_runs")),
        sa.UniqueConstraint("id", name=op.f("uq_runs_id")),
    )
    op.create_index(op.f("ix_runs_job_key"), "runs", ["job_key"], unique=False)
    op.create_index(op.f("ix_runs_project_key"), "runs", ["project_key"], unique=False)
    op.create_table(
        "withdrawn_records",
        sa.Column("dataset_key", KEY, nullable=False),
        sa.Column("guid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("withdrawal_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_key"], ["datasets.key"], name=op.f("fk_withdrawn_records_dataset_key_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["withdrawal_key"],
            ["withdrawals.key"],
            name=op.f("fk_withdrawn_records_withdrawal_key_withdrawals"),
        ),
        sa.PrimaryKeyConstraint("dataset_key", "guid", name=op.f("pk_withdrawn_records")),
    )
    op.create_index(
        op.f("ix_withdrawn_records_withdrawal_key"), "withdrawn_records", ["withdrawal_key"], unique=False
    )
    op.create_table(
        "ledger_entities",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("project_key", KEY, nullable=False),
        sa.Column("created_run_key", KEY, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["created_run_key"], ["runs.key"], name=op.f("fk_ledger_entities_created_run_key_runs")
        ),
        sa.ForeignKeyConstraint(
            ["project_key"], ["projects.key"], name=op.f("fk_ledger_entities_project_key_projects")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ledger_entities")),
    )
    op.create_index(
        "ix_ledger_entities_project_key_ended_at",
        "ledger_entities",
        ["project_key", "ended_at"],
        unique=False,
    )
    op.create_table(
        "releases",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_key", KEY, nullable=False),
        sa.Column("recipient_key", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("previous_key", KEY, nullable=True),
        sa.Column("run_key", KEY, nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "building",
                "published",
                "withdrawn",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("sealed_to", sa.String(length=100), nullable=False),
        sa.Column("n_rows", sa.BigInteger(), nullable=False),
        sa.Column("n_entities", sa.BigInteger(), nullable=False),
        sa.Column("n_added", sa.BigInteger(), nullable=False),
        sa.Column("n_changed", sa.BigInteger(), nullable=False),
        sa.Column("n_tombstones", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by_key", KEY, nullable=False),
        sa.Column("published_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_key"], ["parties.key"], name=op.f("fk_releases_created_by_key_parties")
        ),
        sa.ForeignKeyConstraint(
            ["previous_key"], ["releases.key"], name=op.f("fk_releases_previous_key_releases")
        ),
        sa.ForeignKeyConstraint(
            ["project_key"], ["projects.key"], name=op.f("fk_releases_project_key_projects")
        ),
        sa.ForeignKeyConstraint(
            ["recipient_key"], ["parties.key"], name=op.f("fk_releases_recipient_key_parties")
        ),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name=op.f("fk_releases_run_key_runs")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_releases")),
        sa.UniqueConstraint("id", name=op.f("uq_releases_id")),
        sa.UniqueConstraint(
            "project_key",
            "recipient_key",
            "number",
            name=op.f("uq_releases_project_key_recipient_key_number"),
        ),
    )
    op.create_index(op.f("ix_releases_recipient_key"), "releases", ["recipient_key"], unique=False)
    op.create_table(
        "run_deliveries",
        sa.Column("run_key", KEY, nullable=False),
        sa.Column("delivery_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_key"], ["deliveries.key"], name=op.f("fk_run_deliveries_delivery_key_deliveries")
        ),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name=op.f("fk_run_deliveries_run_key_runs")),
        sa.PrimaryKeyConstraint("run_key", "delivery_key", name=op.f("pk_run_deliveries")),
    )
    op.create_table(
        "run_files",
        sa.Column("run_key", KEY, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name=op.f("fk_run_files_run_key_runs")),
        sa.ForeignKeyConstraint(
            ["sha256"], ["stored_files.sha256"], name=op.f("fk_run_files_sha256_stored_files")
        ),
        sa.PrimaryKeyConstraint("run_key", "name", name=op.f("pk_run_files")),
    )
    op.create_index(op.f("ix_run_files_sha256"), "run_files", ["sha256"], unique=False)
    op.create_table(
        "acknowledgements",
        sa.Column("release_key", KEY, nullable=False),
        sa.Column("by_key", KEY, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("n_tombstones", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["by_key"], ["parties.key"], name=op.f("fk_acknowledgements_by_key_parties")),
        sa.ForeignKeyConstraint(
            ["release_key"], ["releases.key"], name=op.f("fk_acknowledgements_release_key_releases")
        ),
        sa.PrimaryKeyConstraint("release_key", name=op.f("pk_acknowledgements")),
    )
    op.create_index("ix_acknowledgements_by_key", "acknowledgements", ["by_key"], unique=False)
    op.create_table(
        "entity_changes",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("project_key", KEY, nullable=False),
        sa.Column("entity_key", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "merged",
                "split",
                "emptied",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("successor_key", KEY, nullable=True),
        sa.Column("n_records", sa.BigInteger(), nullable=False),
        sa.Column("run_key", KEY, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint(
            "(kind = 'emptied') = (successor_key IS NULL)", name=op.f("ck_entity_changes_successor")
        ),
        sa.CheckConstraint("successor_key <> entity_key", name=op.f("ck_entity_changes_other")),
        sa.ForeignKeyConstraint(
            ["entity_key"], ["ledger_entities.key"], name=op.f("fk_entity_changes_entity_key_ledger_entities")
        ),
        sa.ForeignKeyConstraint(
            ["project_key"], ["projects.key"], name=op.f("fk_entity_changes_project_key_projects")
        ),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name=op.f("fk_entity_changes_run_key_runs")),
        sa.ForeignKeyConstraint(
            ["successor_key"],
            ["ledger_entities.key"],
            name=op.f("fk_entity_changes_successor_key_ledger_entities"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_entity_changes")),
    )
    op.create_index(op.f("ix_entity_changes_entity_key"), "entity_changes", ["entity_key"], unique=False)
    op.create_index(op.f("ix_entity_changes_project_key"), "entity_changes", ["project_key"], unique=False)
    op.create_index(
        op.f("ix_entity_changes_successor_key"), "entity_changes", ["successor_key"], unique=False
    )
    op.create_table(
        "ledger_records",
        sa.Column("dataset_key", KEY, nullable=False),
        sa.Column("guid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("row_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entity_key", KEY, nullable=False),
        sa.Column("delivery_key", KEY, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_key"], ["datasets.key"], name=op.f("fk_ledger_records_dataset_key_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["delivery_key"], ["deliveries.key"], name=op.f("fk_ledger_records_delivery_key_deliveries")
        ),
        sa.ForeignKeyConstraint(
            ["entity_key"], ["ledger_entities.key"], name=op.f("fk_ledger_records_entity_key_ledger_entities")
        ),
        sa.PrimaryKeyConstraint("dataset_key", "guid", name=op.f("pk_ledger_records")),
    )
    op.create_index(op.f("ix_ledger_records_entity_key"), "ledger_records", ["entity_key"], unique=False)
    op.create_table(
        "recipient_guids",
        sa.Column("recipient_key", KEY, nullable=False),
        sa.Column("entity_key", KEY, nullable=False),
        sa.Column("guid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["entity_key"],
            ["ledger_entities.key"],
            name=op.f("fk_recipient_guids_entity_key_ledger_entities"),
        ),
        sa.ForeignKeyConstraint(
            ["recipient_key"], ["parties.key"], name=op.f("fk_recipient_guids_recipient_key_parties")
        ),
        sa.PrimaryKeyConstraint("recipient_key", "entity_key", name=op.f("pk_recipient_guids")),
        sa.UniqueConstraint("guid", name=op.f("uq_recipient_guids_guid")),
    )
    op.create_table(
        "release_datasets",
        sa.Column("release_key", KEY, nullable=False),
        sa.Column("dataset_key", KEY, nullable=False),
        sa.Column("delivery_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_key"], ["datasets.key"], name=op.f("fk_release_datasets_dataset_key_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["delivery_key"], ["deliveries.key"], name=op.f("fk_release_datasets_delivery_key_deliveries")
        ),
        sa.ForeignKeyConstraint(
            ["release_key"], ["releases.key"], name=op.f("fk_release_datasets_release_key_releases")
        ),
        sa.PrimaryKeyConstraint("release_key", "dataset_key", name=op.f("pk_release_datasets")),
    )
    op.create_table(
        "release_files",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("release_key", KEY, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_key"], ["releases.key"], name=op.f("fk_release_files_release_key_releases")
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["stored_files.sha256"], name=op.f("fk_release_files_sha256_stored_files")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_release_files")),
        sa.UniqueConstraint("id", name=op.f("uq_release_files_id")),
        sa.UniqueConstraint("release_key", "name", name=op.f("uq_release_files_release_key_name")),
    )
    op.create_index(op.f("ix_release_files_sha256"), "release_files", ["sha256"], unique=False)
    for table in _APPEND_ONLY:
        _refuse_changes(table)


def _refuse_changes(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'rows of the journal are never changed'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'rows of the journal are never changed'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )
