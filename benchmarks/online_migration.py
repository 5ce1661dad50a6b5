"""`python -m benchmarks.online_migration`: how long who writes waits while the schema is brought up to date."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from benchmarks import report
from benchmarks.report import Figure, spread_of
from benchmarks.server import Postgres, postgres
from collector.store.database import connect, migrate
from collector.store.online import LOCK_MILLISECONDS

PER_INSTANCE = 10
_FILL = (
    (
        "INSERT INTO event (received_at, occurred_at, source, id, type, body) "
        "SELECT now(), now(), 'bench', n::text, 't', '{}' FROM generate_series(1, %(rows)s) n"
    ),
    (
        "INSERT INTO instance_event (instance_id, event_key, seq, received_at) "
        "SELECT gen_random_uuid(), gen_random_uuid(), n, now() FROM generate_series(1, %(rows)s) n"
    ),
    (
        "INSERT INTO instance (id, workflow, workflow_version, entity, domain, title, words, verdict, reason, since, "
        "started_at, updated_at, progress) "
        "SELECT gen_random_uuid(), 'w', 1, 'order', 'd', n::text, n::text, 'on_track', "
        "'waiting', now(), now(), now(), '' FROM generate_series(1, %(rows)s / %(per_instance)s) n"
    ),
)
_WRITE = (
    "INSERT INTO event (occurred_at, source, id, type, body) VALUES (now(), 'writer', 'w', 't', '{}')",
    (
        "INSERT INTO instance_event (instance_id, event_key, seq, received_at) "
        "VALUES (gen_random_uuid(), gen_random_uuid(), 0, now())"
    ),
    "UPDATE instance SET updated_at = now() WHERE id = (SELECT id FROM instance LIMIT 1)",
)


@dataclass(slots=True)
class _Writer:
    """What each transaction of a writer took (seconds), and what ended it before its time."""

    took: list[float] = field(default_factory=list)
    failed: BaseException | None = None


def measure(server: Postgres, rows: int, first: str) -> list[Figure]:
    """What the schema takes from a version on with so many events, and what those wait who write meanwhile."""
    url = server.empty("online")
    migrate(url, to=first)
    with connect(url, "fill") as conn:
        for statement in _FILL:
            with conn.transaction():
                conn.execute(sql.SQL(statement), {"rows": rows, "per_instance": PER_INSTANCE})
    with connect(url, "analyze", autocommit=True) as conn:
        conn.execute("ANALYZE")
    with _writing(url) as writer:
        started = time.monotonic()
        before, after = migrate(url)
        took = time.monotonic() - started
    if writer.failed is not None:
        raise writer.failed
    name = f"{rows:,} events, schema {before} to {after}"
    waited = spread_of(f"{name}: one transaction of a writer", [seconds * 1000 for seconds in writer.took], "ms")
    longest = max(writer.took) * 1000 / LOCK_MILLISECONDS
    return [Figure(name, took, "s"), *waited, Figure(f"{name}: longest, share of the lock timeout", longest, "")]


@contextmanager
def _writing(url: str) -> Iterator[_Writer]:
    end, writer = threading.Event(), _Writer()

    def write() -> None:
        try:
            with connect(url, "writer") as conn:
                while not end.is_set() or len(writer.took) < 2:
                    started = time.monotonic()
                    with conn.transaction():
                        for statement in _WRITE:
                            conn.execute(sql.SQL(statement))
                    writer.took.append(time.monotonic() - started)
        except psycopg.Error as error:
            writer.failed = error

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield writer
    finally:
        end.set()
        thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online_migration", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="events in the log and links to them")
    parser.add_argument("--from", dest="first", default="0011", help="the version of the schema to begin with")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with postgres() as server:
        report.show(measure(server, asked.rows, asked.first), report.machine(server.version))


if __name__ == "__main__":
    main()
