"""The signed webhook: Standard Webhooks 1.0.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import orjson

from alerting.address import Address
from alerting.channels.answer import Answer, Outcome, Request, classify
from alerting.message import Notice, headline, sentence
from alerting.targets import secret_bytes
from slo_rules.durations import SECOND
from slo_rules.instants import rfc3339


def request(notice: Notice, address: Address, message_id: str, at: int) -> Request:
    """The request of one attempt at `at`; only the timestamp and the signature differ between attempts."""
    body = orjson.dumps(payload(notice))
    timestamp = str(at // SECOND)
    headers = {
        "content-type": "application/json",
        "user-agent": "milepost",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
    }
    if address.secret:
        headers["webhook-signature"] = sign(address.secret, message_id, timestamp, body)
    return Request(address.url, headers, body)


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
            },
            "dedup_key": notice.dedup_key,
            "reason": notice.reason,
            "message": sentence(notice),
            "link": notice.link,
        },
    }


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The `v1` signature over `id.timestamp.body`."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def judge(answer: Answer, now: int) -> Outcome:
    """As the status says."""
    return classify(answer, now)


def _money(value: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"currency": currency, "amount": amount} for currency, amount in value]


def _instant(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
