"""Lists of instances as they were.

What was known at an instant is on record: the last verdict change of each instance up to then. That is read for lists
however long; what the rows of a page say besides is made of their events. Of instances that were joined since, the
record no longer says of which half a verdict was said, so they are replayed, and so is every list that asks `as_of`,
of which there is no record. Replaying is bounded, and a list that would need more is refused.

Instances come in the order in which they were first heard of, latest first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Container, Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import psycopg
import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.instances import MAX_LIMIT, InstanceFilter, instance_row
from collector.query.moments import Moment, Unanswerable, Unsettled
from collector.query.past import Past, marks_for, past_of, past_row, settled
from collector.query.reader import Reader, Row, amounts, rfc3339
from collector.query.sources import kept_since
from collector.store.tables import instance
from slo_rules.identity import spellings, split_key
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import VerdictKind
from slo_rules.rounding import clock
from slo_rules.workflow import KeyRule

MOST_REPLAYED = 2_000
"""Instances that one list may replay."""
_NARROW = "narrow the list by workflow, domain or key"

Workflows = dict[UUID, tuple[str, int]]


def faults_of(asked: InstanceFilter, cursor: str | None, limit: int, others: Iterable[str], now: datetime) -> list[str]:
    """Everything that keeps a list of the past from being asked so; `others` are further parameters that were given."""
    refused = "cannot be asked of the past; workflow, domain, verdict and key can"
    faults = [f"{name}: {refused}" for name in others]
    can_be = {name: getattr(asked, name) for name in ("workflow", "domain", "verdict", "key")}
    given = (name for name in InstanceFilter.__slots__ if getattr(asked, name) not in (None, ()))
    faults += [f"{name}: {refused}" for name in given if name not in can_be]
    faults += InstanceFilter(**can_be).faults(now)
    if not 1 <= limit <= MAX_LIMIT:
        faults.append(f"limit: must be from 1 to {MAX_LIMIT}")
    if cursor and _place(cursor) is None:
        faults.append("cursor: not one of ours")
    return faults


def _place(cursor: str) -> UUID | None:
    try:
        return UUID(cursor)
    except ValueError:
        return None


async def list_past(
    reader: Reader, catalogue: Catalogue, asked: InstanceFilter, moment: Moment, *, cursor: str | None, limit: int
) -> Row:
    """A page of instances at a moment, with the number of all that the filter finds and of each verdict.

    `value` is what they are worth together; None where the list is read from the record, which does not keep it.
    Raises Unanswerable and Unsettled.
    """
    try:
        if moment.as_of is None and asked.key is None:
            found = await _recorded(reader, catalogue, asked, moment, cursor, limit)
        else:
            found = await _replayed(reader, catalogue, asked, moment, cursor, limit)
    except psycopg.errors.QueryCanceled as error:
        raise Unanswerable(f"there are too many instances to tell in time; {_NARROW}") from error
    return moment.shown() | found


async def _recorded(
    reader: Reader, catalogue: Catalogue, asked: InstanceFilter, moment: Moment, cursor: str | None, limit: int
) -> Row:
    assert moment.known_at is not None
    known_at = to_datetime(moment.known_at)
    finished_since = await kept_since(reader, "instances")
    if finished_since is not None and moment.known_at < finished_since:
        raise Unanswerable(
            f"instances that had finished by {clock(finished_since)} are no longer kept, and some were open then"
        )
    if not (await settled(reader, moment))["judged"]:
        raise Unsettled(f"what was due by {rfc3339(known_at)} has not all been judged yet")
    narrow = {"workflow": asked.workflow, "domain": asked.domain}
    joined = await _bounded(reader.all("joined_instances", narrow | {"limit": MOST_REPLAYED + 1}))
    before = _heard_after(moment.known_at)
    record = narrow | {"known_at": known_at, "before": before}
    counts = Counter({row["verdict"]: row["count"] for row in await reader.all("said_counts", record)})
    place = min(before, (_place(cursor) if cursor else None) or before)
    verdicts = list(asked.verdict) or None
    page = await reader.all("said_page", record | {"before": place, "verdicts": verdicts, "limit": limit + 1})
    asked_for = joined | _workflows(page)
    unchanged = await _as_they_were(reader, catalogue, asked_for, moment)
    pasts, _ = await past_of(reader, catalogue, _without(asked_for, unchanged), moment)
    marks = await marks_for(reader, catalogue, pasts, moment)
    rows: dict[UUID, Row] = {said["id"]: unchanged[said["id"]] for said in page if said["id"] in unchanged}
    of_record = {past.now: past for past in pasts if past.now not in joined}
    for said in page:
        past = of_record.get(said["id"])
        if past is not None:
            rows[said["id"]] = _as_recorded(past_row(past, catalogue, marks, moment), said)
    for id_ in unchanged.keys() & joined.keys():
        row = unchanged[id_]
        counts[row["verdict"]] += 1
        if id_ < place and (not asked.verdict or row["verdict"] in asked.verdict):
            rows[id_] = row
    for past in pasts:
        if past.now in joined:
            row = past_row(past, catalogue, marks, moment)
            counts[row["verdict"]] += 1
            id_ = UUID(bytes=past.part.id)
            if id_ < place and (not asked.verdict or row["verdict"] in asked.verdict):
                rows[id_] = row
    if asked.verdict:
        counts = Counter({verdict: count for verdict, count in counts.items() if verdict in asked.verdict})
    return _page(rows, limit, counts, None)


def _as_recorded(row: Row, said: Row) -> Row:
    """The row with the verdict that was recorded.

    The record may be a little behind what was known: while a source catches up, not every instance that waits for it
    is judged at every arrival.
    """
    if row["verdict"] == said["verdict"]:
        return row
    return row | {
        "verdict": said["verdict"],
        "reason": said["reason"],
        "waiting_for": said["waiting_for"],
        "explanation": f"Said at {clock(to_micros(said['at']))}, and nothing else up to then.",
        "stuck_since": row["deadline_at"] if said["verdict"] == VerdictKind.STUCK else None,
        "waiver": None,
    }


async def _replayed(
    reader: Reader, catalogue: Catalogue, asked: InstanceFilter, moment: Moment, cursor: str | None, limit: int
) -> Row:
    columns = instance.c
    narrowed = InstanceFilter(workflow=asked.workflow, domain=asked.domain, key=asked.key)
    candidates = await _bounded(
        reader.select(
            sa.select(columns.id, columns.workflow, columns.workflow_version)
            .where(*narrowed.conditions(await reader.now(), catalogue.key_rules))
            .order_by(columns.id)
            .limit(MOST_REPLAYED + 1)
        )
    )
    unchanged = await _as_they_were(reader, catalogue, candidates, moment)
    pasts, _ = await past_of(reader, catalogue, _without(candidates, unchanged), moment)
    marks = await marks_for(reader, catalogue, pasts, moment)
    place = _place(cursor) if cursor else None
    counts: Counter[str] = Counter()
    worth: dict[str, Decimal] = {}
    rows: dict[UUID, Row] = {}
    told = [
        (UUID(bytes=past.part.id), past_row(past, catalogue, marks, moment))
        for past in pasts
        if asked.key is None or _carries(past, asked.key, catalogue.key_rules)
    ]
    for id_, row in [*unchanged.items(), *told]:
        if asked.verdict and row["verdict"] not in asked.verdict:
            continue
        counts[row["verdict"]] += 1
        if row["value"] is not None:
            currency = row["value"]["currency"]
            worth[currency] = worth.get(currency, Decimal()) + Decimal(str(row["value"]["amount"]))
        if place is None or id_ < place:
            rows[id_] = row
    return _page(rows, limit, counts, amounts(worth))


async def _as_they_were(reader: Reader, catalogue: Catalogue, workflows: Workflows, moment: Moment) -> dict[UUID, Row]:
    """Those that cannot be replayed, for the log has lost some of their events, and need not be: they have not changed.

    As lists show them. They had finished by the moment, and a verdict that is final is the same at any time.
    """
    times = (moment.as_of, moment.known_at)
    as_of, known_at = (None if at is None else to_datetime(at) for at in times)
    rows = await reader.all("as_they_were", {"ids": list(workflows), "as_of": as_of, "known_at": known_at})
    return {row["id"]: instance_row(row, catalogue, {}, to_datetime(moment.judged_at)) for row in rows}


def _without(workflows: Workflows, others: Container[UUID]) -> Workflows:
    return {id_: known for id_, known in workflows.items() if id_ not in others}


async def _bounded(reading: Awaitable[list[Row]]) -> Workflows:
    found = _workflows(await reading)
    if len(found) > MOST_REPLAYED:
        raise Unanswerable(
            f"more than {MOST_REPLAYED:,} instances would have to be made of their events again; {_NARROW}"
        )
    return found


def _workflows(rows: Iterable[Row]) -> Workflows:
    return {row["id"]: (row["workflow"], row["workflow_version"]) for row in rows}


def _heard_after(micros: int) -> UUID:
    """An id that is greater than those of all instances that were first heard of up to an instant."""
    return UUID(bytes=(max(0, micros) // 1000 + 1).to_bytes(6, "big") + bytes(10))


def _carries(past: Past, key: str, rules: list[KeyRule]) -> bool:
    namespace, equals, value = key.partition("=")
    wanted = spellings((rule for rule in rules if not equals or rule.namespace == namespace), value if equals else key)
    carried = (split_key(word) for word in past.progress.keys)
    return any((not equals or name == namespace) and spelled in wanted for name, spelled in carried)


def _page(rows: dict[UUID, Row], limit: int, counts: Counter[str], value: list[Row] | None) -> Row:
    ids = sorted(rows, reverse=True)
    return {
        "items": [rows[id_] for id_ in ids[:limit]],
        "next_cursor": str(ids[limit - 1]) if len(ids) > limit else None,
        "total": counts.total(),
        "counts": dict(sorted(counts.items())),
        "value": value,
    }
