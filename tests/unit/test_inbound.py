from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from alerting.inbound import pagerduty, slack
from alerting.inbound.act import Act, NotHeard
from alerting.inbound.door import MOST_BYTES, InboundDoor
from slo_rules.durations import MINUTE, SECOND

NOW = 1_790_000_000 * SECOND
INCIDENT = UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def pressed(action: str = "milepost_acknowledge", value: str = str(INCIDENT), **more: Any) -> bytes:
    said = {
        "type": "block_actions",
        "user": {"id": "U1", "username": "mia", "name": "mia"},
        "actions": [{"type": "button", "action_id": action, "value": value}],
    }
    return urlencode({"payload": json.dumps(said | more)}).encode()


def of_slack(body: bytes, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    stamp = str(at // SECOND)
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, "sha256").hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}


def event(kind: str = "incident.acknowledged", **more: Any) -> bytes:
    agent = {"id": "PLH1HKV", "summary": "Mia Meier", "type": "user_reference"}
    data = {"id": "PGR0VU2", "type": "incident", "incident_key": f"milepost-{INCIDENT}", "status": "acknowledged"}
    said = {"id": "5ac64822", "event_type": kind, "resource_type": "incident", "agent": agent, "data": data}
    return json.dumps({"event": said | more}).encode()


def of_pagerduty(body: bytes, secret: str = SECRET) -> dict[str, str]:
    old, new = (hmac.new(one.encode(), body, "sha256").hexdigest() for one in ("old", secret))
    return {"x-pagerduty-signature": f"v1={old},v1={new}"}


class TestSlack:
    def test_the_example_of_its_documentation_is_signed_as_it_says(self) -> None:
        body = (
            b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
            b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
            b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
            b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
        )
        headers = {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        }
        with pytest.raises(NotHeard, match="no payload"):
            slack.read(body, headers, [SECRET], 1531420618 * SECOND)

    @pytest.mark.parametrize(
        ("action", "what"), [("milepost_acknowledge", "acknowledge"), ("milepost_resolve", "resolve")]
    )
    def test_a_button_is_an_act(self, action: str, what: Any) -> None:
        body = pressed(action)
        assert slack.read(body, of_slack(body), ["other", SECRET], NOW) == [Act(what, INCIDENT, "mia (Slack)")]

    def test_what_is_not_its_own_is_not_heard(self) -> None:
        body = pressed()
        for headers in (
            {},
            of_slack(body, "other"),
            of_slack(body, at=NOW - 6 * MINUTE),
            of_slack(body, at=NOW + 6 * MINUTE),
            of_slack(body + b"&x=1"),
            of_slack(body) | {"x-slack-request-timestamp": "soon"},
        ):
            with pytest.raises(NotHeard) as refused:
                slack.read(body, headers, [SECRET], NOW)
            assert refused.value.status == 401

    def test_what_is_about_something_else_is_no_act(self) -> None:
        for body in (pressed("another"), pressed(value="x"), pressed(type="view_closed"), pressed(actions=[7, {}])):
            assert slack.read(body, of_slack(body), [SECRET], NOW) == []

    def test_a_name_is_one_line(self) -> None:
        body = pressed(user={"name": "mia\n\x1b[2J" + "x" * 500})
        (act,) = slack.read(body, of_slack(body), [SECRET], NOW)
        assert act.who.isprintable()
        assert len(act.who) < 120


class TestPagerDuty:
    @pytest.mark.parametrize(
        ("kind", "what"), [("incident.acknowledged", "acknowledge"), ("incident.resolved", "resolve")]
    )
    def test_what_somebody_did_there_is_an_act(self, kind: str, what: Any) -> None:
        body = event(kind)
        acts = pagerduty.read(body, of_pagerduty(body), [SECRET], NOW)
        assert acts == [Act(what, INCIDENT, "Mia Meier (PagerDuty)")]

    def test_what_milepost_itself_resolved_is_no_act_of_somebody(self) -> None:
        body = event("incident.resolved", agent={"id": "P1", "type": "inbound_integration_reference"})
        assert pagerduty.read(body, of_pagerduty(body), [SECRET], NOW) == []

    def test_what_is_not_its_own_is_not_heard(self) -> None:
        body = event()
        for headers in ({}, of_pagerduty(body, "other"), of_pagerduty(body + b" "), {"x-pagerduty-signature": "v1="}):
            with pytest.raises(NotHeard):
                pagerduty.read(body, headers, [SECRET], NOW)

    def test_a_ping_is_no_act(self) -> None:
        body = event("pagey.ping", data={"message": "Hello from your friend Pagey!", "type": "ping"})
        assert pagerduty.read(body, of_pagerduty(body), [SECRET], NOW) == []


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(max_size=5), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["event", "event_type", "data", "agent", "actions", "user", "type", "payload"]), x)).map(lambda x: json.dumps(x).encode()))  # fmt: skip
def test_whatever_is_sent_it_is_heard_or_refused(body: bytes) -> None:
    posted = urlencode({"payload": body.decode("latin-1")}).encode()
    for read, sent, headers in (
        (pagerduty.read, body, of_pagerduty(body)),
        (slack.read, body, of_slack(body)),
        (slack.read, posted, of_slack(posted)),
    ):
        with contextlib.suppress(NotHeard):
            assert isinstance(read(sent, headers, [SECRET], NOW), list)


def test_the_door_answers_when_it_is_done() -> None:
    done: list[Act] = []
    fails = [True]

    def perform(acts: Any) -> None:
        if fails.pop():
            raise OSError("no database")
        done.extend(acts)

    door = InboundDoor({"slack": [SECRET]}, perform, lambda: NOW)
    app = Starlette(routes=list(door.paths()))
    body = pressed()

    async def post(path: str, content: bytes, headers: dict[str, str] | None = None) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return (await client.post(path, content=content, headers=headers)).status_code

    assert asyncio.run(post("/inbound/pagerduty", event())) == 404
    assert asyncio.run(post("/inbound/slack", body)) == 401
    assert asyncio.run(post("/inbound/slack", b"x" * 300_000)) == 413
    assert asyncio.run(post("/inbound/slack", body, of_slack(body))) == 503
    fails.append(False)
    assert asyncio.run(post("/inbound/slack", body, of_slack(body))) == 200
    assert done == [Act("acknowledge", INCIDENT, "mia (Slack)")]


async def test_what_is_not_theirs_or_too_large_or_not_done_is_refused_by_a_problem_document() -> None:
    def fail(_acts: object) -> None:
        raise OSError("secret-of-the-house")

    door = InboundDoor({"slack": [SECRET]}, fail, lambda: NOW)
    transport = httpx.ASGITransport(Starlette(routes=door.paths()))
    body = pressed()
    async with httpx.AsyncClient(transport=transport, base_url="http://milepost") as client:
        answers = [
            await client.post("/inbound/slack", content=sent, headers=headers)
            for sent, headers in ((body, {}), (b"x" * (MOST_BYTES + 1), {}), (body, of_slack(body)))
        ]
    assert [one.status_code for one in answers] == [401, 413, 503]
    assert all(one.headers["content-type"] == "application/problem+json" for one in answers)
    assert [one.json()["status"] for one in answers] == [401, 413, 503]
    assert "secret" not in answers[2].text
    assert answers[2].headers["retry-after"] == "5"
