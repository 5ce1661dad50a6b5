"""What does not join instances although the definitions say so: keys that would join too many, and rejected events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from collector.parsed import Packed, pack, unpack
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.identity import Key
from slo_rules.match import Match

Q = load("query")


@dataclass(slots=True)
class Unjoined:
    """By workflow, the keys that join none, and the keys of the events that count in no instance.

    It is false where there is none of either, as is usual.
    """

    hubs: dict[str, set[Key]] = field(default_factory=dict)
    rejected: dict[str, set[bytes]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.hubs or self.rejected)

    def fit(self, workflow: str, match: Match) -> Match | None:
        """What an event means when only what joins joins: a hub finds instances; None where it counts in none."""
        if match.key in self.rejected.get(workflow, ()):
            return None
        hubs = self.hubs.get(workflow)
        if not hubs or hubs.isdisjoint(match.joining):
            return match
        return msgspec.structs.replace(
            match,
            joining=[key for key in match.joining if key not in hubs],
            searching=[*match.searching, *(key for key in match.joining if key in hubs)],
        )

    def fit_packed(self, workflow: str, joining: list[Key], packed: Packed) -> tuple[list[Key], Packed] | None:
        """The same of what an event says in its packed form, with its joining keys; unpacked only where it must be."""
        if not self.rejected.get(workflow) and self.of(workflow).isdisjoint(joining):
            return joining, packed
        told = unpack(packed)
        match = self.fit(workflow, told.match)
        return None if match is None else (match.joining, pack(msgspec.structs.replace(told, match=match)))

    def of(self, workflow: str) -> set[Key] | frozenset[Key]:
        """The keys of a workflow that join none."""
        return self.hubs.get(workflow, frozenset())

    def add_hubs(self, workflow: str, keys: Iterable[Key]) -> None:
        """From now on these join none."""
        self.hubs.setdefault(workflow, set()).update(keys)

    def reject(self, workflow: str, event_key: bytes) -> None:
        """From now on this event counts in none."""
        self.rejected.setdefault(workflow, set()).add(event_key)

    def accept(self, workflow: str, event_key: bytes) -> None:
        """It counts again."""
        self.rejected.get(workflow, set()).discard(event_key)


def load_unjoined(conn: Connection) -> Unjoined:
    """What is known of it, in the caller's transaction."""
    return unjoined_of(conn.execute(Q["unjoined"], {"known_at": None}).fetchall())


def unjoined_of(rows: Iterable[tuple[str, Key | None, UUID | None]]) -> Unjoined:
    """Of rows of the query `unjoined`."""
    found = Unjoined()
    for workflow, key, event_key in rows:
        if key is not None:
            found.add_hubs(workflow, [key])
        if event_key is not None:
            found.reject(workflow, event_key.bytes)
    return found
