"""Which workflows an event concerns, and what it means there.

Filters are reduced once per `(source, type)`, those of spans by more; what can never match costs nothing per event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from slo_rules.acts import ACT_SOURCE, ACTS, read_act
from slo_rules.event import Event
from slo_rules.filters import SPAN_TYPE, Any_, Filter, Residue, holds, reduce
from slo_rules.identity import Extract, Key, joining_key, key_extractor
from slo_rules.match import NOTHING_BESIDES, Besides, Faults, Match
from slo_rules.observation import measures, requirements, sayings
from slo_rules.workflow import Alias, KeyRule, Workflow

_REMEMBERED_PAIRS = 20_000
_NO_FAULTS: Faults = {}
_NO_PARTS: dict[str, str] = {}

Meaning = tuple[tuple[str, ...], bool, bool, bool | None, bool]
"""The milestones an event reaches, whether it is a failure, a cancellation, what it does to the clocks, a restart."""


@dataclass(frozen=True)
class _Rules:
    milestones: tuple[tuple[str, Residue], ...]
    fails: Residue
    cancels: Residue
    pauses: Residue
    resumes: Residue
    restarts: Residue
    observes: Residue
    renames: tuple[tuple[Extract, Residue], ...]
    """What extracts an old and a new key, for the events that replace one by the other."""
    decided: Meaning | None
    """What every event of this source and type means, where nothing in it needs to be looked at."""


_OF_ACTS = _Rules((), False, False, False, False, False, False, (), None)
"""No definition says what an act means, and none can take one for something else."""


class WorkflowMatcher:
    """One workflow version, ready to match events and to observe them."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.joining: Extract = key_extractor(rule for rule in workflow.keys if rule.joins)
        self.searching: Extract = key_extractor(rule for rule in workflow.keys if not rule.joins)
        self.says = sayings(workflow)
        self.renames = tuple((_both(rule, alias), alias.condition) for rule in workflow.keys for alias in rule.aliases)
        self.checks = {milestone.name: requirements(milestone) for milestone in workflow.requiring}
        self.measure = measures(workflow) if workflow.measured else None
        self.parts = {milestone.name: milestone.each + "=" for milestone in workflow.milestones if milestone.each}
        self.more = bool(self.checks or self.measure or self.parts or workflow.counted)
        """Whether what reaches a milestone may say more than that."""

    def rules(self, source: str, type_: str) -> _Rules | None:
        """What is left to ask of events of this source and type; None when they can never concern the workflow."""
        if source == ACT_SOURCE:
            return _OF_ACTS if type_ in ACTS else None
        known = {"source": source, "type": type_}
        reduced = [(m.name, reduce(m.condition, known)) for m in self.workflow.milestones]
        milestones = tuple((name, rest) for name, rest in reduced if rest is not False)
        fails = _any(self.workflow.fails_on, known)
        cancels = _any(self.workflow.cancels_on, known)
        pauses = _any(self.workflow.pauses_on, known)
        resumes = _any(self.workflow.resumes_on, known)
        observes = _any((*self.workflow.observes, *(condition for _, condition in self.renames)), known)
        restarts = _any(self.workflow.restarts_on, known)
        rests = [*(rest for _, rest in milestones), fails, cancels, pauses, resumes, restarts]
        if observes is False and not any(rests):
            return None
        decided = None
        if all(isinstance(rest, bool) for rest in rests) and (any(rests) or observes is True):
            stops = _stops(pauses is True, resumes is True)
            decided = (tuple(name for name, _ in milestones), fails is True, cancels is True, stops, restarts is True)
        reductions = [(extract, reduce(condition, known)) for extract, condition in self.renames]
        renames = tuple((extract, rest) for extract, rest in reductions if rest is not False)
        return _Rules(milestones, fails, cancels, pauses, resumes, restarts, observes, renames, decided)

    @property
    def filters(self) -> list[Filter]:
        """All filters of the workflow: what none of them takes does not concern it."""
        workflow = self.workflow
        more = (workflow.fails_on, workflow.cancels_on, workflow.pauses_on, workflow.resumes_on, workflow.restarts_on)
        found = [milestone.condition for milestone in workflow.milestones]
        found += [condition for conditions in more for condition in conditions]
        return [*found, *workflow.observes, *(condition for _, condition in self.renames)]

    def means(self, rules: _Rules, document: dict[str, Any]) -> Meaning | None:
        """What an event document means to the workflow; None when it does not concern it."""
        if rules.decided is not None:
            return rules.decided
        milestones = tuple([name for name, rest in rules.milestones if rest is True or holds(rest, document)])
        fails = rules.fails is not False and holds(rules.fails, document)
        cancels = rules.cancels is not False and holds(rules.cancels, document)
        stops = _stops(
            rules.pauses is not False and holds(rules.pauses, document),
            rules.resumes is not False and holds(rules.resumes, document),
        )
        restarts = rules.restarts is not False and holds(rules.restarts, document)
        if milestones or fails or cancels or restarts or stops is not None or holds(rules.observes, document):
            return milestones, fails, cancels, stops, restarts
        return None

    def apply(self, rules: _Rules, event: Event) -> Match | None:
        """The match of an event, or None. Raises BadAct for an act that says nothing."""
        if rules is _OF_ACTS:
            return self._act(event)
        document = event.document
        meaning = self.means(rules, document)
        if meaning is None:
            return None
        milestones, fails, cancels, stops, restarts = meaning
        counted = self.workflow.counted
        joining, searching = self.joining(document), self.searching(document)
        besides: Besides | None = None
        if self.more or rules.renames or fails or cancels or restarts or stops is not None:
            parts = self._parts(milestones, [*joining, *searching]) if self.parts else _NO_PARTS
            aliases = _aliases(rules.renames, document, joining) if rules.renames else ()
            besides = Besides(
                self._faults(milestones, document) if self.checks else _NO_FAULTS,
                event.type if fails else None,
                event.type if cancels else None,
                stops,
                self.measure(milestones, document, parts) if self.measure and milestones else {},
                tuple(name for name in milestones if name in counted) if counted else (),
                event.type if restarts else None,
                aliases,
                parts=parts,
            )
            if besides == NOTHING_BESIDES:
                besides = None
        return Match(event.occurred_at, event.key, milestones, joining, searching, self.says(document), besides)

    def _act(self, event: Event) -> Match | None:
        act = read_act(event)
        if act.workflow != self.workflow.name:
            return None
        joining = joining_key(self.workflow.keys, act.key)
        keys = [] if joining is None else [joining]
        besides = Besides(waiver=act.waiver, join=act.join, move=act.move)
        return Match(event.occurred_at, event.key, (), keys, [], {}, besides)

    def _parts(self, milestones: tuple[str, ...], keys: list[Key]) -> dict[str, str]:
        """Of the milestones of parts that an event reaches, the part; an event carries one value of a key at most."""
        found: dict[str, str] = {}
        for name in milestones:
            head = self.parts.get(name)
            if head is not None:
                found.update((name, key[len(head) :]) for key in keys if key.startswith(head))
        return found

    def _faults(self, milestones: tuple[str, ...], document: dict[str, Any]) -> Faults:
        return {name: self.checks[name](document) for name in milestones if name in self.checks}


