"""Instances in memory while events are applied to them, and a bounded cache of those last used.

The cache is an optimisation only: it holds what the database holds after every commit, and it is thrown away whenever
a transaction fails or somebody else has moved the projection.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from uuid import UUID

from slo_rules.identity import JoiningKey
from slo_rules.judgement import Marks, Verdict, judge
from slo_rules.matching import WorkflowMatcher
from slo_rules.progress import Progress, join

MAX_CACHED = 30_000


def instance_id(key: JoiningKey) -> UUID:
    """The id of the instance that this key creates; the same after every rebuild."""
    return UUID(bytes=blake2b("\x00".join(key).encode("utf-8", "replace"), digest_size=16).digest())


class Change:
    """A verdict change to be recorded."""

    __slots__ = ("at", "former", "held", "verdict")

    def __init__(self, held: Held, at: int, former: Verdict | None, verdict: Verdict) -> None:
        self.held, self.at, self.former, self.verdict = held, at, former, verdict


class Held:
    """One instance: its progress and verdict now, and the progress that is stored."""

    __slots__ = ("id", "matcher", "merged_into", "progress", "stored", "verdict")

    def __init__(
        self, id_: UUID, matcher: WorkflowMatcher, progress: Progress, stored: Progress | None, verdict: Verdict | None
    ) -> None:
        self.id = id_
        self.matcher = matcher
        self.progress = progress
        self.stored = stored
        self.verdict = verdict
        self.merged_into: Held | None = None

    @property
    def last(self) -> Held:
        """The instance this one is now part of."""
        held = self
        while held.merged_into is not None:
            held = held.merged_into
        return held

    def advance(self, until: int, marks: Marks, changes: list[Change]) -> None:
        """Let time pass: judge at every instant up to `until` at which the verdict may change; record changes."""
        while (verdict := self.verdict) is not None:
            check_at = verdict.next_check_at
            if check_at is None or check_at > until:
                return
            self.verdict = following = judge(self.progress, self.matcher.workflow, marks, check_at)
            if following.kind is not verdict.kind:
                changes.append(Change(self, check_at, verdict, following))
            if following.next_check_at is not None and following.next_check_at <= check_at:
                return

    def observe(self, made: Progress, now: int, marks: Marks, changes: list[Change]) -> None:
        """Join what an event made, and judge."""
        self.progress = join(self.progress, made)
        self.judge(now, marks, changes)

    def judge(self, now: int, marks: Marks, changes: list[Change]) -> None:
        """Judge at `now` and record a change."""
        former = self.verdict
        self.verdict = verdict = judge(self.progress, self.matcher.workflow, marks, now)
        if former is None or verdict.kind is not former.kind:
            changes.append(Change(self, now, former, verdict))


class InstanceCache:
    """Instances by id and by joining key, least recently used dropped first."""

    def __init__(self, limit: int = MAX_CACHED) -> None:
        self._limit = limit
        self._held: OrderedDict[UUID, Held] = OrderedDict()
        self._by_key: dict[JoiningKey, Held] = {}
        self.of_key = self._by_key.get
        """The instance a joining key belongs to, if it is here."""
        self.get = self._held.get
        """The instance with an id, if it is here."""

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._by_key.clear()

    def add(self, held: Held) -> None:
        """Hold an instance under all its joining keys."""
        self._held[held.id] = held
        self._held.move_to_end(held.id)
        for key in joining_keys(held):
            self._by_key[key] = held

    def assign(self, key: JoiningKey, held: Held) -> None:
        """A joining key of a held instance."""
        self._by_key[key] = held

    def touch(self, held: Held) -> None:
        """It was used."""
        self._held.move_to_end(held.id)

    def drop(self, held: Held) -> None:
        """It is no more; its keys stay with whoever took them."""
        self._held.pop(held.id, None)

    def trim(self) -> None:
        """Drop the least recently used down to the limit."""
        while len(self._held) > self._limit:
            _, held = self._held.popitem(last=False)
            for key in joining_keys(held):
                if self._by_key.get(key) is held:
                    del self._by_key[key]


def joining_keys(held: Held) -> list[JoiningKey]:
    """The joining keys an instance carries."""
    workflow = held.matcher.workflow
    found = []
    for word in held.progress.keys:
        namespace, _, value = word.partition("=")
        if namespace in workflow.joining:
            found.append((workflow.name, namespace, value))
    return found
