# ruff: noqa: F811
"""TLS over HTTP and gRPC, with the certificates of an authority of the test's own."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from grpc import aio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from collector.ingest.bodies import Bodies
from collector.ingest.doors import Doors
from collector.ingest.otlp_grpc import GrpcDoor
from milepost.tls import Certificate, TlsUnusable
from tests.integration.fix_doors import Collector, collector  # noqa: F401
from tests.integration.fix_http import serving
from tests.integration.test_doors_otlp import as_protobuf, request, span
from tests.integration.test_doors_otlp_grpc import TRACES

pytestmark = pytest.mark.slow

LOCAL = "127.0.0.1"


class Files:
    """A certificate and its key in files, issued by an authority that can be another."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.key = folder / "cert.pem", folder / "key.pem"
        self.issue()

    def issue(self, *, chain: bool = True, key: bool = True) -> None:
        """Another authority issues another certificate; what is not wanted is left as it is."""
        self.authority = trustme.CA()
        issued = self.authority.issue_cert(LOCAL)
        if chain:
            self.chain.write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
        if key:
            self.key.write_bytes(issued.private_key_pem.bytes())

    def client(self) -> ssl.SSLContext:
        """What trusts the authority and nobody else."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    @property
    def root(self) -> bytes:
        return self.authority.cert_pem.bytes()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def certificate(files: Files) -> Certificate:
    return Certificate(files.chain, files.key)


async def _say(request: Request) -> Response:
    return PlainTextResponse(request.url.scheme)


APP = Starlette(routes=[Route("/", _say)])


async def get(port: int, trusted: ssl.SSLContext) -> httpx.Response:
    async with httpx.AsyncClient(verify=trusted, timeout=240) as client:
        return await client.get(f"https://{LOCAL}:{port}/")


def outdated(files: Files, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that speaks nothing newer."""
    old = files.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = version
    old.set_ciphers("ALL:@SECLEVEL=0")
    return old


# HTTP


async def test_http_is_spoken_by_tls_and_nothing_else_is_answered(files: Files, certificate: Certificate) -> None:
    async with serving(APP, context=certificate.context) as http:
        answer = await get(http.port, files.client())
        assert (answer.status_code, answer.text) == (200, "https")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await get(http.port, ssl.create_default_context())
        plain = await http.open()
        await plain.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"HTTP" not in await plain.ended()
        assert (await get(http.port, files.client())).status_code == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_what_is_older_than_tls_1_2_is_refused(
    files: Files, certificate: Certificate, version: ssl.TLSVersion
) -> None:
    # What OpenSSL is made with may refuse it, too.
    assert certificate.context.minimum_version is ssl.TLSVersion.TLSv1_2
    async with serving(APP, context=certificate.context) as http:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(LOCAL, http.port, ssl=outdated(files, version))
        for accepted in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = files.client()
            context.minimum_version = context.maximum_version = accepted
            assert (await get(http.port, context)).status_code == 200


async def test_a_renewed_certificate_is_used_without_a_restart(files: Files, certificate: Certificate) -> None:
    async with serving(APP, context=certificate.context) as http:
        former = files.client()
        async with httpx.AsyncClient(verify=former, timeout=240) as kept:
            url = f"https://{LOCAL}:{http.port}/"
            assert (await kept.get(url)).status_code == 200
            files.issue()
            certificate.renew()
            # Who is connected stays so.
            assert (await kept.get(url)).status_code == 200
        assert (await get(http.port, files.client())).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await get(http.port, former)


async def test_half_of_a_renewal_leaves_the_former_in_force_until_the_other_half_is_there(
    files: Files, certificate: Certificate
) -> None:
    async with serving(APP, context=certificate.context) as http:
        former = files.client()
        files.issue(key=False)
        with capture_logs() as logs:
            certificate.renew()
            certificate.renew()
        assert [one["event"] for one in logs] == ["certificate_not_renewed"]
        assert (await get(http.port, former)).status_code == 200
        files.chain.unlink()
        certificate.renew()
        assert (await get(http.port, former)).status_code == 200
        files.issue()
        with capture_logs() as logs:
            certificate.renew()
            certificate.renew()
        assert [one["event"] for one in logs] == ["certificate_renewed"]
        assert (await get(http.port, files.client())).status_code == 200


def test_what_cannot_be_used_says_why_and_not_what_is_in_the_key(files: Files, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Files(tmp_path / "other")
    with pytest.raises(TlsUnusable, match=r"cert\.pem"):
        Certificate(files.chain, other.key)
    locked = tmp_path / "locked.pem"
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nplanted\n-----END ENCRYPTED PRIVATE KEY-----\n")
    for key in (locked, files.chain, tmp_path / "nowhere.pem"):
        with pytest.raises(TlsUnusable) as found:
            Certificate(files.chain, key)
        assert "planted" not in str(found.value)
    secret = files.key.read_text().splitlines()[1]
    made = Certificate(files.chain, files.key)
    assert secret not in repr(made._pair)
    assert secret not in repr(vars(made))


async def test_who_begins_tls_and_says_no_more_keeps_nobody_out(files: Files, certificate: Certificate) -> None:
    async with serving(APP, most=40, context=certificate.context) as http:
        silent = [await http.open() for _ in range(100)]
        for one in silent:
            await one.send(b"\x16\x03\x01\x02\x00\x01")
        assert (await get(http.port, files.client())).status_code == 200
        # They are no connections of HTTP before they have shaken hands.
        assert len(http.connections) <= 1


# gRPC


async def test_grpc_is_spoken_by_tls_and_takes_over_a_renewed_certificate(
    collector: Collector, files: Files, certificate: Certificate
) -> None:
    held = Bodies()
    doors = Doors(collector.writer, lambda: collector.catalogue.matcher, held)
    door = GrpcDoor(doors, held, LOCAL, 0, credentials=certificate.credentials())
    await door.start()

    async def send(root: bytes | None, number: int) -> None:
        credentials = None if root is None else grpc.ssl_channel_credentials(root)
        # Each has a connection of its own.
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"{LOCAL}:{door.port}"
        channel = (
            aio.insecure_channel(address, options=options)
            if credentials is None
            else aio.secure_channel(address, credentials, options=options)
        )
        async with channel:
            await channel.unary_unary(TRACES)(as_protobuf(request(span(spanId=f"{number:016x}"))), timeout=240)

    async def refused(root: bytes | None) -> None:
        with pytest.raises(aio.AioRpcError) as found:
            await send(root, 99)
        assert found.value.code() is grpc.StatusCode.UNAVAILABLE

    try:
        await send(files.root, 1)
        await refused(None)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(LOCAL, door.port, ssl=outdated(files, ssl.TLSVersion.TLSv1_1))
        former = files.root
        files.issue()
        await send(former, 2)
        certificate.renew()
        await send(files.root, 3)
        await refused(former)
    finally:
        await door.stop()
    assert collector.rows("SELECT count(*) FROM span") == [(3,)]
