"""An object-centric log is imported once, however often, and its objects are the keys of instances."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.catalogue import register
from collector.ingest.files import open_source
from collector.ingest.importing import fingerprint, import_records, read_records
from collector.store.database import connect
from slo_rules.definitions import load
from tests.projecting import project
from tests.unit.test_import_ocel import LOG, written

WORKFLOW = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: sales}
spec:
  entity: order
  keys:
    order: {path: data.objects.order}
    invoice: {path: [data.related.bill of, data.linked.invoice], joins: false}
  attributes: {status: data.object.order.status}
  milestones:
    - {name: placed, on: {exact: {type: place order}}, starts: true}
    - {name: paid, on: {exact: {type: pay}}, within: 1d, completes: true}
"""


@pytest.mark.parametrize("form", ["jsonocel", "xmlocel", "sqlite"])
def test_its_objects_are_keys(database_url: str, tmp_path: Path, form: str) -> None:
    path = written(tmp_path, form, LOG)
    with connect(database_url, "test") as conn:
        catalogue = register(conn, load({"a.yaml": WORKFLOW}))
        for appended, skipped in ((3, 0), (0, 3)):
            with open_source(path) as opened:
                records = read_records(opened, "erp", None)
                report = import_records(
                    conn, records, fingerprint(path, "erp", ""), "erp", opened.consumed, lambda *_: None
                )
            assert (report.appended, report.skipped, report.unusable) == (appended, skipped, 0)
        project(conn, catalogue)
        with conn.transaction():
            rows = conn.execute("SELECT verdict FROM instance").fetchall()
            keys = conn.execute("SELECT namespace, value FROM instance_key ORDER BY namespace").fetchall()
    assert rows == [("completed",)]
    assert keys == [("invoice", "INV-1"), ("order", "SO-1")]
