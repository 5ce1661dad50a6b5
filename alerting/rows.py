"""Incidents as rows of the database, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from alerting.address import Address
from alerting.document import reader_of
from alerting.facts import read_match
from alerting.incident import Apart, Cause, Incident, LastNotified, Money, Population, Status
from alerting.muting import Silence
from alerting.telling import Told, Whom
from slo_rules.instants import rfc3339, to_datetime, to_micros

Row = Mapping[str, Any]


def cause_of(row: Row) -> Cause:
    """The cause; a part that does not count is null or empty."""
    parts = {key: row[key] or None for key in ("workflow", "waiting_for", "source", "reason")}
    return Cause(verdict=row["verdict"], **parts)


def population_of(row: Row) -> Population:
    """The population, as the query for it or a stored incident has it."""
    return Population(
        count=row["count"],
        oldest_since=to_micros(row["oldest_since"]),
        value=money_of(row["value"]),
        owner=row["owner"],
        domain=row["domain"],
        entity=row["entity"],
        samples=tuple(row["samples"] or ()),
        owners=tuple(row["owners"] or ()),
        domains=tuple(row["domains"] or ()),
        workflows=tuple(row["workflows"] or ()),
    )


def incident_of(row: Row) -> Incident:
    """A stored incident."""
    return Incident(
        id=row["id"],
        cause=cause_of(row),
        population=population_of(row),
        opened_at=to_micros(row["opened_at"]),
        peak_count=row["peak_count"],
        peak_value=money_of(row["peak_value"]),
        noted_count=row["noted_count"],
        severity=row["severity"],
        clear_since=_micros(row["clear_since"]),
        openings=row["openings"],
        points=tuple((at, count) for at, count in row["points"]),
        apart=tuple(Apart(**one) for one in row["apart"]),
        attributes=tuple((name, tuple(values)) for name, values in sorted(row["attributes"].items())),
        compared_at=_micros(row["compared_at"]),
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=_micros(row["acknowledged_at"]),
        acknowledged_until=_micros(row["acknowledged_until"]),
        postponed_by=row["postponed_by"],
        postponed_until=_micros(row["postponed_until"]),
        assignee=row["assignee"],
        settled_by=row["settled_by"],
        runbook=row["runbook"],
    )


def columns_of(incident: Incident, now: int) -> dict[str, Any]:
    """What a round may change of a stored incident. What people say of it is theirs alone."""
    population = incident.population
    return {
        "id": incident.id,
        "severity": incident.severity,
        "count": population.count,
        "peak_count": incident.peak_count,
        "noted_count": incident.noted_count,
        "value": money_json(population.value),
        "peak_value": money_json(incident.peak_value),
        "oldest_since": to_datetime(population.oldest_since),
        "owner": population.owner,
        "domain": population.domain,
        "entity": population.entity,
        "owners": list(population.owners),
        "domains": list(population.domains),
        "workflows": list(population.workflows),
        "samples": list(population.samples),
        "openings": incident.openings,
        "clear_since": None if incident.clear_since is None else to_datetime(incident.clear_since),
        "points": Jsonb(incident.points),
        "runbook": incident.runbook,
        "now": to_datetime(now),
    }


def told_of(row: Row, address: Address | None = None) -> Told:
    """What a target was last told; there, if another address is given. ValueError where the stored one is none."""
    at = to_micros(row["told_at"])
    first = at if row["first_at"] is None else to_micros(row["first_at"])
    last = LastNotified(Status(row["told_status"]), row["told_count"], at, row["told_severity"] or "", at == first)
    there = address or Address.from_json(row["address"])
    return Told(row["target"], row["kind"], there, last, row["muted"], first)


def silence_of(row: Row) -> Silence:
    """A stored silence."""
    match = read_match(reader_of({"metadata": {}, "spec": row["match"]}, []).at("spec"))
    since, until = to_micros(row["since"]), to_micros(row["until"])
    return Silence(str(row["id"]), match, since, until, row["owner"], row["reason"])


def whom_json(whom: Sequence[Whom]) -> list[dict[str, Any]]:
    """What was decided of every target, as it is stored and shown."""
    return [
        {
            "target": one.target,
            "reason": one.reason.value,
            "because": one.because,
            "until": None if one.until is None else rfc3339(one.until),
        }
        for one in whom
    ]


def money_of(value: Sequence[Mapping[str, str]]) -> Money:
    """Amounts by currency, as they are stored."""
    return tuple((part["currency"], Decimal(part["amount"])) for part in value)


def money_json(value: Money) -> Jsonb:
    """The same, to be stored."""
    return Jsonb([{"currency": currency, "amount": str(amount)} for currency, amount in value])


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)
