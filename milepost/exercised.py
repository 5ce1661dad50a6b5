"""What of a workflow a test puts to the test: the milestones, deadlines and signals that its events bring about."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from slo_rules.event import Event
from slo_rules.explain import StepState, journey
from slo_rules.matching import Matcher
from slo_rules.rehearsal import Rehearsal
from slo_rules.workflow import Workflow

SIGNALS = ("fails_on", "cancels_on", "pauses_on", "resumes_on", "restarts_on")
"""What a workflow may say besides milestones."""


class Exercised(msgspec.Struct, frozen=True):
    """Of one workflow, by one test: the milestones that were reached, and those whose deadline was `kept` or `missed`.

    `signals` are those of SIGNALS that an event gave.
    """

    workflow: str
    reached: frozenset[str]
    kept: frozenset[str]
    missed: frozenset[str]
    signals: frozenset[str]


def exercised(
    workflows: Iterable[Workflow], matcher: Matcher, events: Iterable[Event], rehearsal: Rehearsal, now: int
) -> tuple[Exercised, ...]:
    """What the events of a test came to, of each of these workflows, at the instant its rehearsal has come to."""
    signals: dict[str, set[str]] = {}
    for event in events:
        if event.received_at > now:
            continue
        for of, match in matcher.matches(event):
            more = match.more
            given = (more.fails, more.cancels, more.stops is True, more.stops is False, more.restarts)
            found = signals.setdefault(of.workflow.name, set())
            found.update(name for name, said in zip(SIGNALS, given, strict=True) if said not in (None, False))
    return tuple(_of(workflow, rehearsal, now, signals.get(workflow.name, set())) for workflow in workflows)


def _of(workflow: Workflow, rehearsal: Rehearsal, now: int, signals: Iterable[str]) -> Exercised:
    reached, kept, missed = set(), set(), set()
    for held in rehearsal.instances(workflow.name):
        for step in journey(held.progress, workflow, now):
            name = step.milestone.name
            if step.state in (StepState.REACHED, StepState.REACHED_LATE):
                reached.add(name)
            if step.state in (StepState.REACHED_LATE, StepState.OVERDUE):
                missed.add(name)
            elif step.state is StepState.REACHED and step.deadline_at is not None:
                kept.add(name)
    return Exercised(workflow.name, frozenset(reached), frozenset(kept), frozenset(missed), frozenset(signals))
