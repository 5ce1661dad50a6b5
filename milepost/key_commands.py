"""The commands about API keys."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any

import typer

from collector.access.rates import parse_rate
from milepost.options import Config, DatabaseUrl, DataDir, fail, read_settings
from milepost.sight_options import Domain, Workflow, say_unknown
from slo_rules.durations import parse_duration

key_commands = typer.Typer(help="API keys, by which systems say who they are.", no_args_is_help=True)

Expires = Annotated[str | None, typer.Option(help="How long it holds, such as 90d; or never.", metavar="DURATION")]
Brings = Annotated[
    str | None,
    typer.Option(
        "--rate",
        help="Events and requests it may bring, such as 500/s or 30000/min; off: as many as come; else usual.",
        metavar="RATE",
    ),
]
Name = Annotated[str, typer.Option(help="What it is for; a name has one key, and two while one is rotated.")]


@key_commands.callback()
def _keys() -> None:
    """API keys, by which systems say who they are."""


def _rate(said: str | None, faults: list[str]) -> float | None:
    """What a key may bring a second: None as the settings say, infinity as much as comes."""
    if said is None or said == "usual":
        return None
    try:
        found = parse_rate(said)
    except ValueError as error:
        faults.append(f"--rate: {error}; or usual")
        return None
    return math.inf if found is None else found.per_second


def _until(expires: str | None, now: int) -> int | None:
    if expires is None or expires == "never":
        return None
    try:
        return now + parse_duration(expires)
    except ValueError as error:
        raise fail(f"--expires: {error}; or never") from error


def _say(key: str) -> None:
    # Only the key on standard output, so that it can be piped into a file of secrets.
    typer.echo("This is shown once. Send it as `Authorization: Bearer …`.", err=True)
    typer.echo(key)


@key_commands.command()
def create(
    name: Name,
    expires: Annotated[str, typer.Option(help="How long it holds, such as 90d; or never.", metavar="DURATION")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="ingest, ingest:SOURCE, metrics, overview, query, raw, act or admin; may be repeated."),
    ] = None,
    domain: Domain = None,
    workflow: Workflow = None,
    rate: Brings = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a key and show it, once."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.access import keys
    from collector.access.principal import faults_of_scopes
    from collector.access.sight import words_of
    from milepost.terminal import open_for_acting

    now = time.time_ns() // 1000
    until, scopes = _until(expires, now), tuple(scope or ())
    faults = faults_of_scopes(scopes)
    sees = words_of(domain or (), workflow or (), faults)
    brings = _rate(rate, faults)
    if faults:
        raise fail("\n".join(faults))
    try:
        with open_for_acting(settings) as conn, conn.transaction():
            key = keys.create(conn, name, scopes, until, now, sees, brings)
            say_unknown(conn, sees)
    except keys.KeyRefused as error:
        raise fail(str(error)) from error
    _say(key)


@key_commands.command()
def rotate(
    name: Annotated[str, typer.Argument(help="The name of the key.")],
    overlap: Annotated[str, typer.Option(help="How long the former one still holds.", metavar="DURATION")] = "24h",
    expires: Expires = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a second key of a name and its scopes; the former holds for the overlap."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.access import keys
    from milepost.terminal import open_for_acting

    now = time.time_ns() // 1000
    until = _until(expires, now)
    try:
        longer = parse_duration(overlap)
        with open_for_acting(settings) as conn, conn.transaction():
            key = keys.rotate(conn, name, longer, until, now)
    except ValueError as error:
        raise fail(f"--overlap: {error}") from error
    except keys.KeyRefused as error:
        raise fail(str(error)) from error
    _say(key)


@key_commands.command()
def limit(
    name: Annotated[str, typer.Argument(help="The name of the key.")],
    rate: Brings = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Say how much a key may bring from now on; every process knows within seconds."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.access import keys
    from milepost.terminal import open_for_acting

    faults = [] if rate else ["--rate: not given"]
    brings = _rate(rate, faults)
    if faults:
        raise fail("\n".join(faults))
    try:
        with open_for_acting(settings) as conn, conn.transaction():
            keys.limit(conn, name, brings, time.time_ns() // 1000)
    except keys.KeyRefused as error:
        raise fail(str(error)) from error
    typer.echo(f"{name} may bring: {keys.spelled_rate(brings)}.")


@key_commands.command()
def revoke(
    which: Annotated[str, typer.Argument(help="A prefix as `keys list` says it, or a name for all of that name.")],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let a key open nothing any more; every process knows within seconds."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.access import keys
    from milepost.terminal import open_for_acting

    try:
        with open_for_acting(settings) as conn, conn.transaction():
            prefixes = keys.revoke(conn, which, time.time_ns() // 1000)
    except keys.KeyRefused as error:
        raise fail(str(error)) from error
    typer.echo(f"Revoked: {', '.join(prefixes)}.")


@key_commands.command(name="list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List all keys by prefix, with their scopes, and when they end and were last used."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    import msgspec

    from collector.access import keys
    from milepost.plain_text import shown
    from milepost.terminal import open_for_acting

    with open_for_acting(settings) as conn:
        rows = keys.listed(conn)
    told = [row | {"id": f"mp_{row['id']}", "rate": keys.spelled_rate(row["rate"])} for row in rows]
    if as_json:
        typer.echo(msgspec.json.encode(told).decode())
    elif not told:
        typer.echo("There are no keys.")
    else:
        typer.echo("\n".join(shown(_line(row), 1_000) for row in told))


def _line(row: dict[str, Any]) -> str:
    def day(name: str) -> str:
        return f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "never"

    used = f"last used {day('last_used_at')}"
    sees = f"  sees {','.join(row['sees'])}" if row["sees"] is not None else ""
    sees += f"  at most {row['rate']}" if row["rate"] != "usual" else ""
    said = f"{row['id']}  {row['state']:<8}  {row['name']}  {','.join(row['scopes'])}{sees}"
    return f"{said}  ends {day('expires_at')}  {used}"
