"""What people do with incidents and silences: read, held against what stands, done, and written down for good.

All of one act is one transaction. An act changes what people say of an incident, never what is the case: whoever calls
one resolved that still holds something up is believed for some hours, as long as it does not grow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4, uuid5

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerting.document import reader_of
from alerting.facts import Condition, read_match, spell_match, words_of
from alerting.muting import LONGEST_POSTPONED, LONGEST_SILENCE
from collector.acts import ActRefused
from collector.store.sql import load
from slo_rules.acts import LONGEST_NAME, LONGEST_REASON, read_until, said_text, unknown_fields
from slo_rules.durations import format_duration
from slo_rules.faults import Fault
from slo_rules.instants import rfc3339, to_datetime

Q = load("acts", package="alerting")

LONGEST_COMMENT = 4000
MOST_SILENCES = 200

Row = dict[str, Any]
Said = Mapping[str, Any]


def acknowledge(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` takes it on, `until` an instant or until it resolves: nobody is told next while that holds.

    Like all acts: `now` is micros, UTC, and ActRefused names every fault.
    """
    by, found = _by(said, ("by", "until"))
    until = _until(said, now, found, needed=False)
    values = {"by": by, "until": _at(until)}

    def fault(row: Row) -> str:
        same = (row["acknowledged_by"], row["acknowledged_until"]) == (by, values["until"])
        return f"{by} has acknowledged it already" if same else ""

    return _done(conn, id_, found, now, by, "acknowledged", _lasts(until), "acknowledge", values, fault)


