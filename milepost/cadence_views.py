"""What `milepost coverage` prints of how often sources speak, and of what is expected of them."""

from __future__ import annotations

from typing import Any

from milepost.plain_text import shown, table
from slo_rules.cadence import LEAST_ARRIVALS, LEAST_SPAN, MUCH_LONGER, Judgement, SourceCadence
from slo_rules.durations import format_duration
from slo_rules.instants import rfc3339
from slo_rules.rounding import clock, roughly

MOST_SOURCES = 30


def as_text(sources: tuple[SourceCadence, ...], *, limited: bool) -> list[str]:
    """A line for each source, those that are awaited or declared first; then what to say of them.

    `limited` says that there may be earlier arrivals than were looked at.
    """
    ordered = sorted(sources, key=lambda one: (one.judgement is Judgement.NOT_AWAITED, one.source))
    lines = ["How often sources speak, by the arrival of their events:", ""]
    head = ["source", "arrivals", "over", "median", "p99", "longest", "began", "declared"]
    lines += table(head, [_row(one) for one in ordered[:MOST_SOURCES]], right=(1, 2, 3, 4, 5))
    if len(ordered) > MOST_SOURCES:
        lines.append(f"  and {len(ordered) - MOST_SOURCES:,} more sources; --format json has them all.")
    said = [line for one in ordered[:MOST_SOURCES] for line in _told(one)]
    said += _too_little(ordered[:MOST_SOURCES], limited)
    return [*lines, "", *said] if said else lines


def as_json(one: SourceCadence) -> dict[str, Any]:
    """Everything that is known of a source."""
    pauses, suggestion = one.pauses, one.suggestion
    return {
        "source": one.source,
        "arrivals": one.arrivals,
        "first_at": rfc3339(one.first_at),
        "last_at": rfc3339(one.last_at),
        "pauses": pauses
        and {
            "median_seconds": pauses.median / 1e6,
            "p99_seconds": pauses.p99 / 1e6,
            "longest_seconds": pauses.longest / 1e6,
            "longest_at": rfc3339(pauses.longest_at),
        },
        "declared": one.declared or None,
        "awaited_by": list(one.awaited_by),
        "judgement": one.judgement,
        "silences": one.silences,
        "suggestion": suggestion
        and {
            "every": format_duration(suggestion.every),
            "calendar": suggestion.calendar and suggestion.calendar.name,
            "line": one.line,
        },
    }


def _row(one: SourceCadence) -> list[str]:
    pauses = one.pauses
    figures = [roughly(length) for length in (pauses.median, pauses.p99, pauses.longest)] if pauses else [""] * 3
    began = clock(pauses.longest_at) if pauses else ""
    over = roughly(one.last_at - one.first_at) if pauses else ""
    return [shown(one.source, 40), f"{one.arrivals:,}", over, *figures, began, shown(one.declared, 100)]


def _told(one: SourceCadence) -> list[str]:
    said = _judged(one)
    if not said:
        return []
    head = f"  {shown(one.source, 40)}: {said}"
    return [head, f"    {shown(one.line, 120)}"] if one.line else [head]


def _judged(one: SourceCadence) -> str:
    if one.judgement is Judgement.UNDECLARED:
        return f"nothing is declared of all that it sends, and {_waiting(one)}." + (" Suggested:" if one.line else "")
    if one.judgement is Judgement.CALLED_SILENT:
        times = "once" if one.silences == 1 else f"{one.silences:,} times"
        fault = " Unless that was a fault, suggested:" if one.line else ""
        return f"by what is declared it would have been called silent {times}.{fault}"
    if one.judgement is Judgement.NOTICED_LATE:
        return f"declared is more than {MUCH_LONGER} times the longest pause: a silence is noticed late. Suggested:"
    return ""


def _waiting(one: SourceCadence) -> str:
    first, *more = one.awaited_by
    others = f" and {len(more):,} more" if more else ""
    return f"{shown(first)}{others} {'wait' if more else 'waits'} for it"


def _too_little(ordered: list[SourceCadence], limited: bool) -> list[str]:
    names = [shown(one.source, 40) for one in ordered if one.judgement is Judgement.TOO_LITTLE]
    if not names:
        return []
    needed = f"{LEAST_ARRIVALS} arrivals over {format_duration(LEAST_SPAN)} or longer"
    more = "; a larger --limit looks further back" if limited else ""
    return [f"  Too little to learn from: {', '.join(names)}. It takes {needed}{more}."]
