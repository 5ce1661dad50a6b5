"""Objective documents to the model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from slo_rules.buckets import BUCKET
from slo_rules.calendar_definitions import read_zone
from slo_rules.calendars import CalendarRules
from slo_rules.durations import DAY, format_duration
from slo_rules.exclusions import Exclusion, check_rule
from slo_rules.filter_definitions import text_of
from slo_rules.instants import EPOCH, to_micros
from slo_rules.objective import MissingData, Objective, Volume
from slo_rules.periods import Period
from slo_rules.reading import Reader, suggestion
from slo_rules.wall_time import opening
from slo_rules.windows import DEFAULT_WINDOW, CalendarWindow, Window
from slo_rules.workflow import Workflow

SUCCESS, VOLUME = "success", "volume"
OBJECTIVE_KINDS = ("latency", "freshness", SUCCESS, VOLUME)
CANCELLED_AS = ("neutral", "bad")
LONGEST_EXCLUSION = 366 * DAY
MOST_GROUPED_BY = 5
_RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "latency": (("from", "to", "within", "calendar"), ("from", "to", "within")),
    "freshness": (("from", "to", "within", "calendar"), ("from", "to", "within")),
    SUCCESS: (("cancelled",), ()),
    VOLUME: (("milestone", "per", "at_least", "at_most"), ("milestone", "per")),
}
_MORE = ("targets", "window", "group_by", "by_value", "exclude")


def read_objective(name: str, metadata: Reader, spec: Reader) -> Objective | None:
    """The objective that a document says, not yet held against its workflow: see `with_references`."""
    metadata.mapping(("name", "owner", "title", "description"), ())
    required = ("workflow", "target", "missing_data")
    if not spec.mapping((*required, *OBJECTIVE_KINDS, *_MORE), required):
        return None
    kinds = [kind for kind in OBJECTIVE_KINDS if spec.optional(kind)]
    if len(kinds) != 1:
        spec.fault("say exactly one of 'latency', 'freshness', 'success' or 'volume'")
        return None
    kind = kinds[0]
    rule = spec.at(kind)
    if not rule.mapping(*_RULES[kind]):
        return None
    counted = rule.optional("milestone")
    within = rule.optional("within")
    target, window, by_value = spec.optional("target"), spec.optional("window"), spec.optional("by_value")
    objective = Objective(
        name=name,
        title=text_of(metadata, "title") or name,
        owner=text_of(metadata, "owner"),
        workflow=text_of(spec, "workflow"),
        kind=kind,
        start=counted.text() if counted else _text(rule, "from"),
        end=counted.text() if counted else _text(rule, "to"),
        within=(within.duration() if within else None) or 0,
        target=_share(target) if target else 0.0,
        window=_window(window) if window else DEFAULT_WINDOW,
        cancelled_is_bad=_choice(rule.optional("cancelled"), CANCELLED_AS) == "bad",
        missing_data=MissingData(_choice(spec.optional("missing_data"), tuple(MissingData)) or MissingData.BAD),
        volume=_volume(rule) if kind == VOLUME else None,
        group_by=_group_by(spec.optional("group_by")),
        by_value=by_value.flag() if by_value else False,
        exclude=_exclusions(spec.optional("exclude")),
        targets=_targets(spec.optional("targets")),
    )
    if objective.in_slices and objective.by_value:
        spec.at("by_value").fault(f"{kind} counts slices of time, which are worth nothing")
    return objective


def with_references(
    objective: Objective, workflow: Workflow, spec: Reader, calendars: Mapping[str, CalendarRules | None]
) -> Objective:
    """The objective with its calendar; what it names and its workflow does not have is a fault."""
    rule = spec.at(objective.kind)
    for field in ("from", "to", "milestone"):
        named = rule.optional(field)
        if named is not None and named.value not in workflow.by_name:
            known = suggestion(str(named.value), workflow.by_name)
            named.fault(f"the workflow {workflow.name!r} has no milestone {named.value!r}{known}")
    for index, attribute in enumerate(objective.group_by):
        if attribute and attribute not in workflow.attributes:
            known = suggestion(attribute, workflow.attributes)
            message = f"the workflow {workflow.name!r} has no attribute {attribute!r}{known}"
            spec.fault(message, (*spec.path, "group_by", index))
    if objective.by_value and not workflow.amount:
        spec.at("by_value").fault(f"the workflow {workflow.name!r} does not say what its instances are worth ('value')")
    calendar = rule.optional("calendar")
    if calendar is None:
        return objective
    calendar_name = calendar.text()
    if calendar_name not in calendars:
        if calendar_name:
            calendar.fault(f"there is no calendar {calendar_name!r}{suggestion(calendar_name, calendars)}")
        return objective
    rules = calendars[calendar_name]
    if rules is not None and not any(rules.week):
        calendar.fault(f"the calendar {calendar_name!r} has no weekly hours: nothing on it would ever be due")
    return msgspec.structs.replace(objective, calendar=rules)


def _text(rule: Reader, field: str) -> str:
    entry = rule.optional(field)
    return entry.text() if entry else ""


def _choice(entry: Reader | None, words: tuple[str, ...]) -> str:
    """One of these words; empty where nothing is said, and after a fault."""
    said = entry.text() if entry else ""
    if entry and said and said not in words:
        entry.fault(f"must be one of {', '.join(words)}{suggestion(said, map(str, words))}")
        return ""
    return said


def _share(entry: Reader) -> float:
    value = entry.value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        entry.fault("must be a share between 0 and 1, such as 0.99")
        return 0.0
    return float(value)


def _targets(entry: Reader | None) -> dict[str, float]:
    if entry is None or not entry.mapping():
        return {}
    if len(entry.value) > 20:
        entry.fault(f"has {len(entry.value)} entries; at most 20 are allowed")
        return {}
    found = {}
    for key in entry.value:
        named = Reader(entry.document, entry.faults, key, (*entry.path, key)).name()
        share = entry.optional(key)
        if share is None:
            entry.fault("must be a share between 0 and 1, such as 0.99", (*entry.path, key))
        elif named:
            found[named] = _share(share)
    return found


def _window(entry: Reader) -> Window:
    """`30d` rolling, or `{period: month, zone: Europe/Berlin}`."""
    return _period(entry) or DEFAULT_WINDOW if isinstance(entry.value, dict) else entry.duration() or DEFAULT_WINDOW


def _period(entry: Reader) -> CalendarWindow | None:
    if not entry.mapping(("period", "zone"), ("period",)):
        return None
    period, zone = entry.optional("period"), read_zone(entry.optional("zone"))
    named = _choice(period, tuple(Period))
    return CalendarWindow(Period(named), zone or "UTC") if named else None


def _volume(rule: Reader) -> Volume:
    per: Window | None = None
    entry = rule.optional("per")
    if entry is not None and isinstance(entry.value, dict):
        per = _period(entry)
    elif entry is not None and (per := entry.duration()) is not None and (per % BUCKET or per > DAY or DAY % per):
        entry.fault("must divide a day and be a multiple of 5m, such as 1h; or {period: day, zone: Europe/Berlin}")
    least, most = (_count(rule.optional(field)) for field in ("at_least", "at_most"))
    if rule.optional("at_least") is None and rule.optional("at_most") is None:
        rule.fault("say 'at_least', 'at_most' or both")
    if least is not None and most is not None and least > most:
        rule.fault(f"at_least is {least} and at_most {most}: nothing is between them")
    return Volume(per or DAY, least, most)


def _count(entry: Reader | None) -> int | None:
    if entry is None:
        return None
    if isinstance(entry.value, bool) or not isinstance(entry.value, int) or not 0 <= entry.value < 10**9:
        entry.fault("must be a whole number from 0 on")
        return None
    return entry.value


def _group_by(entry: Reader | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    found = tuple(entry.each(lambda one: one.text(longest=63), longest=MOST_GROUPED_BY))
    if len(set(found)) < len(found):
        entry.fault("says an attribute twice")
    return found


def _exclusions(entry: Reader | None) -> tuple[Exclusion, ...]:
    return () if entry is None else tuple(one for one in entry.each(_exclusion) if one is not None)


def _exclusion(entry: Reader) -> Exclusion | None:
    if not entry.mapping(("from", "to", "for", "repeat", "zone", "reason"), ("from", "reason")):
        return None
    before = len(entry.faults)
    zone = read_zone(entry.optional("zone")) or "UTC"
    first, last, lasts, repeat = (entry.optional(field) for field in ("from", "to", "for", "repeat"))
    since = _instant(first, zone) if first else None
    length: int | None = None
    if (last is None) == (lasts is None):
        entry.fault("say exactly one of 'to' and 'for'")
    elif lasts is not None:
        length = lasts.duration()
    elif last is not None and (until := _instant(last, zone)) is not None and since is not None:
        length = until - since
        if length <= 0:
            last.fault("must lie after 'from'")
    if length is not None and length > LONGEST_EXCLUSION:
        entry.fault(f"lasts {format_duration(length)}; at most {format_duration(LONGEST_EXCLUSION)} are allowed")
    if length is not None and length % BUCKET and length > 0:
        entry.fault("must last a multiple of five minutes, in which items are counted")
    rule = repeat.text() if repeat else ""
    if repeat and rule and (wrong := check_rule(rule)):
        repeat.fault(wrong)
    reason = text_of(entry, "reason")
    if len(entry.faults) > before or since is None or length is None:
        return None
    return Exclusion(reason, since, length, rule, zone)


def _instant(entry: Reader, zone: str) -> int | None:
    """Micros of `2026-12-24T18:00`, on the wall of a zone, or with an offset of its own."""
    try:
        found = datetime.fromisoformat(str(entry.value))
    except ValueError:
        entry.fault(f"{str(entry.value)[:60]!r} is no time; write it like 2026-12-24T18:00")
        return None
    if not EPOCH.year <= found.year <= 2200:
        entry.fault(f"must lie between {EPOCH.year} and 2200")
        return None
    if found.tzinfo is None:
        at = opening(ZoneInfo(zone), found.date(), found.hour * 60 + found.minute)
        exact = not found.second and not found.microsecond
    else:
        at, exact = to_micros(found), True
    if not exact or at % BUCKET:
        entry.fault("must be at a multiple of five minutes, in which items are counted")
        return None
    return at
