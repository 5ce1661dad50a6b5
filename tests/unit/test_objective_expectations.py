"""What tests of definitions expect of objectives: counts, budgets, groups, money and alerts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.definition_test_report import in_words
from milepost.definition_tests import read_tests
from milepost.objective_expectations import FIELDS
from slo_rules.definitions import load
from slo_rules.faults import Fault
from tests.definition_texts import VALUES, spelled
from tests.examples import examples
from tests.unit.test_definition_tests import faults_of, outcomes, write

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {region: data.region, tier: data.tier}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 2h, completes: true}
  cancels_on: [{exact: {type: cancelled}}]
  fails_on: [{exact: {type: failed}}]
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sap}
spec: {silent_after: 12h}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: in-time}
spec:
  workflow: orders
  latency: {from: won, to: accepted, within: 1h}
  target: 0.99
  missing_data: alert
  group_by: [region, tier]
  by_value: true
  exclude: [{from: 2026-03-02T12:00, for: 1h, reason: Moving}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec: {workflow: orders, freshness: {from: won, to: accepted, within: 1h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: ends-well}
spec: {workflow: orders, success: {}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: two-an-hour}
spec: {workflow: orders, volume: {milestone: won, per: 1h, at_least: 2}, target: 0.9, missing_data: bad, window: 6h}
"""


def won(order: int, at: str, said: str = "") -> str:
    return f"{{at: {at}, source: crm, type: won, data: {{order: O-{order}{said}}}}}"


def accepted(order: int, at: str) -> str:
    return f"{{at: {at}, source: sap, type: accepted, data: {{order: O-{order}}}}}"


