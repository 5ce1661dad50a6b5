"""What is likely to come, in words and as the pages show it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard import outlook_words
from dashboard.links import Links
from dashboard.views import outlook as view
from slo_rules.survival import FEWEST, Unknown

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
LINKS = Links("/dashboard/")


def drawn(part: Any) -> str:
    return json.dumps(part, default=lambda o: o.to_plotly_json(), ensure_ascii=False)


def expected(**said: Any) -> dict[str, Any]:
    return {"within": "1h", "breaches": 7.2, "low": 4, "high": 11, "due": 31, "unknown": 0, "why_unknown": {}} | said


def backlog(**said: Any) -> dict[str, Any]:
    return {
        "milestone": "order_accepted", "title": "Order accepted", "calendar": None, "waiting": 41, "state": "clearing",
        "net_per_hour": 15.0, "clear_at": "2026-11-21T16:40:00Z", "earliest": "2026-11-21T16:10:00Z",
        "latest": "2026-11-21T17:50:00Z", "pace_since": "2026-11-21T13:45:00Z",
    } | said  # fmt: skip


def workflow(*horizons: dict[str, Any], **said: Any) -> dict[str, Any]:
    learned = {"at": "2026-11-21T13:59:30Z", "instances": 1706, "all_instances": True}
    return {
        "workflow": "order-to-cash", "title": "Order to cash", "domain": "orders", "too_many": False,
        "expected": list(horizons or [expected()]), "learned": learned, "backlogs": [], "looked_back": None,
    } | said  # fmt: skip


def outlook(*items: dict[str, Any], lag: float = 0.2) -> dict[str, Any]:
    return {"as_of": "2026-11-21T14:00:00Z", "lag_seconds": lag, "items": list(items)}


def chance(**said: Any) -> dict[str, Any]:
    return {
        "milestone": "invoice", "title": "Invoice", "calendar": None, "group": None, "chance": 0.31, "low": 0.254,
        "high": 0.382, "known": 214, "unknown": None, "pooled": False, "deadline_at": "2026-11-21T15:00:00Z",
        "waited_seconds": 60.0, "left_seconds": 60.0,
    } | said  # fmt: skip


def test_every_reason_not_to_tell_a_chance_has_words() -> None:
    assert set(Unknown) == set(outlook_words.UNKNOWN_LABELS)
    assert outlook_words.FEWEST_KNOWN == FEWEST


def test_what_is_expected_says_of_how_many_and_how_sure() -> None:
    assert outlook_words.about(7.2) == "≈ 7"
    assert outlook_words.expected_words(expected()) == "of 31 due, 4 to 11 four times out of five"
    assert outlook_words.expected_words(expected(low=0, high=0)) == "of 31 due, 0 four times out of five"
    unknown = {"unknown": 3, "why_unknown": {"too_few": 1, "beyond_observed": 2}}
    assert outlook_words.expected_words(expected(**unknown)) == (
        "of 31 due, 4 to 11 four times out of five; of 3 more nothing can be told: none was ever seen to wait that "
        "long, too few like it are known"
    )
    assert outlook_words.expected_words(expected(due=0, **unknown)).startswith("of 3 due nothing can be told: ")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "clear at 16:40 UTC at this pace, between 16:10 and 17:50"),
        ({"latest": "2026-11-22T02:00:00Z"}, "clear at 16:40 UTC at this pace, between 16:10 and 22 Nov 02:00"),
        ({"latest": None}, "clear at 16:40 UTC at this pace, at 16:10 UTC at the earliest"),
        ({"clear_at": "2026-11-26T09:00:00Z", "latest": None}, "clear on Thursday 26 Nov at this pace, at 16:10 UTC at the earliest"),
        ({"clear_at": "2026-11-21T13:59:50Z"}, "about to be clear"),
        ({"state": "not_clearing", "net_per_hour": -6.2, "clear_at": None}, "grows by 6 an hour"),
        ({"state": "not_clearing", "net_per_hour": -0.2, "clear_at": None}, ""),
        ({"state": "too_little_seen", "net_per_hour": None, "clear_at": None}, ""),
        ({"state": "clear", "net_per_hour": None, "clear_at": "2026-11-21T14:00:00Z"}, ""),
    ],
)  # fmt: skip
def test_a_backlog_says_when_it_is_clear_or_that_it_grows(said: dict[str, Any], words: str) -> None:
    assert outlook_words.backlog_words(backlog(**said), NOW) == words


def test_a_chance_says_of_whom_and_how_sure() -> None:
    assert outlook_words.chance_words(chance()) == (
        "31% of the 214 instances that had waited this long for Invoice came too late for a deadline like this one: "
        "between 25% and 38%, 19 times out of 20."
    )
    assert outlook_words.chance_words(chance(chance=1.0, low=0.938)).startswith("All of the 214 instances")
    assert "at least 93%" in outlook_words.chance_words(chance(chance=1.0, low=0.938, high=1.0))
    assert "None of the 214" in outlook_words.chance_words(chance(chance=0.0, low=0.0, high=0.02))
    assert "at most 2%" in outlook_words.chance_words(chance(chance=0.0, low=0.0, high=0.02))
    assert outlook_words.chance_words(chance(chance=0.004)).startswith("Less than 1% of the ")


def test_a_chance_names_the_group_it_was_told_from() -> None:
    group = {"tier": "gold", "region": ""}
    assert "for Invoice and have tier gold and region not said came too late" in outlook_words.chance_words(
        chance(group=group)
    )
    pooled = outlook_words.chance_words(chance(group=group, pooled=True))
    assert "for Invoice came too late" in pooled
    assert pooled.endswith("With tier gold and region not said alone there are too few to tell.")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"known": 7, "unknown": "too_few"}, "of those that had waited this long it is known of 7 how they ended, of 20 it is told"),
        ({"known": 25, "low": 0.12, "high": 0.71, "unknown": "too_few"}, "25 like it say no more than between 12% and 71%"),
        ({"unknown": "beyond_observed"}, "none was ever seen to wait that long"),
        ({"unknown": "source_silent"}, "its source is silent, so that it may have come unseen"),
    ],
)  # fmt: skip
def test_where_no_chance_is_told_the_reason_is(said: dict[str, Any], why: str) -> None:
    words = outlook_words.chance_words(chance(chance=None, **said))
    assert words == f"How likely Invoice comes too late cannot be told: {why}."


def test_the_number_opens_the_list_behind_it_the_likeliest_first() -> None:
    page = drawn(view.outlook_card(outlook(workflow()), NOW, LINKS))
    assert "≈ 7" in page
    assert "/dashboard/worklist?workflow=order-to-cash&due_within_seconds=3600&sort=-chance" in page


def test_most_first_and_what_has_nothing_due_is_left_out() -> None:
    items = [
        workflow(expected(breaches=1.0), title="Few"),
        workflow(expected(due=0, breaches=0.0), title="Nothing due"),
        workflow(expected(breaches=9.0), title="Many"),
        workflow(title="Crowd", too_many=True, expected=[]),
    ]
    page = drawn(view.outlook_card(outlook(*items), NOW, LINKS))
    assert "Nothing due" not in page
    assert page.index("Crowd") < page.index("Many") < page.index("Few")
    assert "more fall due than can be told of one by one" in page


def test_of_what_nothing_is_known_there_is_no_number() -> None:
    item = workflow(expected(due=0, breaches=0.0, low=0, high=0, unknown=3, why_unknown={"too_few": 3}))
    page = drawn(view.outlook_card(outlook(item), NOW, LINKS))
    assert "≈" not in page
    assert "of 3 due nothing can be told: too few like it are known" in page
    assert "≈" not in drawn(view.workflow_card(outlook(item), NOW, LINKS))


def test_where_nothing_can_be_told_at_all_it_is_said_why() -> None:
    assert "still being worked out" in drawn(view.outlook_card({"later": True}, NOW, LINKS))
    assert "still being worked out" in drawn(view.workflow_card({"later": True}, NOW, LINKS))
    behind = drawn(view.outlook_card(outlook(workflow(), lag=200.0), NOW, LINKS))
    assert "which is 3 min behind" in behind and "≈" not in behind
    assert "No deadline falls within the hour." in drawn(
        view.outlook_card(outlook(workflow(expected(due=0))), NOW, LINKS)
    )
    assert view.outlook_card(outlook(), NOW, LINKS) is None


def test_a_backlog_that_drains_says_so_on_the_overview() -> None:
    page = drawn(view.outlook_card(outlook(workflow(backlogs=[backlog()])), NOW, LINKS))
    assert "Overdue: Order accepted" in page and "clear at 16:40 UTC" in page
    assert "workflow=order-to-cash&verdict=stuck" not in page.partition("Overdue")[0]
    assert "waiting_for=order_accepted" in page


def test_the_card_of_a_workflow_has_the_day_and_says_what_it_learned_from() -> None:
    horizons = [expected(), expected(within="8h", breaches=9.4), expected(within="1d", breaches=1234.5, due=9000)]
    page = drawn(view.workflow_card(outlook(workflow(*horizons)), NOW, LINKS))
    for text in ("1 hour", "8 hours", "1 day", "≈ 1,23", "due_within_seconds=28800", "due_within_seconds=86400"):
        assert text in page
    assert "Learned from how long each stage took all 1,706 instances" in page
    assert view.workflow_card(outlook(), NOW, LINKS) is None
    assert view.workflow_card(None, NOW, LINKS) is None
    crowd = workflow(too_many=True, expected=[])
    assert "More fall due within a day" in drawn(view.workflow_card(outlook(crowd), NOW, LINKS))


def test_how_well_it_was_foretold_is_said() -> None:
    back = {
        "at": "2026-11-20T14:00:00Z", "within": "1d", "breaches": 41.3, "low": 30, "high": 52, "due": 210, "missed": 38
    }  # fmt: skip
    words = outlook_words.looked_back_words(back, NOW)
    assert words == (
        "By what had occurred 1 d ago, ≈ 41 of the 210 then due within a day were expected to miss it, 30 to 52 four "
        "times out of five: 38 did."
    )
    assert outlook_words.looked_back_words(back | {"missed": 60}, NOW).endswith(": 60 did, which is outside of that.")
    assert words in drawn(view.workflow_card(outlook(workflow(looked_back=back)), NOW, LINKS))
    assert "is not known yet" in drawn(view.workflow_card(outlook(workflow()), NOW, LINKS))


def test_an_instance_without_deadline_before_it_has_no_card() -> None:
    assert view.instance_card(None) is None
    assert view.instance_card({"later": True}) is None
    assert view.instance_card({"deadlines": []}) is None
    page = drawn(view.instance_card({"deadlines": [chance() for _ in range(7)]}))
    assert page.count("31% of the 214") == 5 and "and 2 more" in page
