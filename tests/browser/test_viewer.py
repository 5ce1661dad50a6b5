"""Times in the zone of whoever looks, in the spelling of their country; and the times that a page is asked about."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from conftest import DESK, PHONE, Open, Served
from playwright.sync_api import Page, expect
from test_pages import address, serious

from dashboard.viewer import viewer_of

LOCALES = ("de-DE", "en-US", "en-GB", "fr-FR", "ja-JP", "hi-IN", "pt-BR")


def plain(text: str) -> str:
    return " ".join(re.sub("[\u200e\u200f]", "", text).split())


@pytest.mark.parametrize("locale", LOCALES)
def test_the_browser_and_the_server_spell_alike(locale: str, opened: Open) -> None:
    page = opened("definitions", zone="America/New_York", locale=locale).page
    viewer = viewer_of(f"America/New_York|{locale}")
    for text in ("2026-11-21T14:05:09Z", "2026-07-01T03:59:00Z"):
        at = datetime.fromisoformat(text)
        assert plain(page.evaluate(f"milepost.moment('{text}')")) == plain(f"{viewer.day(at)} {viewer.clock(at)}")
    for number in (7, 1_234, 1_234_567):
        assert plain(page.evaluate(f"milepost.count({number})")) == plain(viewer.number(number))
        for currency in ("EUR", "USD", "JPY"):
            said = page.evaluate(f"milepost.money({{amount: {number}, currency: '{currency}'}})")
            assert plain(said) == plain(viewer.money(number, currency))


def test_times_and_money_of_a_page_are_the_viewers_from_the_first_drawing_on(served: Served, opened: Open) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck" and r["value"])
    watched = opened(f"instances/{row['id']}", zone="Asia/Tokyo", locale="de-DE")
    page = watched.page
    at = datetime.fromisoformat(row["_journey"][0]["at"]).astimezone(ZoneInfo("Asia/Tokyo"))
    reached = page.locator("#instance-journey tbody tr").first.locator("time").first
    expect(reached).to_have_text(re.compile(rf"{at.day}\. \S+ {at:%H:%M}"))
    expect(reached).to_have_attribute("title", re.compile("JST$"))
    expect(page.locator("#instance .facts")).to_contain_text(re.compile(r"Value[\d.,]+\s[€$]"))
    expect(page.get_by_text("times in Asia/Tokyo")).to_be_visible()
    expect(page.locator("#viewer-zone")).to_have_text(re.compile(r"GMT\+9|JST"))
    # The axis stands on the same clocks, and calls the months as they do.
    last = page.locator("#instance-timeline .js-plotly-plot").evaluate("e => e.layout.xaxis.range[1]")
    ahead = datetime.fromisoformat(last).replace(tzinfo=ZoneInfo("Asia/Tokyo")) - datetime.now(ZoneInfo("UTC"))
    assert ahead > -timedelta(minutes=30)
    assert watched.trouble == []


def test_the_zone_can_be_chosen_and_stays(served: Served, opened: Open) -> None:
    watched = opened("objectives/orders-shipped-in-time", zone="America/New_York")
    page = watched.page
    told = page.get_by_text("SAP is maintained")
    expect(told).to_contain_text(re.compile("E[SD]T: SAP"))
    page.get_by_label("Zone of the times").click()
    expect(page.get_by_role("button", name="My own zone America/New_York")).to_have_attribute("aria-pressed", "true")
    assert serious(page) == {}
    page.get_by_role("button", name="Europe/Berlin Office hours, EMEA").click()
    expect(told).to_contain_text(re.compile("CES?T: SAP"))
    page.goto(served.dashboard + address(served, "instances/{stuck}"))
    expect(page.get_by_text("times in Europe/Berlin")).to_be_visible()
    expect(page.locator("#viewer-zone")).to_have_text(re.compile("CES?T"))
    page.get_by_label("Zone of the times").click()
    page.get_by_role("button", name="UTC", exact=True).click()
    expect(page.get_by_text("times in UTC")).to_be_visible()
    assert watched.trouble == []


def test_another_page_of_the_same_browser_follows_the_choice(served: Served, opened: Open) -> None:
    one = opened(address(served, "instances/{stuck}"), zone="Asia/Tokyo").page
    other = one.context.new_page()
    other.goto(one.url)
    expect(other.get_by_text("times in Asia/Tokyo")).to_be_visible()
    one.get_by_label("Zone of the times").click()
    one.get_by_role("button", name="UTC", exact=True).click()
    expect(other.get_by_text("times in UTC")).to_be_visible()


def test_what_is_printed_says_the_zone(opened: Open) -> None:
    page = opened("objectives", zone="Europe/Berlin").page
    expect(page.locator(".objectives .budget").first).to_be_visible()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#printed")).to_be_visible()
    expect(page.locator("#printed")).to_contain_text("Times are told in Europe/Berlin.")


CONVERTED = "text => { const at = milepostViewer.instant(text); return at && at.toISOString(); }"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-21T15:05", "2026-11-21T14:05:00.000Z"),
        ("2026-07-01 00:00:00", "2026-06-30T22:00:00.000Z"),
        # Twice on that day, and never on that one.
        ("2026-10-25T02:30", "2026-10-25T00:30:00.000Z"),
        ("2026-03-29T02:30", "2026-03-29T01:30:00.000Z"),
        ("soon", None),
    ],
)
def test_what_is_typed_is_a_time_of_the_viewers_zone(text: str, instant: str | None, opened: Open) -> None:
    assert opened("definitions", zone="Europe/Berlin").page.evaluate(CONVERTED, text) == instant


def chosen(page: Page, name: str, said: str) -> None:
    page.locator(f"#{name}-since").click()
    page.get_by_role("option", name=said).click()


RANGES = {
    "source": ("sources/jira", "source_volume"),
    "objective": ("objectives/orders-shipped-in-time", "objective"),
    "incidents": ("incidents", "incidents"),
}


@pytest.mark.parametrize("name", RANGES)
def test_the_time_that_a_page_is_asked_about_is_in_its_address(name: str, served: Served, opened: Open) -> None:
    path, question = RANGES[name]
    watched = opened(path)
    page = watched.page
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    chosen(page, name, "The last 28 days")
    expect(page).to_have_url(re.compile(rf"{path}\?since=28d$"))
    expect(page.locator(f"#{name}-from")).to_be_hidden()
    page.reload()
    expect(page.locator(f"#{name}-since")).to_have_value("The last 28 days")
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    since, until = served.query.asked[question]
    back = datetime.now(ZoneInfo("UTC")) - datetime.fromisoformat(since)
    assert timedelta(days=28) <= back <= timedelta(days=28, minutes=10)
    assert until is None
    assert watched.trouble == []


@pytest.mark.parametrize("name", RANGES)
def test_absolute_times_are_told_in_the_viewers_zone_and_asked_for_as_instants(
    name: str, served: Served, opened: Open
) -> None:
    path, question = RANGES[name]
    asked = "since=between&from=2026-11-20T09:30:15Z&to=2026-11-21T08:00:00Z"
    watched = opened(f"{path}?{asked}", zone="America/New_York", locale="en-US")
    page = watched.page
    expect(page.locator(f"#{name}-from")).to_contain_text("Nov 20, 2026 4:30 AM")
    expect(page.locator(f"#{name}-to")).to_contain_text("Nov 21, 2026 3:00 AM")
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    # To the second as the link said it, though the picker shows none.
    assert served.query.asked[question] == ("2026-11-20T09:30:15Z", "2026-11-21T08:00:00Z")
    assert asked.replace(":", "%3A") in page.url.replace(":", "%3A")
    page.evaluate(f"dash_clientside.set_props('{name}-to', {{value: '2026-11-21 04:15:00'}})")
    expect(page).to_have_url(re.compile("to=2026-11-21T09%3A15%3A00Z"))
    assert serious(page) == {}
    assert watched.trouble == []


def test_an_objective_says_what_the_asked_time_came_to_or_why_it_cannot(opened: Open) -> None:
    page = opened("objectives/orders-shipped-in-time?since=7d").page
    told = page.locator("#objective-asked")
    expect(told).to_contain_text("The last 7 days, by days of Europe/Berlin: 98.73% good, 9 bad; 9 of 14 allowed")
    told.get_by_role("link", name="9").click()
    expect(page).to_have_url(re.compile(r"/counted\?.*since=.*until="))
    wrong = "objectives/orders-shipped-in-time?since=between&from=2026-11-21T09:00:00Z&to=2026-11-20T09:00:00Z"
    page = opened(wrong).page
    expect(page.locator("#objective-asked")).to_contain_text("This time cannot be shown")
    expect(page.locator("#objective-days .trace.bars").first).to_be_visible()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_pickers_fit_on_the_page(size: tuple[int, int], opened: Open) -> None:
    page = opened("incidents?since=between", size).page
    expect(page.locator("#incidents-from")).to_be_visible()
    expect(page.locator(".incidents .badge").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
