"""Which incidents and silences somebody may act on who may not see every workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from alerting.document import reader_of
from alerting.facts import Condition, read_match
from collector.acts import ActRefused
from collector.query.sight import Seen, in_sight
from collector.store.sql import load
from slo_rules.faults import Fault

Q = load("acts", package="alerting")


def require_incident(conn: psycopg.Connection[Any], id_: str, seen: Seen | None) -> None:
    """Raise ActRefused, as if there were none, where an incident is not in sight."""
    number = _uuid(id_)
    if seen is None or number is None:
        return
    if conn.execute(*in_sight(Q["known_incident"], {"id": number}, seen)).fetchone() is None:
        raise ActRefused(["id: there is no such incident"], unknown=True, conflicting=False)


def is_silence_in_sight(match: Any, seen: Seen | None) -> bool:
    """Whether a silence is about workflows or domains in sight alone: one of the two names nothing else."""
    if seen is None:
        return True
    conditions, _ = _conditions(match)
    return _only(conditions.get("workflow"), set(seen.workflows)) or _only(conditions.get("domain"), seen.domains_whole)


def require_silence(match: Any, seen: Seen | None) -> None:
    """Raise ActRefused where a silence would be about what is not in sight; what is no match, others say."""
    if seen is not None and not _conditions(match)[1] and not is_silence_in_sight(match, seen):
        said = (
            "match: you see some workflows only: name those that are meant in `workflow`, or whole domains in `domain`"
        )
        raise ActRefused([said], unknown=False, conflicting=False)


def require_known_silence(conn: psycopg.Connection[Any], id_: str, seen: Seen | None) -> None:
    """Raise ActRefused, as if there were none, where a silence is not in sight."""
    number = _uuid(id_)
    if seen is None or number is None:
        return
    row = conn.cursor(row_factory=dict_row).execute(Q["silence"], {"id": number}).fetchone()
    if row is not None and not is_silence_in_sight(row["match"], seen):
        raise ActRefused(["id: there is no such silence"], unknown=True, conflicting=False)


def _only(condition: Condition | None, within: frozenset[str] | set[str]) -> bool:
    return condition is not None and bool(condition.any_of) and set(condition.any_of) <= within


def _conditions(match: Any) -> tuple[Mapping[str, Condition], list[Fault]]:
    faults: list[Fault] = []
    spec = reader_of({"metadata": {}, "spec": {"match": match}}, faults).at("spec")
    return read_match(spec.optional("match")), faults


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
