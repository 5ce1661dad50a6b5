"""What more an event may bring about than a step of its instance: taking apart, counting again, another version.

A key may have come to join too many, and a person may reject or accept an event or move an instance. That is done at
its place in the log, in the transaction of the batch that ends there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from collector.applying import Applying
from collector.batches import Batch
from collector.changes import Prepared
from collector.instances import Held
from collector.lookup import instances_of, unknown_keys
from collector.parsed import pack, unpack
from collector.reading import LogReader
from collector.replay import Logged
from collector.separation import (
    Apart,
    Place,
    end_rejection,
    find_hubs,
    history_of,
    move,
    record_failure,
    record_hubs,
    record_rejection,
    take_apart,
)
from collector.store.database import Connection
from slo_rules.acts import JoinWord, Move


@dataclass(frozen=True, slots=True)
class Relief:
    """Does that to the instances of `applying`, with batches of this `number`, in the caller's transaction."""

    conn: Connection
    applying: Applying
    reader: LogReader
    place: Place
    number: int

    def before(self, batch: Batch) -> None:
        """What becomes part of the batch: events that count again, as if they arrived now."""
        for held, word in batch.words:
            if isinstance(word, JoinWord) and word.accepts:
                self._accept(batch, held.last, word)

    def after(self, batch: Batch) -> Iterator[Prepared]:
        """What is done when the batch has been written: it is written one by one, and told."""
        for held in dict.fromkeys(one.last for one in batch.crowded):
            yield from self._relieve(held)
        for held, word in batch.words:
            if isinstance(word, Move):
                yield from self._move(held.last, word)
            elif not word.accepts:
                yield from self._reject(held.last, word)

    def _relieve(self, held: Held) -> Iterator[Prepared]:
        """Take apart what keys hold together that join more than they may."""
        history = history_of(self.conn, held.id)
        hubs = find_hubs(held, history, self.applying.unjoined)
        if hubs:
            record_hubs(self.conn, held, hubs, self.place)
            self.applying.unjoined.add_hubs(held.matcher.workflow.name, hubs)
            yield self._replace(held, self._take_apart(held, history))

    def _reject(self, held: Held, word: JoinWord) -> Iterator[Prepared]:
        workflow = held.matcher.workflow.name
        if word.event in self.applying.unjoined.rejected.get(workflow, ()):
            return
        history = history_of(self.conn, held.id)
        meant = next((logged for logged in history if logged.event.key == word.event), None)
        if meant is None:
            record_failure(self.conn, held, history, self.place)
            return
        record_rejection(self.conn, held, meant, word, self.place)
        self.applying.unjoined.reject(workflow, word.event)
        yield self._replace(held, self._take_apart(held, history))

    def _accept(self, batch: Batch, held: Held, word: JoinWord) -> None:
        workflow, applying = held.matcher.workflow.name, self.applying
        found = end_rejection(self.conn, workflow, word, self.place)
        if found is None:
            return
        applying.unjoined.accept(workflow, word.event)
        parsed = self.reader.again(self.conn, *found)
        if parsed is None:
            return
        applying.hold(instances_of(self.conn, unknown_keys([parsed], applying.catalogue, applying.cache)))
        now = msgspec.structs.replace(parsed, received_at=self.place.at)
        for at, joining, packed in applying.in_force(parsed.seq, parsed.found):
            matcher = applying.catalogue.places[at]
            fitting = applying.unjoined.fit_packed(workflow, joining, packed)
            if matcher.workflow.name == workflow and fitting is not None:
                told = msgspec.structs.replace(unpack(fitting[1]), received_at=self.place.at)
                applying.apply(batch, now, matcher, fitting[0], pack(told), again=True)

    def _take_apart(self, held: Held, history: list[Logged]) -> Apart:
        one = self.applying
        return take_apart(
            self.conn, one.catalogue, held, history, one.unjoined, one.arrivals.marks, self.place, self.number
        )

    def _move(self, held: Held, said: Move) -> Iterator[Prepared]:
        one = self.applying
        apart = move(self.conn, one.catalogue, held, said, one.unjoined, one.arrivals.marks, self.place, self.number)
        if apart is not None:
            yield self._replace(held, apart)

    def _replace(self, held: Held, apart: Apart) -> Prepared:
        apart.prepared.write(self.conn)
        self.applying.cache.evict(held)
        self.applying.joined_away.add(held.id)
        for one, keys in apart.parts.items():
            self.applying.cache.add(one, keys)
        return apart.prepared
