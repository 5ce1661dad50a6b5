"""Regions as `Regions.overview` tells of them: one that answers, one that does no longer, one never heard of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fake_instances import z

from collector.access.permission import NotPermitted


def domain(name: str, stuck: int, left: float | None, amount: float) -> dict[str, Any]:
    return {
        "domain": name, "open": 240 + stuck, "due_soon": 7, "stuck": stuck, "blind": 0, "failed": 2, "inconsistent": 1,
        "waived": 0, "value_at_risk": [{"currency": "EUR", "amount": amount}], "oldest_stuck_since": None,
        "budget_left_ratio": left,
    }  # fmt: skip


class FakeRegions:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self.refused = False
        self.title = "Orders waiting for Order accepted from SAP"
        self.away = True

    def figures(self, old: timedelta, stuck: int) -> dict[str, Any]:
        at = self.now - old
        incident = {
            "id": "0198c5f2-7e0a-7c31-9d5e-000000000001", "title": self.title, "verdict": "stuck",
            "severity": "critical", "count": stuck, "value": [{"currency": "EUR", "amount": 71_500.0}],
            "oldest_since": z(at - timedelta(hours=5)), "opened_at": z(at - timedelta(hours=4)),
        }  # fmt: skip
        sources = [
            {"source": "sap", "title": "SAP", "state": "silent", "last_received_at": z(at - timedelta(hours=2))},
            {"source": "crm", "title": "Salesforce", "state": "live", "last_received_at": z(at)},
        ]
        objective = {"name": "orders-shipped-in-time", "title": "Orders shipped in time", "target": 0.99,
                     "domain": "orders", "budget_left_ratio": 0.18}  # fmt: skip
        return {
            "as_of": z(at), "domains": [domain("orders", stuck, 0.18, 71_500.0), domain("billing", 0, 0.9, 0.0)],
            "objectives": [objective, objective | {"name": "invoices", "title": "Invoices", "budget_left_ratio": -0.4}],
            "objectives_count": 2, "incidents": [incident], "incidents_count": 1,
            "sources": sources, "sources_count": 3, "sources_live": 2, "lag_seconds": 0.0,
        }  # fmt: skip

    async def overview(self) -> dict[str, Any]:
        if self.refused:
            raise NotPermitted("you may see some workflows only, and the figures of regions are of all")
        since = z(self.now - timedelta(minutes=12))
        rows = [("eu", "Europe", "live", None, None, self.figures(timedelta(seconds=3), 12))]
        if self.away:
            rows += [
                ("us", "United States", "silent", since, "it cannot be connected to",
                 self.figures(timedelta(minutes=13), 3)),
                ("ap", "Asia and Pacific", "silent", since, "it does not know the key", None),
            ]  # fmt: skip
        return {
            "as_of": z(self.now),
            "items": [
                {"name": name, "title": title, "url": f"https://{name}.example.com", "state": state, "why": why,
                 "silent_since": silent, "answered_at": figures and figures["as_of"], "figures": figures}
                for name, title, state, silent, why, figures in rows
            ],
        }  # fmt: skip
