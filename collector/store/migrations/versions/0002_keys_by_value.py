"""Every key in one index only, beginning with what tells keys apart.

A joining key is in the unique index, a search key in the other, which also knows the instance: many instances carry
the same account, and moving one of them must not look at all.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Replace both indexes."""
    op.execute("DROP INDEX uq_instance_key_joins, ix_instance_key_value")
    op.execute(
        "CREATE UNIQUE INDEX uq_instance_key_joins "
        "ON instance_key (value text_pattern_ops, namespace, workflow) WHERE joins"
    )
    op.execute(
        "CREATE INDEX ix_instance_key_searches "
        "ON instance_key (value text_pattern_ops, namespace, instance_id) WHERE NOT joins"
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
