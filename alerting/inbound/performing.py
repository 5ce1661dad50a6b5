"""Doing what somebody said of an incident where he was told of it."""

from __future__ import annotations

from typing import Any

import psycopg

from alerting.inbound.act import Act
from collector.store.sql import load
from slo_rules.instants import to_datetime

Q = load("inbound", package="alerting")


def perform(conn: psycopg.Connection[Any], act: Act, now: int) -> bool:
    """Write it into the history of the incident; False where there is no such incident that still fires.

    `now` is micros, UTC. The same said twice by the same person is written once: senders repeat what they say.
    """
    what = {"acknowledge": "acknowledged", "resolve": "resolve_asked"}[act.what]
    row = {"incident_id": act.incident, "now": to_datetime(now), "what": what, "detail": f"by {act.who}"}
    with conn.transaction():
        return conn.execute(Q["note_act"], row).fetchone() is not None
