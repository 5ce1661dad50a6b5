"""The list of incidents with its filters and keys, and one incident with every act."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import DESK, PHONE, SCREENSHOTS, Open, Served
from playwright.sync_api import Locator, Page, expect


def heaviest(served: Served) -> str:
    return f"incidents/{served.query.heaviest()}"


def ready(page: Page) -> None:
    expect(page.locator("#incident-acts button").first).to_be_visible()


def form(page: Page, act: str) -> Locator:
    page.locator("#incident-acts").get_by_role("button", name=act, exact=True).click()
    dialog = page.locator("dialog.incident-act")
    expect(dialog).to_be_visible()
    return dialog


def do(page: Page, act: str, **said: str) -> None:
    dialog = form(page, act)
    for label, text in {"Your name": "Jo Doe", **said}.items():
        dialog.get_by_label(label.replace("_", " "), exact=True).fill(text)
    dialog.locator(".primary").click()
    expect(dialog).to_have_count(0)


def acts(served: Served) -> list[tuple[str, str]]:
    (lines,) = served.query.happened.acts.values()
    return [(line["what"], line["detail"]) for line in lines]


def test_filters_stand_in_the_address_and_a_link_restores_them(served: Served, opened: Open) -> None:
    page = opened("incidents?status=firing&severity=critical").page
    severities = page.locator(".incidents td:first-child .sub")
    expect(severities.first).to_contain_text("critical")
    assert all(text.endswith("critical") for text in severities.all_inner_texts())
    expect(page.get_by_text("Resolved", exact=True)).to_have_count(0)
    page.locator("#incidents-q").fill("nothing is called so")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=nothing.*status=firing&severity=critical"))
    page.reload()
    expect(page.locator("#incidents-q")).to_have_value("nothing is called so")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Incidents").first.click()
    expect(page.locator("#incidents-q")).to_have_value("")
    expect(page.locator(".incidents .badge").first).to_be_visible()


def test_the_list_is_in_the_order_that_was_asked_for(served: Served, opened: Open) -> None:
    page = opened("incidents?status=firing&sort=-count").page
    expect(page.locator(".incidents .num").first).to_be_visible()
    counts = [int(text.replace(",", "")) for text in page.locator(".incidents .num").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    page.locator("#incidents-sort").click()
    page.get_by_role("option", name="opened last").click()
    expect(page).to_have_url(re.compile("sort=-opened_at"))
    last = max(
        (i for i in served.query.happened.listed(served.query.rows, "firing")["items"]), key=lambda i: i["opened_at"]
    )
    expect(page.locator(".incidents td:first-child a").first).to_have_text(last["title"])


def test_the_list_goes_by_the_keyboard(served: Served, opened: Open) -> None:
    page = opened("incidents").page
    links = page.locator(".incidents td:first-child a")
    expect(links.first).to_be_visible()
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("k")
    title = links.nth(0).inner_text()
    page.keyboard.press("a")
    page.get_by_label("Your name").fill("Jo Doe")
    page.keyboard.press("Enter")
    expect(page.locator(".incidents tbody tr", has_text=title)).to_contain_text("acknowledged by Jo Doe")
    links.filter(has_text=title).focus()
    page.keyboard.press("o")
    expect(page.locator("#incident-title")).to_have_text(title)
    page.go_back()
    expect(links.first).to_be_visible()


def test_an_incident_says_how_it_goes_on_what_sets_it_apart_and_who_is_told(served: Served, opened: Open) -> None:
    page = opened(heaviest(served)).page
    ready(page)
    expect(page.locator("#incident-going")).to_contain_text("It shrinks by 2.4 an hour: drained in")
    expect(page.locator("#incident-apart")).to_contain_text("92% have connector_version 2.3, 12% of the others")
    expect(page.locator("#incident-whom")).to_contain_text("Outside of hours")
    expect(page.locator("#incident-timeline")).to_contain_text("https://pager.example/hook is being told: it has grown")
    expect(page.locator("#incident-timeline")).to_contain_text("3 attempts, the last answered 503")
    expect(page.locator("#incident-timeline")).not_to_contain_text("(slack)")
    expect(page.get_by_role("link", name="https://wiki.example.com/erp")).to_be_visible()


def test_the_number_of_an_incident_opens_exactly_its_list(served: Served, opened: Open) -> None:
    page = opened(heaviest(served)).page
    ready(page)
    number = page.locator("#incident .fact a").first
    count = number.inner_text()
    number.click()
    expect(page.locator("#worklist-totals strong").first).to_have_text(count)


def test_whoever_acknowledges_is_remembered_and_can_take_it_back(served: Served, opened: Open) -> None:
    page = opened(heaviest(served)).page
    ready(page)
    do(page, "Acknowledge")
    expect(page.locator("#incident-head")).to_contain_text("acknowledged by Jo Doe")
    expect(page.locator("#incident-timeline")).to_contain_text("Jo Doe acknowledged")
    dialog = form(page, "Take back")
    expect(dialog.get_by_label("Your name")).to_have_value("Jo Doe")
    dialog.locator(".primary").click()
    expect(page.locator("#incident-head")).not_to_contain_text("acknowledged by")
    page.keyboard.press("a")
    page.locator("dialog select").select_option("4")
    page.locator("dialog .primary").click()
    expect(page.locator("#incident")).to_contain_text("Jo Doe, ends in")
    assert [what for what, _ in acts(served)] == ["acknowledged", "unacknowledged", "acknowledged"]


def test_every_act_stands_in_what_happened(served: Served, opened: Open) -> None:
    watched = opened(heaviest(served))
    page = watched.page
    ready(page)
    do(page, "Assign", Assign_to="sam")
    expect(page.locator("#incident")).to_contain_text("sam")
    do(page, "Comment", Comment="SAP says the queue is full")
    expect(page.locator("#incident-timeline")).to_contain_text("Jo Doe commented")
    do(page, "Link a change", Address="https://changes.example.com/7", Title="CHG-7")
    expect(page.locator("#incident-changes a")).to_have_attribute("href", "https://changes.example.com/7")
    do(page, "Postpone", Reason="after lunch")
    expect(page.locator("#incident-head")).to_contain_text("postponed")
    do(page, "Resolve", Reason="known, we live with it")
    expect(page.locator("#incident-acts button")).to_have_text(["Comment", "Link a change"])
    assert acts(served) == [
        ("assigned", "to sam"),
        ("commented", "SAP says the queue is full"),
        ("linked", "CHG-7"),
        ("postponed", "after lunch"),
        ("called_resolved", "known, we live with it"),
    ]
    assert watched.trouble == []


def test_a_silence_says_what_it_matches_can_be_widened_and_ended(served: Served, opened: Open) -> None:
    page = opened(heaviest(served)).page
    ready(page)
    dialog = form(page, "Silence")
    ticked = dialog.locator(".match input")
    expect(ticked.first).to_be_checked()
    dialog.get_by_label(re.compile("^waiting for is")).uncheck()
    dialog.get_by_label("Your name").fill("Jo Doe")
    dialog.get_by_label("Reason").fill("SAP is moved")
    dialog.locator(".primary").click()
    expect(dialog).to_have_count(0)
    (one,) = served.query.happened.silences
    assert "waiting_for" not in one["match"]
    assert one["match"]["verdict"] == "stuck"
    page.get_by_role("link", name="Incidents").first.click()
    page.get_by_text("Silences").click()
    expect(page.locator("#silences")).to_contain_text("SAP is moved")
    page.get_by_role("button", name="End the silence").click()
    expect(page.locator("#silences")).to_contain_text("Nothing is silenced")
    assert served.query.happened.silences == []


def test_an_act_that_is_refused_says_why_and_keeps_what_was_written(served: Served, opened: Open) -> None:
    served.query.happened.refuses = "the incident is resolved"
    page = opened(heaviest(served)).page
    ready(page)
    dialog = form(page, "Comment")
    dialog.get_by_label("Your name").fill("Jo Doe")
    dialog.get_by_label("Comment", exact=True).fill("called them")
    dialog.locator(".primary").click()
    expect(dialog.locator(".refused")).to_have_text("the incident is resolved")
    expect(dialog.get_by_label("Comment", exact=True)).to_have_value("called them")


def test_an_incident_that_is_not_there_says_so(opened: Open) -> None:
    page = opened("incidents/00000000-0000-4000-8000-000000000000").page
    expect(page.get_by_text("No such incident")).to_be_visible()
    expect(page.locator("#incident-columns")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_form_of_an_act_fits_and_can_be_read(size: Any, scheme: str, served: Served, opened: Open) -> None:
    watched = opened(heaviest(served), size, scheme)
    page = watched.page
    ready(page)
    dialog = form(page, "Silence")
    page.screenshot(path=SCREENSHOTS / f"incident-act-{'desk' if size == DESK else 'phone'}-{scheme}.png")
    box = dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size[0]
    found = Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    assert watched.trouble == []


def test_what_was_sent_opens_to_what_went_out_and_what_came_back(served: Served, opened: Open) -> None:
    page = opened(heaviest(served)).page
    ready(page)
    sent = page.locator("#incident-messages details")
    expect(sent).to_have_count(2)
    expect(sent.nth(0)).to_contain_text("it has grown")
    expect(sent.nth(0)).to_contain_text("503, tried again: it has a fault")
    expect(sent.nth(1).locator("pre").first).to_be_hidden()
    sent.nth(1).locator("summary").press("Enter")
    expect(sent.nth(1).locator("pre").first).to_contain_text("3 orders are waiting")
