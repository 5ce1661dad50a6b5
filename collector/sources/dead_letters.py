"""Dead letters, settled: replayed by the mapping and the definitions of today, or discarded with a reason.

A letter of a source's request is mapped again from the request as it is kept. One that was made of a logged event gives
that event to the projection once more; where the event counted already, it is a duplicate there. Nothing is deleted: a
settled letter says what became of it, when, by whom and why.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from collector.access import audit
from collector.catalogue import Catalogue
from collector.ingest import cloudevents
from collector.log import LetterReason, append
from collector.query.instances import BadQuery
from collector.query.reader import Row, rfc3339
from collector.query.sight import seen_by_asker
from collector.reading import LogReader
from collector.sources.intake import kept_of
from collector.sources.receiving import Mapped, Receiver, receivers_of
from collector.store.database import LOG_LOCK, Connection
from collector.store.sql import load
from slo_rules.acts import LONGEST_NAME, LONGEST_REASON
from slo_rules.instants import to_micros

Q = load("sources")

AT_ONCE = 1_000
_GIVEN_AGAIN = frozenset((LetterReason.NO_USABLE_KEY, LetterReason.CANNOT_BE_APPLIED, LetterReason.NO_SUCH_INSTANCE))
"""Reasons that other definitions may take away; the other letters of logged events only tell what was found."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which letters are meant: all that is given must hold. Only those that nobody has settled.

    `workflows` are those in sight of whoever asks, None all; letters that are of none are then not meant.
    """

    numbers: tuple[int, ...] | None = None
    source: str | None = None
    reason: str | None = None
    workflows: tuple[str, ...] | None = None


@dataclass(slots=True)
class Replayed:
    """What came of a letter: it is `settled`, or `why` not; `events` are the types and ids that go to the log."""

    number: int
    source: str
    settled: bool = False
    why: str = ""
    events: list[tuple[str, str]] = field(default_factory=list)

    def as_row(self) -> Row:
        """The form in answers."""
        events = [{"type": type_, "id": id_} for type_, id_ in self.events]
        return {
            "id": str(self.number),
            "source": self.source,
            "settled": self.settled,
            "why": self.why,
            "events": events,
        }


class Replay:
    """Replays letters by the definitions of one catalogue."""

    def __init__(self, catalogue: Catalogue, receivers: Mapping[str, Receiver] | None = None) -> None:
        self._catalogue = catalogue
        self._receivers = receivers_of(catalogue.sources.values(), {}) if receivers is None else receivers

    def run(self, conn: Connection, which: Which, by: str, *, dry_run: bool) -> list[Replayed]:
        """Replay at most AT_ONCE letters, the oldest first, in one transaction; a dry run changes nothing."""
        with conn.transaction(force_rollback=dry_run):
            letters = _letters(conn, which)
            found: list[Replayed] = []
            rows: list[bytes] = []
            for letter in letters:
                replayed = Replayed(letter["number"], letter["source"])
                rows += self._replay(conn, letter, replayed)
                found.append(replayed)
            done = [one.number for one in found if one.settled]
            conn.execute(Q["settle"], {"numbers": done, "how": "replayed", "by": by, "because": None})
            # Writing to the log comes last: it holds up every other writer until the end of the transaction.
            again = [one["seq"] for one in letters if one["seq"] is not None and one["number"] in done]
            append(conn, rows, [], [])
            if again:
                conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
            for seq in dict.fromkeys(again):
                conn.execute(Q["log_again"], {"seq": seq})
            if done and not dry_run:
                audit.record(conn, [_settled("dead_letters.replayed", done, by, {})])
        return found

    def _replay(self, conn: Connection, letter: Row, replayed: Replayed) -> list[bytes]:
        if letter["request"] is not None:
            return self._map_again(conn, letter, replayed)
        if letter["seq"] is not None:
            self._look_again(conn, letter, replayed)
            return []
        if letter["reason"] != LetterReason.INVALID_EVENT:
            replayed.why = "what was received is not kept whole; send or import it again"
            return []
        rows, refused = cloudevents.decode([bytes(letter["body"])], to_micros(letter["received_at"]))
        replayed.settled = bool(rows)
        if refused:
            replayed.why = "; ".join(f"{one.field}: {one.message}" for one in refused[0].faults)
        else:
            replayed.events = [(letter["type"] or "", letter["event_id"] or "")]
        return rows

    def _map_again(self, conn: Connection, letter: Row, replayed: Replayed) -> list[bytes]:
        row = conn.execute(Q["request"], {"number": letter["request"]}).fetchone()
        receiver = self._receivers.get(letter["source"])
        if row is None or receiver is None:
            gone = "the request is no longer kept"
            replayed.why = gone if row is None else f"no Source {letter['source']!r} with an adapter is in force"
            return []
        kept = kept_of(row)
        mapped = _of_item(receiver.map(kept.received, kept.received_at, kept.number), letter["item"])
        if mapped.letters:
            first = mapped.letters[0]
            replayed.why = first.detail
            conn.execute(Q["tell_anew"], {"number": letter["number"], "reason": first.reason, "detail": first.detail})
            return []
        replayed.settled = True
        replayed.why = "" if mapped.rows else "the mapping says that it is not taken"
        replayed.events = [(one.type, one.id) for one in mapped.events]
        return mapped.rows

    def _look_again(self, conn: Connection, letter: Row, replayed: Replayed) -> None:
        """Whether what stood in the way of a logged event would do so by the definitions of today."""
        if letter["reason"] not in _GIVEN_AGAIN:
            replayed.why = "it tells what was found, and holds nothing to replay; discard it when that is settled"
            return
        parsed = LogReader(self._catalogue, 1).again(conn, letter["seq"], to_micros(letter["received_at"]))
        if parsed is None:
            replayed.why = "the log no longer has the event"
            return
        if parsed.error is not None:
            replayed.why = parsed.error
            return
        places, current = self._catalogue.places, self._catalogue.current
        keys = [
            joining
            for place, joining, _ in parsed.found
            if (of := places[place].workflow).name == letter["workflow"] and current.get(of.name) == of
        ]
        if letter["workflow"] and letter["workflow"] not in current:
            replayed.why = f"no workflow {letter['workflow']} is in force"
        elif keys and not keys[0]:
            replayed.why = f"{letter['workflow']} finds no usable key in it"
        else:
            replayed.settled = True
            replayed.events = [(letter["type"] or "", letter["event_id"] or "")]


def _of_item(mapped: Mapped, item: int | None) -> Mapped:
    """What became of one item of a request, or of all of it."""
    if item is None:
        return mapped
    pairs = [pair for pair in zip(mapped.events, mapped.rows, strict=True) if pair[0].item == item]
    return Mapped(
        [row for _, row in pairs],
        [event for event, _ in pairs],
        [one for one in mapped.letters if one.item in (item, None)],
    )


def _settled(action: str, numbers: list[int], by: str, more: dict[str, Any]) -> audit.Entry:
    """What is recorded of letters that were settled; which they are is said whole, whatever their number."""
    return audit.entry(action, f"{len(numbers)} dead letters", {"open": numbers}, {"by": by, **more})


def _letters(conn: Connection, which: Which) -> list[Row]:
    asked = {
        "numbers": None if which.numbers is None else list(which.numbers),
        "source": which.source,
        "reason": which.reason,
        "workflows": None if which.workflows is None else list(which.workflows),
        "limit": AT_ONCE,
    }
    return conn.cursor(row_factory=dict_row).execute(Q["letters"], asked).fetchall()


def one_letter(conn: Connection, number: int, workflows: Sequence[str] | None = None) -> Row | None:
    """A letter whole, with what was sent, and the kept headers of the request it came with; None when there is none.

    `workflows` are those in sight, None all. That it was read is recorded before it is told.
    """
    asked = {"number": number, "workflows": None if workflows is None else list(workflows)}
    with conn.transaction():
        row = conn.cursor(row_factory=dict_row).execute(Q["letter"], asked).fetchone()
        if row is not None and row["body"] is not None:
            audit.record(conn, [audit.entry("dead_letter.read", f"dead letter {number}", {}, {})])
    if row is None:
        return None
    body, headers = row.pop("body"), row.pop("headers")
    settled = {name: row.pop(f"settled_{name}") for name in ("at", "as", "by", "because")}
    row["id"] = str(row.pop("number"))
    row["received_at"] = rfc3339(row["received_at"])
    row["headers"] = None if headers is None else msgspec.json.decode(headers)
    row["body"], row["encoding"] = _spelled(body)
    row["settled"] = None if settled["at"] is None else settled | {"at": rfc3339(settled["at"])}
    return row


def _spelled(body: bytes | None) -> tuple[str | None, str | None]:
    if body is None:
        return None, None
    try:
        return bytes(body).decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"


def read_which(said: Mapping[str, Any], faults: list[str]) -> Which:
    """Which letters a person means, with what is wrong with how he says it."""
    ids, source, reason = said.get("ids"), said.get("source"), said.get("reason")
    numbers: tuple[int, ...] | None = None
    if ids is not None:
        texts = [str(one) for one in ids] if isinstance(ids, list) and len(ids) <= AT_ONCE else []
        if not texts or not all(text.isascii() and text.isdecimal() and len(text) < 19 for text in texts):
            faults.append(f"ids: must be a list of 1 to {AT_ONCE} ids of dead letters")
        else:
            numbers = tuple(map(int, texts))
    for name, value in (("source", source), ("reason", reason)):
        if value is not None and (not isinstance(value, str) or not value or "\x00" in value):
            faults.append(f"{name}: must be text")
    if reason is not None and reason not in tuple(LetterReason):
        faults.append(f"reason: must be one of {', '.join(LetterReason)}")
    if ids is None and source is None and reason is None:
        faults.append("ids: say which, by ids, source or reason")
    return Which(numbers, source, reason)


def _text(said: Mapping[str, Any], name: str, longest: int, faults: list[str]) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or "\x00" in value:
        faults.append(f"{name}: must be text of at most {longest} characters")
        return ""
    return value


class DeadLetters:
    """What people ask of dead letters through the API; `wrote` is told when they have changed any."""

    def __init__(self, pool: ConnectionPool[Connection], catalogue: Catalogue, wrote: Callable[[], None]) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._replay = Replay(catalogue)
        self._wrote = wrote

    async def one(self, id_: str) -> Row | None:
        """A letter whole; None when there is none."""
        if not (id_.isascii() and id_.isdecimal() and len(id_) < 19):
            return None

        def ask() -> Row | None:
            with self._pool.connection() as conn:
                return one_letter(conn, int(id_), self._in_sight())

        return await run_in_threadpool(ask)

    def _in_sight(self) -> tuple[str, ...] | None:
        seen = seen_by_asker(self._catalogue)
        return None if seen is None else seen.workflows

    async def replay(self, said: Mapping[str, Any]) -> Row:
        """Replay letters, or with `dry_run` say what would come of it. Raises BadQuery with every fault."""
        which, by = read_replay(said)
        which = replace(which, workflows=self._in_sight())
        dry_run = bool(said.get("dry_run"))

        def act() -> list[Replayed]:
            with self._pool.connection() as conn:
                return self._replay.run(conn, which, by, dry_run=dry_run)

        found = await run_in_threadpool(act)
        if not dry_run:
            self._wrote()
        return {"dry_run": dry_run, "items": [one.as_row() for one in found]}

    async def discard(self, said: Mapping[str, Any]) -> Row:
        """Discard letters for a reason, `because`. Raises BadQuery with every fault."""

        def act() -> list[int]:
            with self._pool.connection() as conn:
                return discard_said(conn, said, self._in_sight())

        numbers = await run_in_threadpool(act)
        self._wrote()
        return {"ids": [str(number) for number in numbers]}


def read_replay(said: Mapping[str, Any]) -> tuple[Which, str]:
    """Which letters are to be replayed, and who says so. Raises BadQuery with every fault."""
    faults = _unknown(said, ("ids", "source", "reason", "by", "dry_run"))
    which, by = read_which(said, faults), _text(said, "by", LONGEST_NAME, faults)
    if not isinstance(said.get("dry_run", False), bool):
        faults.append("dry_run: must be true or false")
    if faults:
        raise BadQuery(*faults)
    return which, by


def discard_said(conn: Connection, said: Mapping[str, Any], workflows: tuple[str, ...] | None = None) -> list[int]:
    """Discard letters as a person says, of these workflows in sight; the numbers of those that were open.

    Raises BadQuery with every fault.
    """
    faults = _unknown(said, ("ids", "source", "reason", "by", "because"))
    which, by = read_which(said, faults), _text(said, "by", LONGEST_NAME, faults)
    because = _text(said, "because", LONGEST_REASON, faults)
    if faults:
        raise BadQuery(*faults)
    with conn.transaction():
        numbers = [letter["number"] for letter in _letters(conn, replace(which, workflows=workflows))]
        conn.execute(Q["settle"], {"numbers": numbers, "how": "discarded", "by": by, "because": because})
        if numbers:
            audit.record(conn, [_settled("dead_letters.discarded", numbers, by, {"because": because})])
    return numbers


def _unknown(said: Mapping[str, Any], known: tuple[str, ...]) -> list[str]:
    return [f"{name}: is not a field of this" for name in said if name not in known]
