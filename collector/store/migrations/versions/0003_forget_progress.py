"""Attributes are kept by the event that said them: what was derived before has another form, and is derived anew.

Nothing that was received is touched; the projector reads the log from its beginning after this.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

DERIVED = (
    "instance",
    "instance_key",
    "instance_event",
    "instance_merge",
    "verdict_change",
    "sli_bucket",
    "source_state",
)


def upgrade() -> None:
    """Forget everything that `milepost rebuild` forgets."""
    for table in DERIVED:
        op.execute(f"DELETE FROM {table}")
    op.execute("DELETE FROM dead_letter WHERE seq IS NOT NULL")
    op.execute("UPDATE projection SET seq = 0, received_at = NULL, swept_to = NULL WHERE name = 'instances'")


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
