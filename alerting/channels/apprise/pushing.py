"""Handing one message to Apprise."""

from __future__ import annotations

from urllib.parse import urlsplit

from alerting.channels.answer import Answer, Push
from alerting.channels.reach import Reach


def push(push: Push, reach: Reach) -> Answer:
    """200 where Apprise says that it went out. Raises Refused where its host may not be reached, OSError if unknown.

    Apprise connects by itself: a host in its URL is looked at before, and may lead elsewhere a moment later.
    """
    try:
        import apprise  # noqa: PLC0415 — an extra
    except ImportError:
        return Answer(501, {}, b"the extra is not installed: pip install 'milepost[apprise]'")
    found = apprise.Apprise.instantiate(push.url)
    if not isinstance(found, apprise.NotifyBase):
        return Answer(400, {}, b"Apprise cannot read the URL")
    parts = urlsplit(push.url)
    # Schemes of services have names of channels and keys where a host stands in those of plain protocols.
    if "." in (parts.hostname or "") or ":" in (parts.hostname or "") or parts.hostname == "localhost":
        reach.addresses(parts.hostname or "", parts.port or 443)
    sent = found.notify(body=push.body, title=push.title, notify_type=apprise.NotifyType(push.kind))
    return Answer(200 if sent else 500, {}, b"" if sent else b"Apprise could not send it")
