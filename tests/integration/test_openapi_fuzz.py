"""Schemathesis over the whole OpenAPI description: nothing that is sent is answered 5xx, or other than is described."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alerting import incidents
from slo_rules.instants import rfc3339, to_micros
from tests.described import closed
from tests.examples import examples
from tests.integration.fix_access import Guarded
from tests.integration.fix_doors import DEFINITIONS, cloud_event
from tests.integration.fix_served import Served, served

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TRIED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


MORE = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: by-region}
spec:
  workflow: order-to-cash
  latency: {from: order_received, to: order_accepted, within: 4h}
  target: 0.9
  missing_data: bad
  group_by: [region]
  by_value: true
  exclude: [{from: "2026-11-01T00:00:00Z", for: 2h, reason: Maintenance}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec: {workflow: order-to-cash, freshness: {from: order_received, to: order_accepted, within: 30m}, target: 0.9, missing_data: bad, window: {period: week, zone: Europe/Berlin}}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough}
spec: {workflow: order-to-cash, volume: {milestone: order_received, per: 1h, at_most: 3}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: crm, title: The CRM, owner: sales}
spec: {silent_after: 15m}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: desk}
spec:
  adapter:
    name: generic
    secret: "${DESK}"
    signature: {header: X-Signature}
    mapping: {id: id, time: at, type: what, types: {A: ticket.opened}, fields: {ticket_id: ticket}}
"""


async def fill(behind: Guarded) -> dict[str, dict[str, str]]:
    """Orders and what people did with them, an incident, a silence, a view, a dead letter.

    By the start of the path that asks for it: no answer to what is there shall be empty.
    """
    at = datetime.now(UTC)
    late, recent = rfc3339(at - timedelta(hours=10)), rfc3339(at - timedelta(minutes=20))
    sent = [
        cloud_event(
            str(number),
            time=late,
            data={"order_id": f"O-{number}", "account_id": "A-1", "region": region, "amount": 90.5, "currency": "EUR"},
        )
        for number, region in enumerate(("EMEA", "EMEA", "APAC", "AMER", "APAC"))
    ]
    done = [cloud_event(f"in-time-{one}", source="sap", type="sales_order.created", time=late,
                        data={"order_id": f"O-{one}", "sales_order": f"S-{one}"}) for one in (3, 4)]  # fmt: skip
    begun = cloud_event("begun", time=recent, data={"order_id": "O-9", "account_id": "A-1", "region": "EMEA"})
    alive = cloud_event("alive", source="sap", type="heartbeat", time=rfc3339(at))
    collector, http = behind.collector, behind.collector.http
    await collector.events(*sent, *done, begun, alive, cloud_event("6", time="yesterday"))
    collector.project()
    ids = [id_ for (id_,) in collector.rows("SELECT id::text FROM instance ORDER BY started_at, id")]
    until = rfc3339(at + timedelta(days=1))
    for said in (
        {"act": "assign", "to": "maria", "text": "yours"},
        {"act": "acknowledge"},
        {"act": "comment", "text": "SAP says the queue is full"},
    ):
        assert (await http.post("/api/v1/instances/acts", json=said | {"ids": ids, "by": "jo"})).status_code == 200
    waiver = {"by": "jo", "reason": "SAP is being mended", "until": until}
    assert (await http.post(f"/api/v1/instances/{ids[1]}/waiver", json=waiver)).status_code == 202
    view = {"query": "verdict=stuck", "by": "jo"}
    assert (await http.put("/api/v1/views/mine", json=view)).status_code == 200
    collector.project()
    incidents.run_once(collector.conn, to_micros(at), [])
    ((incident,),) = collector.rows("SELECT id::text FROM incident")
    comment = {"by": "jo", "text": "we are at it"}
    assert (await http.post(f"/api/v1/incidents/{incident}/comment", json=comment)).status_code == 200
    silence = {"by": "jo", "reason": "migration", "match": {"domain": "orders"}, "until": until}
    silent = await http.post("/api/v1/silences", json=silence)
    ((letter,),) = collector.rows("SELECT number::text FROM dead_letter")
    return {
        "/api/v1/instances/{id}": {"id": ids[0]},
        "/api/v1/incidents/{id}": {"id": incident},
        "/api/v1/silences/{id}": {"id": silent.json()["id"]},
        "/api/v1/views/{name}": {"name": "mine"},
        "/api/v1/dead-letters/{id}": {"id": letter},
        "/api/v1/workflows/{name}": {"name": "order-to-cash"},
        "/api/v1/objectives/{name}": {"name": "by-region"},
        "/api/v1/sources/{name}": {"name": "crm"},
        "/sources/{name}": {"name": "desk"},
        "/api/v1/accounts/{namespace}": {"namespace": "account", "value": "A-1"},
    }


