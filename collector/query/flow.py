"""One workflow as people pass through it: what waits at each step, how long steps take, and where things drop off."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.kept_answers import KeptAnswers
from collector.query.passages import Passages, learn_passages
from collector.query.reader import Reader, Row, amounts, rfc3339
from collector.store.tables import OPEN_VERDICTS, instance
from slo_rules.durations import SECOND
from slo_rules.flow_times import Noted, StepSeen, time_shares
from slo_rules.instants import to_datetime
from slo_rules.workflow import Milestone

MOST_VALUES = 30
"""Values of an attribute that are offered to compare by, the most frequent."""
_SHARES = (("median_seconds", 0.5), ("p95_seconds", 0.95))


class Flows:
    """The flows of the workflows in force, by what one database holds."""

    def __init__(self, reader: Reader, catalogue: Catalogue) -> None:
        self._reader, self._catalogue = reader, catalogue
        # What was learned of steps is kept: all together take a tenth of the time of one processor at most.
        self._seen: KeptAnswers[str, Passages] = KeptAnswers(most=200, seconds=60, times=10 * len(catalogue.current))

    async def flow(self, name: str) -> Row | None:
        """The flow of a workflow; None when there is none of that name in force."""
        workflow = self._catalogue.current.get(name)
        if workflow is None:
            return None
        seen = await self._seen.get(name, lambda: learn_passages(self._reader, self._catalogue, workflow))
        waiting = await self._waiting(name)
        shares = time_shares(seen.steps)
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
                "restarted": seen.restarted,
            },
            "groups": _groups(seen),
            "steps": [
                _step(one, seen, waiting.get(one.name)) | {"time_share": shares.get(one.name)}
                for one in workflow.milestones
            ],
        }

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


def _groups(seen: Passages) -> list[Row]:
    """The attributes that tell instances apart, each with its most frequent values."""
    return [
        {"attribute": name, "values": [{"value": value, "count": n} for value, n in counts.most_common(MOST_VALUES)]}
        for name, counts in sorted(seen.values.items())
        if 1 < len(counts) <= max(MOST_VALUES, seen.instances // 4)
    ]


def step_seen(seen: StepSeen) -> Row:
    """What instances say of a step: how many reached it and how, and how long that took."""
    times, calendar = {}, None
    for name, share in _SHARES:
        micros, calendar = seen.quantile(share)
        times[name] = _seconds(micros)
    return {
        "reached": seen.reached,
        "late": seen.late,
        "dropped": seen.dropped,
        "without": seen.without,
        "again": seen.again,
        "again_after_seconds": _seconds(seen.again_median()),
        "measured": seen.measured,
        "calendar": calendar,
        **times,
        "elapsed_median_seconds": _seconds(seen.elapsed_median()),
    }


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / SECOND


def _instant(micros: int | None) -> str | None:
    return None if micros is None else rfc3339(to_datetime(micros))


def _step(milestone: Milestone, passages: Passages, waiting: Row | None) -> Row:
    found = waiting or {"count": 0, "verdicts": {}, "worth": {}, "oldest": None}
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
        **step_seen(passages.steps[milestone.name]),
        "last_reached_at": _instant(passages.steps[milestone.name].last_at),
        "last": {noted.value: passages.last.get((milestone.name, noted), []) for noted in Noted},
    }
