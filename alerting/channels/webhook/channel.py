"""The signed webhook: Standard Webhooks 1.0.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import orjson

from alerting.channels.answer import Answer, Outcome, Request, classify
from alerting.channels.letter import Letter
from alerting.message import Notice, headline, sentence
from alerting.targets import Rate, secret_bytes
from slo_rules.durations import SECOND
from slo_rules.instants import rfc3339

PACE: Rate | None = None
NOTES = True
STAYS = False


def request(letter: Letter) -> Request | None:
    """The request of one attempt; only the timestamp and the signature differ between attempts."""
    if letter.step:
        return None
    body = orjson.dumps(payload(letter.notice))
    timestamp = str(letter.at // SECOND)
    headers = {
        "content-type": "application/json",
        "user-agent": "milepost",
        "webhook-id": letter.message_id,
        "webhook-timestamp": timestamp,
    }
    if letter.address.secret:
        headers["webhook-signature"] = sign(letter.address.secret, letter.message_id, timestamp, body)
    return Request(letter.address.url, headers, body)


def payload(notice: Notice) -> dict[str, object]:
    """The body: the envelope of Standard Webhooks around the incident."""
    return {
        "type": f"milepost.incident.{notice.transition}",
        "timestamp": rfc3339(notice.at),
        "data": {
            "incident": {
                "id": notice.incident,
                "status": "resolved" if notice.transition == "resolved" else "firing",
                "severity": notice.severity,
                "title": headline(notice),
                "verdict": notice.verdict,
                "workflow": notice.workflow,
                "workflows": list(notice.workflows),
                "waiting_for": notice.waiting_for,
                "source": notice.source,
                "reason": notice.cause_reason,
                "domain": notice.domain,
                "domains": list(notice.domains),
                "owner": notice.owner,
                "owners": list(notice.owners),
                "count": notice.count,
                "peak_count": notice.peak_count,
                "value": _money(notice.value),
                "peak_value": _money(notice.peak_value),
                "oldest_since": _instant(notice.oldest_since),
                "opened_at": _instant(notice.opened_at),
                "resolved_at": _instant(notice.resolved_at),
                "resolved_because": notice.resolved_because,
                "samples": list(notice.samples),
                "apart": list(notice.apart),
                "per_hour": notice.per_hour,
                "drained_at": _instant(notice.drained_at),
                "runbook": notice.runbook,
                "assignee": notice.assignee,
                "acknowledged_by": notice.acknowledged_by,
            },
            "dedup_key": notice.dedup_key,
            "reason": notice.reason,
            "message": sentence(notice),
            "link": notice.link,
            "incident_link": notice.incident_link,
        },
    }


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The `v1` signature over `id.timestamp.body`."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def judge(letter: Letter, answer: Answer) -> Outcome:
    """As the status says."""
    return classify(answer, letter.at)


def _money(value: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"currency": currency, "amount": amount} for currency, amount in value]


def _instant(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
