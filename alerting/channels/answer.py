"""What a target's answer means for a message, purely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum

import orjson

from slo_rules.durations import HOUR, SECOND
from slo_rules.instants import to_micros

LONGEST_RETRY_AFTER = HOUR


class Fate(StrEnum):
    """What becomes of the message."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are lower case. `body` may be cut short."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended.

    `uncertain`: the message may have arrived although it was not confirmed. `disables`: the address wants no more.
    `retry_after` is a duration in micros. `error` never holds an address. `remember` is what the next message to this
    target about this incident will need; `onward` asks for another request for the same message.
    """

    fate: Fate
    reason: str
    status: int | None = None
    error: str | None = None
    retry_after: int | None = None
    uncertain: bool = False
    disables: bool = False
    remember: Mapping[str, str] = field(default_factory=dict)
    onward: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, ready to be sent; `server` is an smtp:// or smtps:// URL. Its answer has the status of SMTP."""

    server: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    body: bytes = field(repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Push:
    """What Apprise is to send to its URL. It answers 200 or 500, and says no more."""

    url: str = field(repr=False)
    title: str
    body: str
    kind: str


Sendable = Request | Mail | Push


def json_request(url: str, document: object, method: str = "POST", **headers: str) -> Request:
    """A request with a body of JSON; in names of headers `_` stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    plain = {"content-type": "application/json", "user-agent": "milepost"}
    return Request(url, plain | named, orjson.dumps(document), method)


def classify(answer: Answer, now: int) -> Outcome:
    """The outcome by class of status: 2xx delivered; 429 and 5xx retried; 410 disables; all else is final."""
    status = answer.status
    if 200 <= status < 300:
        return Outcome(Fate.DELIVERED, "delivered", status)
    error = _excerpt(answer.body)
    after = retry_after(answer.headers.get("retry-after"), now)
    if status == 429:
        return Outcome(Fate.RETRY, "throttled", status, error, after)
    if status >= 500:
        # A gateway's 502 or 504 says nothing about what stands behind it.
        return Outcome(Fate.RETRY, "server_error", status, error, after, uncertain=True)
    if status == 410:
        return Outcome(Fate.FAILED, "gone", status, error, disables=True)
    reason = "redirected" if 300 <= status < 400 else "refused"
    return Outcome(Fate.FAILED, reason, status, error)


def retry_after(value: str | None, now: int) -> int | None:
    """Micros to wait as a Retry-After header asks, in seconds or as a date; None if it is absent or unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        wait = int(text[:9]) * SECOND
    else:
        try:
            at = parsedate_to_datetime(text)
            wait = to_micros(at) - now
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(wait, 0), LONGEST_RETRY_AFTER)


def _excerpt(body: bytes) -> str | None:
    text = body[:200].decode("utf-8", "replace").replace("\x00", "")
    return text or None
