"""Incidents that a route tells of together: one group for each value of what it groups by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from alerting.facts import facts_of
from alerting.incident import SAMPLES, Cause, Incident, Population, rank
from alerting.route import Route, taking


def groups_of(routes: Iterable[Route], firing: Iterable[Incident]) -> dict[Cause, list[Incident]]:
    """The groups with their members. One that has several values belongs to the group of all of them together."""
    routes = list(routes)
    found: dict[Cause, list[Incident]] = {}
    for incident in firing:
        of = facts_of(incident)
        for route in taking(routes, of):
            if route.group_by:
                said = ", ".join(f"{name}={' and '.join(sorted(of.get(name, ()))) or '-'}" for name in route.group_by)
                found.setdefault(Cause(None, "group", reason=f"{route.name}: {said}"), []).append(incident)
    return found


def route_of(routes: Iterable[Route], cause: Cause) -> Route | None:
    """The route that made a group; None where there is none of its name any more."""
    name = (cause.reason or "").partition(": ")[0]
    return next((route for route in _every(routes) if route.name == name and route.group_by), None)


def population_of(members: Sequence[Incident]) -> Population:
    """A group counts its members, each a cause; its value is theirs together."""
    value: dict[str, Decimal] = {}
    for member in members:
        for currency, amount in member.population.value:
            value[currency] = value.get(currency, Decimal()) + amount
    owners = sorted({one for member in members for one in _all(member.population.owner, member.population.owners)})
    domains = sorted({one for member in members for one in _all(member.population.domain, member.population.domains)})
    workflows = sorted({one for member in members for one in _all(member.cause.workflow, member.population.workflows)})
    return Population(
        count=len(members),
        oldest_since=min(member.population.oldest_since for member in members),
        value=tuple(sorted(value.items())),
        owner=owners[0] if len(owners) == 1 else None,
        domain=domains[0] if len(domains) == 1 else None,
        entity="cause",
        samples=tuple(sorted(member.id for member in members))[:SAMPLES],
        owners=tuple(owners),
        domains=tuple(domains),
        workflows=tuple(workflows),
        severity=max((member.severity for member in members), key=rank),
    )


def _every(routes: Iterable[Route]) -> Iterator[Route]:
    for route in routes:
        yield route
        yield from _every(route.routes)


def _all(one: str | None, several: Iterable[str]) -> set[str]:
    return {each for each in (one, *several) if each}
