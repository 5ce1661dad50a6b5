"""Commands that work on the database: importing files and rebuilding what is derived."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.catalogue import Catalogue, load_catalogue
from collector.ingest.files import CsvMapping, open_source
from collector.ingest.importing import fingerprint, import_records, read_records
from collector.rebuild import fingerprints, forget, keep_objectives, refuse_if_incomplete
from collector.registration import put_in_force
from collector.store.database import Connection, connect, migrate
from milepost.applying import apply_log
from milepost.progress_bar import console, progress_bar
from milepost.server import Milepost
from milepost.settings import Settings


@contextmanager
def open_catalogue(settings: Settings) -> Iterator[tuple[str, Connection, Catalogue]]:
    """The database with the catalogue in it; definitions that are given are registered first."""
    milepost = Milepost(settings)
    try:
        url = milepost.open_database()
        with connect(url, "upkeep") as conn:
            if settings.definitions:
                catalogue = put_in_force(conn, milepost.definitions).catalogue
                keep_objectives(conn, catalogue)
            else:
                catalogue = load_catalogue(conn)
            yield url, conn, catalogue
    finally:
        milepost.close()


def upgrade(settings: Settings) -> tuple[str | None, str | None]:
    """Bring the schema up to date; its versions before and after, None where there is none. Raises SchemaBlocked."""
    milepost = Milepost(settings)
    try:
        return migrate(milepost.find_database())
    finally:
        milepost.close()


def import_file(
    settings: Settings, file: Path, workflow: str, source: str | None, mapping_file: Path | None
) -> list[str]:
    """Import a file and apply it; the lines that say what came of it. Raises UnreadableFile, ValueError."""
    spelled = mapping_file.read_text("utf-8") if mapping_file else ""
    mapping = CsvMapping.from_yaml(spelled) if mapping_file else None
    with open_catalogue(settings) as (url, conn, catalogue), open_source(file) as opened:
        if workflow not in catalogue.current:
            known = ", ".join(sorted(catalogue.current)) or "none; give them with --definitions"
            raise ValueError(f"there is no workflow {workflow!r}; known are {known}")
        before = _instances(conn, workflow)
        named = source or opened.default_source
        records = read_records(opened, named, mapping)
        with progress_bar(f"Reading {file.name}", "records") as (bar, task):

            def progress(consumed: int, done: int) -> None:
                bar.update(task, total=max(opened.total_bytes, 1), completed=consumed, count=done)

            print_of_file = fingerprint(file, named, spelled)
            report = import_records(conn, records, print_of_file, named, opened.consumed, progress)
            bar.update(task, total=1, completed=1)
        apply_log(url, conn, catalogue)
        after = _instances(conn, workflow)
    lines = [f"{report.appended:,} events appended from {file.name} as {named}."]
    if report.skipped:
        lines.append(f"{report.skipped:,} records had been imported before.")
    if report.unusable:
        lines.append(f"{report.unusable:,} records could not be used and are kept as dead letters:")
        lines += [f"  {fault}" for fault in report.faults]
    lines.append(f"{workflow}: {after - before:,} new instances, {after:,} in all.")
    if report.appended and after == 0:
        lines.append(f"No event reached {workflow}: do its filters name the source {named!r} and these event types?")
    return lines


def rebuild(settings: Settings, *, current_definitions: bool, from_what_is_left: bool) -> bool:
    """Forget what is derived and derive it again; whether the result equals what was there.

    Raises Incomplete where the log no longer has everything, unless it is to be done from what is left.
    """
    with open_catalogue(settings) as (url, conn, catalogue):
        if not from_what_is_left:
            refuse_if_incomplete(conn)
        apply_log(url, conn, catalogue)
        before = fingerprints(conn)
        forget(conn, current_definitions=current_definitions)
        catalogue = load_catalogue(conn)
        apply_log(url, conn, catalogue, label="Replaying the log")
        keep_objectives(conn, catalogue)
        after = fingerprints(conn)
    for table in before:
        console.print(f"  {table:<18} {'equal' if before[table] == after[table] else 'different'}", highlight=False)
    return before == after


def _instances(conn: Connection, workflow: str) -> int:
    with conn.transaction():
        row = conn.execute("SELECT count(*) FROM instance WHERE workflow = %s", (workflow,)).fetchone()
    return int(row[0]) if row else 0
