"""The log, the instances derived from it, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

PARTITIONED = ("event", "span")


def upgrade() -> None:
    """Create everything; the log as hypertables where TimescaleDB is installed, else as native range partitions."""
    timescale = op.get_bind().scalar(sa.text("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"))
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            plain = statement.replace("PARTITION BY RANGE (received_at)", "") if timescale else statement
            op.execute(sa.text(plain.replace(":", "\\:")))
    for table in PARTITIONED:
        if timescale:
            op.execute(f"SELECT create_hypertable('{table}', by_range('received_at', INTERVAL '7 days'))")
        else:
            # Nothing that arrives may be refused for want of a partition; the duty `partitions` keeps this one empty.
            op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")


def downgrade() -> None:
    """There is nothing before the first schema."""
    raise NotImplementedError("drop the database instead")
