"""Instances as of another time, and as they were known then.

What is kept of an instance is its present. What it was is made of its events again: those that are in question are
replayed into the instances that they make, and these are judged as the projector judges. Nothing is guessed: where an
event is gone from the log, or too much would have to be read, the answer says so instead. One thing it cannot see: of
several events with one id only the first is linked to the instance, so what a later one said differently, its time for
one, is in the present and not in here.

With `known_at` the identity is that of then, too. Instances that a later event has joined are still apart, under the
ids they had. Without it everything known now counts, and so does which instances have turned out to be one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from collector.catalogue import Catalogue
from collector.changes import title_of
from collector.query.details import described, joined_row, rejected_row, span_row, spans_of, unjoined_at
from collector.query.heard import Heard
from collector.query.instances import instance_row
from collector.query.moments import Moment, Unanswerable, Unsettled
from collector.query.reader import Reader, Row
from collector.query.sources import load_marks
from collector.query.unread import logged_of
from collector.replay import Logged, Part, replay
from collector.unjoined import Unjoined
from slo_rules.explain import StepState, journey
from slo_rules.instants import rfc3339, to_datetime
from slo_rules.judgement import Marks, Reason, Verdict, VerdictKind
from slo_rules.judging import beneath, judge
from slo_rules.passing import began_at
from slo_rules.progress import Progress
from slo_rules.workflow import AMOUNT, CURRENCY, Milestone

MOST_EVENTS_READ = 50_000
"""Events that one answer may be made of."""
_encode_progress = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Past:
    """An instance at a moment: the part of the log it is made of, and the progress that makes.

    `now` is the id of the instance that it has become.
    """

    now: UUID
    part: Part
    progress: Progress

    def verdict(self, marks: Marks, at: int) -> Verdict:
        """The verdict at an instant (micros)."""
        return judge(self.progress, self.part.matcher.workflow, marks, at)

    def beneath(self, marks: Marks, at: int) -> Verdict:
        """What the verdict would be if nobody had waived it."""
        return beneath(self.progress, self.part.matcher.workflow, marks, at)

    def row(self, verdict: Verdict) -> Row:
        """The columns of `instance` as they would have been stored."""
        progress, workflow = self.progress, self.part.matcher.workflow
        attributes = progress.attributes
        amount = attributes.get(AMOUNT)
        return {
            "id": UUID(bytes=self.part.id),
            "workflow": workflow.name,
            "workflow_version": workflow.version,
            "entity": workflow.entity,
            "domain": workflow.domain,
            "title": title_of(self.part.id, progress, workflow),
            "verdict": verdict.kind,
            "reason": verdict.reason,
            "waiting_for": verdict.waiting_for,
            "source_awaited": verdict.source,
            "owner": verdict.owner,
            "due_at": _moment(verdict.due_at),
            "deadline_at": _moment(verdict.deadline_at),
            "since": _moment(verdict.since),
            "stuck_since": _moment(verdict.since) if verdict.kind is VerdictKind.STUCK else None,
            "started_at": _moment(began_at(progress, workflow)),
            "updated_at": _moment(progress.last_at),
            "next_check_at": _moment(verdict.next_check_at),
            "value_amount": None if amount is None else Decimal(str(amount)),
            "value_currency": attributes.get(CURRENCY),
            "progress": _encode_progress(progress),
        }


def _moment(micros: int | None) -> Any:
    return None if micros is None else to_datetime(micros)


async def past_of(
    reader: Reader, catalogue: Catalogue, workflows: dict[UUID, tuple[str, int]], moment: Moment
) -> tuple[list[Past], list[Row]]:
    """What these instances were at a moment, and the events that had been received by then, in the order of the log.

    `workflows` says the workflow and version of each. Raises Unanswerable and Unsettled.
    """
    once_one = await _once_one(reader, list(workflows), moment)
    events = await _events(reader, list({id_ for ids in once_one.values() for id_ in ids}), moment)
    unjoined = await unjoined_at(reader, moment.known_at)
    return await asyncio.to_thread(_replayed, catalogue, workflows, moment, once_one, events, unjoined), events


async def _once_one(reader: Reader, ids: list[UUID], moment: Moment) -> dict[UUID, set[UUID]]:
    """With each instance those that it may have been one with at the moment, itself among them."""
    found = {id_: {id_} for id_ in ids}
    if moment.known_at is not None:
        for row in await reader.all("once_one", {"ids": ids, "known_at": to_datetime(moment.known_at)}):
            found[row["asked"]].add(row["id"])
    return found


async def _events(reader: Reader, ids: list[UUID], moment: Moment) -> list[Row]:
    known_at = None if moment.known_at is None else to_datetime(moment.known_at)
    if known_at is not None and not (await settled(reader, moment))["applied"]:
        raise Unsettled(f"not everything that was received by {rfc3339(known_at)} has been applied yet")
    asked = {"ids": ids, "known_at": known_at, "limit": MOST_EVENTS_READ + 1}
    events = await reader.all("past_events", asked)
    if len(events) > MOST_EVENTS_READ:
        raise Unanswerable(f"more than {MOST_EVENTS_READ:,} events would have to be read; ask for less at once")
    gone = sum(event["source"] is None for event in events)
    if gone:
        raise Unanswerable(f"{gone:,} of the events it stands on are no longer in the log")
    return events


async def settled(reader: Reader, moment: Moment) -> Row:
    """Whether what was received by then is all `applied`, and what time has changed by then all `judged`."""
    assert moment.known_at is not None
    row = await reader.one("settled", {"at": to_datetime(moment.known_at)})
    return row or {"applied": False, "judged": False}


def _replayed(
    catalogue: Catalogue,
    workflows: dict[UUID, tuple[str, int]],
    moment: Moment,
    once_one: dict[UUID, set[UUID]],
    events: Iterable[Row],
    unjoined: Unjoined,
) -> list[Past]:
    by_instance: dict[UUID, list[Row]] = {}
    for event in events:
        by_instance.setdefault(event["instance_id"], []).append(event)
    found = []
    told: set[UUID] = set()
    for id_, (workflow, version) in workflows.items():
        if id_ in told:
            continue
        told |= once_one[id_]
        rows = sorted((row for one in once_one[id_] for row in by_instance.get(one, ())), key=lambda row: row["seq"])
        parts = replay(catalogue, workflow, map(_logged, rows), unjoined)
        if moment.known_at is None and parts:
            whole = parts[0]
            for part in parts[1:]:
                whole.absorb(part)
            whole.id, whole.matcher = id_.bytes, catalogue.matcher_of(workflow, version)
            parts = [whole]
        for part in parts:
            progress = part.until(moment.as_of)
            if progress is not None:
                found.append(Past(_present(part, id_, workflows), part, progress))
    return found


def _present(part: Part, asked: UUID, workflows: Iterable[UUID]) -> UUID:
    """Which of the instances asked for a part has become, or one that it was one with."""
    return next((id_ for id_ in workflows if id_.bytes in part.ids), asked)


def _logged(event: Row) -> Logged:
    said = logged_of(event)
    if said is None:
        raise Unanswerable(f"the event {event['id']} of {event['source']}, on which it stands, cannot be read")
    return said


async def marks_for(reader: Reader, catalogue: Catalogue, pasts: Iterable[Past], moment: Moment) -> Marks:
    """The watermarks these are judged by: those known at the moment, or now where everything known now counts.

    Of the past only those are read that a verdict depends on: of the sources that something overdue waits for.
    Raises Unanswerable.
    """
    if moment.known_at is None:
        return await load_marks(reader, catalogue)
    at = moment.judged_at
    wanted: dict[str, set[str]] = {}
    for past in pasts:
        workflow, verdict = past.part.matcher.workflow, past.beneath({}, at)
        awaited: list[Milestone] = []
        if verdict.kind is VerdictKind.STUCK:
            steps = journey(past.progress, workflow, at)
            awaited = [step.milestone for step in steps if step.state is StepState.OVERDUE]
        elif verdict.reason is Reason.ORPHAN:
            awaited = [workflow.by_name[workflow.starting[0]]]
        for milestone in awaited:
            if milestone.source:
                types = wanted.setdefault(milestone.source, set())
                if milestone.name in workflow.awaited_types:
                    types.add(workflow.awaited_types[milestone.name])
    return await Heard(reader, catalogue, moment.known_at).marks(wanted)


async def past_instance(reader: Reader, catalogue: Catalogue, id_: UUID, moment: Moment) -> Row | None:
    """An instance at a moment, by an id it had then or has now; None where nothing was known of that id.

    Raises Unanswerable and Unsettled.
    """
    present = await reader.one("instance", {"id": id_})
    if present is None:
        return None
    key = present["id"]
    pasts, events = await past_of(reader, catalogue, {key: (present["workflow"], present["workflow_version"])}, moment)
    if moment.known_at is not None:
        pasts = [past for past in pasts if id_.bytes in past.part.ids]
    if not pasts:
        return None
    (past,) = pasts
    marks = await marks_for(reader, catalogue, pasts, moment)
    numbers = {seq for seq, match in past.part.said if moment.as_of is None or match.at <= moment.as_of}
    events = sorted(
        (event for event in events if event["seq"] in numbers), key=lambda event: (event["occurred_at"], event["seq"])
    )
    traces = list({event["trace_id"] for event in events if event["trace_id"]})
    spans = await spans_of(reader, traces, moment.as_of, _moment(moment.known_at))
    ids = [key] if moment.known_at is None else [UUID(bytes=one) for one in past.part.ids]
    rejected = await reader.all("rejected", {"ids": ids, "known_at": _moment(moment.known_at)})
    merges = await reader.all("merged", {"id": key})
    joined, later = (merges, []) if moment.known_at is None else _joined(merges, past.part, key)
    verdict = past.verdict(marks, moment.judged_at)
    hubs = (await unjoined_at(reader, moment.known_at)).of(past.part.matcher.workflow.name)
    told = described(past.row(verdict), catalogue, marks, to_datetime(moment.judged_at), events, hubs)
    return (
        moment.shown()
        | told
        | {
            "joined": list(map(joined_row, joined)),
            "joined_later": list(map(joined_row, later)),
            "rejected": list(map(rejected_row, rejected)),
            "spans": list(map(span_row, spans)),
        }
    )


def _joined(merges: list[Row], part: Part, present: UUID) -> tuple[list[Row], list[Row]]:
    """What had been joined into the instance, and what it was joined with since, itself having been joined or not."""
    joined, later = [], []
    for merge in merges:
        if merge["merged_id"].bytes == part.id:
            later.append(merge | {"merged_id": present})
        elif merge["merged_id"].bytes in part.ids:
            joined.append(merge)
        else:
            later.append(merge)
    return joined, later


def past_row(past: Past, catalogue: Catalogue, marks: Marks, moment: Moment) -> Row:
    """An instance at a moment as lists show it."""
    at = moment.judged_at
    return instance_row(past.row(past.verdict(marks, at)), catalogue, marks, to_datetime(at))
