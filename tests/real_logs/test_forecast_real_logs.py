"""Whether what is forecast comes true: learned from the first half of a real log, held against the second.

Half of the instances, those that began first, are what is known, and of them only what had happened when the other half
began to come. For the others the chance that they miss a deadline is asked at several points of their wait, and put
beside what came about. An instance counts whose deadline falls within the log, whether it was in time or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

import pytest

from collector.ingest.files import Record, open_source, read_xes
from slo_rules.definitions import load
from slo_rules.durations import DAY
from slo_rules.event import Event, event_key
from slo_rules.forecast import Awaiting, chances, expected
from slo_rules.instants import to_micros
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.passing import began_at
from slo_rules.progress import Progress
from slo_rules.stage_times import Stage, StageTime, stage_times
from slo_rules.survival import Lifetimes, StageHistory, Survival
from slo_rules.workflow import Workflow
from tests.real_logs.test_real_logs import BPIC2019, HERE, RECEIPT, RealLog

ENDS = {
    RECEIPT: to_micros(datetime(2012, 1, 23, 14, tzinfo=UTC)),
    # What is dated later is dated wrongly.
    BPIC2019: to_micros(datetime(2019, 1, 17, tzinfo=UTC)),
}
ASKED_AT = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Which share of its time an instance has waited when it is asked about."""
Bins = dict[int, tuple[int, float, float]]
"""By tenth of the predicted chance: how often predicted, the mean predicted, and the share that came true."""


@cache
def events_of(log: RealLog) -> dict[str, list[Event]]:
    """The events of each case that reach a milestone."""
    found: dict[str, list[Event]] = defaultdict(list)
    with open_source(log.path()) as opened:
        for entry in read_xes(opened.stream, source=opened.default_source):
            assert isinstance(entry, Record)
            event = entry.event
            if event["type"] in log.order:
                at = to_micros(datetime.fromisoformat(event["time"]))
                key = event_key(event["source"], event["id"])
                found[event["data"]["case"]].append(Event(event["source"], event["type"], at, at, key, event))
    return found


def progress_of(events: Iterable[Event], matcher: Matcher) -> Progress:
    progress: Progress | None = None
    for event in events:
        ((_, match),) = matcher.matches(event)
        progress = fold(progress, match)
    assert progress is not None
    return progress


@cache
def halves(log: RealLog) -> tuple[Workflow, dict[Stage, Survival], list[StageTime]]:
    """What is learned from the first half, and the times of the second."""
    workflow = load({log.definition: (HERE / "definitions" / log.definition).read_text("utf-8")}).workflows[
        log.workflow
    ]
    matcher = Matcher([workflow])
    began = sorted(
        (began_at(progress_of(events, matcher), workflow), case)
        for case, events in events_of(log).items()
        if any(event.type == log.start for event in events)
    )
    cut = began[len(began) // 2][0]
    seen: dict[Stage, Lifetimes] = defaultdict(Lifetimes)
    later: list[StageTime] = []
    for at, case in began:
        events = events_of(log)[case]
        if at < cut:
            known = progress_of((event for event in events if event.occurred_at <= cut), matcher)
            for time in stage_times(known, workflow, cut):
                seen[time.stage].note(time.counted, finished=time.reached_at is not None)
        else:
            later += stage_times(progress_of(events, matcher), workflow, ENDS[log])
    return workflow, {stage: Survival(one) for stage, one in seen.items()}, later


def calibration(log: RealLog, milestone: str | None = None) -> Bins:
    workflow, known, later = halves(log)
    predicted: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for time in later:
        deadline = workflow.by_name[time.stage[0]].deadline
        assert deadline is not None and isinstance(deadline.breach, int) and time.breach_at is not None
        if milestone not in (None, time.stage[0]) or time.breach_at > ENDS[log]:
            continue
        for share in ASKED_AT:
            waited = int(deadline.breach * share)
            if time.counted <= waited:
                break
            chance = known[time.stage].longer_than(deadline.breach, waited).value
            if chance is not None:
                late = time.reached_at is None or time.reached_at > time.breach_at
                predicted[min(9, int(chance * 10))].append((chance, late))
    return {
        tenth: (len(all_), sum(chance for chance, _ in all_) / len(all_), sum(late for _, late in all_) / len(all_))
        for tenth, all_ in sorted(predicted.items())
    }


def shown(bins: Bins) -> dict[int, tuple[int, int, int]]:
    """In whole percent, and printed for `pytest -s`."""
    for tenth, (count, said, came) in bins.items():
        print(f"{tenth / 10:.1f}-{(tenth + 1) / 10:.1f}: said {said:.0%}, came {came:.0%} of {count}")
    return {tenth: (count, round(100 * said), round(100 * came)) for tenth, (count, said, came) in bins.items()}


def eighty(bins: Bins) -> float:
    """Of what was predicted with 70 to 90 % the share that came true."""
    told = [bins[tenth] for tenth in (7, 8) if tenth in bins]
    return sum(count * came for count, _, came in told) / sum(count for count, _, _ in told)


# Said and came in whole percent by tenth of the predicted chance, as last seen.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("milestone", "figures", "came_true"),
    [
        (
            None,
            {
                1: (7054, 13, 12),
                2: (14405, 27, 27),
                3: (6591, 38, 41),
                5: (4366, 53, 53),
                6: (648, 65, 64),
                7: (3369, 71, 68),
                8: (2612, 86, 82),
                9: (1839, 95, 94),
            },
            74,
        ),
        (
            "goods_received",
            {1: (7054, 13, 12), 2: (2103, 21, 20), 3: (1105, 39, 37), 6: (648, 65, 64), 8: (513, 83, 80)},
            80,
        ),
        (
            "invoice_received",
            {
                2: (4653, 30, 37),
                3: (3986, 38, 43),
                5: (3263, 52, 53),
                7: (2622, 70, 66),
                8: (2099, 87, 82),
                9: (1839, 95, 94),
            },
            73,
        ),
        (
            "invoice_cleared",
            {2: (7649, 27, 22), 3: (1500, 39, 38), 5: (1103, 57, 52), 7: (747, 75, 77)},
            77,
        ),
    ],
)
def test_of_what_is_predicted_with_eighty_percent_seventy_to_ninety_come_true(
    milestone: str | None, figures: dict[int, tuple[int, int, int]], came_true: int
) -> None:
    bins = calibration(BPIC2019, milestone)
    assert shown(bins) == figures
    assert 0.7 <= eighty(bins) <= 0.9
    assert round(100 * eighty(bins)) == came_true


