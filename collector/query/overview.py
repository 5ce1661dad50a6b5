"""The overview: per domain what is open, what needs a person, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from collector.catalogue import Catalogue
from collector.query.incidents import list_incidents
from collector.query.objectives import list_objectives, trend_since
from collector.query.reader import Reader, Row, amounts, rfc3339
from collector.query.sources import list_sources
from collector.query.usual import today_of
from collector.store.tables import OPEN_VERDICTS
from slo_rules.contribution import promise_name

LATE_TOLD = timedelta(days=1)
"""For how long it is told that something came late."""
COUNTED = ("due_soon", "stuck", "blind", "failed", "inconsistent", "waived")


class _Tally:
    """Counts of one workflow or domain."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.value: dict[str, Decimal] = {}
        self.oldest: datetime | None = None
        self.orphans = 0

    def add_counted(self, row: Row) -> None:
        verdict = row["verdict"]
        self.counts[verdict] = self.counts.get(verdict, 0) + row["count"]

    def add_at_risk(self, row: Row) -> None:
        if row["amount"]:
            currency = row["value_currency"] or ""
            self.value[currency] = self.value.get(currency, Decimal()) + row["amount"]
        self.orphans += row["orphans"]
        if row["oldest"] is not None and (self.oldest is None or row["oldest"] < self.oldest):
            self.oldest = row["oldest"]

    def shown(self) -> Row:
        return {
            "open": sum(self.counts.get(verdict, 0) for verdict in OPEN_VERDICTS),
            **{verdict: self.counts.get(verdict, 0) for verdict in COUNTED},
            "orphans": self.orphans,
            "value_at_risk": amounts(self.value),
            "oldest_stuck_since": rfc3339(self.oldest),
        }


async def overview(reader: Reader, catalogue: Catalogue) -> Row:
    """Everything the first page shows."""
    now = await reader.now()
    workflows = catalogue.current
    domains = {workflow.domain: _Tally() for workflow in workflows.values()}
    tallies = {name: _Tally() for name in workflows}
    for row in await reader.all("counts_of_instances"):
        workflow = workflows.get(row["workflow"])
        if workflow is not None:
            tallies[workflow.name].add_counted(row)
            domains[workflow.domain].add_counted(row)
    for row in await reader.all("at_risk"):
        workflow = workflows.get(row["workflow"])
        if workflow is not None:
            tallies[workflow.name].add_at_risk(row)
            domains[workflow.domain].add_at_risk(row)
    trends = await _trends(reader, workflows, now)
    today = await today_of(reader, workflows, now)
    objectives = await list_objectives(reader, catalogue)
    progress = await reader.one("progress_of_log")
    return {
        "as_of": rfc3339(now),
        "domains": [
            {
                "domain": domain,
                **tally.shown(),
                "trend": _sum_trends(now, [trends.get(n, {}) for n, w in workflows.items() if w.domain == domain]),
                "workflows": [
                    {
                        "name": name,
                        "title": workflow.title,
                        "entity": workflow.entity,
                        "owner": workflow.owner,
                        **tallies[name].shown(),
                        "today": today[name],
                        "completed": tallies[name].counts.get("completed", 0),
                        "completed_late": tallies[name].counts.get("completed_late", 0),
                    }
                    for name, workflow in workflows.items()
                    if workflow.domain == domain
                ],
                "objectives": [one for one in objectives if one["domain"] == domain],
            }
            for domain, tally in sorted(domains.items())
        ],
        "incidents": (await list_incidents(reader, "firing"))["items"],
        "sources": await list_sources(reader, catalogue, now),
        "events_total": progress["received"] if progress else 0,
        "lag_seconds": lag_seconds(progress, now),
        "late": [_late(row) for row in await reader.all("late_receivers", {"since": now - LATE_TOLD})],
    }


def _late(row: Row) -> Row:
    """What a receiver kept while the database was away; without `settled_at` it is still being written."""
    waits = row["waits_since"] is not None
    return {
        "receiver": row["name"],
        "since": rfc3339(row["waits_since"] if waits else row["late_since"]),
        "until": None if waits else rfc3339(row["late_until"]),
        "count": None if waits else row["late_count"],
        "settled_at": None if waits else rfc3339(row["late_settled_at"]),
    }


def lag_seconds(progress: Row | None, now: datetime) -> float:
    """How far the projection is behind what was received; 0 when it has seen everything."""
    if progress is None or progress["seq"] >= progress["head"] or progress["received_at"] is None:
        return 0.0
    if progress["swept_to"] is not None and now - progress["swept_to"] < timedelta(seconds=2):
        return 0.0
    received_at: datetime = progress["received_at"]
    return max(0.0, (now - received_at).total_seconds())


async def _trends(
    reader: Reader, workflows: Iterable[str], now: datetime
) -> dict[str, dict[datetime, tuple[int, int]]]:
    promises = [promise_name(name) for name in workflows]
    rows = await reader.all("hourly", {"objectives": promises, "since": trend_since(now), "until": now})
    found: dict[str, dict[datetime, tuple[int, int]]] = {}
    for row in rows:
        workflow = row["objective"].partition(":")[2]
        found.setdefault(workflow, {})[row["hour"]] = (row["good"], row["bad"])
    return found


def _sum_trends(now: datetime, trends: list[dict[datetime, tuple[int, int]]]) -> list[Row]:
    start = trend_since(now)
    hours: list[dict[str, Any]] = []
    for number in range(168):
        hour = start + timedelta(hours=number + 1)
        counts = [trend.get(hour, (0, 0)) for trend in trends]
        hours.append({"t": rfc3339(hour), "good": sum(g for g, _ in counts), "bad": sum(b for _, b in counts)})
    return hours
