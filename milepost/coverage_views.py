"""What `milepost coverage` prints: for people, and JSON for programs."""

from __future__ import annotations

from typing import Any

import orjson

from milepost import cadence_views
from milepost.covering import Covered
from milepost.plain_text import shown, table
from slo_rules.coverage import DeadlineHistory, KindCoverage, MilestoneCoverage, WorkflowCoverage
from slo_rules.instants import rfc3339
from slo_rules.rounding import spell_share

MOST_KINDS = 30
_HISTORIES = {
    DeadlineHistory.NONE: "",
    DeadlineHistory.UNDECIDED: "not decided yet",
    DeadlineHistory.NEVER_MISSED: "never missed",
    DeadlineHistory.ALWAYS_MISSED: "ALWAYS missed",
}


def printed(covered: Covered, form: str) -> str:
    """As `table` or `json`."""
    if form == "json":
        return orjson.dumps(as_json(covered), option=orjson.OPT_INDENT_2).decode()
    return as_text(covered)


def as_text(covered: Covered) -> str:
    """The workflows, then what matched nothing, how sources speak and which never did, and dead letters."""
    report = covered.report
    lines = [_looked_at(covered)]
    if covered.not_in_force:
        names = ", ".join(covered.not_in_force)
        lines.append(f"Not what the database knows: {names}. Instances and deadlines are those of the stored versions.")
    if covered.unreadable:
        lines.append(f"Left out: {covered.unreadable:,} of which what is stored cannot be read.")
    for workflow in report.workflows:
        lines += ["", *_workflow(workflow, report.first_at)]
    lines += ["", *_kinds(covered)]
    if report.sources:
        lines += ["", *cadence_views.as_text(report.sources, limited=_limited(covered))]
    if report.silent_sources:
        lines += ["", "Sources that never sent an event:"]
        for silent in report.silent_sources:
            awaited = f", awaited by {', '.join(silent.awaited_by)}" if silent.awaited_by else ""
            lines.append(f"  {shown(silent.source)}{awaited}")
    lines += ["", *_dead_letters(covered)]
    return "\n".join(lines)


def as_json(covered: Covered) -> dict[str, Any]:
    """Everything."""
    report = covered.report
    return {
        "looked_at": {
            "events": report.events,
            "instances": report.instances,
            "unreadable_instances": covered.unreadable,
            "limit": covered.window.limit,
            "limited": _limited(covered),
            "since": _instant(covered.window.since),
            "first_at": _instant(report.first_at),
            "last_at": _instant(report.last_at),
        },
        "unmatched": report.unmatched,
        "keyless": report.keyless,
        "not_in_force": covered.not_in_force,
        "workflows": [_workflow_json(one) for one in report.workflows],
        "kinds": [_kind_json(one) for one in report.kinds],
        "other_events": report.other_events,
        "sources": [cadence_views.as_json(one) for one in report.sources],
        "silent_sources": [{"source": one.source, "awaited_by": list(one.awaited_by)} for one in report.silent_sources],
        "dead_letters": [
            {
                "reason": one.reason,
                "source": one.source,
                "count": one.count,
                "last_at": rfc3339(one.last_at),
                "detail": one.detail,
            }
            for one in covered.dead_letters
        ],
    }


def _limited(covered: Covered) -> bool:
    return covered.report.events >= covered.window.limit


def _looked_at(covered: Covered) -> str:
    report = covered.report
    since = f" since {_instant(covered.window.since)}" if covered.window.since is not None else ""
    if not report.events:
        return f"There are no events{since}: nothing can be said of what arrives. {report.instances:,} instances."
    sample = "the newest " if _limited(covered) else ""
    more = "; there may be more (--limit)" if sample else ""
    period = f"{_day(report.first_at)} to {_day(report.last_at)}"
    return f"Looked at {sample}{report.events:,} events, {period}, and {report.instances:,} instances{more}."


def _workflow(workflow: WorkflowCoverage, first_at: int | None) -> list[str]:
    keyless = f", {workflow.keyless:,} of them without a usable key" if workflow.keyless else ""
    lines = [f"{workflow.name}: {workflow.events:,} events{keyless}; {workflow.instances:,} instances", ""]
    rows = [
        [
            one.name,
            shown(one.source or "", 40),
            f"{one.events:,}",
            f"{one.reached:,}",
            _day(one.last_at),
            _deadline(one) if workflow.instances else "",
        ]
        for one in workflow.milestones
    ]
    lines += table(["milestone", "source", "events", "instances", "last", "deadline"], rows, right=(2, 3))
    since = f" since {_day(first_at)}" if first_at is not None else ""
    keys, attributes = workflow.never_seen
    never = (
        (f"Never reached{since}", workflow.never_reached),
        ("Keys never seen", keys),
        ("Never present", attributes),
    )
    lines += [f"  {what}: {', '.join(names)}" for what, names in never if names]
    return lines


