"""Definitions held against what arrives: what they wait for in vain, and what arrives and means nothing to them.

A board is green also where nothing is instrumented. The counts here tell the two apart.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

import msgspec

from slo_rules.acts import ACT_SOURCE
from slo_rules.cadence import SourceCadence, cadence_of
from slo_rules.calendars import CalendarRules
from slo_rules.event import Event
from slo_rules.explain import Step, StepState
from slo_rules.identity import split_key
from slo_rules.match import Match
from slo_rules.matching import Matcher
from slo_rules.near_misses import NearMiss, nearest
from slo_rules.workflow import AMOUNT, Milestone, Source, Workflow

MAX_KINDS = 1000
"""The kinds of event that are told apart; those that come later are counted together."""
MOST_EXPLAINED = 100
"""The kinds whose nearest filter is looked for."""


_SIGNALS = ("fails_on", "cancels_on", "pauses_on", "resumes_on", "restarts_on")


class DeadlineHistory(StrEnum):
    """How a deadline has fared: one that is never or always missed says little."""

    NONE = "none"
    UNDECIDED = "undecided"
    NEVER_MISSED = "never_missed"
    SOMETIMES_MISSED = "sometimes_missed"
    ALWAYS_MISSED = "always_missed"


class MilestoneCoverage(msgspec.Struct, frozen=True):
    """How often a milestone was reached: by `events`, the last of which occurred at `last_at`, in `reached` instances.

    Of the instances whose deadline for it is decided, `met` kept it and `missed` did not.
    """

    name: str
    source: str | None
    events: int
    last_at: int | None
    reached: int
    met: int
    missed: int
    deadline: DeadlineHistory


class WorkflowCoverage(msgspec.Struct, frozen=True):
    """One workflow: `events` concerned it, of them `keyless` carried no usable joining key.

    `signals` counts the events of `fails_on`, `pauses_on` and so on. `keys` and `attributes` say in how many of the
    events each was there; the worth counts as the attribute `value`.
    """

    name: str
    events: int
    keyless: int
    instances: int
    signals: dict[str, int]
    milestones: tuple[MilestoneCoverage, ...]
    keys: dict[str, int]
    attributes: dict[str, int]

    @property
    def never_reached(self) -> list[str]:
        """The milestones that neither an event nor an instance has reached."""
        return [one.name for one in self.milestones if not one.events and not one.reached]

    @property
    def never_seen(self) -> tuple[list[str], list[str]]:
        """The keys and the attributes that were on no event; none where no event concerned the workflow at all."""
        if not self.events:
            return [], []
        return [key for key, seen in self.keys.items() if not seen], [
            n for n, seen in self.attributes.items() if not seen
        ]


class KindCoverage(msgspec.Struct, frozen=True):
    """Events of one source and type: of `events`, `unmatched` concern no workflow; `keyless` do and name no instance.

    `example` is the id of the latest that is unmatched, and `nearest` the filter that it came nearest to.
    """

    source: str
    type: str
    events: int
    unmatched: int
    keyless: int
    example: str | None
    nearest: NearMiss | None


class SilentSource(msgspec.Struct, frozen=True):
    """A source that has never sent an event, and what waits for it: milestones as `workflow/milestone`."""

    source: str
    awaited_by: tuple[str, ...]


class CoverageReport(msgspec.Struct, frozen=True):
    """What was found in `events`, which occurred from `first_at` to `last_at` (None without any).

    `other_events` are of kinds beyond MAX_KINDS. Kinds with the most unmatched events come first. `sources` are those
    of the events, by name.
    """

    events: int
    unmatched: int
    keyless: int
    instances: int
    first_at: int | None
    last_at: int | None
    workflows: tuple[WorkflowCoverage, ...]
    kinds: tuple[KindCoverage, ...]
    other_events: int
    sources: tuple[SourceCadence, ...]
    silent_sources: tuple[SilentSource, ...]


class _Workflow:
    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.events = 0
        self.keyless = 0
        self.instances = 0
        self.signals: Counter[str] = Counter()
        self.reaching: Counter[str] = Counter()
        self.last_at: dict[str, int] = {}
        self.keys: Counter[str] = Counter()
        self.said: Counter[str] = Counter()
        self.states: Counter[tuple[str, StepState]] = Counter()
        self.met: Counter[str] = Counter()

    def note(self, match: Match) -> None:
        self.events += 1
        self.keyless += not match.joining
        self.signals["fails_on"] += match.more.fails is not None
        self.signals["cancels_on"] += match.more.cancels is not None
        self.signals["pauses_on"] += match.more.stops is True
        self.signals["resumes_on"] += match.more.stops is False
        self.signals["restarts_on"] += match.more.restarts is not None
        self.reaching.update(match.milestones)
        for name in match.milestones:
            self.last_at[name] = max(self.last_at.get(name, match.at), match.at)
        self.keys.update({split_key(key)[0] for key in (*match.joining, *match.searching)})
        self.said.update(match.said.keys())

    def note_instance(self, steps: Iterable[Step]) -> None:
        self.instances += 1
        for step in steps:
            name = step.milestone.name
            self.states[name, step.state] += 1
            if step.at is not None:
                self.last_at[name] = max(self.last_at.get(name, step.at), step.at)
            if step.state is StepState.REACHED and step.deadline_at is not None:
                self.met[name] += 1

    def coverage(self) -> WorkflowCoverage:
        workflow = self.workflow
        attributes = {name: self.said[name] for name in workflow.attribute_names}
        if workflow.amount:
            attributes["value"] = self.said[AMOUNT]
        return WorkflowCoverage(
            workflow.name,
            self.events,
            self.keyless,
            self.instances,
            {field: self.signals[field] for field in _SIGNALS if getattr(workflow, field)},
            tuple(map(self._milestone, workflow.milestones)),
            {rule.namespace: self.keys[rule.namespace] for rule in workflow.keys},
            attributes,
        )

    def _milestone(self, milestone: Milestone) -> MilestoneCoverage:
        name = milestone.name
        late = self.states[name, StepState.REACHED_LATE]
        met, missed = self.met[name], late + self.states[name, StepState.OVERDUE]
        return MilestoneCoverage(
            name,
            milestone.source,
            self.reaching[name],
            self.last_at.get(name),
            self.states[name, StepState.REACHED] + late,
            met,
            missed,
            _history(milestone in self.workflow.promised, met, missed),
        )


def _history(promised: bool, met: int, missed: int) -> DeadlineHistory:
    if not promised:
        return DeadlineHistory.NONE
    if not met and not missed:
        return DeadlineHistory.UNDECIDED
    if met and missed:
        return DeadlineHistory.SOMETIMES_MISSED
    return DeadlineHistory.ALWAYS_MISSED if missed else DeadlineHistory.NEVER_MISSED


class _Kind:
    __slots__ = ("events", "example", "keyless", "unmatched")

    def __init__(self) -> None:
        self.events = 0
        self.unmatched = 0
        self.keyless = 0
        self.example: tuple[int, str, dict[str, Any]] | None = None


class Coverage:
    """Takes in events and instances one at a time, in any order. Of each event it keeps when it arrived.

    `calendars` are those that the cadence of a source may be counted on.
    """

    def __init__(
        self, workflows: Iterable[Workflow], sources: Iterable[Source], calendars: Iterable[CalendarRules] = ()
    ) -> None:
        self._workflows = {workflow.name: _Workflow(workflow) for workflow in workflows}
        self._sources = {source.name: source for source in sources}
        self._calendars = tuple(calendars)
        self._arrivals: dict[str, array[int]] = {}
        self._matcher = Matcher(one.workflow for one in self._workflows.values())
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._others = _Kind()
        self._events = 0
        self._first_at: int | None = None
        self._last_at: int | None = None

    def observe(self, event: Event) -> None:
        """Take an event in."""
        at = event.occurred_at
        self._events += 1
        self._first_at = at if self._first_at is None else min(at, self._first_at)
        self._last_at = at if self._last_at is None else max(at, self._last_at)
        if event.source != ACT_SOURCE:
            self._arrivals.setdefault(event.source, array("q")).append(event.received_at)
        found = self._matcher.matches(event)
        for matcher, match in found:
            self._workflows[matcher.workflow.name].note(match)
        kind = self._kind(event)
        kind.events += 1
        if not found:
            kind.unmatched += 1
            latest = (at, str(event.document.get("id", "")))
            if kind is not self._others and (kind.example is None or latest > kind.example[:2]):
                kind.example = (*latest, event.document)
        elif not any(match.joining for _, match in found):
            kind.keyless += 1

    def _kind(self, event: Event) -> _Kind:
        name = (event.source, event.type)
        kind = self._kinds.get(name)
        if kind is None:
            if len(self._kinds) >= MAX_KINDS:
                return self._others
            kind = self._kinds[name] = _Kind()
        return kind

    def observe_instance(self, workflow: str, steps: Iterable[Step]) -> None:
        """Take in the journey of an instance; of a workflow that is not asked about, it is passed over."""
        known = self._workflows.get(workflow)
        if known is not None:
            known.note_instance(steps)

    def report(self, heard: Collection[str]) -> CoverageReport:
        """What was found so far. `heard` are the sources that sent an event before, as far as is known."""
        workflows = [one.workflow for one in self._workflows.values()]
        kinds = []
        ordered = sorted(self._kinds.items(), key=lambda pair: (-pair[1].unmatched, -pair[1].events, pair[0]))
        for place, ((source, type_), kind) in enumerate(ordered):
            near = nearest(workflows, kind.example[2]) if kind.example and place < MOST_EXPLAINED else None
            example = kind.example[1] if kind.example else None
            kinds.append(KindCoverage(source, type_, kind.events, kind.unmatched, kind.keyless, example, near))
        everything = [*self._kinds.values(), self._others]
        awaited = self._awaited()
        silent = sorted(awaited.keys() - set(heard) - self._arrivals.keys())
        return CoverageReport(
            self._events,
            sum(kind.unmatched for kind in everything),
            sum(kind.keyless for kind in everything),
            sum(one.instances for one in self._workflows.values()),
            self._first_at,
            self._last_at,
            tuple(self._workflows[name].coverage() for name in sorted(self._workflows)),
            tuple(kinds),
            self._others.events,
            tuple(self._cadence(name, awaited.get(name, ())) for name in sorted(self._arrivals)),
            tuple(SilentSource(name, tuple(awaited[name])) for name in silent),
        )

    def _awaited(self) -> dict[str, list[str]]:
        """What waits for each source that a milestone awaits or the definitions name."""
        awaited: dict[str, list[str]] = {name: [] for name in self._sources}
        for name in sorted(self._workflows):
            for milestone in self._workflows[name].workflow.milestones:
                if milestone.source:
                    awaited.setdefault(milestone.source, []).append(f"{name}/{milestone.name}")
        return awaited

    def _cadence(self, name: str, awaited_by: Iterable[str]) -> SourceCadence:
        source = self._sources.get(name) or Source(name)
        return cadence_of(source, self._arrivals[name], tuple(awaited_by), self._calendars)
