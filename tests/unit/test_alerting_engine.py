"""The engine against a small model: whatever comes in which order, its promises hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerting.address import Address
from alerting.behind import PROJECTION, of_projection
from alerting.facts import Condition, facts_of, holds
from alerting.hours import Hours
from alerting.incident import SAMPLES, Cause, Incident, NotifyReason, Population
from alerting.muting import Inhibition, Silence
from alerting.rehearsed import Rehearsed
from alerting.round import Opened
from alerting.route import Receivers, Route, Step
from alerting.setup import Setup
from alerting.targets import Target
from slo_rules.calendars import CalendarRules, prepared
from slo_rules.calendars import Hours as OpenHours
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from tests.examples import examples

START = 1_774_800_000 * SECOND
"""The morning after Europe set its clocks forward in 2026."""
OFFICE = CalendarRules("office", "Europe/Berlin", ((OpenHours(540, 1020),),) * 5 + ((),) * 2)
TARGETS = [Target(f"t{number}", "webhook", Address(f"http://127.0.0.1/{number}")) for number in range(4)]
BLIND = Cause(None, "blind", None, "sap")
CAUSES = [
    Cause("orders", "stuck", "accepted", "sap"),
    Cause("orders", "failed", reason="failure_event"),
    Cause("accounts", "stuck", "synced", "crm"),
    BLIND,
]


def matching(domain: str | None) -> dict[str, Condition]:
    return {"domain": Condition((domain,))} if domain else {}


receivers = st.lists(st.sampled_from(TARGETS), min_size=1, max_size=2, unique=True).map(tuple)
steps = st.lists(st.tuples(st.sampled_from([10 * MINUTE, HOUR]), receivers), max_size=1).map(
    lambda found: tuple(Step(after, Receivers(to)) for after, to in found)
)


@st.composite
def routes(draw: st.DrawFn) -> tuple[Route, ...]:
    """Some trees, any of which may group or keep hours."""
    return tuple(
        Route(
            f"r{number}",
            matching(draw(st.sampled_from([None, None, "orders", "accounts"]))),
            draw(receivers),
            hours=draw(st.sampled_from([None, Hours(OFFICE), Hours(OFFICE, ("critical",))])),
            group_by=draw(st.sampled_from([(), (), ("domain",)])),
            repeat_every=draw(st.sampled_from([None, 2 * HOUR])),
            escalate=draw(steps),
        )
        for number in range(draw(st.sampled_from([1, 2, 3, 0])))
    )


class Engine(RuleBasedStateMachine):
    """Causes come and go, silences, acts and edits of the files between them; every target's view is kept beside."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.seen: dict[Cause, int] = {}
        self.samples: defaultdict[Cause, tuple[UUID, ...]] = defaultdict(tuple)
        self.numbers = 0
        self.behind: int | None = None
        self.unknown: set[Cause] = set()
        self.engine = Rehearsed(Setup())
        self.knows: defaultdict[tuple[UUID, str], list[str]] = defaultdict(list)
        self.keys: defaultdict[UUID, set[str]] = defaultdict(set)

    @initialize(found=routes(), inhibits=st.booleans())
    def begin(self, found: tuple[Route, ...], inhibits: bool) -> None:
        rule_ = Inhibition("r", {"workflow": Condition(("orders",))}, {"workflow": Condition(("accounts",))})
        self.engine.setup = Setup(found, inhibitions=(rule_,) if inhibits else ())

    @rule(cause=st.sampled_from(CAUSES), count=st.integers(1, 500))
    def holds_up(self, cause: Cause, count: int) -> None:
        self.seen[cause] = count
        fresh = range(self.numbers, self.numbers + min(count, SAMPLES) - len(self.samples[cause]))
        self.numbers += len(fresh)
        self.samples[cause] += tuple(UUID(int=1_000_000 + number) for number in fresh)

    @rule(cause=st.sampled_from(CAUSES))
    def clears(self, cause: Cause) -> None:
        self.seen.pop(cause, None)
        self.samples.pop(cause, None)

    @precondition(lambda self: self.behind is None and any(self.may_part(cause) for cause in CAUSES))
    @rule(data=st.data())
    def parts(self, data: st.DataObject) -> None:
        """Some of what one or two causes hold up another holds up from now on, or nothing does; it is seen at once."""
        parents = data.draw(
            st.lists(
                st.sampled_from([one for one in CAUSES if self.may_part(one)]), min_size=1, max_size=2, unique=True
            )
        )
        into = data.draw(st.sampled_from([*(one for one in CAUSES if one not in parents), None]))
        gone: tuple[UUID, ...] = ()
        for cause in parents:
            samples = self.samples[cause]
            stays = data.draw(st.integers(0, len(samples) - 1))
            self.samples[cause], parted = samples[:stays], samples[stays:]
            self.seen[cause] = max(stays, self.seen[cause] - len(parted)) if stays else 0
            gone += parted[:2]
        if into is not None:
            self.samples[into] = (*gone, *self.samples[into])[:SAMPLES]
            self.seen[into] = self.seen.get(into, 0) + len(gone)
        self.look(SECOND)

    def may_part(self, cause: Cause) -> bool:
        """Whether it holds up several, as its incident knows."""
        return len(self.samples.get(cause, ())) > 1 and self.engine.of(cause) is not None

    @rule(events=st.sampled_from([0, 100_000]), lasts=st.sampled_from([MINUTE, 14 * MINUTE, 16 * MINUTE]))
    def falls_behind(self, events: int, lasts: int) -> None:
        """Milepost has not applied what it has received: nothing is known of what is held up."""
        self.behind = events
        self.look(SECOND)
        self.look(lasts)

    @precondition(lambda self: self.behind is not None)
    @rule()
    def catches_up(self) -> None:
        self.behind = None

    @rule(causes=st.sets(st.sampled_from(CAUSES)))
    def is_not_known(self, causes: set[Cause]) -> None:
        """Of these nothing can be said from now on: something is behind."""
        self.unknown = causes

    @rule(domain=st.sampled_from(["orders", "accounts"]), lasts=st.sampled_from([30 * MINUTE, 2 * DAY]))
    def silence(self, domain: str, lasts: int) -> None:
        id_ = str(len(self.engine.silences))
        self.engine.silences.append(Silence(id_, matching(domain), self.now, self.now + lasts, "jo", "why not"))

    @rule()
    def end_silences(self) -> None:
        self.engine.silences = [replace(one, until=min(one.until, self.now)) for one in self.engine.silences]

    @rule(found=routes())
    def edit(self, found: tuple[Route, ...]) -> None:
        self.engine.setup = replace(self.engine.setup, routes=found)

    @rule()
    def restart(self) -> None:
        """Nothing but what is kept survives; a new process reads it anew."""
        kept = self.engine
        self.engine = Rehearsed(
            kept.setup,
            kept.silences,
            kept.disabled,
            kept.firing,
            kept.resolved,
            kept.told,
            {},
            kept.messages,
            kept._numbers,
        )

    @precondition(lambda self: self.engine.firing)
    @rule(data=st.data(), lasts=st.sampled_from([None, HOUR]))
    def acknowledge(self, data: st.DataObject, lasts: int | None) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.engine.firing)))
        until = None if lasts is None else self.now + lasts
        self.engine.change(id_, acknowledged_by="jo", acknowledged_at=self.now, acknowledged_until=until)

    @precondition(lambda self: self.engine.firing)
    @rule(data=st.data(), act=st.sampled_from(["postpone", "settle"]))
    def put_away(self, data: st.DataObject, act: str) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.engine.firing)))
        said = {"postponed_by": "jo", "postponed_until": self.now + HOUR} if act == "postpone" else {"settled_by": "jo"}
        self.engine.change(id_, **said)

    # It is looked at as often as something happens: what happens between two looks is one.

    @rule(passed=st.sampled_from([SECOND, 2 * SECOND, 20 * SECOND]))
    def look_at_once(self, passed: int) -> None:
        self.look(passed)

    @rule(passed=st.sampled_from([MINUTE, 6 * MINUTE, 20 * MINUTE]))
    def look_soon(self, passed: int) -> None:
        self.look(passed)

    @rule(passed=st.sampled_from([6 * MINUTE, 20 * MINUTE, 3 * HOUR, 11 * HOUR]))
    def look_later(self, passed: int) -> None:
        self.look(passed)

    @rule(cause=st.sampled_from(CAUSES), passed=st.sampled_from([SECOND, 20 * SECOND, 6 * MINUTE]))
    def holds_up_and_look(self, cause: Cause, passed: int) -> None:
        self.holds_up(cause, 9)
        self.look(passed)

    def look(self, passed: int) -> None:
        self.now += passed
        before = len(self.engine.messages)
        engine = self.engine
        unknown = set(self.unknown)
        seen = {cause: self.population(cause, count) for cause, count in self.seen.items() if cause not in unknown}
        if self.behind is not None:
            seen = {PROJECTION: of_projection(self.behind, None, engine.of(PROJECTION), self.now)}
            unknown = {one.cause for one in engine.firing.values() if one.cause.is_of_instances}
        fired = {one.cause: one for one in engine.firing.values() if one.cause in unknown and not one.settled_by}
        held = {one.cause: one for one in engine.firing.values() if one.cause.is_of_instances}
        outcome = engine.look(seen, self.now, unknown)
        for change in outcome.changes:
            if isinstance(change, Opened):
                self.assert_parted_from_what_held_it(change, held)
                assert self.behind is None or not change.incident.cause.is_of_instances, "behind, nothing opens"
        for cause, one in fired.items():
            now = engine.of(cause)
            assert now is not None, "what is not known is not called resolved"
            assert (now.id, now.population) == (one.id, one.population)
        for message in engine.messages[before:]:
            tell = message.tell
            incident = tell.incident
            self.knows[incident.id, tell.target].append(tell.reason.transition)
            self.keys[incident.id].add(incident.cause.dedup_key)
            if tell.reason is not NotifyReason.RESOLVED:
                self.assert_may_be_told(incident, tell.target, tell.reason)

    def population(self, cause: Cause, count: int) -> Population:
        domain = cause.workflow
        domains = (domain,) if domain else ()
        return Population(count, START, owner=domain, domain=domain, domains=domains, samples=self.samples[cause])

    def assert_parted_from_what_held_it(self, opened: Opened, held: Mapping[Cause, Incident]) -> None:
        """What an incident says it has parted from is the greatest of those that held what it holds."""
        cause, samples = opened.incident.cause, set(opened.incident.population.samples)
        former = [one for one in held.values() if one.cause != cause and samples & set(one.population.samples)]
        assert (opened.parted_from is None) == (not former or not cause.is_of_instances)
        if opened.parted_from is not None:
            assert opened.parted_from.population.count == max(one.population.count for one in former)

    def assert_may_be_told(self, incident: Incident, target: str, reason: NotifyReason) -> None:
        """What the model allows: no more than one thing, said in the plainest words."""
        silenced = any(
            one.since <= self.now < one.until and holds(one.match, facts_of(incident)) for one in self.engine.silences
        )
        assert not silenced or incident.cause.verdict in ("silence", "group")
        assert not incident.is_postponed(self.now)
        if incident.cause == PROJECTION and reason is NotifyReason.FIRST:
            assert self.now - incident.opened_at >= 15 * MINUTE, "that it is behind mostly ends by itself"
        if reason in (NotifyReason.FIRST, NotifyReason.ESCALATED, NotifyReason.REPEAT):
            assert not incident.is_acknowledged(self.now)
        named = [route for route in self.engine.setup.routes if target in {one.name for one in route.every_target()}]
        assert named, "nobody is told whom no route names"
        is_open = prepared(OFFICE).is_open(self.now)
        assert is_open or any(route.hours is None or incident.severity in route.hours.always for route in named), (
            "nobody is told outside his hours"
        )
        silent = self.engine.of(BLIND)
        # One that flaps and holds nothing up at this moment mutes nothing.
        if silent and silent.clear_since is None and incident.cause.source == "sap" and incident.cause != BLIND:
            raise AssertionError("a silent source mutes what waits for it")

    @invariant()
    def every_target_hears_firing_first_and_resolved_last_and_each_once(self) -> None:
        for (id_, _), heard in self.knows.items():
            assert heard[0] == "firing"
            assert heard.count("firing") == 1
            assert heard.count("resolved") <= 1
            if id_ in self.engine.firing:
                assert "resolved" not in heard
            else:
                assert heard[-1] == "resolved", "whoever was told that it fires is told that it resolved"

    @invariant()
    def the_keys_of_an_incident_never_change(self) -> None:
        assert all(len(keys) == 1 for keys in self.keys.values())

    @invariant()
    def there_is_one_incident_for_a_cause(self) -> None:
        causes = [one.cause for one in self.engine.firing.values()]
        assert len(set(causes)) == len(causes)

    def teardown(self) -> None:
        """When all is well and has been for a while, nobody is left with an open incident."""
        self.seen.clear()
        self.samples.clear()
        self.unknown.clear()
        self.behind = None
        self.look(SECOND)
        self.look(20 * MINUTE)
        # A group that flaps is held as long again as its members.
        self.look(20 * MINUTE)
        assert not self.engine.firing
        self.every_target_hears_firing_first_and_resolved_last_and_each_once()


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=examples(150), stateful_step_count=40)


