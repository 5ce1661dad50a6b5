"""What is open is listed from an index alone, and instances are counted as they change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

OPEN = "'on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived'"
SETTINGS = (
    "autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_scale_factor = 0.02, "
    "autovacuum_vacuum_insert_threshold = 20000, autovacuum_vacuum_insert_scale_factor = 0.02"
)


def upgrade() -> None:
    """Count in one transaction in which nobody projects; make the index beside whoever reads and writes."""
    op.create_table(
        "instance_count",
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workflow", "verdict"),
        if_not_exists=True,
    )
    op.execute("ALTER TABLE projection ADD COLUMN IF NOT EXISTS counted text")
    op.execute("SELECT FROM projection WHERE name = 'instances' FOR UPDATE")
    op.execute("DELETE FROM instance_count")
    op.execute(
        "INSERT INTO instance_count (workflow, verdict, count) "
        "SELECT workflow, verdict, count(*) FROM instance GROUP BY workflow, verdict"
    )
    op.execute(f"ALTER TABLE instance SET ({SETTINGS})")
    with op.get_context().autocommit_block():
        # One that was interrupted is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_instance_open_new")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_instance_open_new ON instance (verdict, deadline_at) "
            "INCLUDE (id, workflow, domain, owner, source_awaited, waiting_for, reason, stuck_since, started_at, "
            f"updated_at, value_amount, value_currency) WHERE verdict IN ({OPEN})"
        )
    op.execute("DROP INDEX IF EXISTS ix_instance_open")
    op.execute("ALTER INDEX ix_instance_open_new RENAME TO ix_instance_open")


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
