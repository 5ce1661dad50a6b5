"""What is derived of the log, changed to what a rebuild would make of it after somebody was forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from psycopg.rows import dict_row

from collector.catalogue import Catalogue
from collector.changes import title_of, words_of
from collector.erasure.known import renamed_id, without_subject
from collector.erasure.needed import attributes_needed
from collector.erasure.subject import Subject
from collector.query.reader import Row
from collector.replay import Logged, replay_under
from collector.store.database import Connection
from collector.store.sql import load
from collector.stored_progress import readable, readable_document
from collector.unjoined import Unjoined, load_unjoined
from slo_rules.event import Event, event_key
from slo_rules.identity import Key, split_key
from slo_rules.instants import to_micros
from slo_rules.matching import Matcher
from slo_rules.objective import values_of
from slo_rules.progress import Progress
from slo_rules.workflow import Workflow

Q = load("erasure")
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def change_instances(
    conn: Connection, catalogue: Catalogue, subject: Subject, own: Collection[UUID], others: Collection[UUID],
    event_keys: Mapping[bytes, bytes],
) -> dict[UUID, UUID]:  # fmt: skip
    """Change these instances with their keys and links; the ids that have changed, with those they are known by now."""
    ids: dict[UUID, UUID] = {}
    stored: set[str] = set()
    cursor = conn.cursor(row_factory=dict_row)
    rows = cursor.execute(Q["instances"], {"ids": [*own, *others]}).fetchall()
    conn.execute(Q["rename_links"], _pairs(event_keys) | {"ids": [row["id"] for row in rows]})
    conn.execute(Q["rename_merging_events"], _pairs(event_keys))
    conn.execute(Q["rename_rejected_events"], _pairs(event_keys))
    histories = _histories(conn, [row["id"] for row in rows])
    unjoined = load_unjoined(conn)
    for row in rows:
        workflow = catalogue.versions[row["workflow"], row["workflow_version"]].workflow
        before = readable(row["progress"], row["id"])
        carried = _carried(conn, row["id"], subject) if before is None else list(before.keys)
        after = _derived(workflow, histories.get(row["id"]), unjoined)
        if after is None and before is not None:
            # The log no longer has all of its events: what is known is all there is.
            kept = attributes_needed(workflow, catalogue.objectives.get(workflow.name, ()))
            after = without_subject(before, workflow, subject, event_keys, kept if row["id"] in own else None)
        known_by = conn.execute(Q["ids_of_instances"], {"ids": [row["id"]]}).fetchall()
        for (former,) in known_by:
            new = UUID(bytes=renamed_id(former.bytes, workflow.name, carried, subject))
            if new != former:
                ids[former] = new
        id_ = ids.get(row["id"]) or row["id"]
        if after is None:
            # What cannot be read may say anything of him, and nothing of it can be told from the rest.
            title = split_key(subject.key(_titled(row["title"], carried)))[1]
            words, packed = words_of(title, {}, ()), b""
            stored.add(title)
        else:
            title = title_of(id_.bytes, after, workflow)
            words, packed = words_of(title, after.attributes, workflow.attribute_names), _encode(after)
            stored |= {split_key(key)[1] for key in after.keys}
        changed = {"id": row["id"], "new": id_, "title": title, "words": words, "progress": packed}
        conn.execute(Q["change_instance"], changed)
        stored |= {split_key(subject.key(key))[1] for key in carried}
        _change_keys(conn, row["id"], carried, subject)
    if ids:
        renamed = {"old": list(ids), "new": list(ids.values()), "values": sorted(stored)}
        conn.execute(Q["rename_ids"], renamed)
    return ids


def _histories(conn: Connection, ids: list[UUID]) -> dict[UUID, list[Logged]]:
    """The events of each of these instances of which the log has all."""
    found: dict[UUID, list[Logged]] = {}
    gone: set[UUID] = set()
    for row in conn.cursor(row_factory=dict_row).execute(Q["histories"], {"ids": ids}).fetchall():
        if row["source"] is None:
            gone.add(row["instance_id"])
            continue
        key, times = event_key(row["source"], row["id"]), (to_micros(row["occurred_at"]), to_micros(row["received_at"]))
        document = readable_document(row["body"])
        if document is None:
            gone.add(row["instance_id"])
            continue
        event = Event(row["source"], row["type"], *times, key, document, row["trace_id"])
        found.setdefault(row["instance_id"], []).append(Logged(row["seq"], event))
    return {id_: history for id_, history in found.items() if id_ not in gone}


def _derived(workflow: Workflow, history: list[Logged] | None, unjoined: Unjoined) -> Progress | None:
    """What the events of an instance make of it, as a rebuild would; None where they are not all there."""
    parts = replay_under(Matcher([workflow]), workflow.name, history, unjoined) if history else []
    return parts[0].progress if len(parts) == 1 else None


def _carried(conn: Connection, id_: UUID, subject: Subject) -> list[Key]:
    """The keys of an instance that cannot be read, as far as they are his."""
    asked = {"values": sorted(subject.spelled), "ids": [id_]}
    rows = conn.cursor(row_factory=dict_row).execute(Q["keys_of_instances"], asked).fetchall()
    return [f"{row['namespace']}={row['value']}" for row in rows]


def _titled(title: str, carried: Collection[Key]) -> Key:
    """The key that an instance is named by, if it is one of these; else the title as one of no namespace."""
    return next((key for key in carried if split_key(key)[1] == title), f"={title}")


def _change_keys(conn: Connection, id_: UUID, keys: Collection[Key], subject: Subject) -> None:
    changed = {key: new for key in keys if (new := subject.key(key)) != key}
    if not changed:
        return
    asked = {"values": sorted({split_key(key)[1] for key in changed}), "ids": [id_]}
    for row in conn.cursor(row_factory=dict_row).execute(Q["keys_of_instances"], asked).fetchall():
        to = changed.get(f"{row['namespace']}={row['value']}")
        if to is not None:
            conn.execute(Q["change_key"], row | {"new": split_key(to)[1]})


def change_groups(conn: Connection, subject: Subject) -> int:
    """Let objectives that are told apart by the value be so by the pseudonym; how many groups."""
    done = 0
    for (group,) in conn.execute(Q["groups"], {"words": subject.words}).fetchall():
        try:
            values = values_of(group)
        except ValueError:
            continue
        said = [None if one is None else subject.text(one) for one in values]
        renamed = msgspec.json.encode(said).decode()
        if renamed != group:
            conn.execute(Q["rename_group"], {"old": group, "new": renamed})
            done += 1
    return done


def change_hubs(conn: Connection, subject: Subject) -> None:
    """The same of keys that join none, and of what people said of joins."""
    asked = {"namespace": subject.namespace, "values": sorted(subject.spelled), "words": subject.words}
    cursor = conn.cursor(row_factory=dict_row)
    for row in cursor.execute(Q["hubs"], asked).fetchall():
        new = split_key(subject.key(f"{row['namespace']}={row['value']}"))[1]
        conn.execute(Q["rename_hub"], row | {"new": new})
    rows: list[Row] = cursor.execute(Q["rejections"], {"words": subject.words}).fetchall()
    for row in rows:
        changed = {"by": subject.text(row["by"]), "reason": subject.text(row["reason"])}
        conn.execute(Q["change_rejection"], row | changed)


def _pairs(event_keys: Mapping[bytes, bytes]) -> dict[str, list[UUID]]:
    old = [UUID(bytes=key) for key in event_keys]
    return {"old": old, "new": [UUID(bytes=key) for key in event_keys.values()]}
