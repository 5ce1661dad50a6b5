"""The command that writes reports."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from milepost.options import Config, DatabaseUrl, DataDir, fail, read_settings

report_commands = typer.Typer()


class WrittenForm(StrEnum):
    """What a report is written as."""

    HTML = "html"
    CSV = "csv"


@report_commands.command()
def report(
    month: Annotated[str | None, typer.Option(help="Of this month, such as 2026-10; without a time, the last.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on: 2026-10-01 or 2026-10-01T09:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then; without it, until now.")] = None,
    objective: Annotated[list[str] | None, typer.Option(help="Only this objective; may be repeated.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Only instances with this attribute or key, such as account=A-17; may be repeated."),
    ] = None,
    zone: Annotated[str, typer.Option(help="On whose wall months begin and times are told.")] = "UTC",
    form: Annotated[WrittenForm, typer.Option("--format", help="A page, or tables.")] = WrittenForm.HTML,
    output: Annotated[
        Path | None, typer.Option(help="A file or folder for the page, a folder for tables; default: here.")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option(help="Write page, tables and the story of every breach to this zip file.")
    ] = None,
    limit: Annotated[int, typer.Option(help="The most breaches of an objective on the page.", min=0)] = 100,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Write what was promised, kept and missed in a month, with the evidence: for auditors and customers.

    An evidence pack holds the events of instances as they were received, with all that is in them.
    """
    settings = read_settings(config, database_url=database_url, data_dir=data_dir, log_level="warning")
    from collector.query.instances import BadQuery
    from milepost.report_files import Asked
    from milepost.report_files import report as run
    from milepost.reporting import NothingToReport
    from milepost.stored_data import NoStoredData

    tables = form is WrittenForm.CSV
    asked = Asked(month, since, until, zone, objective or (), group or (), tables, output, evidence, limit)
    try:
        lines = run(settings, asked)
    except BadQuery as error:
        raise fail("\n".join(error.faults)) from error
    except (NothingToReport, NoStoredData) as error:
        raise fail(str(error)) from error
    except OSError as error:
        raise fail(f"{error.filename or output or evidence} cannot be written: {error.strerror or error}") from error
    typer.echo("\n".join(lines))
