"""Arrivals by source: the watermarks that verdicts depend on, and what a batch adds to the counts of each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collector.catalogue import Catalogue
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.event import Event
from slo_rules.instants import to_datetime
from slo_rules.judgement import CATCHING_UP_PATIENCE, Watermark

Q = load("projection")


@dataclass(slots=True)
class Tally:
    """What a batch says of one source."""

    received: int = 0
    unmatched: int = 0
    duplicates: int = 0
    last_received_at: int = 0
    last_occurred_at: int = -(2**62)


class Arrivals:
    """The watermarks as of the last event noted."""

    def __init__(self, conn: Connection, catalogue: Catalogue) -> None:
        self._silent_after = {source.name: source.silent_after for source in catalogue.sources.values()}
        self.marks: dict[str, Watermark] = {
            source: Watermark(received_at, occurred_at, self._silent_after.get(source))
            for source, received_at, occurred_at in conn.execute(Q["sources"]).fetchall()
        }
        self.tallies: dict[str, Tally] = {}

    def following(self, event: Event) -> Watermark:
        """The watermark of the event's source once the event has been noted."""
        seen = min(event.received_at, event.occurred_at)
        mark = self.marks.get(event.source)
        if mark is None:
            return Watermark(event.received_at, seen, self._silent_after.get(event.source))
        return Watermark(
            max(event.received_at, mark.last_received_at), max(seen, mark.last_occurred_at), mark.silent_after
        )

    def resumes(self, event: Event, following: Watermark) -> bool:
        """Whether the event changes what can be said of its source: first heard, heard after silence, caught up.

        What is overdue then has to be judged anew, and what fell due before has to be judged by what was known before.
        """
        mark = self.marks.get(event.source)
        if mark is None:
            return True
        gap = event.received_at - mark.last_received_at
        if mark.silent_after is not None and gap >= mark.silent_after:
            return True
        return mark.lags and (gap >= CATCHING_UP_PATIENCE or not following.lags)

    def note(self, event: Event, following: Watermark, *, matched: bool) -> None:
        """The event has arrived."""
        self.marks[event.source] = following
        tally = self.tallies.get(event.source)
        if tally is None:
            tally = self.tallies[event.source] = Tally()
        tally.received += 1
        tally.unmatched += not matched
        tally.last_received_at = following.last_received_at
        tally.last_occurred_at = following.last_occurred_at

    def write(self, conn: Connection) -> dict[str, Tally]:
        """Add the counts to the sources in the caller's transaction and begin new ones; returns what was written."""
        written, self.tallies = self.tallies, {}
        for source in sorted(written):
            tally = written[source]
            parameters: dict[str, Any] = {
                "source": source,
                "last_received_at": to_datetime(tally.last_received_at),
                "last_occurred_at": to_datetime(tally.last_occurred_at),
                "received": tally.received,
                "duplicates": tally.duplicates,
                "unmatched": tally.unmatched,
            }
            conn.execute(Q["add_to_source"], parameters)
        return written
