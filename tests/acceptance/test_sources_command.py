"""A system's own requests against the real process: signed, kept, mapped, seen; and mended where they were not."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import stripe

from tests.acceptance import asking
from tests.acceptance.process import COMMAND, Serving, environment, wait_until
from tests.sources import FOLDER

pytestmark = pytest.mark.acceptance

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: billing, domain: finance, owner: billing}
spec:
  entity: order
  keys: {order: {path: [data.order_id, data.external_id]}}
  milestones:
    - {name: invoiced, on: {exact: {source: stripe, type: invoice.payment_failed}}, starts: true}
    - {name: complained, on: {exact: {source: zendesk, type: case.created}}, optional: true, any_order: true}
    - {name: paid, on: {exact: {source: stripe, type: invoice.paid}}, within: 3650d, completes: true}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: stripe}
spec: {adapter: {name: stripe, secret: "${STRIPE_SECRET}"}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: zendesk}
spec: {adapter: {name: zendesk, secret: {file: SECRET}, tolerance: 1d}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: shop}
spec: {adapter: {name: generic, secret: "${SHOP_SECRET}", mapping: {id: id, type: what, types: {A: order.created}}}}
"""


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setenv("STRIPE_SECRET", "whsec_test_secret")
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    (tmp_path / "zendesk-secret").write_text("zs\n")
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "a.yaml").write_text(DEFINITIONS.replace("SECRET}, tol", f'"{tmp_path / "zendesk-secret"}"}}, tol'))
    made = Serving(tmp_path, folder)
    yield made
    made.close()


def milepost(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=240, check=False, env=environment()
    )


def send_stripe(serving: Serving, name: str) -> httpx.Response:
    """A sample, signed now by Stripe's own library."""
    body = (FOLDER / "stripe" / name).read_bytes()
    at = int(time.time())
    made = stripe.WebhookSignature._compute_signature(f"{at}.{body.decode()}", "whsec_test_secret")
    headers = {"Stripe-Signature": f"t={at},v1={made}", "content-type": "application/json; charset=utf-8"}
    return asking.post(f"{serving.url}/sources/stripe", content=body, headers=headers)


def send_zendesk(serving: Serving, name: str) -> httpx.Response:
    import base64

    body = (FOLDER / "zendesk" / name).read_bytes()
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    made = base64.b64encode(hmac.new(b"zs", at.encode() + body, hashlib.sha256).digest()).decode()
    headers = {"X-Zendesk-Webhook-Signature": made, "X-Zendesk-Webhook-Signature-Timestamp": at}
    return asking.post(f"{serving.url}/sources/zendesk", content=body, headers=headers)


def instances(serving: Serving) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = asking.get(f"{serving.url}/api/v1/instances").json()["items"]
    return items


def test_signed_samples_of_two_systems_are_one_instance_and_a_mended_mapping_takes_what_was_dead(
    serving: Serving,
) -> None:
    serving.start()
    assert send_stripe(serving, "invoice.payment_failed.json").status_code == 200
    (found,) = wait_until(lambda: instances(serving), 60, "the instance is there")
    assert found["verdict"] == "on_track"
    assert send_zendesk(serving, "ticket.created.json").status_code == 200
    for _ in range(3):
        assert send_stripe(serving, "invoice.paid.json").status_code == 200
    done = wait_until(lambda: [one for one in instances(serving) if one["verdict"] == "completed"], 60, "it is paid")
    assert [one["id"] for one in done] == [found["id"]]
    whole = asking.get(f"{serving.url}/api/v1/instances/{found['id']}").json()
    assert {event["source"] for event in whole["events"]} == {"stripe", "zendesk"}

    # Somebody else.
    assert asking.post(f"{serving.url}/sources/stripe", content=b"{}").status_code == 401

    # What the mapping does not know is dead, and alive once it does.
    headers = {"authorization": "Bearer s3cret", "content-type": "application/json"}
    posted = asking.post(f"{serving.url}/sources/shop", json=[{"id": 1, "what": "B"}], headers=headers)
    assert posted.status_code == 200
    letters = wait_until(lambda: asking.get(f"{serving.url}/api/v1/dead-letters").json()["items"], 60, "it is dead")
    metrics = wait_until(
        lambda: (
            (text := asking.get(f"{serving.url}/metrics").text)
            and 'milepost_dead_letters_open{source="shop"} 1.0' in text
            and text
        ),
        40,
        "it is counted",
    )
    assert 'milepost_source_requests_total{outcome="accepted",source="stripe"} 4.0' in metrics
    assert 'milepost_source_requests_total{outcome="unauthenticated",source="stripe"} 1.0' in metrics
    assert serving.stop(signal.SIGTERM) == 0
    assert serving.errors() == []
    assert "whsec" not in serving.log.read_text()

    data = ("--data-dir", str(serving.data))
    listed = milepost("dead-letters", "list", *data)
    assert (listed.returncode, "'B' has no event type" in listed.stdout) == (0, True), listed.stderr
    file = next((serving.data.parent / "definitions").iterdir())
    file.write_text(file.read_text().replace("types: {A:", "types: {B: order.placed, A:"))
    given = ("--definitions", str(file))
    dry = milepost("dead-letters", "replay", letters[0]["id"], "--dry-run", *data, *given)
    assert (dry.returncode, "would be used: order.placed 1" in dry.stdout) == (0, True), dry.stdout + dry.stderr
    assert milepost("dead-letters", "replay", letters[0]["id"], *data).returncode == 2
    done = milepost("dead-letters", "replay", "--source", "shop", "--by", "ann", *data, *given)
    assert (done.returncode, "1 of 1 used." in done.stdout) == (0, True), done.stdout + done.stderr
    shown = milepost("dead-letters", "show", letters[0]["id"], *data)
    assert "settled: replayed by ann" in shown.stdout
    assert '[{"id":1,"what":"B"}]' in shown.stdout.replace(" ", "") or '"what": "B"' in shown.stdout
    none = milepost("dead-letters", "discard", letters[0]["id"], "--reason", "x", *data)
    assert none.returncode == 1


