"""An instance as it was known, definitions, sources: from a number to what is behind it."""

from __future__ import annotations

import asyncio
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import PHONE, Open, Served
from playwright.sync_api import Route, expect
from test_pages import PAGES, address


def completed(served: Served) -> dict[str, object]:
    row: dict[str, object] = next(
        r for r in served.query.rows if r["verdict"] == "completed" and r["workflow"] == "order-to-cash"
    )
    return row


def test_the_slider_shows_what_was_known_then_and_writes_it_to_the_address(served: Served, opened: Open) -> None:
    watched = opened(f"instances/{completed(served)['id']}")
    page = watched.page
    thumb = page.get_by_role("slider", name="As known at")
    expect(thumb).to_have_attribute("aria-valuenow", re.compile(r"[2-9]"))
    expect(page.locator("#instance-past")).to_have_text("now")
    expect(page.locator("#instance-events tbody tr")).to_have_count(5)
    thumb.focus()
    page.keyboard.press("Home")
    expect(page.locator(".lead")).to_have_text("1 events were known then.")
    expect(page.locator("#instance-past")).to_contain_text("UTC")
    expect(page.locator("#instance-events tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?known_at=2"))
    thumb.focus()
    page.keyboard.press("End")
    expect(page.locator("#instance-past")).to_have_text("now")
    expect(page).to_have_url(re.compile(r"/instances/[0-9a-f-]+$"))
    expect(page.locator("#instance-events tbody tr")).to_have_count(5)
    assert watched.trouble == []


def test_a_deep_link_to_the_past_is_kept_and_leads_back_to_now(served: Served, opened: Open) -> None:
    row = completed(served)
    at = row["_events"][1]["received_at"]  # type: ignore[index]
    page = opened(f"instances/{row['id']}?known_at={at}").page
    expect(page.locator(".lead")).to_have_text("2 events were known then.")
    expect(page.get_by_role("slider", name="As known at")).to_have_attribute("aria-valuenow", re.compile(r"[1-9]"))
    page.get_by_role("link", name="back to now").click()
    expect(page.locator("#instance-past")).to_have_text("now")


def test_a_past_that_cannot_be_told_says_why(served: Served, opened: Open) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="seconds").replace("+00:00", "Z")
    page = opened(f"instances/{completed(served)['id']}?known_at={ahead}").page
    expect(page.get_by_text("lies in the future")).to_be_visible()
    page.get_by_role("link", name="As it is now").click()
    expect(page.locator("#instance-past")).to_have_text("now")


def test_what_an_instance_is_shows_before_what_draws_its_charts_is_there(served: Served, opened: Open) -> None:
    page = opened("definitions").page
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/plotly.min.js", hold)
    page.goto(f"{served.dashboard}instances/{completed(served)['id']}")
    expect(page.locator("#instance-events tbody tr")).to_have_count(5)
    expect(page.locator("#instance-timeline .main-svg")).to_have_count(0)
    expect(page.get_by_role("slider", name="As known at")).to_have_attribute("aria-valuenow", re.compile(r"[2-9]"))
    for one in waiting:
        one.continue_()
    expect(page.locator("#instance-timeline .main-svg").first).to_be_visible()


