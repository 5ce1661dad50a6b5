"""Instances: lists with filters, and how a row becomes the instance of the API."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row, amounts, money, rfc3339
from collector.store.handling_tables import instance_handling
from collector.store.tables import instance, instance_key, instance_merge
from slo_rules.explain import explain
from slo_rules.identity import Key, spellings, split_key
from slo_rules.instants import to_micros
from slo_rules.judgement import Marks, Reason, Verdict, VerdictKind
from slo_rules.judging import beneath
from slo_rules.progress import Progress
from slo_rules.standing import standing
from slo_rules.workflow import AMOUNT, CURRENCY, KeyRule, Workflow

MAX_LIMIT = 500
BEFORE_DEADLINE = (VerdictKind.ON_TRACK, VerdictKind.DUE_SOON)
SORTS: dict[str, sa.ColumnElement[Any]] = {
    "deadline_at": instance.c.deadline_at,
    "stuck_since": instance.c.stuck_since,
    "value": instance.c.value_amount,
    "updated_at": instance.c.updated_at,
    "started_at": instance.c.started_at,
    "title": instance.c.title,
}
CHANCE = "chance"
"""The sort that is no column: by the chance that the next deadline is missed."""
LONGEST_AHEAD = 31 * 86_400
"""Seconds: what is due later is not soon."""
NOBODY = "nobody"
"""As who handles an instance: those that nobody was assigned to."""
_decode_progress = msgspec.msgpack.Decoder(Progress).decode


class BadQuery(ValueError):
    """A question that cannot be asked so; each fault says which parameter, a colon, and why."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which instances; every field that is given must hold."""

    workflow: str | None = None
    domain: str | None = None
    verdict: tuple[str, ...] = ()
    owner: str | None = None
    source_awaited: str | None = None
    waiting_for: str | None = None
    reason: str | None = None
    key: str | None = None
    q: str | None = None
    min_age_seconds: float | None = None
    min_value: float | None = None
    due_within_seconds: float | None = None
    assigned_to: str | None = None
    acknowledged: bool | None = None

    def faults(self, now: datetime) -> list[str]:
        """Everything in it that cannot be asked so."""
        faults: list[str] = []
        for name in self.__slots__:
            try:
                InstanceFilter(**{name: getattr(self, name)}).conditions(now, [])
            except BadQuery as error:
                faults += error.faults
        return faults

    def conditions(
        self, now: datetime, rules: list[KeyRule], names: Sequence[Key] = ()
    ) -> list[sa.ColumnElement[bool]]:
        """The conditions on `instance`; `names` are other keys of what `key` names. Raises BadQuery."""
        columns = instance.c
        found: list[sa.ColumnElement[bool]] = []
        for name in ("workflow", "domain", "owner", "source_awaited", "waiting_for", "reason"):
            value = getattr(self, name)
            if value is not None:
                found.append(columns[name] == _plain(name, value))
        if self.verdict:
            for verdict in self.verdict:
                if verdict not in set(VerdictKind):
                    raise BadQuery(f"verdict: {verdict[:40]!r} is none of {', '.join(VerdictKind)}")
            found.append(columns.verdict.in_(self.verdict))
        if self.key is not None:
            found.append(columns.id.in_(_with_key(_plain("key", self.key), rules, names)))
        if self.q:
            found.append(_with_words(_plain("q", self.q)))
        if self.min_age_seconds is not None:
            if not 0 <= self.min_age_seconds < 1e10:
                raise BadQuery("min_age_seconds: must be a number of seconds")
            since = sa.func.coalesce(columns.stuck_since, columns.started_at)
            found.append(since <= now - timedelta(seconds=self.min_age_seconds))
        if self.min_value is not None:
            if not abs(self.min_value) < 1e15:
                raise BadQuery("min_value: must be an amount")
            found.append(columns.value_amount >= self.min_value)
        if self.due_within_seconds is not None:
            if not 0 < self.due_within_seconds <= LONGEST_AHEAD:
                raise BadQuery(f"due_within_seconds: must be more than 0 and at most {LONGEST_AHEAD}")
            until = now + timedelta(seconds=self.due_within_seconds)
            # How long the start of an orphan is waited for is no deadline of a milestone.
            found += [columns.verdict.in_(BEFORE_DEADLINE), columns.reason != Reason.AWAITING_START]
            found.append(sa.and_(columns.deadline_at > now, columns.deadline_at <= until))
        if self.assigned_to is not None:
            found.append(_assigned(_plain("assigned_to", self.assigned_to)))
        if self.acknowledged is not None:
            found.append(_acknowledged(self.acknowledged))
        return found


def _plain(name: str, value: str) -> str:
    if "\x00" in value or len(value) > 500:
        raise BadQuery(f"{name}: at most 500 characters without NUL")
    return value


