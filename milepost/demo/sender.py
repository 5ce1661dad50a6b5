"""Sends business events as CloudEvents over HTTP: structured, binary and in batches; at least once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import httpx
import orjson

from milepost.demo.actions import BusinessEvent, cloud_event

BATCH = 100
_STRUCTURED = "application/cloudevents+json; charset=utf-8"
_BATCHED = "application/cloudevents-batch+json; charset=utf-8"
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 10.0
_HEADER_SAFE = "!#$&'()*+,/:;=?@[]|{}~^`<>\\"


class Refused(Exception):
    """The collector answered that it will never take this request."""


class Stopped(Exception):
    """`stop` was set before the collector had taken everything."""


class EventSender:
    """Sends events as long as it takes: honours Retry-After, repeats on lost connections.

    Raises `Stopped` when `stop` is set while it waits, and `Refused` on an answer that no repetition can
    change.
    """

    def __init__(
        self,
        base_url: str,
        stop: threading.Event,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url, headers=headers, timeout=30.0, trust_env=False, transport=transport
        )
        self._stop = stop
        self._singles = 0

    def batch(self, events: Sequence[BusinessEvent]) -> None:
        """Send at most BATCH events in one request."""
        body = orjson.dumps([cloud_event(event) for event in events])
        self._post(body, {"content-type": _BATCHED})

    def single(self, event: BusinessEvent) -> None:
        """Send one event, by turns in structured and in binary mode."""
        self._singles += 1
        if self._singles % 2:
            self._post(orjson.dumps(cloud_event(event)), {"content-type": _STRUCTURED})
        else:
            self._post(orjson.dumps(event.data), binary_headers(event))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        backoff = 0.2
        while True:
            wait = backoff
            try:
                response = self._client.post("/events", content=body, headers=headers)
            except httpx.TransportError:
                pass
            else:
                if response.is_success:
                    return
                if response.status_code not in _PASSING:
                    raise Refused(f"{response.status_code}: {response.text[:300]}")
                wait = _retry_after(response) or backoff
            if self._stop.wait(min(wait, _LONGEST_WAIT)):
                raise Stopped
            backoff = min(backoff * 2, _LONGEST_WAIT)


def binary_headers(event: BusinessEvent) -> dict[str, str]:
    """The headers of an event in binary mode; values percent-encoded as the HTTP binding asks."""
    document = cloud_event(event)
    del document["data"]
    headers = {"content-type": document.pop("datacontenttype")}
    for name, value in document.items():
        headers[f"ce-{name}"] = quote(str(value), safe=_HEADER_SAFE)
    return headers


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(float(response.headers["retry-after"]), 0.05)
    except (KeyError, ValueError):
        return None
