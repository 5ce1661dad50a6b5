"""Tables of alerting: incidents, their timeline, whom they were told to, and the outbox.

Secrets: `incident_target.address` holds a target's address as the definition file spells it. A `${NAME}` reference is
stored as the reference and resolved against the environment when a message is sent, so a secret that lives in the
environment never reaches the database. One that was written into the file in plain text is stored just so: without it
the resolve of an incident could not follow once the target is gone from the files. The column is never shown.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from collector.store.metadata import metadata

_NO_TEXTS = text("'{}'::text[]")
_NO_LIST = text("'[]'::jsonb")
_NOTHING = text("'{}'::jsonb")

incident = Table(
    "incident",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Equal for every incident of one cause; receivers pair a resolve with its firing by it.
    Column("dedup_key", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("workflow", Text),
    Column("waiting_for", Text),
    Column("source", Text),
    Column("reason", Text),
    Column("status", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("peak_count", Integer, nullable=False),
    # The count last written to the timeline.
    Column("noted_count", Integer, nullable=False),
    # [{"currency": "USD", "amount": "1200000.00"}, …]; the amount is text so that no digit is lost.
    Column("value", JSONB, nullable=False),
    # The heaviest it ever was, for the resolve message.
    Column("peak_value", JSONB, nullable=False),
    Column("oldest_since", DateTime(timezone=True), nullable=False),
    # The owner and domain of most instances; all of them are in the arrays.
    Column("owner", Text),
    Column("domain", Text),
    Column("entity", Text),
    Column("owners", ARRAY(Text), nullable=False, server_default=_NO_TEXTS),
    Column("domains", ARRAY(Text), nullable=False, server_default=_NO_TEXTS),
    Column("workflows", ARRAY(Text), nullable=False, server_default=_NO_TEXTS),
    Column("samples", ARRAY(Uuid), nullable=False),
    # How often its cause had opened within the flap window, and since when one that flaps has been clear.
    Column("openings", Integer, nullable=False, server_default="1"),
    Column("clear_since", DateTime(timezone=True)),
    # [[micros, count], …], from which its trend is reckoned.
    Column("points", JSONB, nullable=False, server_default=_NO_LIST),
    # What sets it apart, and the values of attributes that it has, as of compared_at.
    Column("apart", JSONB, nullable=False, server_default=_NO_LIST),
    Column("attributes", JSONB, nullable=False, server_default=_NOTHING),
    Column("compared_at", DateTime(timezone=True)),
    Column("runbook", Text),
    # What people have said of it.
    Column("acknowledged_by", Text),
    Column("acknowledged_at", DateTime(timezone=True)),
    Column("acknowledged_until", DateTime(timezone=True)),
    Column("postponed_by", Text),
    Column("postponed_until", DateTime(timezone=True)),
    Column("assignee", Text),
    Column("settled_by", Text),
    # [{"url": …, "by": …, "at": …, "title": …}, …]: the changes somebody has linked it to.
    Column("changes", JSONB, nullable=False, server_default=_NO_LIST),
    # [{"target": …, "reason": …, "because": …, "until": …}, …]: what was last decided of every target.
    Column("whom", JSONB, nullable=False, server_default=_NO_LIST),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    CheckConstraint("status IN ('firing', 'resolved')", name="status"),
    CheckConstraint("(status = 'resolved') = (resolved_at IS NOT NULL)", name="resolved_at"),
)
Index(
    "uq_incident_open_dedup_key",
    incident.c.dedup_key,
    unique=True,
    postgresql_where=text("status = 'firing'"),
)
Index("ix_incident_opened_at", incident.c.opened_at)

incident_event = Table(
    "incident_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("incident_id", Uuid, ForeignKey("incident.id", ondelete="CASCADE"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    # opened, grown, shrunk, told, resolved, and what people did: acknowledged, assigned, commented, …
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # Who did it; null where Milepost did.
    Column("by", Text),
    # Whoever asks again with the same one, as after a lost answer, notes nothing twice.
    Column("request", Uuid),
)
Index("ix_incident_event_incident_id", incident_event.c.incident_id, incident_event.c.id)
Index(
    "uq_incident_event_request",
    incident_event.c.incident_id,
    incident_event.c.request,
    unique=True,
    postgresql_where=text("request IS NOT NULL"),
)

incident_target = Table(
    "incident_target",
    metadata,
    Column("incident_id", Uuid, ForeignKey("incident.id", ondelete="CASCADE"), primary_key=True),
    Column("target", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("address", JSONB, nullable=False),
    # What the target was last told (that is: what was last put into the outbox for it).
    Column("told_status", Text, nullable=False),
    Column("told_count", Integer, nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False),
    # What its channel must know for the next message, such as the id of the first.
    Column("handle", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # When it is to be told the same again, where its channel forgets.
    Column("repeat_at", DateTime(timezone=True)),
    # Null: told before these were kept.
    Column("told_severity", Text),
    Column("first_at", DateTime(timezone=True)),
    # Since it was last told something has kept it from hearing more; it is told again when that ends.
    Column("muted", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("told_status IN ('firing', 'resolved')", name="told_status"),
)
Index(
    "ix_incident_target_owed",
    incident_target.c.incident_id,
    postgresql_where=text("told_status = 'firing'"),
)

Index("ix_incident_target_repeat_at", incident_target.c.repeat_at)

outbox = Table(
    "outbox",
    metadata,
    # The order in which messages of one (incident, target) are sent.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # The webhook-id: the same on every attempt, so that a receiver can drop repetitions.
    Column("message_id", Text, nullable=False, unique=True),
    # Null where it belongs to no incident; then the address, as it is written, stands here.
    Column("incident_id", Uuid, ForeignKey("incident.id", ondelete="CASCADE")),
    Column("address", JSONB),
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("transition", Text, nullable=False),
    # Why it is told (NotifyReason).
    Column("reason", Text, nullable=False),
    # What is told, before a channel gives it its form (alerting.message.Notice).
    Column("notice", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    # Why it was dropped or is dead.
    Column("outcome", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # An attempt ended without an answer that rules out that the message arrived.
    Column("uncertain", Boolean, nullable=False, server_default=text("false")),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("last_attempt_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    CheckConstraint("transition IN ('firing', 'updated', 'resolved', 'note')", name="transition"),
    CheckConstraint("state IN ('pending', 'delivered', 'dropped', 'dead')", name="state"),
    CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled_at"),
)
Index(
    "uq_outbox_once",
    outbox.c.incident_id,
    outbox.c.target,
    outbox.c.transition,
    unique=True,
    postgresql_where=text("transition IN ('firing', 'resolved')"),
)
Index(
    "ix_outbox_pending",
    outbox.c.incident_id,
    outbox.c.target,
    outbox.c.id,
    postgresql_where=text("state = 'pending'"),
)
Index("ix_outbox_due", outbox.c.next_attempt_at, postgresql_where=text("state = 'pending'"))

target_state = Table(
    "target_state",
    metadata,
    Column("target", Text, primary_key=True),
    # SHA-256 of the resolved address: a target that was disabled is enabled again by giving it another address.
    Column("address_digest", Text),
    Column("disabled_at", DateTime(timezone=True)),
    Column("disabled_because", Text),
    # No message goes to the target before this instant: it said Retry-After, or it did not answer.
    Column("paused_until", DateTime(timezone=True)),
    # Until when what went out counts against its pace; see alerting/sql/outbox.sql, take_slot.
    Column("paced_until", DateTime(timezone=True)),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("outbox_id", BigInteger, ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    # delivered, retry, failed; and why.
    Column("fate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    # What went out and what came back, cut short and without secrets.
    Column("sent", Text, nullable=False),
    Column("answer", Text, nullable=False),
    # What was wrong with a template.
    Column("remark", Text),
)
Index("ix_delivery_outbox_id", delivery.c.outbox_id, delivery.c.id)

silence = Table(
    "silence",
    metadata,
    Column("id", Uuid, primary_key=True),
    # As alerting.facts spells a match.
    Column("match", JSONB, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    # Who answers for it, and who asked for it.
    Column("owner", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # Where somebody ended it before its time, who that was.
    Column("ended_by", Text),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("since < until OR ended_at IS NOT NULL", name="until"),
)
Index("ix_silence_until", silence.c.until)

drill = Table(
    "drill",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("by", Text, nullable=False),
    # The owner, domain, workflow and severity it pretends to have.
    Column("facts", JSONB, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)
Index("ix_drill_until", drill.c.until)
