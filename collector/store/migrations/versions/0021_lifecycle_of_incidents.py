"""What people say of incidents, what sets them apart, who is told why; silences and drills."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"

INCIDENT = (
    "openings integer NOT NULL DEFAULT 1",
    "clear_since timestamptz",
    "points jsonb NOT NULL DEFAULT '[]'::jsonb",
    "apart jsonb NOT NULL DEFAULT '[]'::jsonb",
    "attributes jsonb NOT NULL DEFAULT '{}'::jsonb",
    "compared_at timestamptz",
    "runbook text",
    "acknowledged_by text",
    "acknowledged_at timestamptz",
    "acknowledged_until timestamptz",
    "postponed_by text",
    "postponed_until timestamptz",
    "assignee text",
    "settled_by text",
    "changes jsonb NOT NULL DEFAULT '[]'::jsonb",
    "whom jsonb NOT NULL DEFAULT '[]'::jsonb",
)
TARGET = ("told_severity text", "first_at timestamptz", "muted boolean NOT NULL DEFAULT false")


def _moment(name: str, *, needed: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not needed)


def upgrade() -> None:
    """Columns with constant defaults, and tables nobody uses yet."""
    for columns, table in ((INCIDENT, "incident"), (TARGET, "incident_target"), (('"by" text',), "incident_event")):
        op.execute(f"ALTER TABLE {table} " + ", ".join(f"ADD COLUMN IF NOT EXISTS {column}" for column in columns))
    op.create_table(
        "silence",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("match", JSONB, nullable=False),
        _moment("since"),
        _moment("until"),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        _moment("created_at"),
        sa.Column("ended_by", sa.Text),
        _moment("ended_at", needed=False),
        sa.CheckConstraint("since < until OR ended_at IS NOT NULL", name="until"),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_silence_until", "silence", ["until"], if_not_exists=True)
    op.create_table(
        "drill",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        _moment("since"),
        _moment("until"),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_drill_until", "drill", ["until"], if_not_exists=True)


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
