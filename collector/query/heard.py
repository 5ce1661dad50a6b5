"""What was known of the sources at an instant: their watermarks then, read from the log.

The log has no index by source or by time, and gets none: it is the hot table. Its numbers are in the order of arrival,
so that the place of an instant is found by bisection, and from there one looks back. A source that sends is met at
once; one that was silent costs a look at what the others sent meanwhile, which is bounded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from collector.catalogue import Catalogue
from collector.query.moments import Unanswerable
from collector.query.reader import Reader, Row
from collector.query.sources import arrival, kept_since, log_began
from slo_rules.durations import MINUTE
from slo_rules.hearing import watermarks_of
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import CATCHING_UP_LAG, CATCHING_UP_PATIENCE, Marks
from slo_rules.rounding import clock

MOST_LOOKED_BACK = 2_000_000
"""Events of all sources among which a source is looked for."""
_CLOCK_STEP = MINUTE
"""How far the database's clock may have been set back without an arrival being missed."""


class Heard:
    """The watermarks as they were known at one instant (micros)."""

    def __init__(self, reader: Reader, catalogue: Catalogue, at: int) -> None:
        self._reader = reader
        self._sources = catalogue.sources
        self._at = at
        self._kept_since: int | None = None

    async def marks(self, wanted: Mapping[str, Collection[str]]) -> Marks:
        """The watermarks of these sources, each with those of its types that are named where they are expected.

        Of a source that had never been heard there is none, unless something is expected of it. The newest event time
        is exact as far as the judgement asks for it. Raises Unanswerable.
        """
        if not wanted:
            return {}
        began_at = await log_began(self._reader)
        if began_at is None:
            return {}
        self._kept_since = await kept_since(self._reader, "events")
        if self._kept_since is not None and self._at < self._kept_since:
            raise self._dropped(", ".join(sorted(wanted)))
        if began_at > self._at:
            return {}
        sources = [self._sources[name] for name in wanted if name in self._sources]
        known = {row["source"]: row for row in await self._reader.all("sources")}
        last = [(name, *found) for name in wanted if (found := await self._heard(known.get(name), name, None))]
        asked = [(source.name, type_) for source in sources for type_ in wanted[source.name] if type_ in source.types]
        rows = await self._reader.all("source_types") if asked else ()
        of_types = {(row["source"], row["type"]): row for row in rows}
        last_of_types = [(*one, *found) for one in asked if (found := await self._heard(of_types.get(one), *one))]
        return watermarks_of(sources, began_at, last, last_of_types)

    async def _heard(self, known: Row | None, source: str, type_: str | None) -> tuple[int, int] | None:
        """The last arrival and the newest event time as they were; `known` is what they are now."""
        if known is None:
            return None
        received_at, occurred_at = arrival(known)
        if received_at <= self._at:
            return received_at, occurred_at
        place = await self._place(self._at + _CLOCK_STEP)
        return None if place is None else await self._look_back(source, type_, *place)

    async def _look_back(self, source: str, type_: str | None, first: int, end: int) -> tuple[int, int] | None:
        """The same among the events before number `end`; `first` is where the log begins."""
        start = max(first, end - MOST_LOOKED_BACK)
        within = {"source": source, "type": type_, "start": start, "end": end, "until": to_datetime(self._at)}
        last = await self._reader.one("last_heard", within)
        if last is None:
            if start > first:
                raise self._too_far(source)
            if self._kept_since is not None:
                raise self._dropped(source)
            return None
        received_at = to_micros(last["received_at"])
        seen = min(received_at, to_micros(last["occurred_at"]))
        if type_ is None and received_at - seen > CATCHING_UP_LAG and self._at < received_at + CATCHING_UP_PATIENCE:
            # What arrived before the newest event time found so far cannot have a newer one.
            for since in (received_at - CATCHING_UP_LAG, seen):
                place = await self._place(since - _CLOCK_STEP)
                if place is None or place[1] < start:
                    raise self._too_far(source)
                newest = await self._reader.one("newest_occurrence", within | {"start": place[1]})
                if newest is not None and newest["occurred_at"] is not None:
                    seen = max(seen, to_micros(newest["occurred_at"]))
                if received_at - seen <= CATCHING_UP_LAG:
                    break
        return received_at, seen

    def _too_far(self, source: str) -> Unanswerable:
        return Unanswerable(
            f"what was known of the source {source} at {clock(self._at)} lies more than {MOST_LOOKED_BACK:,} events "
            "back in the log: the verdict depends on it and cannot be told at a bearable cost"
        )

    def _dropped(self, source: str) -> Unanswerable:
        assert self._kept_since is not None
        return Unanswerable(
            f"what was known of the source {source} at {clock(self._at)} is no longer in the log, which has everything "
            f"only since {clock(self._kept_since)}: the verdict depends on it"
        )

    async def _place(self, at: int) -> tuple[int, int] | None:
        """The number of the first event in the log, and of the first received after an instant; None when empty."""
        row = await self._reader.one("place_in_log", {"at": to_datetime(at)})
        return (row["first"], row["place"]) if row else None
