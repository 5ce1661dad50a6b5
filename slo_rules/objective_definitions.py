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
from slo_rules.expectation import Expectation
from slo_rules.filter_definitions import text_of
from slo_rules.instants import EPOCH, to_micros
from slo_rules.objective import MissingData, Objective, Volume
from slo_rules.periods import Period
from slo_rules.reading import Reader, suggestion
from slo_rules.wall_time import opening
from slo_rules.windows import DEFAULT_WINDOW, BusinessWindow, CalendarWindow, Slicing, Window
from slo_rules.workflow import Source, Workflow

FRESHNESS, SUCCESS, VOLUME = "freshness", "success", "volume"
OBJECTIVE_KINDS = ("latency", FRESHNESS, SUCCESS, VOLUME)
CANCELLED_AS = ("neutral", "bad")
LONGEST_EXCLUSION = 366 * DAY
MOST_GROUPED_BY = 5
LONGEST_BUSINESS_WINDOW = 1000 * DAY
_BUSINESS_WINDOW = ("last", "calendar")
_RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "latency": (("from", "to", "within", "calendar"), ("from", "to", "within")),
    FRESHNESS: (("from", "to", "within", "calendar"), ("from", "to", "within")),
    SUCCESS: (("cancelled",), ()),
    VOLUME: (("milestone", "per", "at_least", "at_most"), ("milestone", "per")),
}
_OF_SOURCE = (("source", "type", "within", "calendar"), ("source",))
_MORE = ("targets", "window", "group_by", "by_value", "exclude")


def read_objective(name: str, metadata: Reader, spec: Reader) -> Objective | None:
    """The objective that a document says, not yet held against its workflow: see `with_references`."""
    metadata.mapping(("name", "owner", "title", "description"), ())
    required = ("workflow", "target")
    if not spec.mapping((*required, "missing_data", *OBJECTIVE_KINDS, *_MORE), required):
        return None
    kinds = [kind for kind in OBJECTIVE_KINDS if spec.optional(kind)]
    if len(kinds) != 1:
        spec.fault("say exactly one of 'latency', 'freshness', 'success' or 'volume'")
        return None
    kind = kinds[0]
    rule = spec.at(kind)
    source = rule.optional("source") if kind == FRESHNESS else None
    if not rule.mapping(*(_OF_SOURCE if source else _RULES[kind])):
        return None
    _check_fields(spec, of_source=source is not None)
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
        source=source.text() if source else "",
        type=text_of(rule, "type", longest=2048) if source else "",
    )
    if objective.in_slices and objective.by_value:
        spec.at("by_value").fault(f"{kind} counts slices of time, which are worth nothing")
    return objective


def _check_fields(spec: Reader, *, of_source: bool) -> None:
    """What is to be said of missing data, and what cannot be said of a source."""
    if not of_source:
        if spec.optional("missing_data") is None:
            spec.fault("the field 'missing_data' is missing")
        return
    for field, message in (
        ("missing_data", "silence is what the freshness of a source counts: it has no missing data"),
        ("group_by", "a source is not told apart by what it sends"),
    ):
        entry = spec.optional(field)
        if entry is not None:
            entry.fault(message)


def with_references(
    objective: Objective,
    workflow: Workflow,
    spec: Reader,
    calendars: Mapping[str, CalendarRules | None],
    sources: Mapping[str, Source | None],
) -> Objective:
    """The objective with its calendars and what is expected of its source; what is named and not there is a fault."""
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
    objective = msgspec.structs.replace(
        objective,
        calendar=_calendar(rule.optional("calendar"), calendars),
        window=_on_calendar(objective.window, spec.optional("window"), calendars),
    )
    return _of_source(objective, rule, sources) if objective.source else objective


def _calendar(entry: Reader | None, calendars: Mapping[str, CalendarRules | None]) -> CalendarRules | None:
    """The calendar of this name; None where none is named, and after a fault."""
    name = entry.text() if entry else ""
    if not entry or not name:
        return None
    if name not in calendars:
        entry.fault(f"there is no calendar {name!r}{suggestion(name, calendars)}")
        return None
    rules = calendars[name]
    if rules is not None and not any(rules.week):
        entry.fault(f"the calendar {name!r} has no weekly hours: nothing on it would ever be due")
        return None
    return rules


def _on_calendar(window: Window, entry: Reader | None, calendars: Mapping[str, CalendarRules | None]) -> Window:
    if entry is None or not isinstance(window, int) or not isinstance(entry.value, dict):
        return window
    rules = _calendar(entry.optional("calendar"), calendars)
    return window if rules is None else BusinessWindow(window, rules)


def _of_source(objective: Objective, rule: Reader, sources: Mapping[str, Source | None]) -> Objective:
    """The objective with what it expects: `within` that time, or by the schedule of the source."""
    if objective.source not in sources:
        known = suggestion(objective.source, sources)
        rule.at("source").fault(f"there is no source {objective.source!r}{known}: it needs a document of kind: Source")
        return objective
    source = sources[objective.source]
    if source is None:
        return objective
    if objective.type and objective.type not in source.types:
        known = suggestion(objective.type, source.types)
        message = f"the source {source.name!r} expects nothing of the type {objective.type[:80]!r} by itself{known}"
        rule.at("type").fault(message)
        return objective
    expects = source.types[objective.type] if objective.type else source.expects
    if objective.within:
        expects = Expectation(objective.within, objective.calendar)
    elif rule.optional("calendar") is not None:
        rule.at("calendar").fault("counts the time of 'within'; without that it goes by the schedule of the source")
    elif expects is None:
        rule.fault(
            f"the source {source.name!r} expects nothing ('expect'): say 'within' what time something must arrive"
        )
    return msgspec.structs.replace(objective, expects=expects)


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
    """`30d` rolling, `{period: month, zone: Europe/Berlin}`, or `{last: 40h, calendar: emea-office}`, without that."""
    if not isinstance(entry.value, dict):
        return entry.duration() or DEFAULT_WINDOW
    if "last" not in entry.value:
        return _period(entry) or DEFAULT_WINDOW
    if not entry.mapping(_BUSINESS_WINDOW, _BUSINESS_WINDOW):
        return DEFAULT_WINDOW
    last = entry.optional("last")
    length = last.duration() if last else None
    if last and length is not None and not BUCKET <= length <= LONGEST_BUSINESS_WINDOW:
        last.fault(f"must be from 5m to {format_duration(LONGEST_BUSINESS_WINDOW)}")
    return length or DEFAULT_WINDOW


def _period(entry: Reader) -> CalendarWindow | None:
    if not entry.mapping(("period", "zone"), ("period",)):
        return None
    period, zone = entry.optional("period"), read_zone(entry.optional("zone"))
    named = _choice(period, tuple(Period))
    return CalendarWindow(Period(named), zone or "UTC") if named else None


def _volume(rule: Reader) -> Volume:
    per: Slicing | None = None
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
