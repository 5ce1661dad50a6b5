"""The definitions in force over HTTP, and what their tests say."""

from __future__ import annotations

from fastapi import FastAPI

from collector.acts_api import Row, or_404
from collector.query import Query

_NO_WORKFLOW: dict[int | str, Row] = {404: {"description": "there is no such workflow"}}


def add_definitions(api: FastAPI, query: Query) -> None:
    """The workflows in force, and the tests of one."""

    @api.get("/api/v1/workflows", tags=["query"])
    async def workflows() -> Row:
        """The definitions in force with the number of their instances by verdict."""
        return await query.workflows()

    @api.get("/api/v1/workflows/{name}/tests", tags=["query"], responses=_NO_WORKFLOW)
    async def definition_tests(name: str) -> Row:
        """How the tests beside the definition of a workflow ended, and what of it they cover and do not.

        They are run when somebody asks for the first time (`state` is `running` meanwhile), and after files changed.
        """
        return or_404(await query.definition_tests(name), "workflow")
