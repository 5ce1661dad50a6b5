"""Passwords that somebody else chose, which their users have to change."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """A column with a constant: the passwords that there are stay as they are. Twice is once."""
    op.execute("ALTER TABLE person ADD COLUMN IF NOT EXISTS provisional BOOLEAN NOT NULL DEFAULT false")


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
