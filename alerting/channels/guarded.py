"""An HTTP client that connects only where it may, to the very address that was looked at."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any
from urllib.request import getproxies

import httpcore
import httpx

from alerting.channels.reach import Reach

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LONGEST_ANSWER_SECONDS = 25.0
"""How long an answer may take in all: the other limits begin anew with every byte that comes."""


class _Stream(httpcore.NetworkStream):
    """A connection whose answers must end in time, from the first byte of the request on."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._until = 0.0
        self._asking = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._asking = False
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer takes too long")
        return self._inner.read(max_bytes, left if timeout is None else min(timeout, left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._asking:
            self._asking = True
            self._until = time.monotonic() + LONGEST_ANSWER_SECONDS
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """Looks a host up, refuses what may not be reached, and connects to what was found.

    TLS still asks for the host by its name and holds the certificate against it: this is below it.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = self._reach.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError("the host is not known") from error
        until = time.monotonic() + (timeout or 5.0)
        for address in found[:-1]:
            try:
                return _Stream(super().connect_tcp(address, port, timeout, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if time.monotonic() > until:
                    raise
        return _Stream(super().connect_tcp(found[-1], port, timeout, local_address, socket_options))


class GuardedTransport(httpx.HTTPTransport):
    """What httpx sends through."""

    def __init__(self, reach: Reach) -> None:
        context = ssl.create_default_context()
        super().__init__(verify=context)
        # httpx takes no backend for its pool.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=20,
            max_keepalive_connections=5,
            keepalive_expiry=30.0,
            network_backend=_Backend(reach),
        )


def new_client(reach: Reach) -> httpx.Client:
    """A client for the outbox. It follows no redirects.

    A proxy named by the environment is used: names are then looked up by it, and it is the place to limit reach; hosts
    of NO_PROXY are connected to as the guard allows.
    """
    guarded = GuardedTransport(reach)
    proxies = getproxies()
    mounts: dict[str, httpx.BaseTransport | None] = {}
    for scheme in ("http", "https"):
        proxy = proxies.get(scheme) or proxies.get("all")
        if proxy:
            mounts[f"{scheme}://"] = httpx.HTTPTransport(proxy=httpx.Proxy(proxy))
    if mounts:
        for host in filter(None, (one.strip().lstrip(".") for one in proxies.get("no", "").split(","))):
            mounts |= {f"all://{host}": guarded, f"all://*.{host}": guarded}
    return httpx.Client(transport=guarded, mounts=mounts, timeout=TIMEOUT, follow_redirects=False, trust_env=False)
