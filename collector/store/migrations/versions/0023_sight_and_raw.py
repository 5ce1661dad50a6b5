"""Which workflows keys and people may see, and who may read what was sent unmasked."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"

# NULL is every workflow: what there was before keeps what it could see.
COLUMNS = (
    "ALTER TABLE api_key ADD COLUMN IF NOT EXISTS sees TEXT[]",
    "ALTER TABLE person ADD COLUMN IF NOT EXISTS sees TEXT[]",
    "ALTER TABLE person ADD COLUMN IF NOT EXISTS raw BOOLEAN DEFAULT false NOT NULL",
    "ALTER TABLE session ADD COLUMN IF NOT EXISTS sees TEXT[]",
    "ALTER TABLE session ADD COLUMN IF NOT EXISTS raw BOOLEAN DEFAULT false NOT NULL",
)


def upgrade() -> None:
    """Columns without a default, or with a constant one. Twice is once."""
    for statement in COLUMNS:
        op.execute(statement)


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
