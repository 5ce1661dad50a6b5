"""How grave an incident is, by rules that know when its owner works."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerting.hours import Hours
from alerting.incident import Cause, NotifyReason, Population
from alerting.rehearsed import Rehearsed
from alerting.route import Route
from alerting.setup import Setup
from alerting.severity import SeverityRule, parse_severity
from alerting.teams import Team
from slo_rules.calendars import CalendarRules
from slo_rules.calendars import Hours as OpenHours
from slo_rules.durations import MINUTE
from slo_rules.instants import to_micros
from tests.unit.test_alerting_engine import TARGETS

BERLIN = CalendarRules("berlin", "Europe/Berlin", ((OpenHours(540, 1020),),) * 5 + ((),) * 2)
TOKYO = CalendarRules("tokyo", "Asia/Tokyo", ((OpenHours(540, 1020),),) * 5 + ((),) * 2)
CALENDARS: dict[str, CalendarRules | None] = {"berlin": BERLIN, "tokyo": TOKYO}
TEAMS = {
    "erp": Team("erp", hours=Hours(BERLIN, ("critical",))),
    "billing": Team("billing", hours=Hours(TOKYO)),
    "always": Team("always"),
}
ORDERS = Cause("orders", "stuck", "accepted", "sap")


def rules(*said: dict[str, Any]) -> tuple[SeverityRule, ...]:
    found = parse_severity({"metadata": {"name": "grave"}, "spec": {"rules": list(said)}}, CALENDARS)
    assert isinstance(found, tuple), found
    return found


def at(text: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")))


def graded(setup: Setup, owner: str | None, now: int) -> str:
    engine = Rehearsed(setup)
    engine.look({ORDERS: Population(1, now, owner=owner)}, now)
    found = engine.of(ORDERS)
    assert found is not None
    return found.severity


@pytest.mark.parametrize(
    ("owner", "monday_noon", "monday_night"),
    [
        ("erp", "critical", "info"),
        # 03:00 in Berlin is 10:00 in Tokyo.
        ("billing", "info", "critical"),
        ("always", "critical", "critical"),
        ("nobody-defined", "critical", "critical"),
        (None, "critical", "critical"),
    ],
)
def test_a_rule_heeds_the_hours_of_whichever_team_owns_the_incident(
    owner: str | None, monday_noon: str, monday_night: str
) -> None:
    setup = Setup(teams=TEAMS, severities=rules({"severity": "info", "outside": {"hours_of": "owner"}}))
    assert graded(setup, owner, at("2026-03-30T12:00")) == monday_noon
    assert graded(setup, owner, at("2026-03-30T03:00")) == monday_night


def test_inside_and_outside_part_the_day_also_over_a_change_of_clocks() -> None:
    said = ({"severity": "critical", "inside": {"hours_of": "owner"}}, {"severity": "info", "outside": "berlin"})
    setup = Setup(teams=TEAMS, severities=rules(*said))
    # Europe sets its clocks forward on Sunday, 2026-03-29.
    for day in ("2026-03-27", "2026-03-30"):
        found = [graded(setup, "erp", at(f"{day}T{hour}")) for hour in ("08:59", "09:00", "16:59", "17:00")]
        assert found == ["info", "critical", "critical", "info"]


def test_what_opened_at_night_is_raised_in_the_morning_and_told_so() -> None:
    route = Route("r", {}, (TARGETS[0],))
    severities = rules({"severity": "info", "outside": {"hours_of": "owner"}})
    engine = Rehearsed(Setup((route,), TEAMS, severities))
    seen = {ORDERS: Population(3, at("2026-03-30T03:00"), owner="erp")}
    for hour in ("03:00", "03:01", "08:59", "09:00"):
        engine.look(seen, at(f"2026-03-30T{hour}"))
    told = [(one.tell.reason, one.tell.incident.severity) for one in engine.messages]
    assert told == [(NotifyReason.FIRST, "info"), (NotifyReason.RAISED, "critical")]
    assert engine.messages[-1].at - at("2026-03-30T09:00") < MINUTE


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"hours_of": "erp"}, "must be 'owner': the hours of the team that the incident belongs to"),
        ({"hours_of": "owner", "always": ["critical"]}, "unknown field"),
        ({"calendar": "nowhere"}, "there is no calendar 'nowhere'"),
    ],
)
def test_hours_that_are_nobodys_are_refused_with_their_place(said: dict[str, Any], fault: str) -> None:
    document = {"metadata": {"name": "g"}, "spec": {"rules": [{"severity": "info", "inside": said}]}}
    found = parse_severity(document, CALENDARS)
    assert isinstance(found, list)
    assert [one.path.startswith("spec.rules[0].inside") for one in found] == [True]
    assert fault in found[0].message
