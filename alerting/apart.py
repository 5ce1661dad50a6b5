"""What sets the population of an incident apart: which attributes it has that the others of its workflows have not.

Both halves are samples, the newest of each, so that the answer takes as long for three instances as for 100,000.
"""

from __future__ import annotations

from typing import Any

import psycopg

from alerting.attributed import set_apart, values_of
from alerting.incident import Apart, Attributes, Cause
from collector.catalogue import Catalogue
from collector.query.differences import Attributed
from collector.store.sql import load

Q = load("apart", package="alerting")

MOST_SAMPLED = 1_000
LOOKED_AT = 20_000
"""Instances among which others are looked for, the newest there are."""


def compare(conn: psycopg.Connection[Any], cause: Cause, catalogue: Catalogue) -> tuple[tuple[Apart, ...], Attributes]:
    """What sets the instances of a cause apart, and the values of attributes they have."""
    parts = {name: getattr(cause, name) for name in cause.__slots__} | {"reason": cause.listed_by}
    halves = []
    for name in ("held", "others"):
        counted = Attributed()
        rows = conn.cursor().execute(Q[name], {**parts, "most": MOST_SAMPLED, "looked_at": LOOKED_AT}).fetchall()
        # What a version no longer known made cannot be told apart.
        counted.take([row for row in rows if (row[0], row[1]) in catalogue.versions])
        halves.append(counted.counts(catalogue))
    return set_apart(*halves), values_of(halves[0])
