"""Where messages may be sent: what a name leads to is looked at before it is connected to, and that is connected to.

Addresses that are not public are refused unless their host is allowed by name, so that nobody who may write a route can
make Milepost speak to what only its own network reaches.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], list[str]]


class Refused(Exception):
    """Nothing may be sent there; it names the host as it was written, and no address."""


@dataclass(frozen=True, slots=True)
class Reach:
    """`private` are the hosts, as written in URLs, that may lead to addresses that are not public."""

    private: frozenset[str] = frozenset()

    def allows(self, host: str) -> bool:
        """Whether a host may lead anywhere."""
        return host.strip("[]").rstrip(".").lower() in self.private

    def addresses(self, host: str, port: int, lookup: Lookup | None = None) -> list[str]:
        """The addresses of a host that may be connected to, in the order to try. Refused where there are none of them.

        OSError where the host is not known.
        """
        found = (lookup or look_up)(host.strip("[]"), port)
        allowed = found if self.allows(host) else [one for one in found if is_public(one)]
        if not allowed:
            raise Refused(f"{host} is not on the public internet; allow it by name in private_hosts")
        return allowed


PUBLIC_ONLY = Reach()


def reach_of(hosts: Iterable[str]) -> Reach:
    """The reach with these hosts allowed by name."""
    return Reach(frozenset(host.strip().strip("[]").rstrip(".").lower() for host in hosts))


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, also the IPv4 address that an IPv6 one leads to."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in [address, *_within(address)])


def look_up(host: str, port: int) -> list[str]:
    """What a name leads to, each address once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _within(address: Address) -> list[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in inner if one is not None]
