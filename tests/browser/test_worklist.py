"""Filters, addresses, navigation and live refresh."""

from __future__ import annotations

import re

from conftest import PHONE, Open, Served
from playwright.sync_api import Page, Route, expect


def count(served: Served, *verdicts: str, **wanted: str) -> int:
    rows = [r for r in served.query.rows if not verdicts or r["verdict"] in verdicts]
    return sum(all(r[k] == v for k, v in wanted.items()) for r in rows)


def total(page: Page, number: int) -> None:
    expect(page.locator("#worklist-totals strong").first).to_have_text(str(number))


def test_a_deep_link_restores_its_filters(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck&workflow=purchase-to-pay&sort=-value").page
    stuck = count(served, "stuck", workflow="purchase-to-pay")
    total(page, stuck)
    expect(page.locator("input[value=stuck]")).to_be_checked()
    expect(page.locator("#filter-workflow")).to_have_value("Purchase to pay")
    figures = page.locator(".ag-row [col-id=value] .figure")
    expect(page.locator(".ag-row .badge")).to_have_text(["Stuck"] * stuck)
    expect(figures).to_have_count(stuck)
    values = [float(re.sub(r"[^0-9.]", "", t)) for t in figures.all_inner_texts()]
    assert values == sorted(values, reverse=True)


def test_filters_are_written_to_the_address_without_a_new_mount(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck").page
    total(page, count(served, "stuck"))
    page.evaluate("document.getElementById('worklist-grid').dataset.mark = 'same'")
    page.locator("label", has_text="Blind").click()
    total(page, count(served, "stuck", "blind"))
    expect(page).to_have_url(re.compile(r"verdict=stuck&verdict=blind$"))
    page.locator("#filter-q").fill("ORD-")
    expect(page).to_have_url(re.compile(r"&q=ORD-$"))
    expect(page.locator("#worklist-grid")).to_have_attribute("data-mark", "same")


def test_a_link_to_a_part_of_an_incident_lists_that_part_and_each_condition_can_be_taken_away(
    served: Served, opened: Open
) -> None:
    stuck = [r for r in served.query.rows if r["verdict"] == "stuck"]
    emea = [r for r in stuck if r["attributes"]["region"] == "EMEA"]
    page = opened("worklist?incident=0195f0c2-0000&attribute=region%3DEMEA").page
    total(page, len(emea))
    chips = page.locator("#worklist-chips .filter-chip")
    expect(chips.filter(has_text="Attribute: region=EMEA")).to_be_visible()
    expect(chips.filter(has_text="Incident: 0195f0c2")).to_be_visible()
    expect(page.locator("#worklist-why h2")).to_be_visible()
    chips.filter(has_text="Attribute").click()
    total(page, len(stuck))
    expect(page).to_have_url(re.compile(r"worklist\?incident=0195f0c2-0000$"))
    chips.filter(has_text="Incident").click()
    total(page, len(served.query.rows))


def test_what_the_listed_have_in_common_is_told_and_narrows_the_list(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck&workflow=purchase-to-pay").page
    lines = page.locator("#worklist-why li")
    expect(lines).to_have_count(3)
    expect(lines.nth(0)).to_contain_text("have region EMEA, against 12% of the others")
    expect(lines.nth(2).locator("a")).to_have_count(0)
    lines.nth(1).locator("a").click()
    expect(page).to_have_url(re.compile(r"verdict=stuck&workflow=purchase-to-pay&source_awaited=sap$"))
    total(page, count(served, "stuck", workflow="purchase-to-pay", source_awaited="sap"))
    expect(page.locator("#worklist-why li, #worklist-why p").first).to_be_visible()


def test_without_a_verdict_there_is_nothing_to_compare(served: Served, opened: Open) -> None:
    page = opened("worklist").page
    total(page, count(served))
    expect(page.locator("#worklist-why")).to_be_hidden()
    page.locator("label", has_text="Stuck").click()
    expect(page.locator("#worklist-why li")).to_have_count(3)
    page.locator("label", has_text="Stuck").click()
    expect(page.locator("#worklist-why")).to_be_hidden()


def test_only_a_filter_whose_rows_are_there_is_asked_what_they_have_in_common(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck").page
    expect(page.locator("#worklist-why li")).to_have_count(3)
    served.query.sought_in_common.clear()
    held: list[Route] = []
    page.route("**/api/v1/instances?*", lambda route: held.append(route))  # noqa: PLW0108 - it sets a name on it
    for verdict in ("Failed", "Blind"):
        page.locator("label", has_text=verdict).click()
        expect(page.locator("#worklist-why")).to_have_class("why stale")
    total(page, count(served, "stuck", "blind", "failed"))
    assert served.query.sought_in_common == []
    page.route("**/api/v1/instances?*", lambda route: route.continue_())
    for route in held:
        route.continue_()
    expect(page.locator("#worklist-why")).to_have_class("why")
    expect(page.locator("#worklist-why li").first).to_contain_text(f"{count(served, 'stuck', 'blind', 'failed')} of")
    assert [sorted(asked["verdict"]) for asked in served.query.sought_in_common] == [["blind", "failed", "stuck"]]


def test_whoever_comes_back_is_told_again_what_they_have_in_common(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck").page
    expect(page.locator("#worklist-why li")).to_have_count(3)
    page.locator("nav").get_by_role("link", name="Sources").click()
    expect(page.locator("#worklist-why")).to_have_count(0)
    page.go_back()
    expect(page.locator("#worklist-why li")).to_have_count(3)
    page.locator("label", has_text="Stuck").click()
    expect(page.locator("#worklist-why")).to_be_hidden()
    page.locator("label", has_text="Stuck").click()
    expect(page.locator("#worklist-why li")).to_have_count(3)
    expect(page.locator("#worklist-why")).to_have_class("why")


def test_rows_are_asked_for_once_when_the_list_opens(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck").page
    total(page, count(served, "stuck"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/v1/instances?" in request.url else None)
    page.reload()
    total(page, count(served, "stuck"))
    expect(page.locator("#worklist-why li")).to_have_count(3)
    assert len(asked) == 1


def test_what_cannot_be_compared_is_said_quietly(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck").page
    expect(page.locator("#worklist-why li")).to_have_count(3)
    served.query.broken = True
    try:
        page.locator("label", has_text="Failed").click()
        expect(page.locator("#worklist-why")).to_have_text("What they have in common cannot be told right now.")
    finally:
        served.query.broken = False


def test_back_returns_to_the_filtered_list(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck").page
    total(page, count(served, "stuck"))
    page.locator("label", has_text="Failed").click()
    total(page, count(served, "stuck", "failed"))
    title = page.locator(".ag-row a").first.inner_text()
    page.locator(".ag-row a").first.click()
    expect(page.locator("h1")).to_have_text(title)
    page.go_back()
    total(page, count(served, "stuck", "failed"))
    expect(page.locator("input[value=failed]")).to_be_checked()


def test_a_link_to_the_open_worklist_sets_its_filters(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck&verdict=failed&verdict=inconsistent").page
    page.locator("label", has_text="Failed").click()
    total(page, count(served, "stuck", "inconsistent"))
    page.get_by_role("link", name="Worklist").click()
    total(page, count(served, "stuck", "failed", "inconsistent"))
    expect(page.locator("input[value=failed]")).to_be_checked()


def test_a_number_on_the_overview_opens_as_many(served: Served, opened: Open) -> None:
    page = opened("").page
    stuck = page.locator(".kpi", has_text="Stuck").first
    expect(stuck.locator(".kpi-value")).to_have_text(str(count(served, "stuck")))
    stuck.click()
    total(page, count(served, "stuck"))


def test_what_is_waived_is_counted_apart_and_says_who_and_why(served: Served, opened: Open) -> None:
    served.query.waive()
    page = opened("").page
    page.locator(".domains").get_by_role("link", name="1 waived").first.click()
    expect(page.locator("#worklist-totals")).to_contain_text("1 instance")
    expect(page.locator(".ag-row .badge-waived")).to_have_count(1)
    expect(page.locator("#filter-verdict").or_(page.locator(".chips")).get_by_text("Waived")).to_be_visible()
    page.locator(".ag-row a.strong").first.click()
    facts = page.locator("#instance .facts")
    expect(facts).to_contain_text("Jo Doe")
    expect(facts).to_contain_text("SAP is being mended")
    expect(facts.locator(".badge-stuck")).to_be_visible()
    expect(page.locator(".title-row .badge-waived")).to_be_visible()


def test_nothing_that_matches_is_said(opened: Open) -> None:
    page = opened("worklist?q=no-such-thing").page
    expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_on_a_phone_the_list_is_made_of_cards(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck", PHONE).page
    expect(page.locator(".work-card").first).to_be_visible()
    expect(page.locator("#filter-workflow")).to_be_hidden()
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("#filter-workflow")).to_be_visible()


def test_live_refresh_changes_a_number_and_mounts_nothing_anew(served: Served, opened: Open) -> None:
    page = opened("").page
    before = count(served, "stuck")
    value = page.locator(".kpi-value").first
    expect(value).to_have_text(str(before))
    marked = "document.querySelectorAll('.kpi, .kpi-value, .domains td, .spark, .pulse')"
    page.evaluate(f"{marked}.forEach(e => e.mark = 1)")
    served.query.add_stuck()
    expect(value).to_have_text(str(before + 1))
    assert page.evaluate(f"[...{marked}].every(e => e.mark === 1)")


def test_the_grid_follows_a_change_and_keeps_its_place(served: Served, opened: Open) -> None:
    page = opened("worklist").page
    total(page, len(served.query.rows))
    place = page.locator(".ag-body-viewport")
    expect(page.locator(".ag-row a").first).to_be_visible()
    place.evaluate("e => e.scrollTop = 1500")
    expect(page.locator(".ag-row[row-index='35'] a")).to_be_visible()
    at = place.evaluate("e => e.scrollTop")
    with page.expect_request(lambda r: "/api/v1/instances" in r.url, timeout=30_000):
        served.query.add_stuck()
    total(page, len(served.query.rows))
    assert place.evaluate("e => e.scrollTop") == at


def test_an_instance_is_found_by_its_key(served: Served, opened: Open) -> None:
    row = served.query.rows[0]
    page = opened("").page
    expect(page.locator(".kpi-value").first).to_be_visible()
    page.keyboard.press("Control+k")
    page.locator("#search-text").fill(row["title"])
    page.locator("#search-results a", has_text=row["title"]).first.click()
    expect(page.locator("h1")).to_have_text(row["title"])
    expect(page.locator("#search-text")).to_be_hidden()


def test_opened_event_data_stays_open_while_the_page_lives(served: Served, opened: Open) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck")
    page = opened(f"instances/{row['id']}").page
    page.locator("#instance-events summary").first.click()
    expect(page.locator("#instance-events pre").first).to_be_visible()
    row["explanation"] = "Something else is said now."
    expect(page.locator(".lead")).to_have_text("Something else is said now.")
    expect(page.locator("#instance-events pre").first).to_be_visible()
