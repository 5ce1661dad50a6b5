"""The shipped packs: they load, alone and together, and leave nobody without an owner, a source or a promise."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import pytest

from slo_rules.definitions import load
from slo_rules.durations import DAY
from slo_rules.judgement import FINAL, VerdictKind
from slo_rules.judging import judge
from slo_rules.objective import Objective
from slo_rules.progress import Occurrence, Progress, Reached, Stamped
from slo_rules.workflow import Workflow
from tests.strategies import START

TEXTS = {
    entry.name: entry.read_text("utf-8")
    for entry in (files("slo_rules") / "packs").iterdir()
    if entry.name.endswith(".yaml")
}
SHARED = {name: TEXTS[name] for name in ("calendars.yaml", "sources.yaml", "sources-of-goods-and-usage.yaml")}
PACKS = sorted(set(TEXTS) - set(SHARED))
ALL = load(TEXTS)
WORKFLOWS = [pytest.param(workflow, id=name) for name, workflow in ALL.workflows.items()]
OBJECTIVES = [pytest.param(objective, id=name) for name, objective in ALL.objectives.items()]
WITHOUT_VALUE = {
    "customer-onboarding": "an account that is being set up has not bought anything yet",
    "customer-master-change": "an address has no price",
    "case-resolution": "a question has no price, and what its customer pays is no part of it",
}
CHAINS = ("case-to-credit", "customer-onboarding", "invoice-to-entitlement", "order-to-cash", "procure-to-pay")


def test_there_are_packs() -> None:
    assert PACKS == [
        "account-merge.yaml",
        "case-resolution.yaml",
        "case-to-credit.yaml",
        "case-to-return.yaml",
        "customer-master-change.yaml",
        "customer-onboarding.yaml",
        "invoice-to-entitlement.yaml",
        "lead-to-order.yaml",
        "order-status-propagation.yaml",
        "order-to-cash.yaml",
        "procure-to-pay.yaml",
        "renewal.yaml",
        "usage-to-revenue.yaml",
    ]
    assert set(ALL.workflows) == {name.removesuffix(".yaml") for name in PACKS}


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_loads_with_the_sources_and_calendars_alone(name: str) -> None:
    alone = load({name: TEXTS[name], **SHARED})
    (workflow,) = alone.workflows.values()
    assert workflow == ALL.workflows[name.removesuffix(".yaml")]
    assert alone.objectives
    assert {objective.workflow for objective in alone.objectives.values()} == {workflow.name}


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_awaited_milestone_has_a_deadline_an_owner_and_a_known_source(workflow: Workflow) -> None:
    for milestone in workflow.milestones:
        assert milestone.owner
        assert milestone.source in ALL.sources, milestone.name
        if milestone.after and not milestone.optional:
            assert milestone.deadline is not None, milestone.name
            assert milestone.deadline.warn is not None, milestone.name


def test_every_source_is_awaited_and_can_be_silent() -> None:
    awaited = {milestone.source for workflow in ALL.workflows.values() for milestone in workflow.milestones}
    assert awaited == set(ALL.sources)
    for source in ALL.sources.values():
        assert source.expects
        assert source.owner
        assert source.title


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_workflow_says_whose_it_is_and_what_it_is_worth(workflow: Workflow) -> None:
    assert workflow.owner
    assert workflow.description
    assert (bool(workflow.amount), bool(workflow.currency)) == (workflow.name not in WITHOUT_VALUE,) * 2
    assert {"region", "tier", "legal_entity"} & set(workflow.attributes)
    assert workflow.cancels_on


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_deadline_that_is_shorter_for_some_warns_them_as_well(workflow: Workflow) -> None:
    for milestone in workflow.promised:
        for tier in milestone.deadline.tiers if milestone.deadline else ():
            assert (tier.breach is None) == (tier.warn is None), (milestone.name, tier)


def test_every_calendar_counts_for_somebody_and_knows_its_holidays() -> None:
    used = {name for workflow in ALL.workflows.values() for name in workflow.calendars}
    assert used == set(ALL.calendars)
    assert all(calendar.holidays for calendar in ALL.calendars.values())


@pytest.mark.parametrize("name", CHAINS)
def test_the_workflows_of_the_demo_are_chains_from_their_start_to_their_end(name: str) -> None:
    workflow = ALL.workflows[name]
    assert len(workflow.starting) == 1
    assert len(workflow.completing) == 1
    names = [milestone.name for milestone in workflow.milestones]
    assert [milestone.after for milestone in workflow.milestones] == [(), *((name,) for name in names[:-1])]
    assert (workflow.starting[0], workflow.completing[0]) == (names[0], names[-1])


def journeys(workflow: Workflow, reached: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What has been reached, after each step of each way from there to an end."""
    yield reached
    awaited = workflow.awaited(reached)
    ends = [name in reached for name in workflow.completing]
    if not (all if workflow.completes_with_all else any)(ends):
        for milestone in awaited if any(one.choice for one in awaited) else awaited[:1]:
            yield from journeys(workflow, (*reached, milestone.name))


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_an_instance_that_stops_anywhere_becomes_stuck_there_and_every_way_leads_to_an_end(workflow: Workflow) -> None:
    found = set()
    for names in journeys(workflow, workflow.starting[:1]):
        reached = {name: Reached(START, b"", START, b"") for name in names}
        occurrences = {
            name: (Occurrence(START, b"", (), "1" if workflow.by_name[name].each else ""),) for name in names
        }
        keys = {f"{namespace}=1": Stamped(START, b"", "") for namespace in workflow.each}
        progress = Progress(START, START, reached, keys, occurrences=occurrences)
        verdict = judge(progress, workflow, {}, START + 400 * DAY)
        if verdict.kind in FINAL:
            found.add(names[-1])
            continue
        assert verdict.kind is VerdictKind.STUCK, names
        assert verdict.waiting_for in {milestone.name for milestone in workflow.awaited(names)}
    assert found <= set(workflow.completing)
    assert found


def before(name: str, workflow: Workflow) -> set[str]:
    """The milestones on any way to this one."""
    after = workflow.by_name[name].after
    return {*after, *(further for one in after for further in before(one, workflow))}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_runs_forward_between_milestones_that_are_there(objective: Objective) -> None:
    workflow = ALL.workflows[objective.workflow]
    assert objective.start in before(objective.end, workflow)
    assert objective.owner
    assert objective.title != objective.name
    assert 0.9 <= objective.target < 1
    assert objective.within < objective.window


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_workflow_has_a_latency_and_a_freshness_objective(workflow: Workflow) -> None:
    kinds = {objective.kind for objective in ALL.objectives.values() if objective.workflow == workflow.name}
    assert kinds == {"latency", "freshness"}
