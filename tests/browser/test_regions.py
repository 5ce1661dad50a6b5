"""The page of several installations: what each says, where it leads, and one that does not answer."""

from __future__ import annotations

import re

from conftest import Open, Served
from playwright.sync_api import expect

AWAY = "United States does not answer since"


def test_every_figure_leads_into_the_dashboard_of_its_region(served: Served, opened: Open) -> None:
    watched = opened("regions")
    page = watched.page
    row = page.locator(".of-regions tbody tr", has_text="Europe")
    stuck = row.locator("[title=Stuck]")
    expect(stuck).to_have_text("12")
    expect(stuck).to_have_attribute("href", "https://eu.example.com/dashboard/worklist?verdict=stuck")
    leads = page.locator(".regions a")
    expect(leads.first).to_be_visible()
    addresses = leads.evaluate_all("all => all.map(one => [one.href, one.target, one.rel])")
    assert {address.partition("/dashboard/")[0] for address, _, _ in addresses} == {
        f"https://{name}.example.com" for name in ("eu", "us", "ap")
    }
    assert {(target, rel) for _, target, rel in addresses} == {("_blank", "noopener noreferrer")}
    assert watched.trouble == []
    assert watched.outside == []


def test_a_region_that_does_not_answer_is_told_as_such_and_comes_back_by_itself(served: Served, opened: Open) -> None:
    page = opened("regions").page
    expect(page.locator(".behind", has_text=AWAY)).to_contain_text("it cannot be connected to. What is shown is")
    expect(page.locator(".of-regions tbody tr", has_text="United States")).to_contain_text(re.compile(r"\d\d min ago"))
    expect(page.locator(".of-regions tbody tr", has_text="Asia")).to_contain_text("–")
    served.query.regions.away = False
    expect(page.locator(".behind", has_text=AWAY)).to_have_count(0)


def test_what_a_region_says_is_text_and_nothing_else(served: Served, opened: Open) -> None:
    served.query.regions.title = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    watched = opened("regions")
    expect(watched.page.locator(".regions .line-title").first).to_have_text(served.query.regions.title)
    assert watched.page.locator(".regions img, .regions script").count() == 0
    assert watched.trouble == []


def test_whoever_may_see_some_workflows_only_is_told_that_this_is_not_for_him(served: Served, opened: Open) -> None:
    served.query.regions.refused = True
    page = opened("regions").page
    expect(page.locator("#regions")).to_contain_text("You may see some workflows only")
    expect(page.locator(".regions a")).to_have_count(0)
