"""The duty that writes the digests of teams into the outbox: one for each day and owner, whoever gets to it first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerting.digest import Overdue, digest_id, digest_notice
from alerting.reader import Reader
from alerting.rows import money_of
from alerting.targets import written_address
from alerting.teams import Team
from collector.store.sql import load
from slo_rules.instants import to_datetime, to_micros

Q = load("digest", package="alerting")


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did: the teams that are told, and those of which nothing is overdue."""

    told: tuple[str, ...] = ()
    nothing: tuple[str, ...] = ()


def run_once(
    conn: psycopg.Connection[Any],
    now: int,
    teams: Iterable[Team],
    *,
    public_url: str = "",
    milestone_titles: Mapping[tuple[str, str], str] | None = None,
) -> Report:
    """Write the digests that are due at `now` (micros, UTC). Safe to run in several processes at once."""
    told: list[str] = []
    nothing: list[str] = []
    for team in teams:
        day = team.digest.due(now) if team.digest else None
        if day is None:
            continue
        with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            known = cursor.execute(Q["said"], {"message_id": digest_id(team.name, day, 0)}).fetchone()
            if known is None or known["said"]:
                continue
            rows = cursor.execute(Q["overdue"], {"owner": team.name}).fetchall()
            found = [_overdue(row, milestone_titles or {}) for row in rows]
            if _write(cursor, team, day, found, now, public_url):
                (told if found or (team.digest and team.digest.empty) else nothing).append(team.name)
    return Report(tuple(told), tuple(nothing))


def _write(cursor: psycopg.Cursor[Any], team: Team, day: date, found: list[Overdue], now: int, public_url: str) -> bool:
    """Whether it was this process that wrote it. The first message stands for all of them."""
    says = bool(found) or (team.digest is not None and team.digest.empty)
    for number, target in enumerate(team.told_of_news):
        notice = digest_notice(team.name, found, now, public_url, Reader(target.zone, target.locale))
        row = {
            "message_id": digest_id(team.name, day, number),
            "owner": team.name,
            "target": target.name,
            "kind": target.kind,
            "notice": Jsonb(notice.to_json()),
            "address": Jsonb(written_address(target).to_json()),
            "now": to_datetime(now),
            "state": "pending" if says else "dropped",
            "outcome": None if says else "nothing_overdue",
            "settled_at": None if says else to_datetime(now),
        }
        if cursor.execute(Q["add_digest"], row).rowcount == 0 and number == 0:
            return False
        cursor.execute(Q["drop_older"], row)
    return bool(team.told_of_news)


def _overdue(row: Mapping[str, Any], titles: Mapping[tuple[str, str], str]) -> Overdue:
    return Overdue(
        row["workflow"],
        row["waiting_for"],
        titles.get((row["workflow"], row["waiting_for"] or "")),
        row["entity"],
        row["count"],
        to_micros(row["oldest_since"]),
        money_of(row["value"]),
    )
