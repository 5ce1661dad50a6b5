"""Two people at once on the real process with its database: what one does the other sees, also over a restart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from conftest import Open, Watched
from playwright.sync_api import Page, expect

from tests.acceptance.process import Running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 4h}
    - {name: shipped, on: {exact: {source: wms, type: shipped}}, within: 24h}
"""
TEST = """
apiVersion: milepost/v1
kind: Test
metadata: {name: an-order-that-waits-for-sap}
spec:
  now: 2026-03-02T08:00:00Z
  events: [{at: 0m, source: crm, type: won, data: {order: A-1}}]
  expect: [{at: 5h, instance: {workflow: orders, key: order=A-1}, verdict: stuck}]
"""
TITLES = ("O-1", "O-2", "O-3")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("together")
    (folder / "orders.yaml").write_text(DEFINITIONS)
    (folder / "orders.test.yaml").write_text(TEST)
    said = ("--data-dir", str(folder / "data"), "--definitions", str(folder / "orders.yaml"))
    process = Running(folder, "serve.log", "serve", *said)
    try:
        process.start()
        began = datetime.now(UTC) - timedelta(hours=10)
        for title in TITLES:
            send(process, "crm", "won", title, began)
        send(process, "sap", "heartbeat", "none", datetime.now(UTC))
        wait_until(lambda: len(stuck(process)) == len(TITLES), 60, "three orders are stuck")
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.stop(signal.SIGTERM)
        process.close()


def send(process: Running, source: str, type_: str, order: str, at: datetime) -> None:
    event = {
        "specversion": "1.0",
        "id": f"{type_}-{order}",
        "source": source,
        "type": type_,
        "time": at.isoformat(),
        "data": {"order": order},
    }
    headers = {"content-type": "application/cloudevents+json"}
    httpx.post(f"{process.url}/events", json=event, headers=headers, timeout=30).raise_for_status()


def stuck(process: Running) -> list[dict[str, Any]]:
    answer = httpx.get(f"{process.url}/api/v1/instances", params={"verdict": "stuck", "sort": "title"}, timeout=30)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def at(opened: Open, process: Running, path: str) -> Watched:
    watched = opened("")
    watched.page.goto(f"{process.url}/dashboard/{path}")
    watched.trouble.clear()
    return watched


def open_review(page: Page, title: str, act: str) -> None:
    # The box stands in a row of its own, which stays where it is while the columns are scrolled.
    place = page.locator(".ag-row", has_text=title).first.get_attribute("row-index")
    page.locator(f".ag-row[row-index='{place}'] .ag-checkbox-input").check()
    page.locator("#worklist-bar").get_by_role("button", name=act, exact=True).click()
    expect(page.locator("dialog.review")).to_be_visible()


def say(page: Page, **said: str) -> None:
    for label, text in said.items():
        page.locator("dialog.review").get_by_label(label.replace("_", " "), exact=True).fill(text)
    page.locator("dialog.review .primary").click()


def close(page: Page) -> None:
    page.locator("dialog.review").get_by_role("button", name="Close").click()
    expect(page.locator("dialog.review")).to_have_count(0)


def test_what_one_assigns_acknowledges_and_waives_the_other_sees_and_who_comes_second_is_told(
    running: Running, opened: Open
) -> None:
    one, other = (at(opened, running, "worklist?verdict=stuck&verdict=waived").page for _ in range(2))
    for page in (one, other):
        expect(page.locator(".ag-row .badge")).to_have_count(3)
    # both look at the same order, and one is faster
    open_review(other, "O-1", "Assign")
    open_review(one, "O-1", "Assign")
    say(one, Your_name="Ann", Assign_to="maria")
    expect(one.get_by_role("dialog", name="1 instance assigned")).to_be_visible()
    close(one)
    say(other, Your_name="Bob", Assign_to="Bob")
    expect(other.locator("dialog.review .result")).to_have_text("Ann has assigned it to maria meanwhile")
    expect(other.locator("dialog.review .lead")).to_contain_text("Somebody else was faster")
    close(other)
    expect(other.locator(".ag-row", has_text="O-1").locator(".assigned")).to_have_text("maria")
    assert [row["handling"]["assigned_to"] for row in stuck(running)] == ["maria", None, None]
    # what is seen is what is replaced
    open_review(other, "O-1", "Assign")
    expect(other.locator("dialog.review")).to_contain_text("assigned to maria")
    say(other, Your_name="Bob", Assign_to="Bob")
    expect(other.get_by_role("dialog", name="1 instance assigned")).to_be_visible()
    close(other)
    expect(one.locator(".ag-row", has_text="O-1").locator(".assigned")).to_have_text("Bob")
    open_review(other, "O-2", "Waive")
    open_review(one, "O-2", "Waive")
    say(one, Your_name="Ann", Reason="SAP is being mended")
    expect(one.get_by_role("dialog", name="1 instance waived")).to_be_visible()
    close(one)
    expect(one.locator(".ag-row", has_text="O-2").locator(".badge")).to_contain_text("Waived")
    say(other, Your_name="Bob", Reason="SAP is down")
    expect(other.locator("dialog.review .result")).to_have_text("Ann has waived it meanwhile")
    close(other)
    expect(other.locator(".ag-row", has_text="O-2").locator(".badge")).to_contain_text("Waived")
    (third,) = [row["id"] for row in stuck(running) if row["title"] == "O-3"]
    reading = at(opened, running, f"instances/{third}").page
    open_review(one, "O-3", "Acknowledge")
    say(one, Your_name="Ann")
    expect(one.get_by_role("dialog", name="1 instance acknowledged")).to_be_visible()
    expect(reading.locator("#instance-notes")).to_contain_text("Ann acknowledged it")


def test_a_server_restarted_under_two_pages_goes_on_with_both(running: Running, opened: Open) -> None:
    one, other = at(opened, running, "worklist?verdict=stuck"), at(opened, running, "")
    expect(one.page.locator(".ag-row .badge").first).to_be_visible()
    expect(other.page.locator(".kpi-value").first).to_be_visible()
    for watched in (one, other):
        watched.page.evaluate("window.since = 'before the restart'")
    running.end()
    for watched in (one, other):
        expect(watched.page.locator("#connection")).to_contain_text("Connection lost")
    running.start()
    for watched in (one, other):
        expect(watched.page.locator("#connection")).to_be_hidden()
    title = "O-3"
    open_review(one.page, title, "Comment")
    say(one.page, Your_name="Ann", Comment="after the restart")
    expect(one.page.get_by_role("dialog", name="1 instance noted")).to_be_visible()
    (third,) = [row["id"] for row in stuck(running) if row["title"] == title]
    expect(at(opened, running, f"instances/{third}").page.locator("#instance-notes")).to_contain_text(
        "after the restart"
    )
    for watched in (one, other):
        assert watched.page.evaluate("window.since") == "before the restart"


def test_the_tests_beside_a_definition_are_run_by_the_server_when_somebody_looks(
    running: Running, opened: Open
) -> None:
    watched = at(opened, running, "definitions/orders")
    tests = watched.page.locator("#tests")
    expect(tests).to_contain_text("1 test, all passed.")
    expect(tests).to_contain_text("The deadline of Shipped is missed in no test.")
    found = httpx.get(f"{running.url}/api/v1/workflows/orders/tests", timeout=30).json()
    assert (found["state"], [one["passed"] for one in found["tests"]], found["in_force"]) == ("ran", [True], True)
    assert httpx.get(f"{running.url}/api/v1/workflows/none/tests", timeout=30).status_code == 404
    assert watched.trouble == []
