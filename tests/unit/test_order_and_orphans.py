"""Milestones in an order that cannot be, and instances whose start never came."""

from __future__ import annotations

import pytest

from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.expectation import Expectation
from slo_rules.judgement import Reason, Verdict, VerdictKind, Watermark
from slo_rules.workflow import Workflow
from tests.strategies import START
from tests.unit.test_judgement import Step, asked, told

K, R = VerdictKind, Reason


def workflow(milestones: str, spec: str = "", sources: str = "") -> Workflow:
    text = f"""
apiVersion: milepost/v1
kind: Workflow
metadata: {{name: orders, domain: orders, owner: operations}}
spec:
  entity: order
  keys: {{order: data.order}}
  attributes: {{parcels: data.parcels}}
  milestones:
{milestones}
  observes: [{{exact: {{type: linked}}}}]
  fails_on: [{{exact: {{type: failed}}}}]
  cancels_on: [{{exact: {{type: cancelled}}}}]
  {spec}
---
{sources}
"""
    return load({"orders.yaml": text}).workflows["orders"]


def chain(*, third: str = "", second: str = "", spec: str = "", sources: str = "") -> Workflow:
    return workflow(
        f"""
    - {{name: won, on: {{exact: {{source: crm, type: won}}}}}}
    - {{name: accepted, on: {{exact: {{source: sap, type: accepted}}}}, within: 1d, {second}}}
    - {{name: shipped, on: {{exact: {{source: wms, type: shipped}}}}, within: 3d, owner: logistics, {third}}}
    - {{name: billed, on: {{exact: {{source: stripe, type: billed}}}}, completes: true}}
""",
        spec,
        sources,
    )


CHAIN = chain()
WON, ACCEPTED, SHIPPED = ("won", 0), ("accepted", HOUR), ("shipped", 2 * HOUR)


def judged(*steps: Step, of: Workflow = CHAIN, now: int = 9 * DAY, **marks: Watermark) -> Verdict:
    verdict = asked(now, *steps, workflow=of, marks=marks)
    assert asked(now, *reversed(steps), workflow=of, marks=marks) == verdict
    return verdict


def is_contradiction(*steps: Step, of: Workflow = CHAIN) -> bool:
    return judged(*steps, of=of).reason is R.IMPOSSIBLE_ORDER


# Impossible order


def test_a_milestone_before_what_it_can_only_come_after_is_inconsistent() -> None:
    verdict = judged(WON, ("accepted", 5 * HOUR), ("shipped", 2 * HOUR))
    assert verdict == Verdict(
        K.INCONSISTENT,
        R.IMPOSSIBLE_ORDER,
        START + 5 * HOUR,
        "shipped",
        "wms",
        "logistics",
        faults=(
            (
                "Shipped at 2026-09-21 16:13:20 UTC came 3h before Accepted at 2026-09-21 19:13:20 UTC; "
                "the clocks of sap and wms may differ by 10m"
            ),
        ),
    )


def test_clocks_may_differ_by_what_both_sources_are_allowed() -> None:
    source = "apiVersion: milepost/v1\nkind: Source\nmetadata: {name: sap}\nspec: {skew: 1h}"
    wider = chain(sources=source)
    assert wider.skews == {"sap": HOUR}
    for late, of in ((10 * MINUTE, CHAIN), (65 * MINUTE, wider)):
        at = 2 * HOUR + late
        assert not is_contradiction(WON, ("accepted", at), SHIPPED, of=of)
        assert is_contradiction(WON, ("accepted", at + 1), SHIPPED, of=of)


def test_one_source_is_allowed_its_skew_once_and_one_that_is_not_known_the_usual() -> None:
    one = workflow(
        "    - {name: a, on: {exact: {source: x, type: a}}}\n    - {name: b, on: {exact: {source: x, type: b}}}"
    )
    assert one.tolerance(one.by_name["b"], "a") == 5 * MINUTE
    two = workflow("    - {name: a, on: {exact: {type: a}}}\n    - {name: b, on: {exact: {type: b}}}")
    assert two.tolerance(two.by_name["b"], "a") == 10 * MINUTE


def test_a_milestone_sent_again_in_order_is_in_order() -> None:
    assert is_contradiction(("won", 5 * HOUR), ACCEPTED)
    # The start was sent again late: the first time counts.
    assert not is_contradiction(WON, ACCEPTED, ("won", 5 * HOUR))
    # It was accepted again after all: the last time counts.
    assert not is_contradiction(("won", 5 * HOUR), ACCEPTED, ("accepted", 6 * HOUR))
    assert is_contradiction(("won", 5 * HOUR), ACCEPTED, ("accepted", 2 * HOUR), ("won", 9 * HOUR))


