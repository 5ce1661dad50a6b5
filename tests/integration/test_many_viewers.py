# ruff: noqa: F811
"""Many look at the same pages: the database is asked each question once per refresh, whoever looks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from collector.access.principal import How, Principal, acting
from collector.access.sight import Sight
from collector.query import Query
from collector.query.reader import Reader, Row
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

pytestmark = pytest.mark.slow

VIEWERS = 50


class CountingReader(Reader):
    """Counts how often it was asked each statement."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: Counter[str] = Counter()

    def connection(self) -> AbstractAsyncContextManager[Any]:
        @asynccontextmanager
        async def counted() -> AsyncIterator[Any]:
            async with super(CountingReader, self).connection() as conn:
                execute = conn.execute

                async def execute_counted(statement: Any, *args: Any, **kwargs: Any) -> Any:
                    self.asked[str(statement)] += 1
                    return await execute(statement, *args, **kwargs)

                conn.execute = execute_counted  # type: ignore[assignment]
                try:
                    yield conn
                finally:
                    del conn.execute

        return counted()

    @property
    def total(self) -> int:
        return self.asked.total()


@pytest.fixture
async def reader(collector: Collector) -> AsyncIterator[CountingReader]:
    await collector.events(
        cloud_event("one", data={"order_id": "O-1", "account_id": "A", "amount": 5, "currency": "EUR"})
    )
    collector.project()
    found = CountingReader(collector.url)
    await found.open()
    yield found
    await found.close()


async def look(query: Query) -> Row:
    """What the pages ask at a refresh: the overview, a filter of the worklist, an instance, and what is due."""
    listed = await query.instances(workflow="order-to-cash", sort="-updated_at", limit=1)
    found = await asyncio.gather(
        query.overview(),
        query.instances(verdict=["stuck", "failed"], sort="-updated_at", limit=1),
        query.instance(listed["items"][0]["id"]),
        query.objectives(),
        query.incidents(status="firing"),
        query.sources(),
    )
    return {"listed": listed, "found": found}


async def test_fifty_viewers_are_one_question_of_each_kind_to_the_database(
    collector: Collector, reader: CountingReader
) -> None:
    await look(Query(reader, collector.catalogue).shared())
    alone, reader.asked = reader.asked.copy(), Counter()
    query = Query(reader, collector.catalogue).shared()
    at_once = await asyncio.gather(*(look(query) for _ in range(VIEWERS // 2)))
    later = [await look(query) for _ in range(VIEWERS // 2)]
    assert reader.asked == alone
    assert all(one == at_once[0] for one in at_once + later)


async def test_each_filter_and_each_page_has_an_answer_of_its_own(collector: Collector, reader: CountingReader) -> None:
    query = Query(reader, collector.catalogue).shared()
    assert (await query.instances(workflow="order-to-cash"))["total"] == 1
    assert (await query.instances(workflow="ticket"))["total"] == 0
    assert (await query.instances(workflow="order-to-cash", offset=1))["items"] == []


async def test_what_somebody_did_here_is_seen_by_all_with_their_next_question(
    collector: Collector, reader: CountingReader
) -> None:
    query = Query(reader, collector.catalogue).shared()
    assert (await query.assignees())["items"] == []
    collector.rows(
        "INSERT INTO instance_handling (instance_id, assigned_to) SELECT id, 'ann' FROM instance RETURNING 1"
    )
    assert (await query.assignees())["items"] == []
    reader.note_write()
    assert (await query.assignees())["items"] == ["ann"]


async def test_those_who_may_not_see_the_same_share_no_answer(collector: Collector, reader: CountingReader) -> None:
    query = Query(reader, collector.catalogue).shared()

    async def asked_by(*domains: str, raw: bool = False) -> tuple[list[str], int]:
        """What is told to somebody who may see these domains, or all, and how often the database was asked for it."""
        before = reader.total
        sight = Sight(frozenset(domains)) if domains else None
        scopes = frozenset(("query", "raw") if raw else ("query",))
        token = acting.set(Principal("x", How.KEY, scopes, sight=sight))
        try:
            return [one["name"] for one in (await query.workflows())["items"]], reader.total - before
        finally:
            acting.reset(token)

    everything, once = await asked_by()
    assert everything
    assert await asked_by() == (everything, 0)
    assert await asked_by("of-nobody") == ([], once)
    assert await asked_by("of-nobody") == ([], 0)
    assert await asked_by() == (everything, 0)
    assert await asked_by(raw=True) == (everything, once)


async def test_rows_are_read_once_for_all_who_saw_the_same_change(collector: Collector) -> None:
    async def listed(**headers: str) -> int:
        answer = await collector.http.get("/api/v1/instances", headers=headers)
        return int(answer.json()["total"])

    await collector.events(cloud_event("one", data={"order_id": "O-1"}))
    collector.project()
    assert await listed(**{"milepost-version": "a"}) == 1
    await collector.events(cloud_event("two", data={"order_id": "O-2"}))
    collector.project()
    assert await listed(**{"milepost-version": "a"}) == 1
    assert await listed(**{"milepost-version": "b"}) == 2
    assert await listed() == 2
