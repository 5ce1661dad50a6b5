"""How what is likely to come reads on a page: chances, what is expected, when backlogs are clear."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dashboard.viewer import viewing
from dashboard.wording import count, humanise, moment, on_day, percent, plural, relative

# Why no chance can be told of an instance.
UNKNOWN_LABELS = {
    "too_few": "too few like it are known",
    "beyond_observed": "none was ever seen to wait that long",
    "source_silent": "its source is silent, so that it may have come unseen",
}
FEWEST_KNOWN = 20


def about(number: float) -> str:
    """`≈ 7`: what is expected is no count."""
    return f"≈ {count(number)}"


def expected_words(one: Mapping[str, Any]) -> str:
    """`of 31 due, 4 to 11 four times out of five; of 3 more nothing can be told`, beside how many will miss it."""
    told = []
    if one["due"]:
        low, high = one["low"], one["high"]
        span = count(low) if low == high else f"{count(low)} to {count(high)}"
        told.append(f"of {count(one['due'])} due, {span} four times out of five")
    if one["unknown"]:
        reasons = ", ".join(UNKNOWN_LABELS.get(why, humanise(why).lower()) for why in sorted(one["why_unknown"]))
        more = " more" if one["due"] else " due"
        told.append(f"of {count(one['unknown'])}{more} nothing can be told: {reasons}")
    return "; ".join(told)


def backlog_words(backlog: Mapping[str, Any], now: datetime) -> str:
    """`clear at 16:40 UTC at this pace, between 16:10 and 17:50`, or that it grows; empty where neither can be told."""
    at, first, last = (moment(backlog[name]) for name in ("clear_at", "earliest", "latest"))
    if backlog["state"] == "clearing" and at is not None and first is not None:
        if at <= now:
            return "about to be clear"
        if last is None:
            return f"clear {on_day(at, now)} at this pace, {on_day(first, now)} at the earliest"
        return f"clear {on_day(at, now)} at this pace, between {_clock(first, now)} and {_clock(last, now)}"
    growth = -(backlog["net_per_hour"] or 0)
    if backlog["state"] == "not_clearing" and growth >= 1:
        return f"grows by {count(growth)} an hour"
    return ""


def _clock(at: datetime, now: datetime) -> str:
    viewer = viewing.get()
    today = viewer.local(at).date() == viewer.local(now).date()
    return viewer.clock(at) if today else f"{viewer.day(at)} {viewer.clock(at)}"


def looked_back_words(back: Mapping[str, Any], now: datetime) -> str:
    """`A day ago ≈ 41 of the 210 due within a day were expected to miss it, 30 to 52: 38 did.`"""
    ago = relative(moment(back["at"]) or now, now)
    span = f"{count(back['low'])} to {count(back['high'])}"
    beyond = "" if back["low"] <= back["missed"] <= back["high"] else ", which is outside of that"
    return (
        f"By what had occurred {ago}, {about(back['breaches'])} of the {count(back['due'])} then due within a day were "
        f"expected to miss it, {span} four times out of five: {count(back['missed'])} did{beyond}."
    )


def chance_words(one: Mapping[str, Any]) -> str:
    """How likely a deadline is missed and by what that is known; or why it cannot be told."""
    title, known = one["title"], plural(one["known"], "instance")
    if one["chance"] is None:
        return f"How likely {title} comes too late cannot be told: {_why_unknown(one)}."
    who = f"{known} that had waited this long for {title}"
    if one["group"] and not one["pooled"]:
        who += f" and have {_group_words(one['group'])}"
    bounds = f"at least {percent(one['low'])}" if one["chance"] == 1 else f"at most {percent(one['high'])}"
    if 0 < one["chance"] < 1:
        bounds = f"between {percent(one['low'])} and {percent(one['high'])}"
    share = {0: "None", 1: "All"}.get(one["chance"], _share(one["chance"]))
    told = f"{share} of the {who} came too late for a deadline like this one: {bounds}, 19 times out of 20."
    if one["pooled"]:
        told += f" With {_group_words(one['group'])} alone there are too few to tell."
    return told


def _share(chance: float) -> str:
    return f"Less than {percent(0.01)}" if chance < 0.005 else percent(chance)


def _group_words(group: Mapping[str, str]) -> str:
    return " and ".join(f"{humanise(name).lower()} {value or 'not said'}" for name, value in group.items())


def _why_unknown(one: Mapping[str, Any]) -> str:
    if one["unknown"] == "too_few" and one["known"] >= FEWEST_KNOWN:
        return (
            f"{count(one['known'])} like it say no more than between {percent(one['low'])} and {percent(one['high'])}"
        )
    if one["unknown"] == "too_few":
        return (
            f"of those that had waited this long it is known of {count(one['known'])} how they ended, of 20 it is told"
        )
    return UNKNOWN_LABELS.get(one["unknown"], humanise(one["unknown"]).lower())
