"""What is likely to come, in a browser: the number on the overview, the list it opens, and one instance."""

from __future__ import annotations

import re

import pytest
from conftest import PHONE, Open, Served
from playwright.sync_api import expect

WORKFLOW = "order-to-cash"


def due(served: Served, seconds: int, workflow: str = WORKFLOW) -> list[float | None]:
    """The chances of what is due by then, the likeliest first, those unknown last."""
    query = served.query
    rows = query._due([r for r in query.rows if r["workflow"] == workflow], seconds)
    chances = [row["forecast"]["chance"] for row in rows]
    return sorted(chances, key=lambda one: (one is None, -(one or 0)))


def test_the_number_on_the_overview_opens_its_list_the_likeliest_first(served: Served, opened: Open) -> None:
    # Only a few workflows have room there: those of which most will miss a deadline.
    of_all = {name: due(served, 3_600, name) for name in {row["workflow"] for row in served.query.rows}}
    workflow, chances = max(of_all.items(), key=lambda one: sum(chance or 0 for chance in one[1]))
    watched = opened("")
    page = watched.page
    line = page.locator(".line", has=page.locator(f"a[href*='workflow={workflow}&due_within_seconds=3600']"))
    expect(line.locator(".num")).to_have_text(f"≈ {round(sum(one or 0 for one in chances))}")
    expect(page.get_by_text(re.compile("^clear at|^clear on"))).to_be_visible()
    line.locator(".num").click()
    expect(page).to_have_url(re.compile(rf"worklist\?workflow={workflow}&due_within_seconds=3600&sort=-chance$"))
    expect(page.locator("#worklist-totals strong").first).to_have_text(str(len(chances)))
    cells = page.locator(".ag-row [col-id=chance]")
    expect(cells).to_have_count(len(chances))
    told = ["not known" if one is None else f"{round(one * 100)}%" for one in chances]
    expect(cells).to_have_text(told)
    expect(page.locator("#filter-due_within_seconds")).to_have_value("in 1 hour")
    assert not watched.trouble and not watched.outside


def test_the_chance_goes_with_its_filter_and_the_sort_with_it(served: Served, opened: Open) -> None:
    watched = opened("worklist?due_within_seconds=86400&sort=-chance")
    page = watched.page
    head = page.locator(".ag-header-cell[col-id=chance]")
    expect(head).to_be_visible()
    expect(page.locator(".ag-header-cell[col-id=stuck_since]")).to_have_count(0)
    page.get_by_role("button", name="Take away Due").click()
    expect(head).to_have_count(0)
    expect(page.locator(".ag-header-cell[col-id=stuck_since]")).to_be_visible()
    expect(page).to_have_url(re.compile(r"worklist$"))
    expect(page.locator("#worklist-totals strong").first).to_have_text(str(len(served.query.rows)))
    expect(page.locator(".ag-row .badge").first).to_be_visible()
    assert not watched.trouble


def test_on_a_phone_the_card_says_how_likely(served: Served, opened: Open) -> None:
    page = opened("worklist?workflow=order-to-cash&due_within_seconds=86400&sort=-chance", size=PHONE).page
    expect(page.locator(".work-card").first).to_contain_text("likely late: ")


@pytest.mark.parametrize("known", [True, False])
def test_an_instance_says_how_likely_it_is_late_or_why_that_is_not_told(
    served: Served, opened: Open, known: bool
) -> None:
    rows = served.query._due(served.query.rows, 31 * 86_400)
    row = next(one for one in rows if (one["forecast"]["chance"] is not None) is known)
    watched = opened(f"instances/{row['id']}")
    card = watched.page.locator("#instance-outlook .card")
    said = "came too late for a deadline like this one" if known else "comes too late cannot be told: of those"
    expect(card).to_contain_text(said)
    expect(card).to_contain_text(row["waiting_for_title"])
    assert not watched.trouble


def test_what_is_overdue_or_over_has_nothing_to_foretell(served: Served, opened: Open) -> None:
    row = next(one for one in served.query.rows if one["verdict"] == "completed")
    page = opened(f"instances/{row['id']}").page
    expect(page.locator("#instance-journey .journey")).to_be_visible()
    expect(page.locator("#instance-outlook .card")).to_have_count(0)


def test_an_objective_tells_what_is_likely_to_come_of_its_workflow(served: Served, opened: Open) -> None:
    watched = opened("objectives/orders-shipped-in-time")
    page = watched.page
    rows = page.locator("#objective-outlook tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(2)).to_contain_text("1 day")
    expect(page.locator("#objective-outlook")).to_contain_text("≈ 41 of the 210 then due within a day were expected")
    rows.nth(2).locator("a").click()
    chances = due(served, 86_400)
    expect(page.locator("#worklist-totals strong").first).to_have_text(str(len(chances)))
    assert not watched.trouble
