"""The real process asks a system that does not push, is killed while it does, and has each event once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.acceptance import asking
from tests.acceptance.process import Serving, wait_until
from tests.coupa_server import CLIENT, Coupa, coupa

pytestmark = pytest.mark.acceptance

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: purchases, domain: purchasing, owner: purchasing}
spec:
  entity: purchase order
  keys: {purchase_order: data.po_number}
  milestones:
    - {name: issued, on: {exact: {source: coupa, type: purchase_order.issued}}, starts: true}
    - {name: closed, on: {exact: {source: coupa, type: purchase_order.closed}}, within: 3650d, completes: true}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: coupa}
spec: {adapter: {name: coupa, poll: {url: "URL", secret: "${COUPA_CLIENT}", objects: purchase_orders, every: 5s}}}
"""


@pytest.fixture
def server() -> Iterator[Coupa]:
    with coupa() as found:
        yield found


def test_what_is_asked_for_is_there_once_also_after_a_kill(
    server: Coupa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUPA_CLIENT", CLIENT)
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "a.yaml").write_text(DEFINITIONS.replace("URL", server.url))
    before = datetime.now(UTC) - timedelta(minutes=10)
    for number in range(1, 301):
        server.put("purchase_orders", number, before, **{"po-number": f"PO-{number}", "status": "issued"})
    serving = Serving(tmp_path, tmp_path / "definitions")

    def stop_there(page: int) -> None:
        if page == 3:
            serving.kill(with_database=True)
            killed.set()

    killed = threading.Event()
    server.on_page = stop_there
    try:
        serving.launch()
        assert killed.wait(90)
        serving.start()
        with psycopg.connect(f"postgresql://postgres@/postgres?host={serving.data / 'postgres'}") as conn:
            # What the process that is no more had claimed is free again after two minutes; a test does not wait.
            conn.execute("UPDATE source_poll SET claimed_until = '-infinity'")
        url = f"{serving.url}/api/v1/instances?key=PO-300"
        wait_until(lambda: asking.get(url).json()["items"], 60, "the last of them is seen")
        now = datetime.now(UTC)
        server.put("purchase_orders", 300, now, status="closed")
        wait_until(lambda: asking.get(url).json()["items"][0]["verdict"] == "completed", 60, "it is seen to be closed")
        with psycopg.connect(f"postgresql://postgres@/postgres?host={serving.data / 'postgres'}") as conn:
            ids = [row[0] for row in conn.execute("SELECT id FROM event WHERE id LIKE %s", (f"%T{before:%H:%M}%",))]
        assert len(set(ids)) == 300
        assert len(ids) == 300
        metrics = asking.get(f"{serving.url}/metrics").text
        assert 'milepost_source_polls_total{outcome="asked",source="coupa"}' in metrics
    finally:
        serving.close()