WAIVED = (
    "{at: 61m, source: milepost, type: milepost.waived, "
    "data: {workflow: orders, key: order=O-4, by: jo, reason: known, until: 2026-03-03T08:00:00Z}}"
)
# Four fall due between 1h and 1h3m: one in time, one late, one not at all, one waived. One is cancelled. One falls due
# in the hour that is excluded, one after the last expectation. The clock starts at 2026-03-02 08:00 UTC.
HISTORY = ", ".join(
    [
        won(1, "0m", ", region: EMEA, tier: gold, amount: 10.50, currency: EUR"),
        won(2, "1m", ", region: EMEA, tier: gold, amount: 20, currency: EUR"),
        won(3, "2m", ", region: EMEA, amount: 5, currency: USD"),
        won(4, "3m", ", region: APAC, tier: 7"),
        won(5, "3m", ", region: APAC"),
        accepted(1, "30m"),
        "{at: 40m, source: crm, type: cancelled, data: {order: O-5}}",
        WAIVED,
        accepted(2, "90m"),
        "{at: 2h, source: crm, type: failed, data: {order: O-3}}",
        won(6, "3h30m"),
        won(7, "5h"),
    ]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(DEFINITIONS)
    return tmp_path


def differences(folder: Path, expect: str, events: str = HISTORY) -> list[tuple[str, str, str]]:
    """What differs from an expectation."""
    write(folder, events, f"{{{expect}}}")
    (outcome,) = outcomes(folder)
    return [(one.name, one.expected, one.found) for failure in outcome.failures for one in failure.differences]


@pytest.mark.parametrize(
    "expect",
    [
        # Only whole five minutes are counted: what is due at 1h counts from 1h5m on.
        "at: 64m, objective: in-time, good: 0, bad: 0, ratio: null, budget_left: null, alerts: []",
        "at: 65m, objective: in-time, good: 1, bad: 2, waived: 1, cancelled: 1, excluded: 0, missing: 0, known: true",
        "at: 5h30m, objective: in-time, good: 1, bad: 2, excluded: 1",
        "at: 6h5m, objective: in-time, good: 1, bad: 3",
        "at: 65m, objective: in-time, ratio: 0.33, budget_left: -65.67",
        "at: 65m, objective: in-time, ratio: 0.333333, budget_left: -66",
        "at: 65m, objective: in-time, group: {region: EMEA, tier: gold}, good: 1, bad: 1, ratio: 0.5",
        "at: 65m, objective: in-time, group: {region: EMEA, tier: null}, good: 0, bad: 1",
        "at: 65m, objective: in-time, group: {region: APAC, tier: 7}, bad: 0, waived: 1, ratio: null",
        "at: 65m, objective: in-time, group: {region: nowhere, tier: null}, good: 0, bad: 0, alerts: []",
        "at: 65m, objective: in-time, currency: EUR, good: 10.5, bad: 20, ratio: 0.344",
        "at: 65m, objective: in-time, currency: usd, good: 0, bad: 5.00",
        "at: 65m, objective: in-time, currency: GBP, good: 0, bad: 0, budget_left: null",
        "at: 65m, objective: in-time, group: {region: EMEA, tier: gold}, currency: EUR, bad: 20",
        "at: 65m, objective: in-time, alerts: [page, ticket]",
        "at: 65m, objective: in-time, alerts: [ticket, page, page]",
        # Both times of a page are over, and one of a ticket still looks two hours back.
        "at: 2h30m, objective: in-time, alerts: [ticket]",
        "at: 12h5m, objective: in-time, alerts: []",
        # A hundredth of three: each is told by itself. A quarter of an hour before they are due, three had not come.
        "at: 65m, objective: in-time, overdue: 2, due_soon: 0",
        "at: 50m, objective: in-time, overdue: 0, due_soon: 3",
        "at: 3h, objective: two-an-hour, overdue: 0, due_soon: 0",
        # SAP was last heard at 1h30m.
        "at: 13h25m, objective: in-time, known: true, bad: 3, missing: 0",
        "at: 13h35m, objective: in-time, known: false, bad: 2, missing: 1",
        "at: 1h30m, objective: fresh, good: 0, bad: 6",
        "at: 2h30m, objective: fresh, bad: 18",
        "at: 65m, objective: ends-well, good: 1, bad: 0, cancelled: 1",
        "at: 3h, objective: ends-well, good: 2, bad: 1",
        # Five in the first hour, and in no other whole one two.
        "at: 59m, objective: two-an-hour, good: 0, bad: 0",
        "at: 5h55m, objective: two-an-hour, good: 1, bad: 4",
    ],
)
def test_what_is_so_is_no_difference(folder: Path, expect: str) -> None:
    assert differences(folder, expect) == []


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ("at: 65m, objective: in-time, good: 0, bad: 3", [("good", "0", "1"), ("bad", "3", "2")]),
        ("at: 65m, objective: in-time, ratio: 0.34", [("ratio", "0.34", "0.333333333")]),
        ("at: 65m, objective: in-time, ratio: 0.3334", [("ratio", "0.3334", "0.333333333")]),
        ("at: 65m, objective: in-time, ratio: null", [("ratio", "none", "0.333333333")]),
        ("at: 64m, objective: in-time, budget_left: 1", [("budget_left", "1", "none")]),
        ("at: 65m, objective: in-time, currency: EUR, good: 10.51", [("good", "10.51", "10.5")]),
        ("at: 65m, objective: in-time, alerts: [page]", [("alerts", "page", "page, ticket")]),
        ("at: 65m, objective: in-time, alerts: []", [("alerts", "none", "page, ticket")]),
        ("at: 14h, objective: in-time, known: true", [("known", "true", "false")]),
        ("at: 65m, objective: in-time, group: {region: EMEA, tier: gold}, bad: 2", [("bad", "2", "1")]),
        ("at: 2h30m, objective: fresh, good: 1", [("good", "1", "0")]),
    ],
)
def test_what_is_not_so_is_shown_with_what_is(folder: Path, expect: str, found: list[tuple[str, str, str]]) -> None:
    assert differences(folder, expect) == found


def told(folder: Path, expect: str) -> list[str]:
    write(folder, HISTORY, f"{{{expect}}}")
    return [line.strip() for line in in_words(outcomes(folder)).splitlines()[1:-2]]


