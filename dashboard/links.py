"""The dashboard's addresses. Every number on a page opens one of these."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

OPEN = ("on_track", "due_soon", "stuck", "blind", "failed", "inconsistent", "paused", "waived")
WITHOUT_INSTANCES = ("silence", "group", "drill", "burning")
NEEDS_A_PERSON = ("stuck", "failed", "inconsistent")


@dataclass(frozen=True)
class Links:
    """`prefix` begins and ends with a slash; `has_regions` is whether there is a page of other installations."""

    prefix: str
    has_regions: bool = False

    def overview(self) -> str:
        return self.prefix

    def regions(self) -> str:
        return f"{self.prefix}regions"

    def worklist(self, **filters: Any) -> str:
        """Filters that are None or empty are left out; a sequence becomes a repeated parameter."""
        present = {k: v for k, v in filters.items() if v not in (None, "", (), [])}
        query = urlencode(present, doseq=True)
        return f"{self.prefix}worklist" + (f"?{query}" if query else "")

    def instance(self, instance_id: str) -> str:
        return f"{self.prefix}instances/{quote(instance_id, safe='')}"

    def account(self, namespace: str, value: str) -> str:
        """Everything that carries a key, such as a customer's number."""
        return f"{self.prefix}accounts/{quote(namespace, safe='')}/{quote(value, safe='')}"

    def flows(self, workflow: str | None = None) -> str:
        """All workflows, or one as it flows."""
        return f"{self.prefix}flows" + (f"/{quote(workflow, safe='')}" if workflow else "")

    def objectives(self, name: str | None = None, group: Sequence[str | None] = ()) -> str:
        """All of them, one, or one for a group: the values of what it is told apart by, in their order."""
        page = f"{self.prefix}objectives" + (f"/{quote(name, safe='')}" if name else "")
        return page + (f"?{urlencode({'group': json.dumps(list(group))})}" if group else "")

    def counted(self, name: str, *, group: Sequence[str | None] = (), **asked: str | None) -> str:
        """What an objective counted: by outcome, from `since` to `until`, in a group, of a value, from a cursor on."""
        said = {key: value for key, value in asked.items() if value}
        said |= {"group": json.dumps(list(group))} if group else {}
        page = f"{self.objectives(name)}/counted"
        return page + (f"?{urlencode(said)}" if said else "")

    def incidents(self, incident_id: str | None = None) -> str:
        return f"{self.prefix}incidents" + (f"/{quote(incident_id, safe='')}" if incident_id else "")

    def held_up_by(self, incident: dict[str, Any]) -> str:
        """Exactly the instances that an incident holds up, or has held up; of one that holds up none, what it is about.

        A burning objective has a page of its own, and what is told of a silence, a group or a drill is the incident, as
        it is where no instances are behind what cannot be judged.
        """
        if incident.get("verdict") == "burning" and incident.get("reason"):
            return self.objectives(incident["reason"])
        if incident.get("verdict") in WITHOUT_INSTANCES or incident.get("entity") in ("event", "objective"):
            return self.incidents(incident["id"])
        if incident.get("status") == "resolved":
            # For the same cause there may be others today.
            return self.worklist(incident=incident["id"])
        return self.worklist(
            workflow=incident.get("workflow"),
            verdict=incident.get("verdict"),
            waiting_for=incident.get("waiting_for"),
            source_awaited=incident.get("source"),
            reason=incident.get("reason") or ("source_silent" if incident.get("verdict") == "blind" else None),
        )

    def part_of(self, incident: dict[str, Any], attribute: str, value: str, *, others: bool = False) -> str:
        """Those of the instances behind an incident that have a value of an attribute, or the `others`."""
        sign = "!=" if others else "="
        return self.worklist(incident=incident["id"], attribute=f"{attribute}{sign}{value}")

    def sources(self, source: str | None = None) -> str:
        return f"{self.prefix}sources" + (f"/{quote(source, safe='')}" if source else "")

    def definitions(self, workflow: str | None = None) -> str:
        return f"{self.prefix}definitions" + (f"/{quote(workflow, safe='')}" if workflow else "")