def test_what_was_lost_on_the_way_hides_nothing() -> None:
    assert is_contradiction(("won", 5 * HOUR), SHIPPED)
    assert not is_contradiction(WON, SHIPPED)


def test_the_nearest_milestone_is_what_counts() -> None:
    verdict = judged(("won", 9 * HOUR), ("accepted", 5 * HOUR), ("shipped", 2 * HOUR))
    assert [fault.partition(" at ")[0] for fault in verdict.faults] == ["Accepted", "Shipped"]
    assert verdict.waiting_for == "accepted"


def test_any_order_says_that_it_may_come_early() -> None:
    of = chain(third="any_order: true")
    assert not is_contradiction(WON, ("accepted", 5 * HOUR), SHIPPED, of=of)
    assert is_contradiction(("won", 5 * HOUR), ACCEPTED, of=of)
    # What comes after it may then come before what it comes after.
    assert not is_contradiction(WON, ("accepted", 9 * HOUR), ("shipped", 1), ("billed", 2 * HOUR), of=of)
    assert not is_contradiction(WON, ("accepted", 9 * HOUR), ("billed", 2 * HOUR), of=of)


def test_nothing_need_come_before_where_an_instance_starts() -> None:
    of = chain(second="starts: true, after: won")
    assert not is_contradiction(("won", 5 * HOUR), ACCEPTED, of=of)
    assert not is_contradiction(("won", 5 * HOUR), SHIPPED, of=of)


def test_completed_in_an_impossible_order_is_no_success() -> None:
    assert judged(WON, ("accepted", 5 * HOUR), ("shipped", 2 * HOUR), ("billed", 6 * HOUR)).kind is K.INCONSISTENT
    assert judged(WON, ("accepted", 5 * HOUR), ("cancelled", 5 * HOUR), SHIPPED).kind is K.CANCELLED


BRANCHES = """
    - {name: won, on: {exact: {type: won}}}
    - {name: picked, after: won, choice: way, on: {exact: {type: picked}}}
    - {name: mailed, after: won, choice: way, on: {exact: {type: mailed}}}
    - {name: checked, after: won, on: {exact: {type: checked}}}
    - {name: cleared, after: won, on: {exact: {type: cleared}}}
    - {name: handed, after: {any: [picked, mailed]}, on: {exact: {type: handed}}}
    - {name: noted, after: {any: [checked, cleared]}, on: {exact: {type: noted}}}
    - {name: closed, after: [checked, cleared], on: {exact: {type: closed}}, completes: true}
"""
FORKED = workflow(BRANCHES)


@pytest.mark.parametrize(
    ("expected", "steps"),
    [
        (False, [WON, ("cleared", 3 * HOUR), ("checked", HOUR)]),
        (False, [WON, ("checked", HOUR), ("cleared", 3 * HOUR), ("closed", 4 * HOUR)]),
        (True, [WON, ("checked", HOUR), ("cleared", 3 * HOUR), ("closed", 2 * HOUR)]),
        # One of them is enough: only both too late contradicts it, or the one where the other was given up.
        (False, [WON, ("checked", HOUR), ("cleared", 3 * HOUR), ("noted", 2 * HOUR)]),
        (False, [WON, ("cleared", 3 * HOUR), ("noted", 2 * HOUR)]),
        (True, [WON, ("checked", 4 * HOUR), ("cleared", 3 * HOUR), ("noted", 2 * HOUR)]),
        (True, [WON, ("picked", 3 * HOUR), ("handed", 2 * HOUR)]),
        (False, [WON, ("picked", 3 * HOUR), ("mailed", HOUR), ("handed", 2 * HOUR)]),
    ],
)
def test_branches_joins_and_choices(expected: bool, steps: list[Step]) -> None:
    assert is_contradiction(*steps, of=FORKED) is expected


def test_the_earliest_of_several_is_told() -> None:
    (fault,) = judged(WON, ("checked", 4 * HOUR), ("cleared", 3 * HOUR), ("noted", 2 * HOUR), of=FORKED).faults
    assert "came 1h before Cleared" in fault
    assert fault.endswith("their clocks may differ by 10m")


def test_what_occurs_several_times_may_overlap() -> None:
    of = chain(second="count: 3")
    packed: list[Step] = [("accepted", HOUR), ("accepted", 2 * HOUR), ("accepted", 5 * HOUR)]
    assert not is_contradiction(WON, *packed, ("shipped", 3 * HOUR), of=of)
    assert is_contradiction(WON, *packed, ("shipped", MINUTE), of=of)


