"""Taking secrets out of what is kept. Pure."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qsl, urlsplit

from alerting.address import Address

_SHORTEST = 6
_LIKE_A_SECRET = 16
"""From so many characters on a part of a URL's path may be the secret of it, as in incoming webhooks."""


def scrub(text: str | None, address: Address | None) -> str | None:
    """The text without the URL and the secret of an address, in whatever form they went out; NUL is taken out too.

    Of the URL also its path and what is asked for: who refuses a request often repeats that.
    """
    if text is None or address is None:
        return text
    secrets = [address.url, *_secrets_of(address.url)]
    if address.secret:
        pair = f"{address.get('user')}:{address.secret}"
        secrets += [address.secret, json.dumps(address.secret)[1:-1], base64.b64encode(pair.encode()).decode()]
    # The longest first: a part of one may be the whole of another.
    for secret in sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text.replace("\x00", "")


def _secrets_of(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    values = [value for _, value in parse_qsl(parts.query)]
    long = [one for one in parts.path.split("/") if len(one) >= _LIKE_A_SECRET]
    return [parts.path, parts.query, *values, *long]
