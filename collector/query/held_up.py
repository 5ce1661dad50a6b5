"""The incidents that hold an instance up, and those that did: it stood as their cause says while they fired.

No incident keeps the names of what it held, which may be very many: what is on record of an instance says it, for as
long as the instance is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from collector.query.reader import Reader, Row
from collector.store.tables import HELD_UP_VERDICTS
from slo_rules.workflow import Workflow

MOST = 20


class Stretch(NamedTuple):
    """A time in which one thing was said of an instance; `until` None: it still is."""

    verdict: str
    reason: str
    waiting_for: str | None
    source: str | None
    since: datetime
    until: datetime | None


async def incidents_of(reader: Reader, row: Row, history: Iterable[Row], workflow: Workflow) -> list[Row]:
    """The latest of them, those that fire first. `history` is what was said of the instance, in order."""
    found = list(stretches(row, history, workflow))
    if not found:
        return []
    verdicts, reasons, awaited, sources, since, until = (list(column) for column in zip(*found, strict=True))
    return await reader.all(
        "incidents_of_instance",
        {
            "workflow": workflow.name,
            "verdicts": verdicts,
            "reasons": reasons,
            "waiting_for": awaited,
            "sources": sources,
            "since": since,
            "until": until,
            "limit": MOST,
        },
    )


def stretches(row: Row, history: Iterable[Row], workflow: Workflow) -> Iterator[Stretch]:
    """When the instance was held up, and by what: as it stands now, and as was said before."""
    said = list(history)
    for change, later in pairwise(said):
        if change["verdict"] in HELD_UP_VERDICTS:
            yield _stretch(change, _source_of(change["waiting_for"], workflow), change["at"], later["at"])
    if row["verdict"] in HELD_UP_VERDICTS:
        # When that was said: what arrived late may have been held up long before anybody knew of it.
        known = [change["at"] for change in said if change["verdict"] == row["verdict"]]
        yield _stretch(row, row["source_awaited"], max(known, default=row["since"]), None)


def _stretch(said: Mapping[str, str], source: str | None, since: datetime, until: datetime | None) -> Stretch:
    return Stretch(said["verdict"], said["reason"], said["waiting_for"], source, since, until)


def _source_of(milestone: str | None, workflow: Workflow) -> str | None:
    awaited = workflow.by_name.get(milestone or "")
    return awaited.source if awaited is not None else None
