"""The commands about local users."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from milepost.options import Config, DatabaseUrl, DataDir, fail, read_settings
from milepost.sight_options import Domain, Workflow, say_unknown

user_commands = typer.Typer(help="Local users, who log in with a password.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name with which one logs in.")]


class RoleName(StrEnum):
    """The roles of people, as collector/access/principal.py has them; the help must not load that."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@user_commands.callback()
def _users() -> None:
    """Local users, who log in with a password."""


def _sees(domains: list[str] | None, workflows: list[str] | None) -> list[str] | None:
    from collector.access.sight import words_of

    faults: list[str] = []
    found = words_of(domains or (), workflows or (), faults)
    if faults:
        raise fail("\n".join(faults))
    return found


@contextmanager
def _acting(config: Any, **flags: Any) -> Iterator[Any]:
    settings = read_settings(config, **flags, log_level="warning")
    from collector.access.people import UserRefused
    from milepost.terminal import open_for_acting

    try:
        with open_for_acting(settings) as conn:
            yield conn
    except UserRefused as error:
        raise fail(str(error)) from error


def _password() -> str:
    """Asked for where somebody sits there, else a line of standard input: never an argument, which others see."""
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")


@user_commands.command()
def add(
    name: Name,
    role: Annotated[RoleName, typer.Option(help="viewer: look; operator: also act; admin.")] = RoleName.VIEWER,
    domain: Domain = None,
    workflow: Workflow = None,
    raw: Annotated[bool, typer.Option("--raw", help="Also read what was sent as it came; that is recorded.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a user; the password is asked for, or read as a line from standard input."""
    sees = _sees(domain, workflow)
    password = _password()
    with _acting(config, database_url=database_url, data_dir=data_dir) as conn:
        from collector.access import people
        from collector.access.principal import PersonRole

        with conn.transaction():
            people.add(conn, name, PersonRole(role), password, time.time_ns() // 1000, sees=sees, raw=raw)
            say_unknown(conn, sees)
    typer.echo(f"{name} can log in as {role}, and then chooses another password.")


@user_commands.command()
def change(
    name: Name,
    role: Annotated[RoleName | None, typer.Option(help="Another role, in force within seconds.")] = None,
    password: Annotated[
        bool,
        typer.Option("--password", help="Ask for a new password, which the user has to change; ends all sessions."),
    ] = False,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Whether he may log in; ends all sessions.")
    ] = None,
    domain: Domain = None,
    workflow: Workflow = None,
    everything: Annotated[bool, typer.Option("--all-workflows", help="See every workflow.")] = False,
    raw: Annotated[
        bool | None, typer.Option("--raw/--no-raw", help="Whether he may read what was sent as it came.")
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Change what a user may do and see, his password, or whether he may log in."""
    sees = _sees(domain, workflow)
    if everything and sees:
        raise fail("--all-workflows: with --domain or --workflow; say one of them")
    if role is None and disabled is None and raw is None and not (password or everything or sees):
        told = "--role, --domain, --workflow, --all-workflows, --raw, --no-raw, --password, --disable or --enable"
        raise fail(f"Say what to change: {told}.")
    said = _password() if password else None
    with _acting(config, database_url=database_url, data_dir=data_dir) as conn:
        from collector.access import people
        from collector.access.principal import PersonRole

        with conn.transaction():
            people.change(
                conn, name, time.time_ns() // 1000,
                role=PersonRole(role) if role else None, password=said, disabled=disabled, raw=raw,
                sees=("all",) if everything else sees,
            )  # fmt: skip
            say_unknown(conn, sees)
    typer.echo(f"{name} is changed.")


@user_commands.command(name="log-out")
def log_out(
    name: Name,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """End all sessions of somebody, also of who came by a provider; in force within seconds."""
    with _acting(config, database_url=database_url, data_dir=data_dir) as conn:
        from collector.access import people
        from milepost.plain_text import shown

        with conn.transaction():
            ended = people.log_out(conn, name)
    typer.echo(shown(f"{name}: {ended} {'session is' if ended == 1 else 'sessions are'} over.", 300))


@user_commands.command(name="list")
def list_(database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None) -> None:
    """List all users with their roles."""
    with _acting(config, database_url=database_url, data_dir=data_dir) as conn:
        from collector.access import people
        from milepost.plain_text import shown

        rows = people.listed(conn)
    for row in rows:
        disabled = f"  disabled {row['disabled_at']:%Y-%m-%d}" if row["disabled_at"] else ""
        sees = f"  sees {','.join(row['sees'])}" if row["sees"] is not None else ""
        raw = "  raw" if row["raw"] else ""
        first = "  has to change the password" if row["provisional"] else ""
        typer.echo(shown(f"{row['role']:<8}  {row['name']}{sees}{raw}{first}{disabled}", 1_000))
    if not rows:
        typer.echo("There are no users.")
