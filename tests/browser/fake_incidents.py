"""Incidents with their history, and what people do with them, the way the API would answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fake_handling import worth
from fake_instances import z

HELD_UP = ("stuck", "failed", "inconsistent", "blind")
SAID = ("assignee", "acknowledged_by", "acknowledged_until", "postponed_by", "postponed_until")


class FakeIncidents:
    """What was done to the incidents that the instances make."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.said: dict[str, dict[str, Any]] = {}
        self.acts: dict[str, list[dict[str, Any]]] = {}
        self.changes: dict[str, list[dict[str, Any]]] = {}
        self.silences: list[dict[str, Any]] = []
        self.refuses: str | None = None

    def listed(
        self, instances: Sequence[dict[str, Any]], status: str | None = None, q: str | None = None,
        owner: str | None = None, severity: str | None = None, domain: str | None = None, sort: str | None = None,
        since: str | None = None, until: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        items = self._items(instances)
        items = [i for i in items if not since or not i["resolved_at"] or i["resolved_at"] >= since]
        items = [i for i in items if not until or i["opened_at"] < until]
        wanted = {"status": status, "owner": owner, "severity": severity, "domain": domain}
        items = [i for i in items if all(v is None or i[k] == v for k, v in wanted.items())]
        if q:
            items = [i for i in items if q.lower() in (i["title"] + str(self.acts.get(i["id"], ""))).lower()]
        if sort == "-opened_at":
            items.sort(key=lambda i: i["opened_at"], reverse=True)
        elif sort == "oldest_since":
            items.sort(key=lambda i: i["oldest_since"])
        elif sort == "-count":
            items.sort(key=lambda i: -i["count"])
        items.sort(key=lambda i: i["status"])
        return {"items": items, "cut": False}

    def one(self, instances: Sequence[dict[str, Any]], id_: str) -> dict[str, Any] | None:
        row = next((i for i in self._items(instances) if i["id"] == id_), None)
        if row is None:
            return None
        firing, count, opened = row["status"] == "firing", row["count"], row["opened_at"]
        ago = [(240, 3), (200, count // 2 + 3), (150, count + 2), (90, count + 2), (45, count + 1), (10, count)]
        return row | {
            "points": [{"at": z(self.now - timedelta(minutes=minutes)), "count": n} for minutes, n in ago],
            "trend": {"per_hour": -2.4, "drained_at": z(self.now + timedelta(hours=3))} if firing else None,
            "apart": [
                {"attribute": "connector_version", "value": "2.3", "held": 37, "held_of": 40, "others": 120, "others_of": 1000},
                {"attribute": "region", "value": "EMEA", "held": 31, "held_of": 40, "others": 330, "others_of": 1000},
            ],
            "runbook": "https://wiki.example.com/erp",
            "changes": self.changes.get(id_, []),
            "settled_by": None,
            "whom": [
                {"target": "slack #order-ops", "reason": "not_grown", "because": "", "until": None},
                {"target": "pagerduty of jo", "reason": "outside_hours", "because": "the hours of erp-platform", "until": z(self.now + timedelta(hours=9))},
            ] if firing else [],
            "timeline": [
                {"at": opened, "what": "opened", "detail": "3 held up", "by": None},
                {"at": opened, "what": "told", "detail": "#order-ops: first (slack)", "by": None},
                {"at": row["updated_at"], "what": "grown", "detail": f"from 3 to {count}", "by": None},
                *self.acts.get(id_, []),
            ],
            "deliveries": [
                {"target": "#order-ops", "kind": "slack", "reason": "first", "state": "delivered", "attempts": 1, "last_status": 200, "at": opened},
                {"target": "https://pager.example/hook", "kind": "webhook", "reason": "grown", "state": "pending", "attempts": 3, "last_status": 503, "at": row["updated_at"]},
            ],
        }  # fmt: skip

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """What was sent of each."""
        at = z(self.now)
        return [
            {"message_id": "m-2", "target": "https://pager.example/hook", "transition": "updated", "told_because": "grown",
             "attempt": 3, "at": at, "fate": "retry", "reason": "server_error", "status": 503, "error": None,
             "sent": '{"type":"milepost.incident.updated"}', "answer": "no " * 400, "remark": None},
            {"message_id": "m-1", "target": "#order-ops", "transition": "firing", "told_because": "first",
             "attempt": 1, "at": at, "fate": "delivered", "reason": "delivered", "status": 200, "error": None,
             "sent": '{"text":"3 orders are waiting"}', "answer": "ok", "remark": None},
        ]  # fmt: skip

    def act(self, id_: str, act: str, said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the body of the answer."""
        if self.refuses:
            return 409, {"title": f"id: {self.refuses}", "faults": [{"field": "id", "message": self.refuses}]}
        what = {"acknowledge": "acknowledged", "withdraw": "unacknowledged", "assign": "assigned", "link": "linked",
                "comment": "commented", "postpone": "postponed", "resolve": "called_resolved"}[act]  # fmt: skip
        detail = said.get("text") or said.get("reason") or said.get("title") or f"to {said.get('to')}"
        notes = self.said.setdefault(id_, {})
        if act == "acknowledge":
            notes |= {"acknowledged_by": said["by"], "acknowledged_until": said.get("until")}
            detail = f"until {said.get('until') or 'it resolves'}"
        elif act == "withdraw":
            notes |= {"acknowledged_by": None, "acknowledged_until": None}
        elif act == "assign":
            notes |= {"assignee": said["to"]}
        elif act == "postpone":
            notes |= {"postponed_by": said["by"], "postponed_until": said["until"]}
        elif act == "resolve":
            notes |= {"status": "resolved", "resolved_at": z(self.now)}
        elif act == "link":
            self.changes.setdefault(id_, []).append({**said, "at": z(self.now)})
        line = {"at": z(self.now), "what": what, "detail": detail, "by": said["by"]}
        self.acts.setdefault(id_, []).append(line)
        return 200, {"id": id_, "did": what}

    def silence(self, said: dict[str, Any]) -> dict[str, Any]:
        words = ", ".join(f"{name} is {value}" for name, value in said["match"].items())
        one = {
            "id": f"s{len(self.silences)}",
            "words": words,
            "status": "active",
            "since": z(self.now),
            "owner": said["by"],
            **said,
        }
        self.silences.append(one)
        return one

    def _items(self, instances: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for r in instances:
            if r["verdict"] in HELD_UP:
                groups.setdefault((r["workflow"], r["verdict"], r["waiting_for"]), []).append(r)
        items = []
        for (workflow, verdict, waiting_for), rows in groups.items():
            first, opened = rows[0], min(r["stuck_since"] for r in rows)
            id_ = hashlib.sha256(f"{workflow}{verdict}{waiting_for}".encode()).hexdigest()[:12]
            resolved = len(rows) == 1
            items.append({
                "id": id_,
                "status": "resolved" if resolved else "firing",
                "severity": "critical" if len(rows) > 3 else "warning",
                "title": f"{len(rows)} {first['entity']}{'s' if len(rows) > 1 else ''} {verdict.replace('_', ' ')}: "
                         f"{(first['waiting_for_title'] or '').lower()} from {first['source_awaited']}",
                "workflow": workflow, "domain": first["domain"], "verdict": verdict, "waiting_for": waiting_for,
                "source": first["source_awaited"], "reason": None, "owner": first["owner"], "count": len(rows),
                "peak_count": len(rows) + 2, "value": worth(rows), "oldest_since": opened, "opened_at": opened,
                "updated_at": z(self.now), "resolved_at": z(self.now) if resolved else None,
                **dict.fromkeys(SAID), **self.said.get(id_, {}),
            })  # fmt: skip
        items.sort(key=lambda i: (-sum(v["amount"] for v in i["value"]), -i["count"]))
        return items
