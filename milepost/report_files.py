"""Writes reports to where they were asked for: whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TextIO

import msgspec
import psycopg

from collector.catalogue import load_catalogue
from milepost.evidence import write_evidence
from milepost.report_page import write_page
from milepost.report_question import question_of
from milepost.report_tables import write_breaches, write_results
from milepost.reporting import NothingToReport, Report, StandingClock, make_report
from milepost.settings import Settings
from milepost.stored_data import NoStoredData, open_stored_data
from slo_rules.instants import to_micros


@dataclass(frozen=True, slots=True)
class Asked:
    """A report as it is asked for on the command line: as tables, or as a page.

    `limit` breaches of an objective are told on the page.
    """

    month: str | None
    since: str | None
    until: str | None
    zone: str
    objectives: Sequence[str]
    groups: Sequence[str]
    tables: bool
    output: Path | None
    evidence: Path | None
    limit: int


def report(settings: Settings, asked: Asked, now: datetime | None = None) -> list[str]:
    """Make the report that is asked for and write it, as of now; returns what there is to say of it.

    Nothing else is written, and the service may be running. Raises BadQuery, NothingToReport, NoStoredData, OSError.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    question = question_of(
        month=asked.month,
        since=asked.since,
        until=asked.until,
        zone=asked.zone,
        names=asked.objectives,
        groups=asked.groups,
        now=to_micros(now),
    )
    try:
        with open_stored_data(settings) as (url, conn):
            catalogue = load_catalogue(conn)

            async def run() -> list[str]:
                reader = StandingClock(url, now)
                await reader.open()
                try:
                    return await _write(await make_report(reader, catalogue, question), asked)
                finally:
                    await reader.close()

            return asyncio.run(run())
    except (msgspec.DecodeError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise NoStoredData(f"Another version of Milepost has written this database; serve it first: {error}") from error


async def _write(made: Report, asked: Asked) -> list[str]:
    if not made.results:
        raise NothingToReport("There is no objective whose instances can be told apart so.")
    written = []
    if asked.evidence is not None:
        with whole(asked.evidence) as pack:
            stories = await write_evidence(made, pack, asked.limit)
        with asked.evidence.open("rb") as pack:
            digest = hashlib.file_digest(pack, "sha256").hexdigest()
        written.append(f"{asked.evidence}, with {stories} instances, sha256 {digest}")
    if asked.output is not None or asked.evidence is None:
        written += await _write_files(made, asked)
    return [*map(_line, (result.row for result in made.results)), "", *(f"Written: {one}" for one in written)]


async def _write_files(made: Report, asked: Asked) -> list[str]:
    output = asked.output or Path()
    if asked.tables:
        output.mkdir(parents=True, exist_ok=True)
        with whole_text(output / "results.csv") as file:
            write_results(made, file)
        with whole_text(output / "breaches.csv") as file:
            await write_breaches(made, file)
        return [str(output / "results.csv"), str(output / "breaches.csv")]
    page = output / "report.html" if output.is_dir() else output
    with whole_text(page) as file:
        await write_page(made, file.write, asked.limit)
    return [str(page)]


def _line(row: dict[str, object]) -> str:
    ratio, met = row["ratio"], row["met"]
    kept = "nothing counted" if ratio is None else f"{ratio:.4%} of {row['total']} {row['unit']}"
    verdict = "" if met is None else ", kept" if met else ", MISSED"
    return f"{row['name']}: {kept}, promised {row['target']:.4%}{verdict}"


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of another once it is written to the end. OSError where it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_text(path: Path) -> Iterator[TextIO]:
    """The same, of text in UTF-8 whose lines end as they are written."""
    with whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()
