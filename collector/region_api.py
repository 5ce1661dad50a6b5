"""Routes about installations as regions: what this one tells of itself, and what others told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI

from collector.acts_api import Row
from collector.query import Query

Regions = Callable[[], Awaitable[Row]]


def add_region(api: FastAPI, query: Query, regions: Regions | None) -> None:
    """The figures of this installation, and those of `regions`, where it was told of any."""
    shared = query.shared()

    @api.get("/api/v1/region", tags=["query"])
    async def region() -> Row:
        """What an overview of several installations is told of this one: figures, and names out of definitions.

        No key, title or attribute of any instance is in it, and of sources only those that are defined are named.
        """
        return await shared.region()

    @api.get("/api/v1/regions", tags=["query"])
    async def all_regions() -> Row:
        """What each region in the settings said last of itself, and since when it does not answer where it does not."""
        return {"items": []} if regions is None else await regions()
