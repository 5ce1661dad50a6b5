"""Applying the log from a command, which shows how far it is. What serves is not loaded for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from collector.catalogue import Catalogue
from collector.projector import Projector
from collector.store.database import BY_INDEX, Connection, connect
from milepost.progress_bar import progress_bar

_SWEPT = "SELECT count(*) FROM projection WHERE swept_to > (SELECT coalesce(max(received_at), '-infinity') FROM event)"
"""Whether deadlines have been judged with everything applied, not only events."""


def apply_log(url: str, conn: Connection, catalogue: Catalogue, label: str = "Applying") -> None:
    """Apply the whole log: with a projector of our own, or by waiting for the one that runs."""
    with progress_bar(label, "events") as (bar, task), connect(url, "projector", options=BY_INDEX) as projecting:
        head = _one(conn, "SELECT coalesce(max(seq), 0) FROM event")
        start = _one(conn, "SELECT coalesce((SELECT seq FROM projection), 0)")

        def show() -> int:
            at = _one(conn, "SELECT coalesce((SELECT seq FROM projection), 0)")
            bar.update(task, total=max(1, head - start), completed=at - start, count=at - start)
            return at

        projector = Projector(catalogue)
        if projector.acquire(projecting):
            while not projector.cycle(projecting).caught_up:
                show()
        else:
            _wait_until(lambda: show() >= head and _one(conn, _SWEPT) > 0)
        bar.update(task, total=1, completed=1)


def _wait_until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.2)


def _one(conn: Connection, query: str) -> int:
    with conn.transaction():
        row = conn.execute(query).fetchone()
    return int(row[0]) if row else 0
