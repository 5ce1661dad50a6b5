"""The commands about sources that send in forms of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from milepost.options import Config, DefinitionPaths, fail, read_settings

source_commands = typer.Typer(help="Systems that send in forms of their own.", no_args_is_help=True)


@source_commands.callback()
def _sources() -> None:
    """Systems that send in forms of their own."""


@source_commands.command(name="try")
def try_(
    file: Annotated[Path, typer.Argument(help="The body of a request, as the system sends it.")],
    source: Annotated[str, typer.Option(help="The source whose adapter and mapping are tried.")],
    header: Annotated[
        list[str] | None, typer.Option(help="A header that came with it, as 'Name: value'; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    definitions: DefinitionPaths = None,
    config: Config = None,
) -> None:
    """Say what a request would become: events with their keys, and which workflows and milestones they reach.

    Nothing is sent or stored, and no secret and no signature is looked at. Ends with 2 when something of it cannot be
    mapped.
    """
    settings = read_settings(config, definitions=definitions, log_level="warning")
    from milepost.trying import NothingToTry, headers_of
    from milepost.trying import try_ as run
    from slo_rules.faults import DefinitionError

    try:
        lines, refused = run(settings, file, source, headers_of(header or ()), as_json=as_json)
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error
    except NothingToTry as error:
        raise fail(str(error)) from error
    typer.echo("\n".join(lines))
    if refused:
        raise typer.Exit(2)
