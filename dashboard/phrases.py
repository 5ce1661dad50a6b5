"""What pages say of today, of acts and messages, of deadlines and of what arrives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dashboard import wording
from dashboard.viewer import viewing


def usual_short(today: Mapping[str, Any]) -> str:
    """`usually 8` beside what was missed today; of how many where it is not known what is usual."""
    found = today["usual"]
    return f"of {wording.count(today['due'])} due" if found is None else f"usually {wording.count(found['missed'])}"


def usual_words(today: Mapping[str, Any]) -> str:
    """`12 of 214 due today until 14:00 UTC were missed; usually 8 of 230, by the last 4 Saturdays`, or why not.

    It is the day of UTC that is counted, also where it is told in another zone.
    """
    until = wording.moment(today["until"])
    assert until is not None
    missed, due = wording.count(today["missed"]), wording.count(today["due"])
    day = "today" if viewing.get().local(until).utcoffset() == timedelta() else "today (the day of UTC)"
    said = f"{missed} of {due} due {day} until {wording.zoned_clock(until)} were missed"
    found = today["usual"]
    if found is None:
        return f"{said}; what is usual is not known yet"
    days = f"{until:%A}s" if found["weekday"] else "days"
    missed, due = wording.count(found["missed"]), wording.count(found["due"])
    return f"{said}; usually {missed} of {due}, by the last {found['days']} {days}"


_ACTS = {
    "milepost.waived": "waived it",
    "milepost.waiver_withdrawn": "withdrew the waiver",
    "milepost.join_rejected": "rejected a join",
    "milepost.join_accepted": "accepted a join again",
    "milepost.moved": "moved it to another version",
}


def act_words(type_: str, data: Mapping[str, Any]) -> str:
    """`jo waived it until 23 Nov 09:00 UTC: SAP is being mended`."""
    until = f" until {wording.zoned_instant(data['until'])}" if data.get("until") else ""
    why = f": {data['reason']}" if data.get("reason") else ""
    did = _ACTS.get(type_, wording.humanise(type_.removeprefix("milepost.")).lower())
    return f"{data.get('by') or 'somebody'} {did}{until}{why}"


def message_words(message: Mapping[str, Any]) -> str:
    """`slack #order-ops was told: opened (delivered)`."""
    return f"{message['target']} was told by {message['kind']}: {message['transition']} ({message['state']})"


def deadline_words(deadline: Mapping[str, Any] | None, titles: Mapping[str, str] | None = None) -> str:
    """`within 4h of office-hours-emea, counted from Order created`; empty where nothing is due."""
    if not deadline or not deadline["breach"]:
        return ""
    told = _term(deadline["breach"]) + (f" of {deadline['calendar']}" if deadline["calendar"] else "")
    if deadline["from"]:
        told += f", counted from {(titles or {}).get(deadline['from']) or wording.humanise(deadline['from'])}"
    for attribute, values in deadline["by"].items():
        for value, terms in values.items():
            other = " on ".join(terms[name] for name in ("breach", "calendar") if terms.get(name))
            told += f", {other} where {wording.humanise(attribute).lower()} is {value}" if other else ""
    return told


def warning_words(deadline: Mapping[str, Any] | None) -> str:
    """`after 3h`; empty where nobody is warned."""
    return f"after {deadline['warn']}" if deadline and deadline["warn"] else ""


def _term(length: str) -> str:
    return f"within {length}" if str(length)[:1].isdigit() else str(length)


def rate_words(per_minute: float | None) -> str:
    """`12 a minute`, `3 an hour`; empty where it is not known yet."""
    if per_minute is None:
        return ""
    return f"{wording.count(per_minute)} a minute" if per_minute >= 1 else f"{wording.count(per_minute * 60)} an hour"


def volume_words(volume: Mapping[str, Any]) -> str:
    """`In the last day 233 came, 240 are usual`, or of a time that was asked about; or that it is not known."""
    whole = volume.get("whole")
    if whole is not None:
        return (
            f"In {wording.plural(whole['hours'], 'hour')} of this time {wording.count(whole['count'])} came, "
            f"{wording.count(whole['usual'])} are usual."
        )
    found = volume["last_day"]
    if found is None:
        return "What is usual for an hour is known after three days."
    span = "the last day" if found["hours"] == 24 else f"{wording.plural(found['hours'], 'hour')} of the last day"
    return f"In {span} {wording.count(found['count'])} came, {wording.count(found['usual'])} are usual."


def lag_words(seconds: float) -> str:
    """How long after it happened the last event arrived: `3 s`; what came before its time has its own word."""
    return "ahead of it" if seconds < 0 else wording.duration(seconds)


def share_words(part: float, whole: float) -> str:
    """`412 (0.2%)`."""
    return f"{wording.count(part)} ({wording.percent(part / whole, 1)})" if whole else wording.count(part)
