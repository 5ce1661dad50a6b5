"""What has left a verdict that holds it up is found by when: so it is known what an incident held up that is over."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"

HELD_UP = "'stuck', 'blind', 'failed', 'inconsistent'"


def upgrade() -> None:
    """Make the index beside whoever reads and writes."""
    with op.get_context().autocommit_block():
        # One that was interrupted is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_verdict_change_left")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_verdict_change_left ON verdict_change (verdict_from, at) "
            f"WHERE verdict_from IN ({HELD_UP})"
        )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
