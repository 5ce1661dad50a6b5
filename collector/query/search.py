"""Finding instances by the beginning of a key, as the palette of the dashboard does with every letter."""

from __future__ import annotations

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row
from slo_rules.identity import spellings


async def find_by_key(reader: Reader, catalogue: Catalogue, text: str, limit: int) -> Row:
    """Instances by the beginning of any key they ever carried, spelled in any way that the workflows know."""
    text = text.strip().replace("\x00", "")[:200]
    if not text:
        return {"items": []}
    rows: list[Row] = []
    for spelled in spellings(catalogue.key_rules, text):
        prefix = spelled.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        asked = {"text": spelled, "prefix": prefix, "limit": max(1, min(limit, 50))}
        if rows := await reader.all("search", asked):
            break
    return {
        "items": [
            {
                "id": str(row["id"]),
                "title": row["title"],
                "workflow": row["workflow"],
                "verdict": row["verdict"],
                "key": {"namespace": row["namespace"], "value": row["value"], "joins": row["joins"]},
            }
            for row in rows
        ]
    }
