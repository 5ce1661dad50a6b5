"""How the instances of a workflow pass through its steps, over HTTP."""

from __future__ import annotations

from fastapi import FastAPI

from collector.acts_api import Row, or_404
from collector.api_parameters import Instant, Where
from collector.query import Query
from collector.query.flow_comparison import Said


def add_flow(api: FastAPI, query: Query) -> None:
    """A workflow step by step, and two sets of its instances side by side."""

    @api.get("/api/v1/workflows/{name}/flow", tags=["query"])
    async def flow(name: str) -> Row:
        """A workflow step by step: what waits there, how long it takes until then, how many are late or drop off."""
        return or_404(await query.flow(name), "workflow")

    answers: dict[int | str, Row] = {
        400: {"description": "what is wrong with the question, each fault by its field"},
        422: {"description": "there are too many instances to compare in time"},
    }

    @api.get("/api/v1/workflows/{name}/flow/comparison", tags=["query"], responses=answers)
    async def flow_comparison(
        name: str,
        since: Instant = None,
        until: Instant = None,
        where: Where = None,
        against_since: Instant = None,
        against_until: Instant = None,
        against_where: Where = None,
    ) -> Row:
        """Two sets of instances of a workflow side by side, by when they started and what they are.

        Of each step how many reached it, late, again or not at all, and how long it took. The largest differences come
        first.
        """
        one, other = Said(since, until, where or ()), Said(against_since, against_until, against_where or ())
        return or_404(await query.flow_comparison(name, one, other), "workflow")
