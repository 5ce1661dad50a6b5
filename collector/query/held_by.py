"""Which instances an incident is about: those it holds up while it fires, and all that it has held up once it is over.

`held_up` asks the same of an instance. Of what is over it follows from the record of verdicts: an instance was held up
by an incident where what was said of it, and what it waited for when that was said, is its cause, at some time while it
fired.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.instances import BadQuery
from collector.query.reader import Reader, Row
from collector.store.tables import HELD_UP_VERDICTS, instance, verdict_change

NOTED_WITHIN = timedelta(minutes=1)
"""So long after the last of it had left an incident may have resolved, by clocks that differ."""
Awaited = tuple[str, int, str]
"""A workflow, its version and a milestone."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """An incident as a filter of instances. Parts of the cause that tell nothing apart are None.

    `awaiting` are the milestones of which its source tells, None where it has none. `settled`: somebody called it
    resolved while it still held something up.
    """

    verdict: str
    opened_at: datetime
    workflow: str | None = None
    waiting_for: str | None = None
    source: str | None = None
    reason: str | None = None
    resolved_at: datetime | None = None
    settled: bool = False
    awaiting: frozenset[Awaited] | None = None

    def condition(self) -> sa.ColumnElement[bool]:
        """The condition on `instance`."""
        if self.resolved_at is None:
            return self._stands()
        left = self._left(self.resolved_at)
        if not self.settled:
            return left
        last = sa.select(sa.func.max(verdict_change.c.at)).where(verdict_change.c.instance_id == instance.c.id)
        return sa.or_(left, sa.and_(self._stands(), last.scalar_subquery() < self.resolved_at))

    def _stands(self) -> sa.ColumnElement[bool]:
        columns = instance.c
        # Spelled out, as the index is of some verdicts only.
        found = [columns.verdict == sa.bindparam(None, self.verdict, literal_execute=True)]
        asked = {"workflow": self.workflow, "waiting_for": self.waiting_for, "source_awaited": self.source}
        said = asked | {"reason": self.reason}
        return sa.and_(*found, *(columns[name] == value for name, value in said.items() if value is not None))

    def _left(self, resolved_at: datetime) -> sa.ColumnElement[bool]:
        """Those that stood so while it fired and do not any more: what left, with what had been said before."""
        left, of = verdict_change.alias("left_it"), instance.alias("left_instance")
        change = verdict_change.alias("stood_so")
        earlier = sa.or_(change.c.at < left.c.at, sa.and_(change.c.at == left.c.at, change.c.verdict != left.c.verdict))
        stood = (
            sa.select(change.c.at, change.c.waiting_for, change.c.reason)
            .where(change.c.instance_id == left.c.instance_id, change.c.verdict == left.c.verdict_from, earlier)
            .order_by(change.c.at.desc())
            .limit(1)
            .lateral("stood")
        )
        conditions = [
            left.c.verdict_from == sa.bindparam(None, self.verdict, literal_execute=True),
            left.c.at > self.opened_at,
            stood.c.at < resolved_at,
        ]
        if not self.settled:
            conditions.append(left.c.at <= resolved_at + NOTED_WITHIN)
        for column, value in (
            (of.c.workflow, self.workflow),
            (stood.c.waiting_for, self.waiting_for),
            (stood.c.reason, self.reason),
        ):
            if value is not None:
                conditions.append(column == value)
        if self.awaiting is not None:
            awaited = sa.tuple_(of.c.workflow, of.c.workflow_version, stood.c.waiting_for)
            conditions.append(awaited.in_(sorted(self.awaiting)) if self.awaiting else sa.false())
        among = left.join(stood, sa.true()).join(of, of.c.id == left.c.instance_id)
        return instance.c.id.in_(sa.select(left.c.instance_id).select_from(among).where(*conditions))


async def held_by(reader: Reader, catalogue: Catalogue, incident: str) -> HeldBy:
    """The incident with this id, as a filter. Raises BadQuery where there is none, or it holds up no instances."""
    try:
        row = await reader.one("incident", {"id": UUID(incident)})
    except ValueError:
        row = None
    if row is None:
        raise BadQuery("incident: there is no such incident")
    if row["verdict"] not in HELD_UP_VERDICTS or row["entity"] in ("event", "objective"):
        raise BadQuery("incident: it is not about instances")
    return _of(row, catalogue)


def _of(row: Row, catalogue: Catalogue) -> HeldBy:
    source = row["source"]
    reason = row["reason"]
    if row["verdict"] == "blind" and not reason:
        # That nothing at all comes of a source is the cause of all that waits for it.
        reason = "source_silent"
    return HeldBy(
        row["verdict"],
        row["opened_at"],
        row["workflow"],
        row["waiting_for"],
        source,
        reason,
        row["resolved_at"],
        row["settled_by"] is not None,
        None if source is None else _awaiting(catalogue, source, row["workflow"]),
    )


def _awaiting(catalogue: Catalogue, source: str, workflow: str | None) -> frozenset[Awaited]:
    return frozenset(
        (name, version, milestone.name)
        for (name, version), one in catalogue.versions.items()
        if workflow is None or name == workflow
        for milestone in one.workflow.milestones
        if milestone.source == source
    )
