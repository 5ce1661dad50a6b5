"""Acts with a review, saved views, columns, exports and the keyboard of the worklist."""

from __future__ import annotations

import re
from typing import Any

from conftest import DESK, PHONE, Open, Served
from playwright.sync_api import Page, expect

STUCK = "worklist?verdict=stuck"


def ready(page: Page) -> None:
    expect(page.locator(".ag-row .badge, .work-card").first).to_be_visible()


def first(served: Served, **wanted: Any) -> dict[str, Any]:
    return next(r for r in served.query.rows if all(r[k] == v for k, v in wanted.items()))


def row(page: Page, title: str) -> Any:
    return page.locator(".ag-row", has_text=title)


def test_what_is_assigned_was_reviewed_and_is_shown_row_by_row(served: Served, opened: Open) -> None:
    page = opened(STUCK).page
    ready(page)
    boxes = page.locator(".ag-row .ag-checkbox-input")
    boxes.nth(0).check()
    boxes.nth(1).check()
    expect(page.locator("#worklist-selected")).to_have_text("2 selected")
    page.get_by_role("button", name="Assign", exact=True).click()
    review = page.get_by_role("dialog", name="Assign 2 instances")
    lines = review.locator("tbody tr")
    expect(lines).to_have_count(2)
    touched = lines.locator("td:first-child .strong").all_inner_texts()
    review.get_by_label("Your name").fill("Jo Doe")
    review.get_by_label("Assign to").fill("maria")
    review.get_by_role("button", name="Assign 2 instances").click()
    done = page.get_by_role("dialog", name="2 instances assigned")
    expect(done.locator(".result.fine")).to_have_count(2)
    handled = [r["title"] for r in served.query.rows if r["handling"]["assigned_to"] == "maria"]
    assert sorted(handled) == sorted(touched)
    done.get_by_role("button", name="Close").click()
    expect(page.locator("#worklist-bar")).to_be_hidden()
    expect(row(page, touched[0]).locator(".assigned")).to_have_text("maria")


def test_a_row_that_is_refused_says_why_and_the_others_are_done(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=completed&verdict=stuck&workflow=order-to-cash").page
    ready(page)
    of = [r["verdict"] for r in served.query.rows if r["workflow"] == "order-to-cash"]
    completed, stuck = of.count("completed"), of.count("stuck")
    page.locator(".ag-row .ag-checkbox-input").first.check()
    page.get_by_role("button", name="Take all").click()
    page.get_by_role("button", name="Acknowledge", exact=True).click()
    page.get_by_label("Your name").fill("Jo Doe")
    page.locator("dialog .primary").click()
    expect(page.get_by_role("dialog", name=f"{stuck} acknowledged, {completed} refused")).to_be_visible()
    refused = page.locator(".result.refused")
    expect(refused).to_have_text(["the instance is completed: there is nothing left to do"] * completed)


def test_an_act_whose_answer_is_lost_can_be_tried_again_with_the_same_request(served: Served, opened: Open) -> None:
    page = opened(STUCK).page
    ready(page)
    page.locator(".ag-row .ag-checkbox-input").first.check()
    page.get_by_role("button", name="Comment", exact=True).click()
    page.get_by_label("Your name").fill("Jo Doe")
    page.locator("dialog textarea").fill("called them")
    asked: list[str] = []
    page.on(
        "request", lambda r: asked.append(r.post_data_json["request"]) if r.url.endswith("/instances/acts") else None
    )
    page.context.set_offline(True)
    page.locator("dialog .primary").click()
    expect(page.locator("dialog .lead")).to_contain_text("Trying again does nothing twice")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".result.fine")).to_have_count(1)
    assert len(asked) == 2
    assert len(set(asked)) == 1


def test_a_waiver_needs_a_reason_and_an_end(served: Served, opened: Open) -> None:
    page = opened(STUCK).page
    ready(page)
    page.locator(".ag-row .ag-checkbox-input").first.check()
    page.get_by_role("button", name="Waive", exact=True).click()
    page.get_by_label("Your name").fill("Jo Doe")
    page.locator("dialog .primary").click()
    expect(page.locator("dialog textarea:invalid")).to_have_count(1)
    page.locator("dialog textarea").fill("SAP is being mended")
    with page.expect_request(lambda r: r.url.endswith("/instances/acts")) as asked:
        page.locator("dialog .primary").click()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", asked.value.post_data_json["until"])
    expect(page.locator(".result.fine")).to_have_count(1)


