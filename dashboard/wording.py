"""How times, durations, money, counts and verdicts read on a page: as whoever looks reads them (`viewer.py`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.viewer import Viewer, viewing

DASH = "–"

VERDICT_LABELS = {
    "stuck": "Stuck",
    "failed": "Failed",
    "inconsistent": "Inconsistent",
    "due_soon": "Due soon",
    "blind": "Blind",
    "on_track": "On track",
    "paused": "Paused",
    "completed_late": "Completed late",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "waived": "Waived",
}

STATE_LABELS = {
    "reached": "Reached",
    "reached_late": "Reached late",
    "due": "Due",
    "overdue": "Overdue",
    "waiting": "Not started",
    "skipped": "Skipped",
    "not_needed": "Not needed",
    "live": "Live",
    "silent": "Silent",
    "catching_up": "Catching up",
    "unknown": "Nothing yet",
    "firing": "Firing",
    "resolved": "Resolved",
}

# The reasons that tell the instances of one verdict apart.
REASON_LABELS = {
    "orphan": "Orphan",
    "awaiting_start": "Awaiting start",
    "impossible_order": "Impossible order",
    "requirement_unmet": "Requirement not met",
    "key_not_unique": "Key not unique",
    "source_silent": "Source silent",
    "source_catching_up": "Source catching up",
}

# Why something is a dead letter.
LETTER_LABELS = {
    "invalid_event": "Not a valid event",
    "unreadable_record": "Unreadable record",
    "unreadable_request": "Unreadable request",
    "cannot_be_mapped": "Cannot be mapped",
    "cannot_be_applied": "Could not be applied",
    "no_usable_key": "No usable key",
    "no_such_instance": "No such instance",
    "key_joins_too_many": "Key joins too many",
    "join_rejected": "Rejected by a person",
    "not_moved": "Not moved to another version",
}

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment(text: str | None) -> datetime | None:
    """RFC 3339 text as an aware UTC datetime; None stays None."""
    if not text:
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def period_name(period: str, zone: str, since: str) -> str:
    """`21 Nov 2026`, `Week 47 of 2026`, `November 2026`, `Q4 2026` or `2026`, of a period that begins then."""
    first = datetime.fromisoformat(since).astimezone(ZoneInfo(zone))
    there = Viewer(zone, viewing.get().locale)
    match period:
        case "day":
            return there.date(first)
        case "week":
            year, week, _ = first.isocalendar()
            return f"Week {week} of {year}"
        case "month":
            return there.month(first)
        case "quarter":
            return f"Q{(first.month + 2) // 3} {first.year}"
    return str(first.year)


def duration(seconds: float) -> str:
    """The two largest units: `3 d 4 h`, `12 min`, `45 s`; below a second, milliseconds."""
    size = abs(seconds)
    if size < 1:
        return f"{_decimal(size * 1000, 0 if size * 1000 >= 10 or size == 0 else 1)} ms"
    if size < 10:
        return f"{_decimal(size, 0 if f'{size:.1f}'.endswith('.0') else 1)} s"
    whole = int(size)
    for place, (length, unit) in enumerate(_UNITS):
        if whole >= length:
            parts = [f"{whole // length} {unit}"]
            rest = whole % length
            if place + 1 < len(_UNITS):
                finer_length, finer_unit = _UNITS[place + 1]
                finer = rest // finer_length
                if finer:
                    parts.append(f"{finer} {finer_unit}")
            return " ".join(parts)
    return "0 s"


def _decimal(value: float, digits: int) -> str:
    return viewing.get().number(value, digits)


def open_time(seconds: float) -> str:
    """Business time: `40 h`, and never days, for those of an office are not of 24 hours."""
    hours, rest = divmod(int(seconds), 3600)
    if not hours or rest < 60:
        return f"{count(hours)} h" if hours else duration(seconds)
    return f"{count(hours)} h {rest // 60} min"


def rough(seconds: float) -> str:
    """For ages on a page: as `duration`, with the finer unit only beside a single digit of days or hours."""
    size = int(abs(seconds))
    if size < 60:
        return f"{size} s"
    for length, _ in _UNITS[:2]:
        if size >= 10 * length:
            return duration(size // length * length)
        if size >= length:
            return duration(size)
    return duration(size // 60 * 60)


def relative(at: datetime, now: datetime) -> str:
    """`3 h ago`, `in 12 min`, `just now` (within five seconds)."""
    gap = (at - now).total_seconds()
    if abs(gap) < 5:
        return "just now"
    return f"in {rough(gap)}" if gap > 0 else f"{rough(gap)} ago"


def instant(text: str | None) -> str:
    """`21 Nov 2026 14:05:09 UTC`: to the second, and with the zone."""
    at, viewer = moment(text), viewing.get()
    return DASH if at is None else f"{viewer.date(at)} {viewer.full_clock(at)} {viewer.zone_name(at)}"


def short_instant(text: str | None) -> str:
    """`21 Nov 14:05`, where the page says the zone."""
    at, viewer = moment(text), viewing.get()
    return DASH if at is None else f"{viewer.day(at)} {viewer.clock(at)}"


def zoned_instant(text: str | None) -> str:
    """`21 Nov 14:05 UTC`, for sentences."""
    at = moment(text)
    return DASH if at is None else f"{short_instant(text)} {viewing.get().zone_name(at)}"


def there_instant(text: str | None, zone: str) -> str:
    """`21 Nov 14:05 Europe/Berlin`: of the zone that decides, which need not be the viewer's; its city where it is."""
    at = moment(text)
    there = Viewer(zone, viewing.get().locale)
    return DASH if at is None else f"{there.day(at)} {there.clock(at)} {zone}"


