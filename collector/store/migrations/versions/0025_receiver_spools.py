"""How far each receiver's buffer on disk has been written to the log, and up to when nothing waits there."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """A new table, in which there is nothing yet. Twice is once."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS receiver_spool (
            id UUID NOT NULL,
            name TEXT NOT NULL,
            segment UUID,
            drained BIGINT DEFAULT 0 NOT NULL,
            told_at TIMESTAMP WITH TIME ZONE NOT NULL,
            waits_since TIMESTAMP WITH TIME ZONE,
            not_before TIMESTAMP WITH TIME ZONE,
            given_up BOOLEAN DEFAULT false NOT NULL,
            late_since TIMESTAMP WITH TIME ZONE,
            late_until TIMESTAMP WITH TIME ZONE,
            late_count BIGINT DEFAULT 0 NOT NULL,
            late_settled_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_receiver_spool PRIMARY KEY (id)
        )
        """
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
