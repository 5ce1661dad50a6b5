"""The commands about the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, fail, read_settings

audit_commands = typer.Typer(help="Who did or read what, when and from where.", no_args_is_help=True)


@audit_commands.callback()
def _audit() -> None:
    """Who did or read what, when and from where."""


@audit_commands.command()
def verify(
    expect: Annotated[
        str | None, typer.Option(help="NUMBER:HASH as it was noted elsewhere; the log must still hold it.")
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Read the whole chain; say its last number and hash, to be noted elsewhere. Ends with 3 where it is broken."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.access import audit
    from milepost.terminal import open_for_acting

    expected: tuple[int, bytes] | None = None
    if expect is not None:
        number, _, digest = expect.partition(":")
        try:
            expected = int(number), bytes.fromhex(digest)
        except ValueError as error:
            raise fail("--expect: write NUMBER:HASH as `milepost audit verify` said it") from error
    with open_for_acting(settings) as conn:
        found = audit.verify(conn, expected)
    if found.broken is not None:
        raise fail(f"Broken at row {found.broken.number}: {found.broken.why}.", code=3)
    typer.echo(f"{found.rows:,} rows, unbroken. Note this elsewhere: {found.last}:{found.head.hex()}")


@audit_commands.command()
def export(
    file: Annotated[Path | None, typer.Option(help="Write to this new file; without it to standard output.")] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Print every row as a line of JSON, the oldest first, with its hash. That it was exported is recorded too."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    import sys

    import msgspec

    from collector.access import audit
    from milepost.terminal import open_for_acting

    try:
        with (
            open_for_acting(settings) as conn,
            file.open("xb") if file is not None else sys.stdout.buffer as written,
        ):
            for row in audit.exported(conn):
                written.write(msgspec.json.encode(row) + b"\n")
            with conn.transaction():
                audit.record(conn, [audit.entry("audit.exported", "the audit log", {}, {})])
            written.flush()
    except FileExistsError as error:
        raise fail(f"There is a file {file} already.") from error
    except OSError as error:
        raise fail(f"{file} cannot be written: {error.strerror}") from error
