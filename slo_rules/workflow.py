"""The model of a workflow definition: what a file says, checked, and ready for the engine."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from slo_rules.filters import Filter

AMOUNT = "$amount"
CURRENCY = "$currency"
_REMEMBERED_SETS = 4096


class KeyRule(msgspec.Struct, frozen=True):
    """Where an event carries an id of the instance. A joining key identifies the instance, a search key finds it."""

    namespace: str
    paths: tuple[str, ...]
    joins: bool = True


class Requirement(msgspec.Struct, frozen=True):
    """What must be true of the event that reaches a milestone for it to be a business success."""

    path: str
    exists: bool = True
    equals: str | None = None


class Milestone(msgspec.Struct, frozen=True):
    """A named point an instance reaches. `warn` and `breach` are micros after the milestone `after` was reached."""

    name: str
    title: str
    condition: Filter
    after: str | None = None
    warn: int | None = None
    breach: int | None = None
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
    def promised(self) -> tuple[Milestone, ...]:
        """The milestones with a deadline."""
        return tuple(one for one in self.milestones if one.breach is not None and one.after is not None)

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
    sources: dict[str, Source]
    routes: dict[str, dict[str, Any]]
