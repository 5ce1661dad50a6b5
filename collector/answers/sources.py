"""Sources: what they sent and usually send, and dead letters."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from collector.answers.values import Answers, Count, Instant, Number, SourceState

Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]


class Heard(TypedDict):
    """Whether something is heard, what is expected of it and by when, and when it was last heard."""

    state: SourceState
    expects: str | None
    expected_by: Instant | None
    last_received_at: Instant | None
    last_occurred_at: Instant | None


class TypeHeard(Heard):
    """The same of one type of its events."""

    type: str


class Rate(TypedDict):
    """Events a minute in the last hour, and in each of the last 24, oldest first; null where too little is known."""

    per_minute: float | None
    hours: list[float | None]


class Skew(TypedDict):
    """How far the clock of a source ran ahead."""

    tolerated_seconds: float
    ahead_events: Count
    most_ahead_seconds: float
    ahead_on: Day | None
    most_ahead_that_day_seconds: float
    beyond_tolerance: bool
    finding: str | None


class Source(Heard):
    """What a source has sent, what of it could not be used, and how many requests `waiting` are not mapped yet."""

    source: str
    title: str
    owner: str
    lag_seconds: float | None
    received: Count
    rate: Rate
    duplicates: Count
    unmatched: Count
    matched_share: float | None
    rejected: Count
    dead_letters: Count
    waiting: Count
    adapter: str | None
    silent_after_seconds: Count | None
    types: list[TypeHeard]
    skew: Skew


class Handover(TypedDict):
    """A step from one system to another, and how many open instances are in it."""

    sender: str
    receiver: str
    workflow: str
    workflow_title: str
    milestone: str
    title: str
    waiting: Count
    held: Count
    blind: Count


class Sources(TypedDict):
    """Every source, and the steps between them."""

    items: list[Source]
    flows: list[Handover]


class UsualVolume(TypedDict):
    """What usually comes in an hour: quartiles and median of `days` days, with `weekday` of the same weekday."""

    low: float
    median: float
    high: float
    days: Count
    weekday: bool


class HourOfSource(TypedDict):
    """What came in the hour from `t` on; null: nobody looked."""

    t: Instant
    count: float | None
    usual: UsualVolume | None


class VolumeCompared(TypedDict):
    """What came in so many hours, and what usually does."""

    hours: Count
    count: Number
    usual: Number


class SourceVolume(TypedDict):
    """What a source sent, hour by hour."""

    source: str
    kept_since: Instant
    hours: list[HourOfSource]
    last_day: VolumeCompared | None
    whole: VolumeCompared | None


class DeadLetter(TypedDict):
    """What could not be used, and why."""

    id: str
    received_at: Instant
    source: str
    reason: str
    detail: str
    event_id: str | None
    type: str | None
    workflow: str | None


class DeadLetters(TypedDict):
    """A page of dead letters, newest first."""

    items: list[DeadLetter]
    next_cursor: str | None
    total: Count


Settled = TypedDict("Settled", {"at": Instant, "as": str, "by": str | None, "because": str | None})
Settled.__doc__ = "What became of a dead letter: it was replayed or discarded, by whom and why."


class OneDeadLetter(DeadLetter):
    """A dead letter with what was sent, as `encoding` says."""

    item: Count | None
    request: Count | None
    headers: dict[str, str] | None
    body: str | None
    encoding: Literal["utf-8", "base64"] | None
    settled: Settled | None


class EventReplayed(TypedDict):
    """An event that goes to the log."""

    type: str
    id: str


class LetterReplayed(TypedDict):
    """What came of a letter; `why` says why it is not settled."""

    id: str
    source: str
    settled: bool
    why: str
    events: list[EventReplayed]


class LettersReplayed(TypedDict):
    """What came, or with `dry_run` would come, of each letter."""

    dry_run: bool
    items: list[LetterReplayed]


class LettersDiscarded(TypedDict):
    """The letters that were discarded."""

    ids: list[str]


ANSWERS: Answers = {
    ("GET", "/api/v1/sources"): Sources,
    ("GET", "/api/v1/sources/{name}/volume"): SourceVolume,
    ("GET", "/api/v1/dead-letters"): DeadLetters,
    ("GET", "/api/v1/dead-letters/{id}"): OneDeadLetter,
    ("POST", "/api/v1/dead-letters/replay"): LettersReplayed,
    ("POST", "/api/v1/dead-letters/discard"): LettersDiscarded,
}
