"""Salesforce, Dynamics 365 and Sage Intacct at the door: each gets the answer it needs, and no secret is kept."""

from __future__ import annotations

import json
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
    purchase_order: {path: data.purchase_order, case: upper}
    correlation: {path: data.correlation_id}
    account:
      path: data.account_id
      joins: false
  milestones:
    - {name: won, on: {exact: {source: crm, type: opportunity.won}}, starts: true}
    - {name: ordered, on: {exact: {source: sales, type: order.created}}, within: 1d, completes: true}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: crm}
spec: {adapter: {name: salesforce, secret: "${RELAY}", tenant: 00D5i000000GBXkEAO}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sales}
spec: {adapter: {name: dataverse, secret: "${INGEST}"}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: erp}
spec: {adapter: {name: dynamics_fno, secret: "${INGEST}"}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: bc}
spec: {adapter: {name: business_central, secret: "${STATE}", token: "${TOKEN}"}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: ledger}
spec: {adapter: {name: sage_intacct, token: "${TOKEN}"}}
"""
ENVIRONMENT = {
    "RELAY": "relay-s3cret",
    "INGEST": "test-shared-secret-1f2e3d4c",
    "STATE": "bc-shared-secret-9a8b7c6d",
    "TOKEN": "t0ken",
}


@pytest.fixture
async def collector(database_url: str) -> AsyncIterator[Collector]:
    async with running(database_url, DEFINITIONS, ENVIRONMENT) as made:
        yield made


def kept(collector: Collector) -> list[bytes]:
    return [bytes(body) for (body,) in collector.rows("SELECT body FROM source_request ORDER BY number")]


def body_of(system: str, name: str) -> bytes:
    return (FOLDER / system / name).read_bytes()


async def post(collector: Collector, path: str, body: bytes, **headers: str) -> httpx.Response:
    said = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    return await collector.http.post(f"/sources/{path}", content=body, headers=said)


async def test_an_opportunity_that_is_won_and_its_order_in_dynamics_are_one_instance(collector: Collector) -> None:
    relayed = body_of("salesforce", "cdc-opportunity-update.eventrelay.json")
    assert (await post(collector, "crm", relayed, authorization="Bearer relay-s3cre")).status_code == 401
    assert (await post(collector, "crm", relayed, authorization="Bearer relay-s3cret")).status_code == 200
    order = FOLDER / "dataverse" / "salesorder-create.json"
    answer = await collector.http.post("/sources/sales", content=order.read_bytes(), headers=headers_of(order))
    assert answer.status_code == 200
    collector.map()
    assert collector.project() == 2
    assert collector.rows("SELECT count(DISTINCT instance_id) FROM instance_event") == [(1,)]
    assert collector.rows("SELECT verdict FROM instance") == [("completed",)]


async def test_the_query_may_hold_the_secret_of_dynamics(collector: Collector) -> None:
    body = body_of("dynamics_fno", "salesinvoiceposted.json")
    assert (await post(collector, f"erp?code={ENVIRONMENT['INGEST']}", body)).status_code == 200
    assert (await post(collector, "erp?code=other", body)).status_code == 401
    assert ENVIRONMENT["INGEST"] not in str(collector.rows("SELECT * FROM source_request"))


async def test_event_grid_is_answered_with_its_code(collector: Collector) -> None:
    asked = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}]
    answer = await post(collector, "erp", json.dumps(asked).encode(), aeg_event_type="SubscriptionValidation")
    assert answer.json() == {"validationResponse": "512d38b6"}
    assert kept(collector) == []


class TestBusinessCentral:
    async def test_a_subscription_is_made_by_sending_its_token_back(self, collector: Collector) -> None:
        for method in ("POST", "GET"):
            answer = await collector.http.request(method, "/sources/bc/t0ken?validationToken=d5a1%2Bf0c4%3Cb%3E")
            assert (answer.status_code, answer.text) == (200, "d5a1+f0c4<b>")
            assert answer.headers["content-type"].startswith("text/plain")
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert kept(collector) == []

    async def test_what_it_sends_is_kept_without_the_secret(self, collector: Collector) -> None:
        answer = await post(collector, "bc/t0ken", body_of("business_central", "notifications.json"))
        assert answer.status_code == 200
        collector.map()
        assert [row[0] for row in collector.rows("SELECT type FROM event ORDER BY seq")] == [
            "order.created", "account.updated", "invoice.deleted",
        ]  # fmt: skip
        ((_, reason, detail, _, _),) = collector.letters()
        assert (reason, detail.partition(":")[0]) == ("cannot_be_mapped", "collection")
        everything = str(collector.rows("SELECT * FROM source_request")) + str(
            collector.rows("SELECT * FROM dead_letter")
        )
        assert ENVIRONMENT["STATE"] not in everything

    async def test_a_wrong_secret_is_dropped_and_keeps_the_subscription(self, collector: Collector) -> None:
        body = body_of("business_central", "notifications.json").replace(b"bc-shared-secret-9a8b7c6d", b"another")
        for sent in (body, b"", b"not json", b"[]"):
            answer = await post(collector, "bc/t0ken", sent)
            assert (answer.status_code, answer.content) == (200, b"")
        assert kept(collector) == collector.letters() == []

    async def test_nothing_that_is_wrong_here_ends_the_subscription(
        self, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = body_of("business_central", "notifications.json")
        asked = [
            await post(collector, "bc/former-token", body),
            await post(collector, "bc", body),
            await post(collector, "bc/t0ken/more", body),
            await post(collector, "bc/t0ken", b"\x1f\x8bgarbage", content_encoding="gzip"),
            await post(collector, "bc/t0ken", body, content_encoding="unheard-of"),
            await post(collector, "bc/t0ken", b"x" * (9 * 2**20)),
            await collector.http.get("/sources/bc/t0ken"),
        ]
        assert {answer.status_code for answer in asked} == {503}
        # Of every other source nobody finds out whether it is there.
        assert (await post(collector, "ledger/former-token", body)).status_code == 404


async def test_too_much_at_once_is_no_last_word_to_dataverse(collector: Collector) -> None:
    for name in ("sales", "erp"):
        adapter = collector.receivers[name].adapter
        answer = adapter.refused(429, "too much at once")
        assert answer is not None
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert adapter.refused(401, "why") is None


async def test_intacct_is_answered_200_and_its_session_is_kept_nowhere(collector: Collector) -> None:
    form: dict[str, Any] = {
        "object": "CUSTOMER",
        "event": "add",
        "RECORDNO": "7",
        "WHENMODIFIED": "03/02/2026 10:15:22",
    }
    form |= {"CUSTOMERID": "ACME-10045", "sessionid": "li.ve-s3ss10n", "endpoint": "https://api.intacct.com/ia/xml"}
    answer = await collector.http.post("/sources/ledger/t0ken", data=form)
    assert answer.status_code == 200
    assert b"s3ss10n" not in kept(collector)[0]
    collector.map()
    assert collector.rows("SELECT type FROM event") == [("account.created",)]
