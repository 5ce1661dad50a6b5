"""Reading what was sent as it came: who may, what others are shown instead, and that each reading is recorded."""

from __future__ import annotations

from typing import Any

from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from collector.access import audit
from collector.access.principal import RAW, How, acting
from collector.store.database import Connection
from slo_rules.acts import ACT_SOURCE

MASK = "•••"
_OF_SPANS = ("status_message", "attributes", "events")


def sees_raw_unasked() -> bool:
    """Whether whoever asks is shown everything as it came: where nobody has to say who he is, and at the terminal."""
    who = acting.get()
    return who is None or who.how in (How.OPEN, How.TERMINAL)


def may_read_raw() -> bool:
    """Whether whoever asks may, where he says that he wants to."""
    who = acting.get()
    return who is None or who.may(RAW)


def masked(instance: dict[str, Any]) -> dict[str, Any]:
    """An instance whose events and spans say what there is in them, and no value of it; what people did stays.

    Keys and attributes that the definition names are the instance's own, and stay.
    """
    events = [
        one if one["source"] == ACT_SOURCE else one | {"data": _masked(one["data"])} for one in instance["events"]
    ]
    spans = [
        one | {name: _masked(one[name]) for name in _OF_SPANS if one.get(name) is not None} for one in instance["spans"]
    ]
    return instance | {"events": events, "spans": spans}


def _masked(said: Any) -> Any:
    if isinstance(said, dict):
        return {name: _masked(value) for name, value in said.items()}
    if isinstance(said, list):
        return [_masked(one) for one in said]
    return None if said is None else MASK


class RawReads:
    """Records who has read something as it came, before it is told."""

    def __init__(self, pool: ConnectionPool[Connection]) -> None:
        self._pool = pool

    async def note(self, action: str, object_: str, said: dict[str, Any]) -> None:
        """Raises psycopg.Error and PoolTimeout where it cannot be recorded: then it must not be told."""

        def record() -> None:
            with self._pool.connection() as conn, conn.transaction():
                audit.record(conn, [audit.entry(action, object_, {}, said)])

        await run_in_threadpool(record)
