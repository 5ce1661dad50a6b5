"""Microsoft Teams: an adaptive card for a workflow ("Post to a channel when a webhook request is received").

202 says that the workflow has begun, not that anybody sees the card. There is no id: every message is a new card.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson

from alerting.channels.answer import Answer, Fate, Outcome, Request, classify, json_request
from alerting.channels.letter import Letter
from alerting.message import Style, shorten
from alerting.targets import Rate
from slo_rules.durations import SECOND

PACE: Rate | None = Rate(2, SECOND)
NOTES = True
STAYS = False

# Teams takes 28 KB after it has expanded a card, which it does by a fifth and more.
CARD_LIMIT = 20_000
_TITLE, _TEXT = 300, 6_000
_MARKED = re.compile(r"([\\`*_{}\[\]()#+!|<>~])")
_COLOURS = {"resolved": "Good", "note": "Default"}


def request(letter: Letter) -> Request | None:
    """One card, cut until it is small enough."""
    if letter.step:
        return None
    limit = _TEXT
    while len(body := orjson.dumps(card(letter, limit))) > CARD_LIMIT and limit > 100:
        limit //= 2
    return replace(json_request(letter.address.url, None), body=body)


def card(letter: Letter, limit: int = _TEXT) -> dict[str, Any]:
    """The message as objects; its text has at most `limit` characters."""
    notice = letter.notice
    colour = _COLOURS.get(notice.transition, "Attention" if notice.severity == "critical" else "Warning")
    title = {"type": "TextBlock", "text": escape(shorten(letter.heading, _TITLE)), "weight": "Bolder", "size": "Medium"}
    said = {"type": "TextBlock", "text": shorten(letter.say(STYLE), limit), "wrap": True}
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [title | {"wrap": True, "color": colour}, said],
    }
    links = [(words, url) for words, url in notice.links if len(url) <= 2_000]
    if links:
        content["actions"] = [{"type": "Action.OpenUrl", "title": words, "url": url} for words, url in links]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return {"type": "message", "attachments": [attachment]}


def judge(letter: Letter, answer: Answer) -> Outcome:
    """As the status says; an address that is unknown or not signed as it should be wants no more."""
    outcome = classify(answer, letter.at)
    if outcome.fate is Fate.DELIVERED:
        return replace(outcome, reason="accepted")
    return replace(outcome, disables=outcome.disables or answer.status in (401, 403, 404))


def escape(text: str) -> str:
    """Takes away the power to mention, link or format from what came from outside."""
    return _MARKED.sub(r"\\\1", text)


def _strong(escaped: str) -> str:
    return f"**{escaped}**" if escaped.strip() else escaped


STYLE = Style(escape, _strong)
