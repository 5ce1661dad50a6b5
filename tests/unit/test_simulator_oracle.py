"""The oracle against the plan, the shipped packs and the engine that judges by them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from milepost.definition_files import read_definitions
from milepost.demo import Enterprise, faults, processes
from milepost.demo.actions import DAY, Action, cloud_event, micros
from milepost.demo.oracle import Expectation, expect
from milepost.demo.scenario import deliveries, told
from milepost.demonstration import definitions
from slo_rules.definitions import load
from slo_rules.event import Event, event_key
from slo_rules.expectation import Expectation as Cadence
from slo_rules.joining import join
from slo_rules.judgement import Watermark
from slo_rules.judging import judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.workflow import Definitions

pytestmark = pytest.mark.slow

ANCHOR = datetime(2026, 11, 18, 14, 7, 33, tzinfo=UTC)
OPENS = ANCHOR - timedelta(days=7)
SEED = 42


@pytest.fixture(scope="module")
def packs() -> Definitions:
    folder = files("slo_rules") / "packs"
    return load({file.name: file.read_text() for file in folder.iterdir() if file.name.endswith(".yaml")})


@pytest.fixture(scope="module")
def now() -> Expectation:
    return Enterprise("http://127.0.0.1:1", SEED, ANCHOR).expected(ANCHOR)


def test_the_packs_promise_what_the_simulator_keeps(packs: Definitions) -> None:
    assert set(processes.STEPS) <= set(packs.workflows)
    for name, steps in processes.STEPS.items():
        milestones = packs.workflows[name].milestones
        assert milestones[0].name == processes.STARTS[name]
        assert milestones[0].starts
        assert [(m.name, m.source, m.deadline.breach if m.deadline else None) for m in milestones[1:]] == [
            (step.milestone, step.source, step.breach) for step in steps
        ]
        assert milestones[-1].completes
    assert packs.sources["sap"].expects == Cadence(faults.ERP_SILENT_AFTER)
    assert {step.source for steps in processes.STEPS.values() for step in steps} <= set(packs.sources)


def test_the_demo_watches_the_processes_that_its_enterprise_has() -> None:
    watched = read_definitions(definitions())
    assert set(watched.workflows) == set(processes.STEPS)
    awaited = {one.source for workflow in watched.workflows.values() for one in workflow.milestones if one.source}
    assert awaited <= set(watched.sources)


def test_every_pack_has_latency_and_freshness_objectives(packs: Definitions) -> None:
    for workflow in packs.workflows:
        kinds = [objective.kind for objective in packs.objectives.values() if objective.workflow == workflow]
        assert kinds.count("latency") >= 2
        assert kinds.count("freshness") >= 1


def test_classes_are_disjoint_and_complete(now: Expectation) -> None:
    every = [instance for found in now.verdicts.values() for instance in found]
    assert len(every) == len(set(every)) == now.total
    known = {action.instance for action in deliveries(SEED, OPENS, ANCHOR, anchor=ANCHOR)}
    assert set(every) == known


def test_what_is_held_up_has_a_documented_cause(now: Expectation) -> None:
    named = {fault.name for fault in faults.FAULTS}
    stuck = now.of("stuck")
    assert 25 <= len(stuck) <= 200
    assert stuck <= set(now.causes)
    assert now.of("inconsistent") <= set(now.causes)
    assert set(now.causes.values()) <= named
    for fault in faults.FAULTS:
        if fault.milestone is not None:
            held = {instance for instance, cause in now.causes.items() if cause == fault.name}
            assert held
            assert {workflow for workflow, _, _ in held} == {fault.workflow}


def test_old_instances_are_done(now: Expectation) -> None:
    stories = [
        story
        for _, told_ in told(SEED, OPENS, ANCHOR, anchor=ANCHOR)
        for story in told_
        if story.actions[0].at < micros(ANCHOR) - 4 * DAY
    ]
    old = expect(stories, micros(ANCHOR), micros(ANCHOR))
    on_time, late = len(old.of("completed")), len(old.of("completed_late"))
    assert (on_time + late + len(old.of("cancelled"))) / old.total > 0.95
    assert 0.97 <= on_time / (on_time + late) <= 0.99
    assert not old.of("waiting")


def test_blind_comes_and_goes() -> None:
    enterprise = Enterprise("http://127.0.0.1:1", SEED, ANCHOR)
    before, during, after = (enterprise.expected(ANCHOR + timedelta(minutes=m)) for m in (3, 5.8, 7))
    assert not before.of("blind")
    assert len(during.of("blind")) >= faults.ERP_POSTING_QUEUE
    assert not after.of("blind")
    recovered = {i for i in during.of("blind") if during.causes[i] == faults.ERP_SILENT_LIVE.name}
    assert len(recovered) >= faults.ERP_POSTING_QUEUE
    assert len(recovered & after.of("waiting")) >= faults.ERP_POSTING_QUEUE


def document(action: Action) -> list[tuple[int, str, str, dict[str, Any]]]:
    """The event documents (time, source, id, document) that a collector would make of an action."""
    if action.event is not None:
        event = action.event
        return [(event.at, event.source, event.id, cloud_event(event))]
    return [
        (
            span.end,
            span.service,
            f"{span.trace_id:x}:{span.span_id:x}",
            {
                "source": span.service,
                "type": "otel.span",
                "service": span.service,
                "name": span.name,
                "kind": span.kind,
                "status": "error" if span.error else "unset",
                "data": span.attributes,
                "resource": {"service.name": span.service, "service.version": span.version},
            },
        )
        for span in action.spans
    ]


def judged_by_the_engine(packs: Definitions, at: datetime) -> dict[str, set[tuple[str, str, str]]]:
    """The verdicts of `slo_rules` on what had been delivered: matched, tied together, folded and judged."""
    matcher = Matcher([packs.workflows[name] for name in processes.STARTS])
    group: dict[tuple[str, Any], tuple[str, Any]] = {}

    def root(node: tuple[str, Any]) -> tuple[str, Any]:
        while (above := group.setdefault(node, node)) != node:
            group[node] = group[above]
            node = above
        return node

    seen: list[tuple[str, tuple[str, Any], Progress]] = []
    marks: dict[str, Watermark] = {}
    now = micros(at)
    for action in deliveries(SEED, OPENS, at, anchor=ANCHOR):
        for occurred_at, source, id_, found in document(action):
            event = Event(source, found["type"], occurred_at, action.deliver_at, event_key(source, id_), found)
            known = packs.sources.get(source)
            marks[source] = Watermark(action.deliver_at, occurred_at, known.expects if known else None)
            for workflow_matcher, match in matcher.matches(event):
                workflow = workflow_matcher.workflow
                joining = [(workflow.name, key) for key in match.joining]
                assert joining, (event.type, match)
                for node in joining[1:]:
                    group[root(node)] = root(joining[0])
                seen.append((workflow.name, joining[0], fold(None, match)))
    folded: dict[tuple[str, Any], Progress] = {}
    for _, node, progress in seen:
        at_root = root(node)
        folded[at_root] = join(folded[at_root], progress) if at_root in folded else progress
    verdicts: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for (name, _), progress in folded.items():
        workflow = packs.workflows[name]
        first = workflow.keys[0].namespace
        values = [key.partition("=")[2] for key in progress.keys if key.startswith(f"{first}=")]
        if processes.STARTS[name] not in progress.milestones:
            verdicts["unstarted"].add((name, first, values[0] if values else ""))
            continue
        assert len(values) == 1, "two instances were joined"
        verdicts[judge(progress, workflow, marks, now).kind.value].add((name, first, values[0]))
    return verdicts


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [0, 5])
def test_the_engine_agrees_with_the_oracle(packs: Definitions, minutes: int) -> None:
    at = ANCHOR + timedelta(minutes=minutes)
    told_ = Enterprise("http://127.0.0.1:1", SEED, ANCHOR).expected(at)
    judged = judged_by_the_engine(packs, at)
    assert judged["on_track"] | judged["due_soon"] == told_.of("waiting")
    for verdict in ("stuck", "blind", "failed", "inconsistent", "completed", "completed_late", "cancelled"):
        assert judged[verdict] == told_.of(verdict), verdict
