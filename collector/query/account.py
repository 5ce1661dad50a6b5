"""One customer across all domains: everything that carries a key of theirs, how it stands and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.handling import with_handling
from collector.query.instance_lists import shown_of
from collector.query.instances import InstanceFilter
from collector.query.reader import Reader, Row, amounts, rfc3339
from collector.store.tables import FINAL_VERDICTS, instance
from slo_rules.identity import Key, split_key
from slo_rules.judgement import Marks, VerdictKind

MOST_OF_A_WORKFLOW = 10
"""Instances that are listed of each workflow; the worklist has the others."""
_PRESSING = (VerdictKind.STUCK, VerdictKind.FAILED, VerdictKind.INCONSISTENT)
_NEXT = (VerdictKind.BLIND, VerdictKind.DUE_SOON)


async def account(
    reader: Reader, catalogue: Catalogue, marks: Marks, namespace: str, value: str, names: Sequence[Key]
) -> Row | None:
    """What carries `namespace=value`, or another of the `names` of the same thing; None when nothing does.

    By domain and workflow: how many of each verdict, what they are worth, and those that are most pressing. Where
    something needs a person stands first, then where something is open.
    Raises BadQuery.
    """
    now = await reader.now()
    conditions = InstanceFilter(key=f"{namespace}={value}").conditions(now, catalogue.key_rules, names)
    counted = await _counted(reader, conditions)
    if not counted:
        return None
    items = await _listed(reader, catalogue, marks, conditions, now)
    workflows = [_workflow(name, rows, items.get(name, []), catalogue) for name, rows in counted.items()]
    domains: dict[str, list[Row]] = {}
    for one in sorted(workflows, key=lambda one: (not one["pressing"], not one["open"], one["domain"], one["title"])):
        domains.setdefault(one["domain"], []).append(one)
    rows = [row for found in counted.values() for row in found]
    return {
        "as_of": rfc3339(now),
        "namespace": namespace,
        "value": value,
        "names": [{"namespace": name, "value": other} for name, other in map(split_key, names)],
        "first_at": rfc3339(min(row["first_at"] for row in rows)),
        "last_at": rfc3339(max(row["last_at"] for row in rows)),
        **_totals(rows),
        "domains": [{"domain": name, "workflows": found} for name, found in domains.items()],
    }


async def _counted(reader: Reader, conditions: Sequence[sa.ColumnElement[bool]]) -> dict[str, list[Row]]:
    columns = instance.c
    by = (columns.workflow, columns.domain, columns.entity, columns.verdict, columns.value_currency)
    rows = await reader.select(
        sa.select(
            *by,
            sa.func.count().label("count"),
            sa.func.sum(columns.value_amount).label("amount"),
            sa.func.min(columns.started_at).label("first_at"),
            sa.func.max(columns.updated_at).label("last_at"),
        )
        .where(*conditions)
        .group_by(*by)
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["workflow"], []).append(row)
    return found


async def _listed(
    reader: Reader,
    catalogue: Catalogue,
    marks: Marks,
    conditions: Sequence[sa.ColumnElement[bool]],
    now: datetime,
) -> dict[str, list[Row]]:
    """The most pressing of each workflow, those that moved last first among their like."""
    columns = instance.c
    pressing = sa.case(
        (columns.verdict.in_(_PRESSING), 0),
        (columns.verdict.in_(_NEXT), 1),
        (columns.verdict.not_in(FINAL_VERDICTS), 2),
        else_=3,
    )
    order: tuple[sa.ColumnElement[Any], ...] = (pressing, columns.updated_at.desc(), columns.id)
    place = sa.func.row_number().over(partition_by=columns.workflow, order_by=order).label("place")
    ranked = sa.select(columns.id, place).where(*conditions).subquery()
    ids = sa.select(ranked.c.id).where(ranked.c.place <= MOST_OF_A_WORKFLOW)
    rows = await reader.select(sa.select(instance).where(columns.id.in_(ids)).order_by(*order))
    found: dict[str, list[Row]] = {}
    shown = await shown_of(reader, catalogue, marks, now, rows)
    await with_handling(reader, shown)
    for item in shown:
        found.setdefault(item["workflow"], []).append(item)
    return found


def _workflow(name: str, rows: Sequence[Row], items: Sequence[Row], catalogue: Catalogue) -> Row:
    current = catalogue.current.get(name)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + row["count"]
    return {
        "name": name,
        "title": current.title if current else name,
        "domain": rows[0]["domain"],
        "entity": rows[0]["entity"],
        "counts": counts,
        **_totals(rows),
        "items": list(items),
    }


def _totals(rows: Sequence[Row]) -> Row:
    final = set(FINAL_VERDICTS)
    return {
        "total": sum(row["count"] for row in rows),
        "open": sum(row["count"] for row in rows if row["verdict"] not in final),
        "pressing": sum(row["count"] for row in rows if row["verdict"] in _PRESSING),
        "value_total": _worth(rows),
        "value_open": _worth([row for row in rows if row["verdict"] not in final]),
        "value_at_risk": _worth([row for row in rows if row["verdict"] in _PRESSING]),
    }


def _worth(rows: Sequence[Row]) -> list[Row]:
    found: dict[str, Decimal] = {}
    for row in rows:
        if row["amount"] is not None:
            currency = row["value_currency"] or ""
            found[currency] = found.get(currency, Decimal()) + row["amount"]
    return amounts(found)
