"""The freshness of a source: when something was overdue, from arrivals in any batches, and what cannot be said of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.buckets import BUCKET
from slo_rules.budget import Staleness
from slo_rules.contribution import ITEMS, Contributions, add
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.exclusions import Exclusion
from slo_rules.faults import DefinitionError
from slo_rules.objective import ALL, Objective
from slo_rules.reckoning import Asked, silences_of
from slo_rules.source_freshness import Listener, of_source, pauses_of
from slo_rules.tallying import Tally
from slo_rules.windows import BusinessWindow
from tests.counting import something
from tests.definition_texts import FULL
from tests.reckoning import INSTANTS, KNOWN, overdue
from tests.strategies import START

HEARD = [one for one in KNOWN.objectives.values() if one.source]
PAUSES = st.lists(st.sampled_from([0, 1, MINUTE, 40 * MINUTE, 40 * MINUTE + 1, HOUR, 3 * HOUR, 30 * HOUR]), max_size=9)


def times(pauses: list[int]) -> list[int]:
    return [START + sum(pauses[: place + 1]) for place in range(len(pauses))]


@given(st.sampled_from(HEARD), PAUSES, INSTANTS, st.integers(1, 400))
def test_a_slice_is_stale_while_anything_is_overdue(
    objective: Objective, pauses: list[int], since: int, slices: int
) -> None:
    heard_at = times(pauses)
    since -= since % BUCKET
    asked = Asked(objective, since, since + slices * BUCKET)
    found = Tally(of_source(objective, pauses_of(heard_at, START), START)).reckon(asked)[ITEMS]
    outside = [
        at
        for at in range(max(since, START - START % BUCKET), asked.until, BUCKET)
        if not any(one.within(at, at + BUCKET) for one in objective.exclude)
    ]
    bad = sum(overdue(objective, heard_at, START, at) for at in outside)
    assert (found.good, found.bad) == (len(outside) - bad, bad)


@given(st.sampled_from(HEARD), PAUSES, st.lists(st.booleans(), min_size=9, max_size=9))
def test_batches_add_up_to_the_whole(objective: Objective, pauses: list[int], told: list[bool]) -> None:
    """Whatever is told in between, and whether one begins anew there from what was told."""
    listener, last, total = Listener(objective, START), START, Contributions()
    listener.begin()
    for at, tells in zip(times(pauses), told, strict=False):
        if at - last >= listener.patience:
            # A second time it is heard already.
            listener.hear(last, at)
            listener.hear(at, at)
        last = at
        if tells:
            add(total, listener.take(last), 1)
            listener = Listener(objective, last)
    add(total, listener.take(last), 1)
    assert something(total) == of_source(objective, pauses_of(times(pauses), START), START)


def test_before_the_log_begins_nothing_counts() -> None:
    asked = Asked(HEARD[0], START, START + HOUR)
    assert Tally({}).reckon(asked)[ITEMS].good == Tally({}).reckon(asked)[ITEMS].bad == 0


def test_what_was_excluded_of_a_silence_is_listed_by_itself() -> None:
    begins = START - START % BUCKET
    objective = next(one for one in HEARD if one.name == "sap-heard")
    excluding = Objective(**{
        **{name: getattr(objective, name) for name in objective.__struct_fields__},
        "exclude": (Exclusion("kept up", begins + 3 * HOUR, HOUR),),
    })  # fmt: skip
    total = of_source(excluding, pauses_of([START + 6 * HOUR], START), START)
    staleness = Staleness((at, counts[4]) for (_, group, _, at), counts in sorted(total.items()) if group == ALL)
    found = silences_of(Asked(excluding, begins, begins + 7 * HOUR), staleness, begins)
    ends = begins + 6 * HOUR + (BUCKET if START % BUCKET else 0)
    assert [(one.since - begins, one.until - begins, one.excluded) for one in found] == [
        (2 * HOUR, 3 * HOUR, False),
        (3 * HOUR, 4 * HOUR, True),
        (4 * HOUR, ends - begins, False),
    ]


def test_what_is_expected_stands_in_the_source_or_in_the_objective() -> None:
    found = load({"full.yaml": FULL}).objectives
    heard, often = found["heard"], found["often-heard"]
    assert heard.expects is not None
    assert heard.expects.words == "every business day by 06:00 (Office)"
    assert isinstance(heard.window, BusinessWindow)
    assert (heard.window.length, heard.window.calendar.name) == (40 * HOUR, "office")
    assert often.expects is not None
    assert often.expects.words == "at least every 30m of the time of Office"
    assert (heard.in_slices, heard.unit, heard.kind) == (True, "slices", "freshness")


WRONG = {
    "freshness: {source: erp}, target: 0.9": "there is no source 'erp': it needs",
    "freshness: {source: sup}, target: 0.9": "there is no source 'sup' — did you mean 'sap'?: it needs a document",
    "freshness: {source: crm, type: x.y}, target: 0.9": "the source 'crm' expects nothing of the type 'x.y' by itself",
    "freshness: {source: sap, type: check.fil}, target: 0.9": "did you mean 'check.file'?",
    "freshness: {source: sap, calendar: office}, target: 0.9": "counts the time of 'within'",
    "freshness: {source: sap, within: 1h, calendar: nowhere}, target: 0.9": "there is no calendar 'nowhere'",
    "freshness: {source: sap, from: won}, target: 0.9": "unknown field 'from'",
    "freshness: {source: sap, within: soon}, target: 0.9": "spec.freshness.within",
    "freshness: {source: [sap]}, target: 0.9": "must be text, not a list",
    "freshness: {source: sap}, target: 0.9, missing_data: bad": "silence is what the freshness of a source counts",
    "freshness: {source: sap}, target: 0.9, group_by: [region]": "a source is not told apart by what it sends",
    "freshness: {source: sap}, target: 0.9, by_value: true": "counts slices of time, which are worth nothing",
    "freshness: {from: won, to: paid, within: 1d}, target: 0.9": "the field 'missing_data' is missing",
    "success: {}, target: 0.9": "the field 'missing_data' is missing",
    "freshness: {source: sap}, target: 0.9, window: {last: 40h}": "the field 'calendar' is missing",
    "freshness: {source: sap}, target: 0.9, window: {last: 40h, calendar: nowhere}": "there is no calendar 'nowhere'",
    "freshness: {source: sap}, target: 0.9, window: {last: 1s, calendar: office}": "must be from 5m to",
    "freshness: {source: sap}, target: 0.9, window: {last: 3000d, calendar: office}": "must be from 5m to",
    "freshness: {source: sap}, target: 0.9, window: {last: 40h, calendar: office, zone: UTC}": "unknown field 'zone'",
}


@pytest.mark.parametrize("said", WRONG)
def test_what_cannot_be_said(said: str) -> None:
    document = f"\n---\napiVersion: milepost/v1\nkind: Objective\nmetadata: {{name: wrong}}\nspec: {{workflow: orders, {said}}}\n"
    with pytest.raises(DefinitionError) as error:
        load({"full.yaml": FULL + document})
    assert WRONG[said] in str(error.value)


def test_a_source_that_expects_nothing_needs_a_time() -> None:
    source = "\n---\napiVersion: milepost/v1\nkind: Source\nmetadata: {name: desk}\nspec: {skew: 1m}\n"
    objective = "---\napiVersion: milepost/v1\nkind: Objective\nmetadata: {name: x}\nspec: {workflow: orders, freshness: {source: desk%s}, target: 0.9}\n"
    with pytest.raises(DefinitionError, match="expects nothing"):
        load({"full.yaml": FULL + source + objective % ""})
    assert load({"full.yaml": FULL + source + objective % ", within: 5m"}).objectives["x"].expects is not None
