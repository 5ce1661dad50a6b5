"""How long questions take with ten times the history and as much open as before: in the database and over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import sqlalchemy as sa

from benchmarks import history
from benchmarks.history import DEFINITIONS, History
from benchmarks.history_cost import Costs
from benchmarks.load import LoadGenerator
from benchmarks.report import Figure, spread_of
from benchmarks.server import Postgres, serve
from collector.catalogue import register
from collector.query.query import Query
from collector.query.reader import Q, Reader, Row, compiled_select
from collector.store.database import connect
from slo_rules.definitions import load

NEEDS_A_PERSON = ("stuck", "blind", "failed", "inconsistent")
LATER = 1_000
"""Where a later page begins."""


@dataclass(frozen=True, slots=True)
class HistorySize:
    """How many instances there are, one database after the other, how many of them are open, and how often is asked."""

    instances: tuple[int, ...]
    open: int
    asked: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the query layer, by the path of the API, and its parameters; they may differ from time to time."""

    name: str
    path: str
    parameters: Callable[[History, int], Mapping[str, Any]]


def _worklist(**said: Any) -> Callable[[History, int], Mapping[str, Any]]:
    return lambda _made, _number: {"verdict": list(NEEDS_A_PERSON), "limit": 50} | said


QUESTIONS = (
    Question("worklist", "instances", _worklist()),
    Question("worklist, a later page", "instances", _worklist(offset=LATER)),
    Question("worklist by value", "instances", _worklist(sort="-value")),
    Question("worklist by value, a later page", "instances", _worklist(sort="-value", offset=LATER)),
    Question("worklist of one owner", "instances", _worklist(owner="warehouse")),
    Question("everything there is", "instances", lambda _made, _n: {"limit": 50}),
    Question("everything, the latest first", "instances", lambda _made, _n: {"limit": 50, "sort": "-updated_at"}),
    Question("everything that nobody handles", "instances", lambda _made, _n: {"limit": 50, "assigned_to": "nobody"}),
    Question("an open instance", "instance", lambda made, n: {"id": made.open_ids[n % len(made.open_ids)]}),
    Question("a finished instance", "instance", lambda made, n: {"id": made.finished_ids[n % len(made.finished_ids)]}),
    Question("by key", "instances", lambda made, n: {"key": made.orders[n % len(made.orders)]}),
    Question("search", "search", lambda made, n: {"q": made.orders[n % len(made.orders)]}),
    Question("overview", "overview", lambda _made, _n: {}),
)


class _ExplainedReader(Reader):
    """Has every statement explained and run, and adds up what the database says it took, in milliseconds."""

    spent = 0.0

    async def all(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        await self._explained(Q[name], parameters)
        return await super().all(name, parameters)

    async def one(self, name: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        await self._explained(Q[name], parameters)
        return await super().one(name, parameters)

    async def select(self, statement: sa.Select[Any]) -> list[Row]:
        await self._explained(*compiled_select(statement))
        return await super().select(statement)

    async def feed(self, statement: sa.Select[Any], take: Callable[[Sequence[tuple[Any, ...]]], None]) -> None:
        await self._explained(*compiled_select(statement))
        await super().feed(statement, take)

    async def _explained(self, statement: str, parameters: Mapping[str, Any] | None) -> None:
        async with self._pool.connection() as conn:
            cursor = await conn.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters)
            row = await cursor.fetchone()
        assert row is not None
        self.spent += row["QUERY PLAN"][0]["Execution Time"]


def measure(
    postgres: Postgres, load: LoadGenerator, pieces: Collection[str], size: HistorySize, events: int, rounds: int
) -> list[Figure]:
    """(g) and (h), as far as asked for, with a history of each size, in a database each.

    (g) puts each question `size.asked` times; (h) sends `events` in each of `rounds`.
    """
    figures: list[Figure] = []
    found: dict[str, list[float]] = {}
    costs = Costs()
    filled: list[tuple[str, History]] = []
    # All of them first: what is compared is then measured within minutes, on a machine that is equally warm.
    for instances in size.instances:
        began = time.monotonic()
        url = postgres.database(f"history_{instances}")
        made = history.make(url, instances, size.open)
        filled.append((url, made))
        figures.append(Figure(f"filling the tables, {_told(made)}", time.monotonic() - began, "s"))
    if "g" in pieces:
        runs_of: list[dict[str, list[float]]] = [{} for _ in filled]
        # Question by question, so that what a machine does meanwhile is done to all of them.
        for question in QUESTIONS:
            for runs, (url, made) in zip(runs_of, filled, strict=True):
                runs |= asyncio.run(in_database(url, made, size.asked, [question]))
        for runs, (url, made) in zip(runs_of, filled, strict=True):
            for what, took in (runs | _over_http(url, made, size.asked)).items():
                for figure in spread_of(f"(g) {what}, {_told(made)}", took, "ms")[:2]:
                    figures.append(figure)
                    found.setdefault(f"(g) {what}, {figure.name.rpartition(', ')[2]}", []).append(figure.value)
    if "h" in pieces:
        for (url, _), instances in zip(filled, size.instances, strict=True):
            costs.measure(postgres, load, url, instances, events, rounds)
    for instances in size.instances:
        postgres.drop(f"history_{instances}")
    times = size.instances[-1] // size.instances[0]
    figures += [
        Figure(f"{what}, growth with {times} times the history", v[-1] / v[0], "times") for what, v in found.items()
    ]
    return figures + (costs.figures(size.instances) if "h" in pieces else [])


def _told(made: History) -> str:
    return f"{made.instances:,} instances, {made.open:,} open"


async def in_database(
    url: str, made: History, asked: int, questions: Sequence[Question] = QUESTIONS
) -> dict[str, list[float]]:
    """What the database says each question took, in milliseconds, so many times; the first is left out."""
    with connect(url, "bench") as conn:
        catalogue = register(conn, load({"orders.yaml": DEFINITIONS}))
    reader = _ExplainedReader(url)
    await reader.open()
    query = Query(reader, catalogue)
    found: dict[str, list[float]] = {}
    try:
        for question in questions:
            ask: Callable[..., Awaitable[Row | None]] = getattr(query, question.path)
            runs = found[f"{question.name}, in the database"] = []
            for number in range(asked + 1):
                said = dict(question.parameters(made, number))
                if question.path == "search":
                    said = {"text": said["q"]}
                reader.spent = 0.0
                await ask(**said)
                runs.append(reader.spent)
            del runs[0]
    finally:
        await reader.close()
    return found


def _over_http(url: str, made: History, asked: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with serve(url, DEFINITIONS) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        for question in QUESTIONS:
            runs = found[f"{question.name}, over HTTP"] = []
            for number in range(asked + 1):
                said = dict(question.parameters(made, number))
                path = f"instances/{said.pop('id')}" if "id" in said else question.path
                address = f"/api/v1/{path}?{urlencode(said, doseq=True)}"
                started = time.perf_counter()
                client.get(address).raise_for_status()
                runs.append((time.perf_counter() - started) * 1e3)
            del runs[0]
    return found
