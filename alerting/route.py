"""Routes: which incidents go to whom, when, and who is told next where nobody takes them on. Pure.

Every document of kind Route is the root of a tree, and every root that matches tells. Within a tree the first child
that matches takes the incident, and those after it as well as long as one before says `continue`; what a child does not
say it inherits. Where no child matches, the route itself tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from alerting.channels.registry import CHANNELS
from alerting.digest import Digest, read_digest
from alerting.document import as_route_faults, name_of, noted, path_of, reader_of, spec_of
from alerting.facts import NAMES, Facts, Match, facts, holds, read_match
from alerting.faults import RouteFault
from alerting.hours import Hours, read_hours
from alerting.incident import Cause, Population
from alerting.targets import Target, parse_targets
from alerting.teams import Around, Team
from slo_rules.definitions import ROUTE_FIELDS
from slo_rules.durations import MINUTE, format_duration
from slo_rules.faults import Fault
from slo_rules.reading import Reader, suggestion

MOST_DEPTH = 8
MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class Receivers:
    """Whom a `send_to` names: targets, all of a team, or whoever of it is on call."""

    targets: tuple[Target, ...] = ()
    teams: tuple[Team, ...] = ()
    on_call: tuple[Team, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.targets or self.teams or self.on_call)

    def every_target(self) -> Iterator[Target]:
        """All that may ever be told by it."""
        yield from self.targets
        for team in self.teams:
            yield from team.targets
        for team in self.on_call:
            yield from team.every_target()

    def at(self, now: int) -> Iterator[tuple[Target, str, Hours | None]]:
        """Who is told now (micros): each target, as whose it is told, and the hours of the team."""
        for target in self.targets:
            yield target, "", None
        for team in self.teams:
            for target in team.targets:
                yield target, f"team {team.name}", team.hours
        for team in self.on_call:
            members, by = team.on_call(now)
            for member in members:
                for target in member.targets:
                    yield target, f"{member.name}, on call for {team.name} by {by}", team.hours
            if not members:
                # A gap in the rota must not be a gap in the telling.
                for target in team.targets:
                    yield target, f"team {team.name}, as nobody is on call", team.hours


@dataclass(frozen=True, slots=True)
class Step:
    """Who is told when nobody has taken an incident on, so long (micros) after somebody was first told of it."""

    after: int
    to: Receivers


@dataclass(frozen=True, slots=True)
class Route:
    """Every entry of `match` must hold; an empty match takes every incident.

    `hours` None: at any time. `repeat_every` (micros) None: nothing is repeated while nothing changes.
    """

    name: str
    match: Match = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    to: Receivers = field(default_factory=Receivers)
    hours: Hours | None = None
    group_by: tuple[str, ...] = ()
    repeat_every: int | None = None
    escalate: tuple[Step, ...] = ()
    routes: tuple[Route, ...] = ()
    goes_on: bool = False
    digest: Digest | None = None

    @property
    def receivers(self) -> Receivers:
        """Whom it tells first."""
        return replace(self.to, targets=(*self.targets, *self.to.targets))

    def digests(self) -> Iterator[tuple[str, Route, Digest]]:
        """The owners of whom a daily list is told by it or below it, each with the route and when."""
        if self.digest is not None:
            for owner in self.match["owner"].any_of:
                yield owner, self, self.digest
        for child in self.routes:
            yield from child.digests()

    def told_of_news(self, now: int) -> tuple[Target, ...]:
        """Whom it tells at an instant (micros) of what nothing will resolve."""
        return tuple(target for target, _, _ in self.receivers.at(now) if CHANNELS[target.kind].NOTES)

    def every_target(self) -> Iterator[Target]:
        """All that may ever be told by it or below it."""
        yield from self.receivers.every_target()
        for step in self.escalate:
            yield from step.to.every_target()
        for child in self.routes:
            yield from child.every_target()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A target that is to be told, and why: `because` is the way through the tree.

    `after` is None for who is told first, else how long (micros) after that it is this one's turn. All of `hours` must
    be open.
    """

    target: Target
    because: str
    after: int | None = None
    hours: tuple[Hours, ...] = ()
    repeat_every: int | None = None

    def is_open(self, now: int, severity: str) -> bool:
        """Whether it may be told now."""
        return all(one.is_open(now, severity) for one in self.hours)

    def opens_at(self, now: int, severity: str) -> int | None:
        """The earliest instant at which all hours are open; None where they never are, or not soon."""
        at: int | None = now
        for _ in range(100):
            if at is None or self.is_open(at, severity):
                return at
            opens = [one.opens_at(at, severity) for one in self.hours]
            at = None if None in opens else max(one for one in opens if one is not None)
        return None


