"""Salesforce: Outbound Messages as SOAP; Change Data Capture and platform events as JSON.

None of them is signed: a token in the path tells them, or what an API destination or a forwarder brings in a header.
"""

from __future__ import annotations

from collections.abc import Iterable

from collector.sources.adapter import Adapter
from collector.sources.exchange import Answer, Credentials, Native, Received, Unfit
from collector.sources.salesforce import outbound, streamed
from collector.sources.sensitive import Hidden
from collector.sources.signatures import by_authorization, by_value
from slo_rules import adapter as said

_XML = "text/xml; charset=utf-8"


class Salesforce(Adapter):
    """See docs/sources/salesforce.md."""

    takes = frozenset(("authentication",))
    needs = "either"

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        """An API destination brings a key under a name that its administrator chooses, or user and password."""
        if not credentials.secrets:
            return ""
        if source.authentication:
            return by_authorization(received, credentials, source.authentication)
        return by_value(received, credentials)

    def accepted(self) -> Answer:
        """The Ack without which an Outbound Message comes again; who sends JSON asks for no more than its status."""
        return Answer(200, outbound.ACK, {"content-type": _XML})

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        if not _is_json(received):
            return outbound.redacted(received.body, hidden)
        return received.body if hidden is None else streamed.redacted(received.body, hidden)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        if _is_json(received):
            return streamed.natives(received.body, source.tenant, source.mapping.types)
        return outbound.natives(received.body, source.tenant)


def _is_json(received: Received) -> bool:
    return received.body.lstrip()[:1] in (b"{", b"[")


ADAPTER = Salesforce()
