"""What people do with instances, accounts and flows, the way the API would answer."""

from __future__ import annotations

from typing import Any

from fake_definitions import WORKFLOWS
from fake_instances import z

PRESSING = ("stuck", "failed", "inconsistent")
CLOSED = ("completed", "completed_late", "cancelled")


def worth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    totals: dict[str, float] = {}
    for row in rows:
        if row["value"]:
            totals[row["value"]["currency"]] = totals.get(row["value"]["currency"], 0) + row["value"]["amount"]
    return [{"currency": c, "amount": round(a, 2)} for c, a in sorted(totals.items())]


def act_on(rows: list[dict[str, Any]], said: dict[str, Any], now: Any) -> dict[str, Any]:
    """Acts on these rows; what is completed is refused, as the API does it."""
    items = []
    for id_ in said["ids"]:
        row = next((r for r in rows if r["id"] == id_), None)
        faults = [] if row else [{"field": "id", "message": "there is no such instance"}]
        if row and row["verdict"] in CLOSED and said["act"] != "comment":
            told = row["verdict"].replace("_", " ")
            faults = [{"field": "id", "message": f"the instance is {told}: there is nothing left to do"}]
        if row and not faults:
            note = {
                "at": z(now),
                "act": said["act"],
                "by": said["by"],
                "assigned_to": said.get("to"),
                "text": said.get("text"),
            }
            row["notes"] = [note, *row["notes"]]
            if said["act"] == "assign":
                row["handling"] = row["handling"] | {"assigned_to": said.get("to")}
            elif said["act"] == "acknowledge":
                row["handling"] = row["handling"] | {"acknowledged_by": said["by"], "acknowledged_at": z(now)}
            elif said["act"] == "waive":
                row |= {"verdict": "waived", "reason": "waived", "stuck_since": None}
        items.append({"id": id_, "title": row and row["title"], "done": not faults, "faults": faults})
    done = sum(item["done"] for item in items)
    return {
        "act": said["act"],
        "request": said.get("request"),
        "done": done,
        "refused": len(items) - done,
        "items": items,
    }


def _totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    opened, pressing = [r for r in rows if r["verdict"] not in CLOSED], [r for r in rows if r["verdict"] in PRESSING]
    return {"total": len(rows), "open": len(opened), "pressing": len(pressing), "value_total": worth(rows),
            "value_open": worth(opened), "value_at_risk": worth(pressing)}  # fmt: skip


def account_of(rows: list[dict[str, Any]], namespace: str, value: str) -> dict[str, Any] | None:
    mine = [r for r in rows if any((k["namespace"], k["value"]) == (namespace, value) for k in r["keys"])]
    if not mine:
        return None
    mine.sort(key=lambda r: (r["verdict"] not in PRESSING, r["verdict"] in CLOSED))
    domains: dict[str, list[dict[str, Any]]] = {}
    for name, w in WORKFLOWS.items():
        own = [r for r in mine if r["workflow"] == name]
        if own:
            counts = {v: sum(r["verdict"] == v for r in own) for v in dict.fromkeys(r["verdict"] for r in own)}
            items = [{k: v for k, v in r.items() if not k.startswith("_")} for r in own[:10]]
            domains.setdefault(w["domain"], []).append(
                {"name": name, "title": w["title"], "domain": w["domain"], "entity": w["entity"], "counts": counts,
                 **_totals(own), "items": items})  # fmt: skip
    return {"namespace": namespace, "value": value, "names": [], "first_at": min(r["started_at"] for r in mine),
            "last_at": max(r["updated_at"] for r in mine), **_totals(mine),
            "domains": [{"domain": name, "workflows": found} for name, found in domains.items()]}  # fmt: skip


