"""The commands about dead letters: what could not be used, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, DefinitionPaths, fail, read_settings

letter_commands = typer.Typer(help="What was received and could not be used.", no_args_is_help=True)

Numbers = Annotated[list[str] | None, typer.Argument(help="Their ids, as `milepost dead-letters list` says them.")]
OfSource = Annotated[str | None, typer.Option("--source", help="Those of this source.")]
OfReason = Annotated[str | None, typer.Option("--why", help="Those with this reason, such as cannot_be_mapped.")]
By = Annotated[str | None, typer.Option(help="Who says so; without it the user of this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@contextmanager
def _refusing() -> Iterator[None]:
    from collector.query.instances import BadQuery
    from milepost.stored_data import NoStoredData
    from slo_rules.faults import DefinitionError

    try:
        yield
    except BadQuery as error:
        raise fail("\n".join(error.faults)) from error
    except NoStoredData as error:
        raise fail(str(error)) from error
    except DefinitionError as error:
        raise fail(f"The definitions cannot be used:\n{error}") from error


@letter_commands.callback()
def _letters() -> None:
    """What was received and could not be used."""


@letter_commands.command(name="list")
def list_(
    source: OfSource = None,
    why: OfReason = None,
    limit: Annotated[int, typer.Option(help="The most that are listed, the newest.", min=1, max=500)] = 50,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List what nobody has replayed or discarded, the newest first."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.settling import listed

    with _refusing():
        lines = listed(settings, source, why, limit, as_json=as_json)
    typer.echo("\n".join(lines))


@letter_commands.command()
def show(
    number: Annotated[str, typer.Argument(help="Its id.")],
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show one whole: the reason, what was sent as it is kept, and what became of it."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.settling import shown_whole

    with _refusing():
        lines = shown_whole(settings, number, as_json=as_json)
    if lines is None:
        raise fail(f"There is no dead letter {number}.")
    typer.echo("\n".join(lines))


@letter_commands.command()
def replay(
    numbers: Numbers = None,
    source: OfSource = None,
    why: OfReason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
    by: By = None,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    definitions: DefinitionPaths = None,
    config: Config = None,
) -> None:
    """Use them by the mapping and the definitions in force, or by --definitions, whose mapping need not be yet.

    Ends with 2 when some could not be used. A thousand at once; again for the next.
    """
    settings = read_settings(
        config, database_url=database_url, data_dir=data_dir, definitions=definitions, log_level="warning"
    )
    from milepost.settling import replay as run

    said = {"ids": numbers or None, "source": source, "reason": why}
    with _refusing():
        lines, left = run(settings, said, by or getuser(), dry_run=dry_run, as_json=as_json)
    typer.echo("\n".join(lines))
    if left:
        raise typer.Exit(2)


@letter_commands.command()
def discard(
    reason: Annotated[str, typer.Option(help="Why they need not be used; it stays on record.")],
    numbers: Numbers = None,
    source: OfSource = None,
    why: OfReason = None,
    by: By = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Settle them without using them. They leave the lists and counts, and stay on record."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.settling import discard as run

    said = {"ids": numbers or None, "source": source, "reason": why}
    with _refusing():
        lines = run(settings, said, by or getuser(), reason)
    typer.echo("\n".join(lines))
