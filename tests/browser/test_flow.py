"""The flow of a workflow: where the time goes, what was done again, and two periods or groups side by side."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import DESK, PHONE, SCREENSHOTS, Open, Served
from playwright.sync_api import Page, expect

FLOW = "flows/order-to-cash"


def choose(page: Page, field: str, label: str) -> None:
    # what is offered comes with the picture
    expect(page.locator(".flow-step").first).to_be_visible()
    page.locator(f"#flow-{field}").click()
    expect(page.get_by_role("option", name=label).locator("visible=true").first).to_be_visible()
    page.get_by_role("option", name=label).locator("visible=true").first.click()


def test_a_number_of_a_step_opens_to_those_behind_it(served: Served, opened: Open) -> None:
    page = opened(FLOW).page
    table = page.get_by_role("table", name="Each step in figures")
    row = table.locator("tbody tr").nth(2)
    expect(row).to_contain_text("62%")
    expect(row).to_contain_text("half within 2 h 3 min of the first")
    again = row.locator("td").last.locator("details")
    again.locator("summary").click()
    expect(again).to_contain_text("and 33 that began before")
    title = again.locator("a").first.inner_text()
    again.locator("a").first.click()
    expect(page.locator("h1")).to_have_text(title)


def test_a_period_is_compared_with_the_one_before_and_the_address_keeps_it(served: Served, opened: Open) -> None:
    watched = opened(FLOW)
    page = watched.page
    expect(page.get_by_text("Choose a time, to compare it")).to_be_visible()
    choose(page, "since", "The last 7 days")
    differences = page.get_by_role("table", name="Differences, the largest first")
    expect(differences.locator("tbody tr").first).to_contain_text("3.0× as long")
    expect(differences.locator("tbody tr").first).to_contain_text("more than chance")
    expect(differences.locator("tbody tr").last).to_contain_text("2.1 points more")
    expect(differences).to_contain_text("The 7 days before", ignore_case=True)
    expect(page).to_have_url(re.compile(r"\?since=7d$"))
    one, other = served.query.compared or ()
    assert other.until == one.since
    page.reload()
    expect(differences.locator("tbody tr").first).to_contain_text("3.0× as long")
    assert watched.trouble == []


def test_two_groups_are_compared_over_the_same_time(served: Served, opened: Open) -> None:
    page = opened(f"{FLOW}?than=same").page
    choose(page, "of", "EMEA")
    choose(page, "than_of", "APAC")
    expect(page.get_by_text("400 instances of region EMEA (3 began anew), against 800")).to_be_visible()
    expect(page.locator(".compare-lead")).to_contain_text("region APAC")
    one, other = served.query.compared or ()
    assert (one.where, other.where) == (("region=EMEA",), ("region=APAC",))
    page.get_by_text("Every step of both").click()
    expect(page.get_by_role("table", name=re.compile("Each step: "))).to_be_visible()


def test_absolute_times_are_kept_as_instants_and_shown_in_the_zone_of_the_viewer(served: Served, opened: Open) -> None:
    page = opened(f"{FLOW}?since=between&from=2026-11-01T08:00:00Z&to=2026-11-08T08:00:00Z").page
    expect(page.locator("#flow-from")).to_contain_text("1 Nov 2026")
    expect(page.locator(".compare-lead")).to_contain_text("from 1 Nov 08:00 until 8 Nov 08:00 UTC")
    one, other = served.query.compared or ()
    assert (one.since, one.until) == ("2026-11-01T08:00:00Z", "2026-11-08T08:00:00Z")
    assert (other.since, other.until) == ("2026-10-25T08:00:00Z", "2026-11-01T08:00:00Z")


def test_a_group_that_no_instance_has_any_more_is_shown_as_it_was_asked_for(opened: Open) -> None:
    page = opened(f"{FLOW}?since=7d&of=region%3DLATAM").page
    expect(page.locator("#flow-of")).to_have_value("region: LATAM")
    expect(page.locator(".compare-lead")).to_contain_text("the last 7 days, region LATAM")


def test_what_cannot_be_compared_says_why(opened: Open) -> None:
    page = opened(f"{FLOW}?since=7d&than=same").page
    expect(page.get_by_text("both sets are the same")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_comparison_fits_and_can_be_read(size: tuple[int, int], scheme: str, opened: Open) -> None:
    watched = opened(f"{FLOW}?since=28d&of=region%3DEMEA", size, scheme)
    page = watched.page
    expect(page.get_by_role("table", name="Differences, the largest first")).to_be_visible()
    page.screenshot(
        path=SCREENSHOTS / f"flow-compared-{'desk' if size == DESK else 'phone'}-{scheme}.png", full_page=True
    )
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    found = Axe().run(page).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    assert watched.trouble == []
    assert watched.outside == []
