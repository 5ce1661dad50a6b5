"""Lists of instances by the chance that they miss their next deadline.

The chance stands in no column. It is told of all that the filter finds, which is for this reason bound to what is due
within some time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import msgspec
import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.instance_lists import check_page, shown_of, totals_of
from collector.query.instances import (
    BEFORE_DEADLINE,
    CHANCE,
    BadQuery,
    InstanceFilter,
    definition_of,
)
from collector.query.outlook import MOST_RANKED, Outlook, Ranked
from collector.query.reader import Reader, Row
from collector.store.tables import instance
from slo_rules.identity import Key
from slo_rules.judgement import Marks

Place = tuple[float | None, str]
"""The chance of an instance, and its id."""


def is_by_chance(sort: str) -> bool:
    """Whether a list is asked for in the order of its chances."""
    return sort.removeprefix("-") == CHANCE


async def list_by_chance(
    reader: Reader,
    catalogue: Catalogue,
    outlook: Outlook,
    marks: Marks,
    asked: InstanceFilter,
    names: Sequence[Key],
    *,
    sort: str,
    cursor: str | None,
    limit: int,
    offset: int | None,
) -> Row:
    """As `list_instances`, sorted by `chance`: those of which none can be told come last. Raises BadQuery."""
    check_page(limit, offset)
    if asked.due_within_seconds is None:
        raise BadQuery("sort: chance can be told of what is due soon; give due_within_seconds as well")
    after = _place(sort, cursor) if cursor else None
    ranked = await outlook.ranked(asked)
    if ranked.cut:
        raise BadQuery(f"sort: chance can be told of {MOST_RANKED:,} instances; narrow the list")
    order = _in_order(ranked, descending=sort.startswith("-"))
    if after is not None:
        order = order[_beyond(order, after, descending=sort.startswith("-")) :]
    order = order[offset or 0 :]
    page = order[:limit]
    now = await reader.now()
    found = await reader.select(sa.select(instance).where(instance.c.id.in_([UUID(id_) for _, id_ in page])))
    rows = {str(row["id"]): row for row in found}
    totals = await totals_of(reader, asked.conditions(now, catalogue.key_rules, names))
    items = await shown_of(reader, catalogue, marks, now, [rows[id_] for _, id_ in page if id_ in rows])
    return {
        "items": items,
        "next_cursor": _cursor(sort, *page[-1]) if len(order) > limit else None,
        **replace(totals, count=len(ranked.told)).shown(),
    }


async def with_chances(catalogue: Catalogue, outlook: Outlook, asked: InstanceFilter, page: Row) -> Row:
    """The page of a filter that has `due_within_seconds`, each item with what is foreseen of it.

    That is None where more are due than can be told of, and of what has moved since it was told.
    """
    ranked = await outlook.ranked(asked)
    for item in page["items"]:
        known = ranked.by_id.get(UUID(item["id"])) if item["verdict"] in BEFORE_DEADLINE else None
        item["forecast"] = outlook.told_row(definition_of(item, catalogue), *known) if known else None
    return page


def _in_order(ranked: Ranked, *, descending: bool) -> list[Place]:
    told = [(chance.value, one.id) for one, chance in ranked.told]
    if descending:
        return told
    known = [one for one in told if one[0] is not None]
    return known[::-1] + told[len(known) :]


def _beyond(order: list[Place], after: Place, *, descending: bool) -> int:
    """Where the page begins after this one, which may have moved or gone since: behind it, or behind its chance."""
    value, id_ = after
    places = {known: place for place, (_, known) in enumerate(order)}
    if id_ in places:
        return places[id_] + 1
    for place, (chance, _) in enumerate(order):
        if chance is None or (value is not None and (chance < value if descending else chance > value)):
            return place
    return len(order)


def _cursor(sort: str, chance: float | None, id_: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([sort, chance, id_])).decode()


def _place(sort: str, cursor: str) -> Place:
    try:
        made_for, chance, id_ = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor), type=tuple[str, float | None, UUID]
        )
    except (ValueError, msgspec.DecodeError, binascii.Error) as error:
        raise BadQuery("cursor: not one of ours") from error
    if made_for != sort:
        raise BadQuery("cursor: it was made for another sort")
    return chance, str(id_)