def test_a_failure_names_the_instances_behind_the_numbers(folder: Path) -> None:
    assert told(folder, "at: 5h30m, objective: in-time, bad: 0") == [
        "at 5h30m (2026-03-02 13:30 UTC), in-time (line 7):",
        "- bad: 0",
        "+ bad: 2",
        "From 2026-01-31 13:30 UTC until 2026-03-02 13:30 UTC, in items: 1 good, 2 bad, 1 waived, 1 cancelled, 1 excluded.",
        "Bad: order=O-2 (due at 1h1m, came at 1h30m); order=O-3 (due at 1h2m, has not come).",
        "Good: order=O-1 (due at 1h, came at 30m).",
        "Waived: order=O-4 (due at 1h3m, has not come).",
        "Cancelled: order=O-5 (due at 1h3m, has not come).",
        "Excluded: order=O-6 (due at 4h30m, has not come).",
        "Due later: order=O-7 (due at 6h, has not come).",
    ]


def test_a_failure_of_a_group_in_money_names_only_what_is_in_it(folder: Path) -> None:
    assert told(folder, "at: 65m, objective: in-time, group: {region: EMEA, tier: null}, currency: USD, bad: 0")[
        3:
    ] == [
        "From 2026-01-31 09:05 UTC until 2026-03-02 09:05 UTC, in USD: 0 good, 5 bad.",
        "Bad: order=O-3 (due at 1h2m, has not come).",
    ]
    assert told(folder, "at: 65m, objective: in-time, group: {region: EMEA, tier: null}, currency: EUR, bad: 1")[0] == (
        "at 1h5m (2026-03-02 09:05 UTC), in-time region=EMEA tier=none in EUR (line 7):"
    )
    assert told(folder, "at: 65m, objective: in-time, currency: GBP, bad: 1")[-1] == "No instance counts in it."


def test_a_failure_says_which_source_is_silent(folder: Path) -> None:
    said = told(folder, "at: 14h, objective: in-time, known: true")
    assert "Missing: order=O-7 (due at 6h, has not come)." in said
    assert said[-1] == (
        "Nothing has arrived from sap since 1h30m (2026-03-02 09:30 UTC): what falls due from 2026-03-02 09:30 UTC on "
        "does not count, and how the objective stands is not known."
    )


def test_a_failure_says_why_alerts_fire_or_not(folder: Path) -> None:
    assert told(folder, "at: 2h30m, objective: in-time, alerts: [page]")[-4:] == [
        "Page over 1h and 5m does not fire: 0 of 0 were bad in 1h and 0 of 0 were bad in 5m; it takes a burn rate above 14.4 over both, and at least 2 that are bad.",
        "Page over 6h and 30m does not fire: 2 of 3 were bad in 6h and 0 of 0 were bad in 30m; it takes a burn rate above 6 over both, and at least 2 that are bad.",
        "Ticket over 1d and 2h fires: 2 of 3 were bad in 1d and 2 of 3 were bad in 2h; it takes a burn rate above 3 over both, and over the long one it is 66.7.",
        "Ticket over 3d and 6h fires: 2 of 3 were bad in 3d and 2 of 3 were bad in 6h; it takes a burn rate above 1 over both, and over the long one it is 22.2.",
    ]
    said = told(folder, "at: 2h, objective: fresh, alerts: []")
    assert (
        "Page over 1h and 5m can never fire: it takes a burn rate above 14.4 over both, and when all is bad it is 10."
        in said
    )
    said = told(folder, "at: 5h55m, objective: two-an-hour, alerts: [page]")
    assert [line[:19] for line in said if line.startswith(("Page", "Ticket"))] == ["Page over 1h and 5m"]


def test_a_failure_says_why_something_is_told_by_itself(folder: Path) -> None:
    (said,) = [line for line in told(folder, "at: 65m, objective: in-time, overdue: 1") if "budget" in line]
    assert said == "Its budget is 0.9, less than one: each is told by itself, once it is due within 15m."
    told_of_slices = told(folder, "at: 5h55m, objective: two-an-hour, overdue: 1")
    assert "Its budget is one or more, or nothing has counted: nothing is told by itself." in told_of_slices


def test_many_instances_are_not_all_listed(folder: Path) -> None:
    write(folder, ", ".join(won(number, "0m") for number in range(9)), "{at: 2h, objective: in-time, bad: 0}")
    assert "order=O-4 (due at 1h, has not come); and 4 more." in in_words(outcomes(folder))


