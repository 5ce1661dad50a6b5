"""How far the partitions of Kafka have been appended to the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """A table of its own; nothing that is there is touched."""
    op.create_table(
        "kafka_offset",
        sa.Column("consumer_group", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.PrimaryKeyConstraint("consumer_group", "topic", "partition"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
