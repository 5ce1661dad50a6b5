"""The settings of who may do what, and whether a process may listen where it is told to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from collector.access.forwarded import Forwarded, GroupRoles
from collector.access.principal import PersonRole
from collector.access.sight import DOMAIN, EVERYTHING, WORKFLOW

if TYPE_CHECKING:
    from dashboard.oidc import Oidc
    from milepost.settings import Settings

AUTH = ("off", "on")
TRUSTED = ("127.0.0.1", "::1")
"""The proxies whose word counts where nobody says otherwise: those on this machine."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def faults_of_exposure(settings: Settings) -> list[str]:
    """Why a process must not start as it is told to: others could reach it, and nobody would have to say who he is."""
    if settings.auth == "on" or settings.insecure or is_loopback(settings.host):
        return []
    why = (
        f"host: {settings.host} is not the loopback, and whoever reaches it could read and act without a name. "
        "Let people log in and systems bring keys with --auth on (docs/security.md), listen on 127.0.0.1, or say "
        "--insecure where something else keeps others away"
    )
    return [why]


def read_list(value: Any) -> tuple[str, ...]:
    """A list of a TOML file, or texts with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(str(part).strip() for part in parts if str(part).strip())


def read_networks(value: Any, origin: str, faults: list[str]) -> tuple[str, ...]:
    """Addresses and networks as they are spelled; what is none is a fault."""
    found = read_list(value)
    for one in found:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            faults.append(f"{origin}: {one[:80]!r} is neither an address nor a network such as 10.0.0.0/8")
    return found


def networks_of(spelled: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks that were read."""
    return tuple(ipaddress.ip_network(one) for one in spelled)


def read_group_roles(value: Any, origin: str, faults: list[str]) -> tuple[str, ...]:
    """`group=role`, each as it is spelled; what is none is a fault."""
    found = read_list(value)
    for one in found:
        group, _, role = one.rpartition("=")
        if not group or role not in tuple(PersonRole):
            faults.append(f"{origin}: {one[:80]!r} is not GROUP=ROLE; roles are {', '.join(PersonRole)}")
    return found


def read_group_sights(value: Any, origin: str, faults: list[str]) -> tuple[str, ...]:
    """`group=domain:orders`, each as it is spelled; what is none is a fault."""
    found = read_list(value)
    for one in found:
        group, _, word = one.rpartition("=")
        kind, _, name = word.partition(":")
        if not group or (word != EVERYTHING and (kind not in (DOMAIN, WORKFLOW) or not name)):
            known = f"{DOMAIN}:NAME, {WORKFLOW}:NAME or {EVERYTHING}"
            faults.append(f"{origin}: {one[:80]!r} is not GROUP=SIGHT; a sight is {known}")
    return found


def group_roles_of(settings: Settings) -> GroupRoles:
    """Which groups make somebody what, and let him see what."""
    pairs = (one.rpartition("=") for one in settings.group_roles)
    default = None if settings.default_role == "none" else PersonRole(settings.default_role)
    sights: dict[str, list[str]] = {}
    for group, _, word in (one.rpartition("=") for one in settings.group_sights):
        sights.setdefault(group, []).append(word)
    return GroupRoles(
        {group: PersonRole(role) for group, _, role in pairs},
        default,
        {group: tuple(words) for group, words in sights.items()},
        frozenset(settings.raw_groups),
    )


def forwarded_of(settings: Settings) -> Forwarded | None:
    """How a proxy says who somebody is, where one does."""
    if not settings.forward_auth_header:
        return None
    user, groups = settings.forward_auth_header.lower(), (settings.forward_auth_groups_header or "").lower()
    return Forwarded(user, groups, group_roles_of(settings))


def faults_of_oidc(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with what is given of a provider, taken together."""
    issuer = values.get("oidc_issuer")
    if not issuer:
        given = [name for name in ("oidc_client_id", "oidc_client_secret") if values.get(name)]
        return [f"{name}: without oidc_issuer" for name in given]
    needed = ("oidc_client_id", "oidc_client_secret", "public_url")
    faults = [f"{name}: not given; oidc_issuer needs it" for name in needed if not values.get(name)]
    if find_spec("jwt") is None:
        faults.append("oidc_issuer: needs PyJWT; install milepost[jwt]")
    parts = urlsplit(str(issuer))
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        faults.append("oidc_issuer: must begin with https://")
    return faults


def oidc_of(settings: Settings) -> Oidc | None:
    """How a provider is asked who somebody is, where there is one."""
    if not settings.oidc_issuer:
        return None
    from dashboard.oidc import Oidc, Provider  # noqa: PLC0415 — settings are read by every command

    provider = Provider(
        settings.oidc_issuer,
        settings.oidc_client_id or "",
        settings.oidc_client_secret or "",
        f"{settings.address}/login/callback",
        group_roles_of(settings),
        settings.oidc_name_claim,
        settings.oidc_groups_claim,
        settings.oidc_scopes,
    )
    return Oidc(provider, httpx.AsyncClient(timeout=10))
