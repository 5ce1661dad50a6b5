"""The real process with a replica to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance import asking
from tests.acceptance.process import Running, wait_until
from tests.fix_replica import Standby
from tests.integration.fix_doors import DEFINITIONS, STRUCTURED, cloud_event

pytestmark = pytest.mark.acceptance


def test_serve_reads_the_replica_and_says_as_of_when(database_url: str, standby: Standby, tmp_path: Path) -> None:
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    served = Running(
        tmp_path, "serve", "serve", "--database-url", database_url, "--read-database-url", standby.of(database_url),
        "--definitions", str(definitions),
    )  # fmt: skip
    served.start()
    try:
        with asking.Client(base_url=served.url) as client:
            wait_until(lambda: client.get("/readyz").json()["read_replica"]["used"], 60, "the replica is read")
            event = json.dumps(cloud_event("1", time="2026-11-20T09:00:00Z"))
            client.post("/events", content=event, headers=STRUCTURED).raise_for_status()
            wait_until(lambda: client.get("/api/v1/instances").json()["items"], 60, "the replica has the order")
            wait_until(
                lambda: "milepost-as-of" in client.get("/api/v1/objectives").headers, 60, "objectives are read there"
            )
            assert client.get("/dashboard/").status_code == 200
            overview = client.get("/api/v1/overview").json()
            assert overview["lag_seconds"] == 0
            used = "milepost_read_replica_used 1.0"
            wait_until(lambda: used in client.get("/metrics").text, 60, "it is said to be read")
            standby.stop()
            try:
                assert client.get("/api/v1/instances").json()["items"]
                wait_until(lambda: not client.get("/readyz").json()["read_replica"]["used"], 60, "it is left")
            finally:
                standby.start()
            wait_until(lambda: client.get("/readyz").json()["read_replica"]["used"], 60, "it is read again")
    finally:
        assert served.stop(2) == 0
    said = [one["event"] for one in served.said()]
    # On a busy machine it may be left for a moment, too.
    assert said.count("replica_read") >= 2
    assert "replica_not_read" in said
