"""The spool: files to which what was accepted is added while the database is away, and from which it is taken in order.

It is bounded: by the bytes that it may take, and by those that it leaves free on the disk. What `add` has returned from
is on the disk (fsync). Files are called segments, are for the user who runs Milepost only, and are never added to by
another process than the one that made them. How far they have been taken is known to the database (draining.py): here
it is only told by `taken`, and what was taken whole is deleted.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from collector.spool.records import HEAD, MARK, Record, Unreadable, decode, encode, length_of, scan

log = structlog.get_logger("milepost.spool")

SEGMENT_BYTES = 16 * 2**20
LEFT_FREE = 256 * 2**20
"""Bytes that are left free on the disk, which others need too."""
ENDING = ".spool"
DAMAGED = ".damaged"
REFUSED = ".refused"


class SpoolFull(Exception):
    """What was to be added was not, and nothing of it counts; it says why."""


class SpoolUnusable(Exception):
    """A folder cannot be the spool's; it says why."""


@dataclass(slots=True)
class Segment:
    """A file of records; `ends` is up to where it is on the disk, `begins` from where it has not been taken."""

    id: uuid.UUID
    path: Path
    begins: int = 0
    ends: int = 0
    records: int = 0
    count: int = 0

    @property
    def mark(self) -> bytes:
        """What each of its records begins with."""
        return self.id.bytes[-MARK:]

    @property
    def number(self) -> int:
        """When it was begun (micros), or a little more: the order of segments."""
        return int(self.path.name.partition("-")[0])


