"""The pages about instances that cannot be read, on the real process: what is still known, why not more, what to do."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from conftest import SCREENSHOTS, Open
from playwright.sync_api import expect

from tests.acceptance.process import Running, wait_until
from tests.fix_postgres import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order, account: {path: data.account, joins: false}}
  attributes: {region: data.region}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 4h}
"""
SOUND, WITH_EVENTS, WITHOUT = "O-1", "O-2", "O-3"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Running]:
    folder, url = tmp_path_factory.mktemp("unreadable"), postgres.clone()
    (folder / "orders.yaml").write_text(DEFINITIONS)
    said = ("--data-dir", str(folder / "data"), "--definitions", str(folder / "orders.yaml"), "--database-url", url)
    process = Running(folder, "serve.log", "serve", *said)
    try:
        process.start()
        began = datetime.now(UTC) - timedelta(hours=10)
        for title in (SOUND, WITH_EVENTS, WITHOUT):
            send(process, "crm", "won", title, began)
        send(process, "sap", "heartbeat", "none", datetime.now(UTC))
        wait_until(lambda: len(stuck(process)) == 3, 60, "three orders are stuck")
        with psycopg.connect(url) as conn:
            conn.execute("UPDATE instance SET progress = substring(progress FOR 9) WHERE title <> %s", (SOUND,))
            conn.execute("DELETE FROM event WHERE id = %s", (f"won-{WITHOUT}",))
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.stop(signal.SIGTERM)
        process.close()
        postgres.drop(url)


def send(process: Running, source: str, type_: str, order: str, at: datetime) -> None:
    data = {"order": order, "account": "ACME-7", "region": "EMEA"}
    event = {"specversion": "1.0", "id": f"{type_}-{order}", "source": source, "type": type_, "time": at.isoformat()}
    headers = {"content-type": "application/cloudevents+json"}
    answer = httpx.post(f"{process.url}/events", json=event | {"data": data}, headers=headers, timeout=30)
    answer.raise_for_status()


def stuck(process: Running) -> dict[str, Any]:
    answer = httpx.get(f"{process.url}/api/v1/instances", params={"verdict": "stuck"}, timeout=30)
    return {item["title"]: item["id"] for item in answer.json()["items"]}


def test_the_page_says_why_nothing_more_is_known_and_what_to_do(running: Running, opened: Open) -> None:
    for title, known in ((WITHOUT, "cannot be made anew"), (WITH_EVENTS, "The log has all of its events")):
        watched = opened("")
        page = watched.page
        page.goto(f"{running.url}/dashboard/instances/{stuck(running)[title]}")
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        told = page.locator(".notice.crit")
        expect(told).to_contain_text("damaged, or a later release wrote it")
        expect(told).to_contain_text(known)
        expect(told).to_contain_text("milepost rebuild")
        expect(page.locator("#instance-keys")).to_contain_text(title)
        expect(page.locator("#instance-history")).to_contain_text("Stuck")
        if title == WITHOUT:
            expect(page.locator("#instance-journey")).to_contain_text("Not known any more.")
            expect(page.locator("#instance-events")).to_contain_text("1")
        else:
            expect(page.locator("#instance-journey")).to_contain_text("Accepted")
            expect(page.locator("#instance-events")).to_contain_text("won")
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"unreadable-{title}.png", full_page=True)
        assert watched.trouble == []


def test_worklist_and_account_show_them_among_the_others(running: Running, opened: Open) -> None:
    watched = opened("")
    page = watched.page
    page.goto(f"{running.url}/dashboard/worklist?verdict=stuck")
    expect(page.locator(".ag-row .badge")).to_have_count(3)
    page.goto(f"{running.url}/dashboard/accounts/account/ACME-7")
    for title in (SOUND, WITH_EVENTS, WITHOUT):
        expect(page.get_by_role("link", name=title)).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "unreadable-account.png", full_page=True)
    assert watched.trouble == []
