"""What definitions would have said of the stored history, beside what those in force say: read, and nothing written.

The log is put through both versions of a workflow at once, from its beginning: what was begun long ago may be stuck in
the time that is asked about. Each version tells by its own keys which events are one instance, and hears what only it
asks for. The clock is that of the events: each counts from when it occurred, so that nothing is late, or hidden by a
silence, only because a connection was.

The events of one workflow are in memory at a time, without their documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from collector.backtested import Group, Item, ObjectiveBacktest, Run, Side, Way, WorkflowBacktest, stuck_time
from collector.catalogue import Catalogue
from collector.changes import title_of
from collector.comparison import expected_of
from collector.history import Extent, log_events, occurrences, silences
from collector.replay import Logged, Part, ReplayUnder
from collector.store.database import Connection
from collector.unjoined import load_unjoined
from slo_rules.attainment import Attainment, attainment
from slo_rules.buckets import BUCKET
from slo_rules.contribution import ITEMS, Contributions, Counts, add, contributions, promise_name
from slo_rules.course import course, spans, within
from slo_rules.definition_differences import reads_alike
from slo_rules.definitions import fingerprint
from slo_rules.judgement import FINAL, VerdictKind
from slo_rules.matching import Matcher
from slo_rules.objective import ALL, Objective
from slo_rules.reckoning import missing
from slo_rules.silences import Silences
from slo_rules.source_freshness import of_source, pauses_of
from slo_rules.workflow import Definitions, Workflow

log = structlog.get_logger("milepost.backtest")

MOST_EVENTS = 2_000_000
"""Of one workflow that are held in memory, of both versions together."""
_TOLD_EVERY = 5_000


class TooMuchHistory(Exception):
    """More events say something to a workflow than are held in memory."""


Told = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class _Version:
    """One of the two: a workflow with its objectives and what is known of the sources it waits for."""

    workflow: Workflow
    objectives: Sequence[Objective]
    silences: Silences
    heard_by: Matcher


def is_asked(name: str, catalogue: Catalogue, definitions: Definitions) -> bool:
    """Whether the files say anything of a workflow, its objectives or its sources that could make a difference.

    What they no longer have is not asked for.
    """
    before, after = catalogue.current.get(name), definitions.workflows.get(name)
    if before is None or after is None:
        return after is not None
    awaited = {one.source for one in (*before.milestones, *after.milestones) if one.source}
    return (
        fingerprint(before) != fingerprint(after)
        or _by_name(catalogue.objectives.get(name, ())) != _objectives(definitions, name)
        or any(expected_of(catalogue, one) != expected_of(definitions, one) for one in awaited)
    )


class Backtesting:
    """Backtests workflows in the caller's transaction, from `since` to `until` (micros), with so many `examples`."""

    def __init__(
        self,
        conn: Connection,
        catalogue: Catalogue,
        definitions: Definitions,
        reach: Extent,
        since: int,
        until: int,
        examples: int,
        told: Told,
    ) -> None:
        self._conn = conn
        self._catalogue = catalogue
        self._definitions = definitions
        self._reach = reach
        self._since = since
        self._until = until
        self._examples = examples
        self._told = told
        self._unjoined = load_unjoined(conn)

    def run(self, name: str) -> WorkflowBacktest:
        """Backtest one workflow that the files have. Raises TooMuchHistory."""
        found = WorkflowBacktest(name)
        before, after = self._versions(name)
        parts_before, parts_after = self._parts(found, before, after)
        counts_before, counts_after = _Counts(), _Counts()
        alike = before is not None and _judges_alike(before, after)
        found.before, found.after = None if before is None else Side(), Side()
        done, total = 0, len(parts_after)
        for olds, news in _paired(parts_before, parts_after):
            runs_before = [] if before is None else [self._run(part, before) for part in olds]
            runs_after = runs_before if alike and olds == news else [self._run(part, after) for part in news]
            if before is not None and found.before is not None:
                counts_before.add(olds, before)
                self._note(found.before, runs_before)
            counts_after.add(news, after)
            self._note(found.after, runs_after)
            self._compare(found, Item(runs_before, runs_after))
            done += len(news)
            if done % _TOLD_EVERY < len(news):
                self._told(f"Judging {name}", done, total)
        found.objectives = self._attained(before, after, counts_before, counts_after)
        for side, counts in ((found.before, counts_before), (found.after, counts_after)):
            if side is not None:
                side.good, side.bad = counts.within(promise_name(name), self._since, self._until)
        return found

    def _versions(self, name: str) -> tuple[_Version | None, _Version]:
        before, after = self._catalogue.current.get(name), self._definitions.workflows[name]
        awaited = {one.source for workflow in (before, after) if workflow for one in workflow.milestones if one.source}
        began_at = self._reach.began_at or 0
        quiet = silences(self._conn, self._definitions.sources.values(), awaited, began_at)
        new = _Version(after, list(_objectives(self._definitions, name).values()), quiet, Matcher([after]))
        if before is None:
            return None, new
        if any(expected_of(self._catalogue, one) != expected_of(self._definitions, one) for one in awaited):
            quiet = silences(self._conn, self._catalogue.sources.values(), awaited, began_at)
        return _Version(before, self._catalogue.objectives.get(name, ()), quiet, Matcher([before])), new

    def _parts(
        self, found: WorkflowBacktest, before: _Version | None, after: _Version
    ) -> tuple[list[Part], list[Part]]:
        name = found.name
        replays = [ReplayUnder(after.heard_by, name, self._unjoined)]
        if before is not None and not reads_alike(before.workflow, after.workflow):
            replays.append(ReplayUnder(before.heard_by, name, self._unjoined))
        heard_by = [one.heard_by for one in (before, after) if one is not None]
        held = 0
        for seq, logged in log_events(self._conn, heard_by):
            if seq % _TOLD_EVERY == 0:
                self._told(f"Reading the log for {name}", seq, self._reach.last)
            if logged is None:
                continue
            kept = sum(_add(replay, logged) for replay in replays)
            found.events += bool(kept)
            held += kept
            if held > MOST_EVENTS:
                raise TooMuchHistory(
                    f"More than {MOST_EVENTS:,} events of the log say something to {name}: "
                    "that is more history than can be backtested."
                )
        parts_after = replays[0].parts
        return [] if before is None else replays[-1].parts if len(replays) > 1 else parts_after, parts_after

    def _run(self, part: Part, version: _Version) -> Run:
        turns = course((match for _, match in part.said), version.workflow, version.silences, self._until)
        title = title_of(part.id, part.progress, version.workflow)
        return Run(UUID(bytes=part.id), title, within(turns, self._since))

    def _note(self, side: Side, runs: list[Run]) -> None:
        for run in runs:
            if not self._under_way(run):
                continue
            side.instances += 1
            side.verdicts.update(turn.kind for turn in run.turns if turn.at > self._since)
            stuck_for = stuck_time(run, self._until)
            side.stuck += stuck_for > 0
            side.stuck_for += stuck_for

    def _under_way(self, run: Run) -> bool:
        """Whether it was, at any instant of the time that is asked about."""
        return len(run.turns) > 1 or any(turn.at > self._since or turn.kind not in FINAL for turn in run.turns)

    def _compare(self, found: WorkflowBacktest, item: Item) -> None:
        if not any(map(self._under_way, (*item.before, *item.after))):
            return
        way = self._way(item)
        if way is None:
            found.same += 1
            return
        group = found.groups.setdefault(way, Group())
        group.count += 1
        group.stuck_before += sum(stuck_time(run, self._until) for run in item.before)
        group.stuck_after += sum(stuck_time(run, self._until) for run in item.after)
        if len(group.items) < self._examples:
            group.items.append(item)

    def _way(self, item: Item) -> Way | None:
        before, after = item.before, item.after
        if not before or not after:
            return Way.FOUND if after else Way.NOT_FOUND
        if len(before) > 1 or len(after) > 1:
            return Way.JOINED if len(before) > 1 else Way.FALLS_APART
        if before[0].turns == after[0].turns:
            return None
        old, new = ([*spans(run.turns, VerdictKind.STUCK, self._until)] for run in (before[0], after[0]))
        if old == new:
            return Way.OTHER_VERDICTS
        if not old or not new:
            return Way.NEWLY_STUCK if new else Way.NO_LONGER_STUCK
        longer = stuck_time(after[0], self._until) - stuck_time(before[0], self._until)
        if longer:
            return Way.STUCK_LONGER if longer > 0 else Way.STUCK_SHORTER
        return Way.STUCK_AT_OTHER_TIMES

    def _attained(
        self, before: _Version | None, after: _Version, counts_before: _Counts, counts_after: _Counts
    ) -> list[ObjectiveBacktest]:
        old = {} if before is None else self._came_to(before, counts_before)
        new = self._came_to(after, counts_after)
        return [ObjectiveBacktest(name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())]

    def _came_to(self, version: _Version, counts: _Counts) -> dict[str, tuple[Objective, Attainment]]:
        found = {}
        marks = version.silences.marks(self._until)
        for one in version.objectives:
            gap = missing(one, version.workflow, marks, self._until)
            of_objective = self._heard(one) if one.source else counts.of(one.name)
            since = None if gap is None else gap.since
            found[one.name] = (one, attainment(one, of_objective, self._since, self._until, since))
        return found

    def _heard(self, objective: Objective) -> dict[int, Counts]:
        """What the arrivals of a source add, by bucket."""
        began_at = self._reach.began_at
        if began_at is None:
            return {}
        arrivals = occurrences(self._conn, objective.source, objective.type)
        return _Counts(of_source(objective, pauses_of(arrivals, began_at), began_at)).of(objective.name)


