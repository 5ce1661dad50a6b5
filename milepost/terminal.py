"""Who acts at a terminal, and the database that he acts on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser

from collector.access.principal import ADMIN, INGEST, How, Principal, acting
from collector.store.database import Connection, connect
from milepost.server import Milepost
from milepost.settings import Settings


@contextmanager
def as_terminal() -> Iterator[Principal]:
    """Whoever is at this terminal acts: he may do everything, as he has the database, and is recorded by his user."""
    who = Principal(getuser(), How.TERMINAL, frozenset((ADMIN, INGEST)), address=socket.gethostname())
    token = acting.set(who)
    try:
        yield who
    finally:
        acting.reset(token)


@contextmanager
def open_for_acting(settings: Settings) -> Iterator[Connection]:
    """A connection to the database, with its schema up to date; whoever is at this terminal acts. SchemaBlocked."""
    milepost = Milepost(settings)
    try:
        with connect(milepost.open_database(), "terminal") as conn, as_terminal():
            yield conn
    finally:
        milepost.close()
