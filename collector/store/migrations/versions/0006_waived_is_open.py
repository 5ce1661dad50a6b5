"""What is waived is not finished: it is judged again when the waiver ends, and is found among what is open."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

OPEN = "'on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived'"
FINAL = "'cancelled', 'completed', 'completed_late'"


def upgrade() -> None:
    """Until now nothing was ever waived."""
    op.execute("ALTER TABLE instance DROP CONSTRAINT ck_instance_final_needs_no_check")
    op.execute(
        "ALTER TABLE instance ADD CONSTRAINT ck_instance_final_needs_no_check "
        f"CHECK (next_check_at IS NULL OR NOT verdict IN ({FINAL}))"
    )
    op.execute("DROP INDEX ix_instance_open")
    op.execute(f"CREATE INDEX ix_instance_open ON instance (verdict, deadline_at) WHERE verdict IN ({OPEN})")


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