class _Counts:
    """What is added to the buckets of objectives."""

    def __init__(self, total: Contributions | None = None) -> None:
        self._total: Contributions = total or {}

    def add(self, parts: list[Part], version: _Version) -> None:
        for part in parts:
            add(self._total, contributions(part.progress, version.workflow, version.objectives), 1)

    def of(self, objective: str) -> dict[int, Counts]:
        """Of items, all together, by bucket."""
        place = objective, ALL, ITEMS
        return {bucket: counts for (*of, bucket), counts in self._total.items() if tuple(of) == place}

    def within(self, objective: str, since: int, until: int) -> tuple[int, int]:
        """Good and bad of the whole buckets of a time."""
        first, last = since - since % BUCKET, until - until % BUCKET
        inside = [counts for bucket, counts in self.of(objective).items() if first <= bucket < last]
        return int(sum(counts[0] for counts in inside)), int(sum(counts[1] for counts in inside))


def _add(replay: ReplayUnder, logged: Logged) -> bool:
    """An event that cannot be matched is a dead letter, and must not stop those behind it."""
    try:
        return replay.add(logged)
    except Exception:
        log.exception("event_set_aside", seq=logged.seq)
        return False


def _paired(before: list[Part], after: list[Part]) -> Iterator[tuple[list[Part], list[Part]]]:
    """The instances of both sides that share events: nearly always one of each."""
    if before is after:
        yield from (([part], [part]) for part in after)
        return
    owner = {seq: number for number, part in enumerate(before) for seq, _ in part.said}
    leads = list(range(len(before)))

    def lead(number: int) -> int:
        while leads[number] != number:
            leads[number] = number = leads[leads[number]]
        return number

    alone: list[Part] = []
    first: list[tuple[Part, int]] = []
    for part in after:
        met = {owner[seq] for seq, _ in part.said if seq in owner}
        if not met:
            alone.append(part)
            continue
        to = lead(min(met))
        first.append((part, to))
        for number in met:
            leads[lead(number)] = lead(to)
    found: dict[int, tuple[list[Part], list[Part]]] = {}
    for number, part in enumerate(before):
        found.setdefault(lead(number), ([], []))[0].append(part)
    for part, number in first:
        found[lead(number)][1].append(part)
    yield from found.values()
    yield from (([], [part]) for part in alone)


def _objectives(definitions: Definitions, workflow: str) -> dict[str, Objective]:
    return _by_name([one for one in definitions.objectives.values() if one.workflow == workflow])


def _by_name(objectives: Sequence[Objective]) -> dict[str, Objective]:
    return {one.name: one for one in objectives}


def _judges_alike(before: _Version, after: _Version) -> bool:
    return before.silences is after.silences and fingerprint(before.workflow) == fingerprint(after.workflow)
