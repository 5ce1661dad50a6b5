"""The commands about telling people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, DefinitionPaths, fail, read_settings
from milepost.role_commands import PrivateHosts
from slo_rules.faults import DefinitionError

alert_commands = typer.Typer(help="Telling people: who would be told, drills, trying a target.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(help="Its name: that of a Target, or <route>/<kind>.")]


@alert_commands.callback()
def _alerts() -> None:
    """Telling people."""


@alert_commands.command(name="send-test")
def send_test(
    target: Named,
    definitions: DefinitionPaths = None,
    private_hosts: PrivateHosts = None,
    config: Config = None,
) -> None:
    """Send a test message and its resolve to one target, and say what it answered. Needs no database."""
    settings = read_settings(config, definitions=definitions, private_hosts=private_hosts, log_level="warning")
    from datetime import UTC, datetime

    from milepost import sending_test
    from slo_rules.instants import to_micros

    try:
        lines = sending_test.send_test(settings, target, to_micros(datetime.now(UTC)))
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error
    except sending_test.NoSuchTarget as error:
        raise fail(str(error)) from error
    except sending_test.NotTaken as error:
        raise fail(f"Not delivered to {target}:\n{error}") from error
    typer.echo("\n".join(lines))


@alert_commands.command()
def enable(target: Named, database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None) -> None:
    """Send to a target again that was disabled because it took no more messages."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from alerting.outbox import Q
    from collector.store.database import connect
    from milepost.stored_data import NoStoredData, open_stored_data

    try:
        with open_stored_data(settings) as (url, _), connect(url, "enabling") as conn:
            changed = conn.execute(Q["enable_target"], {"target": target}).rowcount
            conn.commit()
    except NoStoredData as error:
        raise fail(str(error)) from error
    if not changed:
        raise fail(f"No target {target!r} is disabled.")
    typer.echo(f"{target} is sent to again.")


@alert_commands.command()
def route(
    event: Annotated[Path, typer.Option(help="A CloudEvent as JSON.")],
    assume: Annotated[
        list[str] | None, typer.Option("--set", help="A fact, such as severity=critical or attributes.tier=gold.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="When, as RFC 3339; now without it.")] = None,
    definitions: DefinitionPaths = None,
    config: Config = None,
) -> None:
    """Say who would be told, when and why, if nothing followed an event. Needs no database and tells nobody."""
    settings = read_settings(config, definitions=definitions, log_level="warning")
    import os
    from datetime import UTC, datetime

    from milepost.definition_files import read_definitions
    from milepost.routes import read_alerting
    from milepost.routing_views import NoEvent, read_event, who_is_told
    from slo_rules.instants import to_micros

    said = dict(one.partition("=")[::2] for one in assume or ())
    try:
        moment = datetime.fromisoformat(at) if at else datetime.now(UTC)
        if moment.tzinfo is None:
            raise fail("--at needs a zone: end it with Z or an offset.")
        found = read_definitions(settings.definitions)
        lines = who_is_told(found, read_alerting(found, os.environ), read_event(event), said, to_micros(moment))
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error
    except (NoEvent, ValueError) as error:
        raise fail(str(error)) from error
    typer.echo("\n".join(lines))


@alert_commands.command()
def drill(
    owner: Annotated[str | None, typer.Option(help="Whose it pretends to be.")] = None,
    domain: Annotated[str | None, typer.Option(help="The domain it pretends to be of.")] = None,
    workflow: Annotated[str | None, typer.Option(help="The workflow it pretends to be of.")] = None,
    severity: Annotated[str, typer.Option(help="info, warning or critical.")] = "info",
    lasts: Annotated[str, typer.Option("--for", help="How long it fires.")] = "1m",
    by: Annotated[str | None, typer.Option(help="Who drills; without it the user of this machine.")] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let a made-up incident go through the running Milepost, from the cause to the last target and resolved again.

    Its messages say that it is a drill. Ends with 1 when somebody who should be was not reached, or nobody was told.
    """
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from getpass import getuser

    from milepost.drilling import DrillFailed
    from milepost.drilling import drill as run
    from milepost.stored_data import NoStoredData
    from slo_rules.conditions import SEVERITIES
    from slo_rules.durations import parse_duration

    if severity not in SEVERITIES:
        raise fail(f"--severity must be one of {', '.join(SEVERITIES)}.")
    facts = {"owner": owner, "domain": domain, "workflow": workflow, "severity": severity}
    try:
        said = {name: value for name, value in facts.items() if value}
        run(settings, said, by or getuser(), parse_duration(lasts), typer.echo)
    except (NoStoredData, DrillFailed, ValueError) as error:
        raise fail(str(error)) from error
