"""Asking one region: by a guarded client, in bounded time, for a bounded answer, and nowhere else than it was told."""

from __future__ import annotations

import time
from typing import Any

import httpx

from alerting.channels.reach import Refused
from milepost.regions.region import NoKey, Region
from milepost.regions.told import Unfit, read

PATH = "/api/v1/region"
MOST_BYTES = 2**20
SECONDS = 8.0
TIMEOUT = httpx.Timeout(5.0, connect=3.0)
_MEANT = {
    401: "it does not know the key",
    403: "its key may not do this: it needs the scope overview",
    404: f"it has no {PATH}: is it a Milepost, with pages, of this release or a newer one?",
    503: "it answers, but its database does not",
}


class NoAnswer(Exception):
    """A region did not say how it stands; the message says why, in words that are ours."""


def ask(client: httpx.Client, region: Region, seconds: float = SECONDS) -> dict[str, Any]:
    """The figures of a region (told.py). Takes little longer than `seconds`. Raises NoAnswer."""
    try:
        key = region.key()
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        headers |= {"authorization": f"Bearer {key}"} if key else {}
        return read(_body(client, region.url + PATH, headers, time.monotonic() + seconds))
    except (NoKey, Unfit, Refused) as error:
        raise NoAnswer(str(error)) from error
    except httpx.TimeoutException as error:
        raise NoAnswer("it does not answer in time") from error
    except httpx.ConnectError as error:
        certificate = "CERTIFICATE_VERIFY_FAILED" in str(error)
        raise NoAnswer("its certificate is not trusted" if certificate else "it cannot be connected to") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NoAnswer(f"the connection broke: {type(error).__name__}") from error


def _body(client: httpx.Client, url: str, headers: dict[str, str], until: float) -> bytes:
    with client.stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=False) as answer:
        if 300 <= answer.status_code < 400:
            raise NoAnswer("it sends elsewhere, where nobody follows: name the address that answers itself")
        if answer.status_code != 200:
            raise NoAnswer(_MEANT.get(answer.status_code, f"it answers with {answer.status_code}"))
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise NoAnswer("its answer is packed, which nobody asked for")
        body = bytearray()
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > MOST_BYTES:
                raise NoAnswer(f"its answer is larger than {MOST_BYTES:,} bytes")
            if time.monotonic() > until:
                raise NoAnswer("its answer takes too long")
        return bytes(body)
