"""Which workflows keys and people may see, who may read what was sent unmasked, and what was said of incidents once."""

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
    "ALTER TABLE incident_event ADD COLUMN IF NOT EXISTS request UUID",
)


def upgrade() -> None:
    """Columns without a default, or with a constant one, and an index beside whoever writes. Twice is once."""
    for statement in COLUMNS:
        op.execute(statement)
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_incident_event_request")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY uq_incident_event_request ON incident_event (incident_id, request) "
            "WHERE request IS NOT NULL"
        )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
