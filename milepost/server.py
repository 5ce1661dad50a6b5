"""Start-up wiring: one process with every role, or with one of them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import sqlalchemy.exc
import structlog
import uvicorn
from fastapi import FastAPI
from psycopg_pool import ConnectionPool, PoolTimeout
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from alerting.acts_api import add_incident_acts
from alerting.address import Address
from alerting.channels.reach import reach_of
from alerting.route import Route
from alerting.setup import with_routes
from alerting.targets import Target
from collector import metrics
from collector.access.guard import Guard, remember_peer
from collector.access.lengths import Lengths
from collector.access.limits import Limits
from collector.access.raw_reads import RawReads
from collector.access.roster import FRESH_BUFFERING_SECONDS, Roster
from collector.acts import Acts
from collector.api import build_api
from collector.catalogue import Catalogue
from collector.handling import Handling
from collector.ingest.bodies import Bodies
from collector.ingest.doors import Doors
from collector.ingest.kafka.library import require_library
from collector.log import LogWriter
from collector.projection_process import Activity, ProjectionProcess, settle_garbage_collection
from collector.query import Query
from collector.query.reader import Reader
from collector.query.replica_reader import ReplicaReader
from collector.rebuild import keep_objectives
from collector.registration import Registered, put_in_force
from collector.saved_views import SavedViews
from collector.sources.dead_letters import DeadLetters
from collector.sources.door import SourceDoor
from collector.sources.intake import Intake
from collector.sources.receiving import Receiver
from collector.spool.segments import Spool, SpoolUnusable
from collector.spool.spooling import Spooling
from collector.store.database import Connection, connect, migrate, session, sqlalchemy_url
from milepost.access_settings import forwarded_of, networks_of, oidc_of
from milepost.browser_headers import BrowserHeaders
from milepost.definition_files import definition_texts, find_warnings, read_definitions
from milepost.edge_settings import rates_of
from milepost.embedded import EmbeddedPostgres
from milepost.hearing import hear
from milepost.listening import Listening
from milepost.logs import configure_logging
from milepost.regions.watching import Regions, watch
from milepost.roles import ALL_ROLES, Role
from milepost.routes import read_alerting
from milepost.scheduling import SENDERS, Scheduling
from milepost.settings import Settings
from milepost.source_files import consumed_sources, read_receivers
from milepost.tested_definitions import DefinitionsTested
from slo_rules import compiled
from slo_rules.faults import Severity
from slo_rules.instants import to_micros

if TYPE_CHECKING:
    # The library for Kafka is an extra.
    from collector.ingest.kafka.consuming import KafkaConsumer
    from collector.ingest.kafka.producing import KafkaProducer

log = structlog.get_logger("milepost")

DATABASE_SECONDS = 900.0
"""How long a database that is not there, or goes away while this process starts, is waited for."""

_LET_GO = "-c idle_in_transaction_session_timeout=60s"
"""A process that stands still in the middle of a duty keeps others from it."""


class DatabaseAway(Exception):
    """The database could not be reached when a process started, nor for a while after that; it says why."""


class Milepost:
    """Everything of one process, built from its settings."""

    def __init__(self, settings: Settings, roles: Collection[Role] = ALL_ROLES) -> None:
        self.settings = settings
        self.roles = roles
        if settings.kafka_topic and roles == ALL_ROLES:
            self.roles = ALL_ROLES | {Role.CONSUMER}
        if Role.CONSUMER in self.roles or self._produces:
            require_library()
        self.definitions = read_definitions(settings.definitions)
        self._consumed = consumed_sources(settings.kafka_topic, self.definitions) if Role.CONSUMER in self.roles else {}
        self.alerting = read_alerting(self.definitions, os.environ)
        self.private_hosts = settings.private_hosts
        self._embedded = None if settings.database_url else EmbeddedPostgres(settings.data_dir)
        self._receivers: dict[str, Receiver] = {}
        keys_hold = FRESH_BUFFERING_SECONDS if settings.spool and Role.COLLECTOR in roles else None
        lengths = Lengths(settings.session_idle, settings.session_longest)
        self._roster = Roster(keys_hold, lengths) if settings.auth == "on" else None
        self._limits = Limits(rates_of(settings))
        self._listening = Listening(settings, self._roster, self._limits)
        self._closing: list[Callable[[], None]] = []

    def add_chat(self, webhook_url: str) -> None:
        """Tell every incident to one Slack-compatible webhook."""
        self.private_hosts += (urlsplit(webhook_url).hostname or "",)
        chat = Route("chat", {}, (Target("chat/slack", "slack", Address(webhook_url)),))
        self.alerting = with_routes(self.alerting, chat)

    def open_database(self) -> str:
        """The database's URL, once it is there and its schema is up to date. Raises SchemaBlocked."""
        url = self.find_database()
        migrate(url)
        return url

    def find_database(self) -> str:
        """The database's URL, whatever its schema is; an embedded one has been started."""
        if self._embedded is None:
            return self.settings.database_url or ""
        url = self._embedded.start()
        self._closing.append(self._embedded.stop)
        return url

    def close(self) -> None:
        """Stop everything, last started first."""
        while self._closing:
            self._closing.pop()()

    def serve(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until told to stop (SIGINT, SIGTERM); then everything is closed before SystemExit(0) is raised.

        Raises DatabaseAway, DefinitionError where a secret of a source cannot be had, PortTaken where gRPC was given a
        port that it cannot have, and SpoolUnusable where the buffer was given such a folder.
        """
        consumed = set(self._consumed.values())
        if Role.COLLECTOR in self.roles or consumed:
            texts = definition_texts(self.settings.definitions)
            only = None if Role.COLLECTOR in self.roles else consumed
            self._receivers = read_receivers(texts, self.definitions, os.environ, only)
        # uvicorn raises the signal again when it has stopped; with the default action nothing would be closed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _exit)
        for finding in find_warnings(self.settings.definitions, self.definitions):
            if finding.severity is Severity.WARNING:
                log.warning("definition_warning", **asdict(finding))
        try:
            url = self.find_database()
            if self._embedded is not None:
                self._embedded.keep()
            self._run(url, self._register(url), on_ready)
        finally:
            self.close()

    def _register(self, url: str) -> Registered:
        """Put the definitions in force on a schema that is up to date, once the database lets that be done.

        Each step is one that can be repeated. Raises DatabaseAway and SchemaBlocked.
        """
        until = time.monotonic() + DATABASE_SECONDS
        while True:
            _await_database(url, until)
            try:
                migrate(url)
                with connect(url, "start") as conn:
                    registered = put_in_force(conn, self.definitions)
                    keep_objectives(conn, registered.catalogue)
            except (psycopg.OperationalError, sqlalchemy.exc.OperationalError) as error:
                log.warning("start_interrupted", error=str(error).strip())
            else:
                return registered

    def _run(self, url: str, registered: Registered, on_ready: Callable[[], None]) -> None:
        catalogue = registered.catalogue
        prepare = partial(configure_logging, self.settings.log_format, self.settings.log_level)
        projection = ProjectionProcess(url, prepare) if Role.PROJECTOR in self.roles else None
        on_commit = projection.wake if projection else _nothing
        intake = Intake(url, self._receivers, on_commit) if self._receivers else None
        spooling = self._spooling(url, on_commit, intake) if self._writes else None
        writer = LogWriter(url, on_commit=on_commit, buffer=spooling) if self._writes else None
        consumer = self._consumer(url, catalogue, on_commit, intake) if Role.CONSUMER in self.roles else None
        producer = self._producer() if self._produces else None
        reads = self.settings.read_database_url if Role.DASHBOARD in self.roles else None
        reader = ReplicaReader(url, reads) if reads else Reader(url)
        pool: ConnectionPool[Connection] = ConnectionPool(
            sqlalchemy_url(url).set(drivername="postgresql").render_as_string(hide_password=False),
            min_size=1,
            max_size=4 + SENDERS,
            open=True,
            kwargs=session("duties", _LET_GO),
        )
        self._closing.append(pool.close)
        for role in self.roles:
            metrics.ROLE_ACTIVE.labels(role).set(role not in (Role.PROJECTOR, Role.CONSUMER))
        for part in (projection, writer, intake, consumer, producer):
            if part is not None:
                part.start()
                self._closing.append(part.close)
        scheduler = Scheduling(
            self.settings,
            self.roles,
            self.alerting,
            self.private_hosts,
            self._receivers,
            self._roster,
            self._limits,
            spooling,
            self._listening.certificate,
            writes=self._writes,
            closing=self._closing,
        ).schedule(pool, registered)
        scheduler.start()
        self._closing.append(scheduler.shutdown)

        tests = DefinitionsTested(self.settings.definitions)

        @contextlib.asynccontextmanager
        async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
            async with self._listening.watching():
                await reader.open()
                if grpc is not None:
                    await grpc.start()
                on_ready()
                yield
                await tests.close()
                if grpc is not None:
                    await grpc.stop()
                await reader.close()

        def activities() -> dict[str, str]:
            # Whoever shares work that several cannot do at once may have none of it.
            found = {role.value: Activity.ACTIVE.value for role in Role if role in self.roles}
            found |= {Role.PROJECTOR.value: projection.activity.value} if projection else {}
            return found | ({Role.CONSUMER.value: consumer.activity.value} if consumer else {})

        async def ready() -> list[str]:
            if producer is not None and (producer.missing or writer is None):
                # What is handed to brokers needs no database.
                return producer.missing
            if spooling is not None and writer is not None and spooling.active:
                # Pages may be without a database meanwhile; what arrives is taken all the same.
                return spooling.missing() if writer.alive else ["the log is not being written"]
            try:
                # Who takes in events needs the primary. Pages alone go on where only a replica is left.
                await (reader.answer(reader.clock) if self.roles == {Role.DASHBOARD} else reader.clock())
            except (psycopg.Error, PoolTimeout):
                return ["the database cannot be reached"]
            if intake is not None and not intake.alive:
                return ["what sources send is not being mapped"]
            if writer is not None:
                return [] if writer.alive else ["the log is not being written"]
            if consumer is not None:
                return consumer.missing
            # Whoever takes in events goes on doing so, whatever becomes of the projection.
            begun = projection is None or projection.activity is not Activity.STARTING
            return [] if begun else ["the projection has not begun"]

        bodies = Bodies()
        collects = Role.COLLECTOR in self.roles
        doors = Doors(writer, lambda: catalogue.matcher, bodies, producer, self._limits) if collects else None
        grpc = self._listening.grpc_door(doors, bodies) if doors else None
        sources = SourceDoor(writer, self._receivers, bodies, intake.wake, self._limits) if writer and intake else None
        query = Query(reader, catalogue, RawReads(pool), tests) if Role.DASHBOARD in self.roles else None
        acts = Acts(reader, catalogue, writer) if writer and query else None
        regions = self._regions() if query else None
        letters = DeadLetters(pool, catalogue, reader.note_write) if query else None
        api = build_api(
            query,
            acts,
            doors,
            ready,
            lifespan,
            activities,
            buffer=spooling.shown if spooling else partial(_no_buffer, needed=doors is not None and producer is None),
            sources=sources,
            letters=letters,
            handling=Handling(pool, catalogue, acts, reader.note_write) if query else None,
            views=SavedViews(pool, catalogue, reader.note_write) if query else None,
            regions=regions.overview if regions else None,
        )
        if query:
            api.router.routes += hear(self.alerting.routes, pool).paths()
            add_incident_acts(api, pool, catalogue, lambda: to_micros(datetime.now(UTC)), reader.note_write)

        settle_garbage_collection()
        log.info(
            "serving",
            address=self.settings.address,
            otlp_grpc_port=grpc.port if grpc else None,
            roles=sorted(self.roles),
            workflows=len(catalogue.current),
            compiled_core=compiled.SAID,
        )
        if self._roster is None:
            log.warning("open_to_all", address=self.settings.address, why="auth is off: nobody has to say who he is")
        uvicorn.Server(self._listening.http(self._guarded(api, query, pool, regions))).run()

    def _regions(self) -> Regions | None:
        """The other installations whose figures are shown; None where there are none."""
        if not self.settings.regions:
            return None
        regions, close = watch(self.settings.regions, reach_of(self.private_hosts))
        self._closing.append(close)
        return regions

    def _guarded(
        self, api: FastAPI, query: Query | None, pool: ConnectionPool[Connection], regions: Regions | None
    ) -> Any:
        """What is served, behind whoever asks who it is for. Reads who may do what: psycopg.Error."""
        settings, roster = self.settings, self._roster
        if roster is not None:
            with pool.connection() as conn:
                roster.refresh(conn, datetime.now(UTC))
                if not roster.knows_anybody(conn) and not (settings.forward_auth_header or settings.oidc_issuer):
                    log.warning(
                        "nobody_can_enter", why="make a key (milepost keys create) or a user (milepost users add)"
                    )
        logs_in = roster is not None and query is not None
        if roster is not None and logs_in:
            from dashboard.login import Login  # noqa: PLC0415 — a process without pages has none to log in on

            api.router.routes += Login(pool, roster, oidc=oidc_of(settings)).routes()
        guard = Guard(
            _with_pages(api, query, regions, logs_in=logs_in) if query else api,
            roster,
            pool,
            forwarded=forwarded_of(settings),
            trusted=networks_of(settings.trusted_proxies),
            login="/login" if logs_in else None,
            limits=self._limits,
        )
        # What a proxy says of addresses and of TLS counts only from those that are trusted.
        proxied: Any = ProxyHeadersMiddleware(BrowserHeaders(guard), list(settings.trusted_proxies))  # type: ignore[arg-type]
        return remember_peer(proxied)

    def _spooling(self, url: str, on_commit: Callable[[], None], intake: Intake | None) -> Spooling | None:
        """The buffer of the doors that write to the log; None where there is none. Raises SpoolUnusable."""
        folder = self.settings.spool
        if folder is None or Role.COLLECTOR not in self.roles or (self._produces and not self._receivers):
            return None

        def on_drained() -> None:
            on_commit()
            if intake is not None:
                intake.wake()

        try:
            spool = Spool(folder, self.settings.spool_limit)
        except (OSError, SpoolUnusable) as error:
            if self.settings.spool_dir:
                raise SpoolUnusable(str(error)) from error
            log.warning("spool_off", because=str(error))
            return None
        return Spooling(url, spool, self.settings.address, on_drained=on_drained)

    @property
    def _writes(self) -> bool:
        """Whether the log is written: the doors write what arrives, the pages what people do.

        What comes from sources with adapters is kept here also where the other doors hand theirs to Kafka.
        """
        by_doors = Role.COLLECTOR in self.roles and (not self._produces or bool(self._receivers))
        return by_doors or Role.DASHBOARD in self.roles

    @property
    def _produces(self) -> bool:
        """Whether the doors hand what arrives to Kafka."""
        return Role.COLLECTOR in self.roles and bool(self.settings.kafka_produce)

    def _consumer(
        self, url: str, catalogue: Catalogue, on_commit: Callable[[], None], intake: Intake | None
    ) -> KafkaConsumer:
        from collector.ingest.kafka.consuming import KafkaConsumer  # noqa: PLC0415

        settings = self.settings

        def on_consumed() -> None:
            on_commit()
            if intake is not None:
                intake.wake()

        return KafkaConsumer(
            url,
            settings.kafka_cluster,
            settings.kafka_group,
            settings.kafka_topic,
            lambda: catalogue.matcher,
            on_commit=on_consumed,
            receivers={topic: self._receivers[name] for topic, name in self._consumed.items()},
        )

    def _producer(self) -> KafkaProducer:
        from collector.ingest.kafka.producing import KafkaProducer  # noqa: PLC0415

        return KafkaProducer(self.settings.kafka_cluster, self.settings.kafka_produce)


def _with_pages(api: FastAPI, query: Query, regions: Regions | None, *, logs_in: bool) -> Any:
    """The API with the dashboard, which a process that serves none has no need to load."""
    from dashboard.app import build_dashboard  # noqa: PLC0415
    from dashboard.mount import mount  # noqa: PLC0415

    return mount(api, build_dashboard(query.shared(), logs_in=logs_in, regions=regions))


def _await_database(url: str, until: float) -> None:
    """Return when it can be reached: what starts together need not start in an order. Raises DatabaseAway.

    `until` is an instant of the monotonic clock.
    """
    told = ""
    while True:
        try:
            connect(url, "start").close()
            return
        except psycopg.OperationalError as error:
            why = str(error).strip()
            if time.monotonic() > until:
                raise DatabaseAway(why) from error
            if why != told:
                log.warning("database_not_reached", error=why)
            told = why
        time.sleep(1)


def _no_buffer(*, needed: bool) -> dict[str, object] | None:
    return {"state": "off: without --spool-dir nothing is accepted while the database is away"} if needed else None


def _nothing() -> None:
    """Whoever projects in another process looks by himself."""


def _exit(_signal: int, _frame: object) -> None:
    raise SystemExit(0)
