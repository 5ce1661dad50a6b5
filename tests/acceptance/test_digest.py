"""A digest of the real process: written by its duty, sent by its outbox, to a webhook."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.process import Serving, wait_until

if TYPE_CHECKING:
    from tests.integration.fix_alerting import Receiver

pytest_plugins = ["tests.integration.fix_alerting"]
pytestmark = pytest.mark.acceptance

DEFINITIONS = """
apiVersion: milepost/v1
kind: Team
metadata: {{name: erp-platform}}
spec:
  send_to: [{{webhook: {{url: "{url}/erp"}}}}]
  digest: {{at: "{at}", empty: true}}
---
apiVersion: milepost/v1
kind: Workflow
metadata: {{name: orders, domain: orders, owner: erp-platform}}
spec:
  entity: order
  keys: {{order: {{path: data.order_id}}}}
  milestones:
    - {{name: made, on: {{exact: {{source: crm, type: order.created}}}}, starts: true}}
    - {{name: paid, on: {{exact: {{source: crm, type: order.paid}}}}, within: 1d, completes: true}}
"""


def test_a_team_is_told_its_digest_at_its_time(tmp_path: Path, receiver: Receiver) -> None:
    file = tmp_path / "definitions.yaml"
    file.write_text(DEFINITIONS.format(url=receiver.url, at=f"{datetime.now(UTC):%H:%M}"), "utf-8")
    serving = Serving(tmp_path, file, "--private-hosts", "127.0.0.1")
    try:
        serving.start()
        wait_until(lambda: receiver.at("/erp"), 60, "the digest is told")
        (heard,) = receiver.at("/erp")
        data = json.loads(heard.raw)["data"]
        assert (data["reason"], data["message"]) == ("digest", "Nothing of erp-platform is overdue.")
        assert data["link"] == f"{serving.url}/dashboard/worklist?verdict=stuck&owner=erp-platform"
        assert serving.errors() == []
    finally:
        serving.close()
