"""The command that forgets one person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, fail, read_settings

MOST_BESIDES = 20


def forget(
    key: Annotated[str, typer.Argument(help="NAMESPACE=VALUE, as definitions name the key: customer=4711.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this it is only said what would be changed.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Forget one person by a key: what was sent and said of him goes, what was counted stays. There is no way back."""
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    at = min((place for sign in "=:" if (place := key.find(sign)) > 0), default=0)
    namespace, value = key[:at].strip(), key[at + 1 :].strip()
    if not namespace or not value or len(value) > 200 or "\x00" in key:
        raise fail("KEY: write NAMESPACE=VALUE, such as customer=4711")
    from collector.erasure.forgetting import NotCurrent, Waits, forget
    from milepost.applying import apply_log
    from milepost.plain_text import shown
    from milepost.terminal import as_terminal
    from milepost.upkeep import open_catalogue

    try:
        with open_catalogue(settings) as (url, conn, catalogue), as_terminal():
            known = {rule.namespace for one in catalogue.versions.values() for rule in one.workflow.keys}
            if namespace not in known:
                raise fail(f"KEY: no definition has {namespace!r}; there are {', '.join(sorted(known)) or 'none'}")
            apply_log(url, conn, catalogue)
            found = forget(conn, catalogue, namespace, value, datetime.now(UTC), dry_run=not yes)
    except NotCurrent as error:
        raise fail("Not everything received has been applied; try again when it is.", code=3) from error
    except Waits as error:
        raise fail("What sources sent of him has not been mapped yet; try again when it is.", code=3) from error
    if not found.counts:
        typer.echo("Nothing is known under this key.")
        return
    typer.echo("Forgotten:" if yes else "This would be changed; say --yes to do it:")
    for what, count in found.counts.items():
        typer.echo(f"  {count:>8,}  {what.replace('_', ' ')}")
    if not found.sought:
        typer.echo("The value is too short to look for: it is replaced where keys are read, and not in texts.")
    if found.unreadable:
        typer.echo(f"{len(found.unreadable):,} events are no JSON; nothing of them is left.")
    if found.besides:
        many = f" and {len(found.besides) - MOST_BESIDES:,} more" if len(found.besides) > MOST_BESIDES else ""
        typer.echo("Other keys of the same instances stay; forget those by which he is known, too:")
        typer.echo(shown(f"  {', '.join(found.besides[:MOST_BESIDES])}{many}", 4_000))
    if yes:
        typer.echo(shown(f"{found.subject.pseudonym} stands for it from now on. Backups still hold what was.", 200))
