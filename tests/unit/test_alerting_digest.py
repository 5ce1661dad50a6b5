"""Digests, as files ask for them: when one is due, and what it says."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerting.digest import Digest, Overdue, digest_notice
from alerting.digesting import asked_for
from alerting.reader import Reader
from alerting.route import Route, parse_route
from alerting.teams import Around, Team, parse_team
from slo_rules.calendars import CalendarRules, Hours
from slo_rules.instants import to_micros

BERLIN = ZoneInfo("Europe/Berlin")
OPEN = (Hours(8 * 60, 17 * 60),)
OFFICE = CalendarRules("office", "Europe/Berlin", (OPEN,) * 5 + ((),) * 2)
HOOK = {"webhook": {"url": "http://127.0.0.1:9/"}}
PAGER = {"pagerduty": {"routing_key": "${KEY}"}}
ENV = {"KEY": "0123456789abcdef0123456789abcdef"}


def at(text: str, fold: int = 0) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold))


def team(digest: Any, *send_to: Any) -> Any:
    spec = {"send_to": list(send_to or (HOOK,)), "digest": digest}
    return parse_team({"metadata": {"name": "erp"}, "spec": spec}, Around(ENV, calendars={"office": OFFICE}))


def test_it_is_due_from_its_time_on_the_wall_and_for_some_hours_on_business_days() -> None:
    made = team({"at": "08:30", "calendar": "office"})
    assert isinstance(made, Team)
    digest = made.digest
    assert digest == Digest(510, "Europe/Berlin", OFFICE)
    monday = date(2026, 3, 30)
    moments = ["2026-03-30T08:29", "2026-03-30T08:30", "2026-03-30T12:29", "2026-03-30T12:30", "2026-03-29T08:30"]
    assert [digest.due(at(one)) for one in moments] == [None, monday, monday, None, None]


def test_what_could_not_be_told_before_midnight_is_that_of_the_day_before() -> None:
    digest = Digest(23 * 60, "Europe/Berlin")
    assert digest.due(at("2026-05-02T01:00")) == date(2026, 5, 1)


def test_a_time_that_a_change_of_clocks_swallows_or_repeats_is_one_digest() -> None:
    digest = Digest(2 * 60 + 30, "Europe/Berlin")
    assert digest.due(at("2026-03-29T03:00")) == date(2026, 3, 29)
    assert {digest.due(at("2026-10-25T02:45", fold)) for fold in (0, 1)} == {date(2026, 10, 25)}


def test_it_says_how_many_what_they_are_worth_since_when_and_where_to_see_exactly_them() -> None:
    since, now = at("2026-05-03T09:00"), at("2026-05-04T08:30")
    found = [
        Overdue("orders", "order_accepted", None, "order", 1200, since, (("EUR", Decimal("1000.10")),)),
        Overdue("refunds", None, None, None, 1, now, (("EUR", Decimal("0.20")), ("USD", Decimal(7)))),
    ]
    notice = digest_notice("erp & co", found, now, "https://milepost.example.com/", Reader("Europe/Berlin"))
    assert notice.said_title == "1,201 overdue of erp & co"
    assert notice.said == (
        "1,201 of erp & co are overdue, worth EUR 1 k and USD 7, the oldest since 3 May 09:00 CEST: 1,200 orders worth "
        "EUR 1 k waiting for Order accepted (orders), since 3 May 09:00 CEST; 1 item worth EUR 0.20 and USD 7 waiting "
        "for the next step (refunds), since 08:30 CEST."
    )
    assert (notice.count, notice.oldest_since, notice.value) == (1201, since, [("EUR", "1000.30"), ("USD", "7")])
    assert notice.link == "https://milepost.example.com/dashboard/worklist?verdict=stuck&owner=erp+%26+co"


def test_of_many_kinds_the_rest_is_counted() -> None:
    found = [Overdue("orders", f"step_{n}", None, "order", 2, 0) for n in range(12)]
    assert digest_notice("erp", found, 0, "", Reader()).said.endswith("; and 2 more kinds.")


@pytest.mark.parametrize(
    ("digest", "wrong"),
    [
        ("08:30", {"spec.digest"}),
        ({}, {"spec.digest"}),
        (
            {"at": "8h", "calendar": "ofice", "empty": "yes"},
            {"spec.digest.at", "spec.digest.calendar", "spec.digest.empty"},
        ),
        ({"at": "24:00"}, {"spec.digest.at"}),
        ({"at": "08:30", "zone": "Mars/Base"}, {"spec.digest.zone"}),
        ({"at": "08:30", "zone": "UTC", "calendar": "office"}, {"spec.digest"}),
    ],
)
def test_what_cannot_be_a_digest_is_named_with_its_place(digest: Any, wrong: set[str]) -> None:
    assert {fault.path for fault in team(digest)} == wrong


def test_a_digest_that_none_of_the_team_can_be_told_is_a_fault() -> None:
    (fault,) = team({"at": "08:30"}, PAGER)
    assert fault.path == "spec.digest"
    assert isinstance(team({"at": "08:30"}, PAGER, HOOK), Team)


def route(spec: dict[str, Any]) -> Any:
    around = Around(ENV, calendars={"office": OFFICE})
    return parse_route({"metadata": {"name": "r"}, "spec": spec}, ENV, around=around)


def test_a_route_that_names_owners_can_ask_for_the_digest_of_each() -> None:
    below = {"name": "c", "match": {"owner": "crm"}, "digest": {"at": "07:00"}, "send_to": [PAGER, HOOK]}
    made = route(
        {"match": {"owner": ["erp", "billing"]}, "send_to": [HOOK], "digest": {"at": "08:30"}, "routes": [below]}
    )
    assert isinstance(made, Route)
    heard = list(asked_for([], [made], 0))
    assert [(one.owner, one.digest.at, [target.kind for target in one.targets]) for one in heard] == [
        ("erp", 510, ["webhook"]),
        ("billing", 510, ["webhook"]),
        ("crm", 420, ["webhook"]),
    ]
    assert len({one.key for one in heard}) == 3


@pytest.mark.parametrize(
    "match",
    [
        None,
        {"domain": "orders"},
        {"owner": "erp", "severity": "critical"},
        {"owner": {"prefix": "e"}},
        {"owner": {"not": "e"}},
    ],
)
def test_a_route_that_names_no_owners_alone_has_no_digest(match: Any) -> None:
    (fault,) = route({"match": match, "send_to": [HOOK], "digest": {"at": "08:30"}})
    assert fault.path == "spec.digest"
    assert "must name owners" in fault.message


def test_a_digest_that_a_route_brings_to_nobody_is_a_fault() -> None:
    (fault,) = route({"match": {"owner": "erp"}, "send_to": [PAGER], "digest": {"at": "08:30"}})
    assert (fault.path, "nobody can be told it" in fault.message) == ("spec.digest", True)
    assert {one.path for one in route({"match": {"owner": "erp"}, "send_to": [HOOK], "digest": {"at": "25:00"}})} == {
        "spec.digest.at"
    }
