"""How fresh a source is: what an objective counts while nothing arrives that is expected. Pure.

Arrivals are noted in the order of the log, by when they were received. The slices of five minutes from one in which
something is due to the one in which it arrives are stale; they begin at the due time before that is reached, as every
deadline does (design.md, idea 3), and move on with each arrival in time. Slices count from the beginning of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slo_rules.buckets import BUCKET
from slo_rules.contribution import ITEMS, NO_LONGER, NOTHING, STALE, Contributions, Counts, add
from slo_rules.exclusions import Span
from slo_rules.objective import ALL, Objective

_COUNTS: Counts = (1, 0, 0, 0, 0)


def is_about(objective: Objective, source: str, type_: str | None) -> bool:
    """Whether an event of this source and type is one that the objective counts the arrivals of."""
    return objective.source == source and objective.type in ("", type_)


class Listener:
    """Notes the arrivals of the source, or of its type, that an objective is about.

    `last` is the last arrival (micros) that is counted, or the beginning of the log.
    """

    def __init__(self, objective: Objective, last: int) -> None:
        assert objective.expects is not None
        self.objective = objective
        self.patience = objective.expects.patience
        self.last = last
        self._due = objective.expects.due
        self._found: Contributions = {}

    def begin(self) -> None:
        """Nothing is counted yet: slices count from now on, and an arrival is awaited."""
        self._add(self.last, _COUNTS)
        self._await(self.last, 1)

    def hear(self, before: int, at: int) -> None:
        """Note an arrival after a pause; `before` was the last before it.

        An arrival less than `patience` after the last may be passed over.
        """
        due = self._due(before)
        if due is None or at <= due:
            return
        self._move(before)
        self._add(at - 1 + BUCKET, NO_LONGER)
        self.last = at
        self._await(at, 1)

    def take(self, last: int) -> Contributions:
        """What has been added since it was last asked, where `last` is the last arrival of all."""
        self._move(last)
        found, self._found = self._found, {}
        return {place: counts for place, counts in found.items() if counts != NOTHING}

    def _move(self, last: int) -> None:
        if last > self.last:
            self._await(self.last, -1)
            self._await(last, 1)
            self.last = last

    def _await(self, last: int, sign: int) -> None:
        due = self._due(last)
        if due is not None:
            self._add(due, STALE, sign)

    def _add(self, at: int, counts: Counts, sign: int = 1) -> None:
        add(self._found, {(self.objective.name, ALL, ITEMS, at - at % BUCKET): counts}, sign)


def of_source(objective: Objective, pauses: Iterable[Span], began_at: int) -> Contributions:
    """All that the arrivals of a source add, in a log that began then.

    `pauses` are between arrivals in the order of the log: all that last `patience`, and others or none that do not. The
    last ends with the last arrival of all.
    """
    listener = Listener(objective, began_at)
    listener.begin()
    last = began_at
    for before, at in pauses:
        listener.hear(before, at)
        last = at
    return listener.take(last)


def pauses_of(arrivals: Iterable[int], began_at: int) -> Iterator[Span]:
    """From each arrival (micros) to the next; one that the clock was set back for is no earlier than that before."""
    last = began_at
    for at in arrivals:
        yield last, max(last, at)
        last = max(last, at)
