"""Alembic's entry: runs on the connection that `collector.store.database.migrate` hands over.

Each migration is a transaction. What must not be in one stands in `with op.get_context().autocommit_block():`.
"""

from __future__ import annotations

from alembic import context

from collector.store.metadata import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
