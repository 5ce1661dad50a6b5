"""What must hold after a run, however it went. Each check returns what is wrong, for people."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from tests.acceptance.enterprise import comparable, expected, spell
from tests.acceptance.process import COMMAND, environment
from tests.faults.database import Postgres
from tests.faults.history import History, buckets
from tests.faults.hook import Hook
from tests.faults.ledger import Ledger

_FIRST = 5
"""So many of what differs are shown."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found of acknowledged events."""

    acknowledged: int
    lost: int
    double: int


def caught_up(postgres: Postgres) -> bool:
    """Whether everything in the log is applied and judged."""
    rows = postgres.ask(
        "SELECT p.seq >= coalesce((SELECT max(seq) FROM event), 0) AND "
        "p.swept_to > coalesce((SELECT max(received_at) FROM event), '-infinity') FROM projection p"
    )
    return bool(rows and rows[0][0])


def lost_and_double(postgres: Postgres, history: History, ledger: Ledger, sent: int) -> tuple[Figures, list[str]]:
    """Every acknowledged event is in the log, and each is linked to its instance once."""
    wrong = []
    acknowledged = ledger.read()
    if missing := {job.number for job in history.jobs if not job.faulty} - acknowledged:
        wrong.append(f"{len(missing)} of {sent} requests were never acknowledged")
    wanted = {id_ for job in history.jobs if job.door == "/events" and job.number in acknowledged for id_ in job.ids}
    spans = {id_ for job in history.jobs if job.door == "/v1/traces" and job.number in acknowledged for id_ in job.ids}
    kept = {f"{source} {id_}" for source, id_ in postgres.ask("SELECT source, id FROM event")}
    held = {f"{trace.hex()}/{span.hex()}" for trace, span in postgres.ask("SELECT trace_id, span_id FROM span")}
    lost = sorted(wanted - kept) + sorted(spans - held)
    links = dict(
        postgres.ask(
            "SELECT i.title, count(*) FROM instance i JOIN instance_event e ON e.instance_id = i.id "
            "WHERE i.workflow = 'order-to-cash' GROUP BY i.id, i.title"
        )
    )
    facts = {expected(group, history.now)["title"]: len(group) for group in history.groups}
    fewer = {title: (links.get(title, 0), count) for title, count in facts.items() if links.get(title, 0) < count}
    more = {title: (count, facts.get(title, 0)) for title, count in links.items() if count > facts.get(title, 0)}
    if lost or fewer:
        wrong.append(f"lost: {lost[:_FIRST]} and links (found, wanted) {dict(list(fewer.items())[:_FIRST])}")
    if more:
        wrong.append(f"counted double: links (found, wanted) {dict(list(more.items())[:_FIRST])}")
    lost_links = sum(wanted - found for found, wanted in fewer.values())
    double = sum(found - wanted for found, wanted in more.values())
    return Figures(len(wanted) + len(spans), max(len(lost), lost_links), double), wrong


def verdicts(url: str, history: History) -> tuple[int, list[str]]:
    """What the API says of every order and every lane is what the oracle says; how many instances that are."""
    wanted = {one["title"]: one for group in history.groups for one in [expected(group, history.now)]}
    rows = _instances(url, "order-to-cash")
    found = {row["title"]: comparable(row) for row in rows}
    wrong = []
    if len(rows) != len(wanted) or found.keys() != wanted.keys():
        odd = sorted(found.keys() ^ wanted.keys())
        wrong.append(f"{len(rows)} instances of orders instead of {len(wanted)}: {odd[:_FIRST]}")
    for title in sorted(wanted.keys() & found.keys()):
        if found[title] != wanted[title] and len(wrong) < _FIRST:
            names = [name for name, value in wanted[title].items() if found[title][name] != value]
            wrong.append(f"{title}: {[(name, found[title][name], wanted[title][name]) for name in names]}")
    for lane in history.lanes:
        said = [(row["verdict"], row["milestones"]) for row in _instances(url, lane.name)]
        times = {name: spell(at) for name, at in lane.times.items()}
        if said != [("completed_late", times)]:
            wrong.append(f"{lane.name}: {said} instead of completed_late with {times}")
    counted = httpx.get(f"{url}/api/v1/workflows", timeout=30).json()["items"]
    counts = next(one["counts"] for one in counted if one["name"] == "order-to-cash")
    if counts != Counter(one["verdict"] for one in wanted.values()):
        wrong.append(f"counted as {counts}")
    return len(wanted) + len(history.lanes), wrong


