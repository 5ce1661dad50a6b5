"""Saying again what a channel forgets: Alertmanager keeps alerts in memory, and lets go of what is not repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx
import psycopg
import structlog
from psycopg.rows import dict_row

from alerting.address import Address
from alerting.channels.alertmanager.channel import REPEAT_RESOLVED
from alerting.channels.answer import Fate
from alerting.channels.reach import PUBLIC_ONLY, Reach
from alerting.channels.registry import CHANNELS
from alerting.channels.transport import send
from alerting.message import Notice
from alerting.outbox import Q, repeat_of
from alerting.rendering import letter
from alerting.route import Route, targets_by_name
from alerting.targets import resolve_address
from slo_rules.durations import MINUTE
from slo_rules.instants import to_datetime, to_micros

log = structlog.get_logger("milepost.alerting")

BATCH = 50


@dataclass(frozen=True, slots=True)
class Report:
    """How many were said again, and how many of them were not taken; those come again all the same."""

    repeated: int = 0
    failed: int = 0


def run_once(
    conn: psycopg.Connection[Any],
    now: int,
    client: httpx.Client,
    routes: Sequence[Route],
    env: Mapping[str, str],
    *,
    reach: Reach = PUBLIC_ONLY,
) -> Report:
    """Repeat what is due at `now` (micros, UTC). Several may run at once: each line is taken by one."""
    parameters = {"now": to_datetime(now), "next": to_datetime(now + MINUTE), "limit": BATCH}
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(Q["take_repeats"], parameters).fetchall()
    targets = targets_by_name(routes)
    failed = repeated = 0
    for row in rows:
        channel, said = CHANNELS.get(row["kind"]), row["said"]
        if channel is None or said is None or repeat_of(channel) is None or _is_over(said, now):
            with conn.transaction():
                conn.execute(Q["stop_repeating"], row)
            continue
        target = targets.get(row["target"])
        if target is not None and target.kind != row["kind"]:
            target = None
        try:
            address = target.address if target else resolve_address(row["kind"], Address.from_json(row["address"]), env)
            made = None if address is None else letter(Notice.from_json(said["notice"]), target, address, "", now)[0]
        except Exception:
            # What cannot be read any more is not said again, and keeps nothing else from being.
            log.exception("repeating_set_aside", target=row["target"])
            made = None
        if made is None:
            failed += 1
            continue
        outcome = send(client, channel, replace(made, handle=row["handle"]), reach).outcome
        repeated += 1
        failed += outcome.fate is not Fate.DELIVERED
    return Report(repeated, failed)


def _is_over(said: Mapping[str, Any], now: int) -> bool:
    if said["notice"].get("transition") != "resolved":
        return False
    return now - to_micros(datetime.fromisoformat(said["settled_at"])) > REPEAT_RESOLVED
