"""The model of a workflow definition: what a file says, checked, and ready for the engine."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from slo_rules.calendars import Calendar, CalendarRules, prepared
from slo_rules.deadlines import Deadline
from slo_rules.filters import Filter

AMOUNT = "$amount"
CURRENCY = "$currency"
_REMEMBERED_SETS = 4096


class KeyRule(msgspec.Struct, frozen=True):
    """Where an event carries an id of the instance. A joining key identifies the instance, a search key finds it."""

    namespace: str
    paths: tuple[str, ...]
    joins: bool = True


class Like(msgspec.Struct, frozen=True):
    """Another milestone and a path into the event that reached it; numbers may differ by the tolerance.

    `share` says that the tolerance is a share of the other number.
    """

    milestone: str
    path: str
    tolerance: str = "0"
    share: bool = False


class Requirement(msgspec.Struct, frozen=True):
    """What must be true of the event that reaches a milestone for it to be a business success.

    With `like`, what is at `path` must be what the event that reached another milestone has at its path.
    """

    path: str
    exists: bool = True
    equals: str | None = None
    like: Like | None = None


class Milestone(msgspec.Struct, frozen=True):
    """A named point an instance reaches, after the milestone `after`."""

    name: str
    title: str
    condition: Filter
    after: str | None = None
    deadline: Deadline | None = None
    source: str | None = None
    owner: str = ""
    starts: bool = False
    completes: bool = False
    require: tuple[Requirement, ...] = ()


class Workflow(msgspec.Struct, frozen=True, dict=True):
    """One version of a workflow definition."""

    name: str
    domain: str
    owner: str
    entity: str
    title: str
    description: str
    version: int
    keys: tuple[KeyRule, ...]
    milestones: tuple[Milestone, ...]
    title_keys: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]] = {}
    amount: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    observes: tuple[Filter, ...] = ()
    fails_on: tuple[Filter, ...] = ()
    cancels_on: tuple[Filter, ...] = ()
    pauses_on: tuple[Filter, ...] = ()
    resumes_on: tuple[Filter, ...] = ()
    calendars: dict[str, CalendarRules] = {}
    """The calendars its deadlines are counted on, by name: a version of a workflow includes its calendars."""

    @cached_property
    def by_name(self) -> dict[str, Milestone]:
        """Milestones by their name."""
        return {milestone.name: milestone for milestone in self.milestones}

    @cached_property
    def descendants(self) -> dict[str, tuple[str, ...]]:
        """For each milestone, those that can only come after it; one of them reached says this one was passed."""
        children: dict[str, list[str]] = {}
        for milestone in self.milestones:
            if milestone.after:
                children.setdefault(milestone.after, []).append(milestone.name)

        def below(name: str) -> tuple[str, ...]:
            found: list[str] = []
            todo = list(children.get(name, ()))
            while todo:
                child = todo.pop()
                if child not in found:
                    found.append(child)
                    todo.extend(children.get(child, ()))
            return tuple(found)

        return {milestone.name: below(milestone.name) for milestone in self.milestones}

    @cached_property
    def _awaited(self) -> dict[frozenset[str], tuple[Milestone, ...]]:
        return {}

    def awaited(self, reached: Iterable[str]) -> tuple[Milestone, ...]:
        """What an instance that has reached these milestones waits for, in the order of the definition.

        That is what comes after a milestone that was reached or passed, and was neither reached nor passed itself.
        """
        names = frozenset(reached)
        found = self._awaited.get(names)
        if found is None:
            if len(self._awaited) >= _REMEMBERED_SETS:
                self._awaited.clear()
            passed = {name for name in self.by_name if name in names or not names.isdisjoint(self.descendants[name])}
            found = self._awaited[names] = tuple(
                milestone for milestone in self.milestones if milestone.after in passed and milestone.name not in passed
            )
        return found

    @cached_property
    def completing(self) -> tuple[str, ...]:
        """The milestones that complete an instance."""
        return tuple(milestone.name for milestone in self.milestones if milestone.completes)

    @cached_property
    def starting(self) -> tuple[str, ...]:
        """The milestones that start an instance."""
        return tuple(milestone.name for milestone in self.milestones if milestone.starts)

    @cached_property
    def requiring(self) -> tuple[Milestone, ...]:
        """The milestones with requirements."""
        return tuple(milestone for milestone in self.milestones if milestone.require)

    @cached_property
    def promised(self) -> tuple[tuple[Milestone, Deadline], ...]:
        """The milestones with a deadline."""
        return tuple((one, one.deadline) for one in self.milestones if one.deadline is not None)

    @cached_property
    def tiered(self) -> bool:
        """Whether any deadline depends on attributes."""
        return any(deadline.tiers for _, deadline in self.promised)

    @cached_property
    def prepared_calendars(self) -> dict[str, Calendar]:
        """Its calendars, ready for use; workflows share what is prepared."""
        return {name: prepared(rules) for name, rules in self.calendars.items()}

    @cached_property
    def measured(self) -> dict[str, tuple[str, ...]]:
        """The paths whose values are kept of the events that reach a milestone, for comparisons between milestones."""
        found: dict[str, dict[str, None]] = {}
        for milestone in self.milestones:
            for one in milestone.require:
                if one.like is not None:
                    found.setdefault(milestone.name, {})[one.path] = None
                    found.setdefault(one.like.milestone, {})[one.like.path] = None
        return {name: tuple(paths) for name, paths in found.items()}

    @cached_property
    def attribute_names(self) -> tuple[str, ...]:
        """The attributes in the order of their names."""
        return tuple(sorted(self.attributes))

    @cached_property
    def said(self) -> tuple[str, ...]:
        """What an event may say of an instance: the attributes, then amount and currency where they are defined."""
        worth = ((AMOUNT, self.amount), (CURRENCY, self.currency))
        return (*self.attribute_names, *(name for name, paths in worth if paths))

    @cached_property
    def joining(self) -> frozenset[str]:
        """The namespaces of the joining keys."""
        return frozenset(rule.namespace for rule in self.keys if rule.joins)


class Objective(msgspec.Struct, frozen=True):
    """A promise over many instances: from one milestone to another within a time, for a share of them.

    `latency` counts items in the window of their deadline; `freshness` counts five-minute slices in which the oldest
    change that has not arrived is younger than `within`. `window` and `within` are micros; the window is rolling.
    """

    name: str
    title: str
    owner: str
    workflow: str
    kind: str
    start: str
    end: str
    within: int
    target: float
    window: int


class Source(msgspec.Struct, frozen=True):
    """A system that sends. Without an arrival for `silent_after` micros it counts as silent (None: never)."""

    name: str
    title: str = ""
    owner: str = ""
    silent_after: int | None = None


class Definitions(msgspec.Struct, frozen=True):
    """Everything a set of definition files says. Routes stay documents: alerting gives them their meaning."""

    workflows: dict[str, Workflow]
    objectives: dict[str, Objective]
    calendars: dict[str, CalendarRules]
    sources: dict[str, Source]
    routes: dict[str, dict[str, Any]]
