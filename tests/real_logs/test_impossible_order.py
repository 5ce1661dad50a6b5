"""What is said of the dirty orders in real logs, beside a second opinion that knows nothing of milestones."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from collector.ingest.files import Record, open_source, read_xes
from slo_rules.definitions import load
from slo_rules.event import Event, event_key
from slo_rules.instants import to_micros
from slo_rules.judgement import Reason
from slo_rules.judging import judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from tests.real_logs.oracle import contradictions
from tests.real_logs.test_real_logs import BPIC2019, HERE, RealLog, each_log

TOLERATED = timedelta(minutes=5)


def judged(log: RealLog, text: str) -> dict[str, Reason]:
    """The reason of the verdict on every case, after all that is in the log."""
    workflow = load({"a.yaml": text}).workflows[log.workflow]
    matcher = Matcher([workflow])
    cases: dict[str, Progress] = {}
    with open_source(log.path()) as opened:
        for entry in read_xes(opened.stream, source=opened.default_source):
            assert isinstance(entry, Record)
            event = entry.event
            at = to_micros(datetime.fromisoformat(event["time"]))
            one = Event(event["source"], event["type"], at, at, event_key(event["source"], event["id"]), event)
            ((_, match),) = matcher.matches(one)
            cases[event["data"]["case"]] = fold(cases.get(event["data"]["case"]), match)
    return {case: judge(progress, workflow, {}, 2 * 10**15).reason for case, progress in cases.items()}


@pytest.mark.slow
@each_log
def test_orders_that_cannot_be_are_those_of_a_second_opinion(log: RealLog) -> None:
    found = judged(log, (HERE / "definitions" / log.definition).read_text("utf-8"))
    second = contradictions(log.path(), log.order, log.free, TOLERATED)
    assert {case for case, reason in found.items() if reason is Reason.IMPOSSIBLE_ORDER} == second
    assert len(second) == log.contradicting
    assert Reason.ORPHAN not in found.values()


@pytest.mark.slow
def test_what_may_come_in_any_order_is_no_contradiction() -> None:
    """The invoices that come before the goods would all be contradictions."""
    text = (HERE / "definitions" / BPIC2019.definition).read_text("utf-8")
    found = judged(BPIC2019, text.replace("      any_order: true\n", ""))
    second = contradictions(BPIC2019.path(), BPIC2019.order, (), TOLERATED)
    assert {case for case, reason in found.items() if reason is Reason.IMPOSSIBLE_ORDER} == second
    assert len(second) == 618