def test_where_the_second_half_goes_another_way_than_the_first_the_forecast_is_not_calibrated() -> None:
    """The permits: most come to be handled at once, and of those that are not more are late than ever before.

    To learn anew every fortnight, from all or only from the newest 300 or 150, does not mend it: 93, 95 and 100 %.
    """
    bins = calibration(RECEIPT)
    assert shown(bins) == {
        0: (632, 9, 2),
        1: (1358, 16, 10),
        2: (34, 23, 44),
        3: (27, 35, 56),
        4: (34, 46, 88),
        5: (68, 53, 65),
        6: (118, 69, 92),
        7: (158, 73, 92),
        8: (157, 87, 97),
        9: (219, 93, 99),
    }
    assert round(100 * eighty(bins)) == 94


def ranges(log: RealLog) -> dict[int, tuple[int, int]]:
    """By days ahead: how many ranges held the number of misses that came about, of how many that were told.

    Every fortnight from the second half on, each stage is asked with what was known then.
    """
    workflow, _, _ = halves(log)
    matcher = Matcher([workflow])
    cases = {case: events for case, events in events_of(log).items() if any(one.type == log.start for one in events)}
    ended = {case: progress_of(events, matcher) for case, events in cases.items()}
    began = {case: began_at(progress, workflow) for case, progress in ended.items()}
    cut = sorted(began.values())[len(began) // 2]
    held = dict.fromkeys((1, 7, 30), (0, 0))
    for now in range(cut, cut + 8 * 14 * DAY, 14 * DAY):
        seen: dict[Stage, Lifetimes] = defaultdict(Lifetimes)
        open_: list[Awaiting] = []
        for case in (case for case in cases if began[case] <= now):
            known = progress_of((event for event in cases[case] if event.occurred_at <= now), matcher)
            for time in stage_times(known, workflow, now):
                seen[time.stage].note(time.counted, finished=time.reached_at is not None)
                if time.left is not None and time.breach_at is not None:
                    open_.append(Awaiting(case, time.stage, "", time.counted, time.left, time.breach_at))
        told = chances(open_, {stage: StageHistory({"": one}) for stage, one in seen.items()})
        for days in held:
            until = now + days * DAY
            for stage in seen:
                asked = [(one, chance) for one, chance in told if one.stage == stage and chance.value is not None]
                found = expected(asked, until)
                if not found.due or until > ENDS[log]:
                    continue
                missed = sum(
                    was_missed(ended[one.id], workflow, one, ENDS[log]) for one, _ in asked if one.due_at <= until
                )
                held[days] = (held[days][0] + (found.low <= missed <= found.high), held[days][1] + 1)
    return held


def was_missed(progress: Progress, workflow: Workflow, one: Awaiting, end: int) -> bool:
    """Whether what was awaited had not come by the deadline that was known; what fell away did not come."""
    reached = [time.reached_at for time in stage_times(progress, workflow, end) if time.stage == one.stage]
    return not any(at is not None and at <= one.due_at for at in reached)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("log", "held"),
    [
        # Invoices are paid in runs: over weeks the range, in which each ends by itself, is too narrow.
        pytest.param(BPIC2019, {1: (14, 14), 7: (16, 24), 30: (11, 24)}, id="purchase-to-pay"),
        pytest.param(RECEIPT, {1: (5, 5), 7: (12, 12), 30: (12, 12)}, id="permit-receipt"),
    ],
)
def test_how_often_the_number_of_misses_lies_in_its_range(log: RealLog, held: dict[int, tuple[int, int]]) -> None:
    """Four times out of five is what is said; over a day, which is as far as the API looks ahead, it holds."""
    found = ranges(log)
    assert found == held
    assert found[1][0] >= 0.8 * found[1][1]
