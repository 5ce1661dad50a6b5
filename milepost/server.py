"""Start-up wiring: one process with every role."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import psycopg
import structlog
import uvicorn
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from fastapi import FastAPI
from psycopg_pool import ConnectionPool, PoolTimeout

from alerting import incidents, outbox
from alerting.channels.transport import new_client
from alerting.route import Route, SlackTarget
from collector import duties, metrics
from collector.acts import Acts
from collector.api import build_api
from collector.catalogue import Catalogue, register
from collector.ingest.doors import Doors
from collector.log import LogWriter
from collector.objective_gauges import measure_objectives
from collector.projection_process import ProjectionProcess, settle_garbage_collection
from collector.query import Query
from collector.query.periods import keep_periods
from collector.query.reader import Reader
from collector.query.staleness import Memory
from collector.rebuild import keep_objectives
from collector.store.database import Connection, connect, migrate, sqlalchemy_url
from dashboard.app import build_dashboard
from dashboard.mount import mount
from milepost.definition_files import find_warnings, read_definitions
from milepost.embedded import EmbeddedPostgres
from milepost.logs import configure_logging
from milepost.routes import read_routes
from milepost.settings import Settings
from slo_rules import compiled
from slo_rules.faults import Severity
from slo_rules.instants import to_micros

log = structlog.get_logger("milepost")

Duty = Callable[[Connection, datetime], object]


class Milepost:
    """Everything of one process, built from its settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.definitions = read_definitions(settings.definitions)
        self.routes = read_routes(self.definitions, os.environ)
        self._embedded = None if settings.database_url else EmbeddedPostgres(settings.data_dir)
        self._closing: list[Callable[[], None]] = []

    def add_chat(self, webhook_url: str) -> None:
        """Tell every incident to one Slack-compatible webhook."""
        self.routes.append(Route("chat", {}, (SlackTarget("chat/slack", webhook_url),)))

    def open_database(self) -> str:
        """The database's URL, once it is there and its schema is up to date."""
        url = self.settings.database_url or ""
        if self._embedded is not None:
            url = self._embedded.start()
            self._closing.append(self._embedded.stop)
        migrate(url)
        return url

    def close(self) -> None:
        """Stop everything, last started first."""
        while self._closing:
            self._closing.pop()()

    def serve(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until told to stop (SIGINT, SIGTERM); then everything is closed before SystemExit(0) is raised."""
        # uvicorn raises the signal again when it has stopped; with the default action nothing would be closed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _exit)
        for finding in find_warnings(self.settings.definitions, self.definitions):
            if finding.severity is Severity.WARNING:
                log.warning("definition_warning", **asdict(finding))
        try:
            url = self.open_database()
            with connect(url, "start") as conn:
                catalogue = register(conn, self.definitions)
                keep_objectives(conn, catalogue)
            self._run(url, catalogue, on_ready)
        finally:
            self.close()

    def _run(self, url: str, catalogue: Catalogue, on_ready: Callable[[], None]) -> None:
        prepare = partial(configure_logging, self.settings.log_format, self.settings.log_level)
        projection = ProjectionProcess(url, prepare)
        writer = LogWriter(url, on_commit=projection.wake)
        reader = Reader(url)
        pool: ConnectionPool[Connection] = ConnectionPool(
            sqlalchemy_url(url).set(drivername="postgresql").render_as_string(hide_password=False),
            min_size=1,
            max_size=4,
            open=True,
            kwargs={"application_name": "milepost duties", "options": "-c timezone=UTC -c jit=off"},
        )
        self._closing.append(pool.close)
        for part in (projection, writer):
            part.start()
            self._closing.append(part.close)
        scheduler = self._schedule(pool, catalogue)
        scheduler.start()
        self._closing.append(scheduler.shutdown)

        @contextlib.asynccontextmanager
        async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
            await reader.open()
            on_ready()
            yield
            await reader.close()

        async def ready() -> list[str]:
            try:
                await reader.now()
            except (psycopg.Error, PoolTimeout):
                return ["the database cannot be reached"]
            return [] if writer.alive else ["the log is not being written"]

        query = Query(reader, catalogue)
        acts = Acts(reader, catalogue, writer)
        api = build_api(query, acts, Doors(writer, lambda: catalogue.matcher), ready, lifespan)
        app = mount(api, build_dashboard(query))
        config = uvicorn.Config(
            app,
            host=self.settings.host,
            port=self.settings.port,
            log_config=None,
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=10,
            backlog=1024,
            lifespan="on",
        )
        settle_garbage_collection()
        log.info(
            "serving", address=self.settings.address, workflows=len(catalogue.current), compiled_core=compiled.SAID
        )
        uvicorn.Server(config).run()

    def _schedule(self, pool: ConnectionPool[Connection], catalogue: Catalogue) -> BackgroundScheduler:
        """The duties and how often they run. A run that comes late still runs: skipping one would be silence."""
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )

        def add(name: str, seconds: float, duty: Duty) -> None:
            scheduler.add_job(_run_duty, "interval", seconds=seconds, args=(name, pool, duty), id=name)

        titles = {(w.name, m.name): m.title for w in catalogue.current.values() for m in w.milestones}
        client = new_client()
        self._closing.append(client.close)

        def look_after_incidents(conn: Connection, now: datetime) -> None:
            if not duties.is_current(conn, now):
                return
            report = incidents.run_once(
                conn, to_micros(now), self.routes, public_url=self.settings.address, milestone_titles=titles
            )
            if report.opened or report.resolved:
                log.info("incidents", opened=report.opened, resolved=report.resolved)

        def send(conn: Connection, now: datetime) -> None:
            report = outbox.run_once(conn, to_micros(now), client, self.routes, os.environ)
            if report.dead or report.disabled:
                log.error("messages_not_delivered", dead=report.dead, disabled=report.disabled)

        def close(conn: Connection, now: datetime) -> None:
            if duties.is_current(conn, now):
                keep_periods(conn, to_micros(now), catalogue)

        add("incidents", 2, look_after_incidents)
        add("outbox", 1, send)
        add("partitions", 3600, duties.make_partitions)
        add("measure", 5, duties.measure)
        memory = Memory()
        add("objectives", 60, lambda conn, now: measure_objectives(conn, now, catalogue, memory))
        add("periods", 300, close)
        return scheduler


def _exit(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


def _run_duty(name: str, pool: ConnectionPool[Connection], duty: Duty) -> None:
    """One run; a failure is said and counted, and the next run comes all the same."""
    try:
        with pool.connection() as conn:
            duty(conn, datetime.now(UTC))
    except (psycopg.OperationalError, PoolTimeout) as error:
        metrics.DUTY_FAILURES.labels(name).inc()
        log.warning("duty_interrupted", duty=name, error=str(error).strip())
    except Exception:
        metrics.DUTY_FAILURES.labels(name).inc()
        log.exception("duty_failed", duty=name)
