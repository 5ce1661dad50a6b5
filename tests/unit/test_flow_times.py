"""What instances say of the steps of a workflow: how long, how many late, where they drop off."""

from __future__ import annotations

from collections import defaultdict

from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR
from slo_rules.flow_times import Noted, StepSeen, came_again, see, time_shares
from slo_rules.progress import Occurrence, Progress, Reached, Stamped
from slo_rules.workflow import Workflow

DEFINITION = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: ops}
spec:
  entity: order
  keys: {order: {path: data.order}}
  milestones:
    - {name: received, on: {exact: {type: received}}, starts: true}
    - {name: accepted, on: {exact: {type: accepted}}, within: 4h}
    - {name: shipped, on: {exact: {type: shipped}}, completes: true}
  cancels_on: [{exact: {type: cancelled}}]
"""
BEGAN = 1_000 * DAY


def workflow() -> Workflow:
    (found,) = load({"a.yaml": DEFINITION}).workflows.values()
    return found


def progress(*, accepted: int | None = None, shipped: int | None = None, cancelled: int | None = None) -> Progress:
    """An order with what happened so many hours after it began."""
    came = {"received": 0, "accepted": accepted, "shipped": shipped}
    known = {name: hours for name, hours in came.items() if hours is not None}
    return Progress(
        BEGAN,
        BEGAN,
        {
            name: Reached(BEGAN + hours * HOUR, bytes(16), BEGAN + hours * HOUR, bytes(16))
            for name, hours in known.items()
        },
        cancelled=None if cancelled is None else Stamped(BEGAN + cancelled * HOUR, bytes(16), ""),
    )


def seen(*of: Progress, hours: int = 100) -> dict[str, StepSeen]:
    steps: dict[str, StepSeen] = defaultdict(StepSeen)
    for one in of:
        see(steps, one, workflow(), BEGAN + hours * HOUR)
    return steps


def test_what_still_waits_counts_as_what_takes_longer() -> None:
    steps = seen(*[progress(accepted=1)] * 6, *[progress()] * 4)
    assert steps["accepted"].quantile(0.5)[0] is not None
    median = steps["accepted"].quantile(0.5)[0] or 0
    assert 0.99 * HOUR < median <= HOUR
    assert steps["accepted"].quantile(0.95)[0] is None
    assert (steps["accepted"].reached, steps["accepted"].measured) == (6, 6)


def test_what_came_after_its_deadline_is_late_whether_it_went_on_or_not() -> None:
    steps = seen(progress(accepted=5, shipped=6), progress(accepted=3), progress())
    assert (steps["accepted"].reached, steps["accepted"].late) == (2, 1)


def test_what_was_called_off_dropped_at_the_step_it_waited_for() -> None:
    steps = seen(progress(cancelled=2), progress(accepted=1, cancelled=9))
    assert (steps["accepted"].dropped, steps["shipped"].dropped) == (1, 1)
    assert steps["received"].dropped == 0


def test_what_was_done_without_a_step_neither_dropped_nor_reached_it() -> None:
    steps = seen(progress(shipped=9))
    assert (steps["accepted"].reached, steps["accepted"].dropped, steps["accepted"].without) == (0, 0, 1)


def test_a_step_that_starts_has_no_time() -> None:
    assert seen(progress(accepted=1))["received"].quantile(0.5) == (None, None)


def test_what_another_event_reached_once_more_was_done_again_and_the_same_event_was_not() -> None:
    order = workflow()
    accepted = order.by_name["accepted"]
    once = progress(accepted=1)
    mark = once.milestones["accepted"]
    twice = Reached(mark.at, mark.key, mark.at + 3 * HOUR, b"another event ok")
    again = Progress(BEGAN, BEGAN, once.milestones | {"accepted": twice})
    assert came_again(accepted, once, order) is None
    assert came_again(accepted, again, order) == 3 * HOUR
    steps: dict[str, StepSeen] = defaultdict(StepSeen)
    noted = [see(steps, one, order, BEGAN + 100 * HOUR) for one in (again, once, progress(accepted=5))]
    assert noted == [[("accepted", Noted.AGAIN)], [], [("accepted", Noted.LATE)]]
    assert (steps["accepted"].again, steps["received"].again) == (1, 0)
    median = steps["accepted"].again_median() or 0
    assert 0.99 * 3 * HOUR < median <= 3 * HOUR


def test_a_milestone_that_takes_several_events_was_done_again_by_those_beyond_them() -> None:
    (order,) = load({"a.yaml": DEFINITION.replace("{name: accepted,", "{name: accepted, count: 2,")}).workflows.values()
    accepted = order.by_name["accepted"]

    def came(*hours: int) -> Progress:
        found = tuple(Occurrence(BEGAN + at * HOUR, bytes([at] * 16)) for at in hours)
        return Progress(BEGAN, BEGAN, occurrences={"accepted": found})

    assert came_again(accepted, came(1, 2), order) is None
    assert came_again(accepted, came(1, 2, 7), order) == 5 * HOUR


def test_the_time_goes_where_many_wait_long() -> None:
    steps = seen(*[progress(accepted=1, shipped=4)] * 10)
    shares = time_shares(steps)
    assert abs(shares["shipped"] - 0.75) < 0.01
    assert abs(sum(shares.values()) - 1) < 1e-9
    assert time_shares(seen(progress())) == {}


def test_when_a_step_was_reached_last_is_told() -> None:
    steps = seen(progress(accepted=3), progress(accepted=7), progress())
    assert steps["accepted"].last_at == BEGAN + 7 * HOUR
    assert steps["shipped"].last_at is None
