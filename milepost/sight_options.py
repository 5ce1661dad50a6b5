"""The options that say which workflows somebody may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from milepost.plain_text import shown

if TYPE_CHECKING:
    from collector.store.database import Connection

Domain = Annotated[
    list[str] | None, typer.Option(help="See the workflows of this domain alone; may be repeated.", metavar="DOMAIN")
]
Workflow = Annotated[
    list[str] | None, typer.Option(help="See this workflow alone, or besides; may be repeated.", metavar="WORKFLOW")
]


def say_unknown(conn: Connection, sees: list[str] | None) -> None:
    """Say on standard error which of these are of no definition as yet: perhaps one is misspelled."""
    from collector.catalogue import load_catalogue

    if not sees:
        return
    versions = load_catalogue(conn).versions
    known = {f"workflow:{name}" for name, _ in versions}
    known |= {f"domain:{one.workflow.domain}" for one in versions.values()}
    if unknown := [word for word in sees if word not in known]:
        typer.echo(shown(f"No definition is in force for {', '.join(unknown)} yet.", 1_000), err=True)
