"""Why: what a set of instances has in common that the others of the same workflows have not.

All that is known of an instance by name is looked at: its business attributes, which may come from spans and their
resources as well, and what it is and waits for. Many progresses have to be read for it, of which only the attributes
are decoded, in a thread.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.attributed import named_in, spell_condition
from collector.query.instance_lists import Stretch, bounded, page_of, stretches_of
from collector.query.instances import BadQuery, InstanceFilter
from collector.query.many import are, count_of, ids_of, parts_of
from collector.query.moments import Unanswerable, instant_of
from collector.query.reader import Reader, Row, rfc3339
from collector.store.tables import OPEN_VERDICTS, instance
from slo_rules.differences import CONSTANT, NEARLY_UNIQUE, Attribute, Difference, differences, in_words
from slo_rules.identity import Key
from slo_rules.instants import to_datetime
from slo_rules.progress import Scalar

MOST_COMPARED = 100_000
"""Instances that are read for one answer; of the bad half as many, so that something is left to compare them with."""
MOST_ITEMS = 100
_PART = 5_000
"""Instances that are read by one question."""
_WAITS = ("owner", "source_awaited", "waiting_for")
_FIELDS = ("workflow", "workflow_version", *_WAITS, "started_hour", "value_band")
_WHOLE = ("workflow", "domain")
_NARROWING = ("workflow", *_WAITS)
_ASKED_FOR = "asked_for"
_WHY_LEFT_OUT = {
    CONSTANT: "all instances have the same",
    NEARLY_UNIQUE: "hardly two instances have the same",
    _ASKED_FOR: "the question itself says it",
}
EDGES = (0, *(step * 10**power for power in range(15) for step in (1, 2, 5)))
_LONGEST_VALUE = 80
Version = tuple[str, int]
Counts = Counter[Scalar | None]


class _Said(msgspec.Struct, array_like=True, gc=False):
    at: int
    key: msgspec.Raw
    values: dict[str, Scalar]


class _Attributes(msgspec.Struct, array_like=True, gc=False):
    """The beginning of a progress, up to what was said of attributes; the test of it holds the two together."""

    first_at: int
    last_at: int
    milestones: msgspec.Raw
    keys: msgspec.Raw
    said: tuple[_Said, ...] = ()


_decode = msgspec.msgpack.Decoder(_Attributes).decode


def _said(progress: bytes) -> tuple[_Said, ...] | None:
    """None of one that cannot be read, which keeps no other from being counted."""
    try:
        return _decode(progress).said
    except Exception:  # noqa: BLE001 — whatever is wrong with it, it is not what was written
        return None


class Attributed:
    """How many of a set of instances have which value of which attribute."""

    def __init__(self) -> None:
        self._instances: Counter[Version] = Counter()
        self._said: defaultdict[Version, defaultdict[str, Counts]] = defaultdict(lambda: defaultdict(Counter))

    def take(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Count rows of workflow, version and progress."""
        # Most say the same names in the same order: taken together, each name is a column, which is counted quickly.
        alike: defaultdict[tuple[Version, tuple[str, ...]], list[Iterable[Scalar]]] = defaultdict(list)
        for workflow, version, progress in rows:
            of = (workflow, version)
            said = _said(progress)
            if said is None:
                continue
            self._instances[of] += 1
            for one in said:
                alike[of, tuple(one.values)].append(one.values.values())
        for (of, names), values in alike.items():
            by_name = self._said[of]
            for name, column in zip(names, zip(*values, strict=True), strict=True):
                by_name[name].update(column)

    def counts(self, catalogue: Catalogue) -> dict[str, Counts]:
        """The attributes of the instances whose definition has them; None for those of which nothing was said."""
        found: defaultdict[str, Counts] = defaultdict(Counter)
        for of, instances in self._instances.items():
            for name in catalogue.versions[of].workflow.attributes:
                said = self._said[of][name]
                found[name].update(said)
                if silent := instances - said.total():
                    found[name][None] += silent
        return found


@dataclass(frozen=True, slots=True)
class _Half:
    """What was counted of the bad, or of the rest.

    `cut` says that as many were read as may be, so that there may be more. `oldest` is when the first of them started.
    """

    count: int
    cut: bool
    oldest: datetime | None
    fields: dict[str, Counts]
    attributes: dict[str, Counts]


async def _half(reader: Reader, catalogue: Catalogue, stretches: Sequence[Stretch], most: int) -> _Half:
    """Count those of them that moved last: as the indexes list what is open and what has finished."""
    ids = await ids_of(reader, page_of(stretches, "-updated_at", None, most, 0))
    packed = sa.select(instance.c.workflow, instance.c.workflow_version, instance.c.progress)
    rows: list[Row] = []
    attributed = Attributed()
    for part in parts_of(ids, _PART):
        rows += await reader.select(_counted(part))
        await reader.feed(packed.where(are(part)), attributed.take)
    return _Half(
        sum(row["count"] for row in rows),
        count_of(ids) >= most,
        min((row["oldest"] for row in rows), default=None),
        _fields(rows, catalogue),
        await asyncio.to_thread(attributed.counts, catalogue),
    )


