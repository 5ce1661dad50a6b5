"""What an adapter is: how a system's requests are known to be its own, answered, and read. All of it is pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from collector.sources.exchange import Answer, Credentials, Native, Received, Unfit
from collector.sources.sensitive import Hidden, without
from collector.sources.signatures import by_authorization
from slo_rules import adapter as said
from slo_rules.workflow import Source


class Adapter:
    """One system. Subclasses stand in a folder of their own with a `mapping.yaml`, and have an instance as ADAPTER."""

    keeps: ClassVar[frozenset[str]] = frozenset()
    """Headers, in lower case, that are kept beside `content-type` because `read` needs them; none is a secret."""
    paths: ClassVar[frozenset[str]] = frozenset(("",))
    """What may follow the name of the source, and its token, in the address."""
    takes: ClassVar[frozenset[str]] = frozenset()
    """Of `authentication`, `signature`, `claims`, `url`, `zone`, and `each` of a mapping, what of a source it heeds."""
    needs: ClassVar[str] = "secret"
    """What a source must say for its requests to be told from anybody's: a `secret`, a `token`, or `either`."""
    elsewhere: ClassVar[int] = 404
    """The status of the answer to a wrong token or path. Any other tells whoever asks that there is such a source."""

    def faults(self, source: Source) -> list[tuple[str, str]]:
        """What else it cannot do with what a source says: fields of `spec.adapter`, each with what is wrong."""
        return []

    def handshake(self, received: Received, source: said.Adapter) -> Answer | None:
        """The answer to a request that only asks whether it may send; None: it is no such request."""
        return None

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        """Why a request is not the source's own at `now` (micros); empty when it is."""
        if not credentials.secrets:
            return ""
        return by_authorization(received, credentials, source.authentication or "bearer")

    def asked(self, received: Received) -> Answer | None:
        """The answer to a request of the source that asks something and brings nothing; None: it is no such request."""
        return None

    def accepted(self) -> Answer:
        """The answer once a request is durable."""
        return Answer(200, b'{"accepted": true}', {"content-type": "application/json"})

    def refused(self, status: int, why: str) -> Answer | None:
        """The answer to a request that is not taken, where a system needs one of its own."""
        return None

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        """The body without what is sensitive, as it may be kept. Raises Unreadable where that cannot be told."""
        return received.body if hidden is None else without(received.body, received.media, hidden)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        """What a kept request holds. Raises Unreadable where that is nothing of this system's."""
        raise NotImplementedError
