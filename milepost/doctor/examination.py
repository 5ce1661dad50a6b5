"""All checks, one after the other: none that cannot be made stops another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from alerting.channels.reach import reach_of
from alerting.route import targets_by_name
from alerting.setup import Setup
from collector.retention.policy import faults as faults_of_retention
from collector.store.database import connect
from milepost.access_settings import is_loopback
from milepost.definition_files import definition_texts, find_warnings, read_definitions
from milepost.doctor import asking_database as database
from milepost.doctor import asking_kafka as kafka
from milepost.doctor import asking_machine as machine
from milepost.doctor import asking_network as network
from milepost.doctor import certificates, judging
from milepost.doctor.finding import Finding, fail, ok, unknown, warn
from milepost.embedded import EmbeddedPostgres
from milepost.routes import read_alerting
from milepost.settings import Settings
from milepost.source_files import read_receivers
from slo_rules.faults import DefinitionError, Severity
from slo_rules.instants import to_micros
from slo_rules.workflow import Definitions

Check = Callable[[], Finding | list[Finding]]


@dataclass(slots=True)
class Examination:
    """What is looked at: settings, the file they came from, and the environment."""

    settings: Settings
    config: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def findings(self) -> Iterator[Finding]:
        """Every finding, as soon as it is there."""
        settings = self.settings
        yield from made("login", self._login)
        yield from made("definitions", self._definitions)
        yield from made("secrets", self._secrets)
        now = to_micros(datetime.now(UTC))
        chain, key = settings.tls_cert, settings.tls_key
        if chain is not None and key is not None:
            yield from made(certificates.CHECK, lambda: certificates.own(chain, key, now))
        yield from made("buffer", lambda: machine.buffer(settings.spool, settings.spool_limit, now))
        yield from self._of_database()
        if settings.kafka_brokers:
            yield from made(kafka.CHECK, lambda: kafka.brokers(settings))
        if settings.read_database_url:
            yield from made("replica", lambda: self._replica(settings.read_database_url or ""))
        yield from made("targets", lambda: self._targets(now))
        if settings.regions:
            yield from made("regions", lambda: network.regions(settings.regions, reach_of(settings.private_hosts)))
        if settings.oidc_issuer:
            yield from made("oidc", lambda: network.provider(settings))
        yield from made(certificates.CHECK, lambda: self._asked_by_tls(now))

    def _login(self) -> Finding:
        one = self.settings
        return judging.exposure(
            auth=one.auth == "on", insecure=one.insecure, loopback=is_loopback(one.host), behind=one.public_url
        )

    def _definitions(self) -> list[Finding]:
        check, paths = "definitions", self.settings.definitions
        if not paths:
            return [warn(check, "none are given", "name them with --definitions: nothing is judged without")]
        try:
            definitions, _ = self._read()
            texts = definition_texts(paths)
            read_receivers(texts, definitions, self.environment)
        except DefinitionError as error:
            said = f"{len(error.faults)} fault{'s' if len(error.faults) != 1 else ''}, the first: {error.faults[0]}"
            return [fail(check, said, "milepost check says them all")]
        short = faults_of_retention(self.settings.retention, definitions, to_micros(datetime.now(UTC)))
        found = [fail("retention", one, "keep it for longer") for one in short]
        warned = [one for one in find_warnings(paths, definitions) if one.severity is Severity.WARNING]
        if warned:
            said = f"{len(warned)} warning{'s' if len(warned) != 1 else ''}, the first: {warned[0]}"
            return [*found, warn(check, said, "milepost check says them all")]
        return [*found, ok(check, f"{len(definitions.workflows)} workflows, no faults")]

    def _secrets(self) -> list[Finding]:
        keys = [one.key_file for one in self.settings.regions if one.key_file is not None]
        return machine.secrets([*machine.secret_files(self.config, self.environment), *keys])

    def _asked_by_tls(self, now: int) -> list[Finding]:
        """The certificates of those that are asked besides targets."""
        urls = {f"region {one.name}": one.url for one in self.settings.regions}
        if self.settings.oidc_issuer:
            urls["oidc_issuer"] = self.settings.oidc_issuer
        return certificates.theirs(network.certificate_ends(urls, reach_of(self.settings.private_hosts)), now)

    def _targets(self, now: int) -> list[Finding]:
        try:
            _, setup = self._read()
        except DefinitionError:
            return [unknown("targets", "the definitions cannot be read")]
        found = {**setup.targets, **targets_by_name(setup.routes)}
        return network.targets(found.values(), reach_of(self.settings.private_hosts), now)

    def _read(self) -> tuple[Definitions, Setup]:
        definitions = read_definitions(self.settings.definitions)
        return definitions, read_alerting(definitions, self.environment)

    def _replica(self, url: str) -> Finding:
        try:
            return database.replica(url)
        except psycopg.Error as error:
            return fail("replica", f"it cannot be asked: {database.why(error)}", "the primary is read meanwhile")

    def _of_database(self) -> Iterator[Finding]:
        settings = self.settings
        if settings.database_url:
            said = "the database is elsewhere: what is free on its disk cannot be seen from here"
            yield from self._asked(settings.database_url, embedded=False)
            yield unknown("disk", said, "alert on the disk of the database's machine")
            return
        absent = machine.data_folder(settings.data_dir)
        if absent is not None:
            yield absent
            yield from made("disk", lambda: machine.disk(settings.data_dir, None))
            return
        embedded = EmbeddedPostgres(settings.data_dir)
        try:
            try:
                url = embedded.start()
            except Exception as error:  # noqa: BLE001 — what a server that does not start raises is nobody's contract
                yield fail("database", f"the embedded PostgreSQL does not start: {type(error).__name__}", _DOWN)
                yield from made("disk", lambda: machine.disk(settings.data_dir, None))
                return
            yield from self._asked(url, embedded=True)
        finally:
            embedded.stop()

    def _asked(self, url: str, *, embedded: bool) -> Iterator[Finding]:
        questions: dict[str, database.Question] = {
            "database": database.server,
            "extensions": database.extensions,
            "migrations": database.migrations,
            "clock": database.clock,
            "rights": database.rights_for(embedded=embedded),
            "projection": database.projection,
            "sources": database.sources,
            "dead letters": database.dead_letters,
            "receivers": database.receivers,
            "limits": database.limited,
        }
        if self.settings.kafka_topic:
            questions[kafka.LAG] = lambda conn: kafka.lag(self.settings, conn)
        if self.settings.auth == "on":
            questions["entrants"] = database.entrants_for(self.settings)
        if embedded:
            questions["disk"] = lambda conn: machine.disk(self.settings.data_dir, database.size_of(conn))
        try:
            conn = connect(url, "doctor", autocommit=True, options=database.BRIEFLY)
        except psycopg.Error as error:
            yield fail("database", f"it cannot be reached: {database.why(error)}", _DOWN)
            yield from (unknown(check, "the database cannot be reached") for check in list(questions)[1:])
            return
        with conn:
            for check, question in questions.items():
                yield from made(check, lambda question=question: question(conn))  # type: ignore[misc]


_DOWN = "is it up, and are host, user and password in database_url right? Its own log says more"


def made(check: str, make: Check) -> list[Finding]:
    """What a check finds; that it could not be made is a finding too.

    Of an error only the kind is told, and of one of the database what that says: others may carry what is secret.
    """
    try:
        found = make()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return [unknown(check, "the schema is not that of this release", "see migrations")]
    except psycopg.Error as error:
        return [unknown(check, f"the database did not answer: {database.why(error)}")]
    except Exception as error:  # noqa: BLE001 — a check that breaks must not keep the others from being made
        return [unknown(check, f"the check failed: {type(error).__name__}", "please report this")]
    return found if isinstance(found, list) else [found]
