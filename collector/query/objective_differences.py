"""Why an objective misses: what the instances with a bad item have in common that those with a good one have not.

Whether an item was bad is counted again, by the function that fills the buckets, as in the list behind the number.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.counted_items import conditions_on, versions_of
from collector.query.differences import EDGES, MOST_ITEMS, Attributed, Counts, both_of, spell_band, told_difference
from collector.query.instances import BadQuery, definition_of, stored_progress
from collector.query.moments import Unanswerable, span_of
from collector.query.objectives import group_asked, named, whole_buckets
from collector.query.reader import Reader, Row, rfc3339
from collector.query.sources import load_marks
from collector.store.tables import instance
from slo_rules.buckets import BUCKET
from slo_rules.contributors import ItemCounting, items_of
from slo_rules.differences import Attribute, differences
from slo_rules.instants import to_micros
from slo_rules.item import Item, Outcome
from slo_rules.progress import Progress
from slo_rules.reckoning import Asked, missing
from slo_rules.windows import began
from slo_rules.workflow import Workflow

MOST_READ = 20_000
"""Instances that may have a bad item which are read for one answer, the newest first, and as many of all others."""
_COLUMNS = (
    instance.c.id,
    instance.c.workflow,
    instance.c.workflow_version,
    instance.c.progress,
    instance.c.started_at,
    instance.c.value_amount,
    instance.c.value_currency,
)
_NAMES = tuple(column.name for column in _COLUMNS)


class _Half:
    """What was counted of the instances with a bad item, or of those with good ones alone."""

    def __init__(self) -> None:
        self.count = 0
        self.unread: list[tuple[Any, ...]] = []
        self.attributed = Attributed()
        self.fields: defaultdict[str, Counts] = defaultdict(Counts)

    def take(self, row: Row, workflow: Workflow) -> None:
        self.count += 1
        self.unread.append((row["workflow"], row["workflow_version"], row["progress"]))
        self.fields["workflow_version"][f"{row['workflow']} {row['workflow_version']}"] += 1
        self.fields["started_hour"][row["started_at"].hour] += 1
        if workflow.amount:
            amount = row["value_amount"]
            place = None if amount is None else bisect_right(EDGES, amount)
            self.fields["value_band"][spell_band(place, row["value_currency"])] += 1


class _Sorting:
    """Tells the instances apart that rows are of, each once."""

    def __init__(self, catalogue: Catalogue, asked: Asked) -> None:
        self.bad, self.good = _Half(), _Half()
        self._catalogue, self._asked, self._counting = catalogue, asked, ItemCounting(asked)
        self._seen: set[UUID] = set()

    def take(self, rows: Sequence[tuple[Any, ...]]) -> None:
        for one in rows:
            row = dict(zip(_NAMES, one, strict=True))
            if row["id"] in self._seen:
                continue
            self._seen.add(row["id"])
            workflow = definition_of(row, self._catalogue)
            progress = stored_progress(row)
            half = None if progress is None else self._half(progress, workflow)
            if half is not None:
                half.take(row, workflow)
        for half in (self.bad, self.good):
            half.attributed.take(half.unread)
            half.unread = []

    def _half(self, progress: Progress, workflow: Workflow) -> _Half | None:
        objective, half = self._asked.objective, None
        for item in items_of(objective, progress, workflow):
            counted = self._counting.of(item)
            outcome = self._not_stale(item) if counted is None else counted.as_
            if outcome is Outcome.BAD or (outcome is Outcome.GOOD and half is None):
                if self._asked.group and objective.group_of(progress.attributes) != self._asked.group:
                    return None
                half = self.bad if outcome is Outcome.BAD else half or self.good
        return half

    def _not_stale(self, item: Item) -> Outcome | None:
        """Of freshness only what is bad is an item that counts; what fell into the time and is not, is good."""
        of_freshness = self._asked.objective.kind == "freshness" and item.outcome is Outcome.GOOD
        return Outcome.GOOD if of_freshness and self._asked.since <= item.at < self._asked.until else None


async def objective_differences(
    reader: Reader,
    catalogue: Catalogue,
    name: str,
    *,
    since: str | None,
    until: str | None,
    group: Sequence[str],
    limit: int,
) -> Row | None:
    """What sets the instances with a bad item apart, in the present window or another time; None: no such objective.

    An objective of volume or about a source is about no instances: `items` is empty and `bad` counts none. Raises
    BadQuery and Unanswerable.
    """
    objective = named(catalogue, name)
    if objective is None:
        return None
    now = await reader.now()
    begins, ends = span_of(since, until, now)
    if not 1 <= limit <= MOST_ITEMS:
        raise BadQuery(f"limit: must be from 1 to {MOST_ITEMS}")
    of_group, last = group_asked(objective, group), whole_buckets(to_micros(now))
    end = last if ends is None else min(-(-ends // BUCKET) * BUCKET, last)
    begin = began(objective.window, end) if begins is None else whole_buckets(begins)
    if begin >= end:
        raise BadQuery("since: must be before until, by five minutes at least")
    workflow = catalogue.current.get(objective.workflow)
    gap = missing(objective, workflow, await load_marks(reader, catalogue), to_micros(now))
    asked = Asked(objective, begin, end, of_group, gap.since if gap else None)
    sorting = _Sorting(catalogue, asked)
    if objective.volume is None and not objective.source:
        versions = versions_of(catalogue, objective.workflow)
        try:
            # First what may be bad, which is little and has to be whole; then whatever is newest beside it.
            for wanted in (Outcome.BAD, None):
                newest = sa.select(*_COLUMNS).where(*conditions_on(asked, versions, wanted))
                await reader.feed(newest.order_by(instance.c.id.desc()).limit(MOST_READ), sorting.take)
        except psycopg.errors.QueryCanceled as error:
            raise Unanswerable("there are too many instances to compare in time; narrow the question") from error
    told = await asyncio.to_thread(_answer, catalogue, sorting.bad, sorting.good, limit)
    return {"name": objective.name, "since": rfc3339(begin), "until": rfc3339(end), **told}


def _answer(catalogue: Catalogue, bad: _Half, good: _Half, limit: int) -> Row:
    kinds = {
        "instance": both_of(bad.fields, good.fields, ()),
        "attribute": both_of(bad.attributed.counts(catalogue), good.attributed.counts(catalogue), ()),
    }
    found = differences(
        Attribute(f"{kind}/{name}", *counts) for kind, pairs in kinds.items() for name, counts in sorted(pairs.items())
    )
    return {
        "bad": {"count": bad.count},
        "rest": {"count": good.count},
        "looked_at": found.looked_at,
        "total": len(found.found),
        "items": [told_difference(one, catalogue) for one in found.found[:limit]],
    }
