"""Arrivals by source: the watermarks that verdicts depend on, and what a batch adds to the counts of each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collector.catalogue import Catalogue
from collector.reading import Parsed
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.instants import to_datetime
from slo_rules.judgement import CATCHING_UP_LAG, CATCHING_UP_PATIENCE, Watermark

Q = load("projection")


@dataclass(slots=True)
class Tally:
    """What a batch says of one source. After `patience` micros without an arrival it counts as silent."""

    mark: Watermark
    patience: float
    received: int = 0
    matched: int = 0


class Arrivals:
    """The watermarks as of the last event noted."""

    def __init__(self, conn: Connection, catalogue: Catalogue) -> None:
        self._silent_after = {source.name: source.silent_after for source in catalogue.sources.values()}
        self.marks: dict[str, Watermark] = {
            source: Watermark(received_at, occurred_at, self._silent_after.get(source))
            for source, received_at, occurred_at in conn.execute(Q["sources"]).fetchall()
        }
        self._tallies: dict[str, Tally] = {}

    def resumes(self, event: Parsed) -> bool:
        """Whether the event changes what can be said of its source: first heard, heard after silence, caught up.

        What is overdue then has to be judged anew, and what fell due before has to be judged by what was known before.
        """
        mark = self.marks.get(event.source)
        if mark is None:
            return True
        received_at = event.received_at
        gap = received_at - mark.last_received_at
        if mark.silent_after is not None and gap >= mark.silent_after:
            return True
        if not mark.lags:
            return False
        newest = max(mark.last_occurred_at, min(received_at, event.occurred_at))
        return gap >= CATCHING_UP_PATIENCE or not Watermark(max(received_at, mark.last_received_at), newest).lags

    def note(self, event: Parsed) -> Tally | None:
        """Hear an event and count it, unless its source resumes with it: None.

        This runs for every event; nearly all are of a source that was heard a moment ago.
        """
        tally = self._tallies.get(event.source)
        if tally is None:
            if self.resumes(event):
                return None
            tally = self.hear(event)
        else:
            mark, received_at, seen = tally.mark, event.received_at, event.occurred_at
            last = mark.last_received_at
            if received_at - last >= tally.patience or last - mark.last_occurred_at > CATCHING_UP_LAG:
                if self.resumes(event):
                    return None
                tally = self.hear(event)
            else:
                if received_at > last:
                    mark.last_received_at = received_at
                if seen > mark.last_occurred_at:
                    mark.last_occurred_at = min(max(received_at, mark.last_occurred_at), seen)
        tally.received += 1
        if event.found:
            tally.matched += 1
        return tally

    def hear(self, event: Parsed) -> Tally:
        """Move the watermark of the event's source; hearing an event again changes nothing."""
        received_at, occurred_at = event.received_at, event.occurred_at
        seen = min(received_at, occurred_at)
        tally = self._tallies.get(event.source)
        if tally is None:
            mark = self.marks.get(event.source)
            if mark is None:
                silent_after = self._silent_after.get(event.source)
                mark = self.marks[event.source] = Watermark(received_at, seen, silent_after)
            patience = float("inf") if mark.silent_after is None else mark.silent_after
            tally = self._tallies[event.source] = Tally(mark, patience)
        else:
            mark = tally.mark
        mark.last_received_at = max(mark.last_received_at, received_at)
        mark.last_occurred_at = max(mark.last_occurred_at, seen)
        return tally

    def take(self) -> list[dict[str, Any]]:
        """What the batch adds to each source but its duplicates, for `add_to_source`; begins new counts."""
        taken, self._tallies = self._tallies, {}
        return [
            {
                "source": source,
                "last_received_at": to_datetime(tally.mark.last_received_at),
                "last_occurred_at": to_datetime(tally.mark.last_occurred_at),
                "received": tally.received,
                "unmatched": tally.received - tally.matched,
            }
            for source, tally in sorted(taken.items())
            if tally.received
        ]
