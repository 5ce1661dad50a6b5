"""Teams, rotas and trees of routes, as files say them."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.facts import facts
from alerting.ical import NotACalendar, read_shifts
from alerting.incident import Cause, Population
from alerting.on_call import Override, Rotation, Schedule
from alerting.route import Route, parse_route, wanted
from alerting.teams import Around, Team, parse_team
from slo_rules.instants import to_micros

BERLIN = ZoneInfo("Europe/Berlin")
HOOK = "http://127.0.0.1:9/"


def at(text: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=BERLIN))


def hook(name: str) -> dict[str, Any]:
    return {"webhook": {"url": HOOK + name}}


def team(**spec: Any) -> Any:
    return parse_team({"metadata": {"name": "erp"}, "spec": spec}, Around(files={"rota.ics": ICS}))


ICS = """\
BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
DTSTART;TZID=Europe/Berlin:20260323T090000
DTEND;TZID=Europe/Berlin:20260324T090000
RRULE:FREQ=WEEKLY;BYDAY=MO,SU
EXDATE;TZID=Europe/Berlin:20260330T090000
SUMMARY:On Call - Jo
  Doe - Platform
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_a_rotation_hands_over_at_its_time_on_the_wall_over_a_change_of_clocks() -> None:
    daily = Rotation("daily", ("jo", "sam"), date(2026, 3, 28), 1, 9 * 60, "Europe/Berlin")
    assert [daily.on_call(at(f"2026-03-{day}T{hour}")) for day, hour in ((28, "09:00"), (29, "08:59"))] == ["jo", "jo"]
    assert daily.on_call(at("2026-03-29T09:00")) == "sam"
    assert daily.hands_over_at(at("2026-03-28T10:00")) == at("2026-03-29T09:00")
    assert at("2026-03-29T09:00") - at("2026-03-28T09:00") == 23 * 3600 * 1_000_000
    assert daily.on_call(at("2026-03-28T08:59")) is None


def test_an_override_stands_in_for_whoever_is_on_call() -> None:
    weekly = Rotation("weekly", ("jo",), date(2026, 1, 5), 7, 540, "Europe/Berlin")
    schedule = Schedule((weekly,), (Override("sam", at("2026-03-02T00:00"), at("2026-03-03T00:00")),))
    assert [schedule.on_call(at(f"2026-03-0{day}T12:00")) for day in (1, 2, 3)] == [
        (["jo"], "weekly"),
        (["sam"], "override"),
        (["jo"], "weekly"),
    ]


def test_shifts_out_of_a_calendar_recur_on_the_wall_except_where_it_says() -> None:
    shifts, unknown = read_shifts(ICS, {"jo doe": "jo"})
    assert unknown == []
    (shift,) = shifts
    covered = ["2026-03-23T09:00", "2026-03-29T09:00", "2026-03-30T08:59", "2026-04-06T12:00"]
    assert [shift.covers(at(one)) for one in covered] == [True] * 4
    assert [shift.covers(at(one)) for one in ("2026-03-23T08:59", "2026-03-30T09:00", "2026-03-25T12:00")] == [
        False
    ] * 3


def test_a_calendar_that_names_a_stranger_is_a_fault_and_no_gap() -> None:
    found = team(members={"sam": {"send_to": [hook("sam")]}}, on_call={"calendars": [{"file": "rota.ics"}]})
    assert [(fault.path, "no member" in fault.message) for fault in found] == [("spec.on_call.calendars[0].file", True)]


@given(st.text(max_size=400) | st.lists(st.sampled_from([*ICS.split("\r\n"), "X", ":", "DTSTART:2026"])).map("\n".join))
def test_whatever_a_calendar_holds_it_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(NotACalendar):
        read_shifts(text, {"jo doe": "jo"})


def test_all_faults_of_a_team_are_named_at_once() -> None:
    found = team(
        hours="offce",
        members={"jo": {"send_to": [{"fax": {}}]}},
        on_call={"zone": "Mars/Base", "rotations": [{"members": ["joe"], "from": "soon", "every": "90m"}]},
    )
    assert [fault.path for fault in found] == [
        "spec.members.jo.send_to[0]",
        "spec.on_call.zone",
        "spec.on_call.rotations[0].members[0]",
        "spec.on_call.rotations[0].from",
        "spec.on_call.rotations[0].every",
        "spec.hours",
    ]


