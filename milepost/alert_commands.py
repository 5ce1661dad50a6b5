"""The commands about telling people."""

from __future__ import annotations

from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, DefinitionPaths, fail, read_settings
from milepost.role_commands import PrivateHosts
from slo_rules.faults import DefinitionError

alert_commands = typer.Typer(help="Telling people: try a target, and let one be sent to again.", no_args_is_help=True)

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
