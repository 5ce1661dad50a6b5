"""Answers that many share: how often they are made, for how long they are good, and what a write does to them."""

from __future__ import annotations

import asyncio

import pytest

from collector.query import shared_answers
from collector.query.shared_answers import SharedAnswers
from tests.unit.making import Making, settled


class Database(Making):
    """Answers with how often it was asked, when it is let go; and somebody writes to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0


@pytest.fixture(autouse=True)
def _good_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "REFRESH_SECONDS", 1000)
    monkeypatch.setattr(shared_answers, "AFTER_WRITE_SECONDS", 1000)


async def test_fifty_who_ask_at_once_and_one_after_the_other_are_one_question() -> None:
    database = Database()
    answers = SharedAnswers(lambda: database.writes)
    asking = [asyncio.create_task(answers.get("overview", database)) for _ in range(25)]
    await settled()
    database.go.set()
    assert [await one for one in asking] == [1] * 25
    assert [await answers.get("overview", database) for _ in range(25)] == [1] * 25
    assert await answers.get("sources", database) == 2


async def test_what_is_past_its_time_is_asked_anew_and_never_given_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "REFRESH_SECONDS", 0)
    database = Database()
    database.go.set()
    answers = SharedAnswers(lambda: database.writes)
    assert await answers.get("overview", database) == 1
    await settled()
    assert await answers.get("overview", database) == 2


async def test_whoever_asks_after_a_write_is_not_told_what_was_before_it() -> None:
    database = Database()
    answers = SharedAnswers(lambda: database.writes)
    before = asyncio.create_task(answers.get("overview", database))
    await settled()
    database.writes += 1
    after = asyncio.create_task(answers.get("overview", database))
    await settled()
    database.go.set()
    assert (await before, await after) == (1, 2)
    assert await answers.get("overview", database) == 2


async def test_soon_after_a_write_answers_are_good_for_less_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "AFTER_WRITE_SECONDS", 0)
    database = Database()
    database.go.set()
    answers = SharedAnswers(lambda: database.writes)
    assert await answers.get("overview", database) == 1
    database.writes += 1
    assert await answers.get("overview", database) == 2
    await settled()
    assert await answers.get("overview", database) == 3


async def test_an_error_is_told_to_all_who_wait_and_not_kept() -> None:
    database = Database()
    answers = SharedAnswers(lambda: database.writes)
    database.error = OSError("gone")
    asking = [asyncio.create_task(answers.get("overview", database)) for _ in range(3)]
    await settled()
    database.go.set()
    assert [type(one) for one in await asyncio.gather(*asking, return_exceptions=True)] == [OSError] * 3
    database.error = None
    assert await answers.get("overview", database) == 2


async def test_whoever_asked_first_may_go_away() -> None:
    database = Database()
    answers = SharedAnswers(lambda: database.writes)
    first = asyncio.create_task(answers.get("overview", database))
    await settled()
    second = asyncio.create_task(answers.get("overview", database))
    await settled()
    first.cancel()
    database.go.set()
    assert await second == 1
    assert first.cancelled()


async def test_nothing_is_held_longer_than_it_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "REFRESH_SECONDS", 0)
    database = Database()
    database.go.set()
    answers = SharedAnswers(lambda: database.writes)
    for number in range(100):
        await answers.get(number, database)
    await settled()
    assert not answers._answers
