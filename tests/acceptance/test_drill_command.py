"""`milepost alerts drill` as it is typed, through a Milepost that runs, to a webhook and resolved again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance import asking
from tests.acceptance.process import COMMAND, Serving, environment

if TYPE_CHECKING:
    from tests.integration.fix_alerting import Receiver

pytest_plugins = ["tests.integration.fix_alerting"]
pytestmark = pytest.mark.acceptance

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {{name: orders, domain: orders, owner: erp-platform}}
spec:
  entity: order
  keys: {{order: {{path: data.order_id}}}}
  milestones:
    - {{name: made, on: {{exact: {{source: crm, type: order.created}}}}, starts: true}}
    - {{name: paid, on: {{exact: {{source: crm, type: order.paid}}}}, within: 1d, completes: true}}
---
apiVersion: milepost/v1
kind: Route
metadata: {{name: erp}}
spec:
  match: {{owner: erp-platform, severity: critical}}
  send_to: [{{webhook: {{url: "{url}/erp"}}}}]
---
apiVersion: milepost/v1
kind: Route
metadata: {{name: others}}
spec:
  match: {{owner: {{not: [erp-platform]}}}}
  send_to: [{{webhook: {{url: "{url}/others"}}}}]
"""


@pytest.fixture
def serving(tmp_path: Path, receiver: Receiver) -> Iterator[Serving]:
    file = tmp_path / "definitions.yaml"
    file.write_text(DEFINITIONS.format(url=receiver.url), "utf-8")
    made = Serving(tmp_path, file, "--private-hosts", "127.0.0.1")
    made.start()
    yield made
    made.close()


def drill(serving: Serving, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "alerts", "drill", "--data-dir", str(serving.data), "--for", "20s", "--by", "jo", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment())


def told(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    return [(one.path, json.loads(one.raw)) for one in receiver.received]


def test_a_drill_fires_at_whom_it_concerns_is_marked_as_one_and_resolves(serving: Serving, receiver: Receiver) -> None:
    # What the target does not take at once is brought again.
    receiver.answer("/erp", 503)
    ran = drill(serving, "--owner", "erp-platform", "--severity", "critical")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 reached, with firing and resolve." in ran.stdout
    assert {path for path, _ in told(receiver)} == {"/erp"}
    messages = [body for _, body in told(receiver)]
    assert [body["type"] for body in messages] == [
        "milepost.incident.firing",
        "milepost.incident.firing",
        "milepost.incident.resolved",
    ]
    assert len({body["data"]["dedup_key"] for body in messages}) == 1
    for body in messages:
        assert body["data"]["incident"]["verdict"] == "drill"
        assert body["data"]["incident"]["title"] == "Drill: nothing has happened"
        assert "drill" in body["data"]["message"]
    (incident,) = asking.get(f"{serving.url}/api/v1/incidents").json()["items"]
    assert (incident["verdict"], incident["status"], incident["owner"]) == ("drill", "resolved", "erp-platform")
    assert serving.errors() == []


def test_a_drill_that_reaches_nobody_says_so_and_ends_with_1(serving: Serving, receiver: Receiver) -> None:
    ran = drill(serving, "--owner", "erp-platform", "--severity", "info")
    assert ran.returncode == 1
    assert "Nobody was told: no route takes it" in ran.stderr
    assert told(receiver) == []
