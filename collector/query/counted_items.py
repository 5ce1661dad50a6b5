"""Finds the items that an objective counted in a span of time, and says what they were counted as.

Nothing of this is stored. The instances that may have such an item are read and counted again, by the function that
fills the buckets, so that the list and the number cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.instances import definition_of, stored_progress
from collector.query.objectives import number
from collector.query.reader import Reader, Row, money, rfc3339
from collector.store.tables import OPEN_VERDICTS, instance
from slo_rules.arithmetic import arithmetic_of_item
from slo_rules.calendars import Calendar
from slo_rules.contribution import Contributions, add, contributions, worth
from slo_rules.contributors import (
    Counted,
    ItemCounting,
    LeftOut,
    items_of,
    settled_by_completion,
    stale,
)
from slo_rules.durations import SECOND
from slo_rules.exclusions import Span
from slo_rules.filters import spell
from slo_rules.identity import spellings
from slo_rules.instants import to_datetime
from slo_rules.item import Item, Outcome
from slo_rules.objective import Objective, values_of
from slo_rules.progress import Progress, Scalar
from slo_rules.reckoning import Asked
from slo_rules.workflow import Workflow

_COLUMNS = (instance.c.id, instance.c.workflow, instance.c.workflow_version, instance.c.progress)
_NAMES = tuple(column.name for column in _COLUMNS)
_EARLIEST = 2**63
ENTRY = 8 + 16 + 4
MOST_WHERE, _LONGEST = 5, 500
Entry = bytes
"""The place of an item in a list: when it was due, its instance, and its number among those of the instance."""
Where = Sequence[tuple[str, str]]
"""Attributes or keys and their values, of which an instance must have each."""


@dataclass(slots=True)
class Found:
    """Items in the order in which they were due. `total` counts those that count, `left_out` those that do not.

    `values` is what those that count are worth, by currency. Beyond `most` entries only the first are kept.
    """

    most: int | None = None
    entries: list[Entry] = field(default_factory=list)
    total: int = 0
    left_out: int = 0
    values: dict[str, Decimal] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Keep it where it is among the first."""
        self.entries.append(entry)
        if self.most is not None and len(self.entries) > 4 * self.most + 1_000:
            self.close()

    def close(self) -> None:
        """Put what is kept in order."""
        self.entries.sort()
        if self.most is not None:
            del self.entries[self.most :]


