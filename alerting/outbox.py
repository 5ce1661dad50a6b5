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
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import structlog
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerting import undelivered
from alerting.address import Address
from alerting.channels.answer import Fate, Outcome
from alerting.channels.letter import Channel
from alerting.channels.reach import PUBLIC_ONLY, Reach
from alerting.channels.registry import CHANNELS
from alerting.channels.scrub import scrub
from alerting.channels.transport import Sent, send
from alerting.message import Notice, fallback
from alerting.rendering import letter
from alerting.route import Route, targets_by_name
from alerting.targets import Rate, Target, resolve_address, written_address
from collector.store.sql import load
from slo_rules.durations import DAY, MINUTE, SECOND
from slo_rules.instants import to_datetime, to_micros

log = structlog.get_logger("milepost.alerting")

Q = load("outbox", package="alerting")

SENT_LIMIT, ANSWER_LIMIT = 8_000, 1_000
"""Characters that are kept of what went out and of what came back."""


_TOLD_AT = "told_at"
"""In a handle, the digest of the address that heard the first message."""


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
    """What one run did. `outcomes` counts (kind of target, reason).

    `disabled` names targets that want no more; `faulty` says what is wrong with the templates of a target.
    """

    delivered: int = 0
    retried: int = 0
    dead: int = 0
    dropped: int = 0
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()
    faulty: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Message:
    id: int
    message_id: str
    incident_id: UUID | None
    target: str
    kind: str
    transition: str
    notice: Mapping[str, Any]
    attempts: int
    created_at: int
    address: Address | None
    handle: Mapping[str, str]
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
    reach: Reach = PUBLIC_ONLY,
    patience: Patience = PATIENCE,
    chance: random.Random | None = None,
) -> Report:
    """Send what is due at `now` (micros, UTC). Several may run at once.

    A target is looked up by its name in `routes`; one that vanished from them is reached at the address stored when it
    was told, with `${NAME}` references read from `env`. `client` guards what goes by HTTP, `reach` what does not.
    `conn` must not be in a transaction (ValueError).
    """
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        raise ValueError("the outbox commits before it sends; give it a connection outside of a transaction")
    chance = chance or random.Random()  # noqa: S311 — it spreads retries, it guards nothing
    targets = targets_by_name(routes)
    counts: Counter[str] = Counter()
    outcomes: Counter[tuple[str, str]] = Counter()
    disabled: list[str] = []
    faulty: dict[str, str] = {}
    started = time.monotonic()
    at = now
    counts["dropped"] = _drop(conn, at)
    for _ in range(patience.batch):
        message = _lease(conn, at, patience, targets)
        if message is None:
            break
        address = _address(message, targets, env)
        sent, remark = _send(client, message, targets.get(message.target), address, at, reach)
        if remark:
            faulty[message.target] = remark
        # A run may take longer than a lease: what it decides by the clock follows the time that passed since `now`.
        at = now + round((time.monotonic() - started) * SECOND)
        outcome = sent.outcome
        attempt = _Attempt(message, sent, address, remark)
        counts[_record(conn, attempt, at, patience, chance.random(), targets)] += 1
        outcomes[message.kind, outcome.reason] += 1
        if outcome.disables and address is not None:
            disabled.append(message.target)
        if outcome.fate is Fate.FAILED:
            counts["dropped"] += _drop(conn, at)
        if at - now >= patience.run:
            break
    counted = (counts["delivered"], counts["retried"], counts["dead"], counts["dropped"])
    return Report(*counted, dict(outcomes), tuple(disabled), faulty)


@dataclass(frozen=True, slots=True)
class _Attempt:
    message: _Message
    sent: Sent
    address: Address | None
    remark: str


def _drop(conn: psycopg.Connection[Any], now: int) -> int:
    dropped = 0
    with conn.transaction(), conn.cursor() as cursor:
        for name in ("drop_unsent", "drop_superseded", "drop_unheard"):
            cursor.execute(Q[name], {"now": to_datetime(now)})
            dropped += int(cursor.rowcount)
    return dropped


