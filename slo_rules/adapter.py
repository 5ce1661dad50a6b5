"""The model of what a source sends in its own form: how it is known to be the source, and what its words mean here.

Which adapters there are, and what each of them needs, is not known here (collector/sources/).
"""

from __future__ import annotations

import msgspec

from slo_rules.durations import DAY, MINUTE

DEFAULT_TOLERANCE = 5 * MINUTE
"""How far from now a signed time may be where nobody says otherwise."""
ENTITIES = (
    *("account", "contact", "opportunity", "quote", "order", "shipment", "invoice", "payment"),
    *("subscription", "entitlement", "case", "return", "credit"),
)
"""What canonical event types are about: `<entity>.<verb>`."""
TIME_FORMATS = ("rfc3339", "epoch_s", "epoch_ms")
OUTCOMES = ("open", "waiting", "done", "failed", "cancelled")
IGNORE = "ignore"
"""The word for events that are not taken."""

Paths = tuple[str, ...]
Named = tuple[tuple[str, Paths], ...]
"""Names with the paths of each, in an order that says something."""


class Secret(msgspec.Struct, frozen=True):
    """Where a secret is, never the secret: the name of an environment variable, or of a file."""

    variable: str = ""
    file: str = ""


class Signature(msgspec.Struct, frozen=True):
    """An HMAC over what is sent, in a header. `signs` says over what: `{body}`, and `{timestamp}`, that of a header."""

    header: str
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp: str = ""
    format: str = "epoch_s"
    signs: str = "{body}"


class Amount(msgspec.Struct, frozen=True):
    """Where an amount and its currency are; `minor_units` says that it counts cents, or what the currency has."""

    path: Paths
    currency: Paths = ()
    minor_units: bool = False


class Rules(msgspec.Struct, frozen=True):
    """What becomes of the parts of an event. `correlation` has what ties it to other systems, strongest first."""

    fields: Named = ()
    correlation: Named = ()
    amount: Amount | None = None


class Mapping(msgspec.Struct, frozen=True):
    """How what a system sends becomes canonical events. What is empty is as the adapter has it.

    `types` gives the words of the system their canonical type, or IGNORE. `outcomes` gives its states, in lower case,
    one of OUTCOMES. `per` has rules for an entity or for one canonical type, which add to `rules` and precede them.
    """

    each: str = ""
    id: Paths = ()
    time: Paths = ()
    time_format: str = ""
    type: Paths = ()
    type_value: str = ""
    types: dict[str, str] = {}
    outcomes: dict[str, str] = {}
    rules: Rules = Rules()
    per: dict[str, Rules] = {}


class Sensitive(msgspec.Struct, frozen=True):
    """Paths into what is sent whose values are dropped, or hashed with a key, before anything is stored."""

    drop: Paths = ()
    hash: Paths = ()
    key: Secret | None = None


class Poll(msgspec.Struct, frozen=True):
    """How a system that does not push is asked for what is new.

    `url` is its address, `secret` what it knows us by, and `objects` what of it is asked for, each by itself. It is
    asked `every` so many micros for what has changed since it was asked last, and by `overlap` more; the first time
    for what has changed within `lookback`. `scope` is that of a token that is fetched first.
    """

    url: str
    objects: tuple[str, ...]
    secret: Secret | None = None
    every: int = MINUTE
    overlap: int = 2 * MINUTE
    lookback: int = DAY
    scope: str = ""


class Adapter(msgspec.Struct, frozen=True):
    """How a source that sends in its own form is received.

    Any of `secrets` will do, so that they can be changed one after the other. A `token` stands in the path for senders
    that can sign nothing. A signed time may be off by `tolerance` micros. `url` is the address that the sender calls,
    where that is signed too. `zone` is the time zone of the times that it sends without one. `claims` are what a signed
    token must say.
    """

    name: str
    secrets: tuple[Secret, ...] = ()
    token: Secret | None = None
    tenant: str = ""
    tolerance: int = DEFAULT_TOLERANCE
    url: str = ""
    zone: str = ""
    authentication: str = ""
    signature: Signature | None = None
    claims: dict[str, str] = {}
    mapping: Mapping = Mapping()
    sensitive: Sensitive | None = None
    poll: Poll | None = None
