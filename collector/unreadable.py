"""Instances whose stored progress cannot be read: made anew from their events, or set aside, in nobody's way.

A disk that lied, a hand that slipped, or a later release that wrote what this one does not know: whatever it was, the
log is the truth, and progress is what its events come to. Only where the log no longer has all of them is such an
instance left as it is; what comes for it becomes a dead letter, to be replayed once it can be read again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from uuid import UUID

import msgspec
import structlog

from collector.catalogue import Catalogue
from collector.replay import replay_under
from collector.separation import history_of
from collector.store.database import Connection
from collector.store.sql import load
from collector.stored_progress import readable
from collector.unjoined import Unjoined, load_unjoined
from slo_rules.identity import Key
from slo_rules.joining import join
from slo_rules.matching import Matcher, WorkflowMatcher
from slo_rules.progress import Progress

log = structlog.get_logger("milepost.projector")

Q = load("unreadable")
REASON = "the instance that it means cannot be read, and the log no longer has all events to make it anew"
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Unreadable(Exception):
    """These instances were to be judged, and what is stored of them cannot be read."""

    def __init__(self, ids: list[bytes]) -> None:
        super().__init__(f"{len(ids)} instances cannot be read")
        self.ids = ids


@dataclass(slots=True)
class Aside:
    """What a process knows cannot be read nor made anew: the instances, and by which keys they are meant."""

    ids: set[bytes] = field(default_factory=set)
    keys: set[tuple[str, Key]] = field(default_factory=set)

    def means(self, workflow: str, joining: list[Key]) -> bool:
        """Whether an event with these joining keys means one of them."""
        return bool(self.keys) and any((workflow, key) in self.keys for key in joining)


def mend(conn: Connection, catalogue: Catalogue, ids: list[bytes], aside: Aside) -> None:
    """Make these instances anew from their events, in a transaction; those of which that is impossible go `aside`."""
    with conn.transaction():
        unjoined = load_unjoined(conn)
        lost = []
        for id_, workflow, version, damaged in conn.execute(Q["damaged"], {"ids": _uuids(ids)}).fetchall():
            if readable(damaged) is not None:
                continue
            progress = _made_anew(conn, catalogue.matcher_of(workflow, version), id_, unjoined)
            if progress is None:
                lost.append(id_)
                log.error("instance_set_aside", id=str(id_), reason="the log no longer has all its events")
            else:
                conn.execute(Q["mend"], {"id": id_, "progress": _encode(progress)})
                log.warning("instance_made_anew", id=str(id_), reason="what was stored of it could not be read")
        _set_aside(conn, lost, aside)


def look_again(conn: Connection, aside: Aside) -> None:
    """Those that can be read by now, or are no more, are not aside any more; in the caller's transaction."""
    if not aside.ids:
        return
    rows = conn.execute(Q["damaged"], {"ids": _uuids(list(aside.ids))}).fetchall()
    aside.ids.clear()
    aside.keys.clear()
    _set_aside(conn, [id_ for id_, _, _, packed in rows if readable(packed) is None], aside)


def _set_aside(conn: Connection, lost: list[UUID], aside: Aside) -> None:
    if lost:
        aside.ids.update(id_.bytes for id_ in lost)
        found = conn.execute(Q["joining_keys"], {"ids": lost}).fetchall()
        aside.keys.update((workflow, f"{namespace}={value}") for workflow, namespace, value in found)


def _made_anew(conn: Connection, matcher: WorkflowMatcher, id_: UUID, unjoined: Unjoined) -> Progress | None:
    workflow = matcher.workflow
    parts = replay_under(Matcher([workflow]), workflow.name, history_of(conn, id_.bytes), unjoined)
    # What joined them may lie before the version that decides now; that they are one is on record.
    return reduce(join, (part.progress for part in parts)) if parts else None


def _uuids(ids: list[bytes]) -> list[UUID]:
    return [UUID(bytes=id_) for id_ in ids]