def _with_key(key: str, rules: list[KeyRule], names: Sequence[Key]) -> sa.CompoundSelect[tuple[UUID]]:
    """By `namespace=value` or the value alone, in any spelling that the rules know, or by any of the other keys."""
    namespace, equals, value = key.partition("=")
    columns = instance_key.c
    if equals:
        spelled = spellings((rule for rule in rules if rule.namespace == namespace), value)
        asked = sa.and_(columns.namespace == namespace, columns.value.in_(spelled))
    else:
        asked = columns.value.in_(spellings(rules, key))
    others = [sa.and_(columns.namespace == name, columns.value == value) for name, value in map(split_key, names)]
    return _carrying(sa.or_(asked, *others))


def _carrying(condition: sa.ColumnElement[bool]) -> sa.CompoundSelect[tuple[UUID]]:
    """The instances with such a key. Joining and other keys have an index each, which OR would not use."""
    found = sa.select(instance_key.c.instance_id).where(condition)
    return sa.union_all(found.where(instance_key.c.joins), found.where(~instance_key.c.joins))


def _with_words(text: str) -> sa.ColumnElement[bool]:
    """Every word somewhere in title or attributes, or the whole as the beginning of a key."""
    words = [instance.c.words.contains(word, autoescape=True) for word in text.lower().split()[:8]]
    by_key = _carrying(instance_key.c.value.startswith(text.strip(), autoescape=True))
    return sa.or_(sa.and_(sa.true(), *words), instance.c.id.in_(by_key))


_HANDLED = instance_handling.outerjoin(instance_merge, instance_merge.c.merged_id == instance_handling.c.instance_id)
_HANDLED_ID = sa.func.coalesce(instance_merge.c.instance_id, instance_handling.c.instance_id)


def _assigned(name: str) -> sa.ColumnElement[bool]:
    """Who handles it, also where that was said of an instance that was merged into this one."""
    assigned = instance_handling.c.assigned_to
    ids = sa.select(_HANDLED_ID).select_from(_HANDLED)
    if name == NOBODY:
        return instance.c.id.not_in(ids.where(assigned.is_not(None)))
    return instance.c.id.in_(ids.where(assigned == name))


def _acknowledged(wanted: bool) -> sa.ColumnElement[bool]:
    """Whether somebody has seen it as it stands now: with this verdict, waiting for this milestone."""
    said = instance_handling.c
    # All of it stands in the index of what is open.
    stands = sa.tuple_(instance.c.id, instance.c.verdict, sa.func.coalesce(instance.c.waiting_for, ""))
    seen = (
        sa.select(_HANDLED_ID, said.acknowledged_verdict, sa.func.coalesce(said.acknowledged_waiting_for, ""))
        .select_from(_HANDLED)
        .where(said.acknowledged_verdict.is_not(None))
    )
    return stands.in_(seen) if wanted else stands.not_in(seen)


async def list_instances(
    reader: Reader,
    catalogue: Catalogue,
    marks: Marks,
    asked: InstanceFilter,
    names: Sequence[Key],
    *,
    sort: str,
    cursor: str | None,
    limit: int,
    offset: int | None,
) -> Row:
    """A page of instances with the totals of the whole filter; `names` are other keys of the one asked for.

    Raises BadQuery.
    """
    now = await reader.now()
    conditions = asked.conditions(now, catalogue.key_rules, names)
    column, descending = _sort(sort)
    check_page(limit, offset)
    order = order_of(sort)
    # Which they are, the index of what is open says alone; only of these is the rest looked up.
    page = sa.select(instance.c.id).where(*conditions)
    if cursor:
        page = page.where(_after(column, descending, sort, cursor))
    page = page.order_by(*order).limit(limit + 1).offset(offset or 0)
    rows = await reader.select(sa.select(instance).where(instance.c.id.in_(page)).order_by(*order))
    more = len(rows) > limit
    rows = rows[:limit]
    total, value = await totals_of(reader, conditions)
    return {
        "items": [instance_row(row, catalogue, marks, now) for row in rows],
        "next_cursor": _cursor(sort, rows[-1]) if more else None,
        "total": total,
        "value": value,
    }


