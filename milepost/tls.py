"""The certificate with which a process speaks TLS over HTTP and gRPC, and that takes over when it is renewed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc
import structlog

from collector.store.database import Connection

log = structlog.get_logger("milepost")

RENEWED_EVERY_SECONDS = 30


class TlsUnusable(Exception):
    """A certificate and its key cannot be used; it says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A chain of certificates and the key of the first, as PEM."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(…)"


class Certificate:
    """What is in two files. Both are read anew when they change; what cannot be used leaves the former in force."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises TlsUnusable."""
        self._files = chain, key
        self._failed: Pair | None = None
        self._pair = self._read()
        self.context = _context()
        _load(self.context, self._files)

    def renew(self, _conn: Connection | None = None, _now: datetime | None = None) -> None:
        """Take over what is in the files now: a duty. Connections that there are stay as they are."""
        try:
            pair = self._read()
            if pair in (self._pair, self._failed):
                return
            self._failed = pair
            # Half of a renewal is a certificate without its key: it is tried where nothing depends on it.
            _load(_context(), self._files)
            _load(self.context, self._files)
        except TlsUnusable as error:
            log.warning("certificate_not_renewed", error=str(error), why="the former one stays in use")
            return
        self._pair, self._failed = pair, None
        log.info("certificate_renewed", file=str(self._files[0]))

    def credentials(self) -> grpc.ServerCredentials:
        """The same for gRPC, which asks at each handshake whether there is another."""
        served = self._pair

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            if served == self._pair:
                return None
            served = self._pair
            return _of_grpc(served)

        return grpc.dynamic_ssl_server_credentials(_of_grpc(served), fetch)  # type: ignore[arg-type]

    def _read(self) -> Pair:
        try:
            return Pair(*(file.read_bytes() for file in self._files))
        except OSError as error:
            raise TlsUnusable(f"{error.filename}: {error.strerror}") from error


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nothing is compressed, and nobody makes us begin anew.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, files: tuple[Path, Path]) -> None:
    try:
        # A key with a passphrase would ask for it at the terminal.
        context.load_cert_chain(*files, password=_nothing)
    except (OSError, ValueError) as error:
        raise TlsUnusable(f"{files[0]} with {files[1]}: {error}") from error


def _nothing() -> str:
    raise ValueError("a key with a passphrase is not taken")


def _of_grpc(pair: Pair) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)])
