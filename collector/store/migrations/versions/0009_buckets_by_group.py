"""Buckets know groups, money, hours and days, and what is neutral; objectives have versions, and periods are kept.

What counts as waived or cancelled was not kept before, so that everything is derived anew from the log.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"

DERIVED = (
    "instance",
    "instance_key",
    "instance_event",
    "instance_merge",
    "instance_split",
    "hub_key",
    "rejected_join",
    "verdict_change",
    "source_state",
    "source_type_state",
)


def upgrade() -> None:
    """Make the buckets anew, and forget everything that `milepost rebuild` forgets."""
    op.drop_table("sli_bucket")
    op.create_table(
        "sli_bucket",
        sa.Column("objective", sa.Text, nullable=False),
        sa.Column("grp", sa.Text, nullable=False),
        sa.Column("minutes", sa.SmallInteger, nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("good", sa.Numeric(38, 6), nullable=False),
        sa.Column("bad", sa.Numeric(38, 6), nullable=False),
        sa.Column("waived", sa.Numeric(38, 6), nullable=False),
        sa.Column("cancelled", sa.Numeric(38, 6), nullable=False),
        sa.Column("stale_step", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("objective", "grp", "minutes", "bucket", "unit"),
        sa.CheckConstraint("good >= 0 AND bad >= 0 AND waived >= 0 AND cancelled >= 0", name="counts_not_negative"),
    )
    op.create_index(
        "ix_sli_bucket_steps",
        "sli_bucket",
        ["objective", "grp", "bucket"],
        postgresql_where=sa.text("minutes = 5 AND stale_step <> 0"),
    )
    op.create_table(
        "objective_version",
        sa.Column("objective", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("objective", "since"),
        if_not_exists=True,
    )
    op.create_table(
        "objective_period",
        sa.Column("objective", sa.Text, nullable=False),
        sa.Column("grp", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("target", sa.Double, nullable=False),
        sa.Column("good", sa.Numeric(38, 6), nullable=False),
        sa.Column("bad", sa.Numeric(38, 6), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("objective", "grp", "unit", "period", "zone", "since"),
        if_not_exists=True,
    )
    for table in DERIVED:
        op.execute(f"DELETE FROM {table}")
    op.execute("DELETE FROM objective_state")
    op.execute("DELETE FROM dead_letter WHERE seq IS NOT NULL")
    op.execute("UPDATE projection SET seq = 0, received_at = NULL, swept_to = NULL WHERE name = 'instances'")


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
