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


async def fill(behind: Guarded) -> dict[str, dict[str, str]]:
    """Orders that are stuck, their incident and a dead letter: what there is, by the start of the path that asks."""
    at = datetime.now(UTC)
    late = rfc3339(at - timedelta(hours=10))
    sent = [cloud_event(str(number), time=late) for number in range(5)]
    alive = cloud_event("alive", source="sap", type="heartbeat", time=rfc3339(at))
    await behind.collector.events(*sent, alive, cloud_event("6", time="yesterday"))
    behind.collector.project()
    incidents.run_once(behind.collector.conn, to_micros(at), [])
    ((instance,), *_) = behind.collector.rows("SELECT id::text FROM instance")
    ((incident,),) = behind.collector.rows("SELECT id::text FROM incident")
    ((letter,),) = behind.collector.rows("SELECT number::text FROM dead_letter")
    return {
        "/api/v1/instances/{id}": {"id": instance},
        "/api/v1/incidents/{id}": {"id": incident},
        "/api/v1/dead-letters/{id}": {"id": letter},
        "/api/v1/workflows/{name}": {"name": "order-to-cash"},
        "/api/v1/objectives/{name}": {"name": "orders-accepted-in-time"},
        "/api/v1/sources/{name}": {"name": "crm"},
        "/api/v1/accounts/{namespace}": {"namespace": "order", "value": "O-1"},
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

    with served(database_url, auth=auth, fill=prepare, definitions=DEFINITIONS) as where:
        head = {"authorization": f"Bearer {keys['admin']}"} if auth else {}
        description = requests.get(f"{where.url}/openapi.json", headers=head, timeout=30).json()
        schema = schemathesis.openapi.from_dict(description)
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