def test_after_a_silence_whoever_knew_is_told_again_and_whoever_did_not_is_told_first() -> None:
    cause = CAUSES[0]
    engine = Rehearsed(Setup((Route("r", {}, (TARGETS[0],)),)))
    seen = {cause: Population(5, START, domain="orders")}
    engine.look(seen, START)
    engine.look(seen, START + 15 * SECOND)
    engine.silences.append(Silence("1", matching("orders"), START + MINUTE, START + HOUR, "jo", "x"))
    engine.look(seen, START + 2 * MINUTE)
    engine.setup = Setup((Route("r", {}, (TARGETS[0], TARGETS[1])),))
    engine.look(seen, START + 3 * MINUTE)
    engine.look(seen, START + HOUR)
    found = [(one.tell.target, one.tell.reason.value) for one in engine.messages]
    assert found == [("t0", "first"), ("t0", "unmuted"), ("t1", "first")]


def test_a_flapping_cause_is_told_once_and_resolved_once_it_has_been_clear_for_a_while() -> None:
    engine = Rehearsed(Setup((Route("r", {}, (TARGETS[0],)),)))
    now = START
    for _ in range(20):
        for seen in ({CAUSES[0]: Population(1, START)}, {}):
            engine.look(seen, now)
            now += MINUTE
            engine.look(seen, now)
    engine.look({}, now + 15 * MINUTE)
    told = [one.tell.reason.value for one in engine.messages]
    assert told == ["first", "resolved"] * 3
    assert not engine.firing


