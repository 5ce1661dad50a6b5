"""Incidents as alerting has written them."""

from __future__ import annotations

from uuid import UUID

from collector.query.reader import Reader, Row, rfc3339
from slo_rules.instants import to_datetime, to_micros
from slo_rules.trend import trend

MOST = 200
SORTS = ("-count", "-value", "oldest_since", "-opened_at")
"""By how many are held up, what they are worth, since when, and when it opened: most, oldest and newest first."""
_TIMES = ("oldest_since", "opened_at", "updated_at", "resolved_at")
_ENDS = ("acknowledged_until", "postponed_until")
_TIMES_OF_ONE = ("acknowledged_at", *_ENDS, "clear_since")


def incident_row(row: Row) -> Row:
    """An incident as lists show it."""
    times = {name: rfc3339(row[name]) for name in _TIMES}
    value = [{"currency": one["currency"], "amount": float(one["amount"])} for one in row["value"] or ()]
    return {name: row[name] for name in row if name != "samples"} | times | {"id": str(row["id"]), "value": value}


async def list_incidents(
    reader: Reader,
    status: str | None,
    q: str | None = None,
    owner: str | None = None,
    severity: str | None = None,
    domain: str | None = None,
    sort: str | None = None,
    span: tuple[int | None, int | None] = (None, None),
) -> Row:
    """Incidents, firing first; `q` is looked for in title, cause and what people said of them.

    Without `sort`, one of SORTS, those that fire stand by how many they hold up, and the others the latest resolved
    first. Of a `span` (micros, half-open) those that were open at some time in it. `cut` says that there are more than
    MOST.
    """
    asked: Row = {
        "status": status,
        "q": q or None,
        "owner": owner,
        "severity": severity,
        "domain": domain,
        "sort": sort,
    }
    asked |= dict(zip(("since", "until"), (None if at is None else to_datetime(at) for at in span), strict=True))
    rows = await reader.all("incidents", {**asked, "limit": MOST + 1})
    items = [incident_row(row) | {name: rfc3339(row[name]) for name in _ENDS} for row in rows[:MOST]]
    return {"items": items, "cut": len(rows) > MOST}


async def one_incident(reader: Reader, id_: UUID) -> Row | None:
    """One incident with its timeline and deliveries; None when there is none.

    `points` says how many it held up at which instants, each until the next. `trend` is how that goes on: `per_hour`,
    and `drained_at` where nothing is left within a day at that pace; None where too little is known, or it is over.
    """
    row = await reader.one("incident", {"id": id_})
    if row is None:
        return None
    timeline = await reader.all("incident_timeline", {"id": id_})
    deliveries = await reader.all("incident_deliveries", {"id": id_})
    going = None if row["resolved_at"] else trend(row["points"], to_micros(await reader.clock()))
    return (
        incident_row(row)
        | {name: rfc3339(row[name]) for name in _TIMES_OF_ONE}
        | {
            "points": [{"at": rfc3339(at), "count": count} for at, count in row["points"]],
            "trend": going and {"per_hour": going.per_hour, "drained_at": rfc3339(going.drained_at)},
            "timeline": [line | {"at": rfc3339(line["at"])} for line in timeline],
            "deliveries": [
                {
                    name: one[name]
                    for name in ("target", "kind", "transition", "reason", "state", "attempts", "last_status")
                }
                | {"at": rfc3339(one["last_attempt_at"] or one["created_at"])}
                for one in deliveries
            ],
        }
    )


async def attempts_of(reader: Reader, id_: UUID) -> Row | None:
    """Every attempt to deliver what was told of an incident, the newest first; None when there is none."""
    if await reader.one("incident", {"id": id_}) is None:
        return None
    rows = await reader.all("incident_attempts", {"id": id_})
    return {"items": [row | {"at": rfc3339(row["at"])} for row in rows]}
