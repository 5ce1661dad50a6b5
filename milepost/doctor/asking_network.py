"""What is asked of others on the network: whether they are there. Nothing is sent that anybody would see."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from alerting.channels.guarded import new_client
from alerting.channels.reach import Reach, Refused
from alerting.targets import Target
from dashboard.oidc import OidcRefused
from milepost.access_settings import oidc_of
from milepost.doctor import certificates
from milepost.doctor.finding import Finding, fail, ok, unknown
from milepost.doctor.judging import named
from milepost.regions.asking import NoAnswer, ask
from milepost.regions.region import Region
from milepost.settings import Settings

SECONDS = 5.0
_AT_ONCE = 8
_PORTS = {"http": 80, "https": 443, "smtp": 25, "smtps": 465}
_TLS = ("https", "smtps")


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who was tried, and why it was not reached: None when it was. `tried` is False where that cannot be found out."""

    target: str
    why: str | None = None
    tried: bool = True
    ends: int | None = None
    """Until when its certificate is good (micros); None where it showed none."""


def targets(found: Iterable[Target], reach: Reach, now: int) -> list[Finding]:
    """Whether each target can be connected to, through the guard that messages go through, and its certificate."""
    wanted = sorted(found, key=lambda one: one.name)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        attempts = list(pool.map(lambda one: attempt(one, reach), wanted))
    ends = [(one.target, one.ends) for one in attempts if one.ends is not None]
    return [*judged(attempts), *certificates.theirs(ends, now)]


def certificate_ends(urls: Mapping[str, str], reach: Reach) -> list[tuple[str, int]]:
    """Until when the certificates of those are good (micros) that speak TLS and are reached, by their names.

    Why others are not reached is told by whoever asks them.
    """
    found = []
    for name, url in urls.items():
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" or _by_proxy(parts.scheme, host):
            continue
        port = parts.port or _PORTS[parts.scheme]
        with contextlib.suppress(OSError, Refused, ValueError):
            ends = _connect(reach.addresses(host, port), port, host, SECONDS)
            found += [] if ends is None else [(name, ends)]
    return found


def judged(attempts: list[Attempt]) -> list[Finding]:
    """A finding for each that is not reached, and one for those that are. Pure."""
    check = "targets"
    advice = "mend its address, the network or private_hosts, then try milepost alerts send-test"
    lost = [
        fail(check, f"{one.target} cannot be reached: {one.why}", advice)
        for one in attempts
        if one.tried and one.why is not None
    ]
    unasked = [unknown(check, f"{one.target}: {one.why}") for one in attempts if not one.tried]
    reached = [one.target for one in attempts if one.tried and one.why is None]
    good = [ok(check, f"{len(reached)} can be reached: {named(reached)}")] if reached else []
    return [*lost, *unasked, *good] or [ok(check, "there is none: nobody is told anything")]


def attempt(target: Target, reach: Reach, seconds: float = SECONDS) -> Attempt:
    """Connect as a message would, speak TLS where one would, and hang up. Says nothing of the address."""
    if target.kind == "apprise":
        return Attempt(target.name, "Apprise only says when it sends: try milepost alerts send-test", tried=False)
    parts = urlsplit(target.address.url)
    host = parts.hostname or ""
    if parts.scheme in ("http", "https") and _by_proxy(parts.scheme, host):
        return Attempt(target.name, "goes through the proxy of the environment, which is not asked", tried=False)
    try:
        port = parts.port or _PORTS[parts.scheme]
        addresses = reach.addresses(host, port)
        ends = _connect(addresses, port, host if parts.scheme in _TLS else None, seconds)
    except Refused as error:
        return Attempt(target.name, str(error))
    except ssl.SSLCertVerificationError as error:
        return Attempt(target.name, f"its certificate is not trusted: {error.verify_message}")
    except ssl.SSLError:
        return Attempt(target.name, "it does not speak TLS as it should")
    except socket.gaierror:
        return Attempt(target.name, "the host is not known")
    except TimeoutError:
        return Attempt(target.name, f"no answer within {seconds:.0f} s")
    except OSError as error:
        return Attempt(target.name, (error.strerror or type(error).__name__).lower())
    return Attempt(target.name, ends=ends)


def _connect(addresses: list[str], port: int, tls_name: str | None, seconds: float) -> int | None:
    """Connect and hang up; with a `tls_name` speak TLS before, and say until when the certificate is good (micros)."""
    until = time.monotonic() + seconds
    for place, address in enumerate(addresses, 1):
        try:
            with socket.create_connection((address, port), timeout=seconds) as connection:
                if tls_name is None:
                    return None
                with ssl.create_default_context().wrap_socket(connection, server_hostname=tls_name) as spoken:
                    shown = spoken.getpeercert(binary_form=True)
                return None if shown is None else certificates.validity(shown)[1]
        except ssl.SSLError:
            raise
        except OSError:
            if place == len(addresses) or time.monotonic() > until:
                raise
    return None


def _by_proxy(scheme: str, host: str) -> bool:
    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(host)


def regions(found: Sequence[Region], reach: Reach) -> list[Finding]:
    """Whether each region says how it stands, asked as the page of regions asks it."""
    check, advice = "regions", "look at its url, key_file and private_hosts, and ask milepost doctor there"

    def why(region: Region) -> str | None:
        try:
            ask(client, region)
        except NoAnswer as error:
            return str(error)
        return None

    with new_client(reach) as client, ThreadPoolExecutor(len(found)) as pool:
        said = list(zip(found, pool.map(why, found), strict=True))
    lost = [fail(check, f"{one.name}: {reason}", advice) for one, reason in said if reason is not None]
    answering = [one.name for one, reason in said if reason is None]
    return [*lost, *([ok(check, f"{len(answering)} answer: {named(answering)}")] if answering else [])]


def provider(settings: Settings) -> Finding:
    """Whether the provider of logins says about itself what is needed."""
    check = "oidc"
    try:
        asyncio.run(_discovered(settings))
    except OidcRefused as error:
        return fail(check, str(error), "nobody new can log in: look at oidc_issuer and the way there")
    except httpx.HTTPError as error:
        return fail(check, f"the provider cannot be asked: {type(error).__name__}", "look at the way to oidc_issuer")
    return ok(check, "the provider says where to log in")


async def _discovered(settings: Settings) -> None:
    oidc = oidc_of(settings)
    if oidc is not None:
        # That a login begins needs no more than what the provider publishes; it is not gone on with.
        await oidc.begin("/")
