"""The duties of a process, by its roles, and how often they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import httpx
import psycopg
import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from psycopg_pool import ConnectionPool, PoolTimeout

from alerting import digesting, outbox, repeating
from alerting.channels.guarded import new_client
from alerting.channels.reach import reach_of
from alerting.setup import Setup
from alerting.titles import titles_of
from collector import duties, metrics, source_rates
from collector.access.limits import Limits
from collector.access.roster import REFRESH_SECONDS, Roster
from collector.catalogue import Catalogue
from collector.objective_gauges import measure_objectives
from collector.query.objectives import all_objectives
from collector.query.periods import keep_periods
from collector.query.staleness import Memory
from collector.registration import Registered, Watch
from collector.retention.duty import run_once as retain
from collector.sources.polling import Poller
from collector.sources.receiving import Receiver
from collector.spool.spooling import Spooling
from collector.store.database import Connection
from milepost.roles import Role
from milepost.settings import Settings
from milepost.tls import RENEWED_EVERY_SECONDS, Certificate
from milepost.watching import LOOKED_EVERY_SECONDS, Watching
from slo_rules.instants import to_micros

log = structlog.get_logger("milepost")

SENDERS = 3
"""How many send at once in one process."""

Duty = Callable[[Connection, datetime], object]


class Add(Protocol):
    """Adds a duty that runs every so many seconds, and first that long `after` its first turn."""

    def __call__(self, name: str, seconds: float, duty: Duty, after: float = 0.0) -> None:
        """Add it."""


@dataclass(frozen=True, slots=True)
class Scheduling:
    """What the duties of one process need. `closing` takes what has to be closed when the process ends."""

    settings: Settings
    roles: Collection[Role]
    alerting: Setup
    private_hosts: tuple[str, ...]
    receivers: Mapping[str, Receiver]
    roster: Roster | None
    limits: Limits
    spooling: Spooling | None
    certificate: Certificate | None
    writes: bool
    closing: list[Callable[[], None]]

    def schedule(self, pool: ConnectionPool[Connection], registered: Registered) -> BackgroundScheduler:
        """The duties of the roles and how often they run.

        A run that comes late still runs: skipping one would be silence.
        """
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4 + SENDERS)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )

        began = datetime.now(UTC)

        def add(name: str, seconds: float, duty: Duty, after: float = 0.0) -> None:
            first = began + timedelta(seconds=seconds + after)
            called = (name, pool, duty)
            scheduler.add_job(_run_duty, "interval", seconds=seconds, start_date=first, args=called, id=name)

        if self.roster is not None:
            add("access", REFRESH_SECONDS, self.roster.refresh)
        add("limits", 10, self.limits.tell)
        if self.certificate is not None:
            add("certificate", RENEWED_EVERY_SECONDS, self.certificate.renew)
        if self.spooling is not None:
            add("receiver", 2, self.spooling.tell)
        watch = Watch(registered)
        add("definitions", 5, lambda conn, _: watch.run_once(conn))
        if self.writes or Role.CONSUMER in self.roles:
            add("partitions", 3600, duties.make_partitions)
        if Role.COLLECTOR in self.roles:
            known = frozenset(registered.catalogue.sources)
            add("sources", 15, lambda conn, now: duties.measure_sources(conn, now, known))
        if Role.COLLECTOR in self.roles and any(receiver.said.poll for receiver in self.receivers.values()):
            client = httpx.Client()
            self.closing.append(client.close)
            add("polling", 5, Poller(self.receivers, client).run_once)
        if Role.PROJECTOR in self.roles:
            self._add_measuring(add, registered.catalogue)
        if Role.NOTIFIER in self.roles:
            self._add_telling(add, registered.catalogue)
        return scheduler

    def _add_measuring(self, add: Add, catalogue: Catalogue) -> None:
        """What is measured of what was projected, and how long what is kept is kept."""

        def close(conn: Connection, now: datetime) -> None:
            if duties.is_current(conn, now):
                keep_periods(conn, to_micros(now), catalogue)

        def sample(conn: Connection, now: datetime) -> None:
            if duties.is_current(conn, now):
                source_rates.sample(conn, now)

        memory = Memory()
        add("measure", 5, duties.measure)
        add("objectives", 60, lambda conn, now: measure_objectives(conn, now, catalogue, memory))
        add("periods", 300, close)
        add("source_rates", 60, sample)
        # Each class rests for a day once it has been gone through; what was left over is taken up by the next run.
        add("retention", 60, partial(retain, retention=self.settings.retention))

    def _add_telling(self, add: Add, catalogue: Catalogue) -> None:
        """What opens incidents, and tells of them."""
        titles = titles_of(catalogue.current.values(), all_objectives(catalogue))
        reach = reach_of(self.private_hosts)
        client = new_client(reach)
        self.closing.append(client.close)
        # A notifier serves no pages: where they are only a setting can say.
        public_url = self.settings.address if Role.DASHBOARD in self.roles else self.settings.public_url or ""

        watching = Watching(self.alerting, catalogue, titles, public_url)

        def send(conn: Connection, now: datetime) -> None:
            report = outbox.run_once(conn, to_micros(now), client, self.alerting.routes, os.environ, reach=reach)
            if report.dead or report.disabled:
                log.error("messages_not_delivered", dead=report.dead, disabled=report.disabled)
            for target, why in report.faulty.items():
                log.error("template_faulty", target=target, error=why)

        def repeat(conn: Connection, now: datetime) -> None:
            repeating.run_once(conn, to_micros(now), client, self.alerting.routes, os.environ, reach=reach)

        def digest(conn: Connection, now: datetime) -> None:
            teams, routes = self.alerting.teams.values(), self.alerting.routes
            # What is overdue is not known while what arrived is still being applied: it is told a little later.
            if duties.is_current(conn, now):
                milestones = titles.milestones
                digesting.run_once(
                    conn, to_micros(now), teams, routes, public_url=public_url, milestone_titles=milestones
                )

        add("incidents", LOOKED_EVERY_SECONDS, watching.run_once)
        of_routes = any(True for route in self.alerting.routes for _ in route.digests())
        if of_routes or any(team.digest for team in self.alerting.teams.values()):
            add("digests", 30, digest)
        # A target that answers slowly holds up one of them; they never send the same message, and look one after the
        # other, so that a message waits for the least time.
        for number in range(SENDERS):
            add(f"outbox-{number + 1}", 1, send, number / SENDERS)
        add("repeating", 5, repeat)


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
