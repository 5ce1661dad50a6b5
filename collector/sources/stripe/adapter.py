"""Stripe: snapshot events (v1) and thin events (v2) of one endpoint, signed with `Stripe-Signature`."""

from __future__ import annotations

from collections.abc import Iterable

from collector.sources.adapter import Adapter
from collector.sources.bodies import object_of
from collector.sources.exchange import Credentials, Native, Received, Unfit, Unreadable
from collector.sources.signatures import any_same, digest, off
from slo_rules import adapter as said

_HEADER = "stripe-signature"
_OBJECTS = ("event", "v2.core.event")


class Stripe(Adapter):
    """See docs/sources/stripe.md."""

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        header = received.headers.get(_HEADER, "")
        parts = [part.strip().partition("=") for part in header.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        given = [value.lower() for name, _, value in parts if name == "v1"]
        if len(times) != 1 or not given:
            return "the header Stripe-Signature does not hold one time and a signature v1"
        # Stripe's own library takes times that are yet to come, and so do we: its clock may be ahead of ours.
        if why := off(times[0], "epoch_s", now, source.tolerance, ahead=False):
            return why
        message = times[0].encode() + b"." + received.body
        wanted = (digest(secret, message).hex() for secret in credentials.secrets)
        return "" if any_same(given, wanted) else "no signature v1 is that of any secret"

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        event = object_of(received.body)
        if event.get("object") not in _OBJECTS:
            raise Unreadable("not an event of Stripe: 'object' is neither event nor v2.core.event")
        if source.tenant and event.get("account", event.get("context")) not in (None, source.tenant):
            yield Unfit(0, f"of another account than {source.tenant!r}")
            return
        type_ = event.get("type")
        if not isinstance(type_, str) or not type_:
            yield Unfit(0, "type: there is none")
            return
        yield Native(0, event | {"about": _about(event)}, (type_,), type_)


def _about(event: dict[str, object]) -> dict[str, object]:
    """The object that an event is about: whole in a snapshot, its id alone in a thin event."""
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else event.get("related_object")
    return found if isinstance(found, dict) else {}


ADAPTER = Stripe()
