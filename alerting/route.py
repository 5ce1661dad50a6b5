"""Routes: which incidents go to which targets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.faults import RouteFault
from alerting.incident import Cause, Population
from alerting.targets import Target, parse_targets

MATCHES = ("domain", "owner", "workflow")


@dataclass(frozen=True, slots=True)
class Route:
    """Every entry of `match` must hold; an empty match takes every incident."""

    name: str
    match: Mapping[str, str]
    targets: tuple[Target, ...]


def matches(route: Route, cause: Cause, population: Population) -> bool:
    """Whether the route takes the incident. One that spans several owners, domains or workflows belongs to each."""
    has: dict[str, Iterable[str | None]] = {
        "domain": (population.domain, *population.domains),
        "owner": (population.owner, *population.owners),
        "workflow": (cause.workflow, *population.workflows),
    }
    return all(value in has.get(key, ()) for key, value in route.match.items())


def targets_for(routes: Sequence[Route], cause: Cause, population: Population) -> list[Target]:
    """All targets of all routes that match; an address that two routes name is told once."""
    found: dict[tuple[str, str], Target] = {}
    for route in routes:
        if matches(route, cause, population):
            for target in route.targets:
                found.setdefault((target.kind, target.address.digest), target)
    return list(found.values())


def targets_by_name(routes: Sequence[Route]) -> dict[str, Target]:
    """Every target of the routes."""
    return {target.name: target for route in routes for target in route.targets}


def parse_route(
    document: Mapping[str, Any], env: Mapping[str, str], named: Mapping[str, Target | None] | None = None
) -> Route | list[RouteFault]:
    """The route a document (`metadata`, `spec`) describes, or all its faults.

    `named` are the targets that have documents of their own, None for a faulty one.
    """
    faults: list[RouteFault] = []
    metadata = _mapping(document.get("metadata"), "metadata", faults)
    spec = _mapping(document.get("spec"), "spec", faults)
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        faults.append(RouteFault("metadata.name", "a route needs a name"))
        name = ""
    faults.extend(RouteFault(f"spec.{key}", "unknown field") for key in spec if key not in ("send_to", "match"))
    match = _match(spec.get("match"), faults)
    targets = parse_targets(spec.get("send_to"), "spec.send_to", env, faults, named or {}, name)
    return faults or Route(name, match, targets)


def _match(value: Any, faults: list[RouteFault]) -> dict[str, str]:
    if value is None:
        return {}
    match: dict[str, str] = {}
    for key, wanted in _mapping(value, "spec.match", faults).items():
        path = f"spec.match.{key}"
        if key not in MATCHES:
            faults.append(RouteFault(path, f"unknown field; a route matches by {', '.join(MATCHES)}"))
        elif not isinstance(wanted, str) or not wanted:
            faults.append(RouteFault(path, "must be text"))
        else:
            match[key] = wanted
    return match


def _mapping(value: Any, path: str, faults: list[RouteFault]) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    faults.append(RouteFault(path, "must be a mapping"))
    return {}
