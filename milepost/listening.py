"""How a process listens: HTTP by uvicorn, OTLP by gRPC, both with TLS where there is a certificate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
import uvicorn

from collector.access.limits import Limits
from collector.access.roster import Roster
from collector.access.sending import admitting
from collector.ingest.bodies import Bodies
from collector.ingest.doors import Doors
from collector.ingest.otlp_grpc import GrpcDoor, PortTaken, refuse_taken
from milepost.access_settings import networks_of
from milepost.connections import Connections, files_for
from milepost.edge_settings import patience_of
from milepost.settings import OTLP_GRPC_PORT, Settings
from milepost.tls import Certificate

log = structlog.get_logger("milepost")


class Listening:
    """How one process listens, by its settings; `certificate` is None where it speaks no TLS."""

    def __init__(self, settings: Settings, roster: Roster | None, limits: Limits) -> None:
        """Raises TlsUnusable."""
        self.settings = settings
        self.certificate: Certificate | None = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            self.certificate = Certificate(settings.tls_cert, settings.tls_key)
        self._roster = roster
        self._limits = limits
        trusted = networks_of(settings.trusted_proxies)
        self._connections = Connections(files_for(settings.max_connections), patience_of(settings), trusted)

    def http(self, app: Any) -> uvicorn.Config:
        """How uvicorn serves an application, while `watching` runs."""
        certificate = self.certificate
        return uvicorn.Config(
            app,
            host=self.settings.host,
            port=self.settings.port,
            http=self._connections.protocol,  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            # What proxies say is judged where who they are is known.
            proxy_headers=False,
            # Whoever is idle is sent away before that (connections.py).
            timeout_keep_alive=7200,
            timeout_graceful_shutdown=10,
            backlog=1024,
            lifespan="on",
            ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
        )

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Meanwhile connections of HTTP that are too slow are sent away."""
        task = asyncio.create_task(self._connections.watch())
        try:
            yield
        finally:
            task.cancel()

    def grpc_door(self, doors: Doors, bodies: Bodies) -> GrpcDoor | None:
        """None where it is off, or nobody said where it should be and the usual port is taken. Raises PortTaken."""
        port = self.settings.otlp_grpc_port
        if port == 0:
            return None
        try:
            refuse_taken(self.settings.host, port or OTLP_GRPC_PORT)
        except PortTaken as error:
            if port is not None:
                raise
            log.warning("otlp_grpc_off", because=str(error))
            return None
        return GrpcDoor(
            doors,
            bodies,
            self.settings.host,
            port or OTLP_GRPC_PORT,
            admitting(self._roster, self._limits) if self._roster else None,
            most_connections=self.settings.max_connections,
            credentials=self.certificate.credentials() if self.certificate else None,
        )