def test_all_of_the_list_can_be_taken(served: Served, opened: Open) -> None:
    page = opened("worklist").page
    ready(page)
    page.locator(".ag-row .ag-checkbox-input").first.check()
    number = len(served.query.rows)
    page.get_by_role("button", name=f"Take all {number}").click()
    expect(page.locator("#worklist-selected")).to_have_text(f"{number} selected")
    page.get_by_role("button", name="Clear").last.click()
    expect(page.locator("#worklist-bar")).to_be_hidden()
    expect(page.locator(".ag-row .ag-checkbox-input:checked")).to_have_count(0)


def test_the_list_goes_by_the_keyboard(served: Served, opened: Open) -> None:
    page = opened(STUCK).page
    ready(page)
    title = page.locator(".ag-row[row-index='1'] a.strong").inner_text()
    for key in "jjkjx":
        page.keyboard.press(key)
    expect(page.locator(".ag-row[row-index='1'] .ag-checkbox-input")).to_be_checked()
    page.keyboard.press("a")
    expect(page.get_by_role("dialog", name="Acknowledge 1 instance")).to_contain_text(title)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text(title)


def test_what_would_move_the_list_is_only_told_until_somebody_refreshes(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck&sort=-value").page
    ready(page)
    before = page.locator(".ag-row a.strong").all_inner_texts()
    served.query.add_stuck()
    served.query.rows[-1]["value"] = {"amount": 9_000_000.0, "currency": "USD"}
    hint = page.locator("#worklist-changed")
    expect(hint).to_contain_text("changed – refresh", timeout=40_000)
    assert page.locator(".ag-row a.strong").all_inner_texts() == before
    hint.click()
    expect(page.locator(".ag-row[row-index='0'] a.strong")).to_have_text(served.query.rows[-1]["title"])
    expect(hint).to_be_hidden()


def test_a_row_that_stays_in_its_place_changes_where_it_is(served: Served, opened: Open) -> None:
    page = opened(STUCK).page
    ready(page)
    title = page.locator(".ag-row[row-index='0'] a.strong").inner_text()
    one = first(served, title=title)
    one["owner"] = "somebody-else"
    one["updated_at"] = "2030-01-01T00:00:00Z"
    expect(row(page, title)).to_contain_text("somebody-else", timeout=40_000)
    expect(page.locator("#worklist-changed")).to_be_hidden()


def test_a_chip_takes_its_filter_away(served: Served, opened: Open) -> None:
    page = opened("worklist?workflow=order-to-cash&key=customer%3DCUST-104&min_value=10").page
    chips = page.locator(".filter-chip")
    expect(chips).to_have_text(["Workflow: Order to cash", "Key: customer=CUST-104", "Value: 10 or more", "Clear"])
    page.get_by_role("button", name="Take away Key").click()
    expect(page).to_have_url(re.compile(r"workflow=order-to-cash&min_value=10$"))
    chips.last.click()
    expect(chips).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/worklist$"))


def test_columns_are_chosen_and_stand_in_the_address(opened: Open) -> None:
    page = opened(STUCK).page
    ready(page)
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="Owner").uncheck()
    page.get_by_role("checkbox", name="Deadline").uncheck()
    page.get_by_role("checkbox", name="Keys").check()
    expect(page).to_have_url(re.compile("columns=verdict%2Ctitle%2C.*%2Ckeys$"))
    page.reload()
    ready(page)
    expect(page.locator(".ag-header-cell[col-id=keys]")).to_be_visible()
    expect(page.locator(".ag-header-cell[col-id=owner]")).to_have_count(0)


def test_a_view_of_ones_own_stays_in_the_browser(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=failed&sort=-value").page
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Name of this view").fill("Failures by value")
    page.get_by_role("button", name="Save this view").click()
    expect(page.get_by_role("link", name="Failures by value")).to_be_visible()
    assert served.query.views == []
    page.goto(served.dashboard + STUCK)
    ready(page)
    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="Failures by value").click()
    expect(page).to_have_url(re.compile(r"verdict=failed&sort=-value$"))
    expect(page.locator("input[value=failed]")).to_be_checked()
    expect(page.locator("input[value=stuck]")).not_to_be_checked()


