"""What the pages of incidents say, as pure functions of rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import dashboard
from alerting.facts import VERDICTS
from alerting.incident import NotifyReason
from alerting.links import list_link
from dashboard.figures import population
from dashboard.links import Links
from dashboard.views import incident, incidents, instance, messages

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LINKS = Links("/dashboard/")
ROW: dict[str, Any] = {
    "id": "1f0c0000-0000-4000-8000-000000000000",
    "status": "firing",
    "severity": "critical",
    "title": "Orders wait for SAP",
    "workflow": "order-to-cash",
    "verdict": "stuck",
    "waiting_for": "order_accepted",
    "source": "sap",
    "reason": None,
    "owner": "erp",
    "count": 40,
    "peak_count": 41,
    "value": [],
    "oldest_since": "2026-11-21T08:00:00Z",
    "opened_at": "2026-11-21T08:00:00Z",
    "resolved_at": None,
}


def spelled(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json())


def buttons(row: dict[str, Any]) -> list[str]:
    (bar,) = incident.acts(row, NOW)
    return [button.to_plotly_json()["props"]["data-incident-act"] for button in bar.children]


def test_the_cause_of_a_burning_objective_is_that_objective_and_has_no_step_that_is_waited_for() -> None:
    about = {"verdict": "burning", "waiting_for": None, "source": None, "reason": "in-time"}
    told = [term.children for term, *_ in (pair.children for pair in incident.cause(ROW | about, LINKS).children)]
    assert told == ["Verdict", "Workflow", "Objective", "Owner", "Runbook"]
    told = [term.children for term, *_ in (pair.children for pair in incident.cause(ROW, LINKS).children)]
    assert told == ["Verdict", "Workflow", "Waiting for", "From", "Reason", "Owner", "Runbook"]


def test_a_chart_of_a_burning_objective_counts_what_was_missed() -> None:
    points = {"points": [{"at": "2026-11-21T08:00:00Z", "count": 3}]}
    for verdict, word in (("burning", "missed"), ("stuck", "held up")):
        (line,) = population(ROW | points | {"verdict": verdict}, NOW).data
        assert f"%{{y:,}} {word}<" in line.hovertemplate


def test_what_holds_an_instance_up_is_told_apart_from_what_held_it_up_before() -> None:
    row = {"incidents": [ROW, ROW | {"status": "resolved", "title": "SAP was silent"}]}
    now, before = instance.incidents_card(row, NOW, LINKS), instance.former_incidents_card(row, NOW, LINKS)
    assert "Orders wait for SAP" in spelled(now)
    assert "SAP was silent" not in spelled(now)
    assert "SAP was silent" in spelled(before)
    assert instance.incidents_card({"incidents": [row["incidents"][1]]}, NOW, LINKS) is None
    assert instance.former_incidents_card({}, NOW, LINKS) is None


def test_what_is_over_opens_what_it_held_up_as_its_messages_do_and_not_what_has_the_same_cause_today() -> None:
    id_ = UUID(int=7)
    row = {"id": str(id_), "verdict": "stuck", "workflow": "orders", "waiting_for": "accepted", "source": "sap"}
    assert LINKS.held_up_by(row | {"status": "firing"}).endswith(
        "worklist?workflow=orders&verdict=stuck&waiting_for=accepted&source_awaited=sap"
    )
    assert LINKS.held_up_by(row | {"status": "resolved"}) == list_link("", id_)


def test_what_sets_them_apart_parts_them_into_two_lists_with_one_click() -> None:
    one = {"attribute": "connector", "value": "2.3", "held": 412, "held_of": 420, "others": 12, "others_of": 100}
    row = {"id": str(UUID(int=7)), "verdict": "stuck", "status": "firing", "count": 420, "apart": [one]}
    told = spelled(incident.apart(row, LINKS))
    assert "the 412 with connector 2.3" in told and "the other 8" in told
    for others, condition in ((False, "connector=2.3"), (True, "connector!=2.3")):
        link = LINKS.part_of(row, "connector", "2.3", others=others)
        assert json.dumps(link)[1:-1] in told
        assert link == list_link("", UUID(int=7), condition)
    many = spelled(incident.apart(row | {"count": 100_000}, LINKS))
    assert "those with connector 2.3" in many and "the others it holds up" in many
    over = spelled(incident.apart(row | {"status": "resolved"}, LINKS))
    assert "the others it held up" in over
    for whole in (one | {"held": 420}, one | {"value": "x" * 99 + "…"}):
        assert "worklist" not in spelled(incident.apart(row | {"apart": [whole]}, LINKS)), "nothing is parted"


def test_what_holds_up_no_instances_opens_what_it_is_about() -> None:
    assert LINKS.held_up_by({"verdict": "burning", "reason": "in-time", "id": "1"}) == "/dashboard/objectives/in-time"
    assert LINKS.held_up_by({"verdict": "drill", "reason": "x", "id": "1"}) == "/dashboard/incidents/1"


@pytest.mark.parametrize(
    ("trend", "words"),
    [
        (None, "told once some minutes"),
        ({"per_hour": 12.4, "drained_at": None}, "grows by 12 an hour."),
        ({"per_hour": 0.0, "drained_at": None}, "neither grows nor shrinks"),
        ({"per_hour": -0.5, "drained_at": None}, "shrinks by 0.5 an hour: at this pace it is not drained within a day"),
        (
            {"per_hour": -1200, "drained_at": "2026-11-21T14:30:00Z"},
            "by 1,200 an hour: drained in 2 h 30 min, at 14:30 UTC",
        ),
    ],
)
def test_how_it_goes_on_is_said_in_words(trend: Any, words: str) -> None:
    assert words in incident.going_words(ROW | {"trend": trend}, NOW)


def test_what_is_over_says_how_long_it_lasted() -> None:
    over = ROW | {"status": "resolved", "resolved_at": "2026-11-21T11:05:00Z"}
    assert incident.going_words(over, NOW) == "It is over: it lasted 3 h 5 min."


def test_only_acts_that_can_be_done_are_offered() -> None:
    whole = ["acknowledge", "assign", "comment", "postpone", "silence", "link", "resolve"]
    assert buttons(ROW) == whole
    taken = ROW | {"acknowledged_by": "jo"}
    assert "withdraw" in buttons(taken)
    assert "withdraw" not in buttons(taken | {"acknowledged_until": "2026-11-21T11:00:00Z"})
    assert "resolve" not in buttons(ROW | {"settled_by": "jo"})
    assert buttons(taken | {"status": "resolved"}) == ["comment", "link"]


def test_a_silence_offers_the_parts_of_the_cause_that_are_there() -> None:
    (bar,) = incident.acts(ROW, NOW)
    match = json.loads(bar.to_plotly_json()["props"]["data-match"])
    assert match == {
        "verdict": "stuck",
        "workflow": "order-to-cash",
        "waiting_for": "order_accepted",
        "source": "sap",
    }


def test_a_link_that_a_browser_must_not_follow_is_only_told() -> None:
    change = {"url": "javascript:alert(1)", "title": "CHG", "by": "jo", "at": "2026-11-21T11:00:00Z"}
    drawn = spelled(incident.changes(ROW | {"changes": [change]}, NOW))
    assert "CHG" in drawn
    assert "javascript" not in drawn


def test_whatever_was_decided_has_words() -> None:
    unnamed = [one.value for one in NotifyReason if one.value not in incident._TOLD]
    assert unnamed == []


def test_the_timeline_is_newest_first_and_says_each_message_once() -> None:
    row = ROW | {
        "timeline": [
            {"at": "2026-11-21T08:00:00Z", "what": "opened", "detail": "3 held up", "by": None},
            {"at": "2026-11-21T08:01:00Z", "what": "told", "detail": "erp: first (slack)", "by": None},
            {"at": "2026-11-21T09:00:00Z", "what": "acknowledged", "detail": "until it resolves", "by": "jo"},
        ],
        "deliveries": [
            {"at": "2026-11-21T08:01:02Z", "target": "erp", "reason": "first", "state": "dead", "attempts": 8,
             "last_status": 500}
        ],
    }  # fmt: skip
    drawn = spelled(incident.timeline(row))
    assert "(slack)" not in drawn
    said = ["jo acknowledged", "erp could not be told: it fires", "8 attempts, the last answered 500", "Opened"]
    places = [drawn.index(one) for one in said]
    assert places == sorted(places)


def test_an_end_is_told_as_people_write_it_and_a_comment_as_it_was_written() -> None:
    at = "2026-11-21T09:00:00Z"
    row = ROW | {
        "timeline": [
            {"at": at, "what": "postponed", "detail": "until 2026-11-22T06:34:24.473Z: lunch", "by": "jo"},
            {"at": at, "what": "commented", "detail": "until 2026-11-22T06:34:24Z it waits", "by": "jo"},
        ]
    }
    drawn = spelled(incident.timeline(row))
    assert "until 22 Nov 2026 06:34:24 UTC: lunch" in drawn
    assert "until 2026-11-22T06:34:24Z it waits" in drawn


def test_every_verdict_of_an_incident_has_a_mark() -> None:
    styles = "".join(one.read_text() for one in (Path(dashboard.__file__).parent / "assets").glob("*.css"))
    assert [verdict for verdict in VERDICTS if f".mk-{verdict}" not in styles] == []


def test_the_figure_holds_each_count_until_the_next_and_dashes_what_is_expected() -> None:
    points = [{"at": "2026-11-21T08:00:00Z", "count": 3}, {"at": "2026-11-21T11:00:00Z", "count": 40}]
    trend = {"per_hour": -20, "drained_at": "2026-11-21T14:00:00Z"}
    known, expected = population(ROW | {"points": points, "trend": trend}, NOW).data
    assert (known.line.shape, list(known.y)) == ("hv", [3, 40, 40])
    assert (list(expected.y), expected.x[-1]) == ([40, 0], "2026-11-21T14:00:00")
    over = ROW | {"points": points, "trend": None, "resolved_at": "2026-11-21T11:30:00Z"}
    (known,) = population(over, NOW).data
    assert (known.x[-1], known.y[-1]) == ("2026-11-21T11:30:00", 0)
    assert len(population(ROW | {"points": [], "trend": None}, NOW).data) == 1


def test_what_cannot_be_asked_is_no_filter() -> None:
    asked = {"status": "burning", "sort": "weight", "severity": "critical", "q": "a" * 300, "owner": ["erp", "x"]}
    assert incidents.filters_from(asked) == {"severity": "critical", "q": "a" * 200, "owner": "erp"}


def test_who_is_at_it_stands_in_the_list_while_it_holds() -> None:
    row = ROW | {"acknowledged_by": "jo", "acknowledged_until": "2026-11-21T13:00:00Z", "assignee": "sam"}
    drawn = spelled(incidents.incident_table({"items": [row], "cut": True}, {}, NOW, LINKS))
    assert "acknowledged by jo" in drawn
    assert "sam" in drawn
    assert "These are the first 1." in drawn
    past = row | {"acknowledged_until": "2026-11-21T11:00:00Z"}
    assert "acknowledged by" not in spelled(incidents.incident_table({"items": [past]}, {}, NOW, LINKS))


ATTEMPT: dict[str, Any] = {
    "message_id": "m-1", "target": "erp/slack", "transition": "firing", "told_because": "first", "attempt": 1,
    "at": "2026-11-21T08:01:00Z", "fate": "delivered", "reason": "delivered", "status": 200, "error": None,
    "sent": '{"text":"5 orders"}', "answer": "ok", "remark": None,
}  # fmt: skip


def test_an_attempt_says_why_how_it_went_and_opens_to_what_went_out_and_came_back() -> None:
    drawn = spelled(messages.attempts([ATTEMPT]))
    for said in (
        "erp/slack: it fires",
        "200, delivered",
        r"{\n  \"text\": \"5 orders\"\n}",
        "Answered",
        '"ok"',
        "m-1-1",
    ):
        assert said in drawn, said
    assert "Remark" not in drawn


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"fate": "retry", "status": 429, "reason": "throttled"}, "429, tried again: it takes no more for now"),
        ({"fate": "retry", "status": None, "reason": "unreachable"}, "no answer, tried again: it cannot be reached"),
        ({"fate": "failed", "status": 410, "reason": "gone"}, "410, not delivered: it wants no more messages"),
        ({"fate": "failed", "status": 400, "reason": "quite_new"}, "400, not delivered: quite new"),
        ({"sent": None, "answer": None, "error": "ConnectError"}, "ConnectError"),
    ],
)
def test_an_attempt_that_failed_says_why_in_words(row: dict[str, Any], said: str) -> None:
    assert said in spelled(messages.attempts([ATTEMPT | row]))


def test_where_nothing_was_sent_that_is_said() -> None:
    assert "Nothing was sent yet." in spelled(messages.attempts([]))


def test_of_what_is_over_no_decision_stands_any_more() -> None:
    told = [{"target": "erp/slack", "reason": "not_grown", "because": "orders", "until": None}]
    assert "nothing new to tell" in spelled(incident.whom(ROW | {"whom": told}, NOW))
    over = spelled(incident.whom(ROW | {"whom": told, "status": "resolved"}, NOW))
    assert "erp/slack" not in over
    assert "is told that it resolved" in over
