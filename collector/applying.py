"""Events applied to instances in memory: to which, under which version of their workflow, and what they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from collector.arrivals import Arrivals
from collector.batches import Batch, no_key, of_nothing
from collector.catalogue import Catalogue
from collector.changes import Merge
from collector.copyformat import EPOCH_2000
from collector.instances import MAX_REMEMBERED_EVENTS, Held, InstanceCache, instance_id, joining_keys
from collector.lookup import StoredInstance, load_instances
from collector.parsed import Found, Parsed
from collector.store.database import Connection
from collector.unjoined import Unjoined
from slo_rules.hubs import crowds
from slo_rules.identity import Key
from slo_rules.judgement import Reason, Verdict, VerdictKind
from slo_rules.match import Match
from slo_rules.matching import WorkflowMatcher
from slo_rules.observation import fold
from slo_rules.progress import Progress

_decode_progress = msgspec.msgpack.Decoder(Progress).decode


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

    def hold(self, rows: list[StoredInstance]) -> None:
        """Put what was read into the cache; what is there already is newer."""
        cache = self.cache
        for id_, workflow, version, progress, kind, reason, waiting_for, source, owner, *times in rows:
            if cache.get(id_) is None:
                due_at, deadline_at, since, check_at = (None if at is None else at + EPOCH_2000 for at in times)
                assert since is not None
                verdict = Verdict(
                    VerdictKind(kind), Reason(reason), since, waiting_for, source, owner, due_at, deadline_at, check_at
                )
                known = _decode_progress(progress)
                matcher = self.catalogue.matcher_of(workflow, version)
                joining = joining_keys(matcher.workflow, known, self.unjoined.of(workflow))
                cache.add(Held(id_, matcher, known, known, verdict), joining)

    def load(self, conn: Connection, ids: list[bytes]) -> list[Held]:
        """The instances with these ids, through the cache."""
        cache = self.cache
        absent = [UUID(bytes=id_) for id_ in ids if cache.get(id_) is None]
        if absent:
            self.hold(load_instances(conn, absent))
        return [held for id_ in ids if (held := cache.get(id_)) is not None]

    def in_force(self, seq: int, found: Found) -> Found:
        """For each workflow the version that decides: the instance's own, else the one in force when the event came."""
        chosen: dict[str, tuple[int, Match, bytes]] = {}
        for place, match, tail in found:
            matcher = self.catalogue.places[place]
            workflow = matcher.workflow
            by_key = self.cache.by_key(workflow.name)
            held = next((held for key in match.joining if (held := by_key.get(key)) is not None), None)
            if held is not None:
                if held.matcher is matcher:
                    chosen[workflow.name] = (place, match, tail)
            elif self.catalogue.versions[workflow.name, workflow.version].in_force(seq):
                chosen.setdefault(workflow.name, (place, match, tail))
        return list(chosen.values())

    def apply(
        self,
        batch: Batch,
        parsed: Parsed,
        matcher: WorkflowMatcher,
        by_key: dict[Key, Held],
        match: Match,
        tail: bytes,
    ) -> None:
        """Apply what an event means to a version of a workflow; `tail` is the end of the row that links it."""
        workflow, received_at = matcher.workflow, parsed.received_at
        held: Held | None = None
        others: list[Held] | None = None
        unknown: list[Key] | None = None
        for key in match.joining:
            one = by_key.get(key)
            if one is None:
                unknown = [key] if unknown is None else [*unknown, key]
            elif held is None:
                held = one
            elif one is not held:
                others = [one] if others is None else [*others, one]
        changes, marks = batch.changes, self.arrivals.marks
        if held is not None:
            size = len(held.joining)
            if others is not None:
                size = max(size, *(len(one.joining) for one in others))
                held = self._merge(batch, parsed, match, list(dict.fromkeys([held, *others])))
            held.advance(received_at, marks, changes.verdicts)
            held.progress = fold(held.progress, match)
            if unknown is not None:
                self.cache.add(held, unknown)
            if len(held.joining) > size and crowds(size, len(held.joining), workflow.crowd):
                batch.crowded.append(held)
        elif match.more.acts:
            batch.dead_letters.append(of_nothing(parsed, workflow.name))
            return
        elif unknown is not None:
            if not self.catalogue.versions[workflow.name, workflow.version].in_force(parsed.seq):
                return
            id_ = instance_id(received_at, workflow.name, unknown[0])
            held = Held(id_, matcher, fold(None, match), None, None)
            self.cache.add(held, unknown)
        else:
            if match.milestones or match.more.fails or match.more.cancels:
                batch.dead_letters.append(no_key(parsed, workflow.name, match, sorted(workflow.joining)))
            return
        held.judge(received_at, marks, changes.verdicts)
        if held.touched != changes.number:
            changes.touch(held)
        known = held.events
        if known is not None:
            if match.key in known:
                batch.duplicates[parsed.seq] = parsed.source
                return
            known.append(match.key)
            if len(known) > MAX_REMEMBERED_EVENTS:
                held.events = None
        changes.links.append((held, tail))
        if match.besides is not None:
            word = match.besides.join or match.besides.move
            if word is not None:
                batch.words.append((held, word))

    def _merge(self, batch: Batch, parsed: Parsed, match: Match, found: list[Held]) -> Held:
        """Join instances that one event shows to be the same; the one with the earliest event stays."""
        received_at, marks, changes = parsed.received_at, self.arrivals.marks, batch.changes
        found.sort(key=lambda held: (held.progress.first_at, held.id))
        into = found[0]
        into.advance(received_at, marks, changes.verdicts)
        for other in found[1:]:
            other.advance(received_at, marks, changes.verdicts)
            into.absorb(other, received_at, marks, changes.verdicts)
            self.cache.drop(other)
            self.joined_away.add(other.id)
            changes.merges.append(Merge(other, into, match.key, parsed.seq, received_at))
            self.cache.add(into, other.joining)
        return into
