"""What the attributes of the held-up say: what sets them apart from the others, and which values they have. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from alerting.incident import Apart, Attributes
from slo_rules.differences import Attribute, Counts, differences
from slo_rules.progress import Scalar

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


def _spelled(value: Scalar) -> str:
    spelled = str(value).lower() if isinstance(value, bool) else str(value)
    return spelled if len(spelled) <= _LONGEST_VALUE else spelled[: _LONGEST_VALUE - 1] + "…"
