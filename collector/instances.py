"""Instances in memory while events are applied to them, and a bounded cache of those last used.

The cache is an optimisation only: what it holds is in the database or on its way there, and it is thrown away
whenever a transaction fails or somebody else has moved the projection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from hashlib import blake2b

import msgspec

from collector.parsed import Packed
from slo_rules.identity import Key, split_key
from slo_rules.joining import join
from slo_rules.judgement import FINAL, Marks, Verdict
from slo_rules.judging import judge
from slo_rules.matching import WorkflowMatcher
from slo_rules.progress import Progress
from slo_rules.workflow import Workflow

MAX_CACHED = 30_000
MAX_REMEMBERED_EVENTS = 50
"""Of an instance with more events, which ones were seen is asked of the database."""
_NEVER = -(2**63)
_decode_progress = msgspec.msgpack.Decoder(Progress).decode


def instance_id(received_at: int, workflow: str, key: Key) -> bytes:
    """The id of the instance that this key creates in an event received then (micros); the same after every rebuild.

    A UUID of version 7 (RFC 9562 §5.7) with a digest for the random part: what is created together lies together in
    every index that begins with the id, so the cost of writing does not grow with the history.
    """
    digest = blake2b(f"{workflow}\x00{key}".encode("utf-8", "replace"), digest_size=10).digest()
    head = (received_at // 1000).to_bytes(6, "big")
    return b"%b%c%c%c%b" % (head, 0x70 | digest[0] & 0x0F, digest[1], 0x80 | digest[2] & 0x3F, digest[3:])


class Change:
    """A verdict change to be recorded. `fresh` is true where it cannot have been recorded before."""

    __slots__ = ("at", "former", "fresh", "held", "verdict")

    def __init__(self, held: Held, at: int, former: Verdict | None, verdict: Verdict, *, fresh: bool) -> None:
        self.held, self.at, self.former, self.verdict, self.fresh = held, at, former, verdict, fresh


class Held:
    """One instance: its progress and verdict now, and what the database holds of it.

    What nobody looks at is packed, for it takes a fifth of the memory then and lies in one place: `packed` is the
    progress as it is written, None of one that is not, and `waiting` are the events that it has not heard yet
    (collector/applying.py). `known` is its progress, None as long as it has heard none.

    `counted` is the verdict as which the database counts it.
    `events` are the keys of all its events, or None where not all are known. `touched` is the number of the batch that
    changed it last, and `joining` are the joining keys under which the cache holds it.
    """

    __slots__ = (
        "_changed_at",
        "_known",
        "_stored",
        "counted",
        "events",
        "id",
        "joining",
        "matcher",
        "merged_into",
        "packed",
        "touched",
        "verdict",
        "waiting",
    )

    def __init__(
        self,
        id_: bytes,
        matcher: WorkflowMatcher,
        progress: Progress | None,
        packed: bytes | None,
        verdict: Verdict | None,
    ) -> None:
        self.id = id_
        self.matcher = matcher
        self._known = progress
        self._stored = None if packed is None else progress
        self.packed = packed
        self.verdict = verdict
        self.counted = None if packed is None or verdict is None else verdict.kind
        self.merged_into: Held | None = None
        self.waiting: list[Packed] = []
        self.events: list[bytes] | None = [] if packed is None else None
        self.touched = -1
        self.joining: list[Key] = []
        self._changed_at: int | None = _NEVER if packed is None else None

    @property
    def known(self) -> Progress | None:
        """Its progress; None as long as it has heard no event."""
        if self._known is None and self.packed is not None:
            self._known = self._stored = _decode_progress(self.packed)
        return self._known

    @known.setter
    def known(self, progress: Progress | None) -> None:
        self._known = progress

    @property
    def progress(self) -> Progress:
        """The same of one that has heard an event."""
        known = self.known
        assert known is not None
        return known

    @property
    def stored(self) -> Progress | None:
        """The progress that is written; what has not changed since is the very same in `progress`."""
        if self._stored is None and self.packed is not None:
            self._stored = _decode_progress(self.packed)
        return self._stored

    def written(self, packed: bytes) -> None:
        """Its progress is written like this, and not looked at for a while."""
        self.packed = packed
        self._known = self._stored = None

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
                self._change(check_at, verdict, following, changes)
            if following.next_check_at is not None and following.next_check_at <= check_at:
                return

    def judge(self, now: int, marks: Marks, changes: list[Change]) -> None:
        """Judge at `now` and record a change."""
        former = self.verdict
        self.verdict = verdict = judge(self.progress, self.matcher.workflow, marks, now)
        if former is None or verdict.kind is not former.kind:
            self._change(now, former, verdict, changes)

    def _change(self, at: int, former: Verdict | None, verdict: Verdict, changes: list[Change]) -> None:
        last = self._changed_at
        # Of what was stored it is not known what was recorded: where the clock was set back, that may lie ahead.
        fresh = last is not None and at > last
        changes.append(Change(self, at, former, verdict, fresh=fresh))
        if fresh:
            self._changed_at = at

    def recorded_before(self) -> None:
        """Changes of its verdict up to now may be on record already."""
        self._changed_at = None

    def absorb(self, other: Held, now: int, marks: Marks, changes: list[Change]) -> None:
        """Take in another instance that turned out to be the same one; its events and changes are now of this one."""
        self.known = join(self.progress, other.progress)
        self.judge(now, marks, changes)
        other.merged_into = self
        self.events = None if self.events is None or other.events is None else self.events + other.events
        if self._changed_at is not None:
            # What was recorded of the other one is now recorded of this one.
            others = other._changed_at
            self._changed_at = None if others is None else max(self._changed_at, others, now)


class InstanceCache:
    """Instances by id and by joining key. Those that have ended are dropped first, then those touched longest ago.

    What has ended is seldom heard of again, and memory that fits the processor's caches is worth more than finding it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = limit // 4
        """By how many it may grow until it is trimmed."""
        self._trim_at = self._room
        self._held: dict[bytes, Held] = {}
        self._by_key: defaultdict[str, dict[Key, Held]] = defaultdict(dict)
        self.get = self._held.get
        """The instance with an id, if it is here."""

    def by_key(self, workflow: str) -> dict[Key, Held]:
        """The instances of a workflow by their joining keys."""
        return self._by_key[workflow]

    def clear(self) -> None:
        """Forget everything."""
        self._trim_at = self._room
        self._held.clear()
        self._by_key.clear()

    def add(self, held: Held, joining: Iterable[Key]) -> None:
        """Hold an instance under these joining keys too."""
        self._held[held.id] = held
        by_key = self._by_key[held.matcher.workflow.name]
        for key in joining:
            by_key[key] = held
            held.joining.append(key)

    def drop(self, held: Held) -> None:
        """It is no more; its keys stay with whoever took them."""
        self._held.pop(held.id, None)

    def evict(self, held: Held) -> None:
        """Hold it no longer."""
        del self._held[held.id]
        by_key = self._by_key[held.matcher.workflow.name]
        for key in held.joining:
            if by_key.get(key) is held:
                del by_key[key]

    @property
    def full(self) -> bool:
        """Whether it is time to trim."""
        return len(self._held) > self._trim_at

    def trim(self, before: int) -> None:
        """Drop what has ended and what is above the limit, of those that no batch from `before` on has touched."""
        untouched = [held for held in self._held.values() if held.touched < before]
        ended: list[Held] = []
        others: list[Held] = []
        for held in untouched:
            (ended if held.verdict is not None and held.verdict.kind in FINAL else others).append(held)
        surplus = max(0, len(self._held) - len(ended) - self._limit)
        others.sort(key=lambda held: held.touched)
        for held in (*ended, *others[:surplus]):
            self.evict(held)
        self._trim_at = len(self._held) + self._room


def joining_keys(workflow: Workflow, progress: Progress, hubs: Collection[Key]) -> list[Key]:
    """The joining keys an instance carries, without those that join none."""
    return [key for key in progress.keys if split_key(key)[0] in workflow.joining and key not in hubs]
