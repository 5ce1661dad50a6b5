"""What people do with incidents and silences, on a real database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from alerting import acts
from alerting.hours import Hours
from alerting.incident import NotifyReason
from collector.acts import ActRefused
from slo_rules.calendars import CalendarRules
from slo_rules.calendars import Hours as OpenHours
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.instants import rfc3339

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]

CLOSED = CalendarRules("never", "UTC", ((),) * 6 + ((OpenHours(0, 1),),))


def only(world: World) -> str:
    (row,) = world.rows("incident")
    return str(row["id"])


def do(world: World, act: str, **said: Any) -> Any:
    return acts.ACTS[act](world.conn, only(world), {"by": "jo", **said}, world.now)


def told(world: World) -> list[tuple[str, str]]:
    return [(row["transition"], row["reason"]) for row in world.rows("outbox")]


def test_who_has_taken_it_on_is_shown_and_the_next_step_is_not_told(world: World) -> None:
    step = {"after": "30m", "send_to": [world.webhook("/boss")]}
    world.route(world.webhook(), escalate=[step])
    world.fire()
    do(world, "acknowledge")
    world.look(HOUR)
    assert told(world) == [("firing", "first")]
    do(world, "withdraw")
    world.look(SECOND)
    assert told(world)[1:] == [("firing", "escalated")]
    assert [(row["what"], row["by"]) for row in world.rows("incident_event") if row["by"]] == [
        ("acknowledged", "jo"),
        ("unacknowledged", "jo"),
    ]


def test_what_was_taken_on_for_a_time_is_told_again_when_that_is_over(world: World) -> None:
    world.route(world.webhook(), escalate=[{"after": "30m", "send_to": [world.webhook("/boss")]}])
    world.fire()
    do(world, "acknowledge", until=rfc3339(world.now + 2 * HOUR))
    world.look(2 * HOUR)
    assert told(world)[1:] == [("updated", "repeat")]
    world.look(30 * MINUTE)
    assert told(world)[2:] == [("firing", "escalated")]


def test_what_is_called_resolved_is_told_so_and_stays_closed_unless_it_grows(world: World) -> None:
    world.route(world.webhook())
    world.fire(3)
    do(world, "resolve", reason="known, we live with it")
    world.look(SECOND)
    assert told(world)[-1] == ("resolved", "resolved")
    world.look(HOUR)
    assert len(world.rows("incident")) == 1
    world.stuck(3)
    world.look(SECOND)
    assert [row["status"] for row in world.rows("incident")] == ["resolved", "firing"]


def test_what_is_put_off_is_told_again_when_that_ends_and_still_burns(world: World) -> None:
    world.route(world.webhook())
    world.fire(1)
    do(world, "postpone", until=rfc3339(world.now + HOUR), reason="after lunch")
    world.stuck(50)
    world.look(30 * MINUTE)
    assert len(told(world)) == 1
    world.look(30 * MINUTE)
    assert told(world)[1:] == [("updated", NotifyReason.UNMUTED)]


def test_comments_links_and_assignments_are_kept_and_faults_are_named_together(world: World) -> None:
    world.fire()
    do(world, "comment", text="SAP says the queue is full")
    do(world, "link", url="https://changes.example.com/7", title="CHG-7")
    do(world, "assign", to="sam")
    (row,) = world.rows("incident")
    assert (row["assignee"], row["changes"][0]["title"]) == ("sam", "CHG-7")
    with pytest.raises(ActRefused) as refused:
        acts.link(world.conn, only(world), {"url": "ftp://x", "titel": "x"}, world.now)
    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["titel", "by", "title", "url"]
    with pytest.raises(ActRefused) as refused:
        acts.comment(world.conn, "nonsense", {"by": "jo", "text": "x"}, world.now)
    assert refused.value.unknown
    world.become("completed")
    world.look(SECOND)
    with pytest.raises(ActRefused) as refused:
        do(world, "acknowledge")
    assert refused.value.conflicting
    do(world, "comment", text="it was the tax service")


def test_a_silence_keeps_quiet_and_afterwards_people_are_told_and_its_resolve_always_follows(world: World) -> None:
    world.route(world.webhook())
    world.fire(1)
    said = {"by": "jo", "reason": "migration", "match": {"domain": "orders"}, "until": rfc3339(world.now + HOUR)}
    acts.silence(world.conn, said, world.now)
    world.stuck(50)
    world.look(10 * MINUTE)
    assert len(told(world)) == 1
    (row,) = world.rows("incident")
    assert [(one["reason"], one["until"]) for one in row["whom"]] == [("silenced", said["until"])]
    world.look(50 * MINUTE)
    assert told(world)[1:] == [("updated", "unmuted")]
    acts.silence(world.conn, {**said, "until": rfc3339(world.now + HOUR)}, world.now)
    world.become("completed")
    world.look(SECOND)
    assert told(world)[2:] == [("resolved", "resolved")]


def test_what_began_and_ended_under_a_silence_is_never_told(world: World) -> None:
    world.route(world.webhook())
    said = {"by": "jo", "reason": "migration", "match": {"owner": "erp-platform"}, "until": rfc3339(world.now + HOUR)}
    found = acts.silence(world.conn, said, world.now)
    world.fire()
    acts.end_silence(world.conn, found["id"], {"by": "sam"}, world.now)
    world.become("completed")
    world.look(SECOND)
    assert told(world) == []
    assert [(one["status"], one["ended_by"]) for one in acts.silences(world.conn, world.now)] == [("over", "sam")]


def test_a_silence_that_lasts_and_mutes_reminds_its_owner(world: World) -> None:
    world.route(world.webhook(), match={"verdict": "silence", "owner": "jo"})
    until = rfc3339(world.now + 20 * DAY)
    acts.silence(world.conn, {"by": "jo", "reason": "x", "match": {"domain": "orders"}, "until": until}, world.now)
    world.fire()
    assert told(world) == []
    world.look(DAY)
    world.look(MINUTE)
    assert told(world) == [("firing", "first")]
    world.become("completed")
    world.look(SECOND)
    assert told(world)[1:] == [("resolved", "resolved")]


@pytest.mark.parametrize(
    ("said", "faults"),
    [
        ({}, {"by", "reason", "until", "match"}),
        ({"by": "jo", "reason": "x", "match": {}, "until": "tomorrow"}, {"match", "until"}),
        ({"by": "jo", "reason": "x", "match": {"colour": "red"}, "until": rfc3339(2**52)}, {"match.colour", "until"}),
    ],
)
def test_a_silence_about_everything_for_ever_or_for_no_reason_is_refused(
    world: World, said: dict[str, Any], faults: set[str]
) -> None:
    with pytest.raises(ActRefused) as refused:
        acts.silence(world.conn, said, world.now)
    assert {fault.partition(": ")[0] for fault in refused.value.faults} == faults


def test_outside_its_hours_a_target_hears_nothing_but_the_resolve_of_what_it_was_told(world: World) -> None:
    world.route(world.webhook())
    world.fire(1)
    (route,) = world.routes
    world.routes[:] = [replace(route, hours=Hours(CLOSED, ("critical",)))]
    world.stuck(9)
    world.look(10 * MINUTE)
    assert len(told(world)) == 2, "what is critical is told at any time"
    world.routes[:] = [replace(route, hours=Hours(CLOSED))]
    world.stuck(99)
    world.look(10 * MINUTE)
    assert len(told(world)) == 2
    world.become("completed")
    world.look(SECOND)
    assert told(world)[2:] == [("resolved", "resolved")]
