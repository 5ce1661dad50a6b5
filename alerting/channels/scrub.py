"""Taking secrets out of what is kept. Pure."""

from __future__ import annotations

import base64
import json

from alerting.address import Address

_SHORTEST = 6


def scrub(text: str | None, address: Address | None) -> str | None:
    """The text without the URL and the secret of an address, in whatever form they went out; NUL is taken out too."""
    if text is None or address is None:
        return text
    secrets = [address.url]
    if address.secret:
        pair = f"{address.get('user')}:{address.secret}"
        secrets += [address.secret, json.dumps(address.secret)[1:-1], base64.b64encode(pair.encode()).decode()]
    # The longest first: a part of one may be the whole of another.
    for secret in sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text.replace("\x00", "")
