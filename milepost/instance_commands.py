"""The commands that ask about an instance, and those by which a person acts on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from getpass import getuser
from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, fail, read_settings

instance_commands = typer.Typer()

KEY = typer.Argument(help="A business key such as order=SO-1, its bare value, or an instance's id.")
OfWorkflow = Annotated[str | None, typer.Option("--workflow", help="Only an instance of this workflow.")]
By = Annotated[str | None, typer.Option(help="Who says so; without it the user of this machine.")]


@contextmanager
def _refusing() -> Iterator[None]:
    """Ends the program with the reasons when what is asked for cannot be told or done."""
    from collector.acts import ActRefused
    from collector.query.instances import BadQuery
    from collector.query.moments import Unanswerable, Unsettled
    from milepost.stored_data import NoStoredData

    try:
        yield
    except (ActRefused, BadQuery) as error:
        raise fail("\n".join(error.faults)) from error
    except NoStoredData as error:
        raise fail(str(error)) from error
    except (Unanswerable, Unsettled) as error:
        raise fail(f"That cannot be told: {error}.") from error


def _said(by: str | None, reason: str) -> dict[str, str]:
    return {"by": getuser() if by is None else by, "reason": reason}


@instance_commands.command()
def explain(
    key: Annotated[str, KEY],
    workflow: Annotated[str | None, typer.Option(help="Only instances of this workflow.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The situation at this RFC 3339 instant, as is known now.")
    ] = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", help="What was known at this instant, by what had arrived then.")
    ] = None,
    format: Annotated[str, typer.Option(help="text or json.")] = "text",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Say how an instance stands and why: deadline, journey, keys, events; now or at any time."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    if format not in ("text", "json"):
        raise fail(f"--format: must be text or json, not {format!r}")
    import msgspec

    from milepost.explaining import explain as run

    with _refusing():
        explained = run(settings, key, workflow=workflow, as_of=as_of, known_at=known_at)
    said = msgspec.json.encode(explained.document()).decode() if format == "json" else explained.text()
    typer.echo(said)
    if not explained.found:
        raise typer.Exit(1)


@instance_commands.command()
def waive(
    key: Annotated[str, KEY],
    reason: Annotated[str, typer.Option(help="Why it needs no attention; everybody who looks at it reads this.")],
    until: Annotated[
        str | None, typer.Option(help="When it comes back by itself: 3d from now, or 2026-11-21T09:00:00Z.")
    ] = None,
    by: By = None,
    workflow: OfWorkflow = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the waiver back before its end.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Say that an instance needs no attention until then: nobody is told of it, and it stays in every report."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.acting import until_of
    from milepost.acting import waive as run

    said = _said(by, reason)
    if until is not None:
        said["until"] = until_of(until, datetime.now(UTC))
    with _refusing():
        lines = run(settings, key, workflow=workflow, said=said, withdraws=withdraw)
    typer.echo("\n".join(lines))


@instance_commands.command(name="reject-join")
def reject_join(
    key: Annotated[str, KEY],
    source: Annotated[str, typer.Option(help="The source of the event that joined what does not belong together.")],
    event: Annotated[str, typer.Option(help="Its id; `milepost explain` tells both.")],
    reason: Annotated[str, typer.Option(help="Why; everybody who looks for the event reads this.")],
    by: By = None,
    workflow: OfWorkflow = None,
    accept: Annotated[bool, typer.Option("--accept", help="Let the event count again.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Take apart what an event joined wrongly: it counts in no instance any more, and both halves are derived anew."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.acting import speak_of_join

    said = {"source": source, "event": event} | _said(by, reason)
    with _refusing():
        lines = speak_of_join(settings, key, workflow=workflow, said=said, accepts=accept)
    typer.echo("\n".join(lines))


@instance_commands.command()
def move(
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
    key: Annotated[str | None, KEY] = None,
    all_: Annotated[bool, typer.Option("--all", help="All open instances of --workflow.")] = False,
    workflow: OfWorkflow = None,
    by: By = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let open instances count under the version of their workflow that is in force.

    `milepost check --diff` says before what that changes.
    """
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from milepost.acting import move as run
    from milepost.moving import move_all

    if all_ == (key is not None) or (all_ and workflow is None):
        raise fail("Name one instance by its key, or all open ones with --all --workflow W.", code=2)
    said = _said(by, reason)
    with _refusing():
        if key is not None:
            lines = run(settings, key, workflow=workflow, said=said)
        else:
            lines = list(move_all(settings, workflow or "", said).lines())
    typer.echo("\n".join(lines))
