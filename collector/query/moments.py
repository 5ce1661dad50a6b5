"""From where in time a question is asked.

The log keeps two clocks apart: when something occurred and when it was received. `as_of` asks about the situation at
an instant with everything known now, `known_at` what was known at an instant; both together ask what was known at one
instant about the situation at another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from collector.query.instances import BadQuery
from collector.query.reader import Row, rfc3339
from slo_rules.instants import to_micros


class Unanswerable(Exception):
    """A question about the past that what is kept cannot answer; the message says why, for people."""


class Unsettled(Exception):
    """A question about an instant so recent that not all that was received by then has been applied yet."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in time a question is asked from, in micros; at least one of the two is given."""

    as_of: int | None
    known_at: int | None

    @property
    def judged_at(self) -> int:
        """The instant for which the verdict holds."""
        at = self.known_at if self.as_of is None else self.as_of
        assert at is not None
        return at

    def shown(self) -> Row:
        """What an answer says, so that nobody takes it for now."""
        return {"as_of": rfc3339(self.as_of), "known_at": rfc3339(self.known_at)}


def moment_of(as_of: str | None, known_at: str | None, now: datetime, faults: list[str] | None = None) -> Moment | None:
    """The moment that two parameters name; None when neither is given.

    Raises BadQuery with every fault, those given included.
    """
    found = list(faults or ())
    instants = {name: instant_of(name, text, now, found) for name, text in (("as_of", as_of), ("known_at", known_at))}
    if found:
        raise BadQuery(*found)
    return None if as_of is None and known_at is None else Moment(**instants)


def instant_of(name: str, text: str | None, now: datetime, faults: list[str]) -> int | None:
    """The instant that a parameter names, in micros; None where it is not given, or not well: then `faults` grows."""
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)
        if moment.tzinfo is None:
            faults.append(f"{name}: needs a zone: Z, or an offset such as +01:00 (written %2B01:00 in a URL)")
            return None
        moment = moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        faults.append(f"{name}: must be an RFC 3339 instant such as 2026-11-21T09:14:00Z")
        return None
    if moment > now:
        faults.append(f"{name}: lies in the future; it is {rfc3339(now.replace(microsecond=0))} now")
    return to_micros(moment)


def span_of(since: str | None, until: str | None, now: datetime) -> tuple[int | None, int | None]:
    """A span of time (micros) that two parameters name, either end of which may be open. Raises BadQuery."""
    faults: list[str] = []
    begin, end = instant_of("since", since, now, faults), instant_of("until", until, now, faults)
    if begin is not None and end is not None and begin >= end:
        faults.append("since: must be before until")
    if faults:
        raise BadQuery(*faults)
    return begin, end
