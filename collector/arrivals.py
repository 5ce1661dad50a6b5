"""Arrivals by source: the watermarks that verdicts depend on, and what a batch adds to the counts of each source."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import msgspec

from collector.catalogue import Catalogue
from collector.parsed import Parsed
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.contribution import Contributions
from slo_rules.durations import DAY
from slo_rules.expectation import Expectation
from slo_rules.hearing import Ahead, expected, falls_behind, heard, resumes, watermarks_of
from slo_rules.instants import to_datetime
from slo_rules.judgement import CATCHING_UP_LAG, Watermark
from slo_rules.objective import Objective
from slo_rules.source_freshness import Listener, is_about

Q = load("projection")
Row = dict[str, Any]
MOST_LOOKED_BACK = 2_000_000
"""Events among which what has arrived of a type is looked for when it is first expected."""


class Past:
    """How a watermark moved in a batch: after each event that moved it, by the number of the event."""

    __slots__ = ("_before", "_occurred", "_received", "_seqs")

    def __init__(self, before: Watermark | None) -> None:
        self._before = None if before is None else msgspec.structs.replace(before, types={})
        self._seqs: list[int] = []
        self._received: list[int] = []
        self._occurred: list[int] = []

    def note(self, seq: int, mark: Watermark) -> None:
        """It was moved by this event to where it is."""
        self._seqs.append(seq)
        self._received.append(mark.last_received_at)
        self._occurred.append(mark.last_occurred_at)

    def as_of(self, seq: int, expects: Expectation | None, types: dict[str, Watermark]) -> Watermark | None:
        """What it was after that event."""
        place = bisect_right(self._seqs, seq) - 1
        if place >= 0:
            return Watermark(self._received[place], self._occurred[place], expects, True, types)
        before = self._before
        return None if before is None else msgspec.structs.replace(before, types=types)


@dataclass(slots=True)
class Tally:
    """What a batch says of one source: how often it was heard, and with which of the `types` expected by themselves.

    For `patience` micros after an arrival it is surely not silent.
    """

    mark: Watermark
    patience: float
    past: Past
    received: int = 0
    matched: int = 0
    ahead: Ahead = field(default_factory=Ahead)
    types: dict[str, Past] = field(default_factory=dict)


class Arrivals:
    """The watermarks as of the last event noted, at first as of the event `seq`: so far the log has been applied."""

    def __init__(self, conn: Connection, catalogue: Catalogue, seq: int) -> None:
        self._catalogue = catalogue
        self._tallies: dict[str, Tally] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self.marks, began_at, looked_up = watermarks(conn, catalogue, seq)
        self._began = seq > 0 and bool(self.marks)
        if self._began:
            assert began_at is not None
            self._listen(began_at)
        wanted = sorted(catalogue.expected_types)
        conn.execute(Q["forget_types"], _named(wanted))
        for row in looked_up:
            conn.execute(Q["add_to_type"], row)

    def _begin(self, at: int) -> None:
        """The first event of the log was received at that instant (micros): from then on something is expected."""
        self._began = True
        self.marks = expected(self._catalogue.sources.values(), at)
        self._listen(at)
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.begin()

    def _listen(self, began_at: int) -> None:
        """Go on noting what arrives for the objectives on sources; of what has not been heard, from the beginning."""
        for objective in self._catalogue.listening:
            listener = Listener(objective, self._last_of(objective, began_at))
            self._listeners.setdefault(objective.source, []).append(listener)

    def _last_of(self, objective: Objective, unheard: int) -> int:
        """The last arrival of what an objective is about; `unheard` where nothing is known of that."""
        mark = self.marks.get(objective.source)
        if mark is not None and objective.type:
            mark = mark.types.get(objective.type)
        return unheard if mark is None else mark.last_received_at

    def note(self, event: Parsed) -> Tally | None:
        """Hear an event and count it, unless its source resumes or falls behind with it: None.

        This runs for every event; nearly all are of a source that was heard a moment ago.
        """
        tally = self._tallies.get(event.source)
        received_at, seen = event.received_at, event.occurred_at
        if tally is None or event.type is not None:
            if self._turns(event):
                return None
            tally = self.hear(event)
        else:
            mark = tally.mark
            last = mark.last_received_at
            # Unless it lags or has been silent, or what it sends is old.
            if (
                received_at - last >= tally.patience
                or last - mark.last_occurred_at > CATCHING_UP_LAG
                or received_at - seen > CATCHING_UP_LAG
                or last - seen > CATCHING_UP_LAG
            ):
                if self._turns(event):
                    return None
                tally = self.hear(event)
            else:
                if received_at > last:
                    mark.last_received_at = received_at
                if seen > mark.last_occurred_at:
                    # What occurs only after its arrival counts as occurring then.
                    mark.last_occurred_at = seen if seen <= received_at else max(received_at, mark.last_occurred_at)
                tally.past.note(event.seq, mark)
        tally.received += 1
        if seen > received_at:
            tally.ahead.note(received_at, seen - received_at)
        if event.found:
            tally.matched += 1
        return tally

    def _turns(self, event: Parsed) -> bool:
        return self.resumes(event) or falls_behind(self.marks.get(event.source), event.received_at, event.occurred_at)

    def resumes(self, event: Parsed) -> bool:
        """Whether the event's source, or its type where that is expected by itself, can be seen again with it."""
        return resumes(self.marks.get(event.source), event.type, event.received_at, event.occurred_at)

    def hear(self, event: Parsed) -> Tally:
        """Move the watermarks of the event's source and type; hearing an event again changes nothing."""
        if not self._began:
            self._begin(event.received_at)
        source = event.source
        listeners = self._listeners.get(source, ())
        for listener in listeners:
            if is_about(listener.objective, source, event.type):
                listener.hear(self._last_of(listener.objective, listener.last), event.received_at)
        type_, known, tally = event.type, self.marks.get(source), self._tallies.get(source)
        past = Past(known) if tally is None else tally.past
        of_type = None
        if type_ is not None:
            of_type = None if tally is None else tally.types.get(type_)
            if of_type is None:
                of_type = Past(None if known is None else known.types.get(type_))
        mark = heard(known, type_, event.received_at, event.occurred_at)
        past.note(event.seq, mark)
        if tally is None:
            self.marks[source] = mark
            patience = float("inf") if mark.expects is None else mark.expects.patience
            patience = min([patience, *(one.patience for one in listeners)])
            tally = self._tallies[source] = Tally(mark, patience, past)
        if type_ is not None and of_type is not None:
            of_type.note(event.seq, mark.types[type_])
            tally.types[type_] = of_type
        return tally

    def mark_as_of(self, source: str, seq: int) -> Watermark | None:
        """The watermark of a source after an event of the batch that is being applied."""
        mark, tally = self.marks.get(source), self._tallies.get(source)
        if mark is None or tally is None:
            return mark
        types = mark.types
        if tally.types:
            types = types.copy()
            for name, past in tally.types.items():
                of_type = past.as_of(seq, types[name].expects, {})
                if of_type is not None:
                    types[name] = of_type
        return tally.past.as_of(seq, mark.expects, types)

    def listened(self) -> Contributions:
        """What the batch adds to the objectives on sources; begins anew."""
        found: Contributions = {}
        for listeners in self._listeners.values():
            for listener in listeners:
                found |= listener.take(self._last_of(listener.objective, listener.last))
        return found

    def take(self) -> tuple[list[Row], list[Row]]:
        """What the batch adds to each source but its duplicates, and to each type; begins new counts."""
        taken, self._tallies = self._tallies, {}
        told = [(source, tally) for source, tally in sorted(taken.items()) if tally.received]
        sources = [
            {
                "source": source,
                **_reached(tally.mark),
                "received": tally.received,
                "unmatched": tally.received - tally.matched,
                "ahead": tally.ahead.events,
                "ahead_most": tally.ahead.most,
                "ahead_day": to_datetime(tally.ahead.day * DAY) if tally.ahead.events else None,
                "ahead_most_of_day": tally.ahead.most_of_day,
            }
            for source, tally in told
        ]
        types = [
            {"source": source, "type": type_, **_reached(tally.mark.types[type_])}
            for source, tally in told
            for type_ in sorted(tally.types)
        ]
        return sources, types


