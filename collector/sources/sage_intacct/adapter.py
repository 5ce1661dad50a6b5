"""Sage Intacct: the posts of Platform Triggers, JSON with a token of Sage's, and of Smart Events, forms.

The bodies are written by the customer's administrator: names are those that docs/sources/sage_intacct.md suggests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from collector.sources.adapter import Adapter
from collector.sources.bodies import form_of, object_of
from collector.sources.exchange import Credentials, Native, Received, Unfit
from collector.sources.sensitive import FORM, Hidden, hide
from collector.sources.signatures import hashed
from collector.sources.tokens import available, by_token
from slo_rules import adapter as said
from slo_rules.filters import spell
from slo_rules.instants import rfc3339, to_micros
from slo_rules.workflow import Source

_KEY = "idempotency-key"
_ENTITIES = {
    "ARINVOICE": "invoice",
    "APBILL": "invoice",
    "ARPYMT": "payment",
    "APPYMT": "payment",
    "SODOCUMENT": "order",
    "PODOCUMENT": "order",
    "CUSTOMER": "account",
    "CONTACT": "contact",
    "CONTRACT": "subscription",
}
_VERBS = {"add": "created", "set": "updated", "delete": "deleted"}
_SESSION = re.compile("session", re.IGNORECASE)
_FORMATS = ("%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")


class SageIntacct(Adapter):
    """See docs/sources/sage_intacct.md."""

    keeps = frozenset((_KEY,))
    takes = frozenset(("claims",))
    needs = "either"

    def faults(self, source: Source) -> list[tuple[str, str]]:
        """The keys are Sage's, with which it signs for all its customers."""
        said = source.adapter
        assert said is not None
        found = []
        if said.secrets and not available():
            found.append(("secret", "tokens are verified by an extra: pip install 'milepost[jwt]'"))
        if said.secrets and not said.claims and said.token is None:
            found.append(("claims", "must say what is yours in a token: Sage signs those of its other customers too"))
        if said.claims and not said.secrets:
            found.append(("claims", "are those of a token: say in 'secret' by which keys it is verified"))
        return found

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        if not credentials.secrets:
            return ""
        return by_token(received, credentials, source.claims, now, source.tolerance)

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        """Without session ids, with which anybody could act in Intacct, under whichever name they come."""
        is_form = received.media == FORM
        document: dict[str, Any] = dict(form_of(received.body)) if is_form else object_of(received.body)
        had = _without_sessions(document)
        if hidden is not None:
            hide(document, hidden)
        elif not had:
            return received.body
        return urlencode(document).encode() if is_form else msgspec.json.encode(document)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        body: dict[str, Any] = dict(form_of(received.body)) if received.media == FORM else object_of(received.body)
        object_, happened = ((spell(body.get(name)) or "").strip() for name in ("object", "event"))
        if not object_ or not happened:
            yield Unfit(
                0, "says not what happened to what: it needs an 'object' such as ARINVOICE and an 'event' such as set"
            )
            return
        object_, happened = object_.upper(), happened.lower()
        number, modified = spell(body.get("RECORDNO")), spell(body.get("WHENMODIFIED"))
        key = received.headers.get(_KEY)
        if not key and not (number and modified):
            yield Unfit(0, f"cannot be told from others: it needs RECORDNO and WHENMODIFIED, or a header {_KEY}")
            return
        about = {
            "object": object_,
            "event": happened,
            "event_id": key
            or hashed("\x00".join((object_, number or "", happened, modified or "")).encode("utf-8", "replace")),
            "time": _time(modified),
        }
        states = [
            f"{object_}:{name}={text[:200]}" for name in ("PAYMENTSTATUS", "STATE") if (text := spell(body.get(name)))
        ]
        entity, verb = _ENTITIES.get(object_, object_), _VERBS.get(happened, happened)
        yield Native(0, body | about, (*states, f"{object_}:{happened}"), f"{entity}.{verb}")


def _time(text: str | None) -> str | None:
    """Of a time of day, which Intacct writes in GMT. A date alone says less than when it arrived."""
    if text is None or not re.search("[0-9]:[0-9]", text):
        return None
    for form in _FORMATS:
        try:
            return rfc3339(to_micros(datetime.strptime(text, form).replace(tzinfo=UTC)))
        except ValueError:
            continue
    return text


def _without_sessions(document: dict[str, Any]) -> bool:
    """Take out what is named like a session, however deep; whether there was any."""
    had = False
    for parent in _objects(document):
        for name in [name for name in parent if _SESSION.search(name)]:
            del parent[name]
            had = True
    return had


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    level = [document]
    while level:
        for one in level:
            if isinstance(one, dict):
                yield one
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]


ADAPTER = SageIntacct()
