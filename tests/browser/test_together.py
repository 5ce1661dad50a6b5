"""Several people at once, and a server that is restarted under open pages."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conftest import PHONE, Open, Served
from playwright.sync_api import Page, expect

SERVER = Path(__file__).parent / "fake_server.py"


def incident_act(page: Page, act: str, **said: str) -> None:
    page.locator("#incident-acts").get_by_role("button", name=act, exact=True).click()
    dialog = page.locator("dialog.incident-act")
    for label, text in said.items():
        dialog.get_by_label(label.replace("_", " "), exact=True).fill(text)
    dialog.locator(".primary").click()
    expect(dialog).to_have_count(0)


def test_what_one_does_about_an_incident_another_sees_without_loading_anew(served: Served, opened: Open) -> None:
    path = f"incidents/{served.query.heaviest()}"
    one, other, phone = opened(path), opened(path), opened("incidents", PHONE)
    for watched in (one, other):
        expect(watched.page.locator("#incident-acts button").first).to_be_visible()
    other.page.evaluate("window.since = 'the page was opened'")
    incident_act(one.page, "Acknowledge", Your_name="Jo Doe")
    expect(other.page.locator("#incident-head")).to_contain_text("acknowledged by Jo Doe")
    expect(phone.page.locator(".incidents").first).to_contain_text("acknowledged by Jo Doe")
    incident_act(other.page, "Comment", Your_name="Sam", Comment="SAP says the queue is full")
    expect(one.page.locator("#incident-timeline")).to_contain_text("Sam commented")
    assert other.page.evaluate("window.since") == "the page was opened"
    assert one.trouble == other.trouble == phone.trouble == []


def test_what_one_assigns_another_sees_in_the_list_and_on_its_page(served: Served, opened: Open) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck")
    one, other = opened(f"worklist?verdict=stuck&q={row['title']}"), opened(f"instances/{row['id']}")
    expect(one.page.locator("#worklist-totals strong").first).to_have_text("1")
    expect(one.page.locator(".ag-row .badge")).to_have_count(1)
    one.page.locator(".ag-row .ag-checkbox-input").first.check()
    expect(one.page.locator("#worklist-selected")).to_have_text("1 selected")
    one.page.get_by_role("button", name="Assign", exact=True).click()
    one.page.get_by_label("Your name").fill("Jo Doe")
    one.page.get_by_label("Assign to").fill("maria")
    one.page.get_by_role("button", name="Assign 1 instance").click()
    expect(one.page.get_by_role("dialog", name="1 instance assigned")).to_be_visible()
    expect(other.page.locator("#instance-notes")).to_contain_text("Jo Doe assigned it to maria")
    assert one.trouble == other.trouble == []


def test_who_writes_keeps_the_words_while_another_acts(served: Served, opened: Open) -> None:
    path = f"incidents/{served.query.heaviest()}"
    one, other = opened(path).page, opened(path).page
    for page in (one, other):
        expect(page.locator("#incident-acts button").first).to_be_visible()
    one.locator("#incident-acts").get_by_role("button", name="Comment", exact=True).click()
    words = one.locator("dialog.incident-act").get_by_label("Comment", exact=True)
    words.fill("half a sent")
    incident_act(other, "Acknowledge", Your_name="Sam")
    expect(one.locator("#incident-head")).to_contain_text("acknowledged by Sam")
    expect(words).to_have_value("half a sent")
    expect(words).to_be_focused()


@contextmanager
def serving(port: int) -> Iterator[None]:
    """A server of its own; who leaves ends it without a word, as a crash would."""
    process = subprocess.Popen([sys.executable, str(SERVER), str(port)], cwd=SERVER.parents[2])
    try:
        while process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/views", timeout=5):
                break
        yield
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def post(url: str) -> dict[str, str]:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30) as answer:
        found: dict[str, str] = json.load(answer)
        return found


def test_pages_recover_by_themselves_when_the_server_was_restarted_under_them(opened: Open) -> None:
    port = free_port()
    with serving(port):
        pages = {name: opened("").page for name in ("overview", "worklist", "incidents")}
        addresses = {"overview": "", "worklist": "worklist?verdict=stuck", "incidents": "incidents"}
        for name, page in pages.items():
            page.goto(f"http://127.0.0.1:{port}/dashboard/{addresses[name]}")
            page.evaluate("window.since = 'before the restart'")
        stuck = pages["overview"].locator(".kpi-value").first
        expect(stuck).to_be_visible()
        expect(pages["worklist"].locator(".ag-row .badge").first).to_be_visible()
        expect(pages["incidents"].locator(".incidents .badge").first).to_be_visible()
        total = pages["worklist"].locator("#worklist-totals strong").first
        before = int(total.inner_text())
    for page in pages.values():
        expect(page.locator("#connection")).to_contain_text("Connection lost")
    # what was on the page stays
    expect(stuck).to_be_visible()
    expect(pages["worklist"].locator(".ag-row .badge").first).to_be_visible()
    with serving(port):
        for page in pages.values():
            expect(page.locator("#connection")).to_be_hidden()
        post(f"http://127.0.0.1:{port}/test/add-stuck")
        expect(total).to_have_text(str(before + 1))
        for page in pages.values():
            assert page.evaluate("window.since") == "before the restart"
        # and it can be gone on with
        pages["overview"].get_by_role("link", name="Sources").first.click()
        expect(pages["overview"].locator(".sources .badge").first).to_be_visible()
        expect(pages["overview"]).to_have_url(re.compile("/sources$"))
