"""Teams: who of them is told where, when they work, and who is on call (`kind: Team`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from alerting.channels.registry import CHANNELS
from alerting.digest import Digest, read_digest
from alerting.document import as_route_faults, name_of, noted, path_of, reader_of, spec_of
from alerting.faults import RouteFault
from alerting.hours import Hours, read_hours
from alerting.ical import NotACalendar, read_shifts
from alerting.on_call import Override, Rotation, Schedule, Shift
from alerting.reader import Reader as ReadBy
from alerting.reader import locale_fault
from alerting.targets import Target, parse_targets
from slo_rules.calendars import CalendarRules
from slo_rules.definitions import ALERTING_FIELDS
from slo_rules.durations import DAY
from slo_rules.faults import Fault
from slo_rules.moments import read_moment
from slo_rules.reading import Reader, suggestion
from slo_rules.wall_time import parse_time_of_day, zones

MOST_MEMBERS = 100
MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Member:
    """One who can be on call. `called` are further names by which a calendar may know him."""

    name: str
    targets: tuple[Target, ...]
    called: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Team:
    """`targets` are those of all of them together; outside of `hours` none of the team is told, on call or not."""

    name: str
    targets: tuple[Target, ...] = ()
    hours: Hours | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    runbook: str = ""
    digest: Digest | None = None

    def on_call(self, now: int) -> tuple[list[Member], str]:
        """Who is on call at an instant (micros), and by what."""
        names, by = self.schedule.on_call(now)
        return [self.members[name] for name in names], by

    @property
    def told_of_news(self) -> tuple[Target, ...]:
        """Those of the team that take messages which nothing will resolve."""
        return tuple(target for target in self.targets if CHANNELS[target.kind].NOTES)

    def every_target(self) -> Iterator[Target]:
        """Those of the team, and those of its members."""
        yield from self.targets
        for member in self.members.values():
            yield from member.targets


@dataclass(frozen=True, slots=True)
class Around:
    """What a document may refer to: targets and calendars by name, the environment, and files beside it by path.

    A calendar or a target is None where it has faults of its own.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    targets: Mapping[str, Target | None] = field(default_factory=dict)
    calendars: Mapping[str, CalendarRules | None] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


def parse_team(document: Mapping[str, Any], around: Around) -> Team | list[RouteFault]:
    """The team a document describes, or all its faults."""
    faults: list[Fault] = []
    top = reader_of(document, faults)
    name = name_of(top)
    spec = spec_of(top, ALERTING_FIELDS["Team"])
    if spec is None:
        return as_route_faults(faults)
    read_by = _reader(spec.optional("zone"), spec.optional("locale"))
    members = _members(spec.optional("members"), name, around, read_by)
    schedule = _schedule(spec.optional("on_call"), members, around)
    runbook, digest = spec.optional("runbook"), spec.optional("digest")
    team = Team(
        name,
        _targets(spec.optional("send_to"), name, around, read_by),
        read_hours(spec.optional("hours"), around.calendars),
        members,
        schedule,
        runbook.text(longest=2000) if runbook else "",
        read_digest(digest, around.calendars),
    )
    if not faults and not team.targets and not members:
        spec.fault("say 'send_to', 'members' or both: nobody of the team can be told")
    if digest and not faults and not team.told_of_news:
        digest.fault("nobody can be told it: 'send_to' names no target that takes messages of no incident")
    return as_route_faults(faults) if faults else team


def calendar_files(document: Mapping[str, Any]) -> Iterator[str]:
    """The files that the document of a team refers to, as it spells them."""
    spec = document.get("spec")
    on_call = spec.get("on_call") if isinstance(spec, dict) else None
    for one in on_call.get("calendars") or () if isinstance(on_call, dict) else ():
        if isinstance(one, dict) and isinstance(one.get("file"), str):
            yield one["file"]


def _reader(zone: Reader | None, locale: Reader | None) -> ReadBy:
    """Who reads what the team is told, unless a target says another."""
    spelled = locale.text() if locale else ""
    if locale and spelled and (fault := locale_fault(spelled)):
        locale.fault(fault)
        spelled = ""
    return ReadBy(_zone(zone), spelled)


def _targets(entry: Reader | None, prefix: str, around: Around, read_by: ReadBy) -> tuple[Target, ...]:
    if entry is None:
        return ()
    found: list[RouteFault] = []
    targets = parse_targets(entry.value, path_of(entry), around.env, found, around.targets, prefix, read_by)
    noted(entry.faults, found)
    return targets


