"""Events applied to instances in memory: to which, under which version of their workflow, and what they become.

That comes in two steps. As an event is read, its keys say which instance it means, and there it waits packed (`apply`).
When the batch is prepared, or something must be known of the instance before, the instance hears all that waits for it,
one after the other in the order of the log (`catch_up`). The events of one instance come interleaved with those of
thousands of others; like this everything that belongs to one is looked at once per batch, one after the other, while it
is in the processor's caches.

Nothing is different by it, to the last row: instances do not look at each other, time passes for each up to the arrival
of every one of its events, and what is known of sources is looked up as of that event (collector/hindsight.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import structlog

from collector.arrivals import Arrivals
from collector.batches import Batch, no_key, of_nothing, set_aside
from collector.catalogue import Catalogue
from collector.changes import Merge
from collector.copyformat import EPOCH_2000
from collector.hindsight import Hindsight
from collector.instances import MAX_REMEMBERED_EVENTS, Held, InstanceCache, instance_id, joining_keys
from collector.lookup import StoredInstance, load_instances
from collector.parsed import Found, Packed, Parsed, Told, describe, unpack
from collector.store.database import Connection
from collector.stored_progress import readable
from collector.unjoined import Unjoined
from collector.unreadable import REASON, Aside, Unreadable
from slo_rules.acts import ACT_SOURCE
from slo_rules.hubs import crowds
from slo_rules.identity import Key
from slo_rules.judgement import Marks, Reason, Verdict, VerdictKind
from slo_rules.matching import WorkflowMatcher
from slo_rules.observation import fold
from slo_rules.under_way import hear_on_track

log = structlog.get_logger("milepost.projector")

_ON_TRACK = VerdictKind.ON_TRACK
_FEW = 1
"""Up to how many events that wait are heard one by one: nothing comes between the last and the first of so few."""


@dataclass(slots=True)
class Applying:
    """What a projector knows in memory, as of the event that it applied last.

    `joined_away` are instances that are no more although they may have been looked up for the events that come next.
    """

    catalogue: Catalogue
    cache: InstanceCache
    arrivals: Arrivals
    unjoined: Unjoined
    joined_away: set[bytes] = field(default_factory=set)
    aside: Aside = field(default_factory=Aside)
    _hindsight: Hindsight = field(init=False)

    def __post_init__(self) -> None:
        self._hindsight = Hindsight(self.arrivals)

    def hold(self, rows: list[StoredInstance]) -> None:
        """Put what was read into the cache; what is there already is newer. Raises Unreadable, with those left out."""
        cache, damaged = self.cache, list[bytes]()
        for id_, workflow, version, progress, kind, reason, waiting_for, source, owner, *times in rows:
            if cache.get(id_) is None:
                due_at, deadline_at, since, check_at = (None if at is None else at + EPOCH_2000 for at in times)
                assert since is not None
                verdict = Verdict(
                    VerdictKind(kind), Reason(reason), since, waiting_for, source, owner, due_at, deadline_at, check_at
                )
                known = readable(progress)
                if known is None:
                    if id_ not in self.aside.ids:
                        damaged.append(id_)
                    continue
                matcher = self.catalogue.matcher_of(workflow, version)
                joining = joining_keys(matcher.workflow, known, self.unjoined.of(workflow))
                cache.add(Held(id_, matcher, known, progress, verdict), joining)
        if damaged:
            raise Unreadable(damaged)

    def load(self, conn: Connection, ids: list[bytes]) -> list[Held]:
        """The instances with these ids, through the cache."""
        cache = self.cache
        absent = [UUID(bytes=id_) for id_ in ids if cache.get(id_) is None]
        if absent:
            self.hold(load_instances(conn, absent))
        return [held for id_ in ids if (held := cache.get(id_)) is not None]

    def take(self, batch: Batch, parsed: Parsed) -> None:
        """Bring an event that was noted to the instances it means; what cannot be used becomes a dead letter."""
        if parsed.error is not None:
            batch.dead_letters.append(set_aside(parsed, "", parsed.error))
        found, unjoined, places = parsed.found, self.unjoined, self.catalogue.places
        if len(found) != 1 or places[found[0][0]].workflow.name not in self.catalogue.unversioned:
            found = self.in_force(parsed.seq, found)
        for place, joining, packed in found:
            matcher = places[place]
            try:
                fitting = unjoined.fit_packed(matcher.workflow.name, joining, packed) if unjoined else (joining, packed)
                if fitting is not None:
                    self.apply(batch, parsed, matcher, *fitting)
            except Exception as error:
                log.exception("event_set_aside", seq=parsed.seq)
                batch.dead_letters.append(set_aside(parsed, matcher.workflow.name, describe(error)))
        batch.count += 1

    def in_force(self, seq: int, found: Found) -> Found:
        """For each workflow the version that decides: the instance's own, else the one in force when the event came."""
        chosen: dict[str, tuple[int, list[Key], Packed]] = {}
        for place, joining, told in found:
            matcher = self.catalogue.places[place]
            workflow = matcher.workflow
            by_key = self.cache.by_key(workflow.name)
            held = next((held for key in joining if (held := by_key.get(key)) is not None), None)
            if held is not None:
                if held.matcher is matcher:
                    chosen[workflow.name] = (place, joining, told)
            elif self.catalogue.versions[workflow.name, workflow.version].in_force(seq):
                chosen.setdefault(workflow.name, (place, joining, told))
        return list(chosen.values())

    def apply(
        self,
        batch: Batch,
        parsed: Parsed,
        matcher: WorkflowMatcher,
        joining: list[Key],
        packed: Packed,
        *,
        again: bool = False,
    ) -> None:
        """Find or make the instance that an event means under this version; there it waits.

        `joining` are the joining keys of what it says to the version. An act does not wait, nor does an
        event that is applied `again`, long after its place in the log: it is judged by what is known of sources now.
        """
        workflow, received_at = matcher.workflow, parsed.received_at
        if self.aside.keys and self.aside.means(workflow.name, joining):
            batch.dead_letters.append(set_aside(parsed, workflow.name, REASON))
            return
        by_key = self.cache.by_key(workflow.name)
        held: Held | None = None
        others: list[Held] | None = None
        unknown: list[Key] | None = None
        for key in joining:
            one = by_key.get(key)
            if one is None:
                unknown = [key] if unknown is None else [*unknown, key]
            elif held is None:
                held = one
            elif one is not held:
                others = [one] if others is None else [*others, one]
        acts = parsed.source == ACT_SOURCE
        if held is not None:
            size = len(held.joining)
            if others is not None:
                size = max(size, *(len(one.joining) for one in others))
                event_key = unpack(packed).match.key
                held = self._merge(batch, parsed, event_key, list(dict.fromkeys([held, *others])))
            if unknown is not None:
                self.cache.add(held, unknown)
            if len(held.joining) > size and crowds(size, len(held.joining), workflow.crowd):
                batch.crowded.append(held)
        elif acts:
            batch.dead_letters.append(of_nothing(parsed, workflow.name))
            return
        elif unknown is not None:
            if not self.catalogue.versions[workflow.name, workflow.version].in_force(parsed.seq):
                return
            held = Held(instance_id(received_at, workflow.name, unknown[0]), matcher, None, None, None)
            self.cache.add(held, unknown)
        else:
            match = unpack(packed).match
            if match.milestones or match.more.fails or match.more.cancels:
                batch.dead_letters.append(no_key(parsed, workflow.name, match, sorted(workflow.joining)))
            return
        changes = batch.changes
        if held.touched != changes.number:
            changes.touch(held)
        if acts or again:
            self.catch_up(batch, held)
            self._hear(batch, held, unpack(packed), self.arrivals.marks)
        else:
            held.waiting.append(packed)

    def catch_up(self, batch: Batch, held: Held) -> None:
        """Let an instance hear what waits for it; what it cannot hear is set aside."""
        waiting = held.waiting
        if not waiting:
            return
        held.waiting = []
        todo = [unpack(packed) for packed in waiting]
        if len(todo) > _FEW:
            if held.verdict is None:
                self._try(batch, held, todo.pop(0))
            if self._hear_on_track(batch, held, todo):
                todo.clear()
        for told in todo:
            self._try(batch, held, told)
        if held.known is None:
            self.cache.evict(held)

    def _hear_on_track(self, batch: Batch, held: Held, todo: list[Told]) -> bool:
        """Hear these at once, where nothing else than that it is on track would be said in between."""
        verdict = held.verdict
        if verdict is None or verdict.kind is not _ON_TRACK:
            return False
        before = held.progress
        heard = [(told.received_at, told.match) for told in todo]
        try:
            known = hear_on_track(before, held.matcher.workflow, verdict.next_check_at, heard)
            if known is None:
                return False
            held.known = known
            self._hindsight.seq = todo[-1].seq
            held.judge(todo[-1].received_at, self._hindsight, batch.changes.verdicts)
        except Exception:  # noqa: BLE001 — which of them cannot be heard comes out when each is heard by itself
            held.known = before
            return False
        for told in todo:
            self._link(batch, held, told)
        return True

    def _try(self, batch: Batch, held: Held, told: Told) -> None:
        """Let it hear one; what it cannot hear is set aside."""
        self._hindsight.seq = told.seq
        before = held.known
        try:
            self._hear(batch, held, told, self._hindsight)
        except Exception as error:
            log.exception("event_set_aside", seq=told.seq)
            batch.dead_letters.append(set_aside(told, held.matcher.workflow.name, describe(error)))
            held.known = before

    def _hear(self, batch: Batch, held: Held, told: Told, marks: Marks) -> None:
        """Let time pass for an instance up to an event, add what the event says, and judge."""
        match, changes, received_at = told.match, batch.changes, told.received_at
        held.advance(received_at, marks, changes.verdicts)
        held.known = fold(held.known, match)
        held.judge(received_at, marks, changes.verdicts)
        if self._link(batch, held, told) and match.besides is not None:
            word = match.besides.join or match.besides.move
            if word is not None:
                batch.words.append((held, word))

    def _link(self, batch: Batch, held: Held, told: Told) -> bool:
        """Note that an instance has heard an event; False where it is known that it had before."""
        key, heard = told.match.key, held.events
        if heard is not None:
            if key in heard:
                batch.duplicates[told.seq] = told.source
                return False
            heard.append(key)
            if len(heard) > MAX_REMEMBERED_EVENTS:
                held.events = None
        batch.changes.links.append((held, told.tail))
        return True

    def _merge(self, batch: Batch, parsed: Parsed, event_key: bytes, found: list[Held]) -> Held:
        """Join instances that one event shows to be the same; the one with the earliest event stays."""
        received_at, marks, changes = parsed.received_at, self.arrivals.marks, batch.changes
        for held in found:
            self.catch_up(batch, held)
        found.sort(key=lambda held: (held.progress.first_at, held.id))
        into = found[0]
        into.advance(received_at, marks, changes.verdicts)
        for other in found[1:]:
            other.advance(received_at, marks, changes.verdicts)
            into.absorb(other, received_at, marks, changes.verdicts)
            self.cache.drop(other)
            self.joined_away.add(other.id)
            changes.merges.append(Merge(other, into, event_key, parsed.seq, received_at))
            self.cache.add(into, other.joining)
        return into
