"""The shipped packs: they load, alone and together, and leave nobody without an owner, a source or a promise."""

from __future__ import annotations

from importlib.resources import files

import pytest

from slo_rules.definitions import load
from slo_rules.judgement import VerdictKind, judge
from slo_rules.progress import Progress, Reached
from slo_rules.workflow import Objective, Workflow

TEXTS = {
    entry.name: entry.read_text("utf-8")
    for entry in (files("slo_rules") / "packs").iterdir()
    if entry.name.endswith(".yaml")
}
PACKS = sorted(set(TEXTS) - {"sources.yaml"})
ALL = load(TEXTS)
WORKFLOWS = [pytest.param(workflow, id=name) for name, workflow in ALL.workflows.items()]
OBJECTIVES = [pytest.param(objective, id=name) for name, objective in ALL.objectives.items()]
WITHOUT_VALUE = {"customer-onboarding": "an account that is being set up has not bought anything yet"}


def test_there_are_packs() -> None:
    assert PACKS == [
        "case-to-credit.yaml",
        "customer-onboarding.yaml",
        "invoice-to-entitlement.yaml",
        "order-to-cash.yaml",
        "procure-to-pay.yaml",
    ]
    assert set(ALL.workflows) == {name.removesuffix(".yaml") for name in PACKS}


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_loads_with_the_sources_alone(name: str) -> None:
    alone = load({name: TEXTS[name], "sources.yaml": TEXTS["sources.yaml"]})
    (workflow,) = alone.workflows.values()
    assert workflow == ALL.workflows[name.removesuffix(".yaml")]
    assert alone.objectives
    assert {objective.workflow for objective in alone.objectives.values()} == {workflow.name}


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_awaited_milestone_has_a_deadline_an_owner_and_a_known_source(workflow: Workflow) -> None:
    for milestone in workflow.milestones:
        assert milestone.owner
        assert milestone.source in ALL.sources, milestone.name
        if milestone.after:
            assert milestone.deadline is not None, milestone.name
            assert milestone.deadline.warn is not None, milestone.name


def test_every_source_is_awaited_and_can_be_silent() -> None:
    awaited = {milestone.source for workflow in ALL.workflows.values() for milestone in workflow.milestones}
    assert awaited == set(ALL.sources)
    for source in ALL.sources.values():
        assert source.silent_after
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
def test_every_workflow_is_one_chain_from_its_start_to_its_end(workflow: Workflow) -> None:
    assert len(workflow.starting) == 1
    assert len(workflow.completing) == 1
    names = [milestone.name for milestone in workflow.milestones]
    assert [milestone.after for milestone in workflow.milestones] == [(), *((name,) for name in names[:-1])]
    assert (workflow.starting[0], workflow.completing[0]) == (names[0], names[-1])


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_an_instance_that_stops_anywhere_becomes_stuck_there(workflow: Workflow) -> None:
    for number, milestone in enumerate(workflow.milestones[:-1]):
        reached = {m.name: Reached(0, b"", 0, b"") for m in workflow.milestones[: number + 1]}
        verdict = judge(Progress(0, 0, reached), workflow, {}, 10**15)
        assert verdict.kind is VerdictKind.STUCK
        assert verdict.waiting_for == workflow.milestones[number + 1].name
        assert milestone.name in reached


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_runs_forward_between_milestones_that_are_there(objective: Objective) -> None:
    workflow = ALL.workflows[objective.workflow]
    assert objective.end in workflow.descendants[objective.start]
    assert objective.owner
    assert objective.title != objective.name
    assert 0.9 <= objective.target < 1
    assert objective.within < objective.window


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_workflow_has_a_latency_and_a_freshness_objective(workflow: Workflow) -> None:
    kinds = {objective.kind for objective in ALL.objectives.values() if objective.workflow == workflow.name}
    assert kinds == {"latency", "freshness"}
