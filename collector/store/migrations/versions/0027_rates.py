"""How much a key may bring, and who was answered that he sends too much."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """A column that nobody has filled, and a table in which there is nothing yet. Twice is once."""
    op.execute("ALTER TABLE api_key ADD COLUMN IF NOT EXISTS rate DOUBLE PRECISION")
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS rate_limited (
            by TEXT NOT NULL,
            name TEXT NOT NULL,
            requests BIGINT NOT NULL,
            since TIMESTAMP WITH TIME ZONE NOT NULL,
            until TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_rate_limited PRIMARY KEY (by, name)
        )
        """
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
