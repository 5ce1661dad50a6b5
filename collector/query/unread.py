"""Instances of which what is stored cannot be read, as answers tell of them: that it is so, what is known, what to do.

Nothing is guessed. Verdict, deadlines and worth stand in columns of their own and are told as they were judged last.
The rest is what the events in the log make, where these are all there, and else left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from uuid import UUID

import msgspec

from collector.query.reader import Reader, Row
from collector.replay import Logged, Part, replay_under
from collector.stored_progress import readable, readable_document
from collector.unjoined import Unjoined
from slo_rules.event import Event
from slo_rules.identity import Key, split_key
from slo_rules.instants import to_micros
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.workflow import Workflow

EXPLANATION = "What is stored of it cannot be read. It stands here as it was judged last."
WHY = "What is stored of it is damaged, or a later release wrote it."
LOOK = "milepost rebuild makes it anew where the log still has all of its events; its own page says whether it has."
MADE_ANEW = (
    "The log has all of its events, of which it is made anew as soon as it is heard of again or falls due; milepost "
    "rebuild does so at once, of all instances."
)
LOST = (
    "Some of its events are no longer in the log or cannot be read either, so that it cannot be made anew. What comes "
    "for it becomes a dead letter, to be replayed once it can be read again: by the release that wrote it, or out of a "
    "backup. milepost rebuild --from-what-is-left makes all instances anew of what the log has, and loses the rest."
)
_encode = msgspec.msgpack.Encoder().encode


def told(what_to_do: str) -> Row:
    """What is said of such an instance as `unreadable`."""
    return {"why": WHY, "what_to_do": what_to_do}


def logged_of(event: Row) -> Logged | None:
    """A row of the log with its `event_key`; None where what it says cannot be read."""
    document = readable_document(event["body"])
    if document is None:
        return None
    times = to_micros(event["occurred_at"]), to_micros(event["received_at"])
    key = event["event_key"].bytes
    return Logged(event["seq"], Event(event["source"], event["type"], *times, key, document, event["trace_id"]))


@dataclass(frozen=True, slots=True)
class Known:
    """An instance as it can be told: its row, what is said of it as `unreadable`, and its keys where the row has none.

    `keys` are with whether each joins.
    """

    row: Row
    unreadable: Row | None = None
    keys: Sequence[tuple[Key, bool]] = ()

    def words(self) -> list[Key]:
        """All of its keys."""
        progress = readable(self.row["progress"])
        return sorted(progress.keys) if progress is not None else [key for key, _ in self.keys]


async def known_of(
    reader: Reader, row: Row, workflow: Workflow, unjoined: Unjoined, events: Sequence[Row], *, gone: int
) -> Known:
    """What is known of an instance; `events` are those that the log has, and `gone` says how many it has no longer."""
    if readable(row["progress"], row["id"]) is not None:
        return Known(row)
    logged = [one for event in sorted(events, key=lambda event: event["seq"]) if (one := logged_of(event))]
    parts = replay_under(Matcher([workflow]), workflow.name, logged, unjoined)
    if parts and not gone and len(logged) == len(events):
        # What joined them may lie before the version that decides now; that they are one is on record.
        anew = reduce(join, (part.progress for part in parts))
        return Known({**row, "progress": _encode(anew)}, told(MADE_ANEW))
    return Known(row, told(LOST), await _stored_keys(reader, row, parts))


async def keys_of(reader: Reader, rows: Sequence[Row]) -> dict[UUID, list[Key]]:
    """The keys of these instances, none of which can be read, as far as their titles tell."""
    return {row["id"]: [key for key, _ in await _stored_keys(reader, row, ())] for row in rows}


async def _stored_keys(reader: Reader, row: Row, parts: Collection[Part]) -> list[tuple[Key, bool]]:
    """Keys are found by their values alone: those of its title, and of what is left of its events."""
    values = {split_key(key)[1] for part in parts for key in part.progress.keys} | {row["title"]}
    rows = await reader.all("keys_among", {"id": row["id"], "values": sorted(values)})
    return [(f"{one['namespace']}={one['value']}", one["joins"]) for one in rows]
