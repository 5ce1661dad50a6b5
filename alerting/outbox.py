"""The sender: takes due messages out of the outbox, sends them, records how it went.

1. A message is leased and its attempt counted, and that is committed.
2. It is sent, outside of any transaction.
3. The outcome is recorded, unless the lease ran out and another process took the message over.

A process that dies between 2 and 3 leaves the lease to run out; the message is then sent again under the same id.
Within one (incident, target) messages go strictly in order, so a resolve never overtakes its firing.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from alerting.address import Address
from alerting.channels import slack, webhook
from alerting.channels.answer import Fate, Outcome
from alerting.channels.transport import post
from alerting.message import Notice, fallback
from alerting.route import Route, targets_by_name
from alerting.targets import Target, resolve_address
from collector.store.sql import load
from slo_rules.durations import DAY, MINUTE, SECOND
from slo_rules.instants import to_datetime, to_micros

Q = load("outbox", package="alerting")

_CHANNELS = {"webhook": webhook, "slack": slack}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the sender waits, and for how long it tries; durations in micros."""

    first_retry: int = 5 * SECOND
    longest_retry: int = 15 * MINUTE
    jitter: float = 0.2
    # Longer than the longest attempt, so that a lease runs out only when its process died.
    lease: int = 2 * MINUTE
    # After a failed attempt the other messages to the same target wait this long, unless Retry-After says longer.
    breather: int = 15 * SECOND
    give_up: int = 7 * DAY
    batch: int = 100
    # One run ends after this long, so that its scheduler gets to speak.
    run: int = MINUTE


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did. `outcomes` counts (kind of target, reason); `disabled` names targets that want no more."""

    delivered: int = 0
    retried: int = 0
    dead: int = 0
    dropped: int = 0
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Message:
    id: int
    message_id: str
    incident_id: UUID
    target: str
    kind: str
    transition: str
    notice: Mapping[str, Any]
    attempts: int
    created_at: int
    address: Address
    disabled_digest: str | None


def backoff(attempts: int, patience: Patience, chance: float) -> int:
    """Micros until the next attempt after `attempts` of them; `chance` in [0, 1) spreads it by ± jitter."""
    wait = min(patience.first_retry * 2.0 ** min(attempts - 1, 30), patience.longest_retry)
    return round(wait * (1 + patience.jitter * (2 * chance - 1)))


def run_once(
    conn: psycopg.Connection[Any],
    now: int,
    client: httpx.Client,
    routes: Sequence[Route],
    env: Mapping[str, str],
    *,
    patience: Patience = PATIENCE,
    chance: random.Random | None = None,
) -> Report:
    """Send what is due at `now` (micros, UTC).

    A target is looked up by its name in `routes`; one that vanished from them is reached at the address stored when it
    was told, with `${NAME}` references read from `env`. `conn` must not be in a transaction (ValueError).
    """
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        raise ValueError("the outbox commits before it sends; give it a connection outside of a transaction")
    chance = chance or random.Random()  # noqa: S311 — it spreads retries, it guards nothing
    targets = targets_by_name(routes)
    counts: Counter[str] = Counter()
    outcomes: Counter[tuple[str, str]] = Counter()
    disabled: list[str] = []
    started = time.monotonic()
    at = now
    counts["dropped"] = _drop(conn, at)
    for _ in range(patience.batch):
        message = _lease(conn, at, patience)
        if message is None:
            break
        address = _address(message, targets, env)
        outcome = _send(client, message, address, at)
        # A run may take longer than a lease: what it decides by the clock follows the time that passed since `now`.
        at = now + round((time.monotonic() - started) * SECOND)
        counts[_record(conn, message, outcome, at, patience, chance.random())] += 1
        outcomes[message.kind, outcome.reason] += 1
        if outcome.disables and address is not None:
            _disable(conn, message, address, outcome, at)
            disabled.append(message.target)
        if outcome.fate is Fate.FAILED:
            counts["dropped"] += _drop(conn, at)
        if at - now >= patience.run:
            break
    return Report(
        counts["delivered"], counts["retried"], counts["dead"], counts["dropped"], dict(outcomes), tuple(disabled)
    )


def _drop(conn: psycopg.Connection[Any], now: int) -> int:
    dropped = 0
    with conn.transaction(), conn.cursor() as cursor:
        for name in ("drop_unsent", "drop_superseded", "drop_unheard"):
            cursor.execute(Q[name], {"now": to_datetime(now)})
            dropped += int(cursor.rowcount)
    return dropped


def _lease(conn: psycopg.Connection[Any], now: int, patience: Patience) -> _Message | None:
    parameters = {"now": to_datetime(now), "lease_until": to_datetime(now + patience.lease)}
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(Q["lease"], parameters).fetchone()
    if row is None:
        return None
    row["created_at"] = to_micros(row["created_at"])
    row["address"] = Address.from_json(row["address"])
    return _Message(**row)


def _address(message: _Message, targets: Mapping[str, Target], env: Mapping[str, str]) -> Address | None:
    target = targets.get(message.target)
    if target is not None and target.kind == message.kind:
        return target.address
    return resolve_address(message.kind, message.address, env)


def _send(client: httpx.Client, message: _Message, address: Address | None, at: int) -> Outcome:
    if address is None:
        return Outcome(Fate.RETRY, "no_address", error="a variable the address refers to is not set")
    if message.disabled_digest == address.digest:
        return Outcome(Fate.FAILED, "target_disabled")
    channel = _CHANNELS.get(message.kind)
    if channel is None:
        return Outcome(Fate.FAILED, "unknown_channel")
    try:
        try:
            request = channel.request(Notice.from_json(message.notice), address, message.message_id, at)
        except Exception:  # noqa: BLE001
            # Whatever is wrong with the rendering, people are told that something happened.
            request = channel.request(fallback(message.notice), address, message.message_id, at)
        return post(client, request, channel.judge, at)
    except Exception as error:  # noqa: BLE001
        # A fault of ours must not hold up the messages behind this one; its text could quote the address.
        return Outcome(Fate.RETRY, "internal", error=type(error).__name__, uncertain=True)


def _record(
    conn: psycopg.Connection[Any], message: _Message, outcome: Outcome, now: int, patience: Patience, chance: float
) -> str:
    parameters: dict[str, Any] = {
        "id": message.id,
        "attempts": message.attempts,
        "status": outcome.status,
        "error": outcome.error,
        "uncertain": outcome.uncertain,
        "now": to_datetime(now),
    }
    gave_up = outcome.fate is Fate.RETRY and now - message.created_at >= patience.give_up
    with conn.transaction():
        if outcome.fate is Fate.RETRY and not gave_up:
            wait = max(backoff(message.attempts, patience, chance), outcome.retry_after or 0)
            conn.execute(Q["retry"], {**parameters, "next_attempt_at": to_datetime(now + wait)})
            # Without an address nothing was sent, so nothing is known about the target.
            if outcome.reason != "no_address":
                pause = now + max(outcome.retry_after or 0, patience.breather)
                conn.execute(Q["pause_target"], {"target": message.target, "paused_until": to_datetime(pause)})
            return "retried"
        state = "delivered" if outcome.fate is Fate.DELIVERED else "dead"
        reason = "gave_up" if gave_up else outcome.reason
        conn.execute(Q["settle"], {**parameters, "state": state, "outcome": reason})
        return state


def _disable(conn: psycopg.Connection[Any], message: _Message, address: Address, outcome: Outcome, now: int) -> None:
    parameters = {
        "target": message.target,
        "digest": address.digest,
        "now": to_datetime(now),
        "because": outcome.error or outcome.reason,
    }
    with conn.transaction():
        conn.execute(Q["disable_target"], parameters)
