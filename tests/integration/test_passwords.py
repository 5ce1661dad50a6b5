"""Passwords that somebody else chose, and how people give themselves others: over HTTP, with a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest

from collector.access import people
from tests.integration.fix_access import PASSWORD, Guarded, guarded, now

OWN = {"sec-fetch-site": "same-origin"}
NEW = "seven lamps in a barn"


@pytest.fixture
async def behind(database_url: str) -> AsyncIterator[Guarded]:
    async with guarded(database_url) as made:
        yield made


async def enter(client: httpx.AsyncClient, password: str = PASSWORD, aim: str = "/dashboard/stuck") -> httpx.Response:
    return await client.post("/login", data={"name": "ada", "password": password, "next": aim}, headers=OWN)


async def choose(client: httpx.AsyncClient, new: str, old: str = PASSWORD, **more: Any) -> httpx.Response:
    said = {"name": "ada", "old": old, "new": new, "next": "/dashboard/stuck"}
    return await client.post("/login/password", data=said, headers=OWN | more)


async def test_a_password_that_somebody_else_chose_opens_nothing_but_the_form_for_another(behind: Guarded) -> None:
    behind.user("ada", "admin", provisional=True)
    client = behind.client()
    asked = await enter(client)
    assert (asked.status_code, "set-cookie" in asked.headers) == (200, False)
    assert 'action="/login/password"' in asked.text
    assert 'value="ada"' in asked.text
    assert PASSWORD not in asked.text
    for path in ("/api/v1/overview", "/password", "/dashboard/"):
        assert (await client.get(path)).status_code == 401
    wrong = await choose(client, NEW, old="wrong password")
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    let_in = await choose(client, NEW)
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/dashboard/stuck")
    assert (await client.get("/api/v1/overview")).status_code == 200
    assert (await enter(behind.client())).status_code == 401
    assert (await enter(behind.client(), NEW)).status_code == 303


async def test_all_that_is_wrong_with_a_password_is_told_and_the_first_one_cannot_stay(behind: Guarded) -> None:
    behind.user("ada", "viewer", provisional=True)
    client = behind.client()
    await enter(client)
    refused = await choose(client, "ada4711")
    assert refused.status_code == 400
    told = unescape(refused.text)
    assert "The password must have from 12 to 1024 characters; the password contains the name of the user; " in told
    assert "too easily guessed" in told
    assert "The password is the present one." in (await choose(client, PASSWORD)).text
    assert "one of the most common ones." in (await choose(client, "qwertyuiop12")).text
    assert "contains the word milepost." in (await choose(client, "seven M1lepost lamps in a barn")).text
    assert (await enter(client)).status_code == 200


async def test_a_password_that_an_administrator_resets_ends_all_sessions_and_is_to_be_changed(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    client = behind.client()
    assert (await enter(client)).status_code == 303
    with behind.conn.transaction():
        people.change(behind.conn, "ada", now(), password=NEW)
    behind.refresh()
    assert (await client.get("/api/v1/overview")).status_code == 401
    assert "Choose a password" in (await enter(client, NEW)).text
    own = "brass bells above the harbour"
    assert (await choose(client, own, old=NEW)).status_code == 303
    said = [(one["action"], one["actor"], one["after"].get("password")) for one in behind.recorded()]
    assert said[-4:] == [
        ("user.changed", said[-4][1], "provisional"),
        ("login.password_due", "ada", None),
        ("user.changed", "ada", "changed"),
        ("login", "ada", None),
    ]
    assert not any(secret in str(behind.recorded()) for secret in (PASSWORD, NEW, own))


async def test_whoever_changes_his_own_password_is_logged_out_everywhere_else(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    here, elsewhere = behind.client(), behind.client()
    for client in (here, elsewhere):
        await enter(client)
    changed = await here.post("/password", data={"old": PASSWORD, "new": NEW}, headers=OWN)
    assert changed.status_code == 303
    assert (await here.get("/api/v1/overview")).status_code == 200
    assert (await elsewhere.get("/api/v1/overview")).status_code == 401
    assert (await enter(behind.client(), NEW)).status_code == 303


async def test_nobody_guesses_at_the_form_for_another_password(behind: Guarded) -> None:
    behind.user("ada", "viewer", provisional=True)
    client = behind.client()
    answers = await asyncio.gather(*(choose(client, NEW, old=f"wrong password {one}") for one in range(7)))
    assert sorted(one.status_code for one in answers) == [401] * 5 + [429] * 2
    late = await choose(client, NEW)
    assert (late.status_code, int(late.headers["retry-after"]) > 60) == (429, True)
    foreign = await choose(behind.client(), NEW, **{"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert (await behind.client().post("/login/password", content=b"\xff", headers=OWN)).status_code == 400
