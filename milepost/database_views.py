"""What `milepost db status` prints: text for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from collector.retention.status import ClassStatus, Status, TableStatus
from milepost.plain_text import table
from slo_rules.durations import format_duration
from slo_rules.instants import rfc3339, to_micros

MANY_DEAD = 0.2
"""The share of dead rows from which on a table is called bloated; a server vacuums at that by itself."""
FEW = 10_000


def as_document(status: Status) -> str:
    """The status as JSON; sizes in bytes, lengths in seconds (null: for good), instants as RFC 3339."""
    said = {
        "at": _at(status.at),
        "server_version": status.version,
        "migration": status.migration,
        "bytes": status.bytes,
        "extensions": status.extensions,
        "compresses": status.compresses,
        "classes": [_document(one) for one in status.classes],
        "others": [_table(one) for one in status.others],
    }
    return msgspec.json.format(msgspec.json.encode(said).decode(), indent=2)


def _document(one: ClassStatus) -> dict[str, object]:
    return {
        "class": one.kept,
        "keep_seconds": None if one.keep is None else one.keep // 1_000_000,
        "bytes": one.bytes,
        "rows_estimated": one.tables[0].rows if one.tables else 0,
        "oldest": _at(one.oldest),
        "newest": _at(one.newest),
        "kept_since": _at(one.kept_since),
        "ran_at": _at(one.ran_at),
        "dropped_rows": one.dropped_rows,
        "freed_bytes": one.freed_bytes,
        "next_run": {"at": _at(one.next_run_at), "rows_at_most": one.due_rows, "bytes_at_most": one.due_bytes},
        "next_due": {"at": _at(one.next_due_at), "bytes": one.next_due_bytes},
        "tables": [_table(each) for each in one.tables],
        "parts": [
            {
                "name": part.name,
                "since": _at(part.since),
                "until": _at(part.until),
                "bytes": part.bytes,
                "rows_estimated": part.rows,
                "compressed": part.compressed,
            }
            for part in one.parts
        ],
        "compression": None
        if one.compression is None
        else {
            "chunks": one.compression.chunks,
            "before_bytes": one.compression.before_bytes,
            "after_bytes": one.compression.after_bytes,
        },
    }


def _table(one: TableStatus) -> dict[str, object]:
    return {
        "name": one.name,
        "table_bytes": one.table_bytes,
        "index_bytes": one.index_bytes,
        "rows_estimated": one.rows,
        "dead_rows": one.dead_rows,
        "vacuumed_at": _at(one.vacuumed_at),
    }


def _at(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(to_micros(at))


def as_text(status: Status) -> str:
    """The status in words."""
    return "\n".join(_lines(status))


def _lines(status: Status) -> Iterator[str]:
    extensions = ", ".join(f"{name} {version}" for name, version in status.extensions.items()) or "no extensions"
    yield f"PostgreSQL {status.version}, {extensions}; {size(status.bytes)}, schema {status.migration}"
    yield ""
    yield "What is kept:"
    head = ("class", "size", "of it indexes", "rows about", "oldest", "newest", "kept for", "nothing missing since")
    rows = [
        (
            str(one.kept),
            size(one.bytes),
            size(sum(each.index_bytes for each in one.tables)),
            f"{one.tables[0].rows:,}" if one.tables else "0",
            _day(one.oldest),
            _day(one.newest),
            "good" if one.keep is None else format_duration(one.keep),
            _day(one.kept_since) if one.kept_since else "the beginning",
        )
        for one in status.classes
    ]
    others = status.others
    rows.append(("the rest", size(sum(one.bytes for one in others)), size(sum(one.index_bytes for one in others)),
                 f"{sum(one.rows for one in others):,}", "", "", "good", ""))  # fmt: skip
    yield from table(head, rows, right=(1, 2, 3))
    yield ""
    yield "The log lies in:"
    for one in status.classes:
        if one.parts:
            yield f"  {_parts(one)}"
    if status.compresses and not any(one.compression for one in status.classes):
        yield "  Nothing is compressed yet."
    yield ""
    yield "The next run of retention:"
    yield from (f"  {_next(one, status.at)}" for one in status.classes)
    bloated = [one for each in status.classes for one in each.tables if _is_bloated(one)]
    bloated += [one for one in status.others if _is_bloated(one)]
    yield ""
    if bloated:
        yield "Bloated, with many dead rows that a vacuum would free:"
        yield from (f"  {_bloat(one)}" for one in bloated)
    else:
        yield "No table is bloated."


def _parts(one: ClassStatus) -> str:
    filled = [part for part in one.parts if part.rows or part.compressed]
    said = f"{one.kept}: {len(one.parts)} parts, {len(filled)} of them with rows"
    if one.compression is not None:
        before, after = one.compression.before_bytes, one.compression.after_bytes
        times = f", {before / after:.1f} times smaller" if after else ""
        said += f"; {one.compression.chunks} compressed from {size(before)} to {size(after)}{times}"
    return said


def _next(one: ClassStatus, now: datetime) -> str:
    if one.keep is None or one.next_run_at is None:
        return f"{one.kept}: never drops any"
    when = "when the service runs, within a minute" if one.next_run_at <= now else f"at {_at(one.next_run_at)}"
    if not one.due_rows and not one.due_bytes:
        said = f"{one.kept}: {when}, nothing is due"
    else:
        freed = f", {size(one.due_bytes)}" if one.due_bytes else ""
        said = f"{one.kept}: {when}, at most {one.due_rows:,} rows{freed}"
    if one.next_due_at is not None:
        said += f"; the next part is due at {_at(one.next_due_at)}, {size(one.next_due_bytes)}"
    return said


def _is_bloated(one: TableStatus) -> bool:
    return one.dead_rows > FEW and one.dead_rows > MANY_DEAD * max(1, one.rows)


def _bloat(one: TableStatus) -> str:
    when = f"last vacuumed at {_at(one.vacuumed_at)}" if one.vacuumed_at else "never vacuumed"
    return f"{one.name}: {one.dead_rows:,} dead rows beside {one.rows:,}, {when}"


def _day(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M")


def size(number: float) -> str:
    """Bytes as people say them: `812 B`, `4.2 kB`, `1.3 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"
