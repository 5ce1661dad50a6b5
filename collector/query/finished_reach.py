"""How far back a list looks among what has finished, where it cannot ask an index for what is wanted or the order.

Words, attributes and titles stand in no index. To read the rows of all that ever finished would take the longer the
more there is, so of it only what finished last is looked through, and the answer says since when. A value or a start
stands in the index beside what it lists by: ten times as many of them are gone through in that time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from collector.query.instances import InstanceFilter, plain
from collector.query.reader import Reader
from collector.store.tables import FINAL_VERDICTS, instance, instance_count

MOST_READ = 50_000
"""Finished instances whose rows are read for words, attributes or an order by title."""
MOST_PASSED = 1_000_000
"""Finished instances whose entries in the index are sorted."""
_BY_ROWS = ("title",)
_BY_INDEX = ("deadline_at", "stuck_since", "updated_at")
"""What has finished has no deadline, and comes by when it moved last: in the order of its index."""


async def looks_back_to(
    reader: Reader, asked: InstanceFilter, sort: str, conditions: Sequence[sa.ColumnElement[bool]]
) -> datetime | None:
    """What finished before this instant is not looked at; None: all of it is.

    `conditions` are those on what has finished that its index answers. What has as many matches as are read, or fewer,
    is looked through whole.
    """
    name = sort.removeprefix("-")
    if not asked.reads_rows and name in _BY_INDEX:
        return None
    most = MOST_READ if asked.reads_rows or name in _BY_ROWS else MOST_PASSED
    if await _at_most(reader, asked, most):
        return None
    moved = instance.c.updated_at
    rows = await reader.select(sa.select(moved).where(*conditions).order_by(moved.desc()).offset(most).limit(1))
    return rows[0]["updated_at"] if rows else None


async def _at_most(reader: Reader, asked: InstanceFilter, most: int) -> bool:
    """Whether so few have finished, of the workflow where one is named: that is kept, and nothing need be counted."""
    columns = instance_count.c
    found = sa.select(sa.func.coalesce(sa.func.sum(columns.count), 0).label("count"))
    found = found.where(columns.verdict.in_(FINAL_VERDICTS))
    if asked.workflow is not None:
        found = found.where(columns.workflow == plain("workflow", asked.workflow))
    rows = await reader.select(found)
    return int(rows[0]["count"]) <= most
