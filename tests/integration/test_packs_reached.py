"""Real systems, connected as `docs/sources/packs.md` says: what their samples say is seen in the shipped packs.

From the door on, signed as the systems sign it, to the answer of the API. `tests/unit/test_packs_connected.py` has every
milestone.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from collector.sources import door
from milepost.definition_files import PACKS, definition_texts
from tests.integration.fix_doors import Collector, cloud_event, running
from tests.sources import FOLDER, SECRETS, headers_of, receiver
from tests.unit.test_docs import TOP, blocks
from tests.unit.test_source_signatures import signed_at

OWN = blocks(TOP / "docs" / "sources" / "packs.md", "yaml source")
ENVIRONMENT = {
    "SALESFORCE_TOKEN": "tk",
    "SAP_USER_AND_PASSWORD": "milepost:pw",
    "STRIPE_SECRET": SECRETS["stripe"].decode(),
    "ZENDESK_SECRET": SECRETS["zendesk"].decode(),
    "COUPA_CLIENT": "id:secret",
}
AUTHORIZED = {"authorization": "Basic " + base64.b64encode(b"milepost:pw").decode()}
SENT = [
    "salesforce/outbound-opportunity.xml", "salesforce/pe-order-status-changed.cometd.json",
    "sap/salesorder-created.json", "sap/salesorder-changed.binary.json", "stripe/invoice.paid.json",
    "zendesk/ticket.created.json", "zendesk/ticket.comment_added.json", "zendesk/ticket.status_changed.json",
    "coupa/purchase_order.json",
]  # fmt: skip
LINKED = {"correlation_id": "wf-o2c-20417", "order_id": "SO-20417"}


@pytest.fixture
async def collector(database_url: str, tmp_path: Path) -> AsyncIterator[Collector]:
    (tmp_path / "sources.yaml").write_text("---\n".join(OWN.values()))
    definitions = "\n---\n".join(definition_texts([PACKS, tmp_path]).values())
    async with running(database_url, definitions, ENVIRONMENT) as made:
        # Coupa is asked; what its API answers is read like what an integration posts.
        made.receivers["coupa"] = receiver("coupa")
        yield made


async def journey(collector: Collector, workflow: str, key: str) -> tuple[dict[str, Any], set[str]]:
    """The only instance of a workflow with a key, and the milestones that it has reached."""
    (found,) = (await collector.get("/api/v1/instances", workflow=workflow, key=key))["items"]
    detail = await collector.get(f"/api/v1/instances/{found['id']}")
    return detail, {one["name"] for one in detail["journey"] if one["state"] in ("reached", "reached_late")}


async def send(collector: Collector, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = FOLDER / name
    system = sample.parent.name
    try:
        at = signed_at(sample) * 1000
    except KeyError:
        at = time.time_ns()
    monkeypatch.setattr(door, "time", SimpleNamespace(time_ns=lambda: at))
    path = f"/sources/{system}" + ("/tk" if system in ("salesforce", "coupa") else "")
    headers = headers_of(sample) | (AUTHORIZED if system == "sap" else {})
    answer = await collector.http.post(path, content=sample.read_bytes(), headers=headers)
    assert answer.status_code < 300, (name, answer.status_code, answer.text)


async def test_samples_of_real_systems_reach_the_shipped_packs(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SENT:
        await send(collector, name, monkeypatch)
    collector.map()
    collector.project()

    won, reached = await journey(collector, "order-to-cash", "opportunity=0065i00000CzP4nAAF")
    assert reached == {"opportunity_won"}
    assert won["value"] == {"amount": 48250, "currency": "USD"}
    assert (await journey(collector, "order-to-cash", "sales_order=3016329"))[1] == {"erp_accepted"}
    assert (await journey(collector, "order-status-propagation", "sales_order=3016329"))[1] == {"order_confirmed"}
    assert (await journey(collector, "order-status-propagation", "order=8015i000001Hw8sAAC"))[1] == {
        "crm_shows_confirmed"
    }
    invoice = "invoice=in_1TbGkVJEe0yY0QKrU2nXFauO"
    assert (await journey(collector, "invoice-to-entitlement", invoice))[1] == {"payment_succeeded"}
    case, reached = await journey(collector, "case-resolution", "ticket=5158")
    assert reached == {"case_opened", "first_response", "solved"}
    assert case["attributes"]["priority"] == "HIGH"
    assert (await journey(collector, "procure-to-pay", "purchase_order=4500017"))[1] == {"po_issued"}
    assert collector.letters() == []

    # What only the middleware knows: the order of that opportunity, and its number in the ERP.
    made = cloud_event("made", source="mulesoft", type="order.created", time="2026-03-12T14:15:00Z",
                       data={"opportunity_id": "0065i00000CzP4nAAF", "order_id": "SO-20417"})  # fmt: skip
    synced = cloud_event("synced", source="mulesoft", type="order.synced", time="2026-03-12T14:21:40Z",
                         data={"order_id": "SO-20417", "sales_order": "0003016329"})  # fmt: skip
    assert (await collector.events(made, synced)).status_code == 200
    collector.project()
    order, reached = await journey(collector, "order-to-cash", "order=SO-20417")
    assert reached == {"opportunity_won", "order_created", "erp_accepted"}
    assert {event["source"] for event in order["events"]} == {"salesforce", "mulesoft", "sap"}
    # SAP's events say no tax code unless they are extended: the page says so, and so does the instance.
    assert order["verdict"] == "inconsistent"


async def test_who_cannot_show_that_he_is_the_source_reaches_nothing(collector: Collector) -> None:
    body = (FOLDER / "sap" / "salesorder-created.json").read_bytes()
    answer = await collector.http.post("/sources/sap", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 401
    collector.map()
    collector.project()
    assert (await collector.get("/api/v1/instances", key="sales_order=3016329"))["items"] == []
