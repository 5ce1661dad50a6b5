"""The model of a workflow definition: what a file says, checked, and ready for the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import msgspec

from slo_rules.adapter import Adapter
from slo_rules.calendars import Calendar, CalendarRules, prepared
from slo_rules.deadlines import Deadline
from slo_rules.durations import HOUR, MINUTE
from slo_rules.expectation import Expectation
from slo_rules.filters import Filter, exact_value
from slo_rules.objective import Objective

AMOUNT = "$amount"
JOINS_AT_MOST = 100
"""Instances that one key may join where its definition says nothing."""
CURRENCY = "$currency"
DEFAULT_SKEW = 5 * MINUTE
"""How far a clock may be off where nobody says otherwise: as far as a Windows domain or Kerberos lets one be."""
DEFAULT_ORPHAN_AFTER = HOUR
_REMEMBERED_SETS = 4096


class Alias(msgspec.Struct, frozen=True):
    """The events that say that one id was replaced by another, and where they carry the two."""

    condition: Filter
    old: tuple[str, ...]
    new: tuple[str, ...]


class KeyRule(msgspec.Struct, frozen=True):
    """Where an event carries an id of the instance. A joining key identifies the instance, a search key finds it.

    Systems spell one id differently: `case` (upper or lower; empty: as it comes), `strip_prefix` and `strip_zeros`
    bring it into one spelling, in this order.
    """

    namespace: str
    paths: tuple[str, ...]
    joins: bool = True
    case: str = ""
    strip_prefix: tuple[str, ...] = ()
    strip_zeros: bool = False
    unique: bool = False
    """Whether an instance can have only one value of it."""
    aliases: tuple[Alias, ...] = ()
    """Of a joining key: which events replace one value by another. Instances of both are one from then on."""
    joins_at_most: int = JOINS_AT_MOST
    """Instances that one value may join; one that would join more is taken for a placeholder and joins none."""


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
    """A named point an instance reaches, after all of the milestones `after`, or with `after_any` after one of them.

    Of the milestones with the same `choice` one is enough. What is `optional` is not waited for. `count` is how many
    occurrences reach it, or the attribute that says so. With `any_order` it is no contradiction that it was reached
    before what it comes after.

    With `each` it is reached once every value of that key of the instance has reached it, each of them a part of the
    instance with a clock of its own; `count` is then how many parts there must be at least, the same for all milestones
    of that key.
    """

    name: str
    title: str
    condition: Filter
    after: tuple[str, ...] = ()
    after_any: bool = False
    deadline: Deadline | None = None
    source: str | None = None
    owner: str = ""
    starts: bool = False
    completes: bool = False
    require: tuple[Requirement, ...] = ()
    optional: bool = False
    choice: str = ""
    count: int | str = 1
    any_order: bool = False
    each: str = ""

    @property
    def starts_clock(self) -> tuple[str, ...]:
        """The milestones from which its deadline counts."""
        return self.after if self.deadline is None or self.deadline.start is None else (self.deadline.start,)

    @property
    def bound(self) -> bool:
        """Whether it can only come after what it is said to come after; where an instance starts, nothing need be."""
        return not self.any_order and not self.starts


Follows = tuple[str, str, int, tuple[str, ...]]
"""A milestone, another that it can only come after, by how many micros it may seem to come earlier nevertheless, for
their clocks may differ by that, and those of which one would do as well as the other. Asked for at every event."""


class Situation(msgspec.Struct, frozen=True):
    """What follows from which milestones were reached, whenever that was.

    `awaited` is what is waited for, in the order of the definition; `given_up` what others were chosen instead of, and
    what can only come after that; `follows` what of the reached can only come after what; `orphaned` says whether
    there are milestones, and none that starts.
    """

    awaited: tuple[Milestone, ...]
    given_up: frozenset[str]
    follows: tuple[Follows, ...]
    orphaned: bool


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
    restarts_on: tuple[Filter, ...] = ()
    completes_with_all: bool = False
    calendars: dict[str, CalendarRules] = {}
    """The calendars its deadlines are counted on, by name: a version of a workflow includes its calendars."""
    skews: dict[str, int] = {}
    """How far the clocks of its sources may be off, in micros; DEFAULT_SKEW for those that are not named."""
    orphan_after: int | None = DEFAULT_ORPHAN_AFTER
    """How long, in micros, an instance may be without its start from its first event on; None: for ever."""

    @cached_property
    def by_name(self) -> dict[str, Milestone]:
        """Milestones by their name."""
        return {milestone.name: milestone for milestone in self.milestones}

    @cached_property
    def descendants(self) -> dict[str, tuple[str, ...]]:
        """For each milestone, those that can only come after it; one of them reached says this one was passed."""
        children: dict[str, list[str]] = {}
        for milestone in self.milestones:
            # What comes after any of several says of none of them that it was passed.
            for before in () if milestone.after_any else milestone.after:
                children.setdefault(before, []).append(milestone.name)

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
    def _situations(self) -> dict[frozenset[str], Situation]:
        return {}

    def awaited(self, reached: Iterable[str]) -> tuple[Milestone, ...]:
        """What an instance that has reached these milestones waits for, in the order of the definition."""
        return self.situation(reached).awaited

    def given_up(self, reached: Iterable[str]) -> frozenset[str]:
        """The milestones that others were chosen instead of, and what can only come after them."""
        return self.situation(reached).given_up if self.choosing else frozenset()

    def situation(self, reached: Iterable[str]) -> Situation:
        """What follows from an instance having reached these milestones.

        Awaited is what comes after milestones that were reached or passed, and was neither reached nor passed itself,
        nor given up for another of its choice.
        """
        names = frozenset(reached)
        found = self._situations.get(names)
        return self._situation(names) if found is None else found

    def _situation(self, names: frozenset[str]) -> Situation:
        if len(self._situations) >= _REMEMBERED_SETS:
            self._situations.clear()
        passed = {name for name in self.by_name if name in names or not names.isdisjoint(self.descendants[name])}
        given_up = self._given_up(passed)
        awaited = tuple(
            milestone
            for milestone in self.milestones
            if milestone.name not in passed
            and milestone.name not in given_up
            and not milestone.optional
            and milestone.after
            and (any if milestone.after_any else all)(before in passed for before in milestone.after)
        )
        orphaned = bool(names) and self.orphan_after is not None and names.isdisjoint(self.starting)
        follows = tuple(self._follows(names, given_up))
        found = self._situations[names] = Situation(awaited, frozenset(given_up), follows, orphaned)
        return found

    def _follows(self, names: frozenset[str], given_up: set[str]) -> Iterator[Follows]:
        for one in self.milestones:
            if one.name not in names or not one.bound:
                continue
            if not one.after_any:
                for before in self._nearest(one, names):
                    yield one.name, before, self.tolerance(one, before), ()
            # As long as an alternative may have been reached unheard of, nothing contradicts it.
            elif all(before in names or before in given_up for before in one.after):
                came = [before for before in one.after if before in names]
                if came:
                    widest = max(self.tolerance(one, before) for before in came)
                    yield one.name, came[0], widest, tuple(came[1:])

    def _nearest(self, milestone: Milestone, names: frozenset[str]) -> list[str]:
        """Of these, the nearest that a milestone can only come after; what was lost on the way is looked behind."""
        found: list[str] = []
        seen: set[str] = set()
        todo = list(milestone.after)
        while todo:
            before = todo.pop(0)
            if before in seen:
                continue
            seen.add(before)
            if before in names:
                found.append(before)
            elif self.by_name[before].bound and not self.by_name[before].after_any:
                todo.extend(self.by_name[before].after)
        return found

    def tolerance(self, milestone: Milestone, before: str) -> int:
        """By how many micros a milestone may seem to come too early: as far as the clocks of the sources may differ."""
        other = self.by_name[before]
        skews = [self.skews.get(one.source or "", DEFAULT_SKEW) for one in (milestone, other)]
        return skews[0] if milestone.source is not None and milestone.source == other.source else sum(skews)

    def _given_up(self, passed: set[str]) -> set[str]:
        taken = {one.choice for one in self.milestones if one.choice and one.name in passed}
        given_up = {one.name for one in self.milestones if one.choice in taken and one.name not in passed}
        size = -1
        while size != len(given_up):
            size = len(given_up)
            for one in self.milestones:
                if one.after and one.name not in passed:
                    gone = [before in given_up for before in one.after]
                    if all(gone) if one.after_any else any(gone):
                        given_up.add(one.name)
        return given_up

    @cached_property
    def choosing(self) -> bool:
        """Whether there is any choice."""
        return any(one.choice for one in self.milestones)

    @cached_property
    def shown_by(self) -> dict[str, frozenset[str]]:
        """For each milestone those of which each says, when it is reached, that this one was reached or passed."""
        return {one.name: frozenset((one.name, *self.descendants[one.name])) for one in self.milestones}

    @cached_property
    def affected_by(self) -> dict[str, frozenset[str]]:
        """For each milestone those on which it depends when it was due and when it came."""
        return {name: self.shown_by[name] | starts for name, starts in self.shows_start.items()}

    @cached_property
    def shows_start(self) -> dict[str, frozenset[str]]:
        """For each milestone those of which one must be reached for its clock to have started."""
        return {
            one.name: frozenset().union(*(self.shown_by[name] for name in one.starts_clock)) for one in self.milestones
        }

    @cached_property
    def counted(self) -> frozenset[str]:
        """The milestones whose every occurrence is kept."""
        return frozenset(one.name for one in self.milestones if self.restarts_on or one.count != 1 or one.each)

    @cached_property
    def each(self) -> dict[str, tuple[Milestone, ...]]:
        """The keys whose values are parts of an instance, with the milestones that each part reaches."""
        names = dict.fromkeys(one.each for one in self.milestones if one.each)
        return {name: tuple(one for one in self.milestones if one.each == name) for name in names}

    @cached_property
    def joining_rules(self) -> tuple[KeyRule, ...]:
        """What decides which events are of one instance."""
        joining = (rule for rule in self.keys if rule.joins)
        return tuple(msgspec.structs.replace(rule, unique=False, joins_at_most=0) for rule in joining)

    def joins_as(self, other: Workflow) -> bool:
        """Whether both tell by the same keys which events are one; else no instance can move between them."""
        return self.joining_rules == other.joining_rules

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
        return tuple(one for one in self.milestones if one.deadline is not None)

    @cached_property
    def promised_once(self) -> tuple[Milestone, ...]:
        """The milestones with a deadline of the instance as a whole."""
        return tuple(one for one in self.promised if not one.each)

    @cached_property
    def tiered(self) -> bool:
        """Whether it depends on attributes when anything is due or reached."""
        return any(isinstance(one.count, str) or (one.deadline and one.deadline.tiers) for one in self.milestones)

    @cached_property
    def awaited_types(self) -> dict[str, str]:
        """The event types of the milestones that only one type of the source they are awaited from can reach."""
        found = {}
        for one in self.milestones:
            type_ = exact_value(one.condition, "type")
            if type_ is not None and one.source is not None and exact_value(one.condition, "source") == one.source:
                found[one.name] = type_
        return found

    @cached_property
    def plain(self) -> bool:
        """Whether nothing but its milestones, when they come and in which order says how an instance stands."""
        return not (self.counted or self.unique or self.requiring)

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
    def unique(self) -> tuple[str, ...]:
        """The namespaces of which an instance can have only one value."""
        return tuple(rule.namespace for rule in self.keys if rule.unique)

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
    def joins_at_most(self) -> dict[str, int]:
        """How many instances a key may join, by the namespaces of the joining keys."""
        return {rule.namespace: rule.joins_at_most for rule in self.keys if rule.joins}

    @cached_property
    def crowd(self) -> int:
        """Joining keys up to which an instance is not looked at: none of them can join more than it may."""
        return min(self.joins_at_most.values())

    @cached_property
    def joining(self) -> frozenset[str]:
        """The namespaces of the joining keys."""
        return frozenset(rule.namespace for rule in self.keys if rule.joins)


class Source(msgspec.Struct, frozen=True):
    """A system that sends: what is expected of all it sends together, and of some of its event types.

    Without an expectation it never counts as silent. Its clock may be off by `skew` micros.
    """

    name: str
    title: str = ""
    owner: str = ""
    expects: Expectation | None = None
    types: dict[str, Expectation] = {}
    skew: int = DEFAULT_SKEW
    adapter: Adapter | None = None
    """How it is received where it sends in a form of its own."""


class Definitions(msgspec.Struct, frozen=True):
    """Everything a set of definition files says. From routes on they stay documents: alerting says what they mean."""

    workflows: dict[str, Workflow]
    objectives: dict[str, Objective]
    calendars: dict[str, CalendarRules]
    sources: dict[str, Source]
    routes: dict[str, dict[str, Any]]
    targets: dict[str, dict[str, Any]]
    teams: dict[str, dict[str, Any]] = {}
    severities: dict[str, dict[str, Any]] = {}
    maintenance: dict[str, dict[str, Any]] = {}
    inhibitions: dict[str, dict[str, Any]] = {}