def _lease(
    conn: psycopg.Connection[Any], now: int, patience: Patience, targets: Mapping[str, Target]
) -> _Message | None:
    """The next message whose target has room for it."""
    parameters = {"now": to_datetime(now), "lease_until": to_datetime(now + patience.lease)}
    row: dict[str, Any] | None = None
    for _ in range(patience.batch):
        granted = False
        with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(Q["lease"], parameters).fetchone()
            granted = row is None or _takes_slot(cursor, row, targets, now)
            if not granted:
                raise psycopg.Rollback
        if granted:
            break
        if row is not None:
            rate = _pace(row, targets)
            with conn.transaction():
                conn.execute(Q["wait_for_slot"], {"target": row["target"], "ahead": _ahead(rate)})
    else:
        return None
    if row is None:
        return None
    row["created_at"] = to_micros(row["created_at"])
    return _Message(**row | _readable(row))


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a message what may be unreadable, as far as it can be read: one that is damaged holds up no other.

    Without an address it goes where its target is now; without a handle it begins a new thread; without a notice it
    says what happened, and no more.
    """
    found: dict[str, Any] = {"address": None, "handle": row["handle"], "notice": row["notice"]}
    try:
        found["address"] = Address.from_json(row["address"])
    except ValueError:
        log.error("address_set_aside", message=row["message_id"], target=row["target"])  # noqa: TRY400 — a traceback says nothing more
    if not isinstance(row["handle"], dict) or not all(isinstance(one, str) for one in row["handle"].values()):
        log.error("handle_set_aside", message=row["message_id"], target=row["target"])
        found["handle"] = {}
    if not isinstance(row["notice"], dict):
        log.error("notice_set_aside", message=row["message_id"], target=row["target"])
        found["notice"] = {"transition": row["transition"]}
    return found


def _takes_slot(cursor: psycopg.Cursor[Any], row: Mapping[str, Any], targets: Mapping[str, Target], now: int) -> bool:
    rate = _pace(row, targets)
    if rate is None:
        return True
    each = timedelta(microseconds=rate.period / rate.count)
    slot = {"target": row["target"], "now": to_datetime(now), "each": each, "ahead": _ahead(rate)}
    return cursor.execute(Q["take_slot"], slot).fetchone() is not None


def _pace(row: Mapping[str, Any], targets: Mapping[str, Target]) -> Rate | None:
    target, channel = targets.get(row["target"]), CHANNELS.get(row["kind"])
    return (target.at_most if target else None) or (channel.PACE if channel else None)


def _ahead(rate: Rate | None) -> timedelta:
    return timedelta() if rate is None else timedelta(microseconds=rate.period - rate.period / rate.count)


def _address(message: _Message, targets: Mapping[str, Target], env: Mapping[str, str]) -> Address | None:
    """Where the target is now; or where it was told, if what was told lives there and that can still be reached."""
    target, channel = targets.get(message.target), CHANNELS.get(message.kind)
    stored = None if message.address is None else resolve_address(message.kind, message.address, env)
    if target is None or target.kind != message.kind:
        return stored
    told_there = stored is not None and stored.digest == message.handle.get(_TOLD_AT)
    return stored if told_there and channel is not None and channel.STAYS else target.address


def _send(
    client: httpx.Client, message: _Message, target: Target | None, address: Address | None, at: int, reach: Reach
) -> tuple[Sent, str]:
    """How it went, and what is wrong with the target's templates."""

    def ended(outcome: Outcome) -> tuple[Sent, str]:
        return Sent(outcome, message.handle), ""

    if address is None and message.address is None:
        return ended(Outcome(Fate.FAILED, "unreadable", error="where it should go cannot be read any more"))
    if address is None:
        return ended(Outcome(Fate.RETRY, "no_address", error="a variable the address refers to is not set"))
    if message.disabled_digest == address.digest:
        return ended(Outcome(Fate.FAILED, "target_disabled"))
    channel = CHANNELS.get(message.kind)
    if channel is None:
        return ended(Outcome(Fate.FAILED, "unknown_channel"))
    if target is not None and target.kind != message.kind:
        target = None
    try:
        try:
            made, remark = letter(Notice.from_json(message.notice), target, address, message.message_id, at)
            made = replace(made, handle=message.handle)
            channel.request(made)
        except Exception:  # noqa: BLE001
            # Whatever is wrong with the rendering, people are told that something happened.
            made, remark = letter(fallback(message.notice), None, address, message.message_id, at)
            made = replace(made, handle=message.handle)
        return send(client, channel, made, reach), remark
    except Exception as error:  # noqa: BLE001
        # A fault of ours must not hold up the messages behind this one; its text could quote the address.
        return ended(Outcome(Fate.RETRY, "internal", error=type(error).__name__, uncertain=True))


