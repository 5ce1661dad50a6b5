"""`milepost report`: asks what objectives came to in a span of time, and holds it ready for those that write it down.

What it holds is the numbers and, of each breach, where it is found; the breaches themselves are read a few at a time
while they are written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from collector.catalogue import Catalogue
from collector.query.counted_items import Entry, told_of
from collector.query.details import instance_details
from collector.query.instances import BadQuery
from collector.query.objectives import all_objectives
from collector.query.reader import Reader, Row
from collector.query.results import Result, result_of
from collector.query.sources import load_marks
from milepost.report_question import ReportQuestion
from slo_rules.instants import to_micros
from slo_rules.judgement import Marks
from slo_rules.objective import Objective
from slo_rules.reading import suggestion

READ_AT_ONCE = 200


class NothingToReport(Exception):
    """There is no objective that could be reported on; the message says so."""


class StandingClock(Reader):
    """A reader for which it is always the same instant: a report is made at one, however long it takes."""

    def __init__(self, database_url: str, at: datetime, *, most_connections: int = 4) -> None:
        super().__init__(database_url, most_connections=most_connections)
        self._at = at

    async def now(self) -> datetime:
        """The instant at which it was made."""
        return self._at


@dataclass(frozen=True, slots=True)
class Report:
    """The results, in the order of the objectives. `seq` and `received_at` say up to which event of the log.

    `left_out` are the titles of objectives of which the instances asked for cannot be told apart.
    """

    question: ReportQuestion
    made_at: datetime
    seq: int
    received_at: datetime | None
    results: list[Result]
    left_out: list[str]
    reader: Reader
    catalogue: Catalogue
    marks: Marks

    async def items(self, result: Result, entries: Sequence[Entry]) -> AsyncIterator[Row]:
        """What there is to say of items, in their order, a few read at a time."""
        at = to_micros(self.made_at)
        for some in _in_parts(entries):
            for row in await told_of(self.reader, self.catalogue, result.asked, some, at):
                yield row

    async def story(self, id_: UUID) -> Row | None:
        """One instance with everything behind its verdict."""
        return await instance_details(self.reader, self.catalogue, self.marks, id_)

    def breached(self) -> list[UUID]:
        """The instances of all bad and waived items, each once, in order."""
        entries = (entry for one in self.results for found in (one.bad, one.waived) for entry in found.entries)
        return [UUID(bytes=id_) for id_ in sorted({entry[8:24] for entry in entries})]


def _in_parts(entries: Sequence[Entry]) -> Any:
    return (entries[at : at + READ_AT_ONCE] for at in range(0, len(entries), READ_AT_ONCE))


async def make_report(reader: Reader, catalogue: Catalogue, question: ReportQuestion) -> Report:
    """Ask everything that is needed. Raises BadQuery and NothingToReport."""
    asked, left_out = _objectives(catalogue, question)
    now = await reader.now()
    marks = await load_marks(reader, catalogue)
    log = await reader.one("progress_of_log")
    span = (question.since, question.until)
    results = [await result_of(reader, catalogue, marks, one, span, question.where) for one in asked]
    seq, received_at = (log["seq"], log["received_at"]) if log else (0, None)
    titles = [one.title for one in left_out]
    return Report(question, now, seq, received_at, results, titles, reader, catalogue, marks)


def _objectives(catalogue: Catalogue, question: ReportQuestion) -> tuple[list[Objective], list[Objective]]:
    """Those to report on, and those of which the instances asked for cannot be told apart."""
    known = all_objectives(catalogue)
    if not known:
        raise NothingToReport("There are no objectives to report on: define some, and serve them once.")
    names = [one.name for one in known]
    faults = [
        f"--objective: there is no {name[:80]!r}{suggestion(name, names)}"
        for name in question.names
        if name not in names
    ]
    chosen = [one for one in known if not question.names or one.name in question.names]
    for name, _ in question.where:
        told_apart = {word for one in chosen for word in _told_apart_by(catalogue, one)}
        if name not in told_apart and not faults:
            faults.append(
                f"--group: {name[:80]!r} is neither attribute nor key of what is reported on"
                f"{suggestion(name, sorted(told_apart))}"
            )
    if faults:
        raise BadQuery(*faults)
    needed = {name for name, _ in question.where}
    asked = [one for one in chosen if needed <= _told_apart_by(catalogue, one)]
    return asked, [one for one in chosen if one not in asked]


def _told_apart_by(catalogue: Catalogue, objective: Objective) -> set[str]:
    """The attributes and keys of its workflow, in any version."""
    versions = [one.workflow for (name, _), one in catalogue.versions.items() if name == objective.workflow]
    return {name for one in versions for name in (*one.attribute_names, *(rule.namespace for rule in one.keys))}
