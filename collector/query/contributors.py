"""The items behind a number, a page at a time: what an objective counted in a span of time, and as what."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from collector.catalogue import Catalogue
from collector.query.counted_items import ENTRY, Entry, entry_of, find, reasons, told_of, where_of
from collector.query.instances import MAX_LIMIT, BadQuery
from collector.query.moments import instant_of
from collector.query.objectives import expected, group_asked, named, whole_buckets
from collector.query.reader import Reader, Row, amounts, rfc3339
from collector.query.reckoning import staleness_of, volume_of
from collector.query.sources import load_marks
from slo_rules.buckets import BUCKET
from slo_rules.contribution import promise_name
from slo_rules.contributors import (
    Counted,
    ItemCounting,
    LeftOut,
    promise_of,
)
from slo_rules.instants import to_micros
from slo_rules.item import Outcome
from slo_rules.objective import ALL, Objective, values_of
from slo_rules.reckoning import Asked, Silence, Slice, missing, silences_of, slices_of_volume
from slo_rules.windows import began


async def contributors(
    reader: Reader,
    catalogue: Catalogue,
    name: str,
    *,
    since: str | None,
    until: str | None,
    outcome: str,
    group: Sequence[str],
    where: Sequence[str],
    cursor: str | None,
    limit: int,
) -> Row | None:
    """A page of what an objective counted; None when there is none of this name. Raises BadQuery."""
    objective = objective_or_promise(catalogue, name)
    if objective is None:
        return None
    now = await reader.now()
    at = to_micros(now)
    faults: list[str] = []
    begins, ends = instant_of("since", since, now, faults), instant_of("until", until, now, faults)
    last = whole_buckets(at)
    end = last if ends is None else min(-(-ends // BUCKET) * BUCKET, last)
    begin = 0 if end <= 0 else began(objective.window, end) if begins is None else whole_buckets(begins)
    if begin < 0 or end <= 0:
        faults.append(f"{'until' if end <= 0 else 'since'}: must be after 1970")
    elif not faults and begin >= end:
        faults.append("since: must be before until, by five minutes at least")
    allowed = outcomes_of(objective)
    if outcome not in allowed:
        faults.append(f"outcome: must be {' or '.join(allowed)}")
    if not 1 <= limit <= MAX_LIMIT:
        faults.append(f"limit: must be from 1 to {MAX_LIMIT}")
    after = _after(cursor, faults)
    of_where = where_of("where", where, faults)
    if of_where and (objective.volume is not None or objective.source):
        faults.append("where: an objective of volume or about a source counts no instances")
    of_group = ALL
    try:
        of_group = group_asked(objective, group)
    except BadQuery as error:
        faults += error.faults
    if faults:
        raise BadQuery(*faults)
    gap = missing(objective, catalogue.current.get(objective.workflow), await load_marks(reader, catalogue), at)
    asked = Asked(objective, begin, end, of_group, gap.since if gap else None)
    wanted = Outcome(outcome)
    if objective.volume is not None or objective.source:
        told, more, total, left_out = await _page_of_times(reader, asked, wanted, after, limit)
        page: Row = {"items": told, "next_cursor": more, "total": total, "left_out": left_out, "values": []}
    else:
        found = await find(reader, catalogue, asked, wanted, where=of_where, after=after, most=limit + 1)
        entries = found.entries[:limit]
        page = {
            "items": await told_of(reader, catalogue, asked, entries, at),
            "next_cursor": _cursor(entries[-1]) if len(found.entries) > limit else None,
            "total": found.total,
            "left_out": found.left_out,
            "values": amounts(found.values),
        }
    return {
        "name": objective.name,
        "title": objective.title,
        "workflow": objective.workflow,
        "kind": objective.kind,
        "since": rfc3339(begin),
        "until": rfc3339(end),
        "outcome": outcome,
        "group": dict(zip(objective.group_by, values_of(of_group), strict=True)) if of_group else None,
        "where": [{"name": attribute, "value": value} for attribute, value in of_where],
        "listed": listed_by(objective),
        **page,
    }


def objective_or_promise(catalogue: Catalogue, name: str) -> Objective | None:
    """The objective of this name, or the promise of a workflow by `workflow:NAME`."""
    found = named(catalogue, name)
    if found is not None:
        return found
    return next((promise_of(one) for one in catalogue.current.values() if promise_name(one.name) == name), None)


def listed_by(objective: Objective) -> str:
    """What is listed: items, the stale changes of freshness, the silences of a source, or the slices of volume."""
    if objective.source:
        return "silences"
    return {"freshness": "changes", "volume": "slices"}.get(objective.kind, "items")


def outcomes_of(objective: Objective) -> tuple[str, ...]:
    """What can be listed: slices in which nothing was stale have nothing behind them."""
    if objective.kind == "freshness":
        return (Outcome.BAD.value,)
    if objective.kind == "volume":
        return Outcome.BAD.value, Outcome.GOOD.value
    return tuple(Outcome)


async def _page_of_times(
    reader: Reader, asked: Asked, wanted: Outcome, after: Entry | None, limit: int
) -> tuple[list[Row], str | None, int, int]:
    found = [(entry_of(one.since, bytes(16), 0), one, counted) for one, counted in await times(reader, asked, wanted)]
    total = sum(counted.as_ is wanted for _, _, counted in found)
    page = [one for one in found if after is None or one[0] > after]
    told = [told_of_time(asked.objective, one, counted) for _, one, counted in page[:limit]]
    return told, _cursor(page[limit - 1][0]) if len(page) > limit else None, total, len(found) - total


async def times(reader: Reader, asked: Asked, wanted: Outcome) -> Sequence[tuple[Slice | Silence, Counted]]:
    """The slices of volume, or the silences of a source, that are `wanted` or count as that, in order."""
    if not asked.objective.source:
        of_volume = await volume_of(reader, asked)
        return [] if of_volume is None else wanted_slices(asked, of_volume[1], of_volume[0], wanted)
    of_source = await staleness_of(reader, asked)
    if of_source is None or wanted is not Outcome.BAD:
        return []
    begins, staleness = of_source
    return [
        (one, Counted(None, LeftOut.EXCLUDED) if one.excluded else Counted(Outcome.BAD))
        for one in silences_of(asked, staleness, begins)
    ]


def wanted_slices(
    asked: Asked, reached: Sequence[tuple[int, int]], begins: int, wanted: Outcome
) -> list[tuple[Slice, Counted]]:
    """Those of these slices that are `wanted` or count as that."""
    counting = ItemCounting(asked)
    found = []
    for one in slices_of_volume(asked, reached, begins):
        outcome = Outcome.BAD if one.bad else Outcome.GOOD
        left_out = LeftOut.EXCLUDED if one.excluded else LeftOut.MISSING if one.missing else None
        counted = counting.counted(outcome, left_out)
        if wanted in (outcome, counted.as_):
            found.append((one, counted))
    return found


def told_of_time(objective: Objective, one: Slice | Silence, counted: Counted) -> Row:
    """How much came in a slice or during a silence, and how much should have; a silence is of many `slices`."""
    volume = objective.volume
    return {
        "since": rfc3339(one.since),
        "until": rfc3339(one.until),
        "items": one.items,
        "expected": expected(objective),
        "at_least": volume.at_least if volume else None,
        "at_most": volume.at_most if volume else None,
        "slices": one.slices,
        "outcome": Outcome.BAD if one.bad else Outcome.GOOD,
        "counts_as": counted.as_,
        "left_out": counted.left_out,
        "exclusions": reasons(objective, (one.since, one.until), counted.left_out),
    }


def _cursor(entry: Entry) -> str:
    """The place after an item, opaque to clients."""
    return base64.urlsafe_b64encode(entry).decode()


def _after(cursor: str | None, faults: list[str]) -> Entry | None:
    if cursor is None:
        return None
    try:
        entry = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        entry = b""
    if len(entry) != ENTRY:
        faults.append("cursor: not one of ours")
        return None
    return entry
