"""`milepost alerts route`: who would be told of what an event begins, when and why, and why others are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alerting.incident import Policy
from milepost.cli import app
from slo_rules.durations import format_duration

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: erp}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {express: data.express}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 1h}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office}
spec: {zone: Europe/Berlin, hours: {mon-fri: ["09:00-17:00"]}}
---
apiVersion: milepost/v1
kind: Team
metadata: {name: erp}
spec:
  send_to: [{webhook: {url: "https://hooks.example.com/erp"}}]
  members: {jo: {send_to: [{pagerduty: {routing_key: "${JO_KEY}"}}]}}
  on_call: {rotations: [{members: [jo], from: 2026-01-05}]}
---
apiVersion: milepost/v1
kind: Route
metadata: {name: orders}
spec:
  match: {domain: orders}
  send_to: [{team: erp}]
  escalate: [{after: 30m, send_to: [{on_call: erp}]}]
---
apiVersion: milepost/v1
kind: Route
metadata: {name: express}
spec: {match: {attributes: {express: true}}, hours: {calendar: office, always: [critical]}, send_to: [{webhook: {url: "https://hooks.example.com/x"}}]}
---
apiVersion: milepost/v1
kind: Route
metadata: {name: cases}
spec: {match: {domain: cases}, send_to: [{webhook: {url: "https://hooks.example.com/cases"}}]}
---
apiVersion: milepost/v1
kind: Maintenance
metadata: {name: patching}
spec: {match: {source: sap}, from: 2026-03-07T08:00, for: 2h, zone: Europe/Berlin, reason: SAP is patched}
"""
EVENT = {
    "specversion": "1.0", "id": "1", "source": "crm", "type": "won", "time": "2026-03-02T08:00:00Z",
    "data": {"order": "SO-1", "express": True},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "orders.yaml").write_text(DEFINITIONS)
    monkeypatch.setenv("JO_KEY", "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def route(folder: Path, *words: str, event: object = EVENT) -> Result:
    (folder / "event.json").write_text(event if isinstance(event, str) else json.dumps(event))
    said = ["alerts", "route", "--event", "event.json", "--definitions", "orders.yaml", *words]
    return CliRunner().invoke(app, said)


def test_it_says_who_is_told_when_and_by_which_route_and_why_others_are_not(folder: Path) -> None:
    ran = route(folder, "--at", "2026-03-02T12:00:00Z")
    assert ran.exit_code == 0, ran.output
    first = format_duration(Policy().group_wait)
    lines = [" ".join(line.split()) for line in ran.output.splitlines()]
    assert lines[0] == "orders: stuck, waiting for accepted from sap. Severity critical, owner erp, domain orders."
    assert f"after {first}: erp/webhook (webhook), by orders, team erp" in lines
    assert f"after {first}: express/webhook (webhook), by express" in lines
    assert any("erp.jo/pagerduty (pagerduty), by orders, step 1 after 30m, jo, on call" in line for line in lines)
    assert any("cases" in line and "domain is cases: it is orders" in line for line in lines)
    assert "R0UT1NGKEY" not in ran.output


def test_facts_can_be_set_and_hours_and_windows_are_heeded(folder: Path) -> None:
    at_night = route(folder, "--at", "2026-03-06T20:00:00Z", "--set", "severity=warning").output
    assert "Severity warning" in at_night
    assert "2026-03-09T08:00:00Z: express/webhook" in " ".join(at_night.split())
    assert "express/webhook" not in route(folder, "--set", "attributes.express=false").output
    assert (
        "nobody: no route takes it"
        in route(folder, "--set", "domain=none", "--set", "attributes.express=no").output.lower()
    )
    patched = route(folder, "--at", "2026-03-07T08:00:00Z").output
    assert "Maintenance patching until 2026-03-07T09:00:00Z: nobody is told before." in patched


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (EVENT | {"type": "lost"}, "No workflow asks for lost from crm"),
        (EVENT | {"data": {}}, "or it carries none of its keys: nobody is told"),
    ],
)
def test_what_begins_nothing_is_said_to(folder: Path, event: object, said: str) -> None:
    ran = route(folder, event=event)
    assert (ran.exit_code, said in ran.output) == (0, True), ran.output


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("{", ()),
        ("[]", ()),
        ({"specversion": "1.0"}, ()),
        (EVENT, ("--at", "soon")),
        (EVENT, ("--at", "2026-03-02T12:00")),
    ],
)
def test_what_cannot_be_read_is_said_and_ends_with_a_fault(folder: Path, event: object, words: tuple[str, ...]) -> None:
    ran = route(folder, *words, event=event)
    assert ran.exit_code not in (0, None), ran.output
    assert not isinstance(ran.exception, (KeyError, TypeError, AttributeError))
