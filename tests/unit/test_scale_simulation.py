"""The simulation of scale on cases whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale_simulation import (
    BURST,
    BURST_AT,
    BURST_SECONDS,
    DAY,
    PEAK,
    PLANS,
    Stage,
    day_of,
    measured,
    simulate,
)

MILLISECOND = 1_000.0
ALONE = [Stage("work", MILLISECOND, 1, "one")]
"""A thousand events a second."""


def test_below_its_capacity_nothing_waits_and_the_cores_are_busy_by_what_comes() -> None:
    run = simulate(ALONE, {"one": 2}, lambda _: 400, 600)
    assert run.stages["work"].most_waiting == 0
    assert run.stages["work"].busy_seconds == pytest.approx(600 * 0.4)
    assert run.busiest["one"] == pytest.approx(0.2)
    assert (run.behind, run.left) == (0, 0)


def test_after_a_burst_what_is_too_much_waits_and_is_worked_off_with_what_is_left() -> None:
    # 2,000 too many in each of 10 seconds; then 600 a second are left over: 33.3 seconds.
    run = simulate(ALONE, {"one": 1}, lambda second: 3_000 if second < 10 else 400, 44)
    assert run.stages["work"].most_waiting == pytest.approx(20_000)
    assert run.left == pytest.approx(0, abs=1e-6)
    # The last of the burst comes after 20,000 others.
    assert run.behind == 20
    assert simulate(ALONE, {"one": 1}, lambda second: 3_000 if second < 10 else 400, 43).left > 0


def test_more_than_can_be_done_is_never_caught_up() -> None:
    run = simulate(ALONE, {"one": 8}, lambda _: 1_500, 100)
    assert run.left == pytest.approx(50_000)


def test_threads_bound_a_stage_and_cores_a_machine() -> None:
    two = [Stage("work", MILLISECOND, 2, "one")]
    assert simulate(two, {"one": 8}, lambda _: 5_000, 10).left == pytest.approx(30_000)
    assert simulate(two, {"one": 1}, lambda _: 5_000, 10).left == pytest.approx(40_000)


def test_stages_of_one_machine_share_its_cores() -> None:
    both = [Stage("first", MILLISECOND, 1, "one"), Stage("second", MILLISECOND, 1, "one")]
    assert simulate(both, {"one": 1}, lambda _: 500, 100).left == pytest.approx(0)
    assert simulate(both, {"one": 1}, lambda _: 600, 100).left == pytest.approx(10_000)
    apart = [Stage("first", MILLISECOND, 1, "one"), Stage("second", MILLISECOND, 1, "other")]
    assert simulate(apart, {"one": 1, "other": 1}, lambda _: 1_000, 100).left == pytest.approx(0)


def test_the_slowest_stage_says_how_much_passes() -> None:
    three = [Stage(str(n), cost, 1, str(n)) for n, cost in enumerate((100.0, MILLISECOND, 10.0))]
    run = simulate(three, {"0": 1, "1": 1, "2": 1}, lambda _: 2_000, 50)
    assert run.left == pytest.approx(50_000)
    assert run.stages["1"].most_waiting == pytest.approx(50_000)
    assert run.stages["2"].most_waiting == 0


@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=50),
    st.lists(st.tuples(st.floats(1, 3_000), st.integers(1, 3), st.sampled_from(["a", "b"])), min_size=1, max_size=4),
)
def test_no_event_is_lost_or_made_and_no_machine_does_more_than_it_can(
    events: list[int], made: list[tuple[float, int, str]]
) -> None:
    stages = [Stage(str(number), *one) for number, one in enumerate(made)]
    run = simulate(stages, {"a": 1, "b": 2}, lambda second: events[second], len(events))
    passed = run.stages[stages[-1].name].busy_seconds * 1e6 / stages[-1].micros
    assert passed + run.left == pytest.approx(sum(events), abs=1e-3)
    for machine, cores in (("a", 1), ("b", 2)):
        busy = sum(run.stages[stage.name].busy_seconds for stage in stages if stage.machine == machine)
        assert busy <= cores * len(events) + 1e-6


def test_a_day_has_its_events_its_peak_and_its_burst() -> None:
    arriving = day_of(86_400_000)
    found = [arriving(second) for second in range(DAY)]
    burst = found[BURST_AT : BURST_AT + BURST_SECONDS]
    assert burst == [BURST * 1_000] * BURST_SECONDS
    ordinary = sum(found) - sum(burst) + PEAK * 1_000 * BURST_SECONDS
    assert ordinary == pytest.approx(86_400_000, rel=1e-3)
    assert found[BURST_AT - 1] == pytest.approx(PEAK * 1_000, rel=1e-3)
    assert min(found) < 50


def test_costs_are_those_of_a_file_and_one_without_them_says_what_to_run(tmp_path: Path) -> None:
    names = (
        *("(a) processor time of COPY", "(b) processor time of the collector"),
        *("(b) processor time of the projector", "(b) processor time of the projector's reader"),
        *("(b) processor time of the database sessions", "(f) the log on disk, a million events"),
        "(f) instances on disk, a million events",
    )
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"figures": [{"name": name, "value": 10.0} for name in names]}), "utf-8")
    costs = measured(file)
    assert costs.receiving == 10
    assert costs.log_bytes == pytest.approx(10.48576)
    for plan in PLANS:
        assert {stage.machine for stage in plan.stages(costs)} <= set(plan.cores)
    file.write_text(json.dumps({"figures": []}), "utf-8")
    with pytest.raises(ValueError, match="--only a,b,f --write"):
        measured(file)
