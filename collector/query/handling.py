"""Who handles instances, and what people noted of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from collector.query.reader import Reader, Row, rfc3339

MOST_NOTES = 200
UNHANDLED: Row = {"assigned_to": None, "acknowledged_by": None, "acknowledged_at": None}


async def with_handling(reader: Reader, items: Sequence[Row]) -> None:
    """Say of each of these instances in `handling` who handles it, and who has seen how it stands now."""
    found = {}
    if items:
        rows = await reader.all("handling", {"ids": [UUID(item["id"]) for item in items]})
        found = {str(row["id"]): row for row in rows}
    for item in items:
        item["handling"] = _handling(found.get(item["id"]))


async def notes_of(reader: Reader, id_: UUID) -> list[Row]:
    """What people noted of an instance, the latest first."""
    rows = await reader.all("notes", {"id": id_, "limit": MOST_NOTES})
    return [row | {"at": rfc3339(row["at"])} for row in rows]


def _handling(row: dict[str, Any] | None) -> Row:
    if row is None:
        return dict(UNHANDLED)
    return {name: row[name] for name in UNHANDLED} | {"acknowledged_at": rfc3339(row["acknowledged_at"])}
