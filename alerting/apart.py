"""What sets the population of an incident apart: which attributes it has that the others of its workflows have not.

Both halves are samples, the newest of each, so that the answer takes as long for three instances as for 100,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from alerting.incident import Apart, Attributes, Cause
from collector.catalogue import Catalogue
from collector.query.differences import Attributed
from collector.store.sql import load
from slo_rules.differences import Attribute, Counts, differences
from slo_rules.progress import Scalar

Q = load("apart", package="alerting")

MOST_SAMPLED = 1_000
LOOKED_AT = 20_000
"""Instances among which others are looked for, the newest there are."""
MOST_APART = 3
MOST_VALUES = 20
"""Values of one attribute that routes can match by: those most instances have."""
_LONGEST_VALUE = 100


def set_apart(held: Mapping[str, Counts], others: Mapping[str, Counts]) -> tuple[Apart, ...]:
    """The values that tell the held-up from the others, best first: what is told from chance, one by attribute."""
    attributes = [
        Attribute(name, held.get(name, {}), others.get(name, {})) for name in sorted(held.keys() | others.keys())
    ]
    found: dict[str, Apart] = {}
    for one in differences(attributes).found:
        if one.significant and one.value is not None and one.attribute not in found:
            found[one.attribute] = Apart(one.attribute, _spelled(one.value), one.bad, one.bad_of, one.rest, one.rest_of)
    return tuple(found.values())[:MOST_APART]


def values_of(held: Mapping[str, Counts]) -> Attributes:
    """The values of attributes that the held-up have, those most of them have first; by name."""
    found = []
    for name, counts in sorted(held.items()):
        said = sorted(((count, _spelled(value)) for value, count in counts.items() if value is not None), reverse=True)
        if said:
            found.append((name, tuple(value for _, value in said[:MOST_VALUES])))
    return tuple(found)


def compare(conn: psycopg.Connection[Any], cause: Cause, catalogue: Catalogue) -> tuple[tuple[Apart, ...], Attributes]:
    """What sets the instances of a cause apart, and the values of attributes they have."""
    parts = {name: getattr(cause, name) for name in cause.__slots__}
    halves = []
    for name in ("held", "others"):
        counted = Attributed()
        rows = conn.cursor().execute(Q[name], {**parts, "most": MOST_SAMPLED, "looked_at": LOOKED_AT}).fetchall()
        # What a version no longer known made cannot be told apart.
        counted.take([row for row in rows if (row[0], row[1]) in catalogue.versions])
        halves.append(counted.counts(catalogue))
    return set_apart(*halves), values_of(halves[0])


def _spelled(value: Scalar) -> str:
    spelled = str(value).lower() if isinstance(value, bool) else str(value)
    return spelled if len(spelled) <= _LONGEST_VALUE else spelled[: _LONGEST_VALUE - 1] + "…"
