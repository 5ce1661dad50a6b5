"""What instances add to buckets, in the short form in which tests say it by hand."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from slo_rules.contribution import ITEMS, NOTHING, Contributions
from slo_rules.instants import to_micros
from slo_rules.objective import ALL


def plain(found: Contributions) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Good and bad items and the step, by objective and bucket; without groups, money and what is neutral."""
    short = {
        (name, at): (int(counts[0]), int(counts[1]), counts[4])
        for (name, group, unit, at), counts in found.items()
        if (group, unit) == (ALL, ITEMS)
    }
    return {place: counts for place, counts in short.items() if any(counts)}


def something(found: Contributions) -> Contributions:
    """Without the places that come to nothing."""
    return {place: counts for place, counts in found.items() if counts != NOTHING}


def stored_buckets(conn: Connection[Any], minutes: int = 5) -> Contributions:
    """What the buckets of this width hold."""
    rows = conn.execute(
        "SELECT objective, grp, unit, bucket, good, bad, waived, cancelled, stale_step FROM sli_bucket "
        "WHERE minutes = %s",
        (minutes,),
    ).fetchall()
    conn.commit()
    return something({(*row[:3], to_micros(row[3])): (*row[4:8], row[8]) for row in rows})