def withdraw(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` says that nobody is at it any more: the escalation goes on."""
    by, found = _by(said, ("by",))

    def fault(row: Row) -> str:
        return "" if row["acknowledged_by"] else "nobody has acknowledged it"

    return _done(conn, id_, found, now, by, "unacknowledged", "", "withdraw_acknowledgement", {}, fault)


def assign(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` says whose it is: `to`, a name, or null for nobody's."""
    by, found = _by(said, ("by", "to"))
    to = said_text(said, "to", LONGEST_NAME, found) if said.get("to") is not None else None
    if "to" not in said:
        found.append("to: is missing; null is for nobody")
    return _done(conn, id_, found, now, by, "assigned", f"to {to or 'nobody'}", "assign", {"to": to})


def comment(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` notes a `text`; also of an incident that is over. The same `request` notes it once."""
    by, found = _by(said, ("by", "text", "request"))
    text = said_text(said, "text", LONGEST_COMMENT, found)
    values = {"request": _request(said, found)}
    return _done(conn, id_, found, now, by, "commented", text, "touch", values, over=True)


def postpone(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` puts it off `until` an instant, for a `reason`: nobody is told until then, and whoever knew is after it."""
    by, found = _by(said, ("by", "until", "reason"))
    reason = said_text(said, "reason", LONGEST_REASON, found)
    until = _until(said, now, found, needed=True)
    if until is not None and until - now > LONGEST_POSTPONED:
        found.append(f"until: at most {format_duration(LONGEST_POSTPONED)} from now")
    values = {"by": by, "until": _at(until)}
    return _done(conn, id_, found, now, by, "postponed", f"{_lasts(until)}: {reason}", "postpone", values)


def link(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` links it to a change, with a `url` and a `title`; also when it is over."""
    by, found = _by(said, ("by", "url", "title"))
    url, name = (said_text(said, one, LONGEST_REASON, found) for one in ("url", "title"))
    try:
        usable = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        usable = False
    if url and not usable:
        found.append("url: must be an http or https URL")
    change = Jsonb([{"url": url, "title": name, "by": by, "at": rfc3339(now)}])
    return _done(conn, id_, found, now, by, "linked", f"{name} {url}", "link_change", {"change": change}, over=True)


def resolve(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` calls it resolved, for a `reason`. Whoever was told hears of it from the next round of the incident duty."""
    by, found = _by(said, ("by", "reason"))
    reason = said_text(said, "reason", LONGEST_REASON, found)

    def fault(row: Row) -> str:
        return f"{row['settled_by']} has called it resolved already" if row["settled_by"] else ""

    return _done(conn, id_, found, now, by, "called_resolved", reason, "settle", {"by": by}, fault)


ACTS: Mapping[str, Callable[[psycopg.Connection[Any], str, Said, int], Row]] = {
    "acknowledge": acknowledge,
    "withdraw": withdraw,
    "assign": assign,
    "comment": comment,
    "postpone": postpone,
    "link": link,
    "resolve": resolve,
}


def silence(conn: psycopg.Connection[Any], said: Said, now: int) -> Row:
    """`by` asks that nobody be told of what `match`es, `until` an instant (at most 30 days), for a `reason`.

    `owner` answers for it, `by` himself where nobody is named; `since` may lie ahead. The same `request` asks once.
    """
    by, found = _by(said, ("by", "owner", "reason", "match", "since", "until", "request"))
    request = _request(said, found)
    reason = said_text(said, "reason", LONGEST_REASON, found)
    owner = said_text(said, "owner", LONGEST_NAME, found) if said.get("owner") is not None else by
    later = _until(said, now, found, needed=False, name="since")
    since = now if later is None else later
    until = _until(said, now, found, needed=True)
    faults: list[Fault] = []
    match = _match(said.get("match"), faults)
    found += [f"{one.path.removeprefix('spec.')}: {one.message}" for one in faults]
    if not match and not faults:
        found.append("match: must say at least one condition: it would be about every incident")
    if until is not None and until <= since:
        found.append("until: must lie after 'since'")
    elif until is not None and until - since > LONGEST_SILENCE:
        found.append(f"until: at most {format_duration(LONGEST_SILENCE)} after 'since'; a Maintenance can recur")
    if found or until is None:
        raise ActRefused(found, unknown=False, conflicting=False)
    id_ = uuid4() if request is None else uuid5(request, by)
    row = {
        "id": id_,
        "match": Jsonb(spell_match(match)),
        "since": to_datetime(since),
        "until": to_datetime(until),
        "owner": owner,
        "by": by,
        "reason": reason,
        "now": to_datetime(now),
    }
    with conn.transaction():
        conn.execute(Q["add_silence"], row)
    return {"id": str(id_), "words": words_of(match), "since": rfc3339(since), "until": rfc3339(until), "owner": owner}


def end_silence(conn: psycopg.Connection[Any], id_: str, said: Said, now: int) -> Row:
    """`by` ends a silence now."""
    by, found = _by(said, ("by",))
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        number = _uuid(id_)
        known = cursor.execute(Q["silence"], {"id": number}).fetchone() if number else None
        if known is None:
            raise ActRefused(["id: there is no such silence", *found], unknown=True, conflicting=False)
        if found:
            raise ActRefused(found, unknown=False, conflicting=False)
        ended = cursor.execute(Q["end_silence"], {"id": number, "by": by, "now": to_datetime(now)}).fetchone()
        if ended is None:
            raise ActRefused(["id: the silence is over"], unknown=False, conflicting=True)
    return {"id": id_, "until": rfc3339(now), "ended_by": by}


def silences(conn: psycopg.Connection[Any], now: int) -> list[Row]:
    """The silences there are, with their `status`: `active`, `pending` or `over`; those that end last first."""
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(Q["all_silences"], {"most": MOST_SILENCES}).fetchall()
    at = to_datetime(now)
    found = []
    for row in rows:
        match = _match(row["match"], [])
        status = "over" if row["until"] <= at else "pending" if row["since"] > at else "active"
        times = {name: row[name] and rfc3339(row[name]) for name in ("since", "until", "created_at", "ended_at")}
        found.append(row | times | {"id": str(row["id"]), "status": status, "words": words_of(match)})
    return found


def drill(conn: psycopg.Connection[Any], facts: Mapping[str, str], by: str, now: int, until: int) -> UUID:
    """Begin a drill that ends by itself; the id of its cause. What it pretends to have is `facts`."""
    id_ = uuid4()
    row = {"id": id_, "by": by, "facts": Jsonb(dict(facts)), "now": to_datetime(now), "until": to_datetime(until)}
    with conn.transaction():
        conn.execute(Q["add_drill"], row)
    return id_


def _done(
    conn: psycopg.Connection[Any],
    id_: str,
    found: list[str],
    now: int,
    by: str,
    what: str,
    detail: str,
    statement: str,
    values: Mapping[str, Any],
    fault: Callable[[Row], str] = lambda _row: "",
    *,
    over: bool = False,
) -> Row:
    """Do it where nothing is in the way. `over`: it can be done to an incident that is over, too."""
    number = _uuid(id_)
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(Q["lock_incident"], {"id": number}).fetchone() if number else None
        if row is None:
            raise ActRefused(["id: there is no such incident", *found], unknown=True, conflicting=False)
        if found:
            raise ActRefused(found, unknown=False, conflicting=False)
        wrong = "the incident is resolved" if row["status"] == "resolved" and not over else fault(row)
        if wrong:
            raise ActRefused([f"id: {wrong}"], unknown=False, conflicting=True)
        at = to_datetime(now)
        cursor.execute(Q[statement], {"id": number, "now": at, **values})
        noted = {"id": number, "now": at, "what": what, "detail": detail, "by": by}
        cursor.execute(Q["add_act"], {"request": None, **values, **noted})
    return {"id": id_, "title": row["title"], "did": what, "by": by, "detail": detail, "at": rfc3339(now)}


def _match(said: Any, faults: list[Fault]) -> dict[str, Condition]:
    spec = reader_of({"metadata": {}, "spec": {"match": said}}, faults).at("spec")
    return read_match(spec.optional("match"))


def _by(said: Said, known: tuple[str, ...]) -> tuple[str, list[str]]:
    found = unknown_fields(said, known)
    return said_text(said, "by", LONGEST_NAME, found), found


def _until(said: Said, now: int, found: list[str], *, needed: bool, name: str = "until") -> int | None:
    if said.get(name) is None:
        found += [f"{name}: is missing"] if needed else []
        return None
    faults: list[str] = []
    until = read_until(said[name], now, faults)
    found += [f"{name}:{one.removeprefix('until:')}" for one in faults]
    return until


def standing(conn: psycopg.Connection[Any], id_: str) -> Row:
    """What people have said of an incident so far, kept from whoever would change it meanwhile; empty without one."""
    number = _uuid(id_)
    cursor = conn.cursor(row_factory=dict_row)
    row = cursor.execute(Q["lock_incident"], {"id": number}).fetchone() if number else None
    return {name: value for name, value in row.items() if name not in ("id", "title")} if row else {}


def standing_of_silence(conn: psycopg.Connection[Any], id_: str) -> Row:
    """What a silence was; empty without one."""
    number = _uuid(id_)
    row = conn.cursor(row_factory=dict_row).execute(Q["silence"], {"id": number}).fetchone() if number else None
    return {name: row[name] for name in ("match", "since", "until", "owner", "by", "reason")} if row else {}


def _request(said: Said, found: list[str]) -> UUID | None:
    request = said.get("request")
    if request is None:
        return None
    number = _uuid(request) if isinstance(request, str) else None
    if number is None:
        found.append("request: must be a UUID")
    return number


def _lasts(until: int | None) -> str:
    return "until it resolves" if until is None else f"until {rfc3339(until)}"


def _at(until: int | None) -> Any:
    return None if until is None else to_datetime(until)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
