"""What definitions say that is likely not meant: `lint(texts, definitions)`. Pure.

Only what can be told from the files alone is said: a false alarm teaches people to look away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slo_rules.buckets import BUCKET
from slo_rules.budget import budget
from slo_rules.burn_rates import is_reachable, length_of, tiers_within
from slo_rules.deadlines import AROUND_THE_CLOCK
from slo_rules.documents import Document, load_documents
from slo_rules.durations import format_duration
from slo_rules.faults import Finding
from slo_rules.filter_logic import contradiction
from slo_rules.filters import SPAN_TYPE, exact_value
from slo_rules.lint_milestones import lint_milestones
from slo_rules.lint_sources import lint_source
from slo_rules.noting import Noting
from slo_rules.objective import Objective
from slo_rules.openslo import is_openslo, lint_openslo
from slo_rules.reading import suggestion
from slo_rules.windows import spell_window
from slo_rules.workflow import Definitions, KeyRule, Milestone, Workflow

_LISTS = ("observes", "fails_on", "cancels_on", "pauses_on", "resumes_on", "restarts_on")
_SPAN_ROOTS = frozenset(
    ("id", "source", "type", "service", "name", "kind", "status", "duration_ms", "data", "resource")
)
_MATCHES = ("domain", "owner", "workflow")


def lint(texts: Mapping[str, str], definitions: Definitions) -> list[Finding]:
    """The findings of all files in the order of their places; `definitions` are what `load` made of these texts."""
    findings: list[Finding] = []
    openslo: list[Document] = []
    for file, text in texts.items():
        for document in load_documents(text, file)[0]:
            if is_openslo(document):
                openslo.append(document)
                continue
            noting = Noting(document, findings)
            kind, name = _identity(document)
            if kind == "Workflow" and name in definitions.workflows:
                _lint_workflow(definitions.workflows[name], definitions, noting)
            elif kind == "Objective" and name in definitions.objectives:
                _lint_objective(definitions.objectives[name], definitions, noting)
            elif kind == "Source" and name in definitions.sources:
                lint_source(definitions.sources[name], definitions, document, noting)
    lint_openslo(openslo, findings)
    return sorted(findings)


def _identity(document: Document) -> tuple[Any, str]:
    value: Any = document.value
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        return None, ""
    return value.get("kind"), str(value["metadata"].get("name"))


def _lint_workflow(workflow: Workflow, definitions: Definitions, noting: Noting) -> None:
    for field in _LISTS:
        for index, condition in enumerate(getattr(workflow, field)):
            why = contradiction(condition)
            if why is not None:
                noting.warn(
                    ("spec", field, index), f"no event satisfies it: {why}", "for one of several values say any"
                )
    lint_milestones(workflow, noting)
    _lint_keys(workflow, noting)
    _lint_clocks(workflow, noting)
    _lint_sources(workflow, definitions, noting)
    _lint_owners(workflow, definitions, noting)


def _awaited(workflow: Workflow) -> Iterable[tuple[int, Milestone]]:
    """The milestones that somebody may wait for, with their places in the list."""
    return ((index, one) for index, one in enumerate(workflow.milestones) if one.after and not one.optional)


def _lint_keys(workflow: Workflow, noting: Noting) -> None:
    first: dict[object, KeyRule] = {}
    for rule in workflow.keys:
        known = first.setdefault((rule.paths, rule.case, rule.strip_prefix, rule.strip_zeros), rule)
        if known is not rule:
            noting.warn(
                ("spec", "keys", rule.namespace),
                f"is read from the same place as {known.namespace!r}: both always say the same",
                "leave one of them out, or name the path that was meant",
            )
    roots = {path.partition(".")[0] for rule in workflow.keys if rule.joins for path in rule.paths}
    for index, milestone in enumerate(workflow.milestones):
        if exact_value(milestone.condition, "type") == SPAN_TYPE and not roots & _SPAN_ROOTS:
            noting.warn(
                ("spec", "milestones", index, "on"),
                "a span has none of the paths of the joining keys: it would become a dead letter",
                "add a path below data or resource to a joining key",
            )


def _lint_clocks(workflow: Workflow, noting: Noting) -> None:
    if workflow.pauses_on and not workflow.resumes_on:
        noting.hint(
            ("spec", "pauses_on"),
            "nothing resumes but a milestone: until one is reached, no deadline is missed",
            "say in resumes_on what ends the waiting",
        )
    if workflow.resumes_on and not workflow.pauses_on:
        noting.warn(
            ("spec", "resumes_on"), "no clock ever stands: there is nothing to resume", "say in pauses_on what stops it"
        )


def _lint_sources(workflow: Workflow, definitions: Definitions, noting: Noting) -> None:
    told: set[str] = set()
    for index, milestone in _awaited(workflow) if definitions.sources else ():
        source = milestone.source
        if source is None or source in definitions.sources or source in told:
            continue
        told.add(source)
        noting.warn(
            noting.first_of(("spec", "milestones", index, "source"), ("spec", "milestones", index, "on")),
            f"there is no Source {source!r}: when it falls silent, what waits for it is called stuck, not blind",
            f"add a document of kind Source{suggestion(source, definitions.sources)}",
        )


def _lint_owners(workflow: Workflow, definitions: Definitions, noting: Noting) -> None:
    matches = [_match(route) for route in definitions.routes.values()]
    if not matches or None in matches:
        return
    known = {match["owner"] for match in matches if match and "owner" in match}
    told: set[str] = set()
    for index, milestone in _awaited(workflow):
        has = {"domain": workflow.domain, "owner": milestone.owner, "workflow": workflow.name}
        if milestone.owner in told or any(match is not None and match.items() <= has.items() for match in matches):
            continue
        told.add(milestone.owner)
        noting.warn(
            noting.first_of(("spec", "milestones", index, "owner"), ("metadata", "owner")),
            f"no route takes what {milestone.owner!r} is to be told of this workflow",
            f"add a Route that matches it{suggestion(milestone.owner, known)}",
        )


def _match(route: Mapping[str, Any]) -> dict[str, str] | None:
    """What a route asks for; None where that cannot be told, for alerting reads routes and refuses faulty ones."""
    match = route["spec"].get("match") or {}
    if not isinstance(match, dict) or not all(key in _MATCHES and isinstance(match[key], str) for key in match):
        return None
    return match


def _lint_slices(objective: Objective, noting: Noting) -> None:
    """How many slices a window has is known before anything is counted."""
    if not objective.in_slices:
        return
    volume, length = objective.volume, length_of(objective.window)
    slice_ = BUCKET if volume is None else volume.per if isinstance(volume.per, int) else length_of(volume.per)
    slices = length // slice_
    allowed = budget(slices, 0, objective.target).allowed
    if allowed < 1:
        noting.hint(
            ("spec", "target"),
            f"of {objective.target:g} leaves a budget of {allowed:.2g} of the {slices:,} slices in "
            f"{spell_window(objective.window)}: one bad slice breaks it",
            "make the window longer or the target lower, unless just that is meant",
        )


def _lint_objective(objective: Objective, definitions: Definitions, noting: Noting) -> None:
    if not any(is_reachable(tier, objective) for tier in tiers_within(objective.window)):
        noting.hint(
            ("spec", "target"),
            f"of {objective.target:g} allows so much in {spell_window(objective.window)} that no burn-rate alert can "
            "ever fire",
            "look at the budget that is left instead, or make the window longer or the target higher",
        )
    _lint_slices(objective, noting)
    if objective.kind != "latency":
        return
    workflow = definitions.workflows[objective.workflow]
    milestone = workflow.by_name[objective.end]
    deadline = milestone.deadline
    if deadline is None or deadline.tiers or deadline.calendar not in (None, AROUND_THE_CLOCK):
        return
    starts = milestone.after if deadline.start is None else (deadline.start,)
    if starts == (objective.start,) and isinstance(deadline.breach, int) and deadline.breach != objective.within:
        noting.hint(
            ("spec", "latency", "within"),
            f"is {format_duration(objective.within)}, and the deadline of {milestone.name!r} "
            f"{format_duration(deadline.breach)}",
            "make both the same, unless two promises are meant",
        )
