"""All that files say of alerting, read together: `${NAME}` resolved, teams and calendars found. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from alerting.faults import RouteFault
from alerting.hours import Hours
from alerting.incident import Policy
from alerting.muting import Inhibition, Maintenance, parse_inhibition, parse_maintenance
from alerting.route import Route, parse_route
from alerting.severity import SeverityRule, parse_severity
from alerting.targets import Target, parse_target_document
from alerting.teams import Around, Team, parse_team
from slo_rules.workflow import Definitions

T = TypeVar("T")
Document = Mapping[str, Any]
Report = Callable[[Document, list[RouteFault]], None]


@dataclass(frozen=True, slots=True)
class Setup:
    """Who is told what, and when."""

    routes: tuple[Route, ...] = ()
    teams: Mapping[str, Team] = field(default_factory=dict)
    severities: tuple[SeverityRule, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()
    policy: Policy = field(default_factory=Policy)
    targets: Mapping[str, Target] = field(default_factory=dict)

    def hours_of(self, owner: str | None) -> Hours | None:
        """When the team of this name works; None where it says no hours, or there is no such team."""
        team = self.teams.get(owner or "")
        return team.hours if team else None


def read_setup(definitions: Definitions, env: Mapping[str, str], files: Mapping[str, str], report: Report) -> Setup:
    """The setup that definitions describe; `report` is given the faults of each document that has any.

    `files` are the texts of the files that teams refer to, by name as the documents spell them.
    """

    def read(
        documents: Mapping[str, Document], parse: Callable[[Document], T | list[RouteFault]]
    ) -> dict[str, T | None]:
        found: dict[str, T | None] = {}
        for name, document in sorted(documents.items()):
            one = parse(document)
            if isinstance(one, list):
                report(document, one)
                found[name] = None
            else:
                found[name] = one
        return found

    def there(found: Mapping[str, T | None]) -> tuple[T, ...]:
        return tuple(one for one in found.values() if one is not None)

    targets: dict[str, Target | None] = read(definitions.targets, lambda one: parse_target_document(one, env))
    around = Around(env, targets, definitions.calendars, files)
    teams: dict[str, Team | None] = read(definitions.teams, lambda one: parse_team(one, around))
    routes: dict[str, Route | None] = read(
        definitions.routes, lambda one: parse_route(one, env, targets, teams=teams, around=around)
    )
    severities = read(definitions.severities, lambda one: parse_severity(one, definitions.calendars))
    return Setup(
        there(routes),
        {name: team for name, team in teams.items() if team is not None},
        tuple(rule for rules in there(severities) for rule in rules),
        there(read(definitions.maintenance, parse_maintenance)),
        there(read(definitions.inhibitions, parse_inhibition)),
        targets={name: target for name, target in targets.items() if target is not None},
    )


def with_routes(setup: Setup, *routes: Route) -> Setup:
    """The setup with more routes."""
    return replace(setup, routes=(*setup.routes, *routes))
