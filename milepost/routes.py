"""Routes out of definition files: alerting says what they mean, the definitions say where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alerting.faults import RouteFault
from alerting.route import Route, parse_route, targets_by_name
from alerting.targets import Target, parse_target_document
from slo_rules.faults import DefinitionError, Fault
from slo_rules.workflow import Definitions


def read_routes(definitions: Definitions, environment: Mapping[str, str]) -> list[Route]:
    """The routes, with `${NAME}` resolved from the environment. DefinitionError with all faults of all routes."""
    return _read(definitions, environment)[0]


def read_targets(definitions: Definitions, environment: Mapping[str, str]) -> dict[str, Target]:
    """Every target by its name, also those that no route names. DefinitionError as `read_routes`."""
    routes, named = _read(definitions, environment)
    return named | targets_by_name(routes)


def _read(definitions: Definitions, environment: Mapping[str, str]) -> tuple[list[Route], dict[str, Target]]:
    faults: list[Fault] = []
    targets: dict[str, Target | None] = {}
    for name, document in sorted(definitions.targets.items()):
        target = parse_target_document(document, environment)
        targets[name] = target if isinstance(target, Target) else None
        if not isinstance(target, Target):
            faults += _placed(name, document, target)
    routes: list[Route] = []
    for name, document in sorted(definitions.routes.items()):
        found = parse_route(document, environment, targets)
        if isinstance(found, Route):
            routes.append(found)
        else:
            faults += _placed(name, document, found)
    if faults:
        raise DefinitionError(faults)
    return routes, {name: target for name, target in targets.items() if target is not None}


def _placed(name: str, document: Mapping[str, Any], found: Iterable[RouteFault]) -> list[Fault]:
    lines, line = document["lines"], document["line"]
    return [Fault(document["file"], lines.get(one.path, line), one.path, f"{name}: {one.message}") for one in found]
