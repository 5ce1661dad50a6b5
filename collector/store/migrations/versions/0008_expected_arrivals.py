"""What is expected of a source is more than one duration, and is kept for event types by themselves as well."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make room for the watermarks of types, and say the sources that are defined in their present form."""
    op.create_table(
        "source_type_state",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "type"),
        if_not_exists=True,
    )
    op.execute(
        "UPDATE current_definition SET body = body - 'silent_after' || "
        "jsonb_build_object('expects', jsonb_build_object('length', body -> 'silent_after')) "
        "WHERE kind = 'Source' AND jsonb_typeof(body -> 'silent_after') = 'number'"
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