def check_page(limit: int, offset: int | None) -> None:
    """Raises BadQuery where a page cannot be asked for so."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadQuery(f"limit: must be from 1 to {MAX_LIMIT}")
    if offset is not None and not 0 <= offset < 10**9:
        raise BadQuery("offset: must not be negative")


async def totals_of(reader: Reader, conditions: Sequence[sa.ColumnElement[bool]]) -> tuple[int, list[Row]]:
    """How many instances these conditions find, and what they are worth."""
    totals = await reader.select(
        sa.select(
            instance.c.value_currency,
            sa.func.count().label("count"),
            sa.func.sum(instance.c.value_amount).label("amount"),
        )
        .where(*conditions)
        .group_by(instance.c.value_currency)
    )
    value: dict[str, Decimal] = {}
    for row in totals:
        if row["amount"] is not None:
            value[row["value_currency"] or ""] = row["amount"]
    return sum(row["count"] for row in totals), amounts(value)


def _sort(sort: str) -> tuple[sa.ColumnElement[Any], bool]:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise BadQuery(f"sort: {name[:40]!r} is none of {', '.join((*SORTS, CHANCE))}")
    return SORTS[name], sort.startswith("-")


def order_of(sort: str) -> tuple[sa.ColumnElement[Any], ...]:
    """The order that a sort asks for, with those that have no such value last. Raises BadQuery."""
    column, descending = _sort(sort)
    return (column.desc() if descending else column.asc()).nulls_last(), instance.c.id


def _cursor(sort: str, row: Row) -> str:
    """The place after this row: opaque to clients, bound to the sort it was made for."""
    value = row[SORTS[sort.removeprefix("-")].key or ""]
    spelled = value.isoformat() if isinstance(value, datetime) else None if value is None else str(value)
    return base64.urlsafe_b64encode(msgspec.json.encode([sort, spelled, str(row["id"])])).decode()


def _after(column: sa.ColumnElement[Any], descending: bool, sort: str, cursor: str) -> sa.ColumnElement[bool]:
    try:
        made_for, spelled, id_ = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor), type=tuple[str, str | None, UUID]
        )
        value: Any = spelled
        if spelled is not None and isinstance(column.type, sa.DateTime):
            value = datetime.fromisoformat(spelled)
        elif spelled is not None and isinstance(column.type, sa.Numeric):
            value = Decimal(spelled)
            if not abs(value) < 10**15:
                raise ValueError("not an amount of ours")
        elif spelled is not None:
            _plain("cursor", spelled)
    except (ValueError, ArithmeticError, msgspec.DecodeError, binascii.Error) as error:
        raise BadQuery("cursor: not one of ours") from error
    if made_for != sort:
        raise BadQuery("cursor: it was made for another sort")
    later_id = instance.c.id > id_
    if value is None:
        return sa.and_(column.is_(None), later_id)
    beyond = column < value if descending else column > value
    return sa.or_(beyond, sa.and_(column == value, later_id), column.is_(None))


def stored_verdict(row: Row) -> Verdict:
    """The verdict as it is stored."""

    def at(name: str) -> int | None:
        return None if row[name] is None else to_micros(row[name])

    return Verdict(
        VerdictKind(row["verdict"]),
        Reason(row["reason"]),
        to_micros(row["since"]),
        row["waiting_for"],
        row["source_awaited"],
        row["owner"],
        at("due_at"),
        at("deadline_at"),
        at("next_check_at"),
    )


def stored_progress(row: Row) -> Progress:
    """The progress as it is stored."""
    return _decode_progress(row["progress"])


def definition_of(row: Row, catalogue: Catalogue) -> Workflow:
    """The definition version an instance was started under."""
    return catalogue.versions[row["workflow"], row["workflow_version"]].workflow


def instance_row(row: Row, catalogue: Catalogue, marks: Marks, now: datetime) -> Row:
    """An instance as lists show it."""
    progress = stored_progress(row)
    workflow = definition_of(row, catalogue)
    counts = standing(progress, workflow)
    waiting_for = workflow.by_name.get(row["waiting_for"] or "")
    waived = row["verdict"] == VerdictKind.WAIVED
    return {
        "id": str(row["id"]),
        "workflow": row["workflow"],
        "workflow_version": row["workflow_version"],
        "entity": row["entity"],
        "domain": row["domain"],
        "title": row["title"],
        "verdict": row["verdict"],
        "reason": row["reason"],
        "explanation": explain(progress, workflow, stored_verdict(row), marks, to_micros(now)),
        "waiver": _waiver(progress, workflow, marks, to_micros(now)) if waived else None,
        "waiting_for": row["waiting_for"],
        "waiting_for_title": waiting_for.title if waiting_for else None,
        "source_awaited": row["source_awaited"],
        "owner": row["owner"],
        "due_at": rfc3339(row["due_at"]),
        "deadline_at": rfc3339(row["deadline_at"]),
        "since": rfc3339(row["since"]),
        "stuck_since": rfc3339(row["stuck_since"]),
        "started_at": rfc3339(row["started_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "milestones": {
            m.name: rfc3339(counts.milestones[m.name].at) for m in workflow.milestones if m.name in counts.milestones
        },
        "keys": [_key(word) for word in sorted(progress.keys)],
        "attributes": attributes(progress),
        "value": money(row["value_currency"], row["value_amount"]),
    }


def _waiver(progress: Progress, workflow: Workflow, marks: Marks, now: int) -> Row:
    """Who waived an instance that is waived, why and until when, and what it would be without that."""
    waiver, verdict = progress.waiver, beneath(progress, workflow, marks, now)
    assert waiver is not None
    return {
        "by": waiver.by,
        "reason": waiver.reason,
        "until": rfc3339(waiver.until),
        "at": rfc3339(waiver.at),
        "verdict_beneath": verdict.kind,
        "reason_beneath": verdict.reason,
    }


def _key(word: str) -> Row:
    namespace, _, value = word.partition("=")
    return {"namespace": namespace, "value": value}


def attributes(progress: Progress) -> Mapping[str, Any]:
    """The business attributes, without the value, which has a field of its own."""
    return {name: value for name, value in sorted(progress.attributes.items()) if name not in (AMOUNT, CURRENCY)}