def test_a_process_without_its_secret_does_not_begin(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_SECRET")
    serving.launch()
    assert serving.process is not None
    assert serving.process.wait(60) == 1
    assert "spec.adapter.secret: the environment variable STRIPE_SECRET is not set" in serving.log.read_text()


class TestTry:
    def test_it_says_what_a_request_becomes_and_what_that_reaches(self, serving: Serving) -> None:
        folder = str(serving.data.parent / "definitions")
        sample = str(FOLDER / "stripe" / "invoice.paid.json")
        found = milepost("sources", "try", sample, "--source", "stripe", "--definitions", folder)
        assert found.returncode == 0, found.stderr
        assert found.stdout.startswith("invoice.paid  evt_1TbGkWJEe0yY0QKrVdOxWpbv  2026-03-02T09:55:02Z\n")
        assert "  → billing: milestone paid; order=SO-20417\n" in found.stdout
        as_json = milepost("sources", "try", sample, "--source", "stripe", "--definitions", folder, "--json")
        (event,) = json.loads(as_json.stdout)["events"]
        assert event["reaches"][0]["keys"] == ["order=SO-20417"]
        assert os.environ["STRIPE_SECRET"] not in found.stdout

    def test_what_cannot_be_mapped_is_said(self, serving: Serving, tmp_path: Path) -> None:
        folder = str(serving.data.parent / "definitions")
        (tmp_path / "x.json").write_text('[{"id": 1, "what": "Z"}, {"id": 2, "what": "A"}]')
        found = milepost("sources", "try", str(tmp_path / "x.json"), "--source", "shop", "--definitions", folder)
        assert found.returncode == 2
        assert "refused (item 0): type: 'Z' has no event type" in found.stdout
        assert "→ no workflow asks for it" in found.stdout
        for words, said in (
            (("--source", "shopp"), "did you mean 'shop'?"),
            (("--source", "shop", "--header", "x"), "is not of the form"),
        ):
            wrong = milepost("sources", "try", str(tmp_path / "x.json"), *words, "--definitions", folder)
            assert (wrong.returncode, said in wrong.stderr) == (1, True), wrong.stderr
        gone = milepost("sources", "try", str(tmp_path / "gone"), "--source", "shop", "--definitions", folder)
        assert gone.returncode == 1


@pytest.mark.slow
def test_what_was_acknowledged_is_mapped_once_however_often_the_process_is_killed(serving: Serving) -> None:
    acknowledged: set[str] = set()
    stop = threading.Event()

    def send() -> None:
        number = 0
        headers = {"authorization": "Bearer s3cret", "content-type": "application/json"}
        with asking.Client() as client:
            while not stop.is_set():
                number += 1
                ids = [f"{number}-{member}" for member in range(20)]
                with contextlib.suppress(httpx.TransportError):
                    body = [{"id": id_, "what": "A"} for id_ in ids]
                    if client.post(f"{serving.url}/sources/shop", json=body, headers=headers).status_code == 200:
                        acknowledged.update(ids)

    serving.start()
    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(2):
        before = len(acknowledged)
        wait_until(lambda before=before: len(acknowledged) > before + 200, 60, "some are acknowledged")
        serving.kill(with_database=True)
        serving.start()
    stop.set()
    sender.join()
    # The last to be acknowledged may be mapped only now.
    with psycopg.connect(f"postgresql://postgres@/postgres?host={serving.data / 'postgres'}") as conn:

        def mapped() -> bool:
            with conn.transaction():
                row = conn.execute("SELECT count(*) FROM source_request WHERE mapped_at IS NULL").fetchone()
            return row == (0,)

        wait_until(mapped, 60, "everything is mapped")
        ids = [id_ for (id_,) in conn.execute("SELECT id FROM event WHERE source = 'shop'").fetchall()]
    assert len(ids) == len(set(ids))
    assert acknowledged <= set(ids)
