"""From a red number to its cause: what sets the bad ones apart, and what has to do with an instance."""

from __future__ import annotations

import re

import pytest
from conftest import DESK, PHONE, SCREENSHOTS, Open, Served
from playwright.sync_api import expect
from test_pages import serious

OBJECTIVE = "objectives/orders-shipped-in-time"


def test_what_sets_the_bad_ones_of_an_objective_apart_opens_to_just_those(served: Served, opened: Open) -> None:
    watched = opened(OBJECTIVE)
    page = watched.page
    told = page.locator("#objective-why li")
    expect(told).to_have_count(3)
    # Only what is told from chance, and only an attribute narrows the list.
    expect(page.locator("#objective-why")).not_to_contain_text("have tier none")
    expect(page.locator("#objective-why a")).to_have_count(1)
    page.get_by_role("link", name="have region EMEA").click()
    expect(page).to_have_url(re.compile(r"/counted\?.*where=region%3DEMEA"))
    expect(page.get_by_text("only Region EMEA.")).to_be_visible()
    since, until, group, where = served.query.asked["contributors"]
    assert since
    assert until
    assert (group, where) == ([], ["region=EMEA"])
    # The other outcomes are those of the same value.
    page.get_by_role("link", name="Waived").click()
    expect(page).to_have_url(re.compile("where=region%3DEMEA"))
    assert watched.trouble == []


def test_the_time_that_is_asked_about_is_the_one_whose_causes_are_told(served: Served, opened: Open) -> None:
    asked = "since=between&from=2026-11-20T09:30:00Z&to=2026-11-21T08:00:00Z"
    page = opened(f"{OBJECTIVE}?{asked}").page
    page.get_by_role("link", name="have region EMEA").click()
    expect(page.get_by_text("only Region EMEA.")).to_be_visible()
    assert served.query.asked["contributors"][:2] == ("2026-11-20T09:30:00Z", "2026-11-21T08:00:00Z")


def test_a_comparison_that_fails_leaves_the_rest_of_the_page(
    served: Served, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(served.query, "objective_differences", fail)
    page = opened(OBJECTIVE).page
    expect(page.locator("#objective-why")).to_contain_text("cannot be told right now")
    expect(page.locator("#objective-days .trace.bars").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_an_instance_shows_what_has_to_do_with_it(
    size: tuple[int, int], scheme: str, served: Served, opened: Open
) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck")
    customer = row["keys"][2]["value"]
    others = [r for r in served.query.rows if r["keys"][2]["value"] == customer and r["id"] != row["id"]]
    watched = opened(f"instances/{row['id']}", size, scheme)
    page = watched.page
    related = page.locator("#instance-related")
    # What it belongs to stands before what belongs to it.
    expect(related.locator("tbody tr").nth(0)).to_contain_text("It belongs to")
    expect(related.locator("tbody tr").nth(1)).to_contain_text("Belongs to it")
    expect(related).to_contain_text(f"{len(others)} more of customer {customer}")
    expect(related.locator("li")).to_have_count(5)
    related.scroll_into_view_if_needed()
    SCREENSHOTS.mkdir(exist_ok=True)
    related.screenshot(path=SCREENSHOTS / f"related-{'desk' if size == DESK else 'phone'}-{scheme}.png")
    assert serious(page) == {}
    related.get_by_role("link", name="Everything of customer").click()
    expect(page).to_have_url(re.compile(f"accounts/customer/{customer}"))
    assert watched.trouble == []