def test_a_route_that_groups_tells_of_all_causes_together_and_of_each_that_comes_or_goes() -> None:
    engine = Rehearsed(Setup((Route("r", {}, (TARGETS[0],), group_by=("domain",)),)))
    both = {CAUSES[0]: Population(5, START, domain="orders"), CAUSES[1]: Population(1, START, domain="orders")}
    one = {CAUSES[0]: both[CAUSES[0]]}
    for passed, seen in ((0, one), (MINUTE, one), (10 * MINUTE, both), (20 * MINUTE, one), (21 * MINUTE, {})):
        outcome = engine.look(seen, START + passed)
        assert outcome.untold == (1 if passed == 0 else 0)
    assert [each.tell.reason.value for each in engine.messages] == [
        "first",
        "new_in_group",
        "some_resolved",
        "resolved",
    ]
    assert {each.tell.incident.cause.reason for each in engine.messages} == {"r: domain=orders"}


def test_the_steps_of_an_escalation_count_real_time_over_a_change_of_clocks() -> None:
    # 2026-03-29 01:55 in Berlin; at 02:00 it is 03:00.
    began = 1_774_745_700 * SECOND
    step = Step(30 * MINUTE, Receivers((TARGETS[1],)))
    engine = Rehearsed(Setup((Route("r", {}, (TARGETS[0],), escalate=(step,)),)))
    seen = {CAUSES[0]: Population(5, began)}
    engine.look(seen, began)
    engine.look(seen, began + 15 * SECOND)
    engine.look(seen, began + 30 * MINUTE + 14 * SECOND)
    assert len(engine.messages) == 1
    engine.look(seen, began + 30 * MINUTE + 15 * SECOND)
    assert [(one.tell.target, one.tell.reason.value) for one in engine.messages[1:]] == [("t1", "escalated")]