def _counted(part: Sequence[UUID]) -> sa.Select[Any]:
    """How many of these instances are alike in what they are and wait for."""
    columns = instance.c
    open_ = columns.verdict.in_(OPEN_VERDICTS)
    fields = (
        columns.workflow,
        columns.workflow_version,
        open_.label("open"),
        *(sa.case((open_, columns[name])).label(name) for name in _WAITS),
        sa.cast(sa.extract("hour", columns.started_at), sa.SmallInteger).label("hour"),
        sa.func.width_bucket(columns.value_amount, sa.literal(list(EDGES), sa.ARRAY(sa.Numeric))).label("band"),
        columns.value_currency.label("currency"),
    )
    places: list[sa.ColumnElement[Any]] = [sa.literal_column(str(place)) for place, _ in enumerate(fields, 1)]
    counted = sa.select(*fields, sa.func.count().label("count"), sa.func.min(columns.started_at).label("oldest"))
    return counted.where(are(part)).group_by(*places)


def _fields(rows: Sequence[Row], catalogue: Catalogue) -> dict[str, Counts]:
    """What the instances are and wait for, by the names of _FIELDS.

    What is finished waits for nothing, and where no value is asked for there is none: neither is counted there.
    """
    found: dict[str, Counts] = {name: Counter() for name in _FIELDS}
    for row in rows:
        workflow, version, count = row["workflow"], row["workflow_version"], row["count"]
        found["workflow"][workflow] += count
        found["workflow_version"][f"{workflow} {version}"] += count
        found["started_hour"][row["hour"]] += count
        if row["open"]:
            for name in _WAITS:
                found[name][row[name]] += count
        if catalogue.versions[workflow, version].workflow.amount:
            found["value_band"][spell_band(row["band"], row["currency"])] += count
    return found


def spell_band(place: int | None, currency: str | None) -> str | None:
    """`10,000 to 20,000 EUR`, the upper end not included; None without a value."""
    if place is None:
        return None
    if place == 0:
        band = "less than 0"
    elif place == len(EDGES):
        band = f"{EDGES[-1]:,} or more"
    else:
        band = f"{EDGES[place - 1]:,} to {EDGES[place]:,}"
    return f"{band} {currency}" if currency else band