def _deadline(one: MilestoneCoverage) -> str:
    if one.deadline in (DeadlineHistory.NONE, DeadlineHistory.UNDECIDED):
        return _HISTORIES[one.deadline]
    decided = one.met + one.missed
    if one.deadline is DeadlineHistory.SOMETIMES_MISSED:
        return f"missed by {spell_share(one.missed / decided)} of {decided:,}"
    return f"{_HISTORIES[one.deadline]} ({decided:,})"


def _kinds(covered: Covered) -> list[str]:
    report = covered.report
    telling = [one for one in report.kinds if one.unmatched or one.keyless]
    if not telling:
        return ["Every event matches a definition and names an instance."] if report.events else []
    unmatched = f"{report.unmatched:,} of {report.events:,} events match nothing"
    lines = [f"{unmatched}; {report.keyless:,} match and carry no usable key.", ""]
    rows = [
        [
            shown(one.source, 40),
            shown(one.type, 60),
            f"{one.events:,}",
            spell_share(one.unmatched / one.events),
            spell_share(one.keyless / (one.events - one.unmatched)) if one.events > one.unmatched else "",
            shown(one.example or "", 40),
        ]
        for one in telling[:MOST_KINDS]
    ]
    lines += table(["source", "type", "events", "unmatched", "no key", "such as"], rows, right=(2, 3, 4))
    if len(telling) > MOST_KINDS:
        lines.append(f"  and {len(telling) - MOST_KINDS:,} more kinds; --format json has them all.")
    if report.other_events:
        lines.append(f"  and {report.other_events:,} events of kinds too many to tell apart.")
    near = [one for one in telling[:MOST_KINDS] if one.nearest is not None]
    if near:
        lines += ["", "Nearly matched:"]
        lines += [line for one in near for line in _nearly(one)]
    return lines


def _nearly(one: KindCoverage) -> list[str]:
    assert one.nearest is not None
    head = f"  {shown(one.source, 40)} {shown(one.type, 60)}: {one.nearest.what} of {one.nearest.workflow}, but"
    return [head, *(f"    {shown(difference, 200)}" for difference in one.nearest.differences)]


def _dead_letters(covered: Covered) -> list[str]:
    if not covered.dead_letters:
        return ["No dead letters."]
    rows = [
        [one.reason, shown(one.source, 40), f"{one.count:,}", f"{one.last_at:%Y-%m-%d}", shown(one.detail, 100)]
        for one in covered.dead_letters[:MOST_KINDS]
    ]
    lines = ["Dead letters:", "", *table(["reason", "source", "count", "last", "such as"], rows, right=(2,))]
    left = len(covered.dead_letters) - MOST_KINDS
    return [*lines, f"  and {left:,} more reasons and sources; --format json has them all."] if left > 0 else lines


def _workflow_json(workflow: WorkflowCoverage) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "events": workflow.events,
        "keyless": workflow.keyless,
        "instances": workflow.instances,
        "signals": workflow.signals,
        "milestones": [
            {
                "name": one.name,
                "source": one.source,
                "events": one.events,
                "instances": one.reached,
                "last_at": _instant(one.last_at),
                "deadline": one.deadline,
                "met": one.met,
                "missed": one.missed,
            }
            for one in workflow.milestones
        ],
        "never_reached": workflow.never_reached,
        "keys": workflow.keys,
        "attributes": workflow.attributes,
    }


def _kind_json(one: KindCoverage) -> dict[str, Any]:
    near = one.nearest
    return {
        "source": one.source,
        "type": one.type,
        "events": one.events,
        "unmatched": one.unmatched,
        "keyless": one.keyless,
        "example": one.example,
        "nearest": near and {"workflow": near.workflow, "what": near.what, "differences": list(near.differences)},
    }


def _instant(micros: int | None) -> str | None:
    return None if micros is None else rfc3339(micros)


def _day(micros: int | None) -> str:
    return "" if micros is None else rfc3339(micros)[:10]
