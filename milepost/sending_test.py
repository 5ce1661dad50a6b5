"""`milepost alerts send-test`: a test message to one target, and its resolve, without a database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from alerting.channels.guarded import new_client
from alerting.channels.reach import reach_of
from alerting.channels.registry import CHANNELS
from alerting.channels.scrub import scrub
from alerting.channels.transport import Sent, send
from alerting.message import Notice
from alerting.rendering import letter
from alerting.targets import Target
from milepost.definition_files import read_definitions
from milepost.routes import read_targets
from milepost.settings import Settings
from slo_rules.reading import suggestion

_TITLE = "A test of Milepost"
_SAID = "This is a test: messages of Milepost to this target arrive. Nothing needs to be done."


class NoSuchTarget(Exception):
    """There is no target of this name; it says which there are."""


def send_test(settings: Settings, name: str, now: int, env: Mapping[str, str] = os.environ) -> list[str]:
    """Lines that say how it went. Raises NoSuchTarget, DefinitionError, and NotTaken where it was not delivered."""
    targets = read_targets(read_definitions(settings.definitions), env)
    target = targets.get(name)
    if target is None:
        known = f"; there are {', '.join(sorted(targets))}" if targets else "; there are no targets"
        raise NoSuchTarget(f"There is no target {name!r}{suggestion(name, targets)}{known}.")
    reach = reach_of(settings.private_hosts)
    incident = str(uuid4())
    lines: list[str] = []
    handle: dict[str, str] = {}
    with new_client(reach) as client:
        for transition in ("firing", "resolved"):
            said = _notice(transition, incident, now)
            made, _ = letter(said, target, target.address, f"msg_{uuid4().hex}", now)
            sent = send(client, CHANNELS[target.kind], replace(made, handle=handle), reach)
            handle = dict(sent.handle)
            lines.append(f"{transition}: {_spelled(sent, target)}")
            if sent.outcome.fate != "delivered":
                raise NotTaken(lines)
    return lines


class NotTaken(Exception):
    """A target did not take a message; `lines` say what happened."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def _notice(transition: str, incident: str, now: int) -> Notice:
    return Notice(
        transition=transition,
        reason="test",
        at=now,
        incident=incident,
        dedup_key=f"milepost-test-{incident}",
        verdict="test",
        severity="info",
        workflow="test",
        count=0 if transition == "resolved" else 1,
        opened_at=now,
        resolved_at=now if transition == "resolved" else None,
        said_title=_TITLE,
        said=_SAID,
    )


def _spelled(sent: Sent, target: Target) -> str:
    outcome = sent.outcome
    parts = [outcome.reason.replace("_", " "), str(outcome.status or ""), scrub(outcome.error, target.address) or ""]
    return ", ".join(part for part in parts if part)