def matches(route: Route, cause: Cause, population: Population) -> bool:
    """Whether the route takes the incident. One that spans several owners, domains or workflows belongs to each."""
    return holds(route.match, facts(cause, population))


def taking(routes: Iterable[Route], of: Facts) -> Iterator[Route]:
    """The routes of these trees that take an incident; the name of each is the way to it: `orders.night`."""
    for root in routes:
        if not holds(root.match, of):
            continue
        taken = False
        for child in root.routes:
            below = list(taking((child,), of))
            yield from below
            taken = taken or bool(below)
            if below and not child.goes_on:
                break
        if not taken:
            yield root


def wanted(routes: Iterable[Route], of: Facts, now: int, *, grouped: bool = False) -> list[Wanted]:
    """Who is to be told of an incident now (micros), and in which turn; who is wanted twice is in the earlier one.

    Of incidents by themselves routes with `group_by` tell nobody: they tell of their groups, which is `grouped`.
    """
    found: dict[tuple[str, str], Wanted] = {}
    for route in taking(routes, of):
        if bool(route.group_by) is not grouped:
            continue
        for one in _of_route(route, now):
            key = (one.target.kind, one.target.address.digest)
            known = found.get(key)
            if known is None or (one.after or 0) < (known.after or 0):
                found[key] = one
    return list(found.values())


def targets_for(routes: Sequence[Route], cause: Cause, population: Population, now: int = 0) -> list[Target]:
    """All targets that are told first, by all routes that match; an address that two name is told once."""
    return [one.target for one in wanted(routes, facts(cause, population), now) if one.after is None]


def targets_by_name(routes: Sequence[Route]) -> dict[str, Target]:
    """Every target that these routes may ever tell."""
    return {target.name: target for route in routes for target in route.every_target()}


def _of_route(route: Route, now: int) -> Iterator[Wanted]:
    def those(to: Receivers, after: int | None, turn: str) -> Iterator[Wanted]:
        for target, whose, hours in to.at(now):
            because = f"{route.name}{turn}" + (f", {whose}" if whose else "")
            both = tuple(one for one in (route.hours, hours) if one is not None)
            yield Wanted(target, because, after, both, route.repeat_every)

    yield from those(route.receivers, None, "")
    for number, step in enumerate(route.escalate, 1):
        yield from those(step.to, step.after, f", step {number} after {format_duration(step.after)}")


def parse_route(
    document: Mapping[str, Any],
    env: Mapping[str, str],
    named: Mapping[str, Target | None] | None = None,
    *,
    teams: Mapping[str, Team | None] | None = None,
    around: Around | None = None,
) -> Route | list[RouteFault]:
    """The route a document (`metadata`, `spec`) describes, or all its faults.

    `named` are the targets that have documents of their own, `teams` the teams; None for a faulty one.
    """
    faults: list[Fault] = []
    top = reader_of(document, faults)
    around = around or Around(env, named or {})
    name = name_of(top)
    spec = spec_of(top, ROUTE_FIELDS)
    if spec is None:
        return as_route_faults(faults)
    route = _Parsing(around, teams or {}).route(spec, name, None, 0)
    if not faults and not any(one.receivers for one in _leaves(route)):
        spec.fault("the field 'send_to' is missing")
    return as_route_faults(faults) if faults else route


def _leaves(route: Route) -> Iterator[Route]:
    yield route
    for child in route.routes:
        yield from _leaves(child)