def test_an_instance_that_takes_its_time_shows_that_it_comes(
    served: Served, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may = served.query.instance, threading.Event()

    async def slow(*args: Any, **kwargs: Any) -> Any:
        await asyncio.to_thread(may.wait, 60)
        return await asked(*args, **kwargs)

    monkeypatch.setattr(served.query, "instance", slow)
    page = opened(f"instances/{completed(served)['id']}", settled=False).page
    expect(page.locator("#instance .skeleton")).to_be_visible()
    may.set()
    expect(page.locator("#instance-events tbody tr")).to_have_count(5)
    expect(page.locator("#instance-timeline .main-svg").first).to_be_visible()


def test_closed_hours_are_told_on_the_journey(served: Served, opened: Open) -> None:
    page = opened(f"instances/{completed(served)['id']}").page
    expect(page.locator("#instance-timeline .annotation-text").first).to_be_visible()
    expect(page.locator("#instance-timeline pattern").first).to_be_attached()


def test_acts_and_messages_stand_together(served: Served, opened: Open) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck")
    page = opened(f"instances/{row['id']}").page
    expect(page.locator(".acts")).to_contain_text("jo waived it until 1 Dec 09:00 UTC: INC-4711")
    expect(page.locator(".acts")).to_contain_text("#order-ops was told by slack: firing (delivered)")
    page.locator(".acts").get_by_role("link", name="incident").click()
    expect(page).to_have_url(re.compile("/incidents/"))


def test_a_step_of_a_definition_opens_what_waits_there(served: Served, opened: Open) -> None:
    waiting = [r for r in served.query.rows if r["waiting_for"] == "order_shipped"]
    page = opened("definitions").page
    page.get_by_role("link", name="Order to cash").click()
    expect(page.locator("h1")).to_have_text("Order to cash")
    node = page.locator(".node").filter(has=page.get_by_text("Shipped", exact=True))
    expect(node.locator(".num")).to_have_text(str(len(waiting)))
    expect(node).to_contain_text("within 2880m")
    expect(page.locator(".drawn .flow-lines")).to_be_visible()
    reached = page.get_by_role("table", name="Milestones and when they are due").locator("tbody tr").nth(1)
    expect(reached).to_contain_text("by 1,780 of 1,840")
    expect(page.get_by_text("milestones.order_accepted.within.breach: 4h, was 6h")).to_be_visible()
    node.locator(".num").click()
    expect(page.locator("#worklist-totals strong").first).to_have_text(str(len(waiting)))


def test_a_definition_tells_how_its_tests_ended_and_what_they_do_not_cover(opened: Open) -> None:
    watched = opened("definitions")
    page = watched.page
    row = page.locator(".definitions tbody tr").filter(has=page.get_by_role("link", name="Order to cash"))
    expect(row).to_contain_text("1 of 3 failed")
    row.get_by_role("link", name="Order to cash").click()
    tests = page.locator("#tests")
    expect(tests).to_contain_text("1 of 3 tests failed.")
    expect(tests.locator("pre")).to_contain_text("+ verdict: blind")
    expect(tests).to_contain_text("The deadline of Shipped is missed in no test.")
    expect(tests).to_contain_text("Payment settled is reached in no test.")
    expect(tests.get_by_text("An order that is paid")).to_be_hidden()
    tests.get_by_text("2 tests passed").click()
    expect(tests.get_by_text("An order that is paid")).to_be_visible()
    tested = page.get_by_role("table", name="Milestones and when they are due").locator("tbody tr")
    expect(tested.nth(1)).to_contain_text("reached in 2, missed in 1")
    expect(tested.nth(2)).to_contain_text("reached in 1, never missed")
    assert watched.trouble == []


def test_a_definition_without_tests_says_how_to_write_some(opened: Open) -> None:
    page = opened("definitions/account-sync").page
    expect(page.locator("#tests")).to_contain_text("No test asks about this workflow.")
    expect(page.locator("#tests")).to_contain_text("*.test.yaml")


def test_an_unknown_definition_and_an_unknown_source_say_so(opened: Open) -> None:
    expect(opened("definitions/nothing").page.get_by_text("No such workflow")).to_be_visible()
    expect(opened("sources/nothing").page.get_by_text("No such source")).to_be_visible()


def test_a_flow_opens_what_it_holds_up(served: Served, opened: Open) -> None:
    page = opened("sources").page
    flows = page.get_by_role("table", name="What goes from system to system")
    held = flows.locator("tbody tr").first.locator("td").nth(4).locator("a")
    number = held.inner_text()
    held.click()
    expect(page.locator("#worklist-totals strong").first).to_have_text(number)


def test_a_source_tells_its_dead_letters_by_reason(opened: Open) -> None:
    page = opened("sources").page
    page.get_by_role("link", name="Jira", exact=True).and_(page.locator(".strong")).click()
    expect(page.get_by_text("11 unreadable record.")).to_be_visible()
    expect(page.get_by_role("table", name="Dead letters of this source").locator("tbody tr")).to_have_count(11)


def test_a_source_tells_its_volume_against_what_is_usual_for_the_hour(served: Served, opened: Open) -> None:
    watched = opened("sources/sap")
    page = watched.page
    expect(page.locator("#source-volume .scatterlayer path").first).to_be_visible()
    expect(page.get_by_text("In the last day 701 came, 958 are usual.")).to_be_visible()
    for told in ("Duplicates", "Clock", "Asked for by a workflow", "Dead letters"):
        expect(page.locator("#source").get_by_text(told, exact=True)).to_be_visible()
    assert watched.trouble == []


def test_on_a_phone_the_steps_of_a_definition_stand_one_below_the_other(opened: Open) -> None:
    page = opened("definitions/order-to-cash", PHONE).page
    expect(page.locator(".node").first).to_be_visible()
    boxes = [one.bounding_box() for one in page.locator(".node").all()]
    tops = [box["y"] for box in boxes if box]
    assert tops == sorted(tops)
    assert len({box["x"] for box in boxes if box}) == 1


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_there_is_only_the_page_in_black_on_white(name: str, served: Served, opened: Open) -> None:
    path, proof = PAGES[name]
    page = opened(address(served, path), scheme="dark").page
    expect(page.locator(proof).first).to_be_visible()
    # a page of A4 at 96 dots an inch, of which a printer leaves some at the edges
    page.set_viewport_size({"width": 740, "height": 1123})
    page.emulate_media(media="print")
    expect(page.locator(".mantine-AppShell-header")).to_be_hidden()
    expect(page.locator(".mantine-AppShell-navbar")).to_be_hidden()
    expect(page.locator("#main h1").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")


def test_an_instance_is_assigned_from_its_own_page(served: Served, opened: Open) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck")
    watched = opened(f"instances/{row['id']}")
    page = watched.page
    acts = page.get_by_role("group", name="Acts")
    expect(acts.get_by_role("button")).to_have_text(["Assign", "Acknowledge", "Comment", "Waive"])
    acts.get_by_role("button", name="Assign").click()
    review = page.get_by_role("dialog", name="Assign 1 instance")
    expect(review.locator("tbody tr")).to_contain_text(row["title"])
    review.get_by_label("Your name").fill("Jo Doe")
    review.get_by_label("Assign to").fill("maria")
    review.get_by_role("button", name="Assign 1 instance").click()
    expect(page.get_by_role("dialog", name="1 instance assigned")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(acts).to_contain_text("assigned to maria")
    expect(page.locator("#instance-notes")).to_contain_text("Jo Doe assigned it to maria")
    assert watched.trouble == []


def test_of_what_is_finished_only_a_comment_is_offered_and_of_the_past_nothing(served: Served, opened: Open) -> None:
    row = completed(served)
    page = opened(f"instances/{row['id']}").page
    expect(page.get_by_role("group", name="Acts").get_by_role("button")).to_have_text(["Comment"])
    expect(page.locator("#instance-keys [data-join]")).to_have_count(2)
    page = opened(f"instances/{row['id']}?known_at={row['_events'][-1]['received_at']}").page
    expect(page.locator("#instance-past")).not_to_be_empty()
    expect(page.get_by_role("group", name="Acts")).to_have_count(0)
    expect(page.locator("[data-join]")).to_have_count(0)


def test_what_an_event_joined_wrongly_is_taken_apart_from_the_page(served: Served, opened: Open) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck")
    page = opened(f"instances/{row['id']}").page
    asked = []

    def answer(route: Route) -> None:
        asked.append((route.request.method, route.request.post_data_json))
        fault = {"title": "It cannot be done now", "faults": [{"field": "event", "message": "is rejected already"}]}
        route.fulfill(status=202 if len(asked) > 1 else 409, json={} if len(asked) > 1 else fault)

    page.route("**/rejected-joins", answer)
    page.get_by_role("button", name="Take apart").click()
    dialog = page.get_by_role("dialog", name="Take apart")
    dialog.get_by_label("Your name").fill("Jo Doe")
    dialog.get_by_label("Reason").fill("a typing error")
    dialog.get_by_role("button", name="Take apart").click()
    expect(dialog.locator(".lead")).to_have_text("is rejected already")
    dialog.get_by_role("button", name="Take apart").click()
    expect(dialog).to_have_count(0)
    event = row["_events"][0]
    said = {"source": event["source"], "event": event["id"], "by": "Jo Doe", "reason": "a typing error"}
    assert asked == [("POST", said)] * 2
    page.get_by_role("button", name="It was right").click()
    again = page.get_by_role("dialog", name="Let it count again")
    again.get_by_label("Reason").fill("the customer confirms it")
    again.get_by_role("button", name="Let it count again").click()
    expect(again).to_have_count(0)
    assert asked[-1][0] == "DELETE"


def test_without_spans_no_room_is_kept_for_them(served: Served, opened: Open) -> None:
    row = next(r for r in served.query.rows if r["verdict"] == "stuck")
    row["_spans"] = []
    page = opened(f"instances/{row['id']}").page
    expect(page.locator("#trace-note")).to_have_text("No span has been received for this instance.")
    expect(page.locator("#waterfall")).to_be_hidden()
    expect(page.locator("#trace")).to_be_hidden()