def test_a_shared_view_is_there_for_others_and_is_replaced_only_on_purpose(served: Served, opened: Open) -> None:
    page = opened(STUCK).page
    for save in ("Shared with everybody.", "Save again to replace it", "Shared with everybody."):
        if "again" not in save and served.query.views:
            page.get_by_role("button", name="Save this view").click()
        else:
            if not page.locator("details.menu[open]").count():
                page.locator("summary", has_text="Views").click()
            page.get_by_label("Name of this view").fill("Mornings")
            page.get_by_label("Share with everybody").check()
            page.get_by_label("Your name").fill("Jo Doe")
            page.get_by_role("button", name="Save this view").click()
        expect(page.locator(".save-view [role=status]")).to_contain_text(save)
    other = opened("worklist").page
    other.locator("summary", has_text="Views").click()
    other.get_by_role("link", name="Mornings").click()
    expect(other).to_have_url(re.compile(r"verdict=stuck$"))


def test_the_filter_is_exported_as_it_stands(served: Served, opened: Open) -> None:
    page = opened("worklist?verdict=stuck&sort=-value").page
    ready(page)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as loaded:
        page.locator("[data-export=csv]").click()
    assert re.search(r"verdict=stuck&sort=-value&format=csv$", loaded.value.url)
    lines = loaded.value.path().read_text().splitlines()
    assert len(lines) == 1 + sum(r["verdict"] == "stuck" for r in served.query.rows)


def test_rows_that_cannot_be_read_are_told_and_come_by_themselves(served: Served, opened: Open) -> None:
    page = opened("").page
    expect(page.locator(".kpi-value").first).to_be_visible()
    served.query.broken = True
    page.goto(served.dashboard + STUCK)
    expect(page.get_by_text("The rows cannot be read right now")).to_be_visible()
    served.query.broken = False
    ready(page)
    expect(page.get_by_text("The rows cannot be read right now")).to_be_hidden()


def test_the_palette_goes_to_pages_workflows_accounts_and_instances(served: Served, opened: Open) -> None:
    page = opened("").page
    expect(page.locator(".kpi-value").first).to_be_visible()
    page.keyboard.press("Control+k")
    found = page.locator("#search-results")
    expect(found.get_by_role("heading", name="Pages")).to_be_visible()
    page.locator("#search-text").fill("order to")
    expect(found.locator("a")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Order to cash")
    page.keyboard.press("Control+k")
    page.locator("#search-text").fill("CUST-104")
    expect(found.locator("a").first).to_contain_text("everything of this customer")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Customer CUST-104")


def test_every_number_of_an_account_opens_its_list(served: Served, opened: Open) -> None:
    page = opened("accounts/customer/CUST-104").page
    ever = page.locator(".fact", has_text="Ever").locator("a")
    number = ever.inner_text()
    ever.click()
    expect(page.locator("#worklist-totals strong").first).to_have_text(number)
    expect(page).to_have_url(re.compile("key=customer%3DCUST-104$"))


def test_an_account_that_nothing_is_known_of_says_so(opened: Open) -> None:
    page = opened("accounts/customer/NOBODY").page
    expect(page.get_by_text("Nothing of this customer")).to_be_visible()


def test_a_step_of_a_flow_opens_what_waits_there(served: Served, opened: Open) -> None:
    for size in (DESK, PHONE):
        page = opened("flows/order-to-cash", size).page
        step = page.locator(".flow-step", has_text="Invoice posted")
        number = step.locator(".flow-count").inner_text()
        step.locator(".flow-count").click()
        expect(page.locator("#worklist-totals strong").first).to_have_text(number)
        expect(page).to_have_url(re.compile("workflow=order-to-cash&waiting_for=invoice_posted"))


def test_a_workflow_that_is_not_there_says_so(opened: Open) -> None:
    page = opened("flows/nothing").page
    expect(page.get_by_text("No such workflow")).to_be_visible()


def test_notes_of_people_stand_with_the_instance(served: Served, opened: Open) -> None:
    one = first(served, verdict="stuck")
    one["notes"] = [
        {"at": one["updated_at"], "act": "assign", "by": "Jo Doe", "assigned_to": "maria", "text": "please look"}
    ]
    one["handling"] = one["handling"] | {"assigned_to": "maria"}
    page = opened(f"instances/{one['id']}").page
    expect(page.locator("#instance-notes")).to_contain_text("Jo Doe assigned it to maria")
    expect(page.locator("#instance-notes")).to_contain_text("please look")
    page.locator("#instance-keys a", has_text="CUST-").click()
    expect(page.locator("h1")).to_contain_text("Customer")