async def compare(
    reader: Reader,
    catalogue: Catalogue,
    asked: InstanceFilter,
    names: Sequence[Key],
    *,
    since: str | None,
    limit: int,
    most: int,
) -> Row:
    """What the instances that are asked for have in common, against the others of their workflows.

    `since` is from when on the others started; without it, from the start of the oldest bad one. At most `most` are
    read, of the bad ones half as many, those that moved last. `names` are other keys of the one asked for. Raises
    BadQuery and Unanswerable.
    """
    now = await reader.now()
    faults = asked.faults(now)
    if all(getattr(asked, name) in (None, (), "") for name in InstanceFilter.__slots__ if name not in _WHOLE):
        faults.append("verdict: say which instances are meant, by verdict or a filter besides workflow and domain")
    if not 1 <= limit <= MOST_ITEMS:
        faults.append(f"limit: must be from 1 to {MOST_ITEMS}")
    if not 2 <= most <= MOST_COMPARED:
        faults.append(f"most: must be from 2 to {MOST_COMPARED}")
    begin = instant_of("since", since, now, faults)
    if faults:
        raise BadQuery(*faults)
    rules = catalogue.key_rules
    try:
        wanted, back_to = await bounded(reader, asked, "-updated_at", now, rules, names)
        bad = await _half(reader, catalogue, wanted, most // 2)
        bad = replace(bad, cut=bad.cut or back_to is not None)
        oldest = bad.oldest if begin is None else to_datetime(begin)
        meant = sa.and_(*asked.conditions(now, rules, names))
        others = _others(bad, meant.is_not(sa.true()), oldest, stretches_of(InstanceFilter(), now, rules, ()))
        rest = await _half(reader, catalogue, others, most - bad.count)
    except psycopg.errors.QueryCanceled as error:
        raise Unanswerable("there are too many instances to compare in time; narrow the question") from error
    return await asyncio.to_thread(_answer, catalogue, asked, bad, rest, oldest, limit)


def _others(
    bad: _Half, not_meant: sa.ColumnElement[bool], oldest: datetime | None, everything: Sequence[Stretch]
) -> list[Stretch]:
    """What the bad ones are compared with."""
    columns = instance.c
    told = [columns.workflow.in_(sorted(map(str, bad.fields["workflow"]))), not_meant]
    moved: list[sa.ColumnElement[bool]] = []
    if oldest is not None:
        told.append(columns.started_at >= oldest)
        # Nothing moves before it starts, and the index of what has finished is in the order in which it moved.
        moved.append(columns.updated_at >= oldest)
    return [replace(one, conditions=[*one.conditions, *told, *(moved if one.finished else ())]) for one in everything]


def _answer(
    catalogue: Catalogue, asked: InstanceFilter, bad: _Half, rest: _Half, oldest: datetime | None, limit: int
) -> Row:
    said = [name for name in _NARROWING if getattr(asked, name) is not None]
    said += ["value_band"] if asked.min_value is not None else []
    attributes = sorted({name for one in asked.attribute if (name := named_in(one)) is not None})
    kinds = {
        "instance": both_of(bad.fields, rest.fields, said),
        "attribute": both_of(bad.attributes, rest.attributes, attributes),
    }
    # A field and an attribute may have the same name.
    found = differences(
        Attribute(f"{kind}/{name}", *counts) for kind, pairs in kinds.items() for name, counts in sorted(pairs.items())
    )
    left_out = {f"instance/{name}": _ASKED_FOR for name in said}
    left_out |= {f"attribute/{name}": _ASKED_FOR for name in attributes} | found.left_out
    return {
        "bad": {"count": bad.count, "cut": bad.cut},
        "rest": {
            "count": rest.count,
            "cut": rest.cut,
            "since": rfc3339(oldest),
            "workflows": sorted(map(str, bad.fields["workflow"])),
        },
        "looked_at": found.looked_at,
        "total": len(found.found),
        "items": [told_difference(one, catalogue) for one in found.found[:limit]],
        "left_out": [
            _named(name) | {"reason": reason, "explanation": _WHY_LEFT_OUT[reason]} for name, reason in left_out.items()
        ],
    }


def both_of(
    bad: Mapping[str, Counts], rest: Mapping[str, Counts], without: Iterable[str]
) -> dict[str, tuple[Counts, Counts]]:
    """What was counted of the bad and of the rest, by name, but for some names."""
    names = (bad.keys() | rest.keys()) - set(without)
    return {name: (bad.get(name, Counter()), rest.get(name, Counter())) for name in names}


def _named(name: str) -> Row:
    kind, _, attribute = name.partition("/")
    return {"kind": kind, "attribute": attribute}


def told_difference(one: Difference, catalogue: Catalogue) -> Row:
    """A difference with what it says in words, and the filter of a list that it narrows."""
    named = _named(one.attribute)
    kind, attribute = named["kind"], named["attribute"]
    predicate = _has(attribute, one.value) if kind == "attribute" else _does(attribute, one.value, catalogue)
    return named | {
        "value": one.value,
        "explanation": in_words(one, predicate),
        "significant": one.significant,
        "bad": one.bad,
        "bad_of": one.bad_of,
        "bad_share": one.bad / one.bad_of,
        "rest": one.rest,
        "rest_of": one.rest_of,
        "rest_share": one.rest / one.rest_of,
        "ratio": one.ratio,
        "ratio_low": one.low,
        "ratio_high": one.high,
        "excess": one.excess,
        "p": one.p,
        "q": one.q,
        "filter": _filter(kind, attribute, one.value),
    }


def _filter(kind: str, attribute: str, value: Scalar | None) -> Row | None:
    """What narrows a list of instances to a value."""
    if kind == "attribute":
        said = None if value is None else spell_condition(attribute, value)
        return None if said is None else {"attribute": [said]}
    if not isinstance(value, str) or len(value) > 500 or "\x00" in value:
        return None
    return {attribute: value} if attribute in _NARROWING else None


def _has(attribute: str, value: Scalar | None) -> str:
    if value is None:
        return f"have no {attribute}"
    spelled = str(value).lower() if isinstance(value, bool) else str(value)
    if len(spelled) > _LONGEST_VALUE:
        spelled = f"{spelled[: _LONGEST_VALUE - 1]}…"
    return f"have {attribute} {spelled}"


def _does(field: str, value: Scalar | None, catalogue: Catalogue) -> str:
    """What instances with a value of one of _FIELDS do."""
    if field == "started_hour":
        assert isinstance(value, int)
        return f"started between {value:02}:00 and {(value + 1) % 24:02}:00 UTC"
    if field == "waiting_for" and value is not None:
        titles = (workflow.by_name[value].title for workflow in _with_milestone(catalogue, str(value)))
        return f"wait for the step {next(titles, value)}"
    without = {"owner": "have no owner", "source_awaited": "wait for no source", "waiting_for": "wait for no step"}
    if value is None:
        return without.get(field, "have no value")
    if field == "workflow_version":
        workflow, _, version = str(value).rpartition(" ")
        return f"run under version {version} of {workflow}"
    verbs = {"workflow": "are of", "owner": "are with", "source_awaited": "wait for the source"}
    return f"{verbs.get(field, 'are worth')} {value}"


def _with_milestone(catalogue: Catalogue, name: str) -> Iterable[Any]:
    return (workflow for workflow in catalogue.current.values() if name in workflow.by_name)
