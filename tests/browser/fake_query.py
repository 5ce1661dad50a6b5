"""A query layer made of plain rows in memory, with the shapes of the real one."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fake_definitions import OBJECTIVES, SOURCES, WORKFLOWS, tests_of
from fake_handling import account_of, compared, flow_of
from fake_incidents import FakeIncidents
from fake_instances import make, population, z
from fake_regions import FakeRegions

from collector.query.flow_comparison import Said

AT_RISK = ("stuck", "failed", "inconsistent")


def _sum(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    totals: dict[str, float] = {}
    for row in rows:
        if row["value"]:
            totals[row["value"]["currency"]] = totals.get(row["value"]["currency"], 0) + row["value"]["amount"]
    return [{"currency": c, "amount": round(a, 2)} for c, a in sorted(totals.items())]


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if not k.startswith("_")}


def _seed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def _budget(total: float, bad: float, target: float) -> dict[str, Any]:
    allowed = (1 - target) * total
    return {"budget_allowed": allowed, "budget_used": bad, "budget_left_ratio": (allowed - bad) / allowed}


class FakeQuery:
    def __init__(self, empty: bool = False, size: int = 200) -> None:
        self.now = datetime.now(UTC)
        self.rows = [] if empty else population(self.now, size=size)
        self.empty = empty
        self.broken = False
        self.added = 0
        self.behind = 0.0
        self.changes = 0
        self.views: list[dict[str, Any]] = []
        self.happened = FakeIncidents(self.now)
        self.regions = FakeRegions(self.now)
        self.compared: tuple[Said, Said] | None = None
        self.asked: dict[str, Any] = {}
        self.sought_in_common: list[dict[str, Any]] = []

    def replica(self) -> dict[str, Any]:
        as_of = z(datetime.now(UTC) - timedelta(seconds=self.behind))
        return {"used": True, "reason": None, "as_of": as_of, "lag_seconds": self.behind}

    def add_stuck(self, workflow: str = "order-to-cash") -> str:
        """One more stuck instance, as if an event had just been judged."""
        self.added += 1
        row = make(random.Random(1000 + self.added), workflow, 900 + self.added, "stuck", self.now)
        self.rows.append(row)
        return str(row["id"])

    def change(self) -> None:
        """A stuck order is worth something else than before."""
        row = next(r for r in self.rows if r["verdict"] == "stuck" and r["workflow"] == "order-to-cash")
        self.changes += 1
        row["value"] = {"amount": 1000.0 + self.changes % 97, "currency": "EUR"}
        row["updated_at"] = z(self.now + timedelta(seconds=self.changes))

    def waive(self) -> str:
        """Somebody waives a stuck instance."""
        row = next(r for r in self.rows if r["verdict"] == "stuck" and r["workflow"] == "order-to-cash")
        until, at = z(self.now + timedelta(days=3)), z(self.now)
        row["waiver"] = {"by": "Jo Doe", "reason": "SAP is being mended", "until": until, "at": at,
                         "verdict_beneath": "stuck", "reason_beneath": "overdue"}  # fmt: skip
        row |= {"verdict": "waived", "reason": "waived", "stuck_since": None}
        return str(row["id"])

    def heaviest(self) -> str:
        """The id of the incident that stands first, without an event loop."""
        waiting = self.incidents("firing")
        try:
            waiting.send(None)
        except StopIteration as done:
            return str(done.value["items"][0]["id"])
        raise RuntimeError

    def _up(self) -> None:
        if self.broken:
            raise ConnectionError("the database does not answer")

    def _counts(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        by = {v: sum(r["verdict"] == v for r in rows) for v in
              ("due_soon", "stuck", "blind", "failed", "inconsistent", "waived", "completed", "completed_late")}  # fmt: skip
        closed = ("completed", "completed_late", "cancelled")
        risk = [r for r in rows if r["verdict"] in AT_RISK]
        return {
            "open": sum(r["verdict"] not in closed for r in rows), **by, "value_at_risk": _sum(risk),
            "orphans": sum(r["reason"] == "orphan" for r in rows),
            "oldest_stuck_since": min((r["stuck_since"] for r in risk if r["stuck_since"]), default=None),
        }  # fmt: skip

    async def overview(self) -> dict[str, Any]:
        self._up()
        objectives = (await self.objectives())["items"]
        domains = []
        for domain in dict.fromkeys(w["domain"] for w in WORKFLOWS.values()) if not self.empty else ():
            rows = [r for r in self.rows if r["domain"] == domain]
            rng = random.Random(_seed(domain))
            hour = self.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=167)
            trend = []
            for h in range(168):
                load = 6 + 5 * math.sin((h % 24 - 6) / 24 * 2 * math.pi)
                spike = 6 if domain == "orders" and 130 < h < 138 else 0
                trend.append({"t": z(hour + timedelta(hours=h)), "good": max(0, round(rng.gauss(load, 2))),
                              "bad": spike + (rng.random() < 0.12)})  # fmt: skip
            domains.append({
                "domain": domain, **self._counts(rows), "trend": trend,
                "workflows": [{"name": n, "title": w["title"], "entity": w["entity"], "owner": w["owner"],
                               **self._counts([r for r in rows if r["workflow"] == n]), "today": self._today(n)}
                              for n, w in WORKFLOWS.items() if w["domain"] == domain],
                "objectives": [o for o in objectives if o["domain"] == domain],
            })  # fmt: skip
        return {"as_of": z(datetime.now(UTC)), "domains": domains,
                "incidents": (await self.incidents("firing"))["items"], "sources": (await self.sources())["items"],
                "events_total": 0 if self.empty else 722_208 + self.added, "lag_seconds": 0.4, "late": []}  # fmt: skip

    def _today(self, workflow: str) -> dict[str, Any]:
        rng = random.Random(_seed(workflow))
        until = self.now.replace(minute=0, second=0, microsecond=0)
        due = rng.randint(20, 300)
        known = {"due": due * 1.1, "missed": 3.5, "days": 4, "weekday": True}
        return {"since": z(until.replace(hour=0)), "until": z(until), "due": due, "missed": rng.randint(0, 12),
                "usual": known if workflow != "quote-approval" else None}  # fmt: skip

    async def workflows(self) -> dict[str, Any]:
        self._up()
        return {"items": [
            {"name": n, "version": 3, "title": w["title"], "domain": w["domain"], "owner": w["owner"],
             "entity": w["entity"], "counts": dict(Counter(r["verdict"] for r in self.rows if r["workflow"] == n)),
             "milestones": [{"name": m[0], "title": m[1], "after": [w["milestones"][i - 1][0]] if i else [], "after_any": False, "optional": False, "choice": None, "count": 1, "each": None, "source": m[2], "owner": m[3],
                             "deadline": {"from": None, "warn": f"{m[4] // 60}m", "breach": f"{m[5] // 60}m", "calendar": None, "by": {}} if m[5] else None, "completes": False, "starts": i == 0}
                            for i, m in enumerate(w["milestones"])]}
            for n, w in WORKFLOWS.items() if not self.empty]}  # fmt: skip

    async def definitions(self) -> dict[str, Any]:
        return await self.workflows() | {
            "objectives": [{"name": o[0], "workflow": o[3]} for o in OBJECTIVES],
            "tests": {n: {"tests": 3 if n == "order-to-cash" else 0, "failed": int(n == "order-to-cash")} for n in WORKFLOWS}}  # fmt: skip

    async def definition_tests(self, workflow: str) -> dict[str, Any] | None:
        return tests_of(workflow, z(self.now)) if workflow in WORKFLOWS else None

    async def definition(self, workflow: str) -> dict[str, Any] | None:
        found = next((w for w in (await self.workflows())["items"] if w["name"] == workflow), None)
        if found is None:
            return None
        waits = [r["waiting_for"] for r in self.rows if r["workflow"] == workflow and r["waiting_for"]]
        return found | {
            "description": "From the first word of the customer to the money.", "calendars": ["Office hours, EMEA"],
            "waiting": {one: waits.count(one) for one in waits},
            "keys": [{"namespace": WORKFLOWS[workflow]["key"][0], "joins": True}, {"namespace": "account", "joins": False}],
            "objectives": [{"name": o[0], "title": o[1], "kind": o[4], "target": o[8], "owner": o[2],
                            "promise": f"{o[5]} → {o[6]} within {o[7]}"} for o in OBJECTIVES if o[3] == workflow],
            "versions": [{"version": 3, "loaded_at": z(self.now), "in_force": True,
                          "differences": ["milestones.order_accepted.within.breach: 4h, was 6h"]},
                         {"version": 2, "loaded_at": z(self.now - timedelta(days=9)), "in_force": False, "differences": []},
                         {"version": 1, "loaded_at": z(self.now - timedelta(days=90)), "in_force": False,
                          "differences": None}]}  # fmt: skip

    async def instances(self, workflow: str | None = None, domain: str | None = None,
                        verdict: list[str] | None = None, owner: str | None = None,
                        source_awaited: str | None = None, waiting_for: str | None = None,
                        reason: str | None = None, key: str | None = None, attribute: list[str] | None = None,
                        incident: str | None = None, q: str | None = None, min_age_seconds: float | None = None, min_value: float | None = None,
                        due_within_seconds: float | None = None, assigned_to: str | None = None, acknowledged: bool | None = None,
                        sort: str = "deadline_at", cursor: str | None = None, limit: int = 50,
                        offset: int | None = None) -> dict[str, Any]:  # fmt: skip
        self._up()
        wanted = {"workflow": workflow, "domain": domain, "owner": owner, "source_awaited": source_awaited,
                  "waiting_for": waiting_for, "reason": reason}  # fmt: skip
        rows = [r for r in self.rows if all(v is None or r[k] == v for k, v in wanted.items())]
        rows = [r for r in rows if not verdict or r["verdict"] in verdict]
        if q:
            rows = [r for r in rows if q.lower() in (r["title"] + str(r["keys"]) + str(r["attributes"])).lower()]
        if key:
            value = key.partition("=")[2] or key
            rows = [r for r in rows if any(k["value"] == value for k in r["keys"])]
        for condition in attribute or ():
            name, unlike, value = condition.partition("!=")
            if not unlike:
                name, _, value = condition.partition("=")
            rows = [r for r in rows if (str(r["attributes"].get(name)) == value) != bool(unlike)]
        if incident:
            rows = [r for r in rows if r["verdict"] == "stuck"]
        if min_value is not None:
            rows = [r for r in rows if r["value"] and r["value"]["amount"] >= min_value]
        if assigned_to:
            wanted_to = None if assigned_to == "nobody" else assigned_to
            rows = [r for r in rows if r["handling"]["assigned_to"] == wanted_to]
        if acknowledged is not None:
            rows = [r for r in rows if bool(r["handling"]["acknowledged_by"]) == acknowledged]
        if min_age_seconds:
            limit_at = z(self.now - timedelta(seconds=min_age_seconds))
            rows = [r for r in rows if r["stuck_since"] and r["stuck_since"] <= (limit_at or "")]
        if due_within_seconds:
            rows = self._due(rows, due_within_seconds)
        field = sort.lstrip("-")
        if field == "chance":
            rows.sort(key=lambda r: (r["forecast"]["chance"] is None, -(r["forecast"]["chance"] or 0)))
            field = "id"

        def order(row: dict[str, Any]) -> Any:
            return row["value"]["amount"] if field == "value" else row[field]

        present = [r for r in rows if (row_value := r[field]) is not None and row_value != ""]
        if field != "id":
            present.sort(key=order, reverse=sort.startswith("-"))
        rows = present + [r for r in rows if r[field] is None]
        start = offset or 0
        return {"items": [_public(r) for r in rows[start : start + limit]], "next_cursor": None,
                "total": len(rows), "total_exact": True, "value": _sum(rows)}  # fmt: skip

    async def differences(
        self, *, since: str | None = None, limit: int = 20, most: int = 100_000, **asked: Any
    ) -> dict[str, Any]:
        self._up()
        self.sought_in_common.append(asked)
        bad = (await self.instances(**asked, limit=10_000))["items"]
        rest = [r for r in self.rows if r["id"] not in {b["id"] for b in bad}]
        items = [
            {"kind": kind, "attribute": name, "value": value, "significant": value != "none",
             "explanation": f"{len(bad)} of {len(bad)} {told}, against 12% of the others: 27× as likely", "filter": narrowed}
            for kind, name, value, told, narrowed in (
                ("attribute", "region", "EMEA", "have region EMEA", {"attribute": ["region=EMEA"]}),
                ("instance", "source_awaited", "sap", "wait for the source sap", {"source_awaited": "sap"}),
                ("instance", "started_hour", 14, "started between 14:00 and 15:00 UTC", None),
                ("attribute", "tier", "none", "have tier none", {"attribute": ["tier=none"]}))
        ]  # fmt: skip
        return {"bad": {"count": len(bad), "cut": False}, "total": len(items), "items": items[:limit], "left_out": [],
                "rest": {"count": len(rest), "cut": False, "since": z(self.now), "workflows": []}, "looked_at": 40}  # fmt: skip

    async def instance(self, id: str, known_at: str | None = None) -> dict[str, Any] | None:
        self._up()
        if known_at is not None:
            return await self._known(id, known_at)
        row = next((r for r in self.rows if r["id"] == id), None)
        if row is None:
            return None
        line = next((j for j in row["_journey"] if j["name"] == row["waiting_for"]), row["_journey"][-1])
        first = row["_events"][0]
        event = {"source": first["source"], "id": first["id"], "type": first["type"]}
        held = row["verdict"] == "stuck"
        others = [o for o in self.rows if o["keys"][2]["value"] == row["keys"][2]["value"] and o["id"] != id]
        acts = [{**first, "seq": first["seq"] + 9, "source": "milepost", "id": "act-1", "type": "milepost.waived",
                 "milestone": None, "received_at": row["updated_at"],
                 "data": {"by": "jo", "reason": "INC-4711", "until": "2026-12-01T09:00:00Z"}}] if held else []  # fmt: skip
        told = [{"target": "#order-ops", "kind": "slack", "transition": "firing", "state": "delivered",
                 "incident": "abc", "at": row["updated_at"]}] if held else []  # fmt: skip
        return {
            **_public(row), "journey": row["_journey"], "events": [*row["_events"], *acts], "told": told, "spans": row["_spans"],
            "arithmetic": [f"The clock for “{line['title']}” started at {line['started_at']}.",
                           f"It is due within its limit: deadline {line['deadline_at']}.",
                           "No calendar applies, so every hour counts."],
            "keys": [{**k, "event": event, "at": row["started_at"]} for k in row["keys"]],
            "linked": [{"id": other["id"], "workflow": other["workflow"], "title": other["title"],
                        "verdict": other["verdict"], "keys": ["account=A-1"], "relation": relation}
                       for other, relation in zip((r for r in self.rows if r["workflow"] != row["workflow"]),
                                                  ("part", "whole"), strict=False)],
            "beside": [{"namespace": "customer", "value": row["keys"][2]["value"], "total": len(others),
                        "pressing": sum(o["verdict"] in AT_RISK for o in others), "counted_all": True,
                        "items": [{n: o[n] for n in ("id", "workflow", "title", "verdict", "updated_at")} for o in others[:5]]}],
            "joined": [{"id": "5b1c0000-0000-4000-8000-000000000000", "event": event, "at": row["updated_at"]}],
            "rejected": [{"event": event, "by": "Jo Doe", "reason": "a typing error", "at": row["updated_at"],
                          "accepted_at": None, "parts": [row["id"], self.rows[0]["id"]]}],
            "history": [{"at": row["started_at"], "verdict": "on_track", "verdict_from": None, "reason": "started"},
                        {"at": row["updated_at"], "verdict": row["verdict"], "verdict_from": "on_track", "reason": row["reason"]}],
            "incidents": [i for i in (await self.incidents())["items"]
                          if i["verdict"] == row["verdict"] and i["workflow"] == row["workflow"] and i["waiting_for"] == row["waiting_for"]],
        }  # fmt: skip

    async def _known(self, id: str, known_at: str) -> dict[str, Any] | None:
        """What of it had arrived by then."""
        at = datetime.fromisoformat(known_at)
        if at > datetime.now(UTC):
            raise ValueError("known_at: lies in the future")
        present = await self.instance(id)
        events = [e for e in present["events"] if datetime.fromisoformat(e["received_at"]) <= at] if present else []
        if present is None or not events:
            return None
        return {name: value for name, value in present.items() if name not in ("history", "incidents", "linked", "beside")} | {
            "known_at": known_at, "as_of": None, "events": events, "verdict": "on_track",
            "explanation": f"{len(events)} events were known then."}  # fmt: skip

    def _due(self, rows: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
        """What is before a deadline within this time, with a chance; of every seventh nothing is known."""
        until = z(self.now + timedelta(seconds=seconds)) or ""
        found = []
        for row in rows:
            if row["verdict"] in ("on_track", "due_soon") and row["deadline_at"] and row["deadline_at"] <= until:
                seed = _seed(row["id"])
                chance = None if seed % 7 == 0 else seed % 100 / 100
                found.append(row | {"forecast": {
                    "milestone": row["waiting_for"], "title": row["waiting_for_title"], "calendar": None,
                    "group": {"tier": "gold"} if seed % 2 else None, "deadline_at": row["deadline_at"],
                    "waited_seconds": 60.0, "left_seconds": 60.0, "chance": chance, "known": 5 if chance is None else 214,
                    "low": (chance or 0) * 0.8, "high": 1 - (1 - (chance or 0)) * 0.8, "pooled": False,
                    "unknown": "too_few" if chance is None else None,
                }})  # fmt: skip
        return found

    def _outlook_of(self, workflow: str, hours: tuple[int, ...]) -> dict[str, Any]:
        mine = [r for r in self.rows if r["workflow"] == workflow]
        horizons = []
        for size in hours:
            chances = [r["forecast"]["chance"] for r in self._due(mine, size * 3600)]
            known = [one for one in chances if one is not None]
            unknown = len(chances) - len(known)
            horizons.append({"within": {24: "1d"}.get(size, f"{size}h"), "breaches": sum(known), "due": len(known),
                             "low": math.floor(sum(known) * 0.7), "high": math.ceil(sum(known)), "unknown": unknown,
                             "why_unknown": {"too_few": unknown} if unknown else {}})  # fmt: skip
        at = self.now
        step = next(m for m in WORKFLOWS[workflow]["milestones"] if m[5])
        backlog = {"milestone": step[0], "title": step[1], "calendar": None, "state": "clearing", "waiting": 41,
                   "net_per_hour": 12.5, "clear_at": z(at + timedelta(hours=2)), "earliest": z(at + timedelta(hours=1)),
                   "latest": z(at + timedelta(hours=4)), "pace_since": z(at - timedelta(minutes=15))}  # fmt: skip
        return {"workflow": workflow, "title": WORKFLOWS[workflow]["title"], "domain": WORKFLOWS[workflow]["domain"],
                "too_many": False, "expected": horizons, "backlogs": [backlog] if workflow == "order-to-cash" else [],
                "learned": {"at": z(at), "instances": 1706, "all_instances": True}}  # fmt: skip

    async def outlook(self, *, objective: str | None = None) -> dict[str, Any] | None:
        self._up()
        wanted, hours = list(WORKFLOWS) if not self.empty else [], (1,)
        if objective is not None:
            wanted, hours = [o[3] for o in OBJECTIVES if o[0] == objective], (1, 8, 24)
        back = {"at": z(self.now - timedelta(days=1)), "within": "1d", "breaches": 41.3, "low": 30, "high": 52,
                "due": 210, "missed": 38}  # fmt: skip
        items = [self._outlook_of(name, hours) | ({"looked_back": back} if objective else {}) for name in wanted]
        return {"as_of": z(self.now), "lag_seconds": 0.4, "items": items}

    async def instance_forecast(self, id: str) -> dict[str, Any] | None:
        self._up()
        row = next((r for r in self.rows if r["id"] == id), None)
        if row is None:
            return None
        told = [r["forecast"] for r in self._due([row], 31 * 86_400)]
        return {"id": id, "workflow": row["workflow"], "verdict": row["verdict"], "as_of": z(self.now), "deadlines": told,
                "learned": {"at": z(self.now), "instances": 1706, "all_instances": True}}  # fmt: skip

    async def objectives(self) -> dict[str, Any]:
        self._up()
        items = []
        for name, title, owner, workflow, kind, start, end, within, target, total, bad, pending, unit in OBJECTIVES:
            if self.empty:
                break
            allowed = total * (1 - target)
            items.append({
                "name": name, "title": title, "owner": owner, "workflow": workflow,
                "domain": WORKFLOWS[workflow]["domain"], "kind": kind,
                "description": f"{start} → {end} within {within}", "target": target, "window_seconds": 30 * 86400,
                "window": {"period": None, "zone": None, "calendar": None, "since": z(self.now - timedelta(days=30)), "until": None},
                "good": total - bad, "bad": bad, "total": total, "ratio": (total - bad) / total,
                "budget_allowed": allowed, "budget_used": bad, "budget_left_ratio": 1 - bad / allowed,
                "pending_bad": pending, "unit": unit, "waived": 2, "cancelled": 31, "excluded": 0, "missing": 0,
                "targets": [], "values": [], "group_by": [], "missing_data": "bad", "missing_source": None,
                "missing_since": None, "replaying_source": None, "known": True, "burning": [], "pace": {"allowed": allowed, "gone_at": None},
            })  # fmt: skip
            if name == "orders-shipped-in-time":
                items[-1] |= {
                    "group_by": ["region", "tier"], "targets": [{"name": "contract", "target": 0.95, **_budget(total, bad, 0.95)}],
                    "burning": [{"severity": "page", "long_seconds": 3600, "short_seconds": 300, "bad": 14, "rate": 36.2,
                                 "threshold": 14.4}],
                    "missing_data": "alert", "missing_source": "sap", "missing_since": z(self.now - timedelta(minutes=40)),
                    "missing": 12, "known": False, "pace": {"allowed": allowed, "gone_at": z(self.now + timedelta(days=3))},
                    "values": [{"currency": "EUR", "good": 4_812_000.5, "bad": 210_400.0, "ratio": 0.958,
                                **_budget(5_022_400.5, 210_400.0, target)}],
                }  # fmt: skip
        return {"items": items}

    async def periods(self, name: str, *, limit: int = 12, group: Sequence[str] = ()) -> dict[str, Any] | None:
        row = next((o for o in (await self.objectives())["items"] if o["name"] == name), None)
        if row is None:
            return None
        rng, items = random.Random(_seed(name)), []
        first = self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for place in range(limit):
            good, bad = round(row["good"] * rng.uniform(0.8, 1.2)), round(row["bad"] * rng.uniform(0, 2))
            allowed = (1 - row["target"]) * (good + bad)
            after = (first + timedelta(days=32)).replace(day=1)
            items.append({
                "since": z(first), "until": z(after), "over": place > 0, "good": good, "bad": bad, "total": good + bad,
                "ratio": good / (good + bad) if good + bad else None, "budget_allowed": allowed, "budget_used": bad,
                "budget_left_ratio": (allowed - bad) / allowed if allowed else None,
                "met": bad <= allowed if good + bad else None, "restated": place == 2,
                "closed": {"at": z(after), "good": good + 3, "bad": bad + 2 * (place == 2), "ratio": 0.981,
                           "target": row["target"], "met": True} if place else None,
            })  # fmt: skip
            first = (first - timedelta(days=1)).replace(day=1)
        said = {"name": name, "target": row["target"], "period": "month", "zone": "UTC", "unit": row["unit"]}
        return said | {"items": items}

    async def objective(
        self, name: str, group: Sequence[str] = (), since: str | None = None, until: str | None = None
    ) -> dict[str, Any] | None:
        self.asked["objective"] = (since, until)
        row = next((o for o in (await self.objectives())["items"] if o["name"] == name), None)
        if row is None:
            return None
        if group and len(group) != len(row["group_by"]):
            raise ValueError("group: must be said once for each")
        rng = random.Random(_seed(name))
        day = self.now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=29)
        series, budget, left = [], [], row["bad"]
        weights = [rng.random() ** 4 for _ in range(30)]
        for d in range(30):
            bad = min(left, round(row["bad"] * weights[d] / sum(weights))) if d < 29 else left
            left -= bad
            series.append(
                {"t": z(day + timedelta(days=d)), "good": round(row["good"] / 30 * rng.uniform(0.6, 1.4)), "bad": bad}
            )
            budget.append(
                {"t": z(day + timedelta(days=d)), "left_ratio": 1 - (row["bad"] - left) / row["budget_allowed"]}
            )
        kinds = (
            [(region, tier) for region in ("EMEA", "AMER", "APAC") for tier in ("gold", None)]
            if row["group_by"]
            else []
        )
        groups = [
            {"group": {"region": region, "tier": tier}, "good": 800 - 9 * n, "bad": 40 - 7 * n, "total": 840 - 16 * n,
             "ratio": (800 - 9 * n) / (840 - 16 * n), "values": [], **_budget(840 - 16 * n, 40 - 7 * n, row["target"])}
            for n, (region, tier) in enumerate(kinds)
        ]  # fmt: skip
        exclusions = [
            {"since": z(day + timedelta(days=3, hours=2)), "until": z(day + timedelta(days=3, hours=6)), "reason": "SAP is maintained"}
        ] if row["group_by"] else []  # fmt: skip
        told = {"group": dict(zip(row["group_by"], group, strict=True)) if group else None, "exclusions": exclusions,
                "step": "day", "zone": "Europe/Berlin", "asked": None}  # fmt: skip
        if since or until:
            if since and until and since >= until:
                raise ValueError("since: must be before until")
            series, budget = series[-7:], budget[-7:]
            counts = {"good": 700, "bad": 9, "total": 709, "ratio": 700 / 709, **_budget(709, 9, row["target"])}
            told["asked"] = {"since": since or z(day), "until": until or z(self.now), **counts}
        listed = {} if group else {"groups": groups, "groups_total": len(groups)}
        return {**row, **told, **listed, "series": series, "budget_series": budget}

    async def objective_differences(
        self, name: str, *, since: str | None = None, until: str | None = None, group: Sequence[str] = (),
        limit: int = 20,
    ) -> dict[str, Any]:  # fmt: skip
        found = await self.differences(limit=limit)
        items = [one | {"bad_share": 0.83, "rest_share": 0.12} for one in found["items"]]
        begin = since or z(self.now - timedelta(days=30))
        return found | {"name": name, "since": begin, "until": until or z(self.now), "items": items}

    async def contributors(
        self, name: str, *, since: str | None = None, until: str | None = None, outcome: str = "bad",
        group: Sequence[str] = (), where: Sequence[str] = (), cursor: str | None = None,
    ) -> dict[str, Any] | None:  # fmt: skip
        self.asked["contributors"] = (since, until, list(group), list(where))
        row = next((o for o in (await self.objectives())["items"] if o["name"] == name), None)
        if row is None:
            return None
        if outcome not in ("bad", "waived", "cancelled", "good"):
            raise ValueError("outcome: must be bad or waived or cancelled or good")
        mine = [r for r in self.rows if r["workflow"] == row["workflow"]]
        items = [
            {"id": r["id"], "workflow": r["workflow"], "title": r["title"], "verdict": r["verdict"],
             "milestone_title": r["waiting_for_title"], "part": "", "due_at": r["deadline_at"], "arrived_at": None,
             "late_seconds": 86_400 + 61 * n, "late_open_seconds": 30_000 if n % 2 else None, "outcome": outcome,
             "counts_as": None if n == 1 else outcome, "left_out": "excluded" if n == 1 else None,
             "exclusions": ["SAP is maintained"] if n == 1 else [], "arithmetic": ["Due after 48h."], "value": r["value"],
             "waiver": {"by": "jo", "reason": "known"} if outcome == "waived" else None}
            for n, r in enumerate(mine)
        ]  # fmt: skip
        start = int(cursor or 0)
        more = str(start + 5) if len(items) > start + 5 else None
        return {"name": name, "title": row["title"], "workflow": row["workflow"], "kind": row["kind"],
                "since": since or row["window"]["since"], "until": until or z(self.now), "outcome": outcome,
                "group": dict(zip(row["group_by"], group, strict=True)) if group else None, "listed": "items",
                "where": [dict(zip(("name", "value"), one.split("=", 1), strict=True)) for one in where],
                "items": items[start : start + 5], "next_cursor": more, "total": len(items) - 1, "left_out": 1,
                "values": [{"currency": "EUR", "amount": 210_400.0}]}  # fmt: skip

    async def incidents(self, status: str | None = None, **asked: Any) -> dict[str, Any]:
        self._up()
        self.asked["incidents"] = (asked.get("since"), asked.get("until"))
        return self.happened.listed(self.rows, status, **asked)

    async def incident(self, id: str) -> dict[str, Any] | None:
        self._up()
        return self.happened.one(self.rows, id)

    async def incident_attempts(self, id: str) -> dict[str, Any] | None:
        self._up()
        return {"items": self.happened.attempts}

    async def sources(self) -> dict[str, Any]:
        self._up()
        now = datetime.now(UTC)
        items = []
        for source, title, owner, state, ago, silent, received, dup, rejected, dead in (
            SOURCES if not self.empty else ()
        ):
            last = z(self.now - timedelta(seconds=ago)) if ago is not None else None
            items.append({
                "source": source, "title": title, "owner": owner, "state": state, "last_received_at": last,
                "last_occurred_at": last, "lag_seconds": (now - self.now).total_seconds() + ago if ago is not None else None,
                "received": received, "rate": {"per_minute": 12.5 if received else None, "hours": []}, "duplicates": dup, "rejected": rejected, "unmatched": received // 40,
                "dead_letters": dead, "silent_after_seconds": silent,
                "expects": f"at least every {silent // 60}m" if silent else None,
                "expected_by": z(self.now - timedelta(seconds=ago - silent)) if silent and ago is not None else None,
                "types": [{"type": "stock.counted", "state": "silent", "last_received_at": last,
                            "last_occurred_at": last, "expects": "every business day by 06:00 (Warehouse hours)",
                            "expected_by": last}] if source == "sap" else [],
                "skew": {
                    "tolerated_seconds": 300.0, "ahead_events": 41 if source == "sap" else 0, "most_ahead_seconds": 512.0,
                    "ahead_on": z(self.now)[:10], "most_ahead_that_day_seconds": 512.0,
                    "beyond_tolerance": source == "sap",
                    "finding": "Clock ahead by up to 8m32s, 5m tolerated" if source == "sap" else None,
                },
            })  # fmt: skip
        flows = []
        for name, w in WORKFLOWS.items() if not self.empty else ():
            for before, after in zip(w["milestones"], w["milestones"][1:], strict=False):
                waits = [r for r in self.rows if r["workflow"] == name and r["waiting_for"] == after[0]]
                if before[2] != after[2]:
                    flows.append({"sender": before[2], "receiver": after[2], "workflow": name,
                                  "workflow_title": w["title"], "milestone": after[0], "title": after[1],
                                  "waiting": len(waits), "held": sum(r["verdict"] in AT_RISK for r in waits),
                                  "blind": sum(r["verdict"] == "blind" for r in waits)})  # fmt: skip
        return {"items": items, "flows": sorted(flows, key=lambda f: -f["held"])}

    async def source_volume(self, source: str, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        self._up()
        self.asked["source_volume"] = (since, until)
        hour = self.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=168)
        hours = []
        for n in range(168):
            usual = 40 + 30 * math.sin((n % 24 - 6) / 24 * 2 * math.pi)
            band = {"low": usual * 0.8, "median": usual, "high": usual * 1.2, "days": 4, "weekday": True}
            came = None if 40 <= n < 44 else usual * (0.2 if n > 160 else 0.9 + 0.2 * (n % 3 == 0))
            hours.append({"t": z(hour + timedelta(hours=n)), "count": came, "usual": band})
        return {"source": source, "hours": hours, "last_day": {"hours": 24, "count": 701, "usual": 958},
                "whole": {"hours": 161, "count": 6_701, "usual": 6_958} if since or until else None}  # fmt: skip

    async def dead_letters(
        self, source: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> dict[str, Any]:
        self._up()
        items = [{"id": n, "received_at": z(self.now - timedelta(minutes=17 * n)), "source": "jira" if n < 11 else "sap",
                  "reason": "unreadable_record", "detail": "data.issue.created: not a time: “yesterday”",
                  "event_id": f"jira-{n}", "type": "issue.created"} for n in range(13)]  # fmt: skip
        items = [i for i in items if source in (None, i["source"])] if not self.empty else []
        return {"items": items[:limit], "next_cursor": None, "total": len(items)}

    async def account(self, namespace: str, value: str) -> dict[str, Any] | None:
        self._up()
        return account_of(self.rows, namespace, value)

    async def flow(self, workflow: str) -> dict[str, Any] | None:
        self._up()
        return flow_of(self.rows, workflow, self.now)

    async def flow_comparison(self, workflow: str, one: Said, other: Said) -> dict[str, Any] | None:
        self._up()
        if one == other:
            raise ValueError("against_since: both sets are the same; they differ by since, until or where")
        self.compared = (one, other)
        found = flow_of(self.rows, workflow, self.now)
        return None if found is None else compared(found, one, other)

    async def noted(self) -> dict[str, Any]:
        self._up()
        return {"last": sum(len(str(r["handling"])) for r in self.rows)}

    async def assignees(self) -> dict[str, Any]:
        self._up()
        return {"items": sorted({r["handling"]["assigned_to"] for r in self.rows} - {None})}

    async def search(self, text: str, limit: int = 10) -> dict[str, Any]:
        found = (await self.instances(q=text, limit=limit))["items"]
        return {"items": [{"id": r["id"], "title": r["title"], "workflow": r["workflow"], "verdict": r["verdict"],
                           "key": next((k for k in r["keys"] if k["value"].startswith(text)), r["keys"][0])} for r in found]}  # fmt: skip
