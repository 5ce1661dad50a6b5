"""Maintenance windows: when they are under way, and the objectives that do not count meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slo_rules.buckets import BUCKET
from slo_rules.conditions import ATTRIBUTES, Match, holds, read_match
from slo_rules.durations import DAY
from slo_rules.exclusions import Exclusion, check_rule
from slo_rules.moments import read_moment
from slo_rules.objective import Objective
from slo_rules.reading import Reader, suggestion
from slo_rules.wall_time import zones
from slo_rules.workflow import Workflow

LONGEST_MAINTENANCE = 14 * DAY
EXCLUDES = "exclude_from_objectives"
OF_OBJECTIVES = ("domain", "owner", "workflow", "source", "waiting_for", "reason")
"""What a window can say of an objective: `reason` is its name, `waiting_for` the milestone that ends its items."""


def is_excluding(spec: Reader) -> bool:
    """Whether nothing counts in objectives while the window that this is the spec of is under way."""
    said = spec.optional(EXCLUDES)
    return said is not None and said.flag()


def read_exclusion(spec: Reader) -> tuple[Match, Exclusion] | None:
    """What a window excludes, and when; None where it does not, and after a fault."""
    if not is_excluding(spec):
        return None
    before = len(spec.faults)
    match, times = read_match(spec.optional("match")), read_times(spec)
    if spec.optional("reason") is None:
        spec.fault("the field 'reason' is missing")
    check_excluding(spec, match, times)
    return None if times is None or len(spec.faults) > before else (match, times)


def check_excluding(spec: Reader, match: Match, times: Exclusion | None) -> None:
    """What a window cannot say that excludes from objectives is a fault."""
    for name in match:
        if name not in OF_OBJECTIVES:
            field, _, attribute = name.partition(".")
            path = (*spec.path, "match", *((ATTRIBUTES, attribute) if attribute else (field,)))
            known = f"by {', '.join(OF_OBJECTIVES)}; without '{EXCLUDES}' by all"
            spec.fault(f"says nothing of objectives, of which each counts as a whole: they are matched {known}", path)
    for field, micros in (("from", times.since if times else 0), ("for", times.length if times else 0)):
        if micros % BUCKET:
            where = field if spec.optional(field) is not None else "to"
            message = f"must be a multiple of five minutes, in which items are counted, with '{EXCLUDES}'"
            spec.fault(message, (*spec.path, where))


def with_maintenance(
    objective: Objective, workflow: Workflow | None, windows: Mapping[str, tuple[Match, Exclusion]]
) -> Objective:
    """The objective without the time of the windows that match it, by their names."""
    of = facts_of_objective(objective, workflow)
    found = [times for _, (match, times) in sorted(windows.items()) if holds(match, of)]
    more = tuple(dict.fromkeys(one for one in found if one not in objective.exclude))
    return msgspec.structs.replace(objective, exclude=(*objective.exclude, *more)) if more else objective


def facts_of_objective(objective: Objective, workflow: Workflow | None) -> dict[str, frozenset[str]]:
    """What windows match of an objective: what they would of its incident, and the source that ends its items.

    Of how things ended every source of the workflow says something.
    """
    milestones = workflow.milestones if workflow is not None else ()
    end = "" if objective.source else objective.end
    sources = [one.source for one in milestones if objective.kind == "success" or one.name == end]
    said = {
        "domain": [workflow.domain if workflow is not None else ""],
        "owner": [objective.owner or (workflow.owner if workflow is not None else "")],
        "workflow": [objective.workflow],
        "source": [objective.source] if objective.source else sources,
        "waiting_for": [end],
        "reason": [objective.name],
    }
    return {name: frozenset(value for value in values if value) for name, values in said.items()}


def read_times(spec: Reader) -> Exclusion | None:
    """When a window is under way; None after a fault."""
    zone, repeat, reason = (spec.optional(one) for one in ("zone", "repeat", "reason"))
    named = zone.text() if zone else "UTC"
    if zone and named and named not in zones():
        zone.fault(f"there is no time zone {named[:60]!r}{suggestion(named, zones())}")
        named = "UTC"
    first, last, lasts = (spec.optional(one) for one in ("from", "to", "for"))
    since = read_moment(first, named or "UTC") if first else None
    length: int | None = None
    if (last is None) == (lasts is None):
        spec.fault("say exactly one of 'to' and 'for'")
    elif lasts is not None:
        length = lasts.duration()
    elif last is not None and (until := read_moment(last, named or "UTC")) is not None and since is not None:
        length = until - since
        if length <= 0:
            last.fault("must lie after 'from'")
    if length is not None and length > LONGEST_MAINTENANCE:
        spec.fault("lasts longer than 14d: say what is to be told no more by a route")
    rule = repeat.text() if repeat else ""
    if repeat and rule and (wrong := check_rule(rule)):
        repeat.fault(wrong)
    said = reason.text() if reason else ""
    if since is None or length is None:
        return None
    return Exclusion(said, since, length, rule, named or "UTC")
