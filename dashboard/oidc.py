"""OpenID Connect: authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

Nothing of the provider is trusted before its ID token is verified: signature by its published keys, issuer, audience,
times, and the nonce of this very login.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from collector.access.forwarded import LONGEST_NAME, GroupRoles
from collector.access.principal import Grant

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that only the provider has: never `none`, never one that the client's secret makes."""
_LEEWAY_SECONDS = 60
_KEPT_SECONDS = 3600.0
_AGAIN_SECONDS = 60.0
_MOST_BYTES = 2**20


class OidcRefused(Exception):
    """Why somebody is not logged in; what it says holds no secret and nothing that the provider said."""


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider is asked; `secret` is not shown."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    redirect_uri: str
    groups: GroupRoles
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    scopes: str = "openid profile email"


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """A login that has begun; the browser keeps it, out of reach of scripts."""

    state: str
    nonce: str
    verifier: str
    aim: str


class _Verify(Protocol):
    def __call__(self, token: str, keys: Mapping[str, Any], provider: Provider) -> dict[str, Any]: ...


class Oidc:
    """Asks one provider who somebody is. What it publishes about itself is kept for an hour."""

    def __init__(self, provider: Provider, client: httpx.AsyncClient, verify: _Verify | None = None) -> None:
        self._provider = provider
        self._client = client
        self._verify = verify or verified
        self._known: dict[str, Any] = {}
        self._keys: dict[str, Any] = {}
        self._known_at = self._keys_at = float("-inf")

    async def begin(self, aim: str) -> tuple[str, Begun]:
        """Where the browser is sent, and what it keeps meanwhile. Raises OidcRefused."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = Begun(state, nonce, verifier, aim)
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._provider.redirect_uri,
            "scope": self._provider.scopes,
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = (await self._discover())["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", begun

    async def finish(self, begun: Begun, answered: Mapping[str, str]) -> tuple[str, Grant | None]:
        """Who it is and what he may be, None nothing. Raises OidcRefused."""
        if not hmac.compare_digest(begun.state.encode(), answered.get("state", "").encode()):
            raise OidcRefused("the answer is to another login; log in once more")
        if answered.get("iss", self._provider.issuer) != self._provider.issuer:
            raise OidcRefused("the answer is of another provider")
        if "error" in answered or not answered.get("code"):
            raise OidcRefused("the provider did not let you in")
        known = await self._discover()
        tokens = await self._exchange(known["token_endpoint"], answered["code"], begun.verifier)
        claims = await self._claims(str(tokens.get("id_token", "")))
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), begun.nonce.encode()):
            raise OidcRefused("the ID token is of another login")
        if self._provider.groups_claim not in claims and known.get("userinfo_endpoint") and "access_token" in tokens:
            claims = await self._more(known["userinfo_endpoint"], str(tokens["access_token"]), claims)
        return _name(claims, self._provider.name_claim), self._provider.groups.grant_of(
            _groups(claims.get(self._provider.groups_claim))
        )

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            return self._verify(token, await self._published(), self._provider)
        except UnknownKey:
            # The provider may have new keys since; whoever sends what he likes makes us ask once a minute.
            if time.monotonic() - self._keys_at < _AGAIN_SECONDS:
                raise
            self._keys_at = float("-inf")
            return self._verify(token, await self._published(), self._provider)

    async def _discover(self) -> dict[str, Any]:
        if time.monotonic() - self._known_at > _KEPT_SECONDS:
            issuer = self._provider.issuer
            found = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise OidcRefused("the provider names itself otherwise than oidc_issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if urlsplit(str(found.get(name, ""))).scheme != urlsplit(issuer).scheme:
                    raise OidcRefused(f"the provider says no {name} that is as safe as itself")
            self._known, self._known_at = found, time.monotonic()
        return self._known

    async def _published(self) -> dict[str, Any]:
        if time.monotonic() - self._keys_at > _KEPT_SECONDS:
            self._keys = await self._get((await self._discover())["jwks_uri"])
            self._keys_at = time.monotonic()
        return self._keys

    async def _exchange(self, endpoint: str, code: str, verifier: str) -> dict[str, Any]:
        said = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._provider.redirect_uri,
            "code_verifier": verifier,
            "client_id": self._provider.client_id,
        }
        methods = self._known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" in methods:
            who = httpx.BasicAuth(_form(self._provider.client_id), _form(self._provider.secret))
            return await self._ask(self._client.build_request("POST", endpoint, data=said), who)
        secret = {"client_secret": self._provider.secret}
        return await self._ask(self._client.build_request("POST", endpoint, data=said | secret))

    async def _more(self, endpoint: str, token: str, claims: dict[str, Any]) -> dict[str, Any]:
        found = await self._get(endpoint, {"authorization": f"Bearer {token}"})
        if found.get("sub") != claims["sub"]:
            raise OidcRefused("the provider speaks of somebody else")
        return found | claims

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._ask(self._client.build_request("GET", url, headers=dict(headers or {})))

    async def _ask(self, request: httpx.Request, who: httpx.Auth | None = None) -> dict[str, Any]:
        try:
            answer = await self._client.send(request, auth=who, stream=True, follow_redirects=False)
            try:
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise OidcRefused("the provider says too much")
            finally:
                await answer.aclose()
            found = msgspec.json.decode(body) if answer.status_code == 200 else None
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise OidcRefused("the provider does not answer as it should") from error
        if not isinstance(found, dict):
            raise OidcRefused("the provider refuses")
        return found


class UnknownKey(OidcRefused):
    """A token is signed by a key that was not among those that were published."""


def verified(token: str, keys: Mapping[str, Any], provider: Provider) -> dict[str, Any]:
    """The claims of an ID token that is what it must be. Raises OidcRefused, and UnknownKey. It needs PyJWT."""
    import jwt  # noqa: PLC0415 — an extra

    try:
        head = jwt.get_unverified_header(token)
        found = [key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if head.get("kid") in (None, key.key_id)]
    except (jwt.PyJWTError, AttributeError, TypeError, KeyError) as error:
        raise OidcRefused("the ID token cannot be read") from error
    if head.get("alg") not in ALGORITHMS:
        raise OidcRefused("the ID token is not signed by the provider")
    if len(found) != 1:
        raise UnknownKey("the ID token is signed by a key that the provider does not publish")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            found[0].key,
            algorithms=[head["alg"]],
            audience=provider.client_id,
            issuer=provider.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise OidcRefused("the ID token is not valid") from error
    aud = claims["aud"]
    if ((isinstance(aud, list) and len(aud) > 1) or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise OidcRefused("the ID token is for another client")
    return claims


def _name(claims: Mapping[str, Any], claim: str) -> str:
    for name in (claim, "email", "sub"):
        value = claims.get(name)
        if name == "email" and claims.get("email_verified") is not True:
            continue
        if isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= LONGEST_NAME:
            return value
    raise OidcRefused("the provider says no name that can be used")


def _groups(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _form(text: str) -> str:
    """As RFC 6749 2.3.1 wants what stands in the Basic scheme."""
    return urlencode({"": text})[1:]