def objectives(postgres: Postgres, history: History) -> tuple[int, list[str]]:
    """What objectives have counted in each bucket is what counting the facts says; how many buckets that are."""
    wanted = buckets(history)
    rows = postgres.ask(
        "SELECT objective, grp, minutes, bucket, good::int, bad::int, waived::int, cancelled::int FROM sli_bucket "
        "WHERE unit = '' AND objective IN ('accepted-in-time', 'orders-a-day')"
    )
    found = {
        (name, group, minutes, at.isoformat().replace("+00:00", "Z")): tuple(counts)
        for name, group, minutes, at, *counts in rows
        if any(counts)
    }
    different = sorted(place for place in wanted.keys() | found.keys() if wanted.get(place) != found.get(place))
    shown = [(place, found.get(place), wanted.get(place)) for place in different[:_FIRST]]
    return len(wanted), [f"{len(different)} buckets differ (found, wanted): {shown}"] if different else []


def rebuilt(postgres: Postgres) -> list[str]:
    """A rebuild from the log comes to what is there: instances, verdict changes, buckets, links, counts."""
    done = subprocess.run(
        [*COMMAND, "rebuild", "--database-url", postgres.url],
        capture_output=True, text=True, timeout=300, env=environment(), check=False,
    )  # fmt: skip
    equal = done.returncode == 0 and "equal to what was there" in done.stdout
    return [] if equal else [f"a rebuild differs: {done.stdout[-1500:]}{done.stderr[-1500:]}"]


def poisoned(postgres: Postgres, rows: int) -> list[str]:
    """Every poisoned row is set aside, with its reason."""
    kept = postgres.ask(
        "SELECT event_id, reason, detail FROM dead_letter WHERE event_id LIKE 'poison-%' OR event_id LIKE 'nameless-%'"
    )
    without = [row for row in kept if not row[2]]
    ids = {row[0] for row in kept}
    missing = [f"poison-{number}" for number in range(rows) if f"poison-{number}" not in ids]
    missing += [f"nameless-{number}" for number in range(20) if f"nameless-{number}" not in ids]
    wrong = [f"not set aside: {missing[:_FIRST]}"] if missing else []
    return wrong + ([f"set aside without a reason: {without[:_FIRST]}"] if without else [])


def told(hook: Hook, history: History, held: set[str]) -> list[str]:
    """Who heard of an incident heard that it is over, in that order, unless it is `held`; and of each lane that waited
    for it somebody heard."""
    wrong = []
    if unresolved := [one for one in hook.unresolved() if one not in held]:
        wrong.append(f"{len(unresolved)} incidents fired and were never resolved: {unresolved[:_FIRST]}")
    if odd := hook.out_of_order():
        wrong.append(f"told in the wrong order: {odd[:_FIRST]}")
    unheard = [lane.name for lane in history.lanes if lane.waits and not hook.fired_of(lane.name)]
    if unheard:
        wrong.append(f"nobody heard of {unheard[:_FIRST]}")
    return wrong


def open_incidents(postgres: Postgres) -> int:
    """How many fire. One whose cause comes and goes is held for a quarter of an hour, and is not counted then."""
    rows = postgres.ask("SELECT count(*) FROM incident WHERE status <> 'resolved' AND clear_since IS NULL")
    return int(rows[0][0])


def flapping(postgres: Postgres) -> set[str]:
    """The incidents that are held back so: nothing is held up by them any more, and their resolve is still to come."""
    rows = postgres.ask("SELECT id FROM incident WHERE status <> 'resolved' AND clear_since IS NOT NULL")
    return {str(row[0]) for row in rows}


def undelivered(postgres: Postgres) -> int:
    """Messages that wait in the outbox."""
    return int(postgres.ask("SELECT count(*) FROM outbox WHERE state = 'pending'")[0][0])


def _instances(url: str, workflow: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        asked = {"limit": 500, "workflow": workflow} | ({"cursor": cursor} if cursor else {})
        page = httpx.get(f"{url}/api/v1/instances", params=asked, timeout=30).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
