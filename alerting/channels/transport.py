"""Sending one request and reading what comes back."""

from __future__ import annotations

import logging
import time

import httpx

from alerting.channels.answer import Answer, Fate, Judge, Outcome, Request

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LONGEST_ATTEMPT_SECONDS = 20.0
_BODY_LIMIT = 4096


class _NoAddresses(logging.Filter):
    """httpx logs every URL it requests; some of ours are secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


logging.getLogger("httpx").addFilter(_NoAddresses())


def new_client() -> httpx.Client:
    """A client for the outbox. Proxies are taken from the environment: an egress proxy is the place to limit reach."""
    return httpx.Client(timeout=TIMEOUT, follow_redirects=False)


def post(client: httpx.Client, request: Request, judge: Judge, now: int) -> Outcome:
    """Send, and say how it ended. Redirects are never followed; errors of the network are outcomes."""
    give_up = time.monotonic() + LONGEST_ATTEMPT_SECONDS
    try:
        with client.stream(
            "POST",
            request.url,
            content=request.body,
            headers=dict(request.headers),
            follow_redirects=False,
            timeout=TIMEOUT,
        ) as response:
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) >= _BODY_LIMIT or time.monotonic() > give_up:
                    break
            headers = {name.lower(): value for name, value in response.headers.items()}
            return judge(Answer(response.status_code, headers, body[:_BODY_LIMIT]), now)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        return Outcome(Fate.RETRY, "unreachable", error=type(error).__name__)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        return Outcome(Fate.FAILED, "bad_address", error=type(error).__name__)
    except httpx.HTTPError as error:
        return Outcome(Fate.RETRY, "network", error=type(error).__name__, uncertain=True)
