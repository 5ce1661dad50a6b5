"""What Slack posts when somebody presses a button: a form with JSON in it, signed as `v0`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from alerting.channels.slack.blocks import ACKNOWLEDGE, RESOLVE
from alerting.inbound.act import Act, NotHeard, in_time, incident_of, name_of, signed_by

_SYSTEM = "Slack"


def read(body: bytes, headers: Mapping[str, str], secrets: Collection[str], now: int) -> list[Act]:
    """The acts in a request; empty where it is about something else. NotHeard where it is not Slack's, or unreadable.

    Names of headers are lower case.
    """
    at = headers.get("x-slack-request-timestamp", "")
    signature = headers.get("x-slack-signature", "").removeprefix("v0=")
    if not in_time(at, now) or not signed_by(secrets, b"v0:" + at.encode() + b":" + body, [signature]):
        raise NotHeard(401, "the signature is not that of any target")
    try:
        said = orjson.loads(parse_qs(body.decode(), max_num_fields=10)["payload"][0])
    except (ValueError, LookupError) as error:
        raise NotHeard(400, "there is no payload that can be read") from error
    if not isinstance(said, dict) or said.get("type") != "block_actions":
        return []
    user: Any = said.get("user")
    user = user if isinstance(user, dict) else {}
    who = name_of(user.get("name") or user.get("username") or user.get("id"), _SYSTEM)
    pressed = said.get("actions")
    acts = [_act(one, who) for one in pressed if isinstance(one, dict)] if isinstance(pressed, list) else []
    return [act for act in acts if act is not None]


def _act(pressed: Mapping[str, Any], who: str) -> Act | None:
    incident = incident_of(pressed.get("value"))
    if incident is None:
        return None
    if pressed.get("action_id") == ACKNOWLEDGE:
        return Act("acknowledge", incident, who)
    return Act("resolve", incident, who) if pressed.get("action_id") == RESOLVE else None
