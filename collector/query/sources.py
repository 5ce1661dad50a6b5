"""Sources: what each has sent, what is expected of it, and whether it can be seen."""

from __future__ import annotations

from datetime import UTC, datetime

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row, rfc3339
from collector.source_rates import RATED, rates
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.acts import ACT_SOURCE
from slo_rules.durations import DAY, SECOND, format_duration
from slo_rules.expectation import Expectation
from slo_rules.hearing import watermarks_of
from slo_rules.instants import to_micros
from slo_rules.judgement import Marks, Watermark
from slo_rules.rounding import roughly
from slo_rules.workflow import DEFAULT_SKEW

_IN_MICROS = load("projection")
_NONE_UNUSED = {"rejected": 0, "dead_letters": 0, "waiting": 0}


async def list_sources(reader: Reader, catalogue: Catalogue, now: datetime) -> list[Row]:
    """Every source that has sent or is defined; the acts of people come from no system that could fall silent."""
    found = {row["source"]: row for row in await reader.all("sources") if row["source"] != ACT_SOURCE}
    marks = await _marks(reader, catalogue, list(found.values()))
    unused = {row["source"]: row for row in await reader.all("unused_of_sources")}
    samples = {
        row["source"]: dict(zip(row["taken"], row["counts"], strict=True))
        for row in await reader.all("source_samples", {"since": now - RATED})
    }
    taken = sorted({instant for one in samples.values() for instant in one})
    at = to_micros(now)
    rows = []
    for name in sorted(found.keys() | catalogue.sources.keys()):
        row, known, mark = found.get(name), catalogue.sources.get(name), marks.get(name)
        counted = unused.get(name, _NONE_UNUSED)
        expects = known.expects if known else None
        plain = expects.plain if expects else None
        rows.append(
            {
                "source": name,
                "title": (known.title if known else "") or name,
                "owner": known.owner if known else "",
                **_standing(mark, expects, at),
                "lag_seconds": (row["last_received_at"] - row["last_occurred_at"]).total_seconds() if row else None,
                "received": row["received"] if row else 0,
                "rate": _rate(rates(taken, samples.get(name, {}), row["received"] if row else 0, at)),
                "duplicates": row["duplicates"] if row else 0,
                "unmatched": row["unmatched"] if row else 0,
                "matched_share": 1 - row["unmatched"] / row["received"] if row and row["received"] else None,
                **{what: counted[what] for what in _NONE_UNUSED},
                "adapter": known.adapter.name if known and known.adapter else None,
                "silent_after_seconds": plain // 1_000_000 if plain else None,
                "types": [
                    {"type": type_, **_standing(mark.types.get(type_) if mark else None, one, at)}
                    for type_, one in (sorted(known.types.items()) if known else ())
                ],
                "skew": _skew(row, known.skew if known else DEFAULT_SKEW, at),
            }
        )
    return rows


def _rate(hours: list[float | None]) -> Row:
    """Events a minute: in the last hour, and in each of the last 24, oldest first."""
    return {"per_minute": hours[-1], "hours": hours}


def _skew(row: Row | None, tolerated: int, now: int) -> Row:
    """How far the source's clock was seen to run ahead of ours; it cannot be seen whether it is behind."""
    day = row["ahead_day"] if row else None
    lately = day is not None and now - to_micros(day) < 2 * DAY
    most = row["ahead_most_of_day"] if row and lately else 0
    finding = None
    if row and row["ahead"]:
        finding = (
            f"Clock ahead by up to {roughly(most)}, {format_duration(tolerated)} tolerated"
            if lately
            else f"Clock was ahead by up to {roughly(row['ahead_most'])}, last on {row['ahead_day']:%Y-%m-%d}"
        )
    return {
        "tolerated_seconds": tolerated / SECOND,
        "ahead_events": row["ahead"] if row else 0,
        "most_ahead_seconds": row["ahead_most"] / SECOND if row else 0.0,
        "ahead_on": day.astimezone(UTC).date().isoformat() if day else None,
        "most_ahead_that_day_seconds": row["ahead_most_of_day"] / SECOND if row else 0.0,
        "beyond_tolerance": most > tolerated,
        "finding": finding,
    }


def _standing(mark: Watermark | None, expects: Expectation | None, now: int) -> Row:
    """What is known of a source, or of one of its types, and what is expected of it."""
    was_heard = mark is not None and mark.heard
    return {
        "state": _state(mark, now),
        "expects": expects.words if expects else None,
        "expected_by": rfc3339(mark.due) if mark else None,
        "last_received_at": rfc3339(mark.last_received_at) if mark and was_heard else None,
        "last_occurred_at": rfc3339(mark.last_occurred_at) if mark and was_heard else None,
    }


def _state(mark: Watermark | None, now: int) -> str:
    """`silent` when something expected has not come, were it never heard at all; `unknown` when nothing was as yet."""
    if mark is None:
        return "unknown"
    due = mark.due
    if due is not None and now >= due:
        return "silent"
    if not mark.heard:
        return "unknown"
    return "catching_up" if mark.sends_past(now) else "live"


async def load_marks(reader: Reader, catalogue: Catalogue) -> Marks:
    """The watermarks as the judgement wants them."""
    return await _marks(reader, catalogue, await reader.all("sources"))


def marks_on(conn: Connection, catalogue: Catalogue) -> Marks:
    """The same, in the caller's transaction."""
    began = conn.execute(_IN_MICROS["log_began"]).fetchone()
    return watermarks_of(
        catalogue.sources.values(),
        None if began is None else began[0],
        conn.execute(_IN_MICROS["sources"]).fetchall(),
        conn.execute(_IN_MICROS["source_types"]).fetchall(),
    )


async def _marks(reader: Reader, catalogue: Catalogue, rows: list[Row]) -> dict[str, Watermark]:
    began_at = await log_began(reader)
    of_types = await reader.all("source_types") if catalogue.expected_types else ()
    return watermarks_of(
        catalogue.sources.values(),
        began_at,
        ((row["source"], *arrival(row)) for row in rows),
        ((row["source"], row["type"], *arrival(row)) for row in of_types),
    )


async def kept_since(reader: Reader, class_: str) -> int | None:
    """Since when (micros) nothing is missing of a class of what is kept; None where retention has dropped nothing."""
    row = await reader.one("kept_since", {"class": class_})
    return None if row is None else to_micros(row["kept_since"])


async def log_began(reader: Reader) -> int | None:
    """Since when (micros) the log has all that was received: the first event in it, or later where some were dropped.

    None when there was none.
    """
    row = await reader.one("log_began")
    return None if row is None or row["at"] is None else to_micros(row["at"])


def arrival(row: Row) -> tuple[int, int]:
    """The last arrival and the newest event time (micros) that a row says."""
    return to_micros(row["last_received_at"]), to_micros(row["last_occurred_at"])
