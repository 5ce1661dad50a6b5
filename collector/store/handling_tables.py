"""Tables of what people note down: who handles which instance, what was said of it, and the views they saved.

None of it changes a verdict, so none of it is in the log, and a rebuild leaves it alone: ids of instances stay the same
when they are derived again. A row keeps the id it was written for; where that instance was merged into another one
since, `instance_merge` leads on.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, Uuid, text

from collector.store.metadata import metadata

instance_handling = Table(
    "instance_handling",
    metadata,
    Column("instance_id", Uuid, primary_key=True),
    Column("assigned_to", Text),
    Column("assigned_by", Text),
    Column("assigned_at", DateTime(timezone=True)),
    Column("acknowledged_by", Text),
    Column("acknowledged_at", DateTime(timezone=True)),
    # How the instance stood: it is acknowledged for as long as it stands so.
    Column("acknowledged_verdict", Text),
    Column("acknowledged_waiting_for", Text),
    Index("ix_instance_handling_assigned_to", "assigned_to", postgresql_where=text("assigned_to IS NOT NULL")),
)

instance_note = Table(
    "instance_note",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("instance_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("act", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("assigned_to", Text),
    Column("text", Text),
    # Whoever asks again with the same one, as after a lost answer, notes nothing twice.
    Column("request", Uuid, nullable=False),
    Index("uq_instance_note_request", "instance_id", "request", unique=True),
)

saved_view = Table(
    "saved_view",
    metadata,
    Column("name", Text, primary_key=True),
    # The query string of the worklist's address: filters, sort and columns.
    Column("query", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
