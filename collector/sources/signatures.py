"""Whether a request is the source's own: signatures and secrets, compared in constant time. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from collector.sources.exchange import Credentials, Received
from slo_rules.adapter import Signature
from slo_rules.durations import SECOND, format_duration
from slo_rules.instants import to_micros

_NUMBER = re.compile(r"[0-9]{1,17}")
_UNITS = {"epoch_s": SECOND, "epoch_ms": SECOND // 1000}


def digest(key: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """An HMAC."""
    return hmac.new(key, message, algorithm).digest()


def hashed(message: bytes) -> str:
    """A plain SHA-256 in hex."""
    return hashlib.sha256(message).hexdigest()


def in_base64(signature: bytes) -> str:
    """As senders write it."""
    return base64.b64encode(signature).decode()


def same(given: str, wanted: str) -> bool:
    """Whether two texts are equal, in a time that says nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))


def any_same(given: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether one of the given texts is one of the wanted; all are compared."""
    wanted = list(wanted)
    return sum(same(one, other) for one in given for other in wanted) > 0


def off(text: str, format_: str, now: int, tolerance: int, *, ahead: bool = True) -> str:
    """Why a signed time (`now` and `tolerance` in micros) cannot count, empty when it can.

    Without `ahead` a time that is yet to come counts.
    """
    at = moment(text, format_)
    if at is None:
        return "the signed time is none"
    if at < now - tolerance:
        return f"it was signed more than {format_duration(tolerance)} ago"
    if ahead and at > now + tolerance:
        return f"it was signed more than {format_duration(tolerance)} ahead"
    return ""


def moment(text: str, format_: str) -> int | None:
    """The micros of a time in one of TIME_FORMATS; None when it is none."""
    if format_ in _UNITS:
        return int(text) * _UNITS[format_] if _NUMBER.fullmatch(text) else None
    try:
        found = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    return None if found.tzinfo is None else to_micros(found.astimezone(UTC))


def by_signature(received: Received, rule: Signature, credentials: Credentials, now: int, tolerance: int) -> str:
    """Why a request is not signed as this rule says by one of the secrets; empty when it is."""
    given = received.headers.get(rule.header)
    if not given:
        return f"there is no header {rule.header}"
    timestamp = received.headers.get(rule.timestamp, "") if rule.timestamp else ""
    if rule.timestamp and (why := off(timestamp, rule.format, now, tolerance)):
        return why
    if not given.startswith(rule.prefix):
        return f"the header {rule.header} does not begin as it should"
    before, _, after = rule.signs.partition("{body}")
    message = before.replace("{timestamp}", timestamp).encode("utf-8", "surrogatepass")
    message += received.body + after.replace("{timestamp}", timestamp).encode("utf-8", "surrogatepass")
    wanted = [digest(secret, message, rule.algorithm) for secret in credentials.secrets]
    given = given[len(rule.prefix) :]
    spelled = (in_base64(one) if rule.encoding == "base64" else one.hex() for one in wanted)
    right = any_same([given.lower() if rule.encoding == "hex" else given], spelled)
    return "" if right else "the signature is not that of any secret"


def by_authorization(received: Received, credentials: Credentials, kind: str) -> str:
    """Why the header Authorization does not hold one of the secrets; empty when it does.

    `kind` is `bearer`, or `basic`, of which a secret is the user, a colon and the password.
    """
    scheme, _, given = received.headers.get("authorization", "").partition(" ")
    if scheme.lower() != kind:
        return f"there is no header Authorization of the kind {kind}"
    given = given.strip()
    if kind == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode()
        except (binascii.Error, ValueError):
            return "the header Authorization is not readable"
    secrets = [secret.decode("utf-8", "surrogateescape") for secret in credentials.secrets]
    return "" if any_same([given], secrets) else "the header Authorization holds no secret of the source"


def by_value(received: Received, credentials: Credentials) -> str:
    """Why no header and no parameter of the query is one of the secrets; empty when one is, under whichever name.

    For senders that bring a name and a value of their administrator's choice. A header may say `Bearer` before it.
    """
    values = [*received.headers.values(), *received.query.values()]
    values += [value.partition(" ")[2] for value in values if value[:7].lower() == "bearer "]
    secrets = [secret.decode("utf-8", "surrogateescape") for secret in credentials.secrets]
    return "" if any_same(values, secrets) else "no header and no parameter of the query holds a secret of the source"
