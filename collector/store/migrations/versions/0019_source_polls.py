"""How far systems that do not push have been asked is kept."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """A new table. Twice is once."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS source_poll (
            source TEXT NOT NULL,
            name TEXT NOT NULL,
            state JSONB DEFAULT '{}' NOT NULL,
            due_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
            failures INTEGER DEFAULT 0 NOT NULL,
            claim BIGINT DEFAULT 0 NOT NULL,
            claimed_until TIMESTAMP WITH TIME ZONE DEFAULT '-infinity' NOT NULL,
            CONSTRAINT pk_source_poll PRIMARY KEY (source, name)
        )
        """
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
