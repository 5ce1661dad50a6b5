"""One instance with everything behind its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from collector.catalogue import Catalogue
from collector.ingest.otlp import KINDS, STATUSES
from collector.query.held_up import incidents_of
from collector.query.incidents import incident_row
from collector.query.instances import definition_of, instance_row, key_row, stored_progress, stored_verdict
from collector.query.reader import Reader, Row, rfc3339
from collector.query.related import related_to
from collector.query.unread import EXPLANATION, Known, known_of
from collector.stored_progress import readable_document
from collector.unjoined import Unjoined, unjoined_of
from slo_rules.arithmetic import arithmetic
from slo_rules.durations import DAY
from slo_rules.explain import Step, StepPart, journey
from slo_rules.identity import Key, split_key
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import Marks
from slo_rules.progress import Progress, current_key
from slo_rules.promises import pauses
from slo_rules.standing import standing
from slo_rules.workflow import Workflow

MOST_EVENTS = 500
MOST_SPANS = 2000
MOST_CLOSED = 120
MOST_TOLD = 50
MOST_DAYS = 366


async def instance_details(reader: Reader, catalogue: Catalogue, marks: Marks, id_: UUID) -> Row | None:
    """An instance, also by the id of one merged into it; None when there is none."""
    row = await reader.one("instance", {"id": id_})
    if row is None:
        return None
    now = await reader.now()
    at = {"id": row["id"]}
    unjoined, workflow = await unjoined_at(reader, None), definition_of(row, catalogue)
    hubs = unjoined.of(workflow.name)
    merged, rejected, events, links, history = await asyncio.gather(
        reader.all("merged", at),
        reader.all("rejected", {"ids": [row["id"]], "known_at": None}),
        reader.all("events", at | {"limit": MOST_EVENTS}),
        reader.all("gone_and_traces", at),
        reader.all("history", at),
    )
    gone, traces = links[0]["gone"], links[0]["traces"] or []
    more = gone + (len(events) == MOST_EVENTS)
    known = await known_of(reader, row, workflow, unjoined, events, gone=more)
    related = await related_to(reader, row, catalogue, known.words(), hubs)
    incidents = await incidents_of(reader, row, history, workflow)
    spans = await spans_of(reader, traces)
    return (
        described(known.row, catalogue, marks, now, events, hubs)
        | told_unread(known)
        | {
            "events_gone": gone,
            "joined": [joined_row(one) for one in merged],
            "rejected": [rejected_row(one) for one in rejected],
            **related,
            "spans": [span_row(span) for span in spans],
            "history": [change | {"at": rfc3339(change["at"])} for change in history],
            "incidents": [incident_row(incident) for incident in incidents],
            "told": await _told(reader, incidents),
        }
    )


async def spans_of(
    reader: Reader, traces: list[bytes], as_of: int | None = None, known_at: datetime | None = None
) -> list[Row]:
    """The spans of these traces, at most MOST_SPANS; those that had begun by `as_of` (micros) and were here by then."""
    if not traces:
        return []
    return await reader.all("spans", {"traces": traces, "as_of": as_of, "known_at": known_at, "limit": MOST_SPANS})


async def _told(reader: Reader, incidents: list[Row]) -> list[Row]:
    """The messages of the incidents that hold or held an instance up, in the order in which they were written."""
    if not incidents:
        return []
    rows = await reader.all("messages_of_incidents", {"ids": [one["id"] for one in incidents], "limit": MOST_TOLD})
    return [
        {name: row[name] for name in ("target", "kind", "transition", "state")}
        | {"incident": str(row["incident_id"]), "at": rfc3339(row["at"])}
        for row in rows
    ]


async def unjoined_at(reader: Reader, known_at: int | None) -> Unjoined:
    """What does not join although definitions say so, as known at an instant (micros), or now."""
    rows = await reader.all("unjoined", {"known_at": None if known_at is None else to_datetime(known_at)})
    return unjoined_of((row["workflow"], row["key"], row["event_key"]) for row in rows)


def described(
    row: Row, catalogue: Catalogue, marks: Marks, now: datetime, events: list[Row], hubs: Collection[Key]
) -> Row:
    """What follows from an instance's row and its events alone, whether they are those of now or of another time.

    `hubs` are the keys that join none though their namespace does.
    """
    workflow, progress, verdict = definition_of(row, catalogue), stored_progress(row), stored_verdict(row)
    by_key = {event["event_key"].bytes: event for event in events}
    shown = instance_row(row, catalogue, marks, now)
    if progress is None:
        return shown | {"journey": [], "pauses": [], "arithmetic": [], "events": [_event(event) for event in events]}
    return shown | {
        "journey": [
            {
                "name": step.milestone.name,
                "title": step.milestone.title,
                "state": step.state,
                "at": rfc3339(step.at),
                "started_at": rfc3339(step.started_at),
                "warn_at": rfc3339(step.warn_at),
                "deadline_at": rfc3339(step.deadline_at),
                "source": step.milestone.source,
                "owner": step.milestone.owner,
                "event_id": by_key[step.event_key]["id"] if step.event_key in by_key else None,
                "faults": list(step.faults),
                "occurred": step.occurred,
                "needed": step.needed,
                "each": step.milestone.each or None,
                "unnamed": step.unnamed,
                "parts": [_part(part, by_key) for part in step.parts],
                **_hours(step, progress, workflow, to_micros(now)),
            }
            for step in journey(progress, workflow, to_micros(now))
        ],
        "pauses": [{"from": rfc3339(start), "to": rfc3339(end)} for start, end in pauses(standing(progress, workflow))],
        "arithmetic": arithmetic(progress, workflow, verdict, to_micros(now)),
        "keys": _keys(progress, workflow.joining, by_key, hubs),
        "events": [_event(event) for event in events],
    }


def told_unread(known: Known) -> Row:
    """What is said, besides all that follows from its row, of an instance that cannot be read; nothing of another."""
    if known.unreadable is None:
        return {}
    said: Row = {"unreadable": known.unreadable, "explanation": EXPLANATION}
    if not known.keys:
        return said
    nothing_more = {"replaced_by": None, "event": None, "at": None}
    return said | {"keys": [key_row(word) | {"joins": joins, **nothing_more} for word, joins in known.keys]}


def _hours(step: Step, progress: Progress, workflow: Workflow, now: int) -> Row:
    """The calendar that the deadline of a milestone is counted on, its zone, and when that was closed as the clock ran.

    `closed` is null where there is none, and where there would be more than MOST_CLOSED stretches.
    """
    deadline, started = step.milestone.deadline, step.started_at
    if deadline is None or started is None:
        return {"calendar": None, "zone": None, "closed": None}
    name = deadline.terms(progress.attributes).calendar
    if name is None or name not in workflow.calendars:
        return {"calendar": None, "zone": None, "closed": None}
    rules = workflow.calendars[name]
    until = max(started, step.at or min(now, started + MOST_DAYS * DAY), step.deadline_at or 0)
    edges = [started]
    for opens, closes in workflow.prepared_calendars[name].opens_and_closes(started, until):
        edges += [opens, closes]
    edges.append(until)
    closed = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
    shown = None if len(closed) > MOST_CLOSED else [{"from": rfc3339(a), "to": rfc3339(b)} for a, b in closed]
    return {"calendar": rules.title or name, "zone": rules.zone, "closed": shown}


def _part(part: StepPart, by_key: dict[bytes, Row]) -> Row:
    return {
        "value": part.value,
        "state": part.state,
        "at": rfc3339(part.at),
        "started_at": rfc3339(part.started_at),
        "warn_at": rfc3339(part.warn_at),
        "deadline_at": rfc3339(part.deadline_at),
        "event_id": by_key[part.event_key]["id"] if part.event_key in by_key else None,
        "faults": list(part.faults),
    }


def joined_row(merge: Row) -> Row:
    """An instance that was joined into another one, with the event that showed them to be the same.

    `event` is None where the log no longer has it.
    """
    event = None if merge["source"] is None else _reference(merge)
    return {"id": str(merge["merged_id"]), "event": event, "at": rfc3339(merge["at"])}


def rejected_row(rejection: Row) -> Row:
    """An event that somebody said joined wrongly, and the instances that were one until then.

    `accepted_at` says since when it counts again; `event` is None where the log no longer has it.
    """
    return {
        "event": None if rejection["source"] is None else _reference(rejection),
        "by": rejection["by"],
        "reason": rejection["reason"],
        "at": rfc3339(rejection["at"]),
        "accepted_at": rfc3339(rejection["accepted_at"]),
        "parts": [str(part) for part in rejection["parts"]],
    }


def _keys(progress: Progress, joining: frozenset[str], by_key: dict[bytes, Row], hubs: Collection[Key]) -> list[Row]:
    found = []
    for word, stamp in sorted(progress.keys.items(), key=lambda pair: (pair[1].at, pair[0])):
        namespace, _, value = word.partition("=")
        event = by_key.get(stamp.key)
        found.append(
            {
                "namespace": namespace,
                "value": value,
                "joins": namespace in joining and word not in hubs,
                "replaced_by": _replaced_by(progress, word),
                "event": _reference(event) if event else None,
                "at": rfc3339(stamp.at),
            }
        )
    return found


def _replaced_by(progress: Progress, key: str) -> str | None:
    """The value that names today what this key named."""
    current = current_key(progress, key)
    return None if current == key else split_key(current)[1]


def _reference(event: Row) -> Row:
    return {"source": event["source"], "id": event["id"], "type": event["type"]}


def _event(event: Row) -> Row:
    document = readable_document(event["body"]) or {}
    return {
        "seq": event["seq"],
        "source": event["source"],
        "id": event["id"],
        "type": event["type"],
        "occurred_at": rfc3339(event["occurred_at"]),
        "received_at": rfc3339(event["received_at"]),
        "milestone": event["milestone"],
        "trace_id": event["trace_id"].hex() if event["trace_id"] else None,
        "data": document.get("data", document.get("data_base64")),
    }


def span_row(span: Row) -> Row:
    """A span as the timeline shows it."""
    said = readable_document(span["body"]) or {}
    return {
        "trace_id": span["trace_id"].hex(),
        "span_id": span["span_id"].hex(),
        "parent_span_id": span["parent_span_id"].hex() if span["parent_span_id"] else None,
        "service": span["service"],
        "name": span["name"],
        "kind": KINDS[span["kind"]],
        "start": rfc3339(span["start_ns"] // 1000),
        "end": rfc3339(span["end_ns"] // 1000),
        "duration_ms": (span["end_ns"] - span["start_ns"]) / 1e6,
        "status": STATUSES[span["status"]],
        "status_message": said.get("status_message"),
        "attributes": said.get("attributes", {}),
        "resource": said.get("resource", {}),
        "events": said.get("events", []),
    }
