"""Changing the schema while others work: nobody waits long for a lock, and what could not get it is tried again.

Who wants a table for itself waits behind everybody who uses it, and everybody who comes later waits behind that. So a
change waits LOCK_MILLISECONDS at most, gives up its place, and comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

log = structlog.get_logger("milepost.schema")

T = TypeVar("T")

LOCK_MILLISECONDS = 1_000
"""The longest that anybody waits because a change of the schema waits for a lock."""
PAUSE_SECONDS = 2.0
"""Between two attempts, for those who had to wait."""
PATIENCE_SECONDS = 300.0


class SchemaBlocked(Exception):
    """A change of the schema did not get its lock for long; the message says for people who had what it wanted.

    Nothing of that change is left behind, and it can be tried again at any time.
    """


class HeldByOthers(Exception):
    """One attempt did not get its lock in time, or would have stood in the way of others for good."""


def patiently(attempt: Callable[[], T], holders: Callable[[], list[str]], patience: float = PATIENCE_SECONDS) -> T:
    """What an attempt comes to that raised HeldByOthers no more. Raises SchemaBlocked after so many seconds.

    `holders` says who may hold what is wanted, for people.
    """
    until, attempts = time.monotonic() + patience, 0
    while True:
        try:
            return attempt()
        except HeldByOthers as error:
            attempts += 1
            found = holders()
            if time.monotonic() > until:
                raise SchemaBlocked(_words(attempts, str(error), found)) from error
            log.warning("schema_waits", attempt=attempts, statement=str(error), holders=found)
            time.sleep(PAUSE_SECONDS)


def _words(attempts: int, statement: str, holders: list[str]) -> str:
    whose = "".join(f"\n  {one}" for one in holders) or "\n  nobody any more"
    return (
        f"The schema cannot be changed: in {attempts} attempts a lock was not free within {LOCK_MILLISECONDS} ms for\n"
        f"  {statement}\nTransactions that have been open for longer, one of which holds it:{whose}\n"
        "Nothing of this change is left behind. End them, or wait for them, and start again."
    )