async def find(
    reader: Reader,
    catalogue: Catalogue,
    asked: Asked,
    wanted: Outcome,
    *,
    where: Where = (),
    after: Entry | None = None,
    most: int | None = None,
) -> Found:
    """The items that are `wanted`, or count as that. Of volume there are none."""
    found, counting, objective = Found(most), ItemCounting(asked), asked.objective

    def take(rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            id_, progress, workflow = _read(row, catalogue)
            if progress is None:
                continue
            if where and not carries(progress, workflow, where):
                continue
            attributes: Mapping[str, Scalar] | None = None
            for place, item in enumerate(items_of(objective, progress, workflow)):
                counted = counting.of(item)
                if counted is None or wanted not in (item.outcome, counted.as_):
                    continue
                if attributes is None:
                    attributes = progress.attributes
                if asked.group and objective.group_of(attributes) != asked.group:
                    break
                if counted.as_ is wanted:
                    found.total += item.stands_for
                    if (money_of := worth(attributes)) is not None:
                        amount, currency = money_of
                        found.values[currency] = found.values.get(currency, Decimal()) + amount
                else:
                    found.left_out += item.stands_for
                entry = entry_of(item.at, id_, place)
                if after is None or entry > after:
                    found.add(entry)

    conditions = conditions_on(asked, versions_of(catalogue, objective.workflow), wanted)
    await reader.feed(sa.select(*_COLUMNS).where(*conditions), take)
    found.close()
    return found


async def told_of(reader: Reader, catalogue: Catalogue, asked: Asked, entries: Sequence[Entry], now: int) -> list[Row]:
    """What there is to say of items, in their order; without those that are no more."""
    counting = ItemCounting(asked)
    ids = {UUID(bytes=entry[8:24]) for entry in entries}
    rows = {row["id"].bytes: row for row in await reader.select(sa.select(instance).where(instance.c.id.in_(ids)))}
    found = []
    for entry in entries:
        row = rows.get(entry[8:24])
        if row is None:
            continue
        progress, workflow = stored_progress(row), definition_of(row, catalogue)
        if progress is None:
            continue
        items = items_of(asked.objective, progress, workflow)
        place = int.from_bytes(entry[24:])
        if place < len(items) and (counted := counting.of(items[place])) is not None:
            found.append(_told(row, progress, workflow, asked, items[place], counted, now))
    return found


async def contributed_where(reader: Reader, catalogue: Catalogue, asked: Asked, where: Where) -> Contributions:
    """All that the instances that have these attributes or keys contribute to an objective, by which it is reckoned."""
    total: Contributions = {}

    def take(rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            _, progress, workflow = _read(row, catalogue)
            if progress is not None and carries(progress, workflow, where):
                add(total, contributions(progress, workflow, (asked.objective,)), 1)

    conditions = conditions_on(asked, versions_of(catalogue, asked.objective.workflow), None)
    await reader.feed(sa.select(*_COLUMNS).where(*conditions), take)
    return total


def _read(row: tuple[Any, ...], catalogue: Catalogue) -> tuple[bytes, Progress | None, Workflow]:
    named_row = dict(zip(_NAMES, row, strict=True))
    return row[0].bytes, stored_progress(named_row), definition_of(named_row, catalogue)


def versions_of(catalogue: Catalogue, workflow: str) -> list[Workflow]:
    """All versions of a workflow."""
    return [version.workflow for (name, _), version in catalogue.versions.items() if name == workflow]


def conditions_on(asked: Asked, versions: Iterable[Workflow], wanted: Outcome | None) -> list[sa.ColumnElement[bool]]:
    """What every instance meets that has such an item: each condition is left out where it is not certain.

    An instance's `updated_at` is the time of its last event, and `started_at` that of its first starting milestone.
    """
    objective, columns = asked.objective, instance.c
    workflows = list(versions)
    since, until = to_datetime(asked.since), to_datetime(asked.until)
    found: list[sa.ColumnElement[bool]] = [columns.workflow == objective.workflow]
    # A clock that starts with a starting milestone starts no earlier than the instance, and nothing is due before.
    starts = objective.end if objective.kind == "volume" else objective.start
    if starts and all(starts in one.starting for one in workflows if starts in one.by_name):
        found.append(columns.started_at < until)
    if objective.kind == "success":
        # It counts where an event ended it, which is not after its last event.
        found.append(columns.updated_at >= since)
    around_the_clock = objective.calendar is None and not any(one.pauses_on for one in workflows)
    if objective.kind == "latency" and around_the_clock:
        # It is due that long after an event.
        found.append(columns.updated_at >= to_datetime(asked.since - objective.within))
    if wanted in (Outcome.BAD, Outcome.WAIVED) and all(settled_by_completion(objective, one) for one in workflows):
        # What came too late came after it was due; what has not come leaves the instance open.
        found.append(sa.or_(columns.verdict.in_(OPEN_VERDICTS), columns.updated_at >= since))
    return found


def where_of(name: str, texts: Sequence[str], faults: list[str]) -> Where:
    """What a repeated parameter says of attributes and keys; what is no `name=value` is another fault."""
    found = []
    if len(texts) > MOST_WHERE:
        faults.append(f"{name}: at most {MOST_WHERE}")
    for text in texts[:MOST_WHERE]:
        attribute, equals, value = text.partition("=")
        if not (attribute and equals and value) or len(text) > _LONGEST or "\x00" in text:
            faults.append(f"{name}: must be name=value of an attribute or key, of at most {_LONGEST} characters")
        else:
            found.append((attribute, value))
    return tuple(sorted(found))


def carries(progress: Progress, workflow: Workflow, where: Where) -> bool:
    """Whether an instance has each of the attributes or keys, in whatever spelling."""
    attributes = progress.attributes
    return all(
        (name in workflow.attributes and spell(attributes.get(name)) == value)
        or any(f"{name}={one}" in progress.keys for one in _spelled(workflow, name, value))
        for name, value in where
    )


def _spelled(workflow: Workflow, namespace: str, value: str) -> list[str]:
    return list(spellings((rule for rule in workflow.keys if rule.namespace == namespace), value))


def _told(
    row: Row, progress: Progress, workflow: Workflow, asked: Asked, item: Item, counted: Counted, now: int
) -> Row:
    objective, attributes = asked.objective, progress.attributes
    milestone = workflow.by_name.get(item.milestone or objective.end)
    late, open_ = _lateness(progress, workflow, objective, item, now)
    waiver = progress.waiver if item.outcome is Outcome.WAIVED else None
    group = zip(objective.group_by, values_of(objective.group_of(attributes)), strict=True)
    return {
        "id": str(row["id"]),
        "workflow": row["workflow"],
        "workflow_version": row["workflow_version"],
        "title": row["title"],
        "keys": [dict(zip(("namespace", "value"), key.split("=", 1), strict=True)) for key in sorted(progress.keys)],
        "verdict": row["verdict"],
        "milestone": milestone.name if milestone else None,
        "milestone_title": milestone.title if milestone else None,
        "part": item.part,
        "due_at": rfc3339(item.at),
        "arrived_at": rfc3339(item.arrival),
        "late_seconds": None if late is None else number(late / SECOND),
        "late_open_seconds": None if open_ is None else number(open_ / SECOND),
        "outcome": item.outcome,
        "counts_as": counted.as_,
        "left_out": counted.left_out,
        "arithmetic": arithmetic_of_item(item, progress, workflow, now),
        "exclusions": reasons(objective, _time_of(item, asked), counted.left_out),
        "stands_for": item.stands_for,
        "group": dict(group) if objective.group_by else None,
        "value": money(row["value_currency"], row["value_amount"]),
        "waiver": None
        if waiver is None
        else {
            "by": waiver.by,
            "reason": waiver.reason,
            "at": rfc3339(waiver.at),
            "until": rfc3339(waiver.until),
        },
    }


def _lateness(
    progress: Progress, workflow: Workflow, objective: Objective, item: Item, now: int
) -> tuple[int | None, int | None]:
    """By how much it came, or is by now, too late (micros): by the clock, and of that the time in which it counts.

    The second is None where no calendar counts; both are where it was not late, or nothing was due.
    """
    if objective.kind == "success" or item.outcome in (Outcome.GOOD, Outcome.CANCELLED):
        return None, None
    end = max(item.at, now) if item.arrival is None else item.arrival
    calendar: Calendar | None = objective.open_hours
    if item.milestone:
        deadline = workflow.by_name[item.milestone].deadline
        name = None if deadline is None else deadline.terms(progress.attributes).calendar
        calendar = None if name is None else workflow.prepared_calendars[name]
    return end - item.at, None if calendar is None else calendar.between(item.at, end)


def _time_of(item: Item, asked: Asked) -> Span:
    """The time in which an item counts."""
    if asked.objective.kind != "freshness":
        return item.at, item.at + 1
    begin, end = stale(item)
    return max(begin, asked.since), min(end, asked.until)


def reasons(objective: Objective, span: Span, left_out: LeftOut | None) -> list[str]:
    """Why a time was excluded, if it is left out because of that."""
    return [one.reason for one in objective.exclude if one.within(*span)] if left_out is LeftOut.EXCLUDED else []


def entry_of(at: int, id_: bytes, place: int) -> Entry:
    """The place of the item of this number among those of an instance."""
    return (at + _EARLIEST).to_bytes(8) + id_ + place.to_bytes(4)
