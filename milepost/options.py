"""What commands share: options, how settings are read from them, and how a command ends that cannot do its work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from collector.retention.policy import faults
from milepost import settings as settings_of
from milepost.access_settings import faults_of_exposure
from milepost.logs import configure_logging
from milepost.settings import Settings, SettingsError
from slo_rules.instants import to_micros
from slo_rules.workflow import Definitions

DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="postgresql://…; without it an embedded PostgreSQL is used.")
]
ReadDatabaseUrl = Annotated[
    str | None,
    typer.Option("--read-database-url", help="postgresql://… of a streaming replica, which pages and API then read."),
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the embedded PostgreSQL keeps its data.")]
SpoolDir = Annotated[
    str | None,
    typer.Option(
        "--spool-dir",
        metavar="FOLDER",
        help="Where what arrives is kept while the database is away, or off; usually spool under --data-dir.",
    ),
]
SpoolLimit = Annotated[
    str | None,
    typer.Option("--spool-limit", metavar="SIZE", help="How much is kept there, such as 4GiB; else 1GiB."),
]
DefinitionPaths = Annotated[
    list[Path] | None,
    typer.Option(
        "--definitions", help="A folder or file of definitions; may be repeated; 'packs' are the shipped ones."
    ),
]
OtlpGrpcPort = Annotated[
    str | None,
    typer.Option(
        "--otlp-grpc-port", metavar="PORT", help="Port for OTLP/gRPC, or off; without it 4317 where that is free."
    ),
]
Auth = Annotated[
    str | None, typer.Option("--auth", help="on: people log in and systems bring API keys; off: on the loopback only.")
]
Insecure = Annotated[
    bool | None,
    typer.Option("--insecure", help="Listen elsewhere too without --auth on: whoever reaches it reads and acts."),
]
RatePerKey = Annotated[
    str | None,
    typer.Option(
        "--rate-per-key",
        metavar="RATE",
        help="Events and requests that a key may bring, such as 500/s or 30000/min; else as many as come.",
    ),
]
RatePerSource = Annotated[
    str | None,
    typer.Option(
        "--rate-per-source",
        metavar="RATE",
        help="Events that may come of a source, such as 500/s; else as many as come.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option("--tls-cert", help="A PEM file with the certificate and its chain: HTTP and gRPC then speak TLS."),
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="A PEM file with the key of the certificate.")]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only what occurred since: 7d, 2026-11-21 or 2026-11-21T09:00:00Z.")
]


def _length(option: str, text: str) -> Any:
    return typer.Option(option, help=f"{text}; such as 90d, or keep.", metavar="DURATION")


RetentionEvents = Annotated[str | None, _length("--retention-events", "How long events are kept")]
RetentionSpans = Annotated[str | None, _length("--retention-spans", "How long spans are kept")]
RetentionInstances = Annotated[str | None, _length("--retention-instances", "How long finished instances are kept")]
RetentionBuckets = Annotated[str | None, _length("--retention-buckets", "How long what objectives counted is kept")]
RetentionAudit = Annotated[str | None, _length("--retention-audit", "How long acts and resolved incidents are kept")]
CompressAfter = Annotated[
    str | None,
    typer.Option(help="With TimescaleDB, from what age on the log is compressed; or never.", metavar="DURATION"),
]


def fail(message: str, *, code: int = 1) -> typer.Exit:
    """Say what is wrong on standard error; raise what this returns."""
    typer.echo(message, err=True)
    return typer.Exit(code)


def read_settings(
    config: Path | None, *, needed: Mapping[str, str] = MappingProxyType({}), **flags: object
) -> Settings:
    """Settings from file, environment and flags, with logging as they say.

    Ends the program with all faults when they cannot be used, or one is not given that is `needed`, which says why.
    """
    try:
        settings = settings_of.load(flags, file=config, needed=needed)
    except SettingsError as error:
        raise fail("The settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in error.faults)) from error
    configure_logging(settings.log_format, settings.log_level)
    return settings


def refuse_exposed(settings: Settings) -> None:
    """End the program where others could reach it and nobody would have to say who he is."""
    found = faults_of_exposure(settings)
    if found:
        raise fail("This is not safe:\n" + "\n".join(f"  {fault}" for fault in found))


def refuse_unfit(settings: Settings, definitions: Definitions) -> None:
    """End the program where less would be kept than the definitions need, with every reason."""
    found = faults(settings.retention, definitions, to_micros(datetime.now(UTC)))
    if found:
        raise fail("The settings do not fit the definitions:\n" + "\n".join(f"  {fault}" for fault in found))
