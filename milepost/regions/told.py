"""What a region says, checked: it is another's word. Too much of anything, and whatever is of another kind, is refused.

What is not known here is passed over, so that a region may be newer than who asks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from milepost.plain_text import shown

LONGEST_NAME = 2048
_MOST = 10**15
_MOST_ROWS = 1000
Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
Word = Annotated[str, Meta(max_length=40, pattern="^[a-z_]*$")]
Count = Annotated[int, Meta(ge=0, le=_MOST)]
Number = Annotated[float, Meta(ge=-_MOST, le=_MOST)]
Instant = Annotated[datetime, Meta(tz=True)]


class Unfit(Exception):
    """An answer is not what a region says; the message says why, and repeats nothing of it."""


class Amount(msgspec.Struct, frozen=True):
    """So much of a currency."""

    currency: Annotated[str, Meta(max_length=12)]
    amount: Number


class Domain(msgspec.Struct, frozen=True):
    """A domain with how many of its instances stand how."""

    domain: Name
    open: Count
    due_soon: Count
    stuck: Count
    blind: Count
    failed: Count
    inconsistent: Count
    waived: Count = 0
    value_at_risk: Annotated[list[Amount], Meta(max_length=50)] = []
    oldest_stuck_since: Instant | None = None
    budget_left_ratio: Number | None = None


class Objective(msgspec.Struct, frozen=True):
    """An objective and what is left of its budget; None where nothing is known yet."""

    name: Name
    title: Name
    target: Number
    domain: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""
    budget_left_ratio: Number | None = None


class Incident(msgspec.Struct, frozen=True):
    """An open incident: its title names definitions, not instances."""

    id: Annotated[str, Meta(pattern="^[0-9a-f-]{36}$")]
    title: Annotated[str, Meta(min_length=1, max_length=500)]
    verdict: Word
    severity: Word = ""
    count: Count = 0
    value: Annotated[list[Amount], Meta(max_length=50)] = []
    oldest_since: Instant | None = None
    opened_at: Instant | None = None


class Source(msgspec.Struct, frozen=True):
    """A source that a definition names."""

    source: Name
    title: Name
    state: Word
    last_received_at: Instant | None = None


class Figures(msgspec.Struct, frozen=True):
    """Everything that a region says of itself; `as_of` is its own clock."""

    as_of: Instant
    domains: Annotated[list[Domain], Meta(max_length=_MOST_ROWS)]
    objectives: Annotated[list[Objective], Meta(max_length=_MOST_ROWS)] = []
    objectives_count: Count = 0
    incidents: Annotated[list[Incident], Meta(max_length=_MOST_ROWS)] = []
    incidents_count: Count = 0
    sources: Annotated[list[Source], Meta(max_length=_MOST_ROWS)] = []
    sources_count: Count = 0
    sources_live: Count = 0
    lag_seconds: Number = 0.0


_decode = msgspec.json.Decoder(Figures).decode


def read(body: bytes) -> dict[str, Any]:
    """The figures of an answer, JSON-ready: times are RFC 3339 text, and names have nothing in them that hides.

    Raises Unfit.
    """
    try:
        said: dict[str, Any] = msgspec.to_builtins(_decode(body))
    except msgspec.ValidationError as error:
        # It names the place and the kind, and may name a value that was sent where one of several was expected.
        where = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "`$`"
        raise Unfit(f"its answer is not that of a region: wrong at {shown(where, 80)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unfit("its answer is no JSON") from error
    plain: dict[str, Any] = _plain(said)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return shown(value, 500) if isinstance(value, str) else value
