"""What is kept how long, and since when everything is still there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Nothing has been dropped so far."""
    op.create_table(
        "retention",
        sa.Column("class", sa.Text, nullable=False),
        sa.Column("keep_micros", sa.BigInteger),
        sa.Column("kept_since", sa.DateTime(timezone=True)),
        sa.Column("ran_at", sa.DateTime(timezone=True)),
        sa.Column("dropped_rows", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("freed_bytes", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("class"),
        if_not_exists=True,
    )
    # A constant default: no row is written and the lock is held for a moment only.
    op.execute("ALTER TABLE projection ADD COLUMN IF NOT EXISTS forgotten BIGINT NOT NULL DEFAULT 0")


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
