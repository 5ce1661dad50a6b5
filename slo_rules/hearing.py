"""How an arrival moves what is known of its source, and when that is reason to judge again."""

from __future__ import annotations

import msgspec

from slo_rules.durations import DAY
from slo_rules.judgement import CATCHING_UP_LAG, CATCHING_UP_PATIENCE, Watermark


def heard(mark: Watermark | None, received_at: int, occurred_at: int, silent_after: int | None) -> Watermark:
    """The watermark after an arrival; a mark that is there is moved itself. Hearing an event twice changes nothing."""
    seen = min(received_at, occurred_at)
    if mark is None:
        return Watermark(received_at, seen, silent_after)
    mark.last_received_at = max(mark.last_received_at, received_at)
    mark.last_occurred_at = max(mark.last_occurred_at, seen)
    return mark


def resumes(mark: Watermark | None, received_at: int, occurred_at: int) -> bool:
    """Whether an arrival changes what can be said of its source: first heard, heard after silence, caught up.

    What is overdue then has to be judged anew, and what fell due before has to be judged by what was known before.
    """
    if mark is None:
        return True
    gap = received_at - mark.last_received_at
    if mark.silent_after is not None and gap >= mark.silent_after:
        return True
    if not mark.lags:
        return False
    newest = max(mark.last_occurred_at, min(received_at, occurred_at))
    return gap >= CATCHING_UP_PATIENCE or not Watermark(max(received_at, mark.last_received_at), newest).lags


def falls_behind(mark: Watermark | None, received_at: int, occurred_at: int) -> bool:
    """Whether with an arrival its source begins to send its past.

    What fell due before has to be judged by what was known before; what is overdue is not called in doubt by it.
    """
    if mark is None or mark.lags:
        return False
    newest = max(mark.last_occurred_at, min(received_at, occurred_at))
    return max(received_at, mark.last_received_at) - newest > CATCHING_UP_LAG


class Ahead(msgspec.Struct):
    """How far a source's clock runs ahead: events that had occurred, as they say, only after they arrived.

    `events` of them ever, the furthest by `most` micros. `day` is the last UTC day (in days since the epoch) on which
    one arrived, and `most_of_day` says how far the furthest of that day was: one event with a wrong year does not
    speak for ever.
    """

    events: int = 0
    most: int = 0
    day: int = -1
    most_of_day: int = 0

    def note(self, received_at: int, by: int) -> None:
        """Count an event that is ahead by so many micros."""
        self.events += 1
        self.most = max(self.most, by)
        day = received_at // DAY
        if day == self.day:
            self.most_of_day = max(self.most_of_day, by)
        elif day > self.day:
            self.day, self.most_of_day = day, by
