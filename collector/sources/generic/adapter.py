"""Any system that posts JSON or a form and signs it with an HMAC, or brings a secret with it.

What its words mean stands in the source's own mapping.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from collector.sources.adapter import Adapter
from collector.sources.bodies import MAX_ITEMS, form_of, json_of
from collector.sources.exchange import Credentials, Native, Received, Unfit, Unreadable
from collector.sources.mapping import finder
from collector.sources.sensitive import FORM
from collector.sources.signatures import by_authorization, by_signature
from slo_rules import adapter as said
from slo_rules.paths import MISSING
from slo_rules.workflow import Source


class Generic(Adapter):
    """See docs/sources/generic.md."""

    takes = frozenset(("authentication", "each", "signature"))
    needs = "either"

    def faults(self, source: Source) -> list[tuple[str, str]]:
        assert source.adapter is not None
        mapping = source.adapter.mapping
        missing = [] if mapping.id else ["'id', where the id of an event is"]
        missing += [] if mapping.type or mapping.type_value else ["'type', where the type of an event is"]
        return [("mapping", f"must say {' and '.join(missing)}: nothing is known of this system")] if missing else []

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        if not credentials.secrets:
            return ""
        if source.signature is not None:
            return by_signature(received, source.signature, credentials, now, source.tolerance)
        return by_authorization(received, credentials, source.authentication or "bearer")

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        document: Any = form_of(received.body) if received.media == FORM else json_of(received.body)
        if source.mapping.each:
            document = finder((source.mapping.each,))({"native": document})
            if document is MISSING or not isinstance(document, list):
                raise Unreadable(f"there is no list at {source.mapping.each!r}")
        members = document if isinstance(document, list) else [document]
        if len(members) > MAX_ITEMS:
            raise Unreadable(f"has {len(members)} entries; at most {MAX_ITEMS} are taken at once")
        for item, member in enumerate(members):
            if isinstance(member, dict):
                yield Native(item, member)
            else:
                yield Unfit(item, "not a JSON object")


ADAPTER = Generic()
