"""Routes out of definition files: alerting says what they mean, the definitions say where they stand."""

from __future__ import annotations

from collections.abc import Mapping

from alerting.route import Route, parse_route
from slo_rules.faults import DefinitionError, Fault
from slo_rules.workflow import Definitions


def read_routes(definitions: Definitions, environment: Mapping[str, str]) -> list[Route]:
    """The routes, with `${NAME}` resolved from the environment. DefinitionError with all faults of all routes."""
    routes: list[Route] = []
    faults: list[Fault] = []
    for name, document in sorted(definitions.routes.items()):
        found = parse_route(document, environment)
        if isinstance(found, Route):
            routes.append(found)
        else:
            faults += [
                Fault(
                    document["file"],
                    document["lines"].get(one.path, document["line"]),
                    one.path,
                    f"{name}: {one.message}",
                )
                for one in found
            ]
    if faults:
        raise DefinitionError(faults)
    return routes
