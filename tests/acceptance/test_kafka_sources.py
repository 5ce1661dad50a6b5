"""A topic that a system fills in a form of its own: `milepost consumer` alone keeps it, maps it, and says what it lacks."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.process import COMMAND, Running, environment, wait_until
from tests.fix_kafka import Broker

pytestmark = pytest.mark.acceptance

DEFINITIONS = """
apiVersion: milepost/v1
kind: Source
metadata: {name: servicenow}
spec:
  adapter: {name: servicenow, token: {file: %s}, mapping: {type: {value: case.updated}}, sensitive: {drop: caller_id}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: stripe}
spec: {adapter: {name: stripe, secret: "${NOBODY_SAYS_IT}"}}
"""


def test_a_consumer_keeps_and_maps_what_a_topic_has_for_a_source(
    tmp_path: Path, broker: Broker, database_url: str
) -> None:
    token, definitions, topic = tmp_path / "token", tmp_path / "definitions.yaml", broker.topic(2)
    definitions.write_text(DEFINITIONS % token)
    given = ("--database-url", database_url, "--definitions", str(definitions), "--kafka-brokers", broker.address)
    consumer = Running(tmp_path, "consumer", "consumer", *given, "--kafka-topic", f"{topic}:source=servicenow")
    without = [*COMMAND, "consumer", *given, "--kafka-topic"]
    for name, why in (("servicenow", "cannot be read"), ("nobody", "there is no Source 'nobody' with an adapter")):
        command = [*without, f"{topic}:source={name}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment(), check=False)
        assert (ended.returncode != 0, why in ended.stderr) == (True, True), ended.stderr
    token.write_text("t0ken")
    consumer.start()
    try:
        incident = {"number": "INC1", "caller_id": "Beth Anglin", "state": "6"}
        broker.produce([(topic, 1, json.dumps(incident).encode(), [("ce_id", b"event-1")])])

        def logged() -> list[tuple[str, str, str]]:
            with psycopg.connect(database_url) as conn:
                return conn.execute("SELECT source, type, id FROM event").fetchall()

        wait_until(logged, 60, "the record is an event")
        assert logged() == [("servicenow", "case.updated", "event-1")]
        with psycopg.connect(database_url) as conn:
            ((body,),) = conn.execute("SELECT body FROM source_request").fetchall()
        assert b"Beth" not in bytes(body)
        assert consumer.errors() == []
        assert consumer.stop(signal.SIGTERM) == 0
    finally:
        consumer.close()
