"""Parameters that several questions over HTTP have, and what is answered where such a question cannot be."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query as Parameter

from collector.acts_api import Row

INSTANT_FORMAT = {"format": "date-time"}
Instant = Annotated[str | None, Parameter(description="an RFC 3339 instant", json_schema_extra=INSTANT_FORMAT)]
Group = Annotated[
    list[str] | None,
    Parameter(description="the values of a group, one for each attribute it is told apart by; empty: nothing is said"),
]
Where = Annotated[
    list[str] | None, Parameter(description="`name=value` of an attribute or key; of several each must be so")
]
NOT_COMPARED: dict[int | str, Row] = {
    400: {"description": "not such a question; every fault is named"},
    422: {"description": "there are too many instances to compare in time"},
}