def flow_of(rows: list[dict[str, Any]], name: str, now: Any) -> dict[str, Any] | None:
    if name not in WORKFLOWS:
        return None
    w, mine = WORKFLOWS[name], [r for r in rows if r["workflow"] == name]
    opened = [r for r in mine if r["verdict"] not in CLOSED]
    names, steps, reached = [m[0] for m in w["milestones"]], [], 1_840
    for i, (step, title, source, owner, _, breach, usual) in enumerate(w["milestones"]):
        here = [r for r in opened if r["waiting_for"] == step]
        late = round(reached * 0.031) if breach and i % 2 else 0
        # the second and the third do not wait for each other
        after = (
            []
            if i == 0
            else [names[0]]
            if i == 2 and len(names) > 4
            else names[1:3]
            if i == 3 and len(names) > 4
            else [names[i - 1]]
        )
        steps.append({
            "name": step, "title": title, "after": after, "after_any": False, "optional": False, "starts": i == 0,
            "completes": i == len(names) - 1, "source": source, "owner": owner,
            "waiting": {"total": len(here), "value": worth(here), "oldest_stuck_since": None,
                        "verdicts": {v: sum(r["verdict"] == v for r in here) for v in dict.fromkeys(r["verdict"] for r in here)}},
            "reached": reached, "late": late, "last_reached_at": "2026-11-20T09:00:00Z" if reached else None, "dropped": 7 * i, "without": 0, "again": 43 if i == 2 else 0,
            "again_after_seconds": 7_400.0 if i == 2 else None, "time_share": (0, 0.11, 0.62)[i] if i < 3 else 0.05,
            "elapsed_median_seconds": float(usual) if i else None,
            "last": {"late": _listed(mine, late), "dropped": _listed(mine, 7 * i), "without": [],
                     "again": _listed(mine, 43) if i == 2 else []},
            "measured": reached if i else 0,
            "calendar": "warehouse" if source == "warehouse" else None,
            "median_seconds": float(usual) if i else None,
            "p95_seconds": float(usual * (9 if late else 2.1)) if i and i != len(names) - 1 else None,
        })  # fmt: skip
        reached -= 60 + 31 * i
    return {"name": name, "title": w["title"], "description": "", "domain": w["domain"], "owner": w["owner"],
            "entity": w["entity"], "version": 3, "open": len(opened), "elsewhere": 0, "steps": steps,
            "learned": {"at": z(now), "since": z(now), "instances": 1_840, "all_instances": True, "restarted": 12},
            "groups": [{"attribute": "region", "values": [{"value": v, "count": n} for v, n in (("EMEA", 900), ("APAC", 411))]}]}  # fmt: skip


def _listed(rows: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    return [{"id": row["id"], "title": row["title"]} for row in rows[: min(10, number)]]


def compared(flow: dict[str, Any], one: Any, other: Any) -> dict[str, Any]:
    """Two sets of which the first takes three times as long for the third step."""

    def of(side: Any, times: int) -> dict[str, Any]:
        where = [dict(zip(("name", "value"), said.split("=", 1), strict=True)) for said in side.where]
        return {"since": side.since, "until": side.until, "where": where, "instances": 400 * times,
                "all_instances": True, "restarted": 3, "first_at": side.since}  # fmt: skip

    steps = [
        {"name": s["name"], "title": s["title"], "starts": s["starts"], "one": s | {"median_seconds": (s["median_seconds"] or 0) * 3}, "other": s}
        for s in flow["steps"]
    ]  # fmt: skip
    slow = steps[2]
    differences = [
        {"step": slow["name"], "title": slow["title"], "measure": "median_seconds", "size": 0.667, "sure": True,
         "one": slow["one"]["median_seconds"], "other": slow["other"]["median_seconds"]},
        {"step": slow["name"], "title": slow["title"], "measure": "late_share", "one": 0.081, "other": 0.06,
         "size": 0.021, "sure": False},
    ]  # fmt: skip
    return {"name": flow["name"], "title": flow["title"], "one": of(one, 1), "other": of(other, 2),
            "differences": differences, "steps": steps}  # fmt: skip
