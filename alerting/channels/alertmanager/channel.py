"""Prometheus Alertmanager: alerts by `POST /api/v2/alerts`.

It keeps alerts in memory and forgets what is not said again, so what fires is repeated (REPEAT), and what has resolved
is for a while. An alert is the same one while its labels are; everything else about it is in annotations.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from alerting.channels.answer import Answer, Fate, Outcome, Request, classify, json_request
from alerting.channels.letter import Letter
from alerting.targets import Rate
from slo_rules.durations import MINUTE, SECOND
from slo_rules.instants import rfc3339

PACE: Rate | None = Rate(20, SECOND)
NOTES = False
STAYS = True

REPEAT = MINUTE
"""How often what fires is said again."""
REPEAT_RESOLVED = 5 * MINUTE
"""How long what has resolved is."""
LASTS = 5 * MINUTE
"""How long an alert fires after it was last said; then Milepost itself is away."""


def request(letter: Letter) -> Request | None:
    """One alert."""
    if letter.step:
        return None
    asked = json_request(f"{letter.address.url.rstrip('/')}/api/v2/alerts", [alert(letter)])
    return replace(asked, headers={**asked.headers, **_login(letter)})


def alert(letter: Letter) -> dict[str, Any]:
    """The alert as objects; labels without a value are left out, as Alertmanager itself does."""
    notice = letter.notice
    labels = {
        "alertname": f"Milepost{(notice.verdict or 'test').title()}",
        "severity": notice.severity,
        "workflow": notice.workflow,
        "domain": notice.domain,
        "waiting_for": notice.waiting_for,
        "source": notice.source,
        "owner": notice.owner,
        "incident": letter.key,
    }
    # Whose most instances are may change, and would make it another alert.
    kept = {name: letter.handle.get(f"label.{name}", labels[name] or "") for name in labels}
    ends = notice.resolved_at or notice.at if letter.over else letter.at + LASTS
    said: dict[str, Any] = {
        "labels": {name: value for name, value in kept.items() if value},
        "annotations": {"summary": letter.heading, "description": letter.say()},
        "startsAt": rfc3339(notice.opened_at or notice.at),
        "endsAt": rfc3339(ends),
    }
    if notice.runbook_link:
        said["annotations"]["runbook_url"] = notice.runbook_link
    return said | ({"generatorURL": notice.link} if notice.link else {})


def judge(letter: Letter, answer: Answer) -> Outcome:
    """As the status says; the labels are remembered, for the resolve must carry the same."""
    outcome = classify(answer, letter.at)
    if outcome.fate is not Fate.DELIVERED:
        return replace(outcome, disables=outcome.disables or answer.status in (401, 403))
    labels = alert(letter)["labels"]
    remember = {"key": letter.key} | {f"label.{name}": labels.get(name, "") for name in _CHANGING}
    return replace(outcome, remember=remember)


_CHANGING = ("severity", "owner", "domain")


def _login(letter: Letter) -> dict[str, str]:
    user, secret = letter.address.get("user"), letter.address.secret
    if not secret:
        return {}
    if not user:
        return {"authorization": f"Bearer {secret}"}
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}
