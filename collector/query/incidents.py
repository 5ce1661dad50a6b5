"""Incidents as alerting has written them."""

from __future__ import annotations

from uuid import UUID

from collector.query.reader import Reader, Row, rfc3339

MOST = 200
_TIMES = ("oldest_since", "opened_at", "updated_at", "resolved_at")
_TIMES_OF_ONE = ("acknowledged_at", "acknowledged_until", "postponed_until", "clear_since")


def incident_row(row: Row) -> Row:
    """An incident as lists show it."""
    times = {name: rfc3339(row[name]) for name in _TIMES}
    value = [{"currency": one["currency"], "amount": float(one["amount"])} for one in row["value"] or ()]
    return {name: row[name] for name in row if name != "samples"} | times | {"id": str(row["id"]), "value": value}


async def list_incidents(reader: Reader, status: str | None, q: str | None = None, owner: str | None = None) -> Row:
    """Incidents, firing first; `q` is looked for in title, cause and what people said of them."""
    asked = {"status": status, "q": q or None, "owner": owner, "limit": MOST}
    rows = await reader.all("incidents", asked)
    return {"items": [incident_row(row) for row in rows]}


async def one_incident(reader: Reader, id_: UUID) -> Row | None:
    """One incident with its timeline and deliveries; None when there is none."""
    row = await reader.one("incident", {"id": id_})
    if row is None:
        return None
    timeline = await reader.all("incident_timeline", {"id": id_})
    deliveries = await reader.all("incident_deliveries", {"id": id_})
    return (
        incident_row(row)
        | {name: rfc3339(row[name]) for name in _TIMES_OF_ONE}
        | {
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
