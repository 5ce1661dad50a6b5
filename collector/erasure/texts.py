"""What people and Milepost itself wrote of somebody: notes, incidents, messages and what came of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from psycopg.rows import dict_row

from collector.erasure.subject import Subject
from collector.store.database import Connection
from collector.store.sql import load

Q = load("erased_texts")
PLACES = ("instance_note", "incident", "incident_event", "outbox", "delivery", "silence", "saved_view")
FORGOTTEN = "(forgotten)"


def change_texts(
    conn: Connection, subject: Subject, instances: Collection[UUID], ids: Mapping[UUID, UUID]
) -> dict[str, int]:
    """Take him out of all texts; how many changed by table. What was noted of his own instances goes whole.

    `ids` are instances with the ids that they have now: messages name them.
    """
    renamed = {str(old): str(new) for old, new in ids.items()}
    words = [*subject.words, *renamed]
    done: dict[str, int] = {}
    for place in PLACES:
        rows = conn.cursor(row_factory=dict_row).execute(Q[place], {"words": words, "ids": list(instances)}).fetchall()
        for row in rows:
            changed = {
                name: _said(value, subject, renamed) if isinstance(value, str) else value for name, value in row.items()
            }
            if row.get("whole"):
                changed["text"] = FORGOTTEN
            conn.execute(Q[f"change_{place}"], changed | {"id": row["id"]})
        if rows:
            done[place] = len(rows)
    return done


def _said(text: str, subject: Subject, renamed: Mapping[str, str]) -> str:
    for old, new in renamed.items():
        text = text.replace(old, new)
    return subject.loose_text(text)
