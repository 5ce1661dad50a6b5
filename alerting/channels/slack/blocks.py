"""What a message looks like in Slack: Block Kit, within its limits; a message over a limit is refused as a whole."""

from __future__ import annotations

import re
from typing import Any

from alerting.channels.letter import Letter
from alerting.message import Style, shorten

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
TEXT_LIMIT = 4000
URL_LIMIT = 2900
ACKNOWLEDGE, RESOLVE = "milepost_acknowledge", "milepost_resolve"
"""The ids of the buttons, by which Slack says which was pressed."""

_CUT_ENTITY = re.compile(r"&[a-z]{0,3}$")


def payload(letter: Letter, *, buttons: bool = False) -> dict[str, Any]:
    """The message as objects. `buttons` need an endpoint that hears Slack."""
    said = letter.say(STYLE)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": shorten(letter.heading, HEADER_LIMIT)}},
        {"type": "section", "text": {"type": "mrkdwn", "text": fit(said, SECTION_LIMIT)}},
    ]
    # URLs stand in a text, not in a button: a button needs an endpoint that answers Slack.
    for words, url in letter.notice.links:
        if len(escape(url)) <= URL_LIMIT:
            link = f"<{escape(url).replace('|', '%7C')}|{escape(words)}>"
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
    if buttons and letter.notice.incident and not letter.over:
        pressed = [("Acknowledge", ACKNOWLEDGE), ("Resolve", RESOLVE)]
        elements = [_button(text, action, letter.notice.incident) for text, action in pressed]
        blocks.append({"type": "actions", "elements": elements})
    return {"text": fit(said, TEXT_LIMIT), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def escape(text: str) -> str:
    """Takes away the power to mention, link or format from what came from outside."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def strong(escaped: str) -> str:
    """Bold; an asterisk inside would end it early."""
    return f"*{escaped.replace('*', '∗')}*" if escaped.strip() else escaped


STYLE = Style(escape, strong)


def fit(escaped: str, limit: int) -> str:
    """At most `limit` characters of escaped text, never cut inside an entity."""
    if len(escaped) <= limit:
        return escaped
    return _CUT_ENTITY.sub("", escaped[: limit - 1]) + "…"


def _button(text: str, action: str, incident: str) -> dict[str, Any]:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": text},
        "action_id": action,
        "value": incident,
    }
