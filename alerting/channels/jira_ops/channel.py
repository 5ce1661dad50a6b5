"""Jira Service Management Operations, and Opsgenie until it ends: both speak the Alert API.

The alias pairs a close with its alert. Everything is answered 202 before it is done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from alerting.channels.answer import Answer, Fate, Outcome, Request, classify, json_request
from alerting.channels.letter import Letter
from alerting.message import shorten
from alerting.targets import Rate
from slo_rules.durations import SECOND

PACE: Rate | None = Rate(4, SECOND)
NOTES = False
STAYS = True

MESSAGE_LIMIT, DESCRIPTION_LIMIT, ALIAS_LIMIT, ENTITY_LIMIT = 130, 15_000, 512, 512
TAG_LIMIT = 50
_PRIORITIES = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}


def request(letter: Letter) -> Request | None:
    """A create; or an update of the message and then of the description; or a close."""
    alias = letter.key[:ALIAS_LIMIT]
    path = f"/v2/alerts/{quote(alias, safe='')}"
    if letter.over:
        body = {"source": "Milepost", "note": shorten(letter.say(), DESCRIPTION_LIMIT)}
        return _call(letter, f"{path}/close?identifierType=alias", body) if letter.step == 0 else None
    if letter.notice.transition != "updated":
        return _call(letter, "/v2/alerts", alert(letter)) if letter.step == 0 else None
    parts = [("message", shorten(letter.heading, MESSAGE_LIMIT)), ("description", _description(letter))]
    if letter.step >= len(parts):
        return None
    name, text = parts[letter.step]
    return _call(letter, f"{path}/{name}?identifierType=alias", {name: text}, "PUT")


def alert(letter: Letter) -> dict[str, Any]:
    """The alert as objects, within the limits of the API."""
    notice = letter.notice
    details = {"workflow": notice.workflow, "verdict": notice.verdict, "owner": notice.owner, "list": notice.link}
    said: dict[str, Any] = {
        "message": shorten(letter.heading, MESSAGE_LIMIT),
        "alias": letter.key[:ALIAS_LIMIT],
        "description": _description(letter),
        "source": "Milepost",
        "entity": shorten(notice.workflow or notice.source or "milepost", ENTITY_LIMIT),
        "priority": _PRIORITIES.get(notice.severity, "P3"),
        "tags": [shorten(tag, TAG_LIMIT) for tag in ("milepost", notice.verdict, notice.domain) if tag],
        "details": {name: shorten(text, 2_000) for name, text in details.items() if text},
    }
    if team := letter.address.get("team"):
        said["responders"] = [{"type": "team", "name": team}]
    return said


def judge(letter: Letter, answer: Answer) -> Outcome:
    """As the status says. A key that is refused wants no more; what is not there needs no close."""
    outcome = classify(answer, letter.at)
    if outcome.fate is Fate.DELIVERED:
        onward = letter.notice.transition == "updated" and letter.step == 0
        return replace(outcome, reason="accepted", remember={"key": letter.key}, onward=onward)
    if answer.status == 404 and letter.over:
        return Outcome(Fate.DELIVERED, "not_there", 404)
    return replace(outcome, disables=outcome.disables or answer.status in (401, 403))


def _description(letter: Letter) -> str:
    link = "".join(f"\n\n{words}: {url}" for words, url in letter.notice.links)
    return shorten(letter.say() + link, DESCRIPTION_LIMIT)


def _call(letter: Letter, path: str, document: dict[str, Any], method: str = "POST") -> Request:
    url = letter.address.url.rstrip("/") + path
    return json_request(url, document, method, authorization=f"GenieKey {letter.address.secret}")
