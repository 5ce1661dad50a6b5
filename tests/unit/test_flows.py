"""Where systems stand on the map, and what a definition says of its steps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from collector.query.definition_tests import workflow_tests
from dashboard.links import Links
from dashboard.phrases import deadline_words, usual_words
from dashboard.source_map import ROW_PIXELS, WORDS_HIGH, WORDS_WIDE, map_figure, places
from dashboard.views.definitions import one_definition
from slo_rules.workflow import Workflow


def test_a_system_stands_right_of_what_hands_on_to_it_and_a_circle_is_cut() -> None:
    names = ("crm", "hub", "erp")
    found = places(names, [("crm", "hub"), ("hub", "erp"), ("erp", "crm")])
    assert sorted(found) == sorted(names)
    assert len(set(found.values())) == 3
    assert places(("a", "b"), [("a", "b")]) == {"a": (0, 0), "b": (1, 0)}


def test_no_flow_is_no_map() -> None:
    assert not map_figure([{"source": "crm", "title": "CRM", "state": "live"}], []).data


def system(name: str) -> dict[str, Any]:
    return {"source": name, "title": name, "state": "live", "rate": {"per_minute": None}}


def handover(sender: str, receiver: str, held: int = 0) -> dict[str, Any]:
    return {"sender": sender, "receiver": receiver, "held": held, "waiting": held, "workflow": "w",
            "workflow_title": "W", "title": "Accepted"}  # fmt: skip


def test_on_a_phone_what_is_handed_on_goes_downwards_and_every_line_is_within_the_picture() -> None:
    systems = [system(name) for name in ("crm", "hub", "erp", "bill")]
    flows = [handover("crm", "hub", 3), handover("hub", "erp"), handover("erp", "bill"), handover("bill", "crm", 2)]
    wide, tall = (map_figure(systems, flows, tall=one) for one in (False, True))
    assert sorted(point.x[0] for point in wide.data[-4:]) == [0, 1, 2, 3]
    assert [point.y[0] for point in tall.data[-4:]] == [-point.x[0] for point in wide.data[-4:]]
    for figure in (wide, tall):
        (left, right), (low, high) = figure.layout.xaxis.range, figure.layout.yaxis.range
        assert all(left < x < right for line in figure.data for x in line.x)
        assert all(low < y < high for line in figure.data for y in line.y)


def test_what_is_handed_on_to_a_system_that_nobody_knows_is_no_line() -> None:
    for tall in (False, True):
        assert len(map_figure([system("crm")], [handover("crm", "ghost")], tall=tall).data) == 1


def test_words_of_lines_that_cross_stand_over_none_of_each_other() -> None:
    systems = [system(name) for name in ("crm", "hub", "erp")]
    figure = map_figure(systems, [handover("crm", "erp", 3), handover("hub", "erp", 4), handover("crm", "hub", 5)])
    said = [(a.x, a.y * ROW_PIXELS + a.yshift) for a in figure.layout.annotations if "held up" in a.text]
    assert len(said) == 3
    for place, (x, y) in enumerate(said):
        assert all(abs(x - a) >= WORDS_WIDE or abs(y - b) >= WORDS_HIGH for a, b in said[place + 1 :])


def test_what_nothing_ever_reached_is_said_so_beside_its_deadline() -> None:
    step = {"name": "a", "title": "", "after": [], "after_any": False, "starts": True, "completes": False,
            "source": "crm", "owner": "", "deadline": None}  # fmt: skip
    w = {"name": "w", "title": "W", "owner": "ops", "domain": "d", "entity": "e", "version": 1, "counts": {},
         "keys": [], "calendars": [], "objectives": [], "versions": [], "waiting": {},
         "milestones": [step, step | {"name": "b", "after": ["a"], "starts": False}]}  # fmt: skip
    at = "2026-11-21T09:00:00Z"
    steps = [{"name": "a", "reached": 40, "last_reached_at": at}, {"name": "b", "reached": 0, "last_reached_at": None}]
    flow = {"steps": steps, "learned": {"instances": 40, "all_instances": True, "since": at}}
    tests = workflow_tests({"state": "none"}, Workflow("w", "d", "ops", "e", "W", "", 1, (), (), ()), (), None)
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    drawn = str(one_definition(w, flow, tests, Links("/dashboard/"), now))
    assert "by 40 of 40" in drawn
    assert "by none of 40" in drawn
    assert "by 40" not in str(one_definition(w, None, tests, Links("/dashboard/"), now))


def test_a_deadline_is_told_with_its_calendar_and_its_exceptions() -> None:
    deadline = {
        "from": "order_created", "warn": "3h", "breach": "4h", "calendar": "office",
        "by": {"tier": {"gold": {"breach": "1h"}}},
    }  # fmt: skip
    said = "within 4h of office, counted from Order created, 1h where tier is gold"
    assert deadline_words(deadline, {"order_created": "Order created"}) == said
    assert deadline_words(None) == ""


def test_what_is_usual_is_told_by_the_weekday() -> None:
    today = {"missed": 12, "due": 214, "until": "2026-11-21T14:00:00Z", "usual": None}
    assert usual_words(today).endswith("what is usual is not known yet")
    known = {"missed": 8.0, "due": 230.0, "days": 4, "weekday": True}
    assert usual_words(today | {"usual": known}) == (
        "12 of 214 due today until 14:00 UTC were missed; usually 8 of 230, by the last 4 Saturdays"
    )
