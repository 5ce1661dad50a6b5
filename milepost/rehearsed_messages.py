"""What a target would be sent in a test of definitions: the words, and the requests of its channel, sent nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alerting.address import Address
from alerting.channels.answer import Answer, Fate, Request
from alerting.channels.letter import Letter
from alerting.channels.registry import CHANNELS
from alerting.channels.scrub import scrub
from alerting.message import Notice
from alerting.rendering import letter
from alerting.targets import Target, resolve_address

WITHOUT_JSON = ("email", "apprise")
"""Kinds of targets whose messages are no JSON."""
_MOST_REQUESTS = 4
_NUMBER = "f" * 32
"""Under which a vendor would know the message."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a target was sent at an instant (micros), as it reads it but for what its channel marks and cuts.

    `document` is the JSON of its first request with a body, without secrets; None where there is none. `wrong` is what
    is wrong with its templates.
    """

    at: int
    target: str
    reason: str
    title: str
    text: str
    document: Any
    wrong: str = ""


@dataclass(slots=True)
class Post:
    """Takes messages as the outbox would, in order, and remembers for each target what its channel remembers."""

    targets: Mapping[str, Target]
    env: Mapping[str, str]
    _handles: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    _numbers: int = 0

    def send(self, notice: Notice, target: str, kind: str, written: Address, at: int) -> Sent:
        """What goes out; every vendor takes it."""
        self._numbers += 1
        address = resolve_address(kind, written, self.env) or written
        made, wrong = letter(notice, self.targets.get(target), address, f"rehearsed-{self._numbers}", at)
        documents = self._documents(made, target, kind)
        return Sent(at, target, notice.reason, made.heading, made.say(), documents[0] if documents else None, wrong)

    def _documents(self, made: Letter, target: str, kind: str) -> list[Any]:
        channel = CHANNELS[kind]
        handle = self._handles.setdefault((made.notice.incident or made.message_id, target), {})
        found: list[Any] = []
        for step in range(_MOST_REQUESTS):
            now = replace(made, step=step, handle=dict(handle))
            wanted = channel.request(now)
            if wanted is None:
                break
            if isinstance(wanted, Request) and wanted.body:
                found.append(json.loads(scrub(wanted.body.decode(), made.address) or "null"))
            outcome = channel.judge(now, _taken(kind, now, wanted))
            handle |= outcome.remember
            if outcome.fate is not Fate.DELIVERED or not outcome.onward:
                break
        return found


def _taken(kind: str, now: Letter, wanted: object) -> Answer:
    """How a vendor says that it has taken a message."""
    if kind == "slack":
        said = {"ok": True, "channel": now.address.get("channel"), "ts": "1.000001"}
        return Answer(200, {}, json.dumps(said).encode() if now.address.secret else b"ok")
    if kind == "servicenow" and isinstance(wanted, Request):
        row = {"sys_id": _NUMBER, "number": "INC0000001"}
        return Answer(200, {}, json.dumps({"result": [] if wanted.method == "GET" else row}).encode())
    return Answer(200, {}, b"{}")