def zoned_clock(at: datetime) -> str:
    """`14:05 UTC`."""
    viewer = viewing.get()
    return f"{viewer.clock(at)} {viewer.zone_name(at)}"


def count(n: float | None) -> str:
    return DASH if n is None else viewing.get().number(n)


def held_up(incident: Mapping[str, Any]) -> str:
    """How much an incident is about: instances, or what it counts instead."""
    many: int = incident["count"]
    match incident["verdict"]:
        case "burning":
            return f"{count(many)} missed"
        case "group":
            return plural(many, "cause")
        case "silence":
            return plural(many, "incident")
        case "blind" if incident.get("entity") in ("event", "objective"):
            return plural(many, incident["entity"])
        case _:
            return plural(many, "instance")


def plural(n: float, one: str, many: str | None = None) -> str:
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def gone_events(number: int) -> str:
    """What is said beneath the events of an instance where the log no longer has them all."""
    return f"{plural(number, 'event')} more of this instance went with the part of the log that is no longer kept."


def percent(ratio: float | None, digits: int = 0) -> str:
    """A ratio of 0.9987 reads `99.87%` with two digits, `99,87 %` in German; it never rounds up to 100%."""
    if ratio is None:
        return DASH
    scaled = ratio * 100 * 10**digits
    rounded = math.floor(scaled + 1e-9) if 0.5 < ratio < 1 else round(scaled)
    viewer = viewing.get()
    return viewer.percent(viewer.number(rounded / 10**digits, digits)).replace("-", "−")


def budget_left(ratio: float | None) -> str:
    """What is left of an error budget; where more than twice of it was spent, how many times over: `49× spent`."""
    if ratio is not None and ratio < -1:
        return f"{count(1 - ratio)}× spent"
    return percent(ratio)


def target(ratio: float) -> str:
    digits = f"{ratio * 100:.6f}".rstrip("0").partition(".")[2]
    return viewing.get().percent(viewing.get().number(ratio * 100, len(digits)))


def one_money(amount: float, currency: str, *, compact: bool = False) -> str:
    return viewing.get().money(amount, currency, compact=compact)


def money(amounts: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None, *, compact: bool = False) -> str:
    """Amounts of different currencies are never added: `$48,250 + €1,200`, the largest first."""
    if amounts is None:
        return DASH
    rows = [amounts] if isinstance(amounts, Mapping) else list(amounts)
    rows = sorted((r for r in rows if r.get("amount")), key=lambda r: -abs(r["amount"]))
    return " + ".join(one_money(r["amount"], r["currency"], compact=compact) for r in rows) or DASH


