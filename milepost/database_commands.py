"""The commands about the database itself: what it holds, and deriving everything anew."""

from __future__ import annotations

from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, DefinitionPaths, fail, read_settings

database_commands = typer.Typer(help="What the database holds.", no_args_is_help=True)


@database_commands.callback()
def _database() -> None:
    """What the database holds."""


@database_commands.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Say how large everything is, how old, what is bloated, and what will be dropped when. It only reads."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.database_views import as_document, as_text
    from milepost.stored_data import NoStoredData
    from milepost.telling_status import tell

    try:
        found = tell(settings)
    except NoStoredData as error:
        raise fail(str(error)) from error
    typer.echo(as_document(found) if as_json else as_text(found))


@database_commands.command()
def upgrade(database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None) -> None:
    """Bring the schema up to date, beside a service that may be running; every start does so too."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.upkeep import upgrade as run

    before, after = run(settings)
    if before == after:
        typer.echo(f"The schema is of version {after}, and up to date.")
    else:
        typer.echo(f"The schema was {f'of version {before}' if before else 'not there'} and is of version {after} now.")


def rebuild(
    current_definitions: Annotated[
        bool, typer.Option("--current-definitions", help="Judge the whole history by the definitions of today.")
    ] = False,
    from_what_is_left: Annotated[
        bool,
        typer.Option("--from-what-is-left", help="Also where older events were dropped, and lose what they had made."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="End with 3 wherever the result differs, also with the two above.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    definitions: DefinitionPaths = None,
    config: Config = None,
) -> None:
    """Forget everything derived, replay the log, and say whether the result equals what was there; 3 where not."""
    settings = read_settings(
        config, database_url=database_url, data_dir=data_dir, definitions=definitions, log_level="warning"
    )
    from collector.rebuild import Incomplete
    from milepost.upkeep import rebuild as run

    try:
        equal = run(settings, current_definitions=current_definitions, from_what_is_left=from_what_is_left)
    except Incomplete as error:
        raise fail(str(error)) from error
    if equal:
        typer.echo("Rebuilt: equal to what was there.")
    elif (current_definitions or from_what_is_left) and not verify:
        by = "by the definitions of today" if current_definitions else "from what is left of the log"
        typer.echo(f"Rebuilt {by}; the result differs from what was there.")
    else:
        raise fail("Rebuilt: different from what was there.", code=3)
