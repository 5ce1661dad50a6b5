"""Maintenance windows as exclusions of objectives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.definitions import load
from slo_rules.faults import DefinitionError
from tests.examples import examples
from tests.unit.test_alerting_behind import DEFINITIONS

NAMES = ("in-time", "fresh", "well", "enough", "crm-heard")
TIMES = 'from: "2026-01-04T02:00", for: 4h, zone: Europe/Berlin, repeat: FREQ=WEEKLY;BYDAY=SU, reason: SAP is patched'


def window(match: str, times: str = TIMES, *, excludes: str = "true", name: str = "w") -> str:
    return f"""
---
apiVersion: milepost/v1
kind: Maintenance
metadata: {{name: {name}}}
spec: {{match: {match}, {times}, exclude_from_objectives: {excludes}}}
"""


def excluded_by(text: str) -> dict[str, list[str]]:
    """By objective, the words of what is excluded of it."""
    found = load({"a.yaml": DEFINITIONS + text}).objectives
    return {name: [each.words for each in one.exclude] for name, one in found.items() if one.exclude}


@pytest.mark.parametrize(
    ("match", "names"),
    [
        ("{}", NAMES),
        ("{workflow: orders}", NAMES),
        ("{workflow: refunds}", ()),
        ("{domain: d, owner: {not: x}}", NAMES),
        ("{source: sap}", ("in-time", "fresh", "well")),
        ("{source: crm}", ("well", "crm-heard")),
        ("{source: desk}", ("well", "enough")),
        ("{waiting_for: accepted}", ("in-time", "fresh")),
        ("{waiting_for: checked}", ("enough",)),
        ("{reason: [fresh, well]}", ("fresh", "well")),
    ],
)
def test_a_window_excludes_its_time_from_the_objectives_it_matches(match: str, names: tuple[str, ...]) -> None:
    words = "SAP is patched, from 2026-01-04 02:00 Europe/Berlin for 4h, FREQ=WEEKLY;BYDAY=SU"
    assert excluded_by(window(match)) == {name: [words] for name in names}


def test_a_window_excludes_nothing_unless_it_says_so_and_nothing_twice() -> None:
    assert excluded_by(window("{}", excludes="false")) == {}
    assert excluded_by(window("{}").replace(", exclude_from_objectives: true", "")) == {}
    twice = excluded_by(window("{}") + window("{workflow: orders}", name="v"))
    assert {len(found) for found in twice.values()} == {1}


def test_all_that_a_window_cannot_say_of_objectives_is_named_with_its_place() -> None:
    match = "{severity: critical, verdict: stuck, attributes: {region: EMEA}, source: sap}"
    times = 'from: "2026-01-04T02:01", for: 7m, reason: x'
    with pytest.raises(DefinitionError) as raised:
        load({"a.yaml": DEFINITIONS + window(match, times)})
    assert {fault.path for fault in raised.value.faults} == {
        "spec.match.severity",
        "spec.match.verdict",
        "spec.match.attributes.region",
        "spec.from",
        "spec.for",
    }
    # It mutes all of that without excluding it.
    load({"a.yaml": DEFINITIONS + window(match, times, excludes="false")})
    with pytest.raises(DefinitionError, match="reason"):
        load({"a.yaml": DEFINITIONS + window("{}", TIMES.replace(", reason: SAP is patched", ""))})
    with pytest.raises(DefinitionError, match="lasts longer than 14d"):
        load({"a.yaml": DEFINITIONS + window("{}", TIMES.replace("for: 4h", "for: 15d"))})


_times = st.builds(
    lambda day, hour, fives, repeat: (
        f'from: "2026-03-{day:02}T{hour:02}:00", for: {fives * 5}m, zone: Europe/Berlin, reason: x{repeat}'
    ),
    st.integers(1, 31),
    st.integers(0, 23),
    st.integers(1, 500),
    st.sampled_from(["", ", repeat: FREQ=DAILY", ", repeat: FREQ=WEEKLY;BYDAY=MO;COUNT=3"]),
)


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(st.sampled_from(NAMES), _times), max_size=4, unique=True))
def test_a_window_is_the_same_as_an_exclusion_of_the_objective(said: list[tuple[str, str]]) -> None:
    """So that whatever holds of exclusions, of buckets, rebuilds and what is asked backwards, holds of windows."""
    windows = "".join(
        window(f"{{reason: {name}}}", times, name=f"w{number}") for number, (name, times) in enumerate(said)
    )
    inline = DEFINITIONS
    for name in NAMES:
        entries = ", ".join(f"{{{times}}}" for of, times in said if of == name)
        head = f"metadata: {{name: {name}}}\nspec: {{workflow: orders, "
        assert head in inline
        inline = inline.replace(head, f"{head}exclude: [{entries}], " if entries else head)
    found, meant = (load({"a.yaml": text}) for text in (DEFINITIONS + windows, inline))
    assert found.objectives == meant.objectives
