"""Makes instances, with journey, events and spans, the way the query layer would answer them."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from fake_definitions import WORKFLOWS

SHARE = {
    "on_track": 30,
    "due_soon": 10,
    "stuck": 14,
    "blind": 5,
    "failed": 4,
    "inconsistent": 3,
    "paused": 2,
    "completed": 26,
    "completed_late": 5,
    "cancelled": 1,
}
REASONS = {
    "on_track": "in_time",
    "due_soon": "warned",
    "stuck": "overdue",
    "blind": "source_silent",
    "failed": "failure_event",
    "inconsistent": "requirement_missing",
    "paused": "paused",
    "completed": "done",
    "completed_late": "done_late",
    "cancelled": "cancelled",
}
REGIONS = ("EMEA", "AMER", "APAC")


def z(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def words(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def make(rng: random.Random, workflow: str, number: int, verdict: str, now: datetime) -> dict[str, Any]:
    w = WORKFLOWS[workflow]
    steps = w["milestones"]
    closed = verdict in ("completed", "completed_late")
    awaited = len(steps) if closed else rng.randint(1, len(steps) - 1)
    if verdict == "blind":
        awaited = max((i for i, s in enumerate(steps) if s[2] == "warehouse"), default=awaited)
    at = datetime(2000, 1, 1, tzinfo=UTC)
    times = [at]
    for i, step in enumerate(steps[1:awaited], 1):
        late = closed and verdict == "completed_late" and i == len(steps) - 1
        at += timedelta(seconds=step[5] * rng.uniform(1.05, 1.6) if late else step[6] * rng.uniform(0.4, 1.2))
        times.append(at)
    if closed:
        shift = now - timedelta(hours=rng.uniform(0.2, 60)) - times[-1]
    else:
        step = steps[awaited]
        share = {"on_track": (0.02, 0.6), "due_soon": (0.86, 0.99)}.get(verdict, (1.02, 2.4))
        shift = now - timedelta(seconds=step[5] * rng.uniform(*share)) - times[-1]
    times = [t + shift for t in times]
    namespace, prefix = w["key"]
    entity = f"{prefix}{48_000 + number}"
    trace_ids = [f"{rng.getrandbits(128):032x}" for _ in times]
    journey, events, spans = [], [], []
    for i, step in enumerate(steps):
        name, title, source, owner, warn, breach, _ = step
        started = times[i - 1] if 0 < i <= len(times) else None
        reached = times[i] if i < len(times) else None
        deadline = started + timedelta(seconds=breach) if started and breach else None
        state = "waiting"
        if reached:
            state = "reached_late" if deadline and reached > deadline else "reached"
        elif i == awaited:
            state = "overdue" if deadline and deadline < now else "due"
            state = "waiting" if verdict == "cancelled" else state
        journey.append({
            "name": name, "title": title, "state": state, "at": z(reached), "started_at": z(started),
            "warn_at": z(started + timedelta(seconds=warn)) if started and warn else None,
            "deadline_at": z(deadline), "source": source, "owner": owner,
            "event_id": f"evt-{number}-{i}" if reached else None,
            "calendar": "Office hours, EMEA" if i == 1 and deadline else None,
            "closed": [{"from": z(started + timedelta(seconds=breach * 0.1)), "to": z(started + timedelta(seconds=breach * 0.4))}]
                      if i == 1 and started and breach else None,
            "faults": ["data.tax_code is missing"] if verdict == "inconsistent" and i == len(times) - 1 else [],
        })  # fmt: skip
        if reached:
            events.append({
                "seq": number * 10 + i, "source": source, "id": f"evt-{number}-{i}",
                "type": name.replace("_", ".", 1), "occurred_at": z(reached),
                "received_at": z(reached + timedelta(milliseconds=rng.uniform(40, 1800))), "milestone": name,
                "trace_id": trace_ids[i],
                "data": {f"{namespace}_id": entity, "region": rng.choice(REGIONS), "attempt": 1,
                         "customer": {"name": "Northwind Traders", "tier": rng.choice(["gold", "silver"])}},
            })  # fmt: skip
            spans += trace(rng, trace_ids[i], reached, source, name, error=verdict == "failed" and i == len(times) - 1)
    waits = None if closed or verdict == "cancelled" else steps[awaited]
    line = journey[awaited] if waits else None
    amount = round(rng.lognormvariate(9.3, 1.1), 2) if w["currency"] else None
    deadline_at = line["deadline_at"] if line else None
    stuck = verdict in ("stuck", "failed", "inconsistent", "blind")
    return {
        "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "workflow": workflow, "workflow_version": 3,
        "entity": w["entity"], "domain": w["domain"], "title": entity, "verdict": verdict,
        "reason": REASONS[verdict], "explanation": explain(verdict, w, waits, line, now),
        "waiver": None,
        "waiting_for": waits[0] if waits else None, "waiting_for_title": waits[1] if waits else None,
        "source_awaited": waits[2] if waits else None, "owner": waits[3] if waits else w["owner"],
        "due_at": line["warn_at"] if line else None, "deadline_at": deadline_at,
        "stuck_since": deadline_at if stuck else None,
        "started_at": z(times[0]), "updated_at": z(times[-1]),
        "milestones": {j["name"]: j["at"] for j in journey if j["at"]},
        "keys": [{"namespace": namespace, "value": entity, "joins": True},
                 {"namespace": "sales_order", "value": f"SO-{4_000 + number}", "joins": True},
                 {"namespace": "customer", "value": f"CUST-{100 + number % 9}", "joins": False}],
        "handling": {"assigned_to": None, "acknowledged_by": None, "acknowledged_at": None}, "notes": [],
        "attributes": {"region": rng.choice(REGIONS), "tier": rng.choice(["gold", "silver"]), "connector_version": "4.2.1"},
        "value": {"amount": amount, "currency": w["currency"]} if amount else None,
        "_journey": journey, "_events": events, "_spans": spans,
    }  # fmt: skip


def explain(verdict: str, w: dict[str, Any], waits: Any, line: Any, now: datetime) -> str:
    if verdict == "completed":
        return "Every milestone was reached, each within its deadline."
    if verdict == "completed_late":
        return f"Completed, but {w['milestones'][-1][1].lower()} came after its deadline."
    if verdict == "cancelled" or waits is None:
        return "Cancelled by its source before it was completed."
    deadline = datetime.fromisoformat(line["deadline_at"])
    over = (now - deadline).total_seconds()
    what = f"“{waits[1]}” from {waits[2]}"
    return {
        "stuck": f"Waiting for {what}, which was due {words(over)} ago. {waits[3]} owns this step.",
        "blind": f"Nothing has been heard from {waits[2]} for 2.1 h, so whether {what} happened is not known.",
        "failed": f"{waits[2]} reported a failure: “credit check declined (E-214)”. {waits[3]} owns this step.",
        "inconsistent": "“Order accepted” arrived without data.tax_code, which it must carry.",
        "paused": f"Paused by its owner while waiting for {what}; its clock stands still.",
        "due_soon": f"Waiting for {what}; {words(-over)} left before its deadline.",
    }.get(verdict, f"Waiting for {what}, due in {words(-over)}.")


def trace(rng: random.Random, trace_id: str, at: datetime, source: str, what: str, error: bool) -> list[dict[str, Any]]:
    """A plausible call tree of some 12 spans that ends at `at`."""
    start = at - timedelta(milliseconds=rng.uniform(300, 900))
    rows: list[dict[str, Any]] = []

    def add(parent: str | None, service: str, name: str, begin: float, length: float, status: str = "ok") -> str:
        span_id = f"{rng.getrandbits(64):016x}"
        rows.append({
            "trace_id": trace_id, "span_id": span_id, "parent_span_id": parent, "service": service, "name": name,
            "kind": "server" if parent is None else "client", "start": z(start + timedelta(milliseconds=begin)),
            "end": z(start + timedelta(milliseconds=begin + length)), "duration_ms": round(length, 2),
            "status": status, "status_message": "upstream timed out" if status == "error" else None,
            "attributes": {"http.response.status_code": 504 if status == "error" else 200, "messaging.system": "kafka"},
        })  # fmt: skip
        return span_id

    root = add(None, "integration-hub", f"POST /{what.replace('_', '-')}", 0, 290)
    add(root, "integration-hub", "validate payload", 4, 11)
    mapping = add(root, "mapper", "map document", 18, 62)
    add(mapping, "mapper", "load template", 20, 9)
    add(mapping, "postgres", "SELECT mapping_rule", 30, 14.5)
    call = add(root, f"{source}-connector", f"{source} upsert", 84, 180, "error" if error else "ok")
    for i in range(rng.randint(1, 3)):
        add(call, source, f"call attempt {i + 1}", 90 + i * 55, 48, "error" if error else "ok")
    queue = add(root, "kafka", "publish outcome", 268, 18)
    add(queue, "kafka", "ack", 275, 4.2)
    return rows


def population(now: datetime, seed: int = 7, size: int = 200) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    names = list(WORKFLOWS)
    verdicts = [v for v, share in SHARE.items() for _ in range(share)]
    rows = []
    for n in range(size):
        workflow = names[n % len(names)]
        verdict = rng.choice(verdicts)
        if verdict == "blind" and not any(s[2] == "warehouse" for s in WORKFLOWS[workflow]["milestones"]):
            verdict = "on_track"
        rows.append(make(rng, workflow, n, verdict, now))
    return rows
