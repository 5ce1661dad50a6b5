"""What is drawn has room: nothing stands over its neighbour or beyond its card, and what comes late pushes nothing away."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from conftest import DESK, PHONE, Open, Served
from playwright.sync_api import Page, expect

OBJECTIVE = "objectives/orders-shipped-in-time"
# Pairs of names on the map that stand over one another, and names that the card cuts off.
MAP = """() => {
  const frame = document.querySelector('#source-map').getBoundingClientRect();
  const names = [...document.querySelectorAll('#source-map .annotation-text')].filter(e => e.textContent.trim());
  const boxes = names.map(e => [e.textContent, e.getBoundingClientRect()]);
  const wrong = [];
  boxes.forEach(([one, a], i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1) wrong.push(one + ' is cut off');
    boxes.slice(i + 1).forEach(([other, b]) => {
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) wrong.push(one + ' over ' + other);
    });
  });
  return {names: boxes.length, wrong: wrong};
}"""
# What of the insides of cards stands beyond their right edge.
BEYOND = """() => [...document.querySelectorAll('.card')].flatMap(card => {
  const edge = card.getBoundingClientRect().right;
  return [...card.querySelectorAll('*')].filter(e => !e.matches('.table-scroll') && e.getBoundingClientRect().width && e.getBoundingClientRect().right > edge + 0.5)
    .map(e => e.className + ': ' + e.textContent.slice(0, 40));
})"""


def bottom(page: Page, what: str) -> float:
    found: float = page.locator(what).first.evaluate("e => e.getBoundingClientRect().bottom")
    return found


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_name_on_the_map_of_sources_stands_over_another_or_is_cut_off(size: tuple[int, int], opened: Open) -> None:
    page = opened("sources", size).page
    expect(page.locator("#source-map path.point").first).to_be_visible()
    # Plotly fits a picture to its frame a moment after it has drawn it.
    page.wait_for_function(f"() => {{ const found = ({MAP})(); return found.names > 4 && !found.wrong.length; }}")


def test_the_map_turns_with_the_phone_and_stays_within_its_card(opened: Open) -> None:
    page = opened("sources", PHONE).page
    expect(page.locator("#source-map path.point").first).to_be_visible()
    page.wait_for_function("() => document.querySelector('#source-map .main-svg')?.getBoundingClientRect().width < 390")
    upright = page.locator("#source-map .main-svg").first.bounding_box()
    page.set_viewport_size({"width": 844, "height": 390})
    turned = "a => { const b = document.querySelector('#source-map .main-svg')?.getBoundingClientRect(); return b && b.width > a; }"
    assert upright is not None
    page.wait_for_function(turned, arg=upright["width"] * 1.3)
    page.wait_for_function(
        "() => document.querySelector('#source-map .main-svg')?.getBoundingClientRect().height < "
        + str(upright["height"])
    )
    assert bottom(page, "#source-map .main-svg") <= bottom(page, "#source-map-card .card")
    page.set_viewport_size({"width": 844, "height": 1600})
    assert bottom(page, "#source-map .main-svg") <= bottom(page, "#source-map-card .card")


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_nothing_on_the_overview_stands_beyond_its_card_however_long_the_figures_are(
    locale: str, served: Served, opened: Open
) -> None:
    for row in served.query.rows:
        if row["value"]:
            row["value"] = {**row["value"], "amount": row["value"]["amount"] * 97}
    page = opened("", locale=locale).page
    expect(page.locator(".line .meta").first).to_be_visible()
    assert page.evaluate(BEYOND) == []


def test_on_a_phone_what_holds_things_up_stands_before_the_figures_of_each_domain(opened: Open) -> None:
    page = opened("", PHONE).page
    expect(page.locator(".side-column .line").first).to_be_visible()
    assert bottom(page, ".side-column") < bottom(page, ".domains")
    assert page.evaluate(BEYOND) == []


def test_a_deadline_in_the_worklist_is_read_to_its_end_in_german_too(opened: Open) -> None:
    page = opened("worklist?verdict=stuck", locale="de-DE").page
    told = page.locator(".ag-cell[col-id=deadline_at] time").first
    expect(told).to_be_visible()
    cut = "e => [...document.querySelectorAll('.ag-cell[col-id=deadline_at]')].filter(c => c.scrollWidth > c.clientWidth).length"
    assert told.evaluate(cut) == 0


def test_what_an_objective_tells_late_moves_no_control_away(
    served: Served, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, why, outlook = threading.Event(), served.query.objective_differences, served.query.outlook

    def late(ask: Any) -> Any:
        async def answer(*given: Any, **named: Any) -> Any:
            await asyncio.to_thread(released.wait, 60)
            return await ask(*given, **named)

        return answer

    monkeypatch.setattr(served.query, "objective_differences", late(why))
    monkeypatch.setattr(served.query, "outlook", late(outlook))
    page = opened(OBJECTIVE, settled=False).page
    try:
        expect(page.locator("#objective-days .trace.bars").first).to_be_visible()
        expect(page.locator("#objective-periods tbody tr").first).to_be_visible()
        chooser = page.locator("#objective-since")
        chooser.click()
        expect(page.get_by_role("option").first).to_be_visible()
        before = chooser.bounding_box()
    finally:
        released.set()
    expect(page.locator("#objective-why li").first).to_be_visible()
    expect(page.locator("#objective-outlook .card")).to_be_visible()
    assert chooser.bounding_box() == before
    expect(page.get_by_role("option").first).to_be_visible()
