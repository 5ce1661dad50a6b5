"""One order goes through several systems, and its events, each in a form of its own, meet in one instance."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.fix_doors import Collector, running
from tests.sources import FOLDER, headers_of

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: erp}
spec:
  entity: order
  keys:
    correlation: {path: data.correlation_id}
    purchase_order: {path: data.purchase_order}
    opportunity: {path: data.opportunity_id}
    sales_order: {path: data.sales_order}
  milestones:
    - {name: won, on: {exact: {source: salesforce, type: opportunity.won}}, starts: true}
    - {name: in_netsuite, on: {exact: {source: netsuite, type: order.created}}, starts: true}
    - {name: in_infor, on: {exact: {source: infor, type: order.created}}, starts: true}
    - {name: accepted, on: {exact: {source: infor, type: order.accepted}}}
    - {name: in_fusion, on: {exact: {source: oracle_fusion, type: order.status_changed}}, starts: true}
    - {name: bought, on: {exact: {source: oracle_fusion, type: order.created}}, starts: true}
    - {name: closed, on: {exact: {source: infor, type: order.closed}}, completes: true}
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: cases, domain: support, owner: support}
spec:
  entity: case
  keys: {order: {path: [data.order_id, data.external_id], case: upper}, case: {path: data.case_id}}
  milestones:
    - {name: asked, on: {exact: {source: freshdesk, type: case.updated}}, starts: true}
    - {name: resolved, on: {exact: {source: servicenow, type: case.resolved}}, starts: true, completes: true}
---
{apiVersion: milepost/v1, kind: Source, metadata: {name: salesforce}, spec: {adapter: {name: salesforce, token: "${TOKEN}"}}}
---
{apiVersion: milepost/v1, kind: Source, metadata: {name: netsuite}, spec: {adapter: {name: netsuite, secret: "${SECRET}"}}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: infor}
spec: {adapter: {name: infor, secret: "${USER}", authentication: basic, token: "${TOKEN}", tenant: GLOBEX_TST}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: oracle_fusion}
spec: {adapter: {name: oracle_fusion, secret: "${USER}", authentication: basic}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: servicenow}
spec: {adapter: {name: servicenow, secret: "${USER}", authentication: basic}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: freshdesk}
spec: {adapter: {name: freshdesk, secret: "${USER}", authentication: basic}}
"""
ENVIRONMENT = {"TOKEN": "t0ken", "SECRET": "s3cret", "USER": "ingest:secret"}
USER = httpx.BasicAuth("ingest", "secret")
IMS = "/sources/infor/t0ken/service"


@pytest.fixture
async def collector(database_url: str) -> AsyncIterator[Collector]:
    async with running(database_url, DEFINITIONS, ENVIRONMENT) as made:
        yield made


async def send(collector: Collector, name: str, path: str = "", **headers: str) -> httpx.Response:
    """A sample, as its system sends it."""
    file = FOLDER / name
    kind = "text/xml; charset=utf-8" if name.endswith(".xml") else "application/json"
    wanted = {"content-type", "x-tenantid", "x-sn-instance", "x-correlation-id", "x-ns-account"}
    own = {header: text for header, text in headers_of(file).items() if header in wanted}
    return await collector.http.post(
        f"/sources/{name.partition('/')[0]}{path}", content=file.read_bytes(), auth=USER,
        headers={"content-type": kind} | own | headers,
    )  # fmt: skip


def signed(body: bytes, secret: bytes = b"s3cret") -> dict[str, str]:
    """By the convention of NetSuite's script."""
    at = str(int(time.time()))
    return {
        "X-NS-Timestamp": at,
        "X-NS-Signature": "sha256=" + hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest(),
    }


async def instances(collector: Collector, workflow: str) -> list[dict[str, Any]]:
    collector.map()
    assert collector.letters() == []
    collector.project()
    found: list[dict[str, Any]] = (await collector.get("/api/v1/instances", workflow=workflow))["items"]
    return found


