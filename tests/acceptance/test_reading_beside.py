"""What only reads may run beside the service, on the same embedded database, and leaves it as it was."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance import asking
from tests.acceptance.enterprise import DEFINITIONS
from tests.acceptance.process import COMMAND, Serving, environment, wait_until

pytestmark = pytest.mark.acceptance


@pytest.fixture
def serving() -> Iterator[Serving]:
    # Short, because the database's socket lies in it; not below pytest's folders, which other users cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="mp-", dir="/tmp"))
    definitions = folder / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    made = Serving(folder, definitions)
    made.start()
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


def send(serving: Serving, type_: str, number: int) -> None:
    now = datetime.now(UTC).isoformat()
    event = {"specversion": "1.0", "id": f"{type_}-{number}", "source": "till", "type": type_, "time": now}
    event_type = {"content-type": "application/cloudevents+json"}
    body = json.dumps(event | {"data": {"receipt_id": f"R-{number}"}})
    assert asking.post(f"{serving.url}/events", content=body, headers=event_type).status_code == 200


def run(serving: Serving, command: str) -> dict[str, object]:
    arguments = [command, "--data-dir", str(serving.data), "--format", "json"]
    done = subprocess.run([*COMMAND, *arguments], check=False, capture_output=True, env=environment(), timeout=240)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_discover_and_coverage_read_beside_the_service(serving: Serving) -> None:
    for number in range(5):
        send(serving, "sold", number)
        send(serving, "paid", number)
    found = run(serving, "discover")
    assert (found["cases"], found["events"]) == (5, 10)
    assert found["keys"] == [{"name": "receipt", "paths": ["data.receipt_id"]}]
    assert run(serving, "coverage")["unmatched"] == 10
    # The database must not have been stopped with the command that joined it.
    send(serving, "sold", 6)
    wait_until(lambda: asking.get(f"{serving.url}/readyz").status_code == 200, 60, "it is still ready")
    assert serving.errors() == []
