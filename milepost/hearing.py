"""What people say of incidents where they were told of them, wired to the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from psycopg_pool import ConnectionPool

from alerting.inbound.act import Act
from alerting.inbound.door import InboundDoor
from alerting.inbound.performing import perform
from alerting.route import Route, targets_by_name
from collector.access import audit
from collector.store.database import Connection
from slo_rules.instants import to_micros

log = structlog.get_logger("milepost")


def hear(routes: Sequence[Route], pool: ConnectionPool[Connection]) -> InboundDoor:
    """The door for what the targets of these routes send back, with the secrets that they have for it."""
    secrets: dict[str, set[str]] = {}
    for target in targets_by_name(routes).values():
        if target.inbound_secret:
            secrets.setdefault(target.kind, set()).add(target.inbound_secret)

    def do(acts: Sequence[Act]) -> None:
        with pool.connection() as conn:
            for act in acts:
                with conn.transaction():
                    known = perform(conn, act, _now())
                    said = {"by": act.who, "known": known}
                    audit.record(conn, [audit.entry(f"incident.{act.what}", f"incident {act.incident}", {}, said)])
                log.info("said_elsewhere", what=act.what, incident=str(act.incident), who=act.who, known=known)

    return InboundDoor(secrets, do, _now)


def _now() -> int:
    return to_micros(datetime.now(UTC))