def test_every_fault_is_named_at_once(folder: Path) -> None:
    found = faults_of(
        folder,
        HISTORY,
        "{at: soon, objective: in-tme, good: 1}, {at: 1h, objective: in-time}, "
        "{at: 1h, objective: in-time, instance: {workflow: orders}, good: -1, bad: 1.5, waived: null, cancelled: true}, "
        "{at: 1h, objective: in-time, group: {region: [EMEA], teir: gold}, ratio: much, budget_left: true}, "
        "{at: 1h, objective: fresh, group: {region: EMEA}, currency: EUR, bad: 1}, "
        "{at: 1h, objective: in-time, currency: EUR, bad: -1, good: null, excluded: 1e999, alerts: [page]}, "
        "{at: 1h, objective: in-time, group: null, currency: null, alerts: [pgae, 1], known: 1}, "
        "{objective: in-time, good: 1}, {at: 1h, objective: null, alerts: page}, {at: 1h, objective: [1], bad: 1}",
    )
    expected = [
        "spec.expect[0].at: 'soon' is not an instant: write an offset such as 20m, or 2026-11-21T09:14:00Z",
        "spec.expect[0].objective: there is no objective 'in-tme' — did you mean 'in-time'?",
        f"spec.expect[1]: expects nothing: say one of {', '.join(FIELDS)}",
        "spec.expect[2].instance: unknown field 'instance'",
        *(
            f"spec.expect[2].{name}: must be a whole number from 0 on"
            for name in ("good", "bad", "waived", "cancelled")
        ),
        "spec.expect[3].group.region: must be text, a number, true, false or null",
        "spec.expect[3].group.teir: unknown field 'teir' — did you mean 'tier'?",
        "spec.expect[3].group: the field 'tier' is missing; null is where there is none",
        "spec.expect[3].ratio: must be a number such as 99.50",
        "spec.expect[3].budget_left: must be text, not true/false",
        "spec.expect[4].group: fresh is not told apart by anything",
        "spec.expect[4].currency: fresh does not count by value",
        "spec.expect[5].alerts: is told of the number of items: leave out 'currency'",
        "spec.expect[5].bad: must not be negative",
        "spec.expect[5].good: must be text, not nothing",
        "spec.expect[5].excluded: must be a number such as 99.50",
        "spec.expect[6].group: must be a mapping, not nothing",
        "spec.expect[6].currency: must be text, not nothing",
        "spec.expect[6].alerts[0]: there is no severity 'pgae' — did you mean 'page'?",
        "spec.expect[6].alerts[1]: there is no severity '1'",
        "spec.expect[6].known: must be true or false, not a number",
        "spec.expect[7]: the field 'at' is missing",
        "spec.expect[8]: the field 'objective' is missing",
        "spec.expect[8].alerts: must be a list, not text",
        "spec.expect[9].objective: must be text, not a list",
    ]
    assert [one for one in expected if one not in found] == []
    assert [one for one in found if one not in expected] == []


KNOWN = load({"orders.yaml": DEFINITIONS})


@settings(max_examples=examples(300))
@given(
    st.dictionaries(
        st.sampled_from(["at", "objective", "group", "currency", *FIELDS, "more"]),
        st.one_of(
            VALUES,
            st.sampled_from(["1h", "in-time", {"region": "EMEA", "tier": None}, ["page"], "1e999999999", 10**400]),
        ),
    )
)
def test_anything_may_be_expected_and_nothing_crashes(entry: dict[str, object]) -> None:
    value = {
        "apiVersion": "milepost/v1",
        "kind": "Test",
        "metadata": {"name": "one"},
        "spec": {"now": "2026-03-02T08:00:00Z", "events": [], "expect": [{"objective": "in-time"} | entry]},
    }
    for definitions in (KNOWN, None):
        faults: list[Fault] = []
        (test,) = read_tests({"a.test.yaml": spelled([value])}, definitions, faults) or (None,)
        assert faults or (test is not None and len(test.expectations) == 1)
