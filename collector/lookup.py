"""Finding the stored instances that events concern, while the events before them are applied.

Reading them ahead is safe because whatever has changed since is in the cache, and the cache goes before what was read;
only what is dropped from the cache must be asked for again.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from collector.catalogue import Catalogue
from collector.instances import InstanceCache
from collector.parsed import Parsed
from collector.store.database import Connection
from collector.store.sql import load
from collector.textarray import TextArray
from slo_rules.identity import Key, split_key

Q = load("projection")
StoredInstance = tuple[Any, ...]
"""A row of the query `load`; the id as sixteen bytes, times as micros since 2000."""


def unknown_keys(events: list[Parsed], catalogue: Catalogue, cache: InstanceCache) -> dict[str, set[Key]]:
    """The joining keys of the events that are not in the cache, by workflow."""
    unknown: dict[str, set[Key]] = {}
    by_key = [cache.by_key(matcher.workflow.name) for matcher in catalogue.places]
    for parsed in events:
        for place, joining, _ in parsed.found:
            held = by_key[place]
            for key in joining:
                if key not in held:
                    unknown.setdefault(catalogue.places[place].workflow.name, set()).add(key)
    return unknown


def instances_of(conn: Connection, unknown: dict[str, set[Key]]) -> list[StoredInstance]:
    """The stored instances with these joining keys."""
    if not unknown:
        return []
    values: dict[tuple[str, str], list[str]] = {}
    for workflow, keys in unknown.items():
        # In the order of the index, so that neighbours share its pages.
        for key in sorted(keys):
            namespace, value = split_key(key)
            values.setdefault((workflow, namespace), []).append(value)
    with conn.pipeline():
        asked = [
            conn.execute(
                Q["instances_of_keys"],
                {"workflow": workflow, "namespace": namespace, "values": TextArray(of_namespace)},
            )
            for (workflow, namespace), of_namespace in values.items()
        ]
        ids = {id_ for cursor in asked for (id_,) in cursor.fetchall()}
    return load_instances(conn, list(ids)) if ids else []


def load_instances(conn: Connection, ids: list[UUID]) -> list[StoredInstance]:
    """The stored instances with these ids."""
    cursor = conn.cursor(binary=True)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    cursor.adapters.register_loader("uuid", ByteaBinaryLoader)
    return cursor.execute(Q["load"], {"ids": ids}).fetchall()
