"""Every page, at desk and phone size, in both schemes."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import DESK, PHONE, SCREENSHOTS, Open, Served
from playwright.sync_api import Page, expect

STUCK = "worklist?verdict=stuck&verdict=failed&verdict=inconsistent"

# page: address, and what shows that its data has come
PAGES = {
    "overview": ("", ".domains td .num"),
    "regions": ("regions", ".of-regions td .num"),
    "worklist": (STUCK, ".ag-row .badge"),
    "instance": ("instances/{stuck}", "#instance-timeline .annotation-text"),
    "account": ("accounts/customer/CUST-104", ".account .badge"),
    "flows": ("flows", ".flows .num"),
    "flow": ("flows/order-to-cash", ".flow-step .flow-count"),
    "objectives": ("objectives", ".objectives .budget"),
    "objective": ("objectives/orders-shipped-in-time", "#objective-days .trace.bars"),
    "counted": ("objectives/orders-shipped-in-time/counted", ".counted .badge"),
    "incidents": ("incidents", ".incidents .badge"),
    "incident": ("incidents/{incident}", "#incident-points .scatterlayer path"),
    "sources": ("sources", "#source-map path.point"),
    "source": ("sources/jira", ".dead td"),
    "definitions": ("definitions", ".definitions td .num"),
    "definition": ("definitions/order-to-cash", ".node .num"),
}


def address(served: Served, path: str) -> str:
    rows = served.query.rows
    stuck = next(r for r in rows if r["verdict"] == "stuck" and r["workflow"] == "order-to-cash")
    return path.format(stuck=stuck["id"], incident=served.query.heaviest())


def serious(page: Page) -> dict[str, list[str]]:
    """What axe finds that keeps somebody from using the page."""
    found = Axe().run(page).response["violations"]
    return {v["id"]: [n["html"][:200] for n in v["nodes"]] for v in found if v["impact"] in ("serious", "critical")}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_its_data(name: str, size: tuple[int, int], scheme: str, served: Served, opened: Open) -> None:
    path, proof = PAGES[name]
    watched = opened(address(served, path), size, scheme)
    page = watched.page
    expect(page.locator(proof).first).to_be_visible()
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    SCREENSHOTS.mkdir(exist_ok=True)
    width = "desk" if size == DESK else "phone"
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert serious(page) == {}
    assert watched.trouble == []
    assert watched.outside == []


def test_before_the_first_event_the_next_step_is_told_with_the_address_of_this_server(
    served: Served, opened: Open
) -> None:
    served.query.empty, served.query.rows = True, []
    watched = opened("")
    page = watched.page
    expect(page.locator("#first-event")).to_contain_text(f"curl {served.url}/events")
    expect(page.locator("#first-otlp")).to_contain_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={served.url}\n")
    expect(page.locator("#first-source")).to_contain_text(f"{served.url}/sources/")
    assert serious(page) == {}
    assert watched.trouble == []


def test_the_first_run_page_turns_into_the_overview_by_itself(served: Served, opened: Open) -> None:
    rows, served.query.empty, served.query.rows = served.query.rows, True, []
    page = opened("").page
    expect(page.get_by_text("Waiting for the first event")).to_be_visible()
    served.query.empty, served.query.rows = False, rows
    expect(page.locator(".kpi-value").first).to_be_visible()
    expect(page.locator("#first-event")).to_have_count(0)


def test_a_command_can_be_copied(served: Served, opened: Open) -> None:
    served.query.empty, served.query.rows = True, []
    page = opened("").page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.locator("#first-event")).to_contain_text(served.url)
    page.locator("[data-copy=first-event]").click()
    expect(page.locator("[data-copy=first-event]")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"curl {served.url}/events")


def test_the_overview_needs_no_scrolling_on_a_laptop(opened: Open) -> None:
    page = opened("").page
    expect(page.locator(".domains td .num").first).to_be_visible()
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    expect(page.get_by_text("Likely within the hour")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight") <= DESK[1]


def test_what_was_missed_today_opens_to_its_list(opened: Open) -> None:
    page = opened("").page
    missed = page.locator(".today a").first
    expect(missed).to_have_attribute("title", re.compile(r"due today until \d\d:00 UTC were missed; usually"))
    expect(page.locator(".today .sub").first).to_contain_text("usually 4")
    missed.click()
    expect(page).to_have_url(re.compile(r"/objectives/workflow%3A[a-z-]+/counted\?since=.*&until="))


def test_a_store_that_does_not_answer_is_told_and_retried(served: Served, opened: Open) -> None:
    served.query.broken = True
    page = opened("").page
    expect(page.get_by_role("alert")).to_contain_text("cannot be read right now")
    served.query.broken = False
    expect(page.locator(".kpi-value").first).to_be_visible()


def test_what_is_on_the_page_stays_when_the_store_stops_answering(served: Served, opened: Open) -> None:
    page = opened("").page
    expect(page.locator(".kpi-value").first).to_be_visible()
    served.query.broken = True
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator(".kpi-value").first).to_be_visible()
    served.query.broken = False
    expect(page.locator("#stale")).to_be_hidden()


def test_a_lost_connection_is_told_and_taken_back(opened: Open) -> None:
    page = opened("").page
    expect(page.locator(".kpi-value").first).to_be_visible()
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_be_hidden()


def test_an_address_without_a_page_says_so_and_leads_back(opened: Open) -> None:
    watched = opened("nowhere/at/all")
    expect(watched.page.get_by_text("There is no such page")).to_be_visible()
    watched.page.get_by_role("link", name="What needs a person").click()
    expect(watched.page.get_by_role("heading", name="Overview")).to_be_visible()
    assert watched.trouble == []


def test_an_unknown_instance_says_so(opened: Open) -> None:
    page = opened("instances/00000000-0000-4000-8000-000000000000").page
    expect(page.get_by_text("No such instance")).to_be_visible()
    expect(page.locator("#instance-body")).to_be_hidden()


def test_the_scheme_can_be_chosen(opened: Open) -> None:
    page = opened("", scheme="light").page
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")
    page.locator("#scheme").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


def test_a_group_of_an_objective_opens(opened: Open) -> None:
    page = opened("objectives/orders-shipped-in-time").page
    expect(page.get_by_text("Burning: 14 misses within 1 h")).to_be_visible()
    expect(page.get_by_text("sap has been silent since")).to_be_visible()
    groups = page.get_by_role("table", name="Groups, the least left first")
    groups.get_by_role("link", name="APAC").first.click()
    expect(page.get_by_text("Only Region APAC, Tier gold.")).to_be_visible()
    expect(groups).to_have_count(0)
    page.get_by_role("link", name="All together").click()
    expect(groups).to_be_visible()


def test_an_address_of_no_group_is_told(opened: Open) -> None:
    page = opened('objectives/orders-shipped-in-time?group=["EMEA"]').page
    expect(page.get_by_text("No such objective")).to_be_visible()


def test_a_number_of_an_objective_opens_to_its_list(served: Served, opened: Open) -> None:
    page = opened("objectives/orders-shipped-in-time").page
    page.get_by_title("What was bad").first.click()
    rows = page.get_by_role("table", name="In the order in which they were due").locator("tbody tr")
    expect(rows).to_have_count(5)
    expect(page.get_by_text("Not: SAP is maintained")).to_be_visible()
    page.get_by_role("link", name="The next").click()
    expect(page.get_by_role("link", name="From the first on")).to_be_visible()
    page.get_by_role("link", name="Waived").click()
    expect(rows.first).to_contain_text("Waived by jo: known")
    title = rows.first.locator("a").inner_text()
    rows.first.locator("a").click()
    expect(page.locator("h1")).to_have_text(title)


def test_a_list_that_cannot_be_is_told(opened: Open) -> None:
    page = opened("objectives/orders-shipped-in-time/counted?outcome=lost").page
    expect(page.get_by_text("outcome: must be bad or waived")).to_be_visible()


def test_a_page_that_is_read_from_a_replica_says_when_that_is_behind(served: Served, opened: Open) -> None:
    served.query.behind = 90.0
    watched = opened("")
    banner = watched.page.locator("#behind")
    expect(banner).to_contain_text("1 min ago: the replica that is read is behind")
    served.query.behind = 0.0
    expect(banner).to_be_hidden(timeout=20_000)
    assert watched.trouble == []
