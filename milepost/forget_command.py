"""The command that forgets one person."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, SpoolDir, fail, read_settings
from milepost.plain_text import shown
from slo_rules.instants import rfc3339, to_micros

if TYPE_CHECKING:
    from collector.erasure.buffers import Buffer

MOST_BESIDES = 20


def forget(
    key: Annotated[str, typer.Argument(help="NAMESPACE=VALUE, as definitions name the key: customer=4711.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this it is only said what would be changed.")
    ] = False,
    leave_buffers: Annotated[
        bool,
        typer.Option("--leave-buffers", help="Do it although receivers have on their disks what they accepted."),
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    spool_dir: SpoolDir = None,
    config: Config = None,
) -> None:
    """Forget one person by a key: what was sent and said of him goes, what was counted stays. There is no way back."""
    settings = read_settings(
        config, database_url=database_url, data_dir=data_dir, spool_dir=spool_dir, log_level="warning"
    )
    at = min((place for sign in "=:" if (place := key.find(sign)) > 0), default=0)
    namespace, value = key[:at].strip(), key[at + 1 :].strip()
    if not namespace or not value or len(value) > 200 or "\x00" in key:
        raise fail("KEY: write NAMESPACE=VALUE, such as customer=4711")
    from collector.erasure.forgetting import Buffered, NotCurrent, Waits, forget
    from milepost.applying import apply_log
    from milepost.terminal import as_terminal
    from milepost.upkeep import open_catalogue

    try:
        with open_catalogue(settings) as (url, conn, catalogue), as_terminal():
            known = {rule.namespace for one in catalogue.versions.values() for rule in one.workflow.keys}
            if namespace not in known:
                raise fail(f"KEY: no definition has {namespace!r}; there are {', '.join(sorted(known)) or 'none'}")
            apply_log(url, conn, catalogue)
            now = datetime.now(UTC)
            found = forget(conn, catalogue, namespace, value, now, dry_run=not yes, leave_buffers=leave_buffers)
    except NotCurrent as error:
        raise fail("Not everything received has been applied; try again when it is.", code=3) from error
    except Waits as error:
        raise fail("What sources sent of him has not been mapped yet; try again when it is.", code=3) from error
    except Buffered as error:
        lines = [f"{_where(one)}; start it, or let it write." for one in error.buffers]
        end = "Nothing was changed. --leave-buffers does it all the same: then do it again when they have written."
        raise fail("\n".join([*lines, end]), code=3) from error
    _say_unreached(found.buffers, settings.spool)
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


def _where(buffer: Buffer) -> str:
    receiver = shown(buffer.receiver, 200)
    if buffer.waits_since is None:
        told = rfc3339(to_micros(buffer.told_at))
        return f"The receiver at {receiver} ended without a word at {told}: nobody knows whether its buffer is empty"
    since = rfc3339(to_micros(buffer.waits_since))
    return f"The receiver at {receiver} has on its disk what it accepted since {since}"


def _say_unreached(buffers: list[Buffer], folder: Path | None) -> None:
    """What was not looked at, and may say the value."""
    for one in buffers:
        typer.echo(f"{_where(one)}. When it has written that, do this again.")
    from collector.spool.segments import DAMAGED, REFUSED

    aside = sorted(one for one in folder.glob("*") if one.suffix in (DAMAGED, REFUSED)) if folder else []
    if aside:
        typer.echo("What the buffer set aside is not looked at; see what it is, and delete it:")
        typer.echo(shown("  " + ", ".join(map(str, aside)), 4_000))
