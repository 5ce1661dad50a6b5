"""Whatever is written in a definition file: it is refused with faults, or the engine runs it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.definition_files import PACKS as PACKS_FOLDER
from milepost.definition_tests import DefinitionTest, read_with_tests
from slo_rules.arithmetic import arithmetic
from slo_rules.contribution import contributions
from slo_rules.definitions import load
from slo_rules.durations import HOUR
from slo_rules.event import Event, event_key
from slo_rules.expectation import Expectation
from slo_rules.explain import explain, journey
from slo_rules.faults import DefinitionError
from slo_rules.filters import SPAN_TYPE
from slo_rules.hearing import unheard
from slo_rules.judgement import Watermark
from slo_rules.judging import judge
from slo_rules.lint import lint
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.rehearsal import Rehearsal
from slo_rules.workflow import Definitions
from tests.definition_events import events_of
from tests.definition_texts import BASES, FULL, PACKS, accepted, changed, spelled, values_of
from tests.examples import examples
from tests.strategies import START

pytestmark = pytest.mark.slow

TYPES = (
    *("won", "check", "accepted", "a", "b", "noted", "shipped", "paid", "linked", "failed", "cancelled"),
    *("handed", "signed", "lost"),
    *("paused", "resumed", "reopened", SPAN_TYPE, "noise"),
)
SAID = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(["1", 2, "gold", "silver", "US", "APAC", "EMEA", 1e300, "x", None, True, [], {}])
        for name in (
            "order",
            "sales_order",
            "opportunity",
            "account",
            "region",
            "tier",
            "parcels",
            "amount",
            "total",
            "parcel",
        )
    }
    | {"currency": st.sampled_from(["EUR", 5]), "status": st.sampled_from([7, "7", "x"]), "tax_code": st.just("V1")},
)


def make(type_: str, source: str, hours: int, said: dict[str, Any], number: int) -> Event:
    at = START + hours * HOUR
    document = {"specversion": "1.0", "id": str(number), "source": source, "type": type_, "service": source}
    document |= {"name": "pack", "status": "ok", "kind": "server", "data": {"order": "1"} | said}
    return Event(source, type_, at, at, event_key(source, str(number)), document)


EVENTS = st.lists(
    st.builds(
        make,
        st.sampled_from(TYPES),
        st.sampled_from(["crm", "sap", "store"]),
        st.one_of(st.integers(0, 200), st.sampled_from([-400_000, 2_000_000])),
        SAID,
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=10,
)


def loaded(text: str) -> Definitions | None:
    """The definitions, or None where they are refused."""
    try:
        return load({"a.yaml": text})
    except DefinitionError:
        return None


def run(definitions: Definitions, events: list[Event]) -> None:
    """Everything the engine does with events, in the order of their arrival."""
    found: dict[str, Progress] = {}
    mark = Watermark(START, START, Expectation(HOUR))
    marks = {name: unheard(source, START) for name, source in definitions.sources.items()} or {"sap": mark}
    for source in definitions.sources.values():
        for expectation in (source.expects, *source.types.values()):
            assert expectation is None or ((expectation.due(START) or START + 1) > START and expectation.words)
    matcher = Matcher(definitions.workflows.values())
    for event in events:
        for of, match in matcher.matches(event):
            found[of.workflow.name] = fold(found.get(of.workflow.name), match)
    for name, progress in found.items():
        workflow = definitions.workflows[name]
        for now in (START, START + 30 * HOUR, START + 10**6 * HOUR):
            verdict = judge(progress, workflow, marks, now)
            assert explain(progress, workflow, verdict, marks, now)
            assert len(journey(progress, workflow, now)) == len(workflow.milestones)
            arithmetic(progress, workflow, verdict, now)
        contributions(progress, workflow, [one for one in definitions.objectives.values() if one.workflow == name])


@given(changed(), EVENTS)
@settings(max_examples=examples(200))
def test_a_definition_is_refused_with_faults_or_runs(values: list[Any], events: list[Event]) -> None:
    definitions = loaded(spelled(values))
    if definitions is not None:
        run(definitions, events)


def rehearse(definitions: Definitions, events: list[Event]) -> None:
    """Everything that is asked of instances, in time and at the end of it."""
    rehearsal = Rehearsal(Matcher(definitions.workflows.values()), definitions.sources.values(), events)
    for now in (START + 2 * HOUR, START + 100 * HOUR, START + 10**5 * HOUR):
        rehearsal.proceed(now)
        for workflow in definitions.workflows.values():
            objectives = [one for one in definitions.objectives.values() if one.workflow == workflow.name]
            for held in rehearsal.instances(workflow.name):
                assert explain(held.progress, workflow, held.verdict, rehearsal.marks, now)
                assert len(journey(held.progress, workflow, now)) == len(workflow.milestones)
                arithmetic(held.progress, workflow, held.verdict, now)
                contributions(held.progress, workflow, objectives)
                assert held.verdict.next_check_at is None or held.verdict.next_check_at > now


@given(changed(bases=[*PACKS, *BASES]))
@settings(max_examples=examples(100))
def test_a_changed_pack_is_refused_with_faults_or_linted(values: list[Any]) -> None:
    text = spelled(values)
    definitions = loaded(text)
    if definitions is not None:
        lint({"a.yaml": text}, definitions)


@given(accepted([*PACKS, *BASES]), st.data())
@settings(max_examples=examples(40))
def test_what_is_accepted_runs_on_the_events_it_asks_for(found: tuple[str, Definitions], draw: st.DataObject) -> None:
    text, definitions = found
    lint({"a.yaml": text}, definitions)
    rehearse(definitions, draw.draw(events_of(definitions)))


@pytest.fixture(scope="module")
def pack_tests() -> list[DefinitionTest]:
    return read_with_tests([PACKS_FOLDER])[1]


@given(accepted(PACKS), st.data())
@settings(max_examples=examples(30))
def test_a_changed_pack_that_is_accepted_runs_its_tests_events(
    pack_tests: list[DefinitionTest], found: tuple[str, Definitions], draw: st.DataObject
) -> None:
    matcher = Matcher(found[1].workflows.values())
    fitting = [one for one in pack_tests if any(matcher.matches(event) for event in one.events)]
    if fitting:
        events = draw.draw(st.sampled_from(fitting)).events
        rehearse(found[1], sorted(events, key=lambda event: event.received_at))


@given(EVENTS)
@settings(max_examples=examples(100))
def test_what_everything_is_said_in_runs(events: list[Event]) -> None:
    run(load({"a.yaml": FULL}), events)


@given(st.text(max_size=200))
def test_any_text_is_refused_with_faults_or_is_nothing(text: str) -> None:
    assert loaded(text) in (None, Definitions({}, {}, {}, {}, {}, {}))


TAKEN = "takes the calendar away that a named deadline needs: give it a duration as well"


@pytest.mark.parametrize(
    ("within", "paths"),
    [
        ("{breach: end of week, by: {tier: {gold: {calendar: none}}}}", ["tier.gold"]),
        ("{breach: end of week, by: {tier: {gold: {warn: 1h, calendar: none}}}}", ["tier.gold"]),
        ("{breach: end of week, by: {tier: {gold: {breach: 1h, calendar: none}}}}", []),
        ("{warn: same_day, breach: 4d, by: {tier: {gold: {calendar: none}}}}", ["tier.gold"]),
        ("{breach: 4d, by: {tier: {gold: {calendar: none}}, region: {US: end of week}}}", ["tier.gold"]),
        ("{breach: 4d, by: {region: {US: end of week}, tier: {gold: {calendar: none}}}}", ["tier.gold"]),
        ("{breach: 4d, by: {region: {US: {warn: same_day}}, tier: {gold: {calendar: none}}}}", ["tier.gold"]),
        ("{breach: 4d, by: {region: {US: end of week}, tier: {gold: {breach: 1h, calendar: none}}}}", []),
        (
            "{breach: 4d, by: {tier: {gold: {calendar: none}}, region: {US: {breach: end of week, calendar: office}}}}",
            [],
        ),
        ("{breach: 4d, by: {tier: {gold: {calendar: none}, silver: end of week}}}", []),
    ],
)
def test_no_terms_leave_a_named_deadline_without_a_calendar(within: str, paths: list[str]) -> None:
    values = values_of(FULL)
    values[0]["spec"]["milestones"][3]["within"] = values_of(within)[0]
    try:
        run(load({"a.yaml": spelled(values)}), [])
        found = []
    except DefinitionError as error:
        found = [(fault.path, fault.message) for fault in error.faults]
    assert found == [(f"spec.milestones[3].within.by.{path}.calendar", TAKEN) for path in paths]


@pytest.mark.parametrize("nothing", ['""', "0", "false", "{any: false}"])
def test_what_comes_after_is_said_or_left_out(nothing: str) -> None:
    values = values_of(FULL)
    values[0]["spec"]["milestones"][2]["after"] = values_of(nothing)[0] if nothing != '""' else ""
    with pytest.raises(DefinitionError):
        load({"a.yaml": spelled(values)})
