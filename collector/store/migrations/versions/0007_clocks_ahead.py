"""How far the clocks of sources run ahead is kept; of what has been applied already it is read from the log."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

COLUMNS = (
    "ahead bigint DEFAULT 0 NOT NULL",
    "ahead_most bigint DEFAULT 0 NOT NULL",
    "ahead_day timestamptz",
    "ahead_most_of_day bigint DEFAULT 0 NOT NULL",
)
MEASURE = """
    WITH ahead AS (
        SELECT e.source, date_trunc('day', e.received_at, 'UTC') AS day,
               (extract(epoch FROM e.occurred_at - e.received_at) * 1000000)::bigint AS by
        FROM event e
        WHERE e.occurred_at > e.received_at AND e.seq <= (SELECT seq FROM projection WHERE name = 'instances')
    ), of_day AS (
        SELECT source, day, count(*) AS events, max(by) AS most FROM ahead GROUP BY source, day
    ), of_source AS (
        SELECT source, sum(events) AS events, max(most) AS most, max(day) AS day FROM of_day GROUP BY source
    )
    UPDATE source_state s
    SET ahead = o.events, ahead_most = o.most, ahead_day = o.day, ahead_most_of_day = d.most
    FROM of_source o
    JOIN of_day d ON d.source = o.source AND d.day = o.day
    WHERE s.source = o.source
"""


def upgrade() -> None:
    """Add the columns, and fill them as if they had always been there."""
    for column in COLUMNS:
        op.execute(f"ALTER TABLE source_state ADD COLUMN IF NOT EXISTS {column}")
    op.execute(MEASURE)


def downgrade() -> None:
    """Data is never moved backwards."""
    raise NotImplementedError("restore a backup instead")
