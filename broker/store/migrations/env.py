"""What Alembic runs to migrate: all steps in the one transaction that `broker.store.versions` has begun."""

from __future__ import annotations

from alembic import context

from broker.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
