"""Tokens (JWT) that a system signs with a private key of its own: verified with its public keys. Pure.

Needs the extra `milepost[jwt]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import msgspec

from collector.sources.exchange import Credentials, Received
from collector.sources.signatures import same
from slo_rules.durations import SECOND, format_duration
from slo_rules.filters import spell

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures by a private key. With one that both sides know, whoever has the public key could sign."""
_MOST_KEYS = 50
_LONGEST = 16_384


def available() -> bool:
    """Whether what verifies tokens is installed."""
    return find_spec("jwt") is not None and find_spec("cryptography") is not None


def by_token(received: Received, credentials: Credentials, claims: Mapping[str, str], now: int, tolerance: int) -> str:
    """Why the token in the header Authorization does not count at `now` (micros); empty when it does.

    The secrets are public keys: a JWK set, a JWK, or PEM. Of what the token claims `claims` must hold, and its times
    where it has any, give or take `tolerance` micros.
    """
    scheme, _, token = received.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return "there is no header Authorization of the kind bearer"
    if len(token) > _LONGEST or not token.isascii():
        return "the token is none"
    found = _verified(token, credentials.secrets)
    if isinstance(found, str):
        return found
    if why := _untimely(found, now, tolerance):
        return why
    wrong = [name for name, wanted in claims.items() if not _claims(found.get(name), wanted)]
    return f"the token is of another {', '.join(wrong)}" if wrong else ""


def _verified(token: str, secrets: tuple[bytes, ...]) -> dict[str, Any] | str:
    """What a token claims, or why that cannot be believed."""
    import jwt  # noqa: PLC0415 - an extra

    keys = [key for secret in secrets for key in _keys(secret)]
    if not keys:
        return "no secret of the source is a public key"
    try:
        named = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return "the token is none"
    # Keys without an id, as in PEM, may be any.
    fitting = [key for id_, key in keys if id_ in (None, named)] or [key for _, key in keys]
    for key in fitting:
        try:
            # Its times are told by the caller's clock.
            unchecked = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False)
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=list(ALGORITHMS), options=unchecked)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            continue
        return claims
    return "the token is not signed by any key of the source"


@lru_cache(maxsize=256)
def _keys(secret: bytes) -> tuple[tuple[str | None, Any], ...]:
    """The public keys of a secret with their ids; none where it holds none."""
    import jwt  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - an extra

    if not secret.lstrip().startswith(b"{"):
        try:
            return ((None, load_pem_public_key(secret)),)
        except (ValueError, TypeError):
            return ()
    try:
        document = msgspec.json.decode(secret)
    except (msgspec.DecodeError, RecursionError):
        return ()
    entries = document.get("keys", [document]) if isinstance(document, dict) else []
    found = []
    for entry in entries[:_MOST_KEYS] if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") == "oct":
            continue
        try:
            found.append((spell(entry.get("kid")), jwt.PyJWK(entry).key))
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return tuple(found)


def _untimely(claims: Mapping[str, Any], now: int, tolerance: int) -> str:
    until, since = (claims.get(name) for name in ("exp", "nbf"))
    for name, at in (("exp", until), ("nbf", since)):
        if at is not None and (isinstance(at, bool) or not isinstance(at, int | float)):
            return f"the token has no time in {name}"
    if until is not None and until * SECOND < now - tolerance:
        return f"the token ended more than {format_duration(tolerance)} ago"
    if since is not None and since * SECOND > now + tolerance:
        return "the token does not count yet"
    return ""


def _claims(given: Any, wanted: str) -> bool:
    """Whether a claim is this text, or a list that holds it, as `aud` may be."""
    return any(same(spell(one) or "", wanted) for one in (given if isinstance(given, list) else [given]))
