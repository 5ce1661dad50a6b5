"""Sending one message, however many requests it takes, and reading what comes back."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx

from alerting.channels.answer import Answer, Fate, Mail, Outcome, Push, Request, Sendable
from alerting.channels.apprise.pushing import push
from alerting.channels.email.smtp import hand_over
from alerting.channels.guarded import TIMEOUT
from alerting.channels.letter import Channel, Letter
from alerting.channels.reach import PUBLIC_ONLY, Reach, Refused

LONGEST_ATTEMPT_SECONDS = 20.0
MOST_STEPS = 4
_BODY_LIMIT = 65_536


class _NoAddresses(logging.Filter):
    """httpx logs every URL it requests; some of ours are secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


for _name in ("httpx", "apprise"):
    logging.getLogger(_name).addFilter(_NoAddresses())


@dataclass(frozen=True, slots=True)
class Sent:
    """How an attempt ended: `handle` is all that is to be remembered, also where it failed half-way.

    `request` and `answer` are the last that went out and came back.
    """

    outcome: Outcome
    handle: Mapping[str, str]
    request: bytes = field(default=b"", repr=False)
    answer: bytes = field(default=b"", repr=False)


def send(client: httpx.Client, channel: Channel, letter: Letter, reach: Reach = PUBLIC_ONLY) -> Sent:
    """Send a message. Errors of the network are outcomes; faults of a channel raise."""
    handle = dict(letter.handle)
    outcome = Outcome(Fate.DELIVERED, "nothing_to_do")
    request, answer = b"", b""
    for step in range(MOST_STEPS):
        now = replace(letter, step=step, handle=dict(handle))
        wanted = channel.request(now)
        if wanted is None:
            break
        request = wanted.body.encode() if isinstance(wanted, Push) else wanted.body
        outcome, answer = exchange(client, channel, now, wanted, reach)
        handle |= outcome.remember
        if outcome.fate is not Fate.DELIVERED or not outcome.onward:
            break
    if step and outcome.fate is not Fate.DELIVERED:
        # A part of it has arrived.
        outcome = replace(outcome, uncertain=True)
    return Sent(outcome, {name: value for name, value in handle.items() if value}, request, answer)


def exchange(
    client: httpx.Client, channel: Channel, letter: Letter, wanted: Sendable, reach: Reach
) -> tuple[Outcome, bytes]:
    """One request and what its answer means. Redirects are never followed."""
    try:
        if isinstance(wanted, Request):
            answer = _post(client, wanted)
        else:
            answer = hand_over(wanted, reach) if isinstance(wanted, Mail) else push(wanted, reach)
        return channel.judge(letter, answer), answer.body
    except Refused as error:
        # Nothing went out, and somebody may yet allow it.
        return Outcome(Fate.FAILED, "not_allowed", error=str(error)), b""
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        return Outcome(Fate.RETRY, "unreachable", error=type(error).__name__), b""
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        return Outcome(Fate.FAILED, "bad_address", error=type(error).__name__), b""
    except httpx.HTTPError as error:
        return Outcome(Fate.RETRY, "network", error=type(error).__name__, uncertain=True), b""
    except OSError as error:
        return Outcome(Fate.RETRY, "unreachable", error=type(error).__name__), b""


def _post(client: httpx.Client, request: Request) -> Answer:
    give_up = time.monotonic() + LONGEST_ATTEMPT_SECONDS
    with client.stream(
        request.method,
        request.url,
        content=request.body,
        # What comes back is for people to read: what is packed could be of any size.
        headers={**request.headers, "accept-encoding": "identity"},
        follow_redirects=False,
        timeout=TIMEOUT,
    ) as response:
        body, packed = b"", "content-encoding" in response.headers
        for chunk in response.iter_raw() if packed else response.iter_bytes():
            body += chunk
            if len(body) >= _BODY_LIMIT or time.monotonic() > give_up:
                break
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, _unpacked(body[:_BODY_LIMIT], headers.get("content-encoding", "")))


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body of who packs it without being asked to, as far as it is looked at."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, _BODY_LIMIT)
    except zlib.error:
        return body
