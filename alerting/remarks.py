"""What a message says beside its first sentence: what is new, what sets the held-up apart, how it goes on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.message import Notice, Style

_APART = 2
_STILL = 0.05
"""Instances an hour: what is slower stands still."""


def news(n: Notice, style: Style) -> str:
    """What has changed since the target was told last: `Grown from 3 to 412`, `Now critical`, `Still firing`."""
    said = [f"now {style.word(n.severity)}"] if n.reason == "raised" else []
    if n.told_count and n.count != n.told_count:
        before, after = (style.reader.number(count) for count in (n.told_count, n.count))
        said.append(f"{'grown' if n.count > n.told_count else 'down'} from {before} to {after}")
    text = " and ".join(said) or "still firing"
    return text[:1].upper() + text[1:]


def remarks(n: Notice, style: Style) -> str:
    """What sets them apart, the most telling first; how it goes on, once that is known; and who is at it."""
    apart = f" {'; '.join(style.word(one) for one in n.apart[:_APART])}." if n.apart else ""
    at_it = f" {style.word(n.acknowledged_by)} has taken it on." if n.acknowledged_by else ""
    return apart + _going(n, style) + at_it


def to_do(n: Notice, style: Style) -> str:
    """What the owner says is to be done; where that is a page, channels link to it instead."""
    return f" What to do: {style.word(n.runbook)}." if n.runbook and not n.runbook_link else ""


def _going(n: Notice, style: Style) -> str:
    if n.per_hour is None or abs(n.per_hour) < _STILL:
        return ""
    if n.drained_at is not None:
        return f" It shrinks: at this pace none is left by {style.reader.instant(n.drained_at, n.at)}."
    rate = round(abs(n.per_hour))
    pace = f"by some {style.reader.number(rate)} an hour" if rate else "slowly"
    return f" It {'grows' if n.per_hour > 0 else 'shrinks'} {pace}."
