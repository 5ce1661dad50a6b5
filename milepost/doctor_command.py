"""`milepost doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from milepost.options import (
    Auth,
    Config,
    DatabaseUrl,
    DataDir,
    DefinitionPaths,
    Insecure,
    ReadDatabaseUrl,
    TlsCert,
    TlsKey,
)
from milepost.role_commands import (
    Host,
    KafkaBrokers,
    KafkaGroup,
    KafkaProduce,
    KafkaTopic,
    PrivateHosts,
    PublicUrl,
)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    database_url: DatabaseUrl = None,
    read_database_url: ReadDatabaseUrl = None,
    data_dir: DataDir = None,
    definitions: DefinitionPaths = None,
    host: Host = None,
    public_url: PublicUrl = None,
    private_hosts: PrivateHosts = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    kafka_brokers: KafkaBrokers = None,
    kafka_topic: KafkaTopic = None,
    kafka_produce: KafkaProduce = None,
    kafka_group: KafkaGroup = None,
    auth: Auth = None,
    insecure: Insecure = None,
    config: Config = None,
) -> None:
    """Say whether this installation is as it should be: give it the settings of milepost serve. It changes nothing.

    Ends with 1 if anything fails; warnings and checks that could not be made do not.
    """
    flags = {name: value for name, value in locals().items() if name not in ("as_json", "config")}
    from datetime import UTC, datetime

    from milepost import settings as settings_of
    from milepost.doctor.examination import Examination
    from milepost.doctor.finding import Finding, Grade, as_document, as_text, fail, worst
    from milepost.logs import configure_logging
    from milepost.settings import SettingsError

    configure_logging("console", "error")
    findings: list[Finding]
    try:
        settings = settings_of.load(flags, file=config)
    except SettingsError as error:
        findings = [fail("settings", fault, "nothing else is looked at before") for fault in error.faults]
    else:
        findings = list(Examination(settings, config).findings())
    typer.echo(as_document(findings, datetime.now(UTC)) if as_json else as_text(findings))
    if worst(findings) is Grade.FAIL:
        raise typer.Exit(1)