async def test_one_order_through_five_systems_is_one_instance(collector: Collector) -> None:
    netsuite = (FOLDER / "netsuite" / "salesorder-create.json").read_bytes()
    answers = [
        await send(collector, "infor/ims-v3-multipart.txt", "/t0ken/service/v3/multipartMessage"),
        await send(collector, "infor/acknowledge-salesorder.xml", "/t0ken"),
        await send(collector, "infor/sync-salesorder-change.xml", "/t0ken"),
        await send(collector, "oracle_fusion/oic-forward-order-status.json"),
        await send(collector, "oracle_fusion/purchaseorder-event.xml"),
        await send(collector, "netsuite/salesorder-create.json", **signed(netsuite)),
        await send(collector, "salesforce/outbound-opportunity.xml", "/t0ken"),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 200, 200, 200, 200]
    found = await instances(collector, "orders")
    ours = [one for one in found if "PO-GLBX-88213" in json.dumps(one)]
    assert len(ours) == 1
    detail = await collector.get(f"/api/v1/instances/{ours[0]['id']}")
    reached = set(detail["milestones"])
    assert reached == {"won", "in_netsuite", "in_infor", "accepted", "in_fusion", "bought", "closed"}


async def test_a_ticket_and_an_incident_of_one_order_are_one_instance(collector: Collector) -> None:
    assert (await send(collector, "freshdesk/default-simple.json")).status_code == 200
    assert (await send(collector, "servicenow/incident-br.json")).status_code == 200
    (found,) = await instances(collector, "cases")
    assert found["verdict"] in ("completed", "completed_late")


async def test_netsuite_is_known_by_the_signature_of_its_script(collector: Collector) -> None:
    name = "netsuite/salesorder-create.json"
    body = (FOLDER / name).read_bytes()
    assert (await send(collector, name, **signed(body))).status_code == 200
    assert (await send(collector, name, **signed(body, b"other"))).status_code == 401
    assert (await send(collector, name, **signed(body + b" "))).status_code == 401
    assert (
        await send(collector, name, **{"X-NS-Timestamp": "1773325542", "X-NS-Signature": "sha256=00"})
    ).status_code == 401
    assert (await send(collector, name)).status_code == 401
    assert collector.map() == 1


class TestMethodsOfION:
    async def test_ping_and_protocol_are_answered_to_who_shows_that_he_is_ion(self, collector: Collector) -> None:
        for path in ("ping", "protocol"):
            assert (await collector.http.get(f"{IMS}/{path}")).status_code == 401
            assert (await collector.http.get(f"{IMS}/{path}", auth=USER)).status_code == 200
            assert (await collector.http.get(f"/sources/infor/wrong/service/{path}", auth=USER)).status_code == 404
        protocol = await collector.http.get(f"{IMS}/protocol", auth=USER)
        wanted = json.loads((FOLDER / "infor" / "ims-ping.headers.json").read_text())["requests"][1]
        assert protocol.json() == wanted["_expected_response"]["body"]
        assert collector.rows("SELECT 1 FROM source_request") == []

    async def test_what_is_not_there_is_told(self, collector: Collector) -> None:
        assert (await collector.http.post(f"{IMS}/v3/discovery", auth=USER)).status_code == 404
        assert (await collector.http.get(f"{IMS}/v3/multipartMessage", auth=USER)).status_code == 405
        assert (await collector.http.get("/sources/netsuite")).status_code == 405

    async def test_a_message_is_kept_as_it_came_and_acknowledged_as_ion_does_itself(self, collector: Collector) -> None:
        answer = await send(collector, "infor/ims-v3-multipart.txt", "/t0ken/service/v3/multipartMessage")
        assert (answer.status_code, answer.json()) == (201, {"status": "OK"})
        ((path, headers, body),) = collector.rows("SELECT path, headers, body FROM source_request")
        assert path == "service/v3/multipartMessage"
        assert headers.keys() == {"content-type", "x-tenantid"}
        assert body == (FOLDER / "infor" / "ims-v3-multipart.txt").read_bytes()
        again = await send(collector, "infor/ims-v2-message.json", "/t0ken/service/v2/message")
        assert again.status_code == 201
        assert collector.map() == 2
        assert collector.ids() == ["GLOBEX_TST:4f2b6c0e-70f1-4b1c-9e02-1a7d5c8f3b66", "GLOBEX_TST:msg-0f61c2"]
