"""Who handles which instance, what people noted of it, and the views they share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make three tables that nobody uses yet."""
    op.create_table(
        "instance_handling",
        sa.Column("instance_id", sa.Uuid, primary_key=True),
        sa.Column("assigned_to", sa.Text),
        sa.Column("assigned_by", sa.Text),
        sa.Column("assigned_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_verdict", sa.Text),
        sa.Column("acknowledged_waiting_for", sa.Text),
        if_not_exists=True,
    )
    op.create_index(
        "ix_instance_handling_assigned_to",
        "instance_handling",
        ["assigned_to"],
        postgresql_where=sa.text("assigned_to IS NOT NULL"),
        if_not_exists=True,
    )
    op.create_table(
        "instance_note",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("instance_id", sa.Uuid, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("assigned_to", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("request", sa.Uuid, nullable=False),
        if_not_exists=True,
    )
    op.create_index(
        "uq_instance_note_request", "instance_note", ["instance_id", "request"], unique=True, if_not_exists=True
    )
    op.create_table(
        "saved_view",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