def _record(
    conn: psycopg.Connection[Any],
    attempt: _Attempt,
    now: int,
    patience: Patience,
    chance: float,
    targets: Mapping[str, Target],
) -> str:
    """Write down how an attempt ended, all of it or nothing; nothing where another process took the message over."""
    message, outcome, address = attempt.message, attempt.sent.outcome, attempt.address
    gave_up = outcome.fate is Fate.RETRY and now - message.created_at >= patience.give_up
    again = outcome.fate is Fate.RETRY and not gave_up
    state = "retried" if again else "delivered" if outcome.fate is Fate.DELIVERED else "dead"
    wait = max(backoff(message.attempts, patience, chance), outcome.retry_after or 0)
    parameters: dict[str, Any] = {
        "id": message.id,
        "incident_id": message.incident_id,
        "target": message.target,
        "attempts": message.attempts,
        "status": outcome.status,
        "error": scrub(outcome.error, address),
        "uncertain": outcome.uncertain,
        "now": to_datetime(now),
        "next_attempt_at": to_datetime(now + wait),
        "state": state,
        "fate": outcome.fate.value,
        "outcome": "gave_up" if gave_up else outcome.reason,
        "sent": (scrub(attempt.sent.request.decode("utf-8", "replace"), address) or "")[:SENT_LIMIT],
        "answer": (scrub(attempt.sent.answer.decode("utf-8", "replace"), address) or "")[:ANSWER_LIMIT],
        "remark": attempt.remark or None,
        "handle": Jsonb(_with_place(attempt)),
        "repeat_at": None if (every := repeat_of(CHANNELS.get(message.kind))) is None else to_datetime(now + every),
    }
    with conn.transaction():
        if conn.execute(Q["retry" if again else "settle"], parameters).rowcount == 0:
            return state
        conn.execute(Q["add_delivery"], parameters)
        if message.incident_id is not None:
            if state != "delivered":
                parameters["repeat_at"] = None
            conn.execute(Q["remember"], parameters)
        # Without an address nothing was sent, so nothing is known about the target.
        if again and outcome.reason != "no_address":
            pause = now + max(outcome.retry_after or 0, patience.breather)
            conn.execute(Q["pause_target"], {"target": message.target, "paused_until": to_datetime(pause)})
        if outcome.disables and address is not None:
            because = parameters["error"] or outcome.reason
            disabled = {"target": message.target, "digest": address.digest, "because": because}
            conn.execute(Q["disable_target"], parameters | disabled)
        if state == "dead" and outcome.reason != "target_disabled":
            _tell_another(conn, attempt, now, parameters, targets)
    return state


def _with_place(attempt: _Attempt) -> dict[str, str]:
    """What is remembered, and where it was told."""
    handle = dict(attempt.sent.handle)
    if attempt.sent.outcome.fate is Fate.DELIVERED and attempt.address is not None:
        handle.setdefault(_TOLD_AT, attempt.address.digest)
    return handle


def _tell_another(
    conn: psycopg.Connection[Any],
    attempt: _Attempt,
    now: int,
    parameters: Mapping[str, Any],
    targets: Mapping[str, Target],
) -> None:
    """Tell the owner of a target through another one that it does not hear what it should."""
    message = attempt.message
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(Q["disabled_targets"]).fetchall()
    other = undelivered.another(message.target, targets, {(row["target"], row["address_digest"]) for row in rows})
    if other is None:
        return
    why = (str(parameters["outcome"]), parameters["status"], parameters["error"])
    disables = attempt.sent.outcome.disables
    said = undelivered.note(message.target, message.transition, message.notice, now, why, disables=disables)
    conn.execute(
        Q["add_note"],
        {
            "message_id": undelivered.note_id(message.target, other.name, now),
            "target": other.name,
            "kind": other.kind,
            "reason": "undelivered",
            "notice": Jsonb(said.to_json()),
            "address": Jsonb(written_address(other).to_json()),
            "now": to_datetime(now),
        },
    )


def repeat_of(channel: Channel | None) -> int | None:
    """How often what was said is said again (micros), where a channel forgets."""
    found: int | None = getattr(channel, "REPEAT", None)
    return found
