"""The table of receivers that keep what arrives on disk while the database is away (collector/spool)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Table, Text, Uuid, text

from collector.store.metadata import metadata

# `segment` and `drained` are how far its buffer was written to the log, moved in the transaction that writes: they are
# part of the log, derived from nothing. Whoever tells nothing, or something older than before, is waited for: until
# `told_at` and a little more, or `waits_since`, is judged and no further (collector/awaiting.py). What it writes was
# received `not_before` that instant.
receiver_spool = Table(
    "receiver_spool",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("segment", Uuid),
    Column("drained", BigInteger, nullable=False, server_default=text("0")),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Column("waits_since", DateTime(timezone=True)),
    Column("not_before", DateTime(timezone=True)),
    Column("given_up", Boolean, nullable=False, server_default=text("false")),
    # What was late the last time: received since and until when, how much, and when all of it was in the log.
    Column("late_since", DateTime(timezone=True)),
    Column("late_until", DateTime(timezone=True)),
    Column("late_count", BigInteger, nullable=False, server_default=text("0")),
    Column("late_settled_at", DateTime(timezone=True)),
)
