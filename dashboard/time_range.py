"""Which time a page is asked about, and which instances two sides of a comparison are of, by the address. Pure.

A time is relative (`7d`) or absolute (`between`, with RFC 3339 instants), and empty where any time is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from collector.query.flow_comparison import Said
from dashboard.viewer import viewing
from dashboard.wording import moment, short_instant

RELATIVE = {
    "24h": (timedelta(hours=24), "24 hours"),
    "7d": (timedelta(days=7), "7 days"),
    "28d": (timedelta(days=28), "28 days"),
    "90d": (timedelta(days=90), "90 days"),
    "365d": (timedelta(days=365), "365 days"),
}
BETWEEN, BEFORE, SAME = "between", "before", "same"
FIELDS = ("since", "from", "to", "of", "than", "than_from", "than_to", "than_of")
"""What of an address says the two sides; `of` and `than_of` are `name=value` of an attribute."""
RANGE = ("since", "from", "to")
"""What of an address says one time."""
STEP = timedelta(minutes=5)


def asked_range(said: Mapping[str, object]) -> dict[str, str]:
    """What an address says of a time, and nothing else of it."""
    return {name: unquote(str(said[name])) for name in RANGE if said.get(name)}


def span(asked: Mapping[str, str], now: datetime) -> tuple[str | None, str | None]:
    """From when on and before when a page is asked about, as RFC 3339; an end is None where it is open.

    What would lie in the future is open; what is no instant is left to whoever answers.
    """
    since, until = _span(asked.get("since"), asked.get("from"), asked.get("to"), _stepped(now))
    try:
        ahead = until is not None and datetime.fromisoformat(until) >= now
    except (ValueError, TypeError, OverflowError):
        ahead = False
    return since, None if ahead else until


def range_name(asked: Mapping[str, str]) -> str:
    """`the last 7 days` or `from 21 Nov 09:00 until 22 Nov 18:00 UTC`; empty where no time is asked."""
    since = asked.get("since")
    if since in RELATIVE:
        return f"the last {RELATIVE[since][1]}"
    return _between(asked.get("from"), asked.get("to")) if since == BETWEEN else ""


def _stepped(now: datetime) -> datetime:
    """The same instant for some minutes, so that who asks again is asking the same."""
    now = now.astimezone(UTC)
    return now - (now - datetime.min.replace(tzinfo=UTC)) % STEP


def sides(asked: Mapping[str, str], now: datetime) -> tuple[Said, Said] | None:
    """The two sets that an address asks for; None where it asks for no comparison."""
    if not (asked.get("since") or asked.get("of") or asked.get("than_of")):
        return None
    now = _stepped(now)
    one = _span(asked.get("since"), asked.get("from"), asked.get("to"), now)
    match asked.get("than") or BEFORE:
        case value if value == SAME:
            other = one
        case value if value == BETWEEN:
            other = _span(BETWEEN, asked.get("than_from"), asked.get("than_to"), now)
        case _:
            other = _before(one, now)
    return Said(*one, _where(asked.get("of"))), Said(*other, _where(asked.get("than_of")))


def names(asked: Mapping[str, str]) -> tuple[str, str]:
    """What the two sides are called: `the last 7 days, region EMEA`."""
    since = asked.get("since")
    first = f"the last {RELATIVE[since][1]}" if since in RELATIVE else _between(asked.get("from"), asked.get("to"))
    match asked.get("than") or BEFORE:
        case value if value == SAME:
            second = first
        case value if value == BETWEEN:
            second = _between(asked.get("than_from"), asked.get("than_to"))
        case _ if since in RELATIVE:
            second = f"the {RELATIVE[since][1]} before"
        case _:
            second = "the time before" if first else ""
    return _named(first, asked.get("of")), _named(second, asked.get("than_of"))


def _span(since: str | None, start: str | None, end: str | None, now: datetime) -> tuple[str | None, str | None]:
    if since in RELATIVE:
        return _spelled(now - RELATIVE[since][0]), None
    return (start or None, end or None) if since == BETWEEN else (None, None)


def _before(span: tuple[str | None, str | None], now: datetime) -> tuple[str | None, str | None]:
    """As long a time, up to where the span begins; what cannot be read is left to whoever answers."""
    try:
        since, until = moment(span[0]), moment(span[1]) or now
    except ValueError:
        return span
    return span if since is None else (_spelled(since - (until - since)), span[0])


def _spelled(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _where(of: str | None) -> tuple[str, ...]:
    return (of,) if of else ()


def _between(start: str | None, end: str | None) -> str:
    try:
        parts = [f"from {short_instant(start)}" if start else "", f"until {short_instant(end)}" if end else ""]
        zone = viewing.get().zone_name(moment(end or start) or datetime.now(UTC)) if start or end else ""
    except (ValueError, OverflowError):
        return ""
    return " ".join(part for part in (*parts, zone) if part)


def _named(time: str, of: str | None) -> str:
    group = (of or "").replace("=", " ", 1).replace("_", " ")
    return ", ".join(part for part in (time, group) if part) or "all"