def total_money(amounts: Iterable[Iterable[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    totals: dict[str, float] = {}
    for group in amounts:
        for row in group or ():
            totals[row["currency"]] = totals.get(row["currency"], 0.0) + row["amount"]
    return [{"currency": c, "amount": a} for c, a in sorted(totals.items(), key=lambda i: -i[1])]


def verdict_label(verdict: str) -> str:
    return VERDICT_LABELS.get(verdict, humanise(verdict))


def state_label(state: str) -> str:
    return STATE_LABELS.get(state, humanise(state))


def letter_label(reason: str) -> str:
    return LETTER_LABELS.get(reason, humanise(reason))


def humanise(name: str | None) -> str:
    """`order_accepted` or `order-to-cash` as words."""
    if not name:
        return DASH
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def budget_words(objective: Mapping[str, Any]) -> str:
    """`31 of 50 allowed used`, and what that leaves."""
    unit = "slices" if objective.get("unit") == "slices" else "misses"
    return f"{_used_of(objective)} allowed {unit} used"


def budget_short(objective: Mapping[str, Any]) -> str:
    """`31 of 50 used`."""
    return f"{_used_of(objective)} used"


def _used_of(objective: Mapping[str, Any]) -> str:
    allowed, used = objective.get("budget_allowed") or 0, objective.get("budget_used") or 0
    whole = allowed >= 10 or f"{allowed:.1f}".endswith(".0")
    figure = count(allowed) if whole else viewing.get().number(allowed, 1)
    return f"{count(used)} of {figure}"


def pace_words(objective: Mapping[str, Any], now: datetime) -> str:
    """`, 9 days left; at this pace gone on Thursday 26 Nov`, as far as there is something to say."""
    pace, until = objective.get("pace"), moment(objective["window"]["until"])
    left = f", {rough((until - now).total_seconds())} left" if until is not None else ""
    if pace is None or (objective.get("budget_left_ratio") or 0) < 0:
        return left
    gone = moment(pace["gone_at"])
    if gone is None:
        return f"{left}; at this pace it lasts" if until is not None else left
    return f"{left}; at this pace gone {on_day(gone, now)}"


def on_day(at: datetime, now: datetime) -> str:
    """`at 14:05 UTC` today, `on Thursday 26 Nov` or `in March 2027`."""
    viewer = viewing.get()
    days = (viewer.local(at).date() - viewer.local(now).date()).days
    if days <= 0:
        return f"at {zoned_clock(at)}"
    return f"on {viewer.weekday(at)} {viewer.day(at)}" if days < 300 else f"in {viewer.month(at)}"


def burning_words(objective: Mapping[str, Any]) -> str:
    """What burns fastest: `Burning: 14 misses within 1 h, 36 times as fast as the budget lasts (page)`."""
    one = max(objective["burning"], key=lambda tier: tier["rate"])
    in_slices = objective.get("unit") == "slices"
    missed = plural(one["bad"], "slice") if in_slices else plural(one["bad"], "miss", "misses")
    pace = viewing.get().number(one["rate"], 1) if one["rate"] < 10 else count(one["rate"])
    within = duration(one["long_seconds"])
    return f"Burning: {missed} within {within}, {pace} times as fast as the budget lasts ({one['severity']})"


def singly_words(objective: Mapping[str, Any]) -> str:
    """`The budget is under one: 1 missed, 2 due within 1 h`; empty where it is not, or there is neither."""
    found = objective.get("singly")
    if not found or not (found["overdue"] or found["due_soon"]):
        return ""
    said = [f"{count(found['overdue'])} missed"] if found["overdue"] else []
    said += [f"{count(found['due_soon'])} due within {duration(found['soon_seconds'])}"] if found["due_soon"] else []
    return f"The budget is under one, so each counts: {', '.join(said)}"


_MISSING = {
    "good": "what falls due since then counts as good",
    "bad": "what falls due since then counts as bad until it is known",
    "exclude": "what falls due since then does not count until it is known",
    "alert": "how it stands is not known, and what falls due since then does not count",
}


def replaying_words(objective: Mapping[str, Any]) -> str:
    """What follows for the alerts of an objective while a source of it sends its past."""
    return f"{objective['replaying_source']} sends its past; whether the budget burns is judged when it has caught up"


def missing_words(objective: Mapping[str, Any]) -> str:
    """`sap has been silent since 21 Nov 10:42 UTC; …` and what follows for the objective."""
    since = zoned_instant(objective["missing_since"])
    return f"{objective['missing_source']} has been silent since {since}; {_MISSING[objective['missing_data']]}"


def late_words(late: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the overview says of what receivers kept while the database was away, a sentence each."""
    writing = [one for one in late if one["settled_at"] is None]
    written = [one for one in late if one["settled_at"] is not None]
    found = []
    if writing:
        since = zoned_instant(min(one["since"] for one in writing))
        found.append(
            f"The database was away. What arrived since {since} is being written; nothing is judged beyond that."
        )
    if written:
        since, until = min(one["since"] for one in written), max(one["until"] for one in written)
        events = count(sum(one["count"] for one in written))
        found.append(
            f"The database was away between {short_instant(since)} and {zoned_instant(until)}: {events} events "
            "that arrived meanwhile were late, and are in. They count as of when they arrived."
        )
    return found


BEHIND_SECONDS = 5
"""So far behind a replica may be without a word: less than what a page shows between two looks."""


def behind_words(replica: Mapping[str, Any] | None) -> str | None:
    """What a page says of a replica that it is read from and that is behind; None where there is nothing to say."""
    if replica is None or not replica["used"] or replica["lag_seconds"] < BEHIND_SECONDS:
        return None
    return (
        f"What you see is as of {instant(replica['as_of'])}, {rough(replica['lag_seconds'])} ago: "
        "the replica that is read is behind. Nothing is lost, and this page follows as it catches up."
    )
