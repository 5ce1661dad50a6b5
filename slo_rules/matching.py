"""Which workflows an event concerns, and what it means there.

Filters are reduced once per `(source, type)`; what a pair can never match costs nothing per event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from slo_rules.event import Event
from slo_rules.filters import Any_, Filter, Residue, holds, reduce
from slo_rules.identity import Extract, JoiningKey, Key, key_extractor
from slo_rules.progress import Observe, Progress, observer
from slo_rules.workflow import Workflow

_REMEMBERED_PAIRS = 20_000


class Match(msgspec.Struct, frozen=True):
    """An event seen with the eyes of one workflow version: what it reaches, and the keys it carries there."""

    milestones: tuple[str, ...]
    fails: bool
    cancels: bool
    keys: list[Key]
    joining: list[JoiningKey]


class _Rules(msgspec.Struct, frozen=True):
    milestones: tuple[tuple[str, Residue], ...]
    fails: Residue
    cancels: Residue
    observes: Residue


class WorkflowMatcher:
    """One workflow version, ready to match events and to observe them."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.keys: Extract = key_extractor(workflow)
        self._observe: Observe = observer(workflow)

    def rules(self, source: str, type_: str) -> _Rules | None:
        """What is left to ask of events of this source and type; None when they can never concern the workflow."""
        reduced = [(m.name, reduce(m.condition, source, type_)) for m in self.workflow.milestones]
        rules = _Rules(
            tuple((name, rest) for name, rest in reduced if rest is not False),
            _any(self.workflow.fails_on, source, type_),
            _any(self.workflow.cancels_on, source, type_),
            _any(self.workflow.observes, source, type_),
        )
        silent = rules.fails is False and rules.cancels is False and rules.observes is False
        return None if silent and not rules.milestones else rules

    def apply(self, rules: _Rules, document: dict[str, Any]) -> Match | None:
        """The match of an event, or None."""
        milestones = tuple([name for name, rest in rules.milestones if rest is True or holds(rest, document)])
        fails = rules.fails is not False and holds(rules.fails, document)
        cancels = rules.cancels is not False and holds(rules.cancels, document)
        if not (milestones or fails or cancels or (rules.observes is not False and holds(rules.observes, document))):
            return None
        keys = self.keys(document)
        name, joining = self.workflow.name, self.workflow.joining
        joins = [(name, namespace, value) for namespace, value in keys if namespace in joining]
        return Match(milestones, fails, cancels, keys, joins)

    def observe(self, event: Event, match: Match) -> Progress:
        """The progress this event alone makes."""
        return self._observe(event, match.milestones, match.keys, match.fails, match.cancels)


def _any(filters: Iterable[Filter], source: str, type_: str) -> Residue:
    rests = [rest for condition in filters if (rest := reduce(condition, source, type_)) is not False]
    if True in rests:
        return True
    if not rests:
        return False
    return Any_(tuple(rest for rest in rests if not isinstance(rest, bool)))


class Matcher:
    """All workflow versions that events are matched against, the versions of one workflow newest first."""

    def __init__(self, workflows: Iterable[Workflow]) -> None:
        self.versions: dict[tuple[str, int], WorkflowMatcher] = {
            (workflow.name, workflow.version): WorkflowMatcher(workflow)
            for workflow in sorted(workflows, key=lambda w: (w.name, -w.version))
        }
        self._plans: dict[tuple[str, str], list[tuple[WorkflowMatcher, _Rules]]] = {}

    def plan(self, source: str, type_: str) -> list[tuple[WorkflowMatcher, _Rules]]:
        """The versions that events of this source and type may concern."""
        pair = (source, type_)
        plan = self._plans.get(pair)
        if plan is None:
            if len(self._plans) >= _REMEMBERED_PAIRS:
                self._plans.clear()
            plan = self._plans[pair] = [
                (matcher, rules)
                for matcher in self.versions.values()
                if (rules := matcher.rules(source, type_)) is not None
            ]
        return plan

    def matches(self, event: Event) -> list[tuple[WorkflowMatcher, Match]]:
        """Every workflow version the event concerns, with what it means there."""
        found = []
        for matcher, rules in self.plan(event.source, event.type):
            match = matcher.apply(rules, event.document)
            if match is not None:
                found.append((matcher, match))
        return found