def _reached(mark: Watermark) -> Row:
    return {
        "last_received_at": to_datetime(mark.last_received_at),
        "last_occurred_at": to_datetime(mark.last_occurred_at),
    }


def _named(types: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {"sources": [source for source, _ in types], "types": [type_ for _, type_ in types]}


def watermarks(conn: Connection, catalogue: Catalogue, seq: int) -> tuple[dict[str, Watermark], int | None, list[Row]]:
    """The watermarks as of the event `seq` and when the log began, in the caller's transaction, maybe read-only.

    Of types that were not expected before, the log says what had come: those are the rows, for `add_to_type`.
    """
    row = conn.execute(Q["log_began"]).fetchone() if seq > 0 else None
    began_at = None if row is None else row[0]
    last = conn.execute(Q["sources"]).fetchall()
    of_types, looked_up = [], []
    if catalogue.expected_types and seq > 0:
        of_types = conn.execute(Q["source_types"]).fetchall()
        missing = sorted(catalogue.expected_types - {(source, type_) for source, type_, *_ in of_types})
        asked = _named(missing) | {"seq": seq, "after": seq - MOST_LOOKED_BACK}
        looked_up = conn.execute(Q["look_for_types"], asked).fetchall() if missing else []
    marks = watermarks_of(catalogue.sources.values(), began_at, last, of_types + looked_up)
    return (
        marks,
        began_at,
        [
            {
                "source": source,
                "type": type_,
                "last_received_at": to_datetime(received_at),
                "last_occurred_at": to_datetime(occurred_at),
            }
            for source, type_, received_at, occurred_at in looked_up
        ],
    )
