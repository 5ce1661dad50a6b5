from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from collector.ingest.files.ocel import Objects, Related, ocel_record, plain_value
from collector.ingest.files.record import MAX_RECORD_BYTES, Fault, Record, UnreadableFile
from collector.ingest.files.source import OpenedFile, chunks

__all__ = ["read_ocel_sqlite"]

MAX_UNZIPPED = 4 * 2**30
_NEEDED = ("event", "object", "event_object", "event_map_type", "object_map_type")
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
_OF_EVENT = frozenset(("ocel_id", "ocel_time"))
_OF_OBJECT = frozenset(("ocel_id", "ocel_time", "ocel_changed_field"))


def read_ocel_sqlite(
    opened: OpenedFile, *, source: str, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Record | Fault]:
    """The events of an OCEL 2.0 log as SQLite, type by type; `position` is their ordinal in that order.

    As `read_ocel_json`. The database is opened read-only and as if nobody could change it: nothing is written beside
    it, a journal is not looked at. Only plain tables are read; views, virtual tables, generated columns and anything
    else that would run what stands in the file are refused. Held in memory are objects and which of them belong to
    which event. Raises UnreadableFile.
    """
    try:
        with _file_of(opened) as path, closing(_open(path, max_record_bytes)) as conn:
            yield from _read(conn, source)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise UnreadableFile(f"cannot be read as an OCEL log: {error}") from error


@contextmanager
def _file_of(opened: OpenedFile) -> Iterator[Path]:
    """The database as a file; SQLite reads no other."""
    if not opened.compressed:
        yield opened.path
        return
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as unzipped:
        done = 0
        for chunk in chunks(opened.stream):
            done += len(chunk)
            if done > MAX_UNZIPPED:
                raise UnreadableFile(f"holds more than {MAX_UNZIPPED // 2**30} GiB; unzip it first")
            unzipped.write(chunk)
        unzipped.flush()
        yield Path(unzipped.name)


def _open(path: Path, max_record_bytes: int) -> sqlite3.Connection:
    conn = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True, timeout=1)
    conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_record_bytes)
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
        conn.execute(f"PRAGMA {pragma}")
    conn.text_factory = lambda text: text.decode("utf-8", "replace")
    conn.set_authorizer(_authorize)
    return conn


def _authorize(action: int, first: str | None, _second: str | None, _database: str | None, inside: str | None) -> int:
    """Reading columns and nothing else: no function, no recursion, and nothing on behalf of a view or a trigger."""
    allowed = action in _ALLOWED or (action == sqlite3.SQLITE_PRAGMA and first == "table_xinfo")
    return sqlite3.SQLITE_OK if allowed and inside is None else sqlite3.SQLITE_DENY


def _read(conn: sqlite3.Connection, source: str) -> Iterator[Record | Fault]:
    tables = {
        name
        for name, sql in conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        if isinstance(name, str)
        and not str(sql).lstrip().upper().startswith("CREATE VIRTUAL")
        and _is_plain(conn, name)
    }
    if missing := [name for name in _NEEDED if name not in tables]:
        raise UnreadableFile(f"not an OCEL log: it has no table {', '.join(missing)}")
    objects = _objects(conn, tables)
    related: dict[str, list[Related]] = {}
    for event, object_, qualifier in conn.execute(
        "SELECT ocel_event_id, ocel_object_id, ocel_qualifier FROM event_object"
    ):
        if object_ is not None:
            related.setdefault(str(event), []).append((str(object_), str(qualifier or "")))
    types = {str(id_): str(type_ or "") for id_, type_ in conn.execute("SELECT ocel_id, ocel_type FROM event")}
    left = dict.fromkeys(types)
    position = 0
    for type_, table in _maps(conn, "event", tables):
        for row in _rows(conn, table):
            position += 1
            id_, time = row.get("ocel_id"), row.get("ocel_time")
            id_ = None if id_ is None else str(id_)
            if id_ is not None and (types.get(id_) != type_ or id_ not in left):
                why = f"is no event of the type {type_!r}" if types.get(id_) != type_ else "comes twice"
                yield Fault(position, f"event {id_[:200]!r}", why)
                continue
            if id_ is not None:
                del left[id_]
            own = {
                name: plain_value(value) for name, value in row.items() if name not in _OF_EVENT and value is not None
            }
            said = None if time is None else str(time)
            yield ocel_record(position, id_, type_, said, own, related.pop(id_ or "", ()), objects, source)
    for id_ in left:
        position += 1
        yield Fault(position, f"event {id_[:200]!r}", f"of the type {types[id_][:200]!r} has no row with its time")


def _objects(conn: sqlite3.Connection, tables: set[str]) -> Objects:
    objects = Objects()
    for id_, type_ in conn.execute("SELECT ocel_id, ocel_type FROM object"):
        if id_ is not None:
            objects.add(str(id_), str(type_ or ""))
    for _, table in _maps(conn, "object", tables):
        for row in _rows(conn, table):
            time = row.get("ocel_time")
            changed = row.get("ocel_changed_field")
            # A row that changes one field says nothing of the others.
            names = (
                [changed] if isinstance(changed, str) and changed in row else [n for n in row if n not in _OF_OBJECT]
            )
            for name in names:
                value = plain_value(row[name])
                if value is not None or name == changed:
                    objects.say(str(row.get("ocel_id")), name, None if time is None else str(time), value)
    if "object_object" in tables:
        for one, other in conn.execute("SELECT ocel_source_id, ocel_target_id FROM object_object"):
            objects.link(str(one), str(other))
    return objects


def _maps(conn: sqlite3.Connection, kind: str, tables: set[str]) -> list[tuple[str, str]]:
    """The types of events or objects with the tables of each, in the order of the types."""
    rows = conn.execute(f"SELECT ocel_type, ocel_type_map FROM {kind}_map_type").fetchall()
    found = [(str(type_), f"{kind}_{mapped}") for type_, mapped in rows]
    if missing := [table for _, table in found if table not in tables]:
        raise UnreadableFile(f"not an OCEL log: it has no table {', '.join(missing)[:500]}")
    return sorted(set(found))


def _is_plain(conn: sqlite3.Connection, table: str) -> bool:
    """Whether no column is worked out when it is read: no authorizer is asked for what is called then."""
    return all(column[6] == 0 for column in conn.execute(f"PRAGMA table_xinfo({_quoted(table)})"))


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _rows(conn: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    cursor = conn.execute(f"SELECT * FROM {_quoted(table)}")
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))
