"""PagerDuty, Events API v2. A firing triggers, a growth is appended to the open alert, a resolve resolves.

The key of an event must be the same, and the integration too; what is resolved otherwise is dropped without a word.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alerting.channels.answer import Answer, Fate, Outcome, Request, classify, json_request
from alerting.channels.letter import Letter
from alerting.message import shorten
from alerting.targets import Rate
from slo_rules.durations import SECOND
from slo_rules.instants import rfc3339

# 120 events a minute are taken for one integration key.
PACE: Rate | None = Rate(10, 5 * SECOND)
NOTES = False
STAYS = True

SUMMARY_LIMIT = 1024
KEY_LIMIT = 255
_SEVERITIES = {"critical": "critical", "error": "error", "warning": "warning", "info": "info"}


def request(letter: Letter) -> Request | None:
    """One event."""
    if letter.step:
        return None
    return json_request(f"{letter.address.url.rstrip('/')}/v2/enqueue", event(letter))


def event(letter: Letter) -> dict[str, Any]:
    """The event as objects, within the limits of PagerDuty."""
    notice = letter.notice
    said: dict[str, Any] = {
        "routing_key": letter.address.secret or "",
        "event_action": "resolve" if letter.over else "trigger",
        "dedup_key": letter.key[:KEY_LIMIT],
    }
    if letter.over:
        return said
    details = {
        "message": letter.say(),
        "workflow": notice.workflow,
        "waiting_for": notice.waiting_for_title or notice.waiting_for,
        "count": notice.count,
        "owner": notice.owner,
        "verdict": notice.verdict,
    }
    heading = letter.title or letter.say().split("\n")[0]
    said["payload"] = {
        "summary": shorten(heading, SUMMARY_LIMIT),
        "source": notice.source or notice.workflow or "milepost",
        "severity": _SEVERITIES.get(notice.severity, "warning"),
        "timestamp": rfc3339(notice.at),
        "component": notice.waiting_for or notice.verdict or "milepost",
        "group": notice.workflow or notice.domain or "milepost",
        "class": notice.verdict or "test",
        "custom_details": {name: value for name, value in details.items() if value not in (None, "")},
    }
    said["client"] = "Milepost"
    if notice.link:
        said["client_url"] = notice.link
    if notice.links:
        said["links"] = [{"href": url, "text": words} for words, url in notice.links]
    return said


def judge(letter: Letter, answer: Answer) -> Outcome:
    """202 is taken; 400 is final; 403 means that the key is none."""
    outcome = classify(answer, letter.at)
    if outcome.fate is Fate.DELIVERED:
        return replace(outcome, reason="accepted", remember={"key": letter.key})
    return replace(outcome, disables=outcome.disables or answer.status in (401, 403))