def _both(rule: KeyRule, alias: Alias) -> Extract:
    """Both keys of an alias, or fewer where the event does not carry both."""
    return key_extractor(msgspec.structs.replace(rule, paths=paths) for paths in (alias.old, alias.new))


def _aliases(
    renames: tuple[tuple[Extract, Residue], ...], document: dict[str, Any], joining: list[Key]
) -> tuple[tuple[Key, Key], ...]:
    """The old and the new key of each alias that an event tells, which are added to the keys that it joins."""
    found = []
    for extract, rest in renames:
        if rest is True or holds(rest, document):
            keys = extract(document)
            if len(keys) == 2 and keys[0] != keys[1]:
                found.append((keys[0], keys[1]))
                joining += [key for key in keys if key not in joining]
    return tuple(found)


def _stops(pauses: bool, resumes: bool) -> bool | None:
    """What an event does to the clocks; one that says both leaves the instance waiting."""
    return True if pauses else False if resumes else None


def _any(filters: Iterable[Filter], known: Mapping[str, str]) -> Residue:
    rests = [rest for condition in filters if (rest := reduce(condition, known)) is not False]
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
        self._filters = [condition for one in self.versions.values() for condition in one.filters]
        self._spans: dict[tuple[str, str, str, str], Residue] = {}

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

    def of_span(self, service: str, name: str, kind: str, status: str) -> Residue:
        """What must hold of spans like this one, of no reserved service, for one to concern any workflow.

        Decided once for all that are alike: nearly always that is the answer, and nothing else of a span is looked at.
        """
        alike = (service, name, kind, status)
        residue = self._spans.get(alike)
        if residue is None:
            if len(self._spans) >= _REMEMBERED_PAIRS:
                self._spans.clear()
            known = {"source": service, "type": SPAN_TYPE, "service": service}
            known |= {"name": name, "kind": kind, "status": status}
            residue = self._spans[alike] = _any(self._filters, known)
        return residue

    def matches(self, event: Event) -> list[tuple[WorkflowMatcher, Match]]:
        """Every workflow version the event concerns, with what it means there."""
        found = []
        for matcher, rules in self.plan(event.source, event.type):
            match = matcher.apply(rules, event)
            if match is not None:
                found.append((matcher, match))
        return found
