"""Where a request of ours may go: no definition makes Milepost ask the cloud that it runs in for secrets."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
)
"""Where clouds tell machines their credentials, besides 169.254.169.254, which is link-local."""


def refused(url: str) -> str:
    """Why nothing is asked of this address, empty where it may be; the secret goes in clear to loopback alone.

    A name that cannot be resolved here is let pass: an egress proxy resolves it, or the request fails by itself.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        found = set()
    except ValueError:
        return "is not an address"
    at = [ipaddress.ip_address(str(text).partition("%")[0]) for text in found]
    at = [one.ipv4_mapped or one if isinstance(one, ipaddress.IPv6Address) else one for one in at]
    if any(one.is_link_local or one.is_multicast or one.is_unspecified or one in _METADATA for one in at):
        return "leads to link-local, multicast or metadata addresses, which are never asked"
    if parts.scheme != "https" and not (at and all(one.is_loopback for one in at)):
        return "is not https: the secret would go in clear"
    return ""
