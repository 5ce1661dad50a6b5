"""The duty that writes digests into the outbox: one for each day, owner and who asked, whoever gets to it first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerting.digest import Digest, Overdue, digest_id, digest_notice
from alerting.reader import Reader
from alerting.route import Route
from alerting.rows import money_of
from alerting.targets import Target, written_address
from alerting.teams import Team
from collector.store.sql import load
from slo_rules.instants import to_datetime, to_micros

Q = load("digest", package="alerting")


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did: the owners whose digests are told, and those of whom nothing is overdue."""

    told: tuple[str, ...] = ()
    nothing: tuple[str, ...] = ()


class Heard(NamedTuple):
    """A digest of an owner that somebody asked for: the first of its messages is known by `key` and the day."""

    owner: str
    digest: Digest
    targets: tuple[Target, ...]
    key: str


def asked_for(teams: Iterable[Team], routes: Iterable[Route], now: int) -> Iterator[Heard]:
    """The digests of teams, and those of routes to whom they lead now (micros)."""
    for team in teams:
        if team.digest is not None:
            yield Heard(team.name, team.digest, team.told_of_news, team.name)
    for root in routes:
        for owner, route, digest in root.digests():
            yield Heard(owner, digest, route.told_of_news(now), f"{route.name}\x1f{owner}")


def run_once(
    conn: psycopg.Connection[Any],
    now: int,
    teams: Iterable[Team],
    routes: Iterable[Route] = (),
    *,
    public_url: str = "",
    milestone_titles: Mapping[tuple[str, str], str] | None = None,
) -> Report:
    """Write the digests that are due at `now` (micros, UTC). Safe to run in several processes at once."""
    told: list[str] = []
    nothing: list[str] = []
    for heard in asked_for(teams, routes, now):
        day = heard.digest.due(now)
        if day is None:
            continue
        with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            known = cursor.execute(Q["said"], {"message_id": digest_id(heard.key, day, 0)}).fetchone()
            if known is None or known["said"]:
                continue
            rows = cursor.execute(Q["overdue"], {"owner": heard.owner}).fetchall()
            found = [_overdue(row, milestone_titles or {}) for row in rows]
            if _write(cursor, heard, day, found, now, public_url):
                (told if found or heard.digest.empty else nothing).append(heard.owner)
    return Report(tuple(told), tuple(nothing))


def _write(
    cursor: psycopg.Cursor[Any], heard: Heard, day: date, found: list[Overdue], now: int, public_url: str
) -> bool:
    """Whether it was this process that wrote it. The first message stands for all of them."""
    says = bool(found) or heard.digest.empty
    for number, target in enumerate(heard.targets):
        notice = digest_notice(heard.owner, found, now, public_url, Reader(target.zone, target.locale))
        row = {
            "message_id": digest_id(heard.key, day, number),
            "owner": heard.owner,
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
    return bool(heard.targets)


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