def test_only_the_last_run_counts() -> None:
    of = chain(spec="restarts_on: [{exact: {type: reopened}}]")
    assert not is_contradiction(WON, ("shipped", 1), ("reopened", HOUR), ("accepted", 2 * HOUR), of=of)
    assert is_contradiction(WON, ("reopened", HOUR), ("accepted", 5 * HOUR), ("shipped", 2 * HOUR), of=of)
    # The new run began when it was reopened, though its start was said again later.
    assert not is_contradiction(WON, ("reopened", HOUR), ("accepted", 2 * HOUR), ("won", 5 * HOUR), of=of)


def test_at_most_some_contradictions_are_told() -> None:
    names = [f"m{number}" for number in range(9)]
    of = workflow("\n".join(f"    - {{name: {name}, on: {{exact: {{type: {name}}}}}}}" for name in names))
    faults = judged(*[(name, (9 - number) * HOUR) for number, name in enumerate(names)], of=of).faults
    assert len(faults) == 6
    assert faults[-1] == "and 3 more"


# Orphans


def test_the_start_has_its_time_to_come() -> None:
    young = judged(("accepted", HOUR), now=2 * HOUR - 1)
    assert young == Verdict(
        K.ON_TRACK,
        R.AWAITING_START,
        START + HOUR,
        "won",
        "crm",
        "operations",
        None,
        START + 2 * HOUR,
        START + 2 * HOUR,
    )
    assert told(judged(("accepted", HOUR), now=2 * HOUR)) == (K.INCONSISTENT, R.ORPHAN, 2 * HOUR, None)
    assert told(judged(("billed", HOUR), now=HOUR)) == (K.ON_TRACK, R.AWAITING_START, HOUR, 2 * HOUR)
    assert told(judged(("billed", HOUR), now=2 * HOUR)) == (K.INCONSISTENT, R.ORPHAN, 2 * HOUR, None)


def test_an_orphan_is_adopted_when_its_start_comes() -> None:
    assert judged(("accepted", HOUR), WON, now=2 * HOUR).reason is R.WAITING
    assert judged(("accepted", HOUR), WON, now=2 * HOUR).waiting_for == "shipped"
    assert judged(("billed", HOUR), WON).kind is K.COMPLETED


def test_a_young_orphan_that_is_late_elsewhere_is_late() -> None:
    of = chain(spec="orphans: {after: 30d}")
    assert told(judged(("accepted", HOUR), of=of)) == (K.STUCK, R.OVERDUE, 3 * DAY + HOUR, 30 * DAY + HOUR)
    assert judged(("accepted", HOUR), of=of, now=40 * DAY).reason is R.ORPHAN


def test_tolerated_orphans_are_as_good_as_any() -> None:
    of = chain(spec="orphans: tolerate")
    assert judged(("billed", HOUR), of=of).kind is K.COMPLETED
    assert judged(("accepted", HOUR), of=of, now=2 * HOUR).waiting_for == "shipped"


def test_what_has_no_milestone_is_no_orphan() -> None:
    assert judged(("linked", HOUR)).reason is R.NOT_STARTED
    assert judged(("linked", HOUR), ("failed", 2 * HOUR)).kind is K.FAILED
    assert judged(("accepted", HOUR), ("cancelled", 2 * HOUR)).kind is K.CANCELLED


def test_one_of_several_starts_is_enough() -> None:
    assert judged(ACCEPTED, of=chain(second="starts: true, after: won"), now=2 * HOUR).waiting_for == "shipped"


def test_an_event_that_begins_anew_stands_for_the_start() -> None:
    of = chain(spec="restarts_on: [{exact: {type: reopened}}]")
    assert judged(("accepted", HOUR), ("reopened", 2 * HOUR), ("accepted", 3 * HOUR), of=of).reason is R.OVERDUE


def test_whether_it_started_cannot_be_told_while_the_source_of_the_start_cannot_be_seen() -> None:
    silent = Watermark(START, START, Expectation(2 * HOUR))
    blind = judged(("accepted", HOUR), now=3 * HOUR, crm=silent)
    assert (blind.kind, blind.reason, blind.waiting_for, blind.source) == (K.BLIND, R.SOURCE_SILENT, "won", "crm")
    # Until it counts as silent it is an orphan, as what is overdue is stuck.
    quiet = Watermark(START, START, Expectation(8 * HOUR))
    assert told(judged(("accepted", HOUR), now=3 * HOUR, crm=quiet)) == (K.INCONSISTENT, R.ORPHAN, 2 * HOUR, 8 * HOUR)
    behind = Watermark(START + 3 * HOUR, START, Expectation(2 * HOUR))
    assert judged(("accepted", HOUR), now=3 * HOUR, crm=behind).reason is R.SOURCE_CATCHING_UP
    heard = Watermark(START + 3 * HOUR, START + 3 * HOUR, Expectation(2 * HOUR))
    assert judged(("accepted", HOUR), now=3 * HOUR, crm=heard).reason is R.ORPHAN