def test_a_hundred_thousand_that_go_stuck_within_a_minute_for_three_causes_are_told_soon_and_seldom() -> None:
    engine = Rehearsed(Setup((Route("r", {}, (TARGETS[0],)),)))
    each, minute = 100_000 // 3, MINUTE // SECOND
    for second in range(15 * minute):
        held = each * min(second + 1, minute) // minute
        engine.look({cause: Population(held, START) for cause in CAUSES[:3]}, START + second * SECOND)
    assert len(engine.firing) == 3
    assert len(engine.messages) <= 10
    assert engine.messages[0].at - START <= 3 * SECOND
    for incident in engine.firing.values():
        told = [one for one in engine.messages if one.tell.incident.id == incident.id]
        assert told[-1].tell.incident.population.count == each, "the last number that was told is the right one"
        assert told[-1].at - START <= 70 * SECOND


def test_a_slow_growth_is_told_less_and_less_often() -> None:
    engine = Rehearsed(Setup((Route("r", {}, (TARGETS[0],)),)))
    for second in range(0, 3600, 10):
        engine.look({CAUSES[0]: Population(1 + second, START)}, START + second * SECOND)
    at = [(one.at - START) // SECOND for one in engine.messages]
    assert at[:3] == [10, 70, 370]
    assert all(
        one.tell.incident.population.count >= 2 * one.tell.last.count for one in engine.messages if one.tell.last
    )


def test_a_cause_that_parts_leaves_incidents_that_say_so_and_each_is_told_and_resolved_once() -> None:
    engine = Rehearsed(Setup((Route("r", {}, (TARGETS[0],)),)))
    ones = tuple(UUID(int=number) for number in range(100, 105))
    both = {CAUSES[0]: Population(9, START, samples=ones)}
    left, parted = Population(5, START, samples=ones[:3]), Population(4, START, samples=ones[3:])
    engine.look(both, START)
    engine.look(both, START + MINUTE)
    outcome = engine.look({CAUSES[0]: left, CAUSES[1]: parted, CAUSES[2]: Population(2, START)}, START + 2 * MINUTE)
    found = {one.incident.cause: one.parted_from for one in outcome.changes if isinstance(one, Opened)}
    parent = engine.of(CAUSES[0])
    assert parent is not None
    assert {cause: one and one.id for cause, one in found.items()} == {CAUSES[1]: parent.id, CAUSES[2]: None}
    engine.look({CAUSES[1]: parted}, START + 3 * MINUTE)
    engine.look({}, START + 4 * MINUTE)
    told = [(one.tell.incident.cause, one.tell.reason.value) for one in engine.messages]
    assert sorted(told, key=str) == sorted(
        ((c, r) for c in (CAUSES[0], CAUSES[1]) for r in ("first", "resolved")), key=str
    )
