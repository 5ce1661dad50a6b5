"""An evidence pack: a report as a zip file, with the story of every instance that missed something and a manifest.

The same state and the same instant make the same bytes. Everything is written as it is read: what is held does not
grow with the stories, but by a line of the manifest for each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from collector.query.reader import Row
from milepost.report_page import write_page
from milepost.report_tables import write_breaches, write_results
from milepost.reporting import Report
from slo_rules.instants import rfc3339

MOST_EVENTS = 10_000
"""Raw events of one instance; of more only the first, and it is said."""
_DOS_BEGAN = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16
_UNIX = 3
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]|\.{2,}|^\.")
_decode = msgspec.json.Decoder().decode


class _Pack:
    """A zip file with a digest of everything in it."""

    def __init__(self, pack: ZipFile) -> None:
        self._pack = pack
        self.files: list[Row] = []

    @contextmanager
    def member(self, name: str) -> Iterator[_Member]:
        """A new file of text in it; one at a time."""
        info = ZipInfo(name, _DOS_BEGAN)
        info.compress_type, info.external_attr, info.create_system = ZIP_DEFLATED, _READABLE_BY_ALL, _UNIX
        with self._pack.open(info, "w", force_zip64=True) as opened:
            written = _Member(opened)
            yield written
        self.files.append({"name": name, "bytes": written.size, "sha256": written.digest.hexdigest()})

    def json(self, name: str, document: Any) -> None:
        """A new file with this document."""
        with self.member(name) as file:
            encoded = msgspec.json.encode(document, order="deterministic")
            file.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


class _Member:
    """A file of text (UTF-8) that is being written; counted and digested on its way."""

    def __init__(self, to: IO[bytes]) -> None:
        self._to = to
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, text: str, /) -> int:
        data = text.encode()
        self.digest.update(data)
        self.size += len(data)
        return self._to.write(data)


async def write_evidence(report: Report, file: IO[bytes], most: int) -> int:
    """Write the pack; how many stories are in it. `most` breaches of an objective are told on its page."""
    with ZipFile(file, "w", ZIP_DEFLATED) as opened:
        pack = _Pack(opened)
        with pack.member("breaches.csv") as breaches:
            await write_breaches(report, breaches)
        await _definitions(report, pack)
        ids = report.breached()
        for id_ in ids:
            story = await _story(report, id_)
            if story is not None:
                pack.json(f"instances/{id_}.json", story)
        with pack.member("report.html") as page:
            await write_page(report, page.write, most)
        with pack.member("results.csv") as results:
            write_results(report, results)
        log = await report.reader.one("progress_of_log") or {}
        pack.json("manifest.json", _manifest(report, pack.files, log.get("seq", report.seq)))
    return len(ids)


def _manifest(report: Report, files: list[Row], seq: int) -> Row:
    question = report.question
    return {
        "milepost": version("milepost"),
        "made_at": rfc3339(report.made_at),
        "asked": {
            "since": rfc3339(question.since),
            "until": rfc3339(question.until),
            "zone": question.zone,
            "month": question.month,
            "objectives": [result.row["name"] for result in report.results],
            "group": dict(question.where),
        },
        # Equal unless events were applied while it was made: then a story may know more than the numbers.
        "log": {
            "seq": report.seq,
            "seq_at_end": seq,
            "received_at": None if report.received_at is None else rfc3339(report.received_at),
        },
        "files": files,
    }


async def _story(report: Report, id_: UUID) -> Row | None:
    """Everything that is known of an instance, and the events behind it as they were received."""
    story = await report.story(id_)
    if story is None:
        return None
    rows = await report.reader.all("events", {"id": id_, "limit": MOST_EVENTS + 1})
    raw = [
        {
            "seq": row["seq"],
            "received_at": rfc3339(row["received_at"]),
            "occurred_at": rfc3339(row["occurred_at"]),
            "milestone": row["milestone"],
            "event": _decode(row["body"]),
        }
        for row in rows[:MOST_EVENTS]
    ]
    return story | {"log": raw, "log_is_whole": len(rows) <= MOST_EVENTS}


async def _definitions(report: Report, pack: _Pack) -> None:
    """The definitions as they are stored: all versions of the objectives, and of the workflows they are about.

    A version of a workflow or of an objective holds the calendars it is counted on.
    """
    names = sorted({result.row["name"] for result in report.results})
    for row in await report.reader.all("bodies_of_objectives", {"names": names}):
        since = re.sub(r"[^0-9TZ]", "", rfc3339(row["since"]))
        pack.json(f"definitions/objectives/{_safe(row['objective'])}-since-{since}.json", row["body"])
    workflows = sorted({result.row["workflow"] for result in report.results})
    for row in await report.reader.all("bodies_of_workflows", {"names": workflows}):
        said = {
            "loaded_at": rfc3339(row["loaded_at"]),
            "since_seq": row["since_seq"],
            "until_seq": row["until_seq"],
            "fingerprint": row["fingerprint"],
            "definition": row["body"],
        }
        pack.json(f"definitions/workflows/{_safe(row['workflow'])}-version-{row['version']}.json", said)


def _safe(name: str) -> str:
    """A name that is one part of a path and no other."""
    return _UNSAFE.sub("_", name)[:100] or "_"
