"""The tables. `event` and `span` are the log; everything else is derived from it and can be rebuilt."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from collector.store.metadata import metadata
from slo_rules.judgement import FINAL, VerdictKind

FINAL_VERDICTS = tuple(sorted(FINAL))
OPEN_VERDICTS = tuple(kind for kind in VerdictKind if kind not in FINAL)
HELD_UP_VERDICTS = ("stuck", "blind", "failed", "inconsistent")
"""Those that are the cause of an incident."""


def _in(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


def _time(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=func.now() if now else None)


_GROWS = {"autovacuum_vacuum_insert_scale_factor": "1"}
"""Of a table to which rows are added and hardly ever changed."""

event_seq = Sequence("event_seq", metadata=metadata, cache=1)

# Rows are written under an advisory lock that is held from taking `seq` to the commit: order of `seq` is order of
# commit, so a reader that has seen n has seen everything before n (collector/log.py).
event = Table(
    "event",
    metadata,
    Column("seq", BigInteger, nullable=False, server_default=event_seq.next_value()),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    _time("occurred_at"),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text),
    Column("trace_id", LargeBinary),
    Column("span_id", LargeBinary),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("seq", "received_at"),
    postgresql_partition_by="RANGE (received_at)",
)

span = Table(
    "span",
    metadata,
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("trace_id", LargeBinary, nullable=False),
    Column("span_id", LargeBinary, nullable=False),
    Column("parent_span_id", LargeBinary),
    Column("service", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("yields_event", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_span_trace_id", "trace_id"),
    postgresql_partition_by="RANGE (received_at)",
)

instance = Table(
    "instance",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("workflow_version", Integer, nullable=False),
    Column("entity", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("title", Text, nullable=False),
    # Title and attribute values in lower case, for free text.
    Column("words", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("waiting_for", Text),
    Column("source_awaited", Text),
    Column("owner", Text),
    _time("due_at", nullable=True),
    _time("deadline_at", nullable=True),
    _time("since"),
    _time("stuck_since", nullable=True),
    _time("started_at"),
    _time("updated_at"),
    _time("next_check_at", nullable=True),
    Column("value_amount", Numeric(21, 6)),
    Column("value_currency", Text),
    Column("progress", LargeBinary, nullable=False),
    CheckConstraint(_in("verdict", tuple(VerdictKind)), name="verdict_known"),
    CheckConstraint(f"next_check_at IS NULL OR NOT {_in('verdict', FINAL_VERDICTS)}", name="final_needs_no_check"),
    CheckConstraint("(stuck_since IS NOT NULL) = (verdict = 'stuck')", name="stuck_has_a_since"),
    Index("ix_instance_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
    # With all that lists filter by, sort by and add up, so that these read the index alone: what is open lies scattered
    # over all that ever was.
    Index(
        "ix_instance_open",
        "verdict",
        "deadline_at",
        postgresql_where=text(_in("verdict", OPEN_VERDICTS)),
        postgresql_include=[
            "id",
            "workflow",
            "domain",
            "owner",
            "source_awaited",
            "waiting_for",
            "reason",
            "stuck_since",
            "started_at",
            "updated_at",
            "value_amount",
            "value_currency",
        ],
    ),
    # The same of what has finished, which is written once: nothing of it is awaited, and its verdict says the reason.
    Index(
        "ix_instance_finished",
        "updated_at",
        postgresql_where=text(_in("verdict", FINAL_VERDICTS)),
        postgresql_include=[
            "id",
            "workflow",
            "domain",
            "owner",
            "verdict",
            "started_at",
            "value_amount",
            "value_currency",
        ],
    ),
    # An index says by itself what was vacuumed only: by a share of the table that would be ever more seldom.
    postgresql_with={
        "fillfactor": "80",
        "autovacuum_vacuum_threshold": "20000",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_vacuum_insert_threshold": "20000",
        "autovacuum_vacuum_insert_scale_factor": "0.02",
    },
)

# How many there are, so that nobody needs to count them: whoever writes or drops instances keeps it.
instance_count = Table(
    "instance_count",
    metadata,
    Column("workflow", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("workflow", "verdict"),
)

instance_key = Table(
    "instance_key",
    metadata,
    Column("workflow", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("joins", Boolean, nullable=False),
    Column("instance_id", Uuid, nullable=False),
    Index(
        "uq_instance_key_joins",
        "value",
        "namespace",
        "workflow",
        unique=True,
        postgresql_where=text("joins"),
        postgresql_ops={"value": "text_pattern_ops"},
    ),
    Index(
        "ix_instance_key_searches",
        "value",
        "namespace",
        "instance_id",
        postgresql_where=text("NOT joins"),
        postgresql_ops={"value": "text_pattern_ops"},
    ),
    postgresql_with=_GROWS,
)

instance_event = Table(
    "instance_event",
    metadata,
    Column("instance_id", Uuid, nullable=False),
    Column("event_key", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    _time("received_at"),
    Column("milestone", Text),
    Column("trace_id", LargeBinary),
    PrimaryKeyConstraint("instance_id", "event_key"),
    postgresql_with=_GROWS,
)

instance_merge = Table(
    "instance_merge",
    metadata,
    Column("merged_id", Uuid, primary_key=True),
    Column("instance_id", Uuid, nullable=False, index=True),
    Column("event_key", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    _time("at"),
)

# What was one instance until a key turned out to join too much, or a person said that an event joined wrongly.
instance_split = Table(
    "instance_split",
    metadata,
    Column("instance_id", Uuid, nullable=False),
    Column("part_id", Uuid, nullable=False, index=True),
    Column("seq", BigInteger, nullable=False),
    _time("at"),
    PrimaryKeyConstraint("instance_id", "part_id", "seq"),
)

hub_key = Table(
    "hub_key",
    metadata,
    Column("workflow", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    _time("at"),
    Column("instances", Integer, nullable=False),
    PrimaryKeyConstraint("workflow", "namespace", "value"),
)

rejected_join = Table(
    "rejected_join",
    metadata,
    Column("workflow", Text, nullable=False),
    Column("event_key", Uuid, nullable=False),
    Column("instance_id", Uuid, nullable=False, index=True),
    Column("event_seq", BigInteger, nullable=False),
    _time("event_received_at"),
    Column("seq", BigInteger, nullable=False),
    _time("at"),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _time("accepted_at", nullable=True),
    PrimaryKeyConstraint("workflow", "event_key", "seq"),
)

verdict_change = Table(
    "verdict_change",
    metadata,
    Column("instance_id", Uuid, nullable=False),
    _time("at"),
    Column("verdict", Text, nullable=False),
    Column("verdict_from", Text),
    Column("reason", Text, nullable=False),
    Column("waiting_for", Text),
    PrimaryKeyConstraint("instance_id", "at", "verdict"),
    CheckConstraint(_in("verdict", tuple(VerdictKind)), name="verdict_known"),
    Index("ix_verdict_change_left", "verdict_from", "at", postgresql_where=text(_in("verdict_from", HELD_UP_VERDICTS))),
    postgresql_with=_GROWS,
)

# What is counted of an objective: in all under an empty `grp`, and in groups; items under an empty `unit`, and money
# by currency; in buckets of five minutes, an hour and a day.
sli_bucket = Table(
    "sli_bucket",
    metadata,
    Column("objective", Text, nullable=False),
    Column("grp", Text, nullable=False),
    Column("minutes", SmallInteger, nullable=False),
    _time("bucket"),
    Column("unit", Text, nullable=False),
    Column("good", Numeric(38, 6), nullable=False),
    Column("bad", Numeric(38, 6), nullable=False),
    Column("waived", Numeric(38, 6), nullable=False),
    Column("cancelled", Numeric(38, 6), nullable=False),
    Column("stale_step", BigInteger, nullable=False),
    PrimaryKeyConstraint("objective", "grp", "minutes", "bucket", "unit"),
    CheckConstraint("good >= 0 AND bad >= 0 AND waived >= 0 AND cancelled >= 0", name="counts_not_negative"),
    Index(
        "ix_sli_bucket_steps", "objective", "grp", "bucket", postgresql_where=text("minutes = 5 AND stale_step <> 0")
    ),
)

source_state = Table(
    "source_state",
    metadata,
    Column("source", Text, primary_key=True),
    _time("last_received_at"),
    _time("last_occurred_at"),
    Column("received", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("unmatched", BigInteger, nullable=False),
    # Events that had occurred only after they arrived; micros by which the furthest did, ever and on the last such day.
    Column("ahead", BigInteger, nullable=False, server_default=text("0")),
    Column("ahead_most", BigInteger, nullable=False, server_default=text("0")),
    _time("ahead_day", nullable=True),
    Column("ahead_most_of_day", BigInteger, nullable=False, server_default=text("0")),
)

# Only of the types that are expected by themselves.
source_type_state = Table(
    "source_type_state",
    metadata,
    Column("source", Text, nullable=False),
    Column("type", Text, nullable=False),
    _time("last_received_at"),
    _time("last_occurred_at"),
    PrimaryKeyConstraint("source", "type"),
)

# What each source had sent by when: for a day in slots of a quarter of an hour (collector/source_rates.py), for five
# weeks in those of an hour (collector/source_volume.py). A rebuild forgets it and cannot derive it: it comes again with
# time.
source_sample = Table(
    "source_sample",
    metadata,
    Column("slot", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False),
    _time("taken_at"),
    Column("received", BigInteger, nullable=False),
    PrimaryKeyConstraint("slot", "source"),
)

# What sources sent in forms of their own, as it came but for what is sensitive. Those without `mapped_at` wait to
# become events (collector/sources/intake.py).
source_request = Table(
    "source_request",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("source", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _time("mapped_at", nullable=True),
    Index("ix_source_request_waiting", "source", "number", postgresql_where=text("mapped_at IS NULL")),
    Index("ix_source_request_received_at", "received_at"),
)

# How far systems that do not push have been asked, object by object (collector/sources/polling.py). Whoever asks holds
# it until `claimed_until`; `claim` grows with each who takes it.
source_poll = Table(
    "source_poll",
    metadata,
    Column("source", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", JSONB, nullable=False, server_default=text("'{}'")),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("claim", BigInteger, nullable=False, server_default=text("0")),
    Column("claimed_until", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'")),
    PrimaryKeyConstraint("source", "name"),
)

# `seq` names the logged event a dead letter was made of (then it is derived, and a rebuild makes it anew), `request`
# and `item` the part of a source's request that could not be mapped; without `seq`, `body` is all there is.
# What was replayed or discarded is settled, and stays as a record of that.
dead_letter = Table(
    "dead_letter",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    _time("received_at"),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("event_id", Text),
    Column("type", Text),
    Column("workflow", Text),
    Column("seq", BigInteger),
    Column("body", LargeBinary),
    Column("request", BigInteger),
    Column("item", Integer),
    _time("settled_at", nullable=True),
    Column("settled_as", Text),
    Column("settled_by", Text),
    Column("settled_because", Text),
    CheckConstraint("seq IS NOT NULL OR body IS NOT NULL", name="kept_whole"),
    Index("uq_dead_letter_seq_workflow", "seq", "workflow", unique=True),
    Index("ix_dead_letter_request", "request", postgresql_where=text("request IS NOT NULL")),
)

projection = Table(
    "projection",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    _time("received_at", nullable=True),
    _time("swept_to", nullable=True),
    # How often instances were deleted that a projector may hold in memory: it forgets them when this has grown.
    Column("forgotten", BigInteger, nullable=False, server_default=text("0")),
    # The transaction that wrote this row last, if it has kept instance_count; one of a release before 0016 has not.
    Column("counted", Text),
)

# By class of what is kept: for how long (NULL: for good), since when nothing is missing (NULL: nothing was ever
# dropped), when it was last gone through to the end, and what has been dropped so far.
# The stretch of the log that several projectors apply side by side (collector/stretches.py), and its shares.
shared_stretch = Table(
    "shared_stretch",
    metadata,
    Column("after", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("said", LargeBinary, nullable=False),
)

stretch_share = Table(
    "stretch_share",
    metadata,
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("duplicates", JSONB, nullable=False, server_default=text("'{}'")),
)

retention = Table(
    "retention",
    metadata,
    Column("class", Text, primary_key=True),
    Column("keep_micros", BigInteger),
    _time("kept_since", nullable=True),
    _time("ran_at", nullable=True),
    Column("dropped_rows", BigInteger, nullable=False, server_default=text("0")),
    Column("freed_bytes", BigInteger, nullable=False, server_default=text("0")),
)

definition = Table(
    "definition",
    metadata,
    Column("workflow", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("since_seq", BigInteger, nullable=False),
    Column("until_seq", BigInteger),
    _time("loaded_at", now=True),
    PrimaryKeyConstraint("workflow", "version"),
)

# What the files say of objectives and sources now; workflows have versions, these do not.
current_definition = Table(
    "current_definition",
    metadata,
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    PrimaryKeyConstraint("kind", "name"),
    CheckConstraint("kind IN ('Objective', 'Source')", name="kind_known"),
)

# What was promised since when, as the files said it: what is over keeps the target it had.
objective_version = Table(
    "objective_version",
    metadata,
    Column("objective", Text, nullable=False),
    _time("since"),
    Column("body", JSONB, nullable=False),
    PrimaryKeyConstraint("objective", "since"),
)

# What a period came to when it was over, in all and in groups; what comes late restates it, and this stays.
objective_period = Table(
    "objective_period",
    metadata,
    Column("objective", Text, nullable=False),
    Column("grp", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("zone", Text, nullable=False),
    _time("since"),
    _time("until"),
    Column("target", Double, nullable=False),
    Column("good", Numeric(38, 6), nullable=False),
    Column("bad", Numeric(38, 6), nullable=False),
    _time("closed_at"),
    PrimaryKeyConstraint("objective", "grp", "unit", "period", "zone", "since"),
)

objective_state = Table(
    "objective_state",
    metadata,
    Column("objective", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
)

file_import = Table(
    "file_import",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("finished", Boolean, nullable=False),
)

# Moved in the transaction that appends to the log, so it is part of it: derived from nothing, and restored with it.
kafka_offset = Table(
    "kafka_offset",
    metadata,
    Column("consumer_group", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("moved_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    PrimaryKeyConstraint("consumer_group", "topic", "partition"),
)

DERIVED = (
    instance,
    instance_count,
    instance_key,
    instance_event,
    instance_merge,
    instance_split,
    hub_key,
    rejected_join,
    verdict_change,
    sli_bucket,
    source_state,
    source_type_state,
    shared_stretch,
    stretch_share,
)
"""What a rebuild forgets and derives again (dead letters with a `seq` and the projection's position besides)."""