def _members(entry: Reader | None, team: str, around: Around, read_by: ReadBy) -> dict[str, Member]:
    found: dict[str, Member] = {}
    if entry is None or not entry.mapping():
        return found
    if len(entry.value) > MOST_MEMBERS:
        entry.fault(f"has {len(entry.value)} entries; at most {MOST_MEMBERS} are allowed")
        return found
    for key in entry.value:
        name = Reader(entry.document, entry.faults, key, (*entry.path, key)).name()
        one = entry.optional(key)
        if one is None:
            entry.fault("must be a mapping", (*entry.path, key))
        elif one.mapping(("send_to", "called"), ("send_to",)) and name:
            called = one.optional("called")
            names = tuple(called.each(lambda word: word.text())) if called else ()
            found[name] = Member(name, _targets(one.optional("send_to"), f"{team}.{name}", around, read_by), names)
    return found


def _schedule(entry: Reader | None, members: Mapping[str, Member], around: Around) -> Schedule:
    known = ("zone", "rotations", "overrides", "calendars")
    if entry is None or not entry.mapping(known):
        return Schedule()
    zone = _zone(entry.optional("zone"))
    if all(entry.optional(part) is None for part in known[1:]):
        entry.fault("say 'rotations', 'calendars' or 'overrides': who is on call")
    lists = [one.each(lambda each: each) if (one := entry.optional(part)) else [] for part in known[1:]]
    rotations = [_rotation(one, zone, members, around) for one in lists[0]]
    overrides = [_override(one, zone, members) for one in lists[1]]
    shifts = [shift for one in lists[2] for shift in _imported(one, zone, members, around)]
    return Schedule(_there(rotations), _there(overrides), tuple(shifts))


def _there(found: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(one for one in found if one is not None)


def _rotation(entry: Reader, zone: str, members: Mapping[str, Member], around: Around) -> Rotation | None:
    if not entry.mapping(("name", "members", "from", "every", "at", "hours"), ("members", "from")):
        return None
    before = len(entry.faults)
    name, listed, first, every, at = (entry.optional(one) for one in ("name", "members", "from", "every", "at"))
    named = name.text() if name else "rotation"
    turn = tuple(listed.each(lambda one: _member(one, members), longest=MOST_MEMBERS)) if listed else ()
    if listed and not turn:
        listed.fault("must name at least one member")
    begins = _date(first) if first else None
    length = every.duration() if every else 7 * DAY
    if every and length is not None and (length % DAY or length > MOST_DAYS * DAY):
        every.fault("must be of whole days, such as 1d or 1w, and at most 366d")
    minutes = _time(at) if at else 9 * 60
    hours = read_hours(entry.optional("hours"), around.calendars)
    if len(entry.faults) > before or begins is None or length is None or minutes is None:
        return None
    return Rotation(named, turn, begins, length // DAY, minutes, zone, hours)


def _override(entry: Reader, zone: str, members: Mapping[str, Member]) -> Override | None:
    if not entry.mapping(("member", "from", "to"), ("member", "from", "to")):
        return None
    named, since, until = (entry.optional(one) for one in ("member", "from", "to"))
    member = _member(named, members) if named else ""
    begin, end = (read_moment(one, zone) if one else None for one in (since, until))
    if begin is not None and end is not None and end <= begin and until:
        until.fault("must lie after 'from'")
    return Override(member, begin, end) if member and begin is not None and end is not None else None


def _imported(entry: Reader, zone: str, members: Mapping[str, Member], around: Around) -> list[Shift]:
    if not entry.mapping(("file",), ("file",)) or not (named := entry.optional("file")):
        return []
    name = named.text()
    text = around.files.get(name)
    if name and text is None:
        named.fault(f"the file {name[:200]!r} cannot be read")
    if text is None:
        return []
    called = {alias: member.name for member in members.values() for alias in (member.name, *member.called)}
    try:
        shifts, unknown = read_shifts(text, called, zone)
    except NotACalendar as error:
        named.fault(f"{name[:200]!r}: {error}")
        return []
    if unknown:
        listed = ", ".join(repr(one[:60]) for one in unknown[:5])
        named.fault(f"{name[:200]!r} names {listed}: no member, nor 'called' of one")
    return shifts


def _member(entry: Reader, members: Mapping[str, Member]) -> str:
    name = entry.text()
    if name and name not in members:
        entry.fault(f"there is no member {name!r}{suggestion(name, members)}")
    return name


def _zone(entry: Reader | None) -> str:
    if entry is None:
        return "UTC"
    name = entry.text()
    if name and name not in zones():
        entry.fault(f"there is no time zone {name[:60]!r}{suggestion(name, zones())}")
        return "UTC"
    return name or "UTC"


def _date(entry: Reader) -> date | None:
    try:
        found = date.fromisoformat(str(entry.value))
    except ValueError:
        entry.fault(f"{str(entry.value)[:60]!r} is no date; write it like 2026-11-23")
        return None
    if not 1970 <= found.year <= 2199:
        entry.fault("must lie between 1970 and 2199")
        return None
    return found


def _time(entry: Reader) -> int | None:
    try:
        return parse_time_of_day(str(entry.value))
    except ValueError as error:
        entry.fault(str(error))
        return None
