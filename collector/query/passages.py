"""What the instances of a workflow that began last say of each of its steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.learning import begun_last
from collector.query.reader import Reader, Row
from collector.stored_progress import readable
from slo_rules.filters import spell
from slo_rules.flow_times import Noted, StepSeen, see
from slo_rules.instants import to_datetime, to_micros
from slo_rules.progress import Progress
from slo_rules.workflow import Workflow

MOST_SEEN = 20_000
"""Instances that what is said of steps is made of, those that began last."""
MOST_READ = 60_000
"""Instances among which those of a group are looked for."""
MOST_LISTED = 10
Wanted = Callable[[Progress, Workflow], bool]


@dataclass(slots=True)
class Passages:
    """What was seen of `instances` at `at`; `all` says whether these are all there are, and else it is the last.

    `since` is when the first of them started. `values` counts the values of each attribute of the workflow. `restarted`
    is how many began anew.
    """

    at: datetime
    instances: int = 0
    all: bool = True
    since: datetime | None = None
    restarted: int = 0
    steps: dict[str, StepSeen] = field(default_factory=lambda: defaultdict(StepSeen))
    values: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    last: dict[tuple[str, Noted], list[Row]] = field(default_factory=lambda: defaultdict(list))
    """Of each that is worth a look the instances that began last, at most MOST_LISTED."""


async def learn_passages(
    reader: Reader,
    catalogue: Catalogue,
    workflow: Workflow,
    *conditions: sa.ColumnElement[bool],
    wanted: Wanted | None = None,
) -> Passages:
    """What the instances that meet the conditions, and are `wanted`, say of each step, those that began last first."""
    now = await reader.now()
    seen, at, read = Passages(now), to_micros(now), 0
    first: int | None = None

    def take(rows: Sequence[tuple[Any, ...]]) -> None:
        nonlocal read, first
        for id_, name, version, title, packed in rows:
            read += 1
            if seen.instances == MOST_SEEN or read > most:
                seen.all = False
                return
            progress, definition = readable(packed, id_), catalogue.versions[name, version].workflow
            if progress is None:
                continue
            if wanted is not None and not wanted(progress, definition):
                continue
            seen.instances += 1
            seen.restarted += progress.restarted is not None
            first = progress.first_at if first is None else min(first, progress.first_at)
            said = progress.attributes
            for attribute in workflow.attributes:
                if (value := spell(said.get(attribute))) is not None:
                    seen.values[attribute][value] += 1
            for noted in see(seen.steps, progress, definition, at):
                if len(listed := seen.last[noted]) < MOST_LISTED:
                    listed.append({"id": str(id_), "title": title})

    most = MOST_SEEN if wanted is None else MOST_READ
    await reader.feed(begun_last(workflow.name).where(*conditions).limit(most + 1), take)
    seen.since = None if first is None else to_datetime(first)
    return seen
