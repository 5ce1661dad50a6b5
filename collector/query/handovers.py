"""What goes from system to system: the handovers that workflows promise, and what waits in each."""

from __future__ import annotations

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row

_HELD = ("stuck", "failed", "inconsistent")


async def handovers(reader: Reader, catalogue: Catalogue) -> list[Row]:
    """Each milestone that another system must reach after one: `sender`, `receiver`, and how many wait in between.

    Those that hold something up come first, by `held` of `waiting`.
    """
    counted: dict[tuple[str, str], dict[str, int]] = {}
    for row in await reader.all("waiting_everywhere"):
        counted.setdefault((row["workflow"], row["waiting_for"]), {})[row["verdict"]] = row["count"]
    found: list[Row] = []
    for workflow in catalogue.current.values():
        for milestone in workflow.milestones:
            before = [workflow.by_name[name].source for name in milestone.after]
            senders = dict.fromkeys(one for one in before if one and one != milestone.source)
            by = counted.get((workflow.name, milestone.name), {})
            if milestone.source:
                found += [
                    {
                        "sender": sender,
                        "receiver": milestone.source,
                        "workflow": workflow.name,
                        "workflow_title": workflow.title,
                        "milestone": milestone.name,
                        "title": milestone.title,
                        "waiting": sum(by.values()),
                        "held": sum(by.get(verdict, 0) for verdict in _HELD),
                        "blind": by.get("blind", 0),
                    }
                    for sender in senders
                ]
    return sorted(found, key=lambda one: (-one["held"], -one["waiting"], one["sender"], one["receiver"]))