class _Parsing:
    """Reads the tree of one document."""

    def __init__(self, around: Around, teams: Mapping[str, Team | None]) -> None:
        self.around = around
        self.teams = teams

    def route(self, spec: Reader, name: str, parent: Route | None, depth: int) -> Route:
        inherits = parent or Route("")
        said = {one: spec.optional(one) for one in ROUTE_FIELDS}
        to = self.receivers(said["send_to"], name) if said["send_to"] else None
        if parent is None and said["send_to"] is None and said["routes"] is None:
            spec.fault("the field 'send_to' is missing")
        group_by = said["group_by"]
        repeat, goes_on = said["repeat_every"], said["continue"]
        again = repeat.duration() if repeat else inherits.repeat_every
        if repeat and again is not None and again < MINUTE:
            repeat.fault("must be at least 1m")
        steps = said["escalate"]
        route = Route(
            name,
            read_match(said["match"]),
            () if to is None else to.targets,
            inherits.receivers if to is None else replace(to, targets=()),
            read_hours(said["hours"], self.around.calendars) if said["hours"] else inherits.hours,
            tuple(group_by.each(_grouped, longest=5)) if group_by else inherits.group_by,
            again,
            self.steps(steps, name) if steps else inherits.escalate,
            (),
            goes_on.flag() if goes_on else False,
            read_digest(said["digest"], self.around.calendars),
        )
        if said["digest"]:
            _check_digest(said["digest"], route)
        below = said["routes"]
        if below is None:
            return route
        if depth >= MOST_DEPTH:
            below.fault(f"nested deeper than {MOST_DEPTH} levels")
            return route
        children = below.each(lambda one: self.child(one, route, depth))
        names = [child.name for child in children if child is not None]
        for index, child in enumerate(children):
            if child is not None and child.name in names[:index]:
                below.fault(f"a route named {child.name!r} is here twice", (*below.path, index, "name"))
        return replace(route, routes=tuple(child for child in children if child is not None))

    def child(self, entry: Reader, parent: Route, depth: int) -> Route | None:
        if not entry.mapping(("name", *ROUTE_FIELDS), ("name",)) or not (named := entry.optional("name")):
            return None
        name = named.name()
        found = self.route(entry, f"{parent.name}.{name}", parent, depth + 1)
        return found if name else None

    def steps(self, entry: Reader, name: str) -> tuple[Step, ...]:
        found = [one for one in entry.each(lambda one: self.step(one, name), longest=MOST_STEPS) if one is not None]
        if any(later.after <= earlier.after for earlier, later in pairwise(found)):
            entry.fault("each step must come later than the one before")
        return tuple(found)

    def step(self, entry: Reader, name: str) -> Step | None:
        if not entry.mapping(("after", "send_to"), ("after", "send_to")):
            return None
        after, to = entry.optional("after"), entry.optional("send_to")
        waits = after.duration() if after else None
        # Called by when it comes: a step that is put before it does not give its name to another address.
        found = self.receivers(to, f"{name}.after-{after.value}") if to and after else None
        return Step(waits, found) if waits is not None and found is not None else None

    def receivers(self, entry: Reader, prefix: str) -> Receivers:
        """A list of targets, of `{team: name}` and of `{on_call: name}`."""
        if not isinstance(entry.value, list):
            return Receivers(self.targets(entry, entry.value, prefix, []))
        places, others = [], []
        teams: dict[str, list[Team]] = {"team": [], "on_call": []}
        for index, one in enumerate(entry.value):
            kind = next(iter(one)) if isinstance(one, dict) and len(one) == 1 else None
            if kind not in teams:
                places.append(index)
                others.append(one)
                continue
            team = self.team(entry.at(index).at(kind))
            if team is not None and kind == "on_call" and not team.members:
                entry.at(index).fault(f"the team {team.name!r} has no members, so that nobody can be on call")
            elif team is not None and kind == "team" and not team.targets:
                entry.at(index).fault(
                    f"the team {team.name!r} says no 'send_to'; {{on_call: {team.name}}} tells one of it"
                )
            elif team is not None:
                teams[kind].append(team)
        targets = self.targets(entry, others, prefix, places) if others or not entry.value else ()
        return Receivers(targets, tuple(teams["team"]), tuple(teams["on_call"]))

    def targets(self, entry: Reader, listed: Any, prefix: str, places: Sequence[int]) -> tuple[Target, ...]:
        found: list[RouteFault] = []
        path = path_of(entry)
        targets = parse_targets(listed, path, self.around.env, found, self.around.targets, prefix)
        # Where teams stand between targets, a place in the list of targets is another one in the file.
        moved = []
        for fault in found:
            rest = fault.path.removeprefix(path)
            place, bracket, after = rest.removeprefix("[").partition("]")
            if bracket and place.isdigit() and int(place) < len(places):
                rest = f"[{places[int(place)]}]{after}"
            moved.append(RouteFault(path + rest, fault.message))
        noted(entry.faults, moved)
        return targets

    def team(self, entry: Reader) -> Team | None:
        name = entry.text()
        if name and name not in self.teams:
            entry.fault(f"there is no team {name!r}{suggestion(name, self.teams)}")
        return self.teams.get(name)


def _check_digest(entry: Reader, route: Route) -> None:
    """What is overdue is listed by owner, and told to whom it need not be resolved."""
    owner = route.match.get("owner")
    if set(route.match) != {"owner"} or owner is None or not owner.any_of or owner.prefix or owner.none_of:
        entry.fault("is a list of all that is overdue of an owner: 'match' must name owners, and nothing else")
    if not any(CHANNELS[target.kind].NOTES for target in route.receivers.every_target()):
        entry.fault("nobody can be told it: 'send_to' names no target that takes messages of no incident")


def _grouped(entry: Reader) -> str:
    name = entry.text()
    known = [one for one in NAMES if one not in ("reason", "assignee")]
    if name and name not in known and not name.startswith("attributes."):
        entry.fault(f"must be one of {', '.join(known)}, or attributes.NAME{suggestion(name, known)}")
    return name
