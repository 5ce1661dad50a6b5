"""What commands share: options, how settings are read from them, and how a command ends that cannot do its work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from milepost import settings as settings_of
from milepost.logs import configure_logging
from milepost.settings import Settings, SettingsError

DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="postgresql://…; without it an embedded PostgreSQL is used.")
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the embedded PostgreSQL keeps its data.")]
DefinitionPaths = Annotated[
    list[Path] | None,
    typer.Option(
        "--definitions", help="A folder or file of definitions; may be repeated; 'packs' are the shipped ones."
    ),
]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only what occurred since: 7d, 2026-11-21 or 2026-11-21T09:00:00Z.")
]


def fail(message: str, *, code: int = 1) -> typer.Exit:
    """Say what is wrong on standard error; raise what this returns."""
    typer.echo(message, err=True)
    return typer.Exit(code)


def read_settings(
    config: Path | None, *, needed: Mapping[str, str] = MappingProxyType({}), **flags: object
) -> Settings:
    """Settings from file, environment and flags, with logging as they say.

    Ends the program with all faults when they cannot be used, or one is not given that is `needed`, which says why.
    """
    try:
        settings = settings_of.load(flags, file=config, needed=needed)
    except SettingsError as error:
        raise fail("The settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in error.faults)) from error
    configure_logging(settings.log_format, settings.log_level)
    return settings
