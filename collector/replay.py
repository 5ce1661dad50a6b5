"""The instances that a part of the log makes: what the projector made of it, without a database.

Only events that are linked to instances come here, so that what one instance was at any time can be told from its own
few events. Ids and versions come out as the projector gave them: they follow from the events and their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from collector.catalogue import Catalogue
from collector.instances import instance_id
from collector.unjoined import Unjoined
from slo_rules.acts import Move
from slo_rules.event import Event
from slo_rules.identity import Key
from slo_rules.joining import join
from slo_rules.match import Match
from slo_rules.matching import Matcher, WorkflowMatcher
from slo_rules.observation import fold
from slo_rules.progress import Progress

Chosen = tuple[WorkflowMatcher, Match]
"""The version that decides what an event means, and what it means there."""


class Logged(msgspec.Struct, frozen=True):
    """An event of the log with its number there."""

    seq: int
    event: Event


@dataclass(eq=False, slots=True)
class Part:
    """An instance as far as it was known: `said` is what each of its events says, `ids` those it is known by.

    `progress` is that of all its events, its `history`. `id` is the one that stayed where instances were joined.
    """

    id: bytes
    matcher: WorkflowMatcher
    progress: Progress
    said: list[tuple[int, Match]]
    ids: set[bytes]
    keys: set[Key] = field(default_factory=set)
    history: list[Logged] = field(default_factory=list)

    def until(self, as_of: int | None) -> Progress | None:
        """The progress made of what had occurred by then (micros; None for everything); None where nothing had."""
        if as_of is None:
            return self.progress
        said = [match for _, match in self.said if match.at <= as_of]
        # An act makes no instance, also not one of which nothing else had occurred yet.
        if all(match.more.acts for match in said):
            return None
        progress: Progress | None = None
        for match in said:
            progress = fold(progress, match)
        return progress

    def absorb(self, other: Part) -> None:
        """Take in another one that turned out to be the same."""
        self.progress = join(self.progress, other.progress)
        self.said += other.said
        self.ids |= other.ids
        self.keys |= other.keys
        self.history += other.history


def replay(catalogue: Catalogue, workflow: str, history: Iterable[Logged], unjoined: Unjoined) -> list[Part]:
    """The instances of a workflow that these events make, which are in the order of the log."""

    def choose(by_key: dict[Key, Part], logged: Logged) -> Chosen | None:
        return _in_force(catalogue, workflow, by_key, logged, unjoined)

    def move(part: Part, seq: int, to: Move) -> None:
        found = moved(catalogue, part.matcher, sorted(part.history, key=_seq), to, seq, unjoined)
        if isinstance(found, Part):
            part.matcher, part.progress, part.said = found.matcher, found.progress, found.said

    replaying = _Replay(workflow, choose, move)
    for logged in history:
        replaying.add(logged)
    return list(replaying.parts.values())


def replay_under(alone: Matcher, workflow: str, history: Iterable[Logged], unjoined: Unjoined) -> list[Part]:
    """The instances that these events make under one version of their workflow, which is all that `alone` knows."""
    under = ReplayUnder(alone, workflow, unjoined)
    for logged in history:
        under.add(logged)
    return under.parts


class ReplayUnder:
    """The instances that events make under one version of their workflow, which is all that `alone` knows.

    Of the events themselves nothing is kept: their parts have no `history`.
    """

    def __init__(self, alone: Matcher, workflow: str, unjoined: Unjoined) -> None:
        self._alone = alone
        self._unjoined = unjoined
        self._replay = _Replay(workflow, self._choose, None)

    def add(self, logged: Logged) -> bool:
        """Add an event, of all the next in the order of the log; whether it says anything of an instance."""
        return self._replay.add(logged)

    @property
    def parts(self) -> list[Part]:
        """The instances so far."""
        return list(self._replay.parts.values())

    def _choose(self, _: dict[Key, Part], logged: Logged) -> Chosen | None:
        for matcher, match in self._alone.matches(logged.event):
            fitting = self._unjoined.fit(matcher.workflow.name, match)
            return (matcher, fitting) if fitting is not None and fitting.joining else None
        return None


def moved(
    catalogue: Catalogue, own: WorkflowMatcher, history: list[Logged], move: Move, seq: int, unjoined: Unjoined
) -> Part | str:
    """What an instance with these events becomes that is moved at the place `seq` of the log, or why it stays."""
    workflow = own.workflow
    target = catalogue.in_force(workflow.name, seq)
    if target is None or target.workflow.version != move.version:
        return f"version {move.version} of {workflow.name} was not in force then"
    if target is own:
        return f"it counts under version {move.version} already"
    if not target.workflow.joins_as(workflow):
        return f"version {move.version} of {workflow.name} tells by other keys than its own which events are one"
    parts = replay_under(Matcher([target.workflow]), workflow.name, history, unjoined)
    if len(parts) != 1:
        what = "would make several instances" if parts else "say nothing"
        return f"under version {move.version} of {workflow.name} its events {what}"
    parts[0].matcher = target
    return parts[0]


class _Replay:
    """Events told apart by their keys; with `move` they are kept with their instances, which may be derived anew."""

    def __init__(
        self,
        workflow: str,
        choose: Callable[[dict[Key, Part], Logged], Chosen | None],
        move: Callable[[Part, int, Move], None] | None,
    ) -> None:
        self.parts: dict[bytes, Part] = {}
        self._workflow = workflow
        self._by_key: dict[Key, Part] = {}
        self._choose = choose
        self._move = move

    def add(self, logged: Logged) -> bool:
        by_key, parts, move = self._by_key, self.parts, self._move
        chosen = self._choose(by_key, logged)
        if chosen is None:
            return False
        matcher, match = chosen
        met = list(dict.fromkeys(by_key[key] for key in match.joining if key in by_key))
        if met:
            met.sort(key=lambda part: (part.progress.first_at, part.id))
            part = met[0]
            for other in met[1:]:
                part.absorb(other)
                del parts[other.id]
                by_key.update(dict.fromkeys(other.keys, part))
            part.progress = fold(part.progress, match)
        elif match.more.acts:
            return False
        else:
            id_ = instance_id(logged.event.received_at, self._workflow, match.joining[0])
            part = parts[id_] = Part(id_, matcher, fold(None, match), [], {id_})
        part.said.append((logged.seq, match))
        if move is not None:
            part.history.append(logged)
        part.keys.update(match.joining)
        by_key.update(dict.fromkeys(match.joining, part))
        if match.more.move is not None and move is not None:
            move(part, logged.seq, match.more.move)
        return True


def _seq(logged: Logged) -> int:
    return logged.seq


def _in_force(
    catalogue: Catalogue, workflow: str, by_key: dict[Key, Part], logged: Logged, unjoined: Unjoined
) -> Chosen | None:
    """The version that decides, as in the projector: the instance's own, else the one in force when the event came."""
    event, chosen = logged.event, None
    for matcher, rules in catalogue.matcher.plan(event.source, event.type):
        if matcher.workflow.name != workflow:
            continue
        match = matcher.apply(rules, event)
        if match is not None and unjoined:
            match = unjoined.fit(workflow, match)
        if match is None or not match.joining:
            continue
        known = next((by_key[key] for key in match.joining if key in by_key), None)
        if known is not None:
            if known.matcher is matcher:
                chosen = matcher, match
        elif chosen is None and catalogue.versions[workflow, matcher.workflow.version].in_force(logged.seq):
            chosen = matcher, match
    return chosen
