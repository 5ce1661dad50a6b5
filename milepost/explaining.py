"""`milepost explain`: one instance in words, at a terminal. It asks what the API asks and computes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID

from collector.catalogue import load_catalogue
from collector.query import Query
from collector.query.reader import Reader, Row
from milepost.plain_text import aligned, shown
from milepost.settings import Settings
from milepost.stored_data import open_stored_data
from slo_rules.explain import StepState

MOST_LISTED = 20
LONGEST_LINE = 2_000
_GONE = "an event that the log no longer has"
_MARKS = {
    StepState.REACHED: "reached",
    StepState.REACHED_LATE: "LATE",
    StepState.DUE: "awaited",
    StepState.OVERDUE: "OVERDUE",
    StepState.WAITING: "not yet",
    StepState.SKIPPED: "skipped",
    StepState.NOT_NEEDED: "not needed",
    StepState.PAUSED: "paused",
}


class Explained:
    """What was found for a key: one instance told in full, several told briefly, or none with keys like it."""

    def __init__(self, key: str, moment: Row, told: list[Row], total: int, near: list[Row]) -> None:
        self.key = key
        self.told = told
        self.near = near
        self.total = total
        self._moment = moment

    @property
    def found(self) -> bool:
        """Whether there is any such instance."""
        return bool(self.told)

    def document(self) -> Row:
        """Everything, as JSON."""
        near = [f"{one['key']['namespace']}={one['key']['value']}" for one in self.near]
        return {"key": self.key} | self._moment | {"total": self.total, "items": self.told, "near": near}

    def text(self) -> str:
        """Everything, for people."""
        if len(self.told) == 1:
            lines = _instance(self.told[0], self._moment)
        else:
            lines = self._several() if self.told else self._none()
        return "\n".join(shown(line, LONGEST_LINE) for line in lines)

    def _several(self) -> Iterator[str]:
        yield f"{self.total} instances carry {self.key}{_when(self._moment)}; give an id, or a --workflow, for one."
        yield ""
        for one in self.told:
            yield f"{one['id']}  {one['title']}  {one['workflow']}  {_verdict(one)}"
        if self.total > len(self.told):
            yield f"… and {self.total - len(self.told)} more"

    def _none(self) -> Iterator[str]:
        yield f"Nothing is known of {self.key}{_when(self._moment)}."
        if self.near:
            yield "Keys that are like it:"
            for one in self.near:
                yield f"  {one['key']['namespace']}={one['key']['value']}  ({one['title']}, {one['workflow']})"


def explain(
    settings: Settings, key: str, *, workflow: str | None, as_of: str | None, known_at: str | None
) -> Explained:
    """What there is to say of a key or an id. Raises BadQuery, Unanswerable, Unsettled and NoStoredData."""
    with open_stored_data(settings) as (url, conn):
        catalogue = load_catalogue(conn)

        async def ask() -> Explained:
            reader = Reader(url, most_connections=2)
            await reader.open()
            try:
                return await find(Query(reader, catalogue), key, workflow, as_of, known_at)
            finally:
                await reader.close()

        return asyncio.run(ask())


async def find(query: Query, key: str, workflow: str | None, as_of: str | None, known_at: str | None) -> Explained:
    """What is stored of a key or an id. Raises BadQuery, Unanswerable and Unsettled."""
    moment: Row = {"as_of": as_of, "known_at": known_at}
    if _is_id(key):
        one = await query.instance(key, as_of, known_at)
        if one is not None and workflow in (None, one["workflow"]):
            return Explained(key, moment, [one], 1, [])
    page = await query.instances(key=key, workflow=workflow, limit=MOST_LISTED, as_of=as_of, known_at=known_at)
    told: list[Row] = page["items"]
    if len(told) == 1:
        one = await query.instance(told[0]["id"], as_of, known_at)
        told = [one] if one is not None else []
    near = [] if told else await _near(query, key, workflow)
    return Explained(key, moment, told, page["total"], near)


async def _near(query: Query, key: str, workflow: str | None) -> list[Row]:
    """Keys that begin alike: as far as one does, from most of the text to half of it."""
    value = key.partition("=")[2] or key
    for length in sorted({len(value), len(value) * 3 // 4, (len(value) + 1) // 2} - {0}, reverse=True):
        found = await query.search(value[:length], MOST_LISTED)
        near = [one for one in found["items"] if workflow in (None, one["workflow"])]
        if near:
            return near[:5]
    return []


def _is_id(key: str) -> bool:
    try:
        UUID(key)
    except ValueError:
        return False
    return True


def _when(moment: Row) -> str:
    words = [
        f"{name} {moment[field]}" for name, field in (("as of", "as_of"), ("as known at", "known_at")) if moment[field]
    ]
    return ", " + ", ".join(words) if any(words) else ""


def _verdict(row: Row) -> str:
    return str(row["verdict"]).replace("_", " ")


def _instance(row: Row, moment: Row) -> Iterator[str]:
    yield f"{row['title']} · {row['workflow']} version {row['workflow_version']}{_when(moment)}"
    yield f"{_verdict(row).upper()} ({row['reason']}) since {row['since']}"
    yield row["explanation"]
    if row["unreadable"]:
        yield f"{row['unreadable']['why']} {row['unreadable']['what_to_do']}"
    yield f"id {row['id']}"
    yield from _section("Waits for", _awaited(row))
    yield from _section("The deadline", row["arithmetic"])
    yield from _section("The journey", aligned(list(_journey(row["journey"]))))
    yield from _section("Keys", aligned([_key(one) for one in row["keys"]]))
    yield from _section("Events", aligned([_event(one) for one in row["events"]]) + _gone(row.get("events_gone", 0)))
    yield from _section("Joined into it", [_merge(one) for one in row["joined"]])
    yield from _section("Rejected", [_rejection(one) for one in row["rejected"]])
    yield from _section("Linked with it", [_link(one) for one in row.get("linked", ())])
    yield from _section("Joined with it since", [_merge(one) for one in row.get("joined_later", ())])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in lines)


def _awaited(row: Row) -> list[str]:
    if row["waiting_for"] is None:
        return []
    source = f" from {row['source_awaited']}" if row["source_awaited"] else ""
    due = f", due by {row['deadline_at']}" if row["deadline_at"] else ""
    return [f"{row['waiting_for_title']}{source}{due}; owned by {row['owner'] or 'nobody'}"]


def _journey(steps: list[Row]) -> Iterator[tuple[str, ...]]:
    for step in steps:
        yield _step(step)
        parts = sorted(step["parts"], key=_least_settled)
        for part in parts[:MOST_LISTED]:
            yield _step(part | {"title": f"  {step['each']} {part['value']}"})
        if len(parts) > MOST_LISTED:
            yield "", f"  … and {len(parts) - MOST_LISTED} more", "", ""


def _least_settled(part: Row) -> tuple[bool, str]:
    """What has not come is shown before what has."""
    return part["at"] is not None, part["deadline_at"] or ""


def _step(step: Row) -> tuple[str, ...]:
    words = [step["at"] or (f"due by {step['deadline_at']}" if step["deadline_at"] else "")]
    if step.get("needed", 1) > 1 or step.get("each"):
        words.append(f"{step['occurred']} of {step['needed']}")
    if step["state"] == StepState.REACHED_LATE:
        words.append(f"(was due by {step['deadline_at']})")
    return _MARKS[StepState(step["state"])], step["title"], " ".join(words), "; ".join(step["faults"])


def _key(key: Row) -> tuple[str, ...]:
    event = key["event"]
    brought = f"by {_named(event)}" if event else ""
    return f"{key['namespace']}={key['value']}", "joins" if key["joins"] else "finds", brought, key["at"] or ""


def _gone(count: int) -> list[str]:
    return [f"… and {count:,} that the log no longer has: they are older than what it keeps"] if count else []


def _event(event: Row) -> tuple[str, ...]:
    late = "" if event["occurred_at"] >= event["received_at"] else f"received {event['received_at']}"
    return event["occurred_at"], event["source"], event["type"], event["id"], event["milestone"] or "", late


def _link(one: Row) -> str:
    return f"{one['title']} · {one['workflow']} · {_verdict(one)}, by {', '.join(one['keys'])}"


def _merge(one: Row) -> str:
    return f"{one['id']} at {one['at']}, by {_GONE if one['event'] is None else _named(one['event'])}"


def _rejection(one: Row) -> str:
    named = _GONE if one["event"] is None else _named(one["event"])
    again = f"; it counts again since {one['accepted_at']}" if one["accepted_at"] else ""
    apart = f"; taken apart into {', '.join(one['parts'])}" if len(one["parts"]) > 1 else ""
    return f"{named}, by {one['by']} at {one['at']}: {one['reason']}{apart}{again}"


def _named(event: Row) -> str:
    return f"{event['type']} of {event['source']}, id {event['id']}"
