"""Slack incoming webhooks. They answer `ok` and nothing else, so every transition is a new message."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson

from alerting.address import Address
from alerting.channels.answer import Answer, Fate, Outcome, Request, classify
from alerting.message import Notice, Style, headline, sentence, shorten

# Block Kit; a message over a limit is refused as a whole.
HEADER_LIMIT = 150
SECTION_LIMIT = 3000
TEXT_LIMIT = 4000
URL_LIMIT = 2900

_WORDS = {"firing": "Firing", "updated": "Growing", "resolved": "Resolved"}
_CUT_ENTITY = re.compile(r"&[a-z]{0,3}$")


def request(notice: Notice, address: Address, _message_id: str, _at: int) -> Request:
    """The request of one attempt; Slack knows neither a message id nor a signature."""
    headers = {"content-type": "application/json; charset=utf-8", "user-agent": "milepost"}
    return Request(address.url, headers, orjson.dumps(payload(notice)))


def payload(notice: Notice) -> dict[str, Any]:
    """The message as objects, within the limits of Block Kit."""
    word = _WORDS.get(notice.transition, "Firing")
    said = sentence(notice, Style(escape, strong))
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": shorten(f"{word}: {headline(notice)}", HEADER_LIMIT)},
        },
        {"type": "section", "text": {"type": "mrkdwn", "text": fit(said, SECTION_LIMIT)}},
    ]
    if notice.link and len(escape(notice.link)) <= URL_LIMIT:
        # The URL stands in a text, not in a button: a button needs an endpoint that answers Slack.
        link = f"<{escape(notice.link)}|Open the list>"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
    return {"text": fit(said, TEXT_LIMIT), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def judge(answer: Answer, now: int) -> Outcome:
    """As the status says, but a 200 counts only with the body `ok`, and `no_service` disables the address."""
    outcome = classify(answer, now)
    body = answer.body.strip()
    if outcome.fate is Fate.DELIVERED and body != b"ok":
        return Outcome(Fate.RETRY, "not_confirmed", answer.status, "the answer was not ok", uncertain=True)
    if answer.status == 404 and body == b"no_service":
        return replace(outcome, disables=True)
    return outcome


def escape(text: str) -> str:
    """Takes away the power to mention, link or format from what came from outside."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def strong(escaped: str) -> str:
    """Bold; an asterisk inside would end it early."""
    return f"*{escaped.replace('*', '∗')}*" if escaped.strip() else escaped


def fit(escaped: str, limit: int) -> str:
    """At most `limit` characters of escaped text, never cut inside an entity."""
    if len(escaped) <= limit:
        return escaped
    return _CUT_ENTITY.sub("", escaped[: limit - 1]) + "…"
