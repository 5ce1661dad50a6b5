"""What objectives come to, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from fastapi import Query as Parameter

from collector.acts_api import Row, or_404
from collector.api_parameters import NOT_COMPARED, Group, Instant, Where
from collector.query import Query


def add_objectives(api: FastAPI, query: Query) -> None:
    """Objectives with their budgets, periods and contributors, and what sets the bad ones apart."""

    @api.get("/api/v1/objectives", tags=["query"])
    async def objectives() -> Row:
        """Every objective with its error budget."""
        return await query.objectives()

    @api.get("/api/v1/objectives/{name}", tags=["query"])
    async def objective(name: str, group: Group = None, since: Instant = None, until: Instant = None) -> Row:
        """One objective with its history, in all or in a group, and its groups, those with the least left first.

        The history is of the present window, or from `since` on and before `until`, 400 days at most: then `asked`
        says what it came to. It is told by the `step`, hours of up to three days and else days of the `zone`.

        `group` is said once for each attribute it is told apart by, in their order; empty is where nothing is said.
        """
        return or_404(await query.objective(name, group or (), since, until), "objective")

    @api.get("/api/v1/objectives/{name}/periods", tags=["query"])
    async def periods(
        name: str, period: str | None = None, zone: str | None = None, limit: int = 12, group: Group = None
    ) -> Row:
        """What an objective came to in the present day, week, month, quarter or year, and in those before it.

        Beside what a period comes to now stands what it came to when it was over, and whether that was restated.
        """
        found = await query.periods(name, period=period, zone=zone, limit=limit, group=group or ())
        return or_404(found, "objective")

    @api.get("/api/v1/objectives/{name}/contributors", tags=["query"])
    async def contributors(
        name: str,
        since: Instant = None,
        until: Instant = None,
        outcome: Annotated[str, Parameter(description="bad, waived, cancelled or good")] = "bad",
        group: Group = None,
        where: Where = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Row:
        """What an objective counted from `since` on and before `until`, in the order in which it was due.

        Without them the present window of the objective; both are widened to whole five minutes. Items are instances
        with what was due, when it came and by how much that was late; freshness lists the changes that were stale,
        volume the slices. What fell into an exclusion, or fell due while nothing was known, is listed with that and
        counts in no `total`. `workflow:NAME` names all the deadlines of a workflow.
        """
        found = await query.contributors(
            name,
            since=since,
            until=until,
            outcome=outcome,
            group=group or (),
            where=where or (),
            cursor=cursor,
            limit=limit,
        )
        return or_404(found, "objective")

    @api.get("/api/v1/objectives/{name}/differences", tags=["query"], responses=NOT_COMPARED)
    async def objective_differences(
        name: str, since: Instant = None, until: Instant = None, group: Group = None, limit: int = 20
    ) -> Row:
        """What the instances that an objective counted as bad have in common, against those that were good.

        Told as by `/api/v1/differences`. Of objectives of volume and about a source there is nothing to tell.
        """
        found = await query.objective_differences(name, since=since, until=until, group=group or (), limit=limit)
        return or_404(found, "objective")
