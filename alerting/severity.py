"""How grave an incident is: rules in files (`kind: Severity`), the first that holds decides. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from alerting.document import as_route_faults, name_of, reader_of, spec_of
from alerting.facts import Facts, Match, holds, read_match
from alerting.faults import RouteFault
from alerting.hours import Hours, read_hours, read_severity
from alerting.incident import Cause, Population
from slo_rules.calendars import CalendarRules
from slo_rules.faults import Fault
from slo_rules.reading import Reader

MOST_RULES = 200
OWNER = "owner"
"""Whose hours a rule can name besides those of a calendar: those of the team that the incident belongs to."""


@dataclass(frozen=True, slots=True)
class Worth:
    """A sum in a currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class OwnersHours:
    """The hours of whichever team owns the incident; one that says none works always."""


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """All that is said must hold: the match, so many or more, so much value or more, inside or outside of hours."""

    severity: str
    match: Match
    at_least: int = 0
    worth: Worth | None = None
    inside: Hours | OwnersHours | None = None
    outside: Hours | OwnersHours | None = None

    def holds(self, of: Facts, population: Population, now: int, hours: Hours | None) -> bool:
        """Whether it holds of an incident now (micros), whose owner works at these `hours`; None is always."""
        if population.count < self.at_least or not holds(self.match, of):
            return False
        if self.worth is not None and dict(population.value).get(self.worth.currency, Decimal()) < self.worth.amount:
            return False
        if self.inside is not None and not _is_open(self.inside, hours, now):
            return False
        return self.outside is None or not _is_open(self.outside, hours, now)


def _is_open(said: Hours | OwnersHours, of_owner: Hours | None, now: int) -> bool:
    """Whether these hours are open. What a team is told at any time is no hour of its own."""
    hours = of_owner if isinstance(said, OwnersHours) else said
    return hours is None or hours.is_open(now)


def severity_of(
    rules: Iterable[SeverityRule], cause: Cause, of: Facts, population: Population, now: int, hours: Hours | None
) -> str:
    """The severity by the first rule that holds, else by the kind of the cause.

    `of` are its facts with the severity it has by its kind. A burning objective is `critical` where it burns fast
    (pages), `warning` where it burns slowly. `hours` are those of the team that owns it; None where it has none, or
    there is no such team.
    """
    for rule in rules:
        if rule.holds(of, population, now, hours):
            return rule.severity
    return population.severity or cause.severity


def parse_severity(
    document: Mapping[str, Any], calendars: Mapping[str, CalendarRules | None]
) -> tuple[SeverityRule, ...] | list[RouteFault]:
    """The rules of a document in their order, or all its faults."""
    faults: list[Fault] = []
    top = reader_of(document, faults)
    name_of(top)
    spec = spec_of(top, ("rules",), ("rules",))
    listed = spec.optional("rules") if spec is not None else None
    found = listed.each(lambda one: _rule(one, calendars), longest=MOST_RULES) if listed else []
    return as_route_faults(faults) if faults else tuple(one for one in found if one is not None)


def _rule(entry: Reader, calendars: Mapping[str, CalendarRules | None]) -> SeverityRule | None:
    if not entry.mapping(("severity", "match", "count", "value", "inside", "outside"), ("severity",)):
        return None
    severity, count, value = (entry.optional(one) for one in ("severity", "count", "value"))
    return SeverityRule(
        read_severity(severity) if severity else "",
        read_match(entry.optional("match")),
        _count(count) if count else 0,
        _worth(value) if value else None,
        _hours(entry.optional("inside"), calendars),
        _hours(entry.optional("outside"), calendars),
    )


def _hours(entry: Reader | None, calendars: Mapping[str, CalendarRules | None]) -> Hours | OwnersHours | None:
    """`{hours_of: owner}`, or what `read_hours` reads."""
    if entry is None or not isinstance(entry.value, dict) or "hours_of" not in entry.value:
        return read_hours(entry, calendars)
    if entry.mapping(("hours_of",)) and entry.value["hours_of"] != OWNER:
        entry.at("hours_of").fault(f"must be {OWNER!r}: the hours of the team that the incident belongs to")
    return OwnersHours()


def _count(entry: Reader) -> int:
    if isinstance(entry.value, bool) or not isinstance(entry.value, int) or entry.value < 1:
        entry.fault("must be a whole number from 1 on: so many or more")
        return 0
    return entry.value


def _worth(entry: Reader) -> Worth | None:
    """`{amount: 100000, currency: EUR}`: so much or more."""
    if not entry.mapping(("amount", "currency"), ("amount", "currency")):
        return None
    amount, currency = entry.optional("amount"), entry.optional("currency")
    try:
        found = Decimal(str(amount.value)) if amount and not isinstance(amount.value, bool) else Decimal("NaN")
    except InvalidOperation:
        found = Decimal("NaN")
    if amount and not (found.is_finite() and found > 0):
        amount.fault("must be a number above 0")
        return None
    named = currency.text().upper() if currency else ""
    return Worth(found, named) if named else None
