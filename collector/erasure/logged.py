"""The log without somebody: what his events and spans say, and what sources sent of him."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from psycopg.rows import dict_row

from collector.erasure.needed import reduced
from collector.erasure.subject import Subject
from collector.query.reader import Row
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.acts import ACT_SOURCE
from slo_rules.event import event_key

Q = load("erasure")
GONE = b'{"forgotten":true}'
BECAUSE = "what was sent is forgotten"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Waits(Exception):
    """What sources sent of somebody has not been mapped yet, so that it cannot be told what of it is needed."""


@dataclass(slots=True)
class Logged:
    """The events that are somebody's `own`, and those that only say his key, by number."""

    own: dict[int, Row] = field(default_factory=dict)
    others: dict[int, Row] = field(default_factory=dict)
    scanned_to: int = 0

    @property
    def traces(self) -> list[bytes]:
        """The traces of his own events."""
        return sorted({bytes(row["trace_id"]) for row in self.own.values() if row["trace_id"] is not None})


def find(conn: Connection, subject: Subject, instances: Collection[Any]) -> tuple[Logged, Subject]:
    """His events, by those of the instances that carry his key and by reading the whole log; and how they spell it."""
    found = Logged()
    return found, find_more(conn, subject, found, instances)


def find_more(conn: Connection, subject: Subject, found: Logged, instances: Collection[Any]) -> Subject:
    """Look on from where the log was read to; again as long as the key turns out to be spelled in other ways."""
    for row in _rows(conn, "linked_events", {"ids": list(instances)}):
        found.own[row["seq"]] = row
        found.others.pop(row["seq"], None)
        subject = subject.also(subject.carried_by(_document(row) or {}))
    names = {(row["source"], row["id"]) for row in found.own.values()}
    while True:
        head = conn.execute(Q["log_head"]).fetchone()
        asked = {
            "after": found.scanned_to,
            "ids": sorted({id_ for _, id_ in names}),
            "needles": subject.needles,
            "words": subject.words,
        }
        forms = subject.forms
        for row in _rows(conn, "mentioning_events", asked):
            carried = subject.carried_by(_document(row) or {})
            subject = subject.also(carried)
            if carried or (row["source"], row["id"]) in names:
                found.others.pop(row["seq"], None)
                found.own[row["seq"]] = row
            elif row["seq"] not in found.own and _says(row, subject):
                found.others[row["seq"]] = row
        if subject.forms == forms:
            found.scanned_to = head[0] if head else 0
            return subject


def change_events(
    conn: Connection, subject: Subject, found: Logged, paths: Iterable[str]
) -> tuple[dict[bytes, bytes], list[int]]:
    """Write the events as they are without him; the keys of those whose id has changed, and unreadable numbers."""
    keys: dict[bytes, bytes] = {}
    unreadable: list[int] = []
    needed = sorted(paths)
    rows = []
    for seq, row in sorted((found.own | found.others).items()):
        document = _document(row)
        if document is None:
            unreadable.append(seq)
        elif seq in found.own and row["source"] != ACT_SOURCE:
            document = reduced(document, needed)
        id_ = subject.text(row["id"])
        if id_ != row["id"]:
            keys[event_key(row["source"], row["id"])] = event_key(row["source"], id_)
        body = GONE if document is None else _encode(subject.document(document))
        said = None if row["subject"] is None else subject.text(row["subject"])
        rows.append({"seq": seq, "received_at": row["received_at"], "id": id_, "subject": said, "body": body})
    with conn.cursor() as cursor:
        cursor.executemany(Q["change_event"], rows)
    return keys, unreadable


def change_spans(conn: Connection, subject: Subject, traces: list[bytes]) -> int:
    """Write the spans as they are without him; of his own traces nothing that they say of themselves stays."""
    asked = {"traces": traces, "needles": subject.needles, "words": subject.words}
    rows = []
    for row in _rows(conn, "spans", asked):
        said = _decode(row["body"])
        if row["own"]:
            said = {"attributes": {}, "resource": said.get("resource", {})}
        rows.append({**row, "name": subject.text(row["name"]), "body": _encode(subject.json(said))})
    with conn.cursor() as cursor:
        cursor.executemany(Q["change_span"], rows)
    return len(rows)


def empty_requests(conn: Connection, subject: Subject) -> list[int]:
    """Empty what sources sent of him in forms of their own; the numbers of it. Raises Waits."""
    rows = list(_rows(conn, "requests", {"needles": subject.needles, "words": subject.words}))
    if any(row["waits"] for row in rows):
        raise Waits
    numbers = [row["number"] for row in rows]
    conn.execute(Q["empty_requests"], {"numbers": numbers})
    return numbers


def change_letters(conn: Connection, subject: Subject, found: Logged, requests: list[int], by: str) -> int:
    """Take what was sent out of the dead letters of it, and settle those that need it; how many there were."""
    asked = {"requests": requests, "seqs": sorted(found.own), "needles": subject.needles, "words": subject.words}
    rows = []
    for row in _rows(conn, "letters", asked):
        settles = row["open"] and row["seq"] is None
        because = row["settled_because"]
        rows.append(
            {
                "number": row["number"],
                "detail": subject.loose_text(row["detail"]),
                "event_id": None if row["event_id"] is None else subject.text(row["event_id"]),
                "body": GONE if row["whole"] else None,
                "because": BECAUSE if settles else None if because is None else subject.loose_text(because),
                "settles": settles,
                "by": by,
            }
        )
    with conn.cursor() as cursor:
        cursor.executemany(Q["change_letter"], rows)
    return len(rows)


def _says(row: Row, subject: Subject) -> bool:
    """Whether an event would be another without him: the value may be but a part of a longer word."""
    document = _document(row)
    changed = subject.text(row["id"]) != row["id"] or subject.text(row["subject"] or "") != (row["subject"] or "")
    return changed or document is None or subject.document(document) != document


def _document(row: Row) -> dict[str, Any] | None:
    try:
        found = _decode(row["body"])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _rows(conn: Connection, name: str, asked: Row) -> Iterable[Row]:
    cursor = conn.cursor(row_factory=dict_row)
    return cursor.execute(Q[name], asked).fetchall()
