"""What is only added to is vacuumed less often as it grows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Only settings of tables: no row is read, and no lock waits for readers or writers."""
    for table in ("instance_event", "instance_key", "verdict_change"):
        op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_insert_scale_factor = 1)")
    parts = op.get_bind().execute(
        sa.text(
            "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
            "WHERE inhparent IN ('event'::regclass, 'span'::regclass) AND c.relkind = 'r' AND "
            "NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"
        )
    )
    for (part,) in parts.fetchall():
        op.execute(
            f"ALTER TABLE {part} SET (autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 1)"
        )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
