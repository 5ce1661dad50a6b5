"""What a channel remembers of an incident, every attempt to deliver, and messages that belong to no incident."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """A new table, columns with constant defaults, and a wider constraint. Twice is once."""
    op.execute("ALTER TABLE incident_target ADD COLUMN IF NOT EXISTS handle JSONB DEFAULT '{}' NOT NULL")
    op.execute("ALTER TABLE incident_target ADD COLUMN IF NOT EXISTS repeat_at TIMESTAMP WITH TIME ZONE")
    op.execute("CREATE INDEX IF NOT EXISTS ix_incident_target_repeat_at ON incident_target (repeat_at)")
    op.execute("ALTER TABLE target_state ADD COLUMN IF NOT EXISTS paced_until TIMESTAMP WITH TIME ZONE")
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS address JSONB")
    op.execute("ALTER TABLE outbox ALTER COLUMN incident_id DROP NOT NULL")
    op.execute("ALTER TABLE outbox DROP CONSTRAINT IF EXISTS ck_outbox_transition")
    op.execute(
        "ALTER TABLE outbox ADD CONSTRAINT ck_outbox_transition "
        "CHECK (transition IN ('firing', 'updated', 'resolved', 'note')) NOT VALID"
    )
    op.execute("ALTER TABLE outbox VALIDATE CONSTRAINT ck_outbox_transition")
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS delivery (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            outbox_id BIGINT NOT NULL,
            attempt INTEGER NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            fate TEXT NOT NULL,
            reason TEXT NOT NULL,
            status INTEGER,
            error TEXT,
            sent TEXT NOT NULL,
            answer TEXT NOT NULL,
            remark TEXT,
            CONSTRAINT pk_delivery PRIMARY KEY (id),
            CONSTRAINT fk_delivery_outbox_id_outbox FOREIGN KEY (outbox_id) REFERENCES outbox (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX IF NOT EXISTS ix_delivery_outbox_id ON delivery (outbox_id, id)")


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
