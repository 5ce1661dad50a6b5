"""One batch of the projection: what is collected while it is applied, and the transaction that writes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from collector.changes import Changes, Prepared, Q
from collector.instances import Held
from collector.log import LetterReason
from collector.parsed import Parsed, Told
from collector.store.database import Connection
from slo_rules.acts import JoinWord, Move
from slo_rules.instants import to_datetime
from slo_rules.match import Match

BATCH = 40_000
"""Large where there is a backlog: an instance that several events of a batch concern is written once."""


@dataclass(slots=True)
class Batch:
    """What is applied and not yet handed over: `count` events after number `after`, up to `seq`.

    `duplicates` are the numbers of events known to have been linked before, with their sources. `forgotten` is how
    often instances had been deleted (collector/retention) when the projector began to remember any.
    """

    after: int
    changes: Changes
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    duplicates: dict[int, str] = field(default_factory=dict)
    crowded: list[Held] = field(default_factory=list)
    """Instances that have become so large that a key may hold together too many."""
    words: list[tuple[Held, JoinWord | Move]] = field(default_factory=list)
    """What people say of these instances that is more than a part of their progress."""
    forgotten: int = 0
    count: int = 0
    seq: int = -1
    received_at: int = 0


@dataclass(frozen=True, slots=True)
class Writing:
    """What one transaction does: move the position from where the batch begins to its end, with all that follows."""

    batch: Batch
    prepared: Prepared
    sources: list[dict[str, Any]]
    types: list[dict[str, Any]]


class Moved(Exception):
    """Somebody else has moved the position, or deleted instances that may be in memory.

    A rebuild has begun, another projector has taken over, or what finished long ago has been dropped.
    """


def commit(conn: Connection, writing: Writing) -> Writing:
    """Write a batch in one transaction. Raises Moved when that is not where the batch begins, or instances are gone."""
    batch = writing.batch
    with conn.transaction():
        row = conn.execute(Q["position"]).fetchone()
        if row is None or row[0] != batch.after:
            raise Moved(f"at {row and row[0]} instead of {batch.after}")
        if row[2] != batch.forgotten:
            raise Moved("instances that finished long ago have been deleted")
        batch.duplicates.update(writing.prepared.write(conn))
        for letter in batch.dead_letters:
            conn.execute(Q["dead_letter"], letter)
        duplicates = Counter(batch.duplicates.values())
        advance(conn, writing.sources, writing.types, duplicates, batch.seq, batch.received_at)
    return writing


def advance(
    conn: Connection,
    sources: list[dict[str, Any]],
    types: list[dict[str, Any]],
    duplicates: Counter[str],
    seq: int,
    received_at: int,
) -> None:
    """Move the position to an event with all that was heard up to there, in the caller's transaction.

    `sources` and `types` are of `Arrivals.take`, and `duplicates` are counted by source.
    """
    for source in sources:
        conn.execute(Q["add_to_source"], source | {"duplicates": duplicates[source["source"]]})
    for type_ in types:
        conn.execute(Q["add_to_type"], type_)
    conn.execute(Q["advance"], {"seq": seq, "received_at": to_datetime(received_at)})


def set_aside(event: Parsed | Told, workflow: str, detail: str) -> dict[str, Any]:
    """The dead letter of an event that could not be applied."""
    return _letter(event, LetterReason.CANNOT_BE_APPLIED, workflow, detail)


def no_key(parsed: Parsed, workflow: str, match: Match, joining: list[str]) -> dict[str, Any]:
    """The dead letter of an event that says something of an instance without saying of which."""
    meant = ", ".join(match.milestones) or ("a failure" if match.more.fails else "a cancellation")
    detail = f"it means {meant} of {workflow}, but carries no usable value of any key: {', '.join(joining)}"
    return _letter(parsed, LetterReason.NO_USABLE_KEY, workflow, detail)


def of_nothing(parsed: Parsed, workflow: str) -> dict[str, Any]:
    """The dead letter of an act that speaks of no instance."""
    detail = f"no instance of {workflow} has the key that it names"
    return _letter(parsed, LetterReason.NO_SUCH_INSTANCE, workflow, detail)


def _letter(event: Parsed | Told, reason: LetterReason, workflow: str, detail: str) -> dict[str, Any]:
    received_at = to_datetime(event.received_at)
    return {"seq": event.seq, "received_at": received_at, "reason": reason, "workflow": workflow, "detail": detail}
