"""Instances that have to do with one: the same object elsewhere, what it is part of, its parts, and its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from collector.catalogue import Catalogue
from collector.query.instances import definition_of
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.identity import Key, split_key

MOST_LINKED = 50
MOST_SEARCHED = 4
"""Keys by which neighbours are looked for."""
MOST_COUNTED = 1_000
"""Neighbours that are counted of a key; their own page has all of them."""
MOST_BESIDE = 5


async def related_to(
    reader: Reader, row: Row, catalogue: Catalogue, words: Collection[Key], hubs: Collection[Key]
) -> Row:
    """What has to do with the instance of a row that has these keys.

    `hubs` are the keys that join none though their namespace does.

    `linked` are instances of other workflows. `relation` is `same` where a key identifies both, `whole` where this one
    carries what identifies the other, such as an account or the order of a shipment, and `part` where it is the other
    way round.

    `beside` tells of each key that only finds this one, such as the number of a customer, the others that it finds:
    `total` and `pressing` of them are counted, up to MOST_COUNTED, and `counted_all` says whether that was enough.
    """
    joining = definition_of(row, catalogue).joining
    keys = [split_key(key) for key in sorted(words) if key not in hubs]
    asked = {
        "workflow": row["workflow"],
        "namespaces": [namespace for namespace, _ in keys],
        "values": [value for _, value in keys],
        "joins": [namespace in joining for namespace, _ in keys],
        "limit": MOST_LINKED,
    }
    searched = [(namespace, value) for namespace, value in keys if namespace not in joining][:MOST_SEARCHED]
    beside = {
        "id": row["id"],
        "namespaces": [namespace for namespace, _ in searched],
        "values": [value for _, value in searched],
        "counted": MOST_COUNTED,
        "limit": MOST_BESIDE,
    }
    linked, neighbours = await asyncio.gather(reader.all("linked", asked), reader.all("beside", beside))
    return {"linked": [_linked(one) for one in linked], "beside": _by_key(neighbours)}


def _linked(row: Row) -> Row:
    relation = "same" if row["same"] else "whole" if row["identified"] else "part"
    told = {name: row[name] for name in ("workflow", "title", "verdict", "keys")}
    return told | {"id": str(row["id"]), "relation": relation}


def _by_key(rows: list[Row]) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row["namespace"], row["value"])
        group = found.setdefault(
            key,
            {
                **dict(zip(("namespace", "value"), key, strict=True)),
                "total": row["total"],
                "pressing": row["pressing"],
                "counted_all": row["total"] < MOST_COUNTED,
                "items": [],
            },
        )
        told = {name: row[name] for name in ("workflow", "title", "verdict")}
        group["items"].append(told | {"id": str(row["id"]), "updated_at": rfc3339(row["updated_at"])})
    return list(found.values())
