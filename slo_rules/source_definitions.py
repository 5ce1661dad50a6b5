"""A document of `kind: Source` to the model, with every fault at its own path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from slo_rules.acts import ACT_SOURCE, RESERVED
from slo_rules.adapter_definitions import read_adapter
from slo_rules.calendars import CalendarRules
from slo_rules.deadline_rules import DeadlineRule, parse_recurring_rule
from slo_rules.deadlines import AROUND_THE_CLOCK
from slo_rules.expectation import DEFAULT_OPENS, Expectation
from slo_rules.filter_definitions import members_of, text_of
from slo_rules.reading import Reader, suggestion
from slo_rules.workflow import DEFAULT_SKEW, Source

_EXPECTATION = ("every", "by", "opens", "calendar", "type")


def read_source(name: str, metadata: Reader, spec: Reader) -> Source | None:
    """The source that a document says, its expectations still without their calendars: see `with_calendars`.

    `silent_after: 15m` is short for `expect: {every: 15m}`. `expect` is one expectation or a list of them: one at most
    of all that the source sends, and one of each `type`.
    """
    if name == ACT_SOURCE:
        metadata.at("name").fault(RESERVED)
    metadata.mapping(("name", "owner", "title", "description"), ())
    if not spec.mapping(("silent_after", "expect", "skew", "adapter")):
        return None
    expects: Expectation | None = None
    types: dict[str, Expectation] = {}
    silent = spec.optional("silent_after")
    if silent is not None:
        length = silent.duration()
        expects = None if length is None else Expectation(length)
    expect = spec.optional("expect")
    if expect is not None and silent is not None:
        expect.fault("say 'expect' or 'silent_after', which is short for {every: …}, not both")
    elif expect is not None:
        expects, types = _expectations(expect)
    skew = spec.optional("skew")
    tolerated = (skew.duration() if skew else None) or DEFAULT_SKEW
    entry = spec.optional("adapter")
    adapter = read_adapter(entry) if entry else None
    return Source(name, text_of(metadata, "title"), text_of(metadata, "owner"), expects, types, tolerated, adapter)


def _expectations(expect: Reader) -> tuple[Expectation | None, dict[str, Expectation]]:
    expects: Expectation | None = None
    types: dict[str, Expectation] = {}
    if expect.value == []:
        expect.fault("must expect at least one thing")
    for entry in members_of(expect):
        expectation = _expectation(entry)
        type_ = text_of(entry, "type", longest=2048)
        if expectation is None:
            continue
        if type_ in types:
            entry.fault(f"something is expected of {type_!r} already")
        elif type_:
            types[type_] = expectation
        elif expects is not None:
            entry.fault("something is expected of the source already; of one of its event types, name the 'type'")
        elif entry.optional("type") is None:
            expects = expectation
    return expects, types


def _expectation(entry: Reader) -> Expectation | None:
    if not entry.mapping(_EXPECTATION):
        return None
    every, by, opens = (entry.optional(field) for field in ("every", "by", "opens"))
    if (every is None) == (by is None):
        entry.fault("say exactly one of 'every', such as 15m, or 'by', such as every business day 06:00")
    window = opens.duration() if opens else DEFAULT_OPENS
    if opens is not None and by is None:
        opens.fault("only the moments of a schedule, 'by', have a time before them that opens")
    calendar = named.name() if (named := entry.optional("calendar")) else ""
    if by is not None and calendar in ("", AROUND_THE_CLOCK):
        by.fault("a schedule needs a calendar: name the one whose business days and time of day are meant")
    length = every.duration() if every else _rule(by) if by else None
    return None if length is None or window is None else Expectation(length, opens=window)


def _rule(by: Reader) -> DeadlineRule | None:
    text = by.text()
    if not text:
        return None
    try:
        return parse_recurring_rule(text)
    except ValueError as error:
        by.fault(str(error))
        return None


def with_calendars(source: Source, spec: Reader, calendars: Mapping[str, CalendarRules | None]) -> Source:
    """A source that was read without faults with the calendars it counts on; those that are not there are faults."""
    expects, types = source.expects, dict(source.types)
    for type_, calendar in _references(spec):
        name = calendar.value
        if name not in calendars:
            calendar.fault(f"there is no calendar {name!r}{suggestion(name, calendars)}")
            continue
        rules = calendars[name]
        if rules is not None and not any(rules.week):
            calendar.fault(f"the calendar {name!r} has no weekly hours: nothing can be expected on it again and again")
        elif type_:
            types[type_] = msgspec.structs.replace(types[type_], calendar=rules)
        elif expects is not None:
            expects = msgspec.structs.replace(expects, calendar=rules)
    return msgspec.structs.replace(source, expects=expects, types=types)


def _references(spec: Reader) -> Iterator[tuple[str, Reader]]:
    """The types of the expectations that name a calendar, empty for all of the source, and the names."""
    expect = spec.optional("expect")
    for entry in members_of(expect) if expect else ():
        calendar = entry.optional("calendar")
        if calendar is not None and calendar.name() != AROUND_THE_CLOCK:
            yield text_of(entry, "type", longest=2048), calendar
