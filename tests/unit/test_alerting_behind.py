"""What is told while it is not known what is stuck: nothing of that, and at length that it is not known."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from alerting.address import Address
from alerting.behind import PROJECTION, of_projection, of_sources, replay_of
from alerting.burning import cause_of, held_back
from alerting.incident import Cause, Incident, NotifyReason, Population
from alerting.message import notice, sentence, title
from alerting.muting import inhibition_of
from alerting.rehearsed import Rehearsed
from alerting.route import Receivers, Route, Step
from alerting.setup import Setup
from alerting.targets import Target
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE, SECOND
from slo_rules.judgement import Watermark
from slo_rules.reckoning import replaying

START = 1_774_800_000 * SECOND
ONE, TWO = (Target(f"t{number}", "webhook", Address(f"http://127.0.0.1/{number}")) for number in range(2))
STUCK = Cause("orders", "stuck", "accepted", "sap")
BURNS = Cause("orders", "burning", reason="in-time")
DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: d, owner: o}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: created, on: {exact: {source: crm, type: created}}, starts: true}
    - {name: checked, on: {exact: {source: desk, type: checked}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 1h, completes: true}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: crm}
spec: {silent_after: 1h}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: in-time}
spec: {workflow: orders, latency: {from: created, to: accepted, within: 1h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec: {workflow: orders, freshness: {from: checked, to: accepted, within: 1h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: well}
spec: {workflow: orders, success: {}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough}
spec: {workflow: orders, volume: {milestone: checked, per: 1h, at_least: 1}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: crm-heard}
spec: {workflow: orders, freshness: {source: crm}, target: 0.9}
"""


def population(count: int = 1) -> Population:
    return Population(count, START, owner="o", domain="d", entity="order", owners=("o",), domains=("d",))


@pytest.mark.parametrize(
    ("source", "held_back_by_it"),
    [
        ("crm", {"in-time", "well", "crm-heard"}),
        ("desk", {"fresh", "well", "enough"}),
        ("sap", {"in-time", "fresh", "well"}),
    ],
)
def test_an_objective_waits_for_the_sources_of_what_it_counts(source: str, held_back_by_it: set[str]) -> None:
    defined = load({"f": DEFINITIONS})
    (workflow,) = defined.workflows.values()
    old = Watermark(START, START - HOUR)
    now = Watermark(START, START - MINUTE)
    marks = {name: old if name == source else now for name in ("crm", "desk", "sap")}
    found = {name: replaying(one, workflow, marks, START + MINUTE) for name, one in defined.objectives.items()}
    assert {name for name, by in found.items() if by is not None} == held_back_by_it
    assert set(found.values()) == {source, None}
    assert all(replaying(one, workflow, marks, START + 2 * MINUTE) is None for one in defined.objectives.values())


def test_what_burns_by_what_is_there_so_far_is_held_back_and_stands_behind_its_source() -> None:
    defined = load({"f": DEFINITIONS})
    causes = {name: cause_of(one) for name, one in defined.objectives.items()}
    found = {causes["in-time"]: population(3), causes["enough"]: population(2), causes["well"]: population(1)}
    burning = held_back(found, {causes["in-time"]: "sap", causes["well"]: "sap", causes["fresh"]: "crm"})
    assert dict(burning.found) == {causes["enough"]: population(2)}
    assert burning.unknown == {causes["in-time"], causes["well"], causes["fresh"]}
    behind = of_sources(burning.withheld, {}, START)
    assert {cause: (one.count, one.entity, one.owners) for cause, one in behind.items()} == {
        replay_of("sap"): (2, "objective", ("o",))
    }