def test_the_first_child_that_matches_takes_it_and_inherits_what_it_does_not_say() -> None:
    erp = team(
        send_to=[hook("erp")],
        members={"jo": {"send_to": [hook("jo")]}},
        on_call={"rotations": [{"members": ["jo"], "from": "2026-01-05"}]},
    )
    assert isinstance(erp, Team), erp
    routes = [
        {"name": "grave", "match": {"severity": "critical"}, "send_to": [{"on_call": "erp"}], "continue": True},
        {"name": "gold", "match": {"attributes": {"tier": {"in": ["gold"]}}}},
        {"name": "rest", "send_to": [hook("rest")]},
    ]
    spec = {"send_to": [hook("top"), {"team": "erp"}], "repeat_every": "4h", "routes": routes}
    route = parse_route({"metadata": {"name": "r"}, "spec": spec}, {}, teams={"erp": erp})
    assert isinstance(route, Route), route

    def told(severity: str, tier: str) -> list[tuple[str, int | None]]:
        of = facts(Cause("orders", "stuck"), Population(1, 0), severity, (("tier", (tier,)),))
        return [
            (one.target.address.url.removeprefix(HOOK), one.repeat_every)
            for one in wanted([route], of, at("2026-03-02T12:00"))
        ]

    again = 4 * 3600 * 1_000_000
    assert told("critical", "gold") == [("jo", again), ("top", again), ("erp", again)]
    assert told("warning", "gold") == [("top", again), ("erp", again)]
    assert told("warning", "silver") == [("rest", again)]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"send_to": [{"team": "erq"}]}, "spec.send_to[0].team"),
        ({"send_to": [{"team": "erp"}, {"webhook": {"url": "ftp://x"}}]}, "spec.send_to[1].webhook.url"),
        ({"send_to": [hook("a")], "match": {"severity": "grave"}}, "spec.match.severity"),
        ({"send_to": [hook("a")], "escalate": [{"after": "1h"}]}, "spec.escalate[0]"),
        ({"send_to": [hook("a")], "hours": "offce"}, "spec.hours"),
        ({"routes": [{"name": "a"}]}, "spec"),
    ],
)
def test_a_fault_of_a_route_is_named_where_it_stands(spec: dict[str, Any], path: str) -> None:
    erp = team(send_to=[hook("erp")])
    found = parse_route({"metadata": {"name": "r"}, "spec": spec}, {}, teams={"erp": erp})
    assert isinstance(found, list)
    assert [fault.path for fault in found] == [path]


def test_a_team_is_told_times_and_money_as_it_reads_them_but_for_targets_that_say_their_own() -> None:
    own = {"webhook": {"url": HOOK + "own", "zone": "Asia/Tokyo"}}
    found = team(
        zone="Europe/Berlin",
        locale="de_DE",
        send_to=[hook("plain"), own],
        members={"jo": {"send_to": [{"webhook": {"url": HOOK + "jo", "locale": "en_GB"}}]}},
        on_call={"zone": "America/New_York", "rotations": [{"members": ["jo"], "from": "2026-03-28"}]},
    )
    assert isinstance(found, Team)
    said = [(one.zone, one.locale) for one in found.every_target()]
    assert said == [("Europe/Berlin", "de_DE"), ("Asia/Tokyo", "de_DE"), ("Europe/Berlin", "en_GB")]
    plain = team(send_to=[hook("plain")])
    assert [(one.zone, one.locale) for one in plain.targets] == [("UTC", "")]


def test_a_zone_and_a_locale_of_a_team_that_are_none_are_named_both_at_once() -> None:
    found = team(send_to=[hook("plain")], zone="Europe/Berln", locale="klingon_XX")
    said = {one.path: one.message for one in found}
    assert said.keys() == {"spec.zone", "spec.locale"}
    assert said["spec.zone"].startswith("there is no time zone 'Europe/Berln'")
    assert said["spec.locale"] == "must be a locale such as de_DE"
