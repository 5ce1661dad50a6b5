"""Zendesk: event subscriptions, and the webhooks of triggers and automations whose bodies a customer writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from collector.sources.adapter import Adapter
from collector.sources.bodies import form_of, object_of
from collector.sources.exchange import Credentials, Native, Received, Unfit
from collector.sources.sensitive import FORM
from collector.sources.signatures import any_same, digest, in_base64, off
from slo_rules import adapter as said
from slo_rules.filters import spell

_PREFIX = "zen:event-type:"
_SIGNATURE = "x-zendesk-webhook-signature"
_TIMESTAMP = "x-zendesk-webhook-signature-timestamp"
_INVOCATION = "x-zendesk-webhook-invocation-id"
_ACCOUNT = "x-zendesk-account-id"
_TRIGGER = "trigger"
_ENTITIES = {"ticket": "case", "user": "contact", "organization": "account"}


class Zendesk(Adapter):
    """See docs/sources/zendesk.md."""

    keeps = frozenset((_INVOCATION, _ACCOUNT))

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        given, timestamp = received.headers.get(_SIGNATURE, ""), received.headers.get(_TIMESTAMP, "")
        if why := off(timestamp, "rfc3339", now, source.tolerance):
            return why
        message = timestamp.encode("utf-8", "surrogatepass") + received.body
        wanted = (in_base64(digest(secret, message)) for secret in credentials.secrets)
        return "" if any_same([given], wanted) else "the signature is not that of any secret"

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        body: dict[str, Any] = dict(form_of(received.body)) if received.media == FORM else object_of(received.body)
        type_ = body.get("type")
        subscribed = isinstance(type_, str) and type_.startswith(_PREFIX)
        account = spell(body.get("account_id")) if subscribed else received.headers.get(_ACCOUNT)
        if source.tenant and account != source.tenant:
            yield Unfit(0, f"of another account than {source.tenant!r}")
        elif subscribed:
            yield _event(body, str(type_).removeprefix(_PREFIX))
        else:
            yield _of_trigger(body, received)


def _event(body: dict[str, Any], word: str) -> Native:
    domain, _, happened = word.partition(".")
    entity = _ENTITIES.get(domain, domain)
    document = body | {"event_id": body.get("id"), "tag": _tags(body.get("detail"))}
    return Native(0, document, (word,), f"{entity}.{happened}" if happened else "")


def _of_trigger(body: dict[str, Any], received: Received) -> Native:
    invocation = received.headers.get(_INVOCATION)
    document = body | {"event_id": invocation}
    status = spell(body.get("status"))
    words = (f"{_TRIGGER}:status={status.lower()}", _TRIGGER) if status else (_TRIGGER,)
    return Native(0, document, words, "case.updated")


def _tags(detail: Any) -> dict[str, str]:
    """Tags as names and values: `order_so-20417` says `order`."""
    tags = detail.get("tags") if isinstance(detail, dict) else None
    pairs = (tag.partition("_") for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return {name: value for name, _, value in pairs if name and value}


ADAPTER = Zendesk()
