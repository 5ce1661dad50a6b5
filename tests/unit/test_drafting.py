"""A draft is a valid definition, whatever the log; and what it says is what the log says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.deadlines import Length
from slo_rules.definitions import load
from slo_rules.discovery import Discovery, activity_of
from slo_rules.drafting import DraftOptions, NothingToDraft, draft
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.filters import holds
from slo_rules.naming import LONGEST_NAME, key_rules, new_name
from slo_rules.path_survey import Survey
from slo_rules.reading import NAME
from slo_rules.workflow import KeyRule, Milestone, Workflow
from tests.examples import examples
from tests.strategies import START, events, make_event

ODD = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["true", "null", "~", "a: b", "x # y", "- z", "12", "1e3", '"', "'", "\n", "\ud800", "\x00", "😀", "$a"]
    ),
)


def draft_text(seen: list[Event], keys: tuple[KeyRule, ...], **options: float) -> str:
    discovery, survey = Discovery(keys), Survey()
    for event in seen:
        if discovery.observe(event):
            survey.observe(event)
    return draft(discovery, discovery.graph(), survey, DraftOptions(**options))


def breach_of(milestone: Milestone) -> Length | None:
    return milestone.deadline.breach if milestone.deadline else None


def workflow_of(text: str) -> Workflow:
    (workflow,) = load({"draft.yaml": text}).workflows.values()
    return workflow


@given(events(40), st.floats(0, 1), st.integers(1, 100))
def test_a_draft_passes_the_check(seen: list[Event], coverage: float, percent: int) -> None:
    try:
        text = draft_text(seen, key_rules(["data.opportunity", "data.order"]), coverage=coverage, percentile=percent)
    except NothingToDraft:
        assert not any(Discovery(key_rules(["data.opportunity", "data.order"])).observe(event) for event in seen)
    else:
        assert workflow_of(text).milestones


@st.composite
def odd_events(draw: st.DrawFn) -> list[Event]:
    """Events whose sources, types, names and values are anything that a text can be."""
    words = st.sampled_from(draw(st.lists(ODD, min_size=1, max_size=4)))
    scalars = st.one_of(words, st.integers(), st.floats(allow_nan=False), st.booleans(), st.none())
    seen = []
    for number in range(draw(st.integers(1, 12))):
        source, type_ = draw(words), draw(st.one_of(words, st.just("otel.span")))
        data = {"id": draw(st.sampled_from(["1", "2"]))} | draw(st.dictionaries(words, scalars, max_size=3))
        document = {"id": f"e{number}", "source": source, "type": type_, "name": draw(words), "data": data}
        at = START + draw(st.integers(0, 40)) * 90 * DAY
        seen.append(Event(source, type_, at, at, event_key("s", str(number)), document))
    return seen


@given(odd_events())
@settings(max_examples=examples(300))
def test_odd_texts_make_no_invalid_draft(seen: list[Event]) -> None:
    try:
        text = draft_text(seen, key_rules(["data.id"]))
    except NothingToDraft:
        return
    workflow = workflow_of(text)
    for event in seen:
        if any(
            holds(milestone.condition, event.document | {"service": event.source}) for milestone in workflow.milestones
        ):
            continue
        assert "\x00" in "".join(activity_of(event)) or "\ud800" in "".join(activity_of(event)) or _blank(event)


def _blank(event: Event) -> bool:
    names = [event.source, event.type, *([event.document["name"]] if event.type == "otel.span" else [])]
    return not all(name.strip() for name in names)


def order(number: int, *steps: tuple[str, int], **data: Any) -> list[Event]:
    return [
        make_event(type_, at, number * 100 + place, "crm", {"order_id": f"SO-{number}"} | data)
        for place, (type_, at) in enumerate(steps)
    ]


def many(count: int, *steps: tuple[str, int], first: int = 0, **data: Any) -> list[Event]:
    return [event for number in range(first, first + count) for event in order(number, *steps, **data)]


KEYS = key_rules(["data.order_id"])


def test_milestones_stand_in_the_order_of_the_path_with_their_deadlines() -> None:
    seen = many(20, ("paid", 5 * HOUR), ("won", 0), ("accepted", 50 * MINUTE))
    workflow = workflow_of(draft_text(seen, KEYS))
    assert [(one.name, one.after, breach_of(one)) for one in workflow.milestones] == [
        ("won", (), None),
        ("accepted", ("won",), HOUR),
        ("paid", ("accepted",), 6 * HOUR),
    ]
    assert workflow.starting == ("won",)
    assert workflow.completing == ("paid",)
    assert (workflow.name, workflow.entity, workflow.owner) == ("order", "order", "CHANGE-ME")


def test_a_deadline_covers_the_share_that_was_asked_for() -> None:
    seen = many(90, ("won", 0), ("paid", HOUR)) + many(10, ("won", 0), ("paid", 8 * HOUR), first=90)
    breaches = {}
    for percent in (50, 90, 95):
        breaches[percent] = breach_of(workflow_of(draft_text(seen, KEYS, percentile=percent)).milestones[-1])
    assert breaches == {50: HOUR, 90: HOUR, 95: 8 * HOUR}


def test_what_is_rare_is_left_out_and_named() -> None:
    seen = many(98, ("won", 0), ("paid", HOUR)) + many(2, ("won", 0), ("disputed", MINUTE), ("paid", HOUR), first=98)
    text = draft_text(seen, KEYS)
    assert [one.name for one in workflow_of(text).milestones] == ["won", "paid"]
    assert "  #   - {exact: {source: crm, type: disputed}}   # in 2 of 100 cases (2%)" in text
    assert len(workflow_of(draft_text(seen, KEYS, coverage=0.01)).milestones) == 3


def test_a_step_that_few_take_is_waited_for_by_nobody_and_holds_nobody_up() -> None:
    plain, checked = (("won", 0), ("paid", HOUR)), (("won", 0), ("checked", MINUTE), ("paid", HOUR))
    workflow = workflow_of(draft_text(many(70, *plain) + many(30, *checked, first=70), KEYS))
    by_name = workflow.by_name
    assert (by_name["checked"].after, by_name["checked"].optional) == (("won",), True)
    assert (by_name["paid"].after, by_name["paid"].optional, breach_of(by_name["paid"])) == (("won",), False, HOUR)


def test_the_end_is_waited_for_though_many_are_still_under_way() -> None:
    workflow = workflow_of(draft_text(many(60, ("won", 0), ("paid", HOUR)) + many(40, ("won", 0), first=60), KEYS))
    paid = workflow.by_name["paid"]
    assert (paid.completes, paid.optional, paid.deadline) == (True, False, None)


def test_two_beginnings_are_two_starts() -> None:
    seen = many(50, ("won", 0), ("paid", HOUR)) + many(50, ("renewed", 0), ("paid", HOUR), first=50)
    workflow = workflow_of(draft_text(seen, KEYS))
    assert set(workflow.starting) == {"won", "renewed"}


def test_a_step_that_often_comes_too_early_may() -> None:
    early = many(5, ("won", 0), ("paid", HOUR), ("shipped", 2 * HOUR), first=200)
    usual = many(195, ("won", 0), ("shipped", HOUR), ("paid", 2 * HOUR))
    text = draft_text([*usual, *early], KEYS)
    assert "any_order: true   # before it in 5 of 200 cases (2%)" in text
    assert [one.any_order for one in workflow_of(text).milestones] == [False, False, True]
    assert not workflow_of(draft_text([*usual, *early[:3]], KEYS)).by_name["paid"].any_order


def test_where_many_cases_have_no_start_orphans_are_tolerated() -> None:
    whole = many(195, ("won", 0), ("paid", HOUR))
    cut_off = many(5, ("paid", HOUR), first=200)
    text = draft_text([*whole, *cut_off], KEYS)
    assert "  orphans: tolerate   # no start in 5 of 200 cases (2%)" in text
    assert workflow_of(text).orphan_after is None
    assert workflow_of(draft_text([*whole, *cut_off[:1]], KEYS)).orphan_after == HOUR


def test_attributes_and_worth_are_found() -> None:
    seen = [
        event
        for number in range(40)
        for event in order(
            number,
            ("won", 0),
            ("paid", HOUR),
            region="EMEA" if number % 2 else "APAC",
            note=f"free text {number}",
            amount=100.5 + number,
            currency="EUR",
            constant="x",
            at=f"2026-11-{number % 3 + 1:02}",
        )
    ]
    text = draft_text(seen, KEYS)
    workflow = workflow_of(text)
    assert workflow.attributes == {"region": ("data.region",)}
    assert (workflow.amount, workflow.currency) == (("data.amount",), ("data.currency",))
    assert "region: data.region   # 2 values: APAC 50%, EMEA 50%" in text


def test_nothing_is_drafted_of_nothing() -> None:
    with pytest.raises(NothingToDraft):
        draft_text([], KEYS)


@given(st.lists(ODD | st.text(min_size=60, max_size=200)))
def test_names_are_names_and_differ(texts: list[str]) -> None:
    taken: set[str] = set()
    names = [new_name(text, taken, "step") for text in texts]
    assert len(set(names)) == len(names)
    assert all(NAME.fullmatch(name) and len(name) <= LONGEST_NAME + 4 for name in names)


def test_of_a_long_type_the_last_words_are_its_name() -> None:
    long = "com.example.enterprise.messaging.sap.s4.beh.salesorder.v1.SalesOrder.Created.v1"
    assert new_name(long, set(), "step") == "sap_s4_beh_salesorder_v1_sales_order_created_v1"
