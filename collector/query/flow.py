"""One workflow as people pass through it: what waits at each step, how long steps take, and where things drop off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.kept_answers import KeptAnswers
from collector.query.learning import begun_last, decode_progress
from collector.query.reader import Reader, Row, amounts, rfc3339
from collector.store.tables import OPEN_VERDICTS, instance
from slo_rules.durations import SECOND
from slo_rules.flow_times import StepSeen, see
from slo_rules.instants import to_micros
from slo_rules.workflow import Milestone, Workflow

MOST_SEEN = 20_000
"""Instances that the times of one flow are made of, those that began last."""
_SHARES = (("median_seconds", 0.5), ("p95_seconds", 0.95))


@dataclass(slots=True)
class _Seen:
    at: datetime
    instances: int = 0
    all: bool = True
    since: datetime | None = None
    steps: dict[str, StepSeen] = field(default_factory=lambda: defaultdict(StepSeen))


class Flows:
    """The flows of the workflows in force, by what one database holds."""

    def __init__(self, reader: Reader, catalogue: Catalogue) -> None:
        self._reader, self._catalogue = reader, catalogue
        # What was learned of steps is kept: all together take a tenth of the time of one processor at most.
        self._seen: KeptAnswers[str, _Seen] = KeptAnswers(most=200, seconds=60, times=10 * len(catalogue.current))

    async def flow(self, name: str) -> Row | None:
        """The flow of a workflow; None when there is none of that name in force."""
        workflow = self._catalogue.current.get(name)
        if workflow is None:
            return None
        seen = await self._seen.get(name, lambda: self._learn(workflow))
        waiting = await self._waiting(name)
        elsewhere = sum((one["count"] for where, one in waiting.items() if where not in workflow.by_name), 0)
        return {
            "as_of": rfc3339(await self._reader.now()),
            "name": workflow.name,
            "title": workflow.title,
            "description": workflow.description,
            "domain": workflow.domain,
            "owner": workflow.owner,
            "entity": workflow.entity,
            "version": workflow.version,
            "open": sum(one["count"] for one in waiting.values()),
            "elsewhere": elsewhere,
            "learned": {
                "at": rfc3339(seen.at),
                "since": rfc3339(seen.since),
                "instances": seen.instances,
                "all_instances": seen.all,
            },
            "steps": [_step(one, seen.steps[one.name], waiting.get(one.name)) for one in workflow.milestones],
        }

    async def _learn(self, workflow: Workflow) -> _Seen:
        now = await self._reader.now()
        seen, at = _Seen(now), to_micros(now)

        def take(rows: Sequence[tuple[Any, ...]]) -> None:
            for _, name, version, _, packed in rows:
                if seen.instances == MOST_SEEN:
                    seen.all = False
                    return
                seen.instances += 1
                progress, definition = decode_progress(packed), self._catalogue.versions[name, version].workflow
                see(seen.steps, progress, definition, at)

        await self._reader.feed(begun_last(workflow.name).limit(MOST_SEEN + 1), take)
        oldest = sa.select(instance.c.started_at).where(instance.c.workflow == workflow.name)
        if seen.instances:
            oldest = oldest.order_by(instance.c.id.desc()).offset(seen.instances - 1).limit(1)
            rows = await self._reader.select(oldest)
            seen.since = rows[0]["started_at"] if rows else None
        return seen

    async def _waiting(self, name: str) -> Mapping[str | None, Row]:
        """What is open by the milestone it waits for: how many by verdict, and what they are worth."""
        columns = instance.c
        rows = await self._reader.select(
            sa.select(
                columns.waiting_for,
                columns.verdict,
                columns.value_currency,
                sa.func.count().label("count"),
                sa.func.sum(columns.value_amount).label("amount"),
                sa.func.min(columns.stuck_since).label("oldest"),
            )
            .where(columns.workflow == name, columns.verdict.in_(OPEN_VERDICTS))
            .group_by(columns.waiting_for, columns.verdict, columns.value_currency)
        )
        found: dict[str | None, Row] = {}
        for row in rows:
            one = found.setdefault(row["waiting_for"], {"count": 0, "verdicts": {}, "worth": {}, "oldest": None})
            one["count"] += row["count"]
            one["verdicts"][row["verdict"]] = one["verdicts"].get(row["verdict"], 0) + row["count"]
            if row["amount"] is not None:
                currency = row["value_currency"] or ""
                one["worth"][currency] = one["worth"].get(currency, Decimal()) + row["amount"]
            if row["oldest"] is not None:
                one["oldest"] = min(row["oldest"], one["oldest"] or row["oldest"])
        return found


def _step(milestone: Milestone, seen: StepSeen, waiting: Row | None) -> Row:
    found = waiting or {"count": 0, "verdicts": {}, "worth": {}, "oldest": None}
    times, calendar = {}, None
    for name, share in _SHARES:
        micros, calendar = seen.quantile(share)
        times[name] = None if micros is None else micros / SECOND
    return {
        "name": milestone.name,
        "title": milestone.title,
        "after": list(milestone.after),
        "after_any": milestone.after_any,
        "optional": milestone.optional,
        "starts": milestone.starts,
        "completes": milestone.completes,
        "source": milestone.source,
        "owner": milestone.owner,
        "waiting": {
            "total": found["count"],
            "verdicts": found["verdicts"],
            "value": amounts(found["worth"]),
            "oldest_stuck_since": rfc3339(found["oldest"]),
        },
        "reached": seen.reached,
        "late": seen.late,
        "dropped": seen.dropped,
        "without": seen.without,
        "measured": seen.measured,
        "calendar": calendar,
        **times,
    }
