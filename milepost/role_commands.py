"""The commands that run the parts of Milepost as processes of their own, on one database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from milepost.options import (
    Auth,
    Config,
    Insecure,
    OtlpGrpcPort,
    RatePerKey,
    RatePerSource,
    ReadDatabaseUrl,
    SpoolDir,
    SpoolLimit,
    TlsCert,
    TlsKey,
    fail,
    read_settings,
    refuse_exposed,
    refuse_unfit,
)
from milepost.roles import ALL_ROLES, Role
from milepost.settings import Settings
from slo_rules.faults import DefinitionError

role_commands = typer.Typer()

_NEEDED = {
    "database_url": "an embedded PostgreSQL belongs to the one process that starts it",
    "definitions": "what it is not given it would put out of force; give every role the same",
}

_CONSUMER_NEEDED = {"kafka_brokers": "they have the records", "kafka_topic": "it consumes these and no others"}

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
PrivateHosts = Annotated[
    list[str] | None,
    typer.Option(help="A host that messages may be sent to although it is not public; repeatable."),
]
PublicUrl = Annotated[str | None, typer.Option(help="Where people reach the dashboard; used in messages.")]
LogFormat = Annotated[str | None, typer.Option(help="console or json.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
KafkaBrokers = Annotated[
    str | None, typer.Option("--kafka-brokers", help="host:port of brokers of Kafka, with commas between them.")
]
KafkaTopic = Annotated[
    list[str] | None,
    typer.Option(
        "--kafka-topic",
        help="A topic to consume, NAME or NAME:FORMAT (cloudevents, otlp_spans, otlp_logs); may be repeated.",
    ),
]
KafkaGroup = Annotated[str | None, typer.Option("--kafka-group", help="The group that shares the partitions.")]
KafkaProduce = Annotated[
    list[str] | None,
    typer.Option(
        "--kafka-produce",
        help="A topic that gets what comes in over HTTP, instead of the log: NAME or NAME:FORMAT, one for each.",
    ),
]
RoleDatabase = Annotated[
    str | None, typer.Option("--database-url", help="postgresql://…, the same for every role; there must be one.")
]
RoleDefinitions = Annotated[
    list[Path] | None,
    typer.Option(
        "--definitions",
        help="A folder or file of definitions, the same for every role; may be repeated; 'packs' are the shipped ones.",
    ),
]


def run(settings: Settings, roles: frozenset[Role] = ALL_ROLES) -> None:
    """Serve these roles until told to stop."""
    refuse_exposed(settings)
    from collector.ingest.kafka.library import KafkaUnusable
    from collector.ingest.otlp_grpc import PortTaken
    from collector.spool.segments import SpoolUnusable
    from milepost.server import DatabaseAway, Milepost
    from milepost.tls import TlsUnusable

    try:
        milepost = Milepost(settings, roles)
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error
    except KafkaUnusable as error:
        raise fail(str(error)) from error
    except TlsUnusable as error:
        raise fail(f"TLS cannot be spoken with {error}") from error
    if Role.PROJECTOR in roles:
        refuse_unfit(settings, milepost.definitions)
    typer.echo("Settings: " + ", ".join(f"{name}={value}" for name, value in settings.shown().items()), err=True)
    try:
        milepost.serve()
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error
    except DatabaseAway as error:
        raise fail(f"The database cannot be reached: {error}") from error
    except SpoolUnusable as error:
        raise fail(f"The buffer cannot be used: {error}") from error
    except PortTaken as error:
        raise fail(f"OTLP/gRPC cannot be taken at {error}") from error
    except KafkaUnusable as error:
        raise fail(str(error)) from error


def _run(role: Role, config: Path | None, **flags: object) -> None:
    needed = _NEEDED | (_CONSUMER_NEEDED if role is Role.CONSUMER else {})
    why = {name: f"milepost {role} needs it: {reason}" for name, reason in needed.items()}
    run(read_settings(config, needed=why, **flags), frozenset({role}))


def _command(role: Role, what: str) -> None:
    """The command of a role that takes what every role takes."""

    @role_commands.command(role, help=what)
    def of_role(
        database_url: RoleDatabase = None,
        definitions: RoleDefinitions = None,
        host: Host = None,
        port: Port = None,
        auth: Auth = None,
        insecure: Insecure = None,
        tls_cert: TlsCert = None,
        tls_key: TlsKey = None,
        log_format: LogFormat = None,
        log_level: LogLevel = None,
        config: Config = None,
    ) -> None:
        _run(
            role,
            config,
            database_url=database_url,
            definitions=definitions,
            host=host,
            port=port,
            auth=auth,
            insecure=insecure,
            tls_cert=tls_cert,
            tls_key=tls_key,
            log_format=log_format,
            log_level=log_level,
        )


@role_commands.command()
def collector(
    database_url: RoleDatabase = None,
    definitions: RoleDefinitions = None,
    host: Host = None,
    port: Port = None,
    otlp_grpc_port: OtlpGrpcPort = None,
    spool_dir: SpoolDir = None,
    spool_limit: SpoolLimit = None,
    rate_per_key: RatePerKey = None,
    rate_per_source: RatePerSource = None,
    auth: Auth = None,
    insecure: Insecure = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    kafka_brokers: KafkaBrokers = None,
    kafka_produce: KafkaProduce = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    config: Config = None,
) -> None:
    """Take in events, spans and log records, and nothing else; any number may do so."""
    _run(Role.COLLECTOR, **locals())


@role_commands.command()
def consumer(
    database_url: RoleDatabase = None,
    definitions: RoleDefinitions = None,
    host: Host = None,
    port: Port = None,
    auth: Auth = None,
    insecure: Insecure = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    kafka_brokers: KafkaBrokers = None,
    kafka_topic: KafkaTopic = None,
    kafka_group: KafkaGroup = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    config: Config = None,
) -> None:
    """Append the records of topics of Kafka to the log; any number may do so, and share the partitions."""
    _run(Role.CONSUMER, **locals())


_command(
    Role.PROJECTOR,
    "Apply what was taken in, judge deadlines, and measure objectives; one does so, the others stand by.",
)


@role_commands.command()
def notifier(
    database_url: RoleDatabase = None,
    definitions: RoleDefinitions = None,
    host: Host = None,
    port: Port = None,
    auth: Auth = None,
    insecure: Insecure = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    public_url: PublicUrl = None,
    private_hosts: PrivateHosts = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    config: Config = None,
) -> None:
    """Open and resolve incidents, and tell of them by the routes; any number may do so."""
    _run(Role.NOTIFIER, **locals())


@role_commands.command()
def dashboard(
    database_url: RoleDatabase = None,
    read_database_url: ReadDatabaseUrl = None,
    definitions: RoleDefinitions = None,
    host: Host = None,
    port: Port = None,
    auth: Auth = None,
    insecure: Insecure = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    config: Config = None,
) -> None:
    """Serve the pages and the query API, and take in what people do there; any number may do so."""
    _run(Role.DASHBOARD, **locals())