def test_what_fires_stays_as_it_is_while_nothing_is_known_and_goes_on_being_told() -> None:
    step = Step(10 * MINUTE, Receivers((TWO,)))
    engine = Rehearsed(Setup((Route("r", {}, (ONE,), escalate=(step,)),)))
    seen = {STUCK: population(5), BURNS: population(2)}
    engine.look(seen, START)
    engine.look(seen, START + 2 * SECOND)
    engine.look({}, START + 11 * MINUTE, frozenset(seen))
    assert {one.cause: one.population.count for one in engine.firing.values()} == {STUCK: 5, BURNS: 2}
    told = [(one.tell.target, one.tell.reason.value) for one in engine.messages]
    assert told == [("t0", "first")] * 2 + [("t1", "escalated")] * 2
    id_ = next(one.id for one in engine.firing.values() if one.cause == BURNS)
    engine.change(id_, settled_by="jo")
    engine.look({}, START + 12 * MINUTE, frozenset(seen))
    assert [one.cause for one in engine.firing.values()] == [STUCK], "what somebody called resolved is"
    engine.look({}, START + 13 * MINUTE)
    assert not engine.firing


@pytest.mark.parametrize("cause", [PROJECTION, replay_of("sap")])
def test_to_be_behind_is_told_when_it_lasts_and_its_resolve_follows(cause: Cause) -> None:
    engine = Rehearsed(Setup((Route("r", {}, (ONE,)),)))
    for passed in (0, 14 * MINUTE + 59 * SECOND):
        engine.look({cause: population(400)}, START + passed)
        (whom,) = next(iter(engine.whom.values()))
        assert (whom.reason.value, whom.until) == ("catching_up", START + 15 * MINUTE)
    assert engine.messages == []
    engine.look({cause: population(400)}, START + 15 * MINUTE)
    engine.look({}, START + 20 * MINUTE)
    assert [one.tell.reason.value for one in engine.messages] == ["first", "resolved"]


def test_what_soon_catches_up_is_told_to_nobody() -> None:
    engine = Rehearsed(Setup((Route("r", {}, (ONE,)),)))
    engine.look({PROJECTION: population()}, START)
    engine.look({}, START + 10 * MINUTE)
    assert engine.messages == []
    assert [one.cause for one in engine.resolved] == [PROJECTION]


def test_a_source_that_sends_its_past_keeps_nothing_quiet_that_is_surely_stuck() -> None:
    stuck, replays = (
        Incident(UUID(int=number), cause, population(), START, 1, (), 1)
        for number, cause in enumerate((STUCK, replay_of("sap")))
    )
    assert inhibition_of(stuck, [replays], ()) is None
    silent = Incident(UUID(int=9), Cause(None, "blind", source="sap"), population(), START, 1, (), 1)
    assert inhibition_of(stuck, [silent], ()) is not None


def test_it_is_said_in_words() -> None:
    behind = Incident(UUID(int=1), PROJECTION, of_projection(12_345, START, None, START), START, 1, (), 1)
    assert sentence(notice(behind, NotifyReason.FIRST, START + 20 * MINUTE)) == (
        "Milepost is behind: 12,345 events are waiting, since 16:00 UTC. What is stuck and what has resolved is not known."
    )
    nothing = Incident(UUID(int=1), PROJECTION, of_projection(0, START, None, START), START, 1, (), 1)
    assert "waiting" not in sentence(notice(nothing, NotifyReason.FIRST, START + MINUTE))
    source = Incident(UUID(int=2), replay_of("sap"), population(7), START, 7, (), 7)
    assert sentence(notice(source, NotifyReason.FIRST, START + MINUTE)) == (
        "sap sends its past, and has not caught up: 7 orders are not judged before it has, oldest since 16:00 UTC. "
        "Owner: o."
    )
    assert title(PROJECTION, "event") == "Milepost is behind with what it has received"


def test_while_all_is_judged_anew_it_is_behind_since_that_was_seen() -> None:
    first = of_projection(5, None, None, START)
    open_ = Incident(UUID(int=1), PROJECTION, first, START, 1, (), 1)
    assert of_projection(9, None, open_, START + HOUR) == replace(first, count=9)
