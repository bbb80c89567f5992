"""The database's versions: the migrations make what the tables say, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from broker.store import init_store, open_store, upgrade_store, versions
from broker.store.database import connect, locate
from broker.store.tables import APPEND_ONLY, Base, JournalEntry
from pprl.errors import PprlError, StoreError

pytestmark = pytest.mark.usefixtures("own_database")


def engine_of(where):
    return connect(locate(where[0], files=where[1]))


def set_version(where, version):
    engine = engine_of(where)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    engine.dispose()


@pytest.fixture
def later_version(tmp_path, monkeypatch):
    """``later_version(steps)``: the program gets a later version, whose migration does these steps."""

    def add(*steps):
        folder = tmp_path / "migrations"
        shutil.copytree(versions._SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        body = "".join(f"    {step}\n" for step in steps)
        (folder / "versions" / "r9998_later.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n"
            f"revision, down_revision = 'r9998', {versions.head()!r}\ndef upgrade():\n{body}"
        )
        monkeypatch.setattr(versions, "_SCRIPTS", folder)

    return add


def shape(engine):
    """All that the database knows of its tables."""
    inspector = sa.inspect(engine)

    def listed(found):
        return sorted(
            repr({k: {o: str(v) for o, v in x.items()} if isinstance(x, dict) else x for k, x in one.items()})
            for one in found
        )

    return {
        table: {
            "columns": [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            "primary": inspector.get_pk_constraint(table),
            "foreign": listed(inspector.get_foreign_keys(table)),
            "unique": listed(inspector.get_unique_constraints(table)),
            "indexes": listed(inspector.get_indexes(table)),
            "checks": listed(inspector.get_check_constraints(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def test_the_migrations_make_what_the_tables_say(where):
    engine = engine_of(where)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    migrated = shape(engine)
    assert {"parties", "ledger_records", "releases", "journal"} <= set(migrated)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    assert shape(engine) == migrated
    engine.dispose()


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_rows_of_the_journal_cannot_be_changed(store, table):
    with store.begin() as session:
        session.add(JournalEntry(number=1, body="{}", hash="0" * 64))
        session.execute(
            sa.text("INSERT INTO checkpoints VALUES (1, :h, :at, 's', 's')"),
            {"h": "0" * 64, "at": "2026-01-01 00:00:00.000000"},
        )
    for act in (f"UPDATE {table} SET hash = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(PprlError, match="never changed"), store.begin() as session:
            session.execute(sa.text(act))


def test_a_newer_database_is_refused(where):
    set_version(where, "r9999")
    for act in (open_store, upgrade_store):
        with pytest.raises(StoreError, match="newer version of this program; update the program"):
            act(where[0], files=where[1])


def test_an_older_database_is_refused_until_it_is_upgraded(where, later_version):
    before = versions.head()
    later_version("op.create_table('later', sa.Column('x', sa.Integer))")
    with pytest.raises(StoreError, match="run pprl-broker store upgrade"):
        open_store(where[0], files=where[1])
    assert upgrade_store(where[0], files=where[1]) == (before, "r9998")
    open_store(where[0], files=where[1]).close()
    assert upgrade_store(where[0], files=where[1]) == ("r9998", "r9998")


@pytest.mark.parametrize(
    ("last", "error"),
    [
        ("op.execute('CREATE NONSENSE')", StoreError),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
        # Leaves rows that point nowhere; PostgreSQL refuses at once, SQLite is asked at the end.
        (
            "op.execute(\"INSERT INTO datasets SELECT 1, 'x', 7, 7, 'x', true, '2026-01-01', NULL\")",
            PprlError,
        ),
    ],
)
def test_an_upgrade_that_fails_changes_nothing(where, later_version, last, error):
    engine = engine_of(where)
    before, version = shape(engine), versions.head()
    later_version(
        "op.create_table('later', sa.Column('x', sa.Integer))",
        "op.execute(\"INSERT INTO store_facts VALUES ('a', 'b')\")",
        "with op.batch_alter_table('parties') as batch: batch.add_column(sa.Column('y', sa.Integer))",
        last,
    )
    with pytest.raises(error):
        upgrade_store(where[0], files=where[1])
    assert shape(engine) == before
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == version
        assert connection.scalar(sa.text("SELECT count(*) FROM store_facts")) == 1
    engine.dispose()


def test_only_an_empty_place_takes_a_new_store(where, nowhere):
    with pytest.raises(StoreError, match="holds a store already"):
        init_store(where[0], files=where[1])
    with pytest.raises(StoreError, match="holds no store"):
        open_store(nowhere[0], files=nowhere[1])
    with pytest.raises(StoreError, match="holds no store"):
        upgrade_store(nowhere[0], files=nowhere[1])
    engine = engine_of(nowhere)
    nowhere[1] or Path(nowhere[0]).mkdir()
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE patients (x INTEGER)"))
    for act in (init_store, open_store, upgrade_store):
        with pytest.raises(StoreError, match="something else"):
            act(nowhere[0], files=nowhere[1])
    engine.dispose()
