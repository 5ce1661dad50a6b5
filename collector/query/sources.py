"""Sources: what each has sent, and whether it can be seen."""

from __future__ import annotations

from datetime import UTC, datetime

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.acts import ACT_SOURCE
from slo_rules.durations import DAY, SECOND, format_duration
from slo_rules.instants import to_micros
from slo_rules.judgement import CATCHING_UP_PATIENCE, Marks, Watermark
from slo_rules.rounding import roughly
from slo_rules.workflow import DEFAULT_SKEW


async def list_sources(reader: Reader, catalogue: Catalogue, now: datetime) -> list[Row]:
    """Every source that has sent or is defined; the acts of people come from no system that could fall silent."""
    found = {row["source"]: row for row in await reader.all("sources") if row["source"] != ACT_SOURCE}
    rows = []
    for name in sorted(found.keys() | catalogue.sources.keys()):
        row, known = found.get(name), catalogue.sources.get(name)
        silent_after = known.silent_after if known else None
        rows.append(
            {
                "source": name,
                "title": (known.title if known else "") or name,
                "owner": known.owner if known else "",
                "state": _state(row, silent_after, to_micros(now)),
                "last_received_at": rfc3339(row["last_received_at"]) if row else None,
                "last_occurred_at": rfc3339(row["last_occurred_at"]) if row else None,
                "lag_seconds": (row["last_received_at"] - row["last_occurred_at"]).total_seconds() if row else None,
                "received": row["received"] if row else 0,
                "duplicates": row["duplicates"] if row else 0,
                "rejected": row["rejected"] if row else 0,
                "unmatched": row["unmatched"] if row else 0,
                "dead_letters": row["dead_letters"] if row else 0,
                "silent_after_seconds": silent_after // 1_000_000 if silent_after else None,
                "skew": _skew(row, known.skew if known else DEFAULT_SKEW, to_micros(now)),
            }
        )
    return rows


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


def _state(row: Row | None, silent_after: int | None, now: int) -> str:
    if row is None:
        return "unknown"
    received = to_micros(row["last_received_at"])
    if silent_after is not None and now - received >= silent_after:
        return "silent"
    if Watermark(received, to_micros(row["last_occurred_at"])).lags and now - received < CATCHING_UP_PATIENCE:
        return "catching_up"
    return "live"


async def load_marks(reader: Reader, catalogue: Catalogue) -> Marks:
    """The watermarks as the judgement wants them."""
    return {
        row["source"]: Watermark(
            to_micros(row["last_received_at"]),
            to_micros(row["last_occurred_at"]),
            known.silent_after if (known := catalogue.sources.get(row["source"])) else None,
        )
        for row in await reader.all("sources")
    }
