"""Arrivals by source: the watermarks that verdicts depend on, and what a batch adds to the counts of each source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collector.catalogue import Catalogue
from collector.reading import Parsed
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.durations import DAY
from slo_rules.hearing import Ahead, falls_behind, heard, resumes
from slo_rules.instants import to_datetime
from slo_rules.judgement import CATCHING_UP_LAG, Watermark

Q = load("projection")


@dataclass(slots=True)
class Tally:
    """What a batch says of one source. After `patience` micros without an arrival it counts as silent."""

    mark: Watermark
    patience: float
    received: int = 0
    matched: int = 0
    ahead: Ahead = field(default_factory=Ahead)


class Arrivals:
    """The watermarks as of the last event noted."""

    def __init__(self, conn: Connection, catalogue: Catalogue) -> None:
        self._silent_after = {source.name: source.silent_after for source in catalogue.sources.values()}
        self.marks: dict[str, Watermark] = {
            source: Watermark(received_at, occurred_at, self._silent_after.get(source))
            for source, received_at, occurred_at in conn.execute(Q["sources"]).fetchall()
        }
        self._tallies: dict[str, Tally] = {}

    def note(self, event: Parsed) -> Tally | None:
        """Hear an event and count it, unless its source resumes or falls behind with it: None.

        This runs for every event; nearly all are of a source that was heard a moment ago.
        """
        tally = self._tallies.get(event.source)
        received_at, seen = event.received_at, event.occurred_at
        if tally is None:
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
        tally.received += 1
        if seen > received_at:
            tally.ahead.note(received_at, seen - received_at)
        if event.found:
            tally.matched += 1
        return tally

    def _turns(self, event: Parsed) -> bool:
        return self.resumes(event) or falls_behind(self.marks.get(event.source), event.received_at, event.occurred_at)

    def resumes(self, event: Parsed) -> bool:
        """Whether the event's source can be seen again with it."""
        return resumes(self.marks.get(event.source), event.received_at, event.occurred_at)

    def hear(self, event: Parsed) -> Tally:
        """Move the watermark of the event's source; hearing an event again changes nothing."""
        source = event.source
        tally = self._tallies.get(source)
        silent_after = self._silent_after.get(source)
        mark = heard(self.marks.get(source), event.received_at, event.occurred_at, silent_after)
        if tally is None:
            self.marks[source] = mark
            patience = float("inf") if mark.silent_after is None else mark.silent_after
            tally = self._tallies[source] = Tally(mark, patience)
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
                "ahead": tally.ahead.events,
                "ahead_most": tally.ahead.most,
                "ahead_day": to_datetime(tally.ahead.day * DAY) if tally.ahead.events else None,
                "ahead_most_of_day": tally.ahead.most_of_day,
            }
            for source, tally in sorted(taken.items())
            if tally.received
        ]
