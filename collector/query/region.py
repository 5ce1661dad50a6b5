"""What one installation tells an overview of several. It is the border that personal data does not cross.

Only figures are told, and names that somebody wrote into a definition or a setting: none that came with an event.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

Row = dict[str, Any]
COUNTS = ("open", "due_soon", "stuck", "blind", "failed", "inconsistent", "waived")
MOST_OBJECTIVES = 100
MOST_INCIDENTS = 20
MOST_SOURCES = 100
LONGEST_TITLE = 200
_OF_INCIDENTS = ("id", "verdict", "severity", "count", "oldest_since", "opened_at")
_OF_GROUP = "Several causes at once"
_CURRENCY = re.compile("[A-Z]{3}|")
"""As ISO 4217 spells one, or nothing: a currency comes with events, where it may be any word."""


def figures(overview: Row, defined: Collection[str]) -> Row:
    """The answer of `overview` (collector/query/overview.py) without what is of single instances. Pure.

    Objectives come with the tightest budget first, and sources with those that cannot be seen. `defined` are the
    sources that may be named; of the others it is only said how many there are.
    """
    domains: list[Row] = overview["domains"]
    objectives = sorted(
        (_objective(one) for domain in domains for one in domain["objectives"]),
        key=lambda one: (one["budget_left_ratio"] is None, one["budget_left_ratio"] or 0.0, one["name"]),
    )
    incidents: list[Row] = overview["incidents"]
    named = [one for one in overview["sources"] if one["source"] in defined]
    return {
        "as_of": overview["as_of"],
        "domains": [_domain(one) for one in domains],
        "objectives": objectives[:MOST_OBJECTIVES],
        "objectives_count": len(objectives),
        "incidents": [_incident(one) for one in incidents[:MOST_INCIDENTS]],
        "incidents_count": len(incidents),
        "sources": [_source(one) for one in sorted(named, key=_seen)[:MOST_SOURCES]],
        "sources_count": len(overview["sources"]),
        "sources_live": sum(one["state"] == "live" for one in overview["sources"]),
        "lag_seconds": overview["lag_seconds"],
    }


def _domain(row: Row) -> Row:
    said = {name: row[name] for name in ("domain", *COUNTS, "oldest_stuck_since")}
    known = [one["budget_left_ratio"] for one in row["objectives"] if one["budget_left_ratio"] is not None]
    return {**said, "value_at_risk": _worth(row["value_at_risk"]), "budget_left_ratio": min(known, default=None)}


def _objective(row: Row) -> Row:
    return {
        **{name: row[name] for name in ("name", "domain", "target", "budget_left_ratio")},
        "title": (row["title"] or row["name"])[:LONGEST_TITLE],
    }


def _incident(row: Row) -> Row:
    # What several causes have in common may be an attribute of instances.
    title = _OF_GROUP if row["verdict"] == "group" else row["title"]
    said = {name: row[name] for name in _OF_INCIDENTS}
    return {**said, "title": title[:LONGEST_TITLE], "value": _worth(row["value"])}


def _source(row: Row) -> Row:
    said = {name: row[name] for name in ("source", "state", "last_received_at")}
    return {**said, "title": row["title"][:LONGEST_TITLE]}


def _worth(amounts: Sequence[Row]) -> list[Row]:
    return [one for one in amounts if _CURRENCY.fullmatch(one["currency"])]


def _seen(row: Row) -> tuple[bool, str]:
    return row["state"] == "live", row["source"]