@dataclass(frozen=True, slots=True)
class Held:
    """What waits: its bytes, its records, for how much they count, and since when the oldest does (micros)."""

    size: int
    records: int
    count: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Records of one segment in their order, each with the place in it at which it ends."""

    segment: uuid.UUID
    records: tuple[tuple[int, Record], ...]


class Spool:
    """The spool in a folder, which it makes; several threads may use it, and one process. OSError, SpoolUnusable."""

    def __init__(self, folder: Path, limit: int, *, left_free: int = LEFT_FREE) -> None:
        self.folder = folder
        self.limit = limit
        self._left_free = left_free
        self._turn = threading.RLock()
        self._segments: list[Segment] = []
        self._file: int | None = None
        self._damages: set[tuple[uuid.UUID, int]] = set()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = self._hold()
        self.id = self._identity()
        for path in sorted(folder.glob(f"*{ENDING}")):
            self._open(path)

    def close(self) -> None:
        """Let another process have it."""
        with self._turn:
            self._seal()
            os.close(self._held)

    def _hold(self) -> int:
        held = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(held)
            raise SpoolUnusable(f"{self.folder} is used by another process; give each its own") from error
        return held

    def _identity(self) -> uuid.UUID:
        """Under which the database knows it; written once."""
        path = self.folder / "id"
        try:
            return uuid.UUID(path.read_text("ascii").strip())
        except FileNotFoundError:
            made = uuid.uuid4()
        except ValueError as error:
            raise SpoolUnusable(f"{path} is not the id of a spool; where the folder is empty, delete it") from error
        unfinished = path.with_suffix(".new")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{made}\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        self._sync_folder()
        return made

    def _open(self, path: Path) -> None:
        """Take up a segment that a former process left."""
        try:
            segment = Segment(uuid.UUID(path.stem.partition("-")[2]), path)
            assert segment.number >= 0
        except ValueError as error:
            log.warning("spool_file_unknown", file=str(path), error=str(error))
            return
        readable = 0
        for ends, found in scan(path.read_bytes(), segment.mark):
            if isinstance(found, Record):
                segment.records += 1
                segment.count += found.count
                readable = ends
            segment.ends = ends
        if readable < segment.ends:
            # Whatever was being written when the process ended was not acknowledged.
            log.warning("spool_tail_torn", file=str(path), at=readable, bytes=segment.ends - readable)
            segment.ends = readable
        self._segments.append(segment)

    @property
    def held(self) -> Held:
        """What waits to be taken."""
        with self._turn:
            oldest = None
            for segment in self._segments:
                if segment.begins < segment.ends:
                    oldest = self._received_at(segment)
                    break
            return Held(
                self._size,
                sum(one.records for one in self._segments),
                sum(one.count for one in self._segments),
                oldest,
            )

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        with self._turn:
            return all(one.begins >= one.ends for one in self._segments)

    @property
    def _size(self) -> int:
        return sum(one.ends for one in self._segments)

    @staticmethod
    def _received_at(segment: Segment) -> int:
        with segment.path.open("rb") as file:
            file.seek(segment.begins)
            head = file.read(HEAD)
            record = decode(head + file.read(min(length_of(head), segment.ends)), segment.mark)
        return segment.number if record is None else record.received_at

    # Adding

    def add(self, records: Sequence[Record]) -> None:
        """Make records durable, all or none. Raises SpoolFull."""
        size = sum(record.size for record in records)
        with self._turn:
            self._refuse_too_much(size)
            try:
                segment = self._current(size)
                self._write(segment, b"".join(encode(record, segment.mark) for record in records))
            except OSError as error:
                raise SpoolFull(f"the buffer cannot be written: {error.strerror or error}") from error
            segment.ends += size
            segment.records += len(records)
            segment.count += sum(record.count for record in records)

    def _refuse_too_much(self, size: int) -> None:
        if self._size + size > self.limit:
            raise SpoolFull(f"the buffer holds {self._size:,} of {self.limit:,} bytes")
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise SpoolFull(f"the buffer cannot be reached: {error.strerror or error}") from error
        if free - size < self._left_free:
            raise SpoolFull(f"the disk of the buffer has {free:,} bytes left, of which {self._left_free:,} stay free")

    def _current(self, size: int) -> Segment:
        """The segment that is added to."""
        if self._file is not None and self._segments[-1].ends + size <= SEGMENT_BYTES:
            return self._segments[-1]
        self._seal()
        id_ = uuid.uuid4()
        # Of two made in one microsecond, or after the clock was set back, the later one has the greater number.
        number = time.time_ns() // 1000
        if self._segments:
            number = max(number, self._segments[-1].number + 1)
        path = self.folder / f"{number:020}-{id_.hex}{ENDING}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._segments.append(Segment(id_, path))
        self._sync_folder()
        return self._segments[-1]

    def _write(self, segment: Segment, data: bytes) -> None:
        assert self._file is not None
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            # What may be there of it counts for nothing, and nothing is added behind it: after a failed fsync nobody
            # knows what is on the disk (https://wiki.postgresql.org/wiki/Fsync_Errors).
            self._seal(segment.ends)
            raise

    def _seal(self, at: int | None = None) -> None:
        """Add no more to the segment that is being added to; what lies behind `at` was never part of it."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            if at is not None:
                os.ftruncate(file, at)
        except OSError as error:
            log.warning("spool_tail_left", file=str(self._segments[-1].path), error=str(error))
        finally:
            os.close(file)

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # Taking

    def take(self, most: int) -> Taken | None:
        """The oldest records, of so many bytes or one, which stay until they are said to be taken; None without any.

        What is damaged is passed over and said; its segment is kept aside when all others of it have been taken.
        """
        with self._turn:
            self._drop()
            if not self._segments:
                return None
            segment = self._segments[0]
            with segment.path.open("rb") as file:
                file.seek(segment.begins)
                data = file.read(segment.ends - segment.begins)
        found: list[tuple[int, Record]] = []
        size = 0
        for ends, one in scan(data, segment.mark):
            if isinstance(one, Unreadable):
                self._note_damage(segment, segment.begins + one.begins, segment.begins + one.ends)
                continue
            if found and size + one.size > most:
                break
            size += one.size
            found.append((segment.begins + ends, one))
        if found:
            return Taken(segment.id, tuple(found))
        with self._turn:
            segment.begins = segment.ends
        return self.take(most)

    def taken(self, segment: uuid.UUID, until: int) -> None:
        """Records up to that place of a segment are wanted no more; what is taken whole is deleted. OSError."""
        with self._turn:
            for one in self._segments:
                if one.id == segment and one.begins < until:
                    with one.path.open("rb") as file:
                        file.seek(one.begins)
                        gone = [r for _, r in scan(file.read(until - one.begins), one.mark) if isinstance(r, Record)]
                    one.begins = min(until, one.ends)
                    one.records -= len(gone)
                    one.count -= sum(record.count for record in gone)
            self._drop()

    def _drop(self) -> None:
        """Delete the first segments, of which all has been taken."""
        while self._segments and self._segments[0].begins >= self._segments[0].ends:
            if len(self._segments) == 1:
                self._seal()
            # The next one is not begun before this one is gone: the database knows one place only.
            self._segments[0].path.unlink(missing_ok=True)
            self._segments.pop(0)

    def _note_damage(self, segment: Segment, begins: int, ends: int) -> None:
        if (segment.id, begins) in self._damages:
            return
        self._damages.add((segment.id, begins))
        copy = segment.path.with_suffix(DAMAGED)
        if not copy.exists():
            shutil.copyfile(segment.path, copy)
            copy.chmod(0o600)
        log.error(
            "spool_damaged",
            file=str(segment.path),
            begins=begins,
            ends=ends,
            why="the checksum does not hold: what was acknowledged here is lost, what lies around it is not",
            kept_as=str(copy),
        )

    def set_aside(self, record: Record) -> Path:
        """Keep a record that cannot be stored, in a file of its own; where. OSError."""
        path = self.folder / f"{time.time_ns() // 1000:020}-{uuid.uuid4().hex}{REFUSED}"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(encode(record, bytes(MARK)))
            file.flush()
            os.fsync(file.fileno())
        self._sync_folder()
        return path
