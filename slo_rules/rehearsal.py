"""Instances kept in memory under a virtual clock: what a projector that keeps up with its log would hold.

Events are applied in the order of their arrival. Before each, time passes up to it: verdicts that may change by then
are judged by what was known then. Pure: no I/O, and no clock but the instants it is asked about.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Collection, Iterable

from slo_rules.contribution import Contributions, add, contributions
from slo_rules.event import Event
from slo_rules.hearing import expected, falls_behind, heard, resumes
from slo_rules.identity import Key
from slo_rules.joining import join
from slo_rules.judgement import Verdict, Watermark
from slo_rules.judging import is_overdue, judge
from slo_rules.match import Match
from slo_rules.matching import Matcher
from slo_rules.objective import Objective
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.source_freshness import is_about, of_source, pauses_of
from slo_rules.tallying import Tally
from slo_rules.workflow import Source, Workflow


class RehearsedInstance:
    """One instance: what is known of it and how it stands at the instant its rehearsal has come to."""

    verdict: Verdict

    def __init__(self, number: int, workflow: Workflow, progress: Progress) -> None:
        self.number = number
        self.workflow = workflow
        self.progress = progress


class Rehearsal:
    """A history of events put through one version of each workflow, asked at one instant after another.

    `marks` is what is known of the sources, of which something is expected from the first event on. `unmatched` are the
    events that no workflow asks for, `without_key` those that mean something to a workflow and carry none of its
    joining keys, with its name, and `of_nothing` the acts that speak of no instance: dead letters.
    """

    def __init__(self, matcher: Matcher, sources: Iterable[Source], events: Iterable[Event]) -> None:
        self._matcher = matcher
        self._coming = deque(sorted(events, key=lambda event: event.received_at))
        self._held: dict[int, RehearsedInstance] = {}
        self._by_key: defaultdict[str, dict[Key, RehearsedInstance]] = defaultdict(dict)
        self._checks: list[tuple[int, int]] = []
        self._created = 0
        self._now: int | None = None
        self._began_at = self._coming[0].received_at if self._coming else None
        self.marks: dict[str, Watermark] = {} if self._began_at is None else expected(sources, self._began_at)
        self._received: list[Event] = []
        self.unmatched: list[Event] = []
        self.without_key: list[tuple[Event, str]] = []
        self.of_nothing: list[tuple[Event, str]] = []

    def proceed(self, now: int) -> None:
        """Let time pass up to `now` (micros), with all that is received by then. ValueError when that is over."""
        if self._now is not None and now < self._now:
            raise ValueError("a rehearsal cannot go back in time")
        self._now = now
        while self._coming and self._coming[0].received_at <= now:
            self._receive(self._coming.popleft())
        self._check_until(now)

    def instances(self, workflow: str) -> list[RehearsedInstance]:
        """The instances of a workflow, in the order in which they were first heard of."""
        return [held for held in self._held.values() if held.workflow.name == workflow]

    def carrying(self, workflow: str, key: Key) -> list[RehearsedInstance]:
        """The instances that carry a key; of a joining key there is one at most."""
        return [held for held in self.instances(workflow) if key in held.progress.keys]

    def tally(self, objectives: Collection[Objective]) -> Tally:
        """What the instances, and the arrivals of sources, add to these objectives."""
        total: Contributions = {}
        for objective in objectives:
            if objective.source and self._received and self._began_at is not None:
                heard_at = (one.received_at for one in self._received if is_about(objective, one.source, one.type))
                total |= of_source(objective, pauses_of(heard_at, self._began_at), self._began_at)
        for held in self._held.values():
            of_workflow = [one for one in objectives if one.workflow == held.workflow.name]
            add(total, contributions(held.progress, held.workflow, of_workflow), 1)
        return Tally(total)

    def _receive(self, event: Event) -> None:
        self._received.append(event)
        # What is due at the very instant of an arrival is judged after it; only a source that resumes is heard then.
        self._check_until(event.received_at - 1)
        mark = self.marks.get(event.source)
        resuming = resumes(mark, event.type, event.received_at, event.occurred_at)
        if resuming or falls_behind(mark, event.received_at, event.occurred_at):
            self._check_until(event.received_at)
        self.marks[event.source] = heard(mark, event.type, event.received_at, event.occurred_at)
        if resuming:
            for held in self._held.values():
                if is_overdue(held.verdict) and held.verdict.source == event.source:
                    self._judge(held, event.received_at)
        matches = self._matcher.matches(event)
        if not matches:
            self.unmatched.append(event)
        for matcher, match in matches:
            self._apply(event, matcher.workflow, match)

    def _apply(self, event: Event, workflow: Workflow, match: Match) -> None:
        if match.more.acts and not any(key in self._by_key[workflow.name] for key in match.joining):
            self.of_nothing.append((event, workflow.name))
            return
        if not match.joining:
            if match.milestones or match.more.fails or match.more.cancels:
                self.without_key.append((event, workflow.name))
            return
        by_key = self._by_key[workflow.name]
        found = dict.fromkeys(held for key in match.joining if (held := by_key.get(key)) is not None)
        joined = sorted(found, key=lambda held: (held.progress.first_at, held.number))
        if joined:
            held = joined[0]
            for other in joined[1:]:
                self._absorb(held, other)
            held.progress = fold(held.progress, match)
        else:
            self._created += 1
            held = self._held[self._created] = RehearsedInstance(self._created, workflow, fold(None, match))
        by_key.update(dict.fromkeys(match.joining, held))
        self._judge(held, event.received_at)

    def _absorb(self, held: RehearsedInstance, other: RehearsedInstance) -> None:
        held.progress = join(held.progress, other.progress)
        by_key = self._by_key[held.workflow.name]
        by_key.update((key, held) for key in other.progress.keys if by_key.get(key) is other)
        del self._held[other.number]

    def _judge(self, held: RehearsedInstance, now: int) -> None:
        held.verdict = judge(held.progress, held.workflow, self.marks, now)
        check_at = held.verdict.next_check_at
        if check_at is not None and check_at > now:
            heapq.heappush(self._checks, (check_at, held.number))

    def _check_until(self, until: int) -> None:
        """Judge at every instant up to `until` at which a verdict may change."""
        while self._checks and self._checks[0][0] <= until:
            check_at, number = heapq.heappop(self._checks)
            held = self._held.get(number)
            # A verdict that was given since has a check of its own.
            if held is not None and held.verdict.next_check_at == check_at:
                self._judge(held, check_at)
