"""The zones by which business decides: those of calendars, and of the periods that objectives are counted in."""

from __future__ import annotations

from collector.catalogue import Catalogue
from collector.query.reader import Row
from slo_rules.objective import Objective
from slo_rules.windows import BusinessWindow, CalendarWindow


def zone_of(objective: Objective) -> str:
    """By whose days an objective is counted: those of its period or of its business time; `UTC` where it says none."""
    window = objective.window
    if isinstance(window, CalendarWindow):
        return window.zone
    return window.calendar.zone if isinstance(window, BusinessWindow) else "UTC"


def zones_of(catalogue: Catalogue) -> list[Row]:
    """Each zone that definitions in force name, with the titles of those, the zone of most of them first."""
    found: dict[str, set[str]] = {}
    for workflow in catalogue.current.values():
        for name, rules in workflow.calendars.items():
            found.setdefault(rules.zone, set()).add(rules.title or name)
    for objectives in catalogue.objectives.values():
        for one in objectives:
            if not isinstance(one.window, int):
                found.setdefault(zone_of(one), set()).add(one.title or one.name)
    ordered = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [{"zone": zone, "titles": sorted(titles)} for zone, titles in ordered]