class Asked:
    """What was asked of one application, and what was wrong with the answers."""

    def __init__(self, where: Served, keys: dict[str, str], there: dict[str, dict[str, str]]) -> None:
        self.where = where
        self.keys = keys
        self.there = there
        self.session = requests.Session()
        self.answers: Counter[int] = Counter()
        self.operations: Counter[str] = Counter()
        self.wrong: dict[str, str] = {}

    def ask(self, case: Case) -> None:
        """Send one case as whoever may do everything, and judge the answer."""
        ingests = case.operation.path in ("/events", "/v1/traces", "/v1/logs")
        # What schemathesis makes up to show who it is would be all that is ever looked at.
        case.cookies = {}
        if self.answers.total() % 2:
            # Of what is not there little is asked any further.
            path = case.operation.path
            real = [said for start, said in self.there.items() if path.startswith(start)]
            case.path_parameters = {**(case.path_parameters or {}), **(real[0] if real else {})}
        headers = {"authorization": f"Bearer {self.keys['ingest' if ingests else 'admin']}"} if self.keys else {}
        answer = case.call(base_url=self.where.url, session=self.session, headers=headers, timeout=60)
        name = case.operation.label
        self.answers[answer.status_code] += 1
        self.operations[name] += 1
        if answer.status_code >= 500:
            self.wrong.setdefault(f"{name} {answer.status_code}", f"{case.as_curl_command()}\n{answer.text[:400]}")
            return
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as error:
            self.wrong.setdefault(
                f"{name} {answer.status_code} wrong", "\n".join(str(one) for one in error.exceptions)[:900]
            )
        if answer.status_code >= 400:
            why = unproblematic(case.operation.path, answer)
            if why or any(key in answer.text for key in self.keys.values()):
                self.wrong.setdefault(f"{name} {answer.status_code} refusal", f"{why}: {answer.text[:400]}")


def unproblematic(path: str, answer: Any) -> str | None:
    """Why a refusal is no problem document; None where it is one, or in the form that OTLP wants."""
    media = answer.headers["content-type"][0]
    if path.startswith("/v1/") and media in ("application/json", "application/x-protobuf"):
        return None
    if media != "application/problem+json":
        return media
    said = json.loads(answer.text)
    return None if said["status"] == answer.status_code and said["title"] else "status or title"


@pytest.mark.slow
@pytest.mark.parametrize("auth", [True, False])
def test_no_input_is_answered_otherwise_than_the_description_says(
    database_url: str, auth: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    load_all_checks()
    keys: dict[str, str] = {}
    there: dict[str, dict[str, str]] = {}

    async def prepare(behind: Guarded) -> None:
        there.update(await fill(behind))
        if auth:
            keys["ingest"] = behind.key("ingest", name="sends")
            keys["admin"] = behind.key("admin", "raw", name="does")

    secrets = {"DESK": "0f5-secret-of-the-desk"}
    with served(database_url, auth=auth, fill=prepare, definitions=DEFINITIONS + MORE, environment=secrets) as where:
        head = {"authorization": f"Bearer {keys['admin']}"} if auth else {}
        description = requests.get(f"{where.url}/openapi.json", headers=head, timeout=30).json()
        schema = schemathesis.openapi.from_dict(closed(description))
        asked = Asked(where, keys, there)
        operations = [found.ok() for found in schema.get_all_operations()]

        def law(case: Case) -> None:
            asked.ask(case)

        for operation in operations:
            for mode in GenerationMode:
                cases = operation.as_strategy(generation_mode=mode)
                # Of some nothing can be other than described: any text is a good one.
                with contextlib.suppress(Unsatisfiable):
                    settings(TRIED, max_examples=examples(25))(given(case=cases)(law))()
    with capsys.disabled():
        print(
            f"\nauth {'on' if auth else 'off'}: {sum(asked.answers.values())} inputs to {len(operations)} operations,",
            end=" ",
        )
        print("answered", dict(sorted(asked.answers.items())))
    assert {one.label for one in operations} == asked.operations.keys()
    assert not asked.wrong, "\n\n".join(f"{name}\n{why}" for name, why in asked.wrong.items())
