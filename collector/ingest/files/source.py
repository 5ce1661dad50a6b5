from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self, cast

from collector.ingest.files.record import UnreadableFile

__all__ = ["FileFormat", "OpenedFile", "bounded_lines", "chunks", "open_source"]

FileFormat = Literal["xes", "csv", "jsonl", "ocel-json", "ocel-xml", "ocel-sqlite"]

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 256 * 1024
_FORMAT_OF_SUFFIX: dict[str, FileFormat] = {
    ".xes": "xes",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonocel": "ocel-json",
    ".xmlocel": "ocel-xml",
    ".sqlite": "ocel-sqlite",
    ".sqlite3": "ocel-sqlite",
}
_AMBIGUOUS = (".json", ".xml")
_HEAD_BYTES = 64 * 1024
_OCEL_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"(?:objectTypes|eventTypes|objects|events|ocel:[a-z-]+)"\s*:')
_OCEL_XML = re.compile(rb"<(?:object-types|event-types|objects|events)[\s/>]")


@dataclass(slots=True)
class OpenedFile:
    """A file open for import. `stream` is its content (decompressed); sizes are those of the file on disk."""

    path: Path
    stream: BinaryIO
    total_bytes: int
    compressed: bool
    _raw: BinaryIO
    found: FileFormat | None = None
    """What its beginning says it is, where its name could say two things."""

    def consumed(self) -> int:
        """Bytes of the file read so far, 0 … `total_bytes`; in a compressed file the compressed ones."""
        return self._raw.tell()

    @property
    def format(self) -> FileFormat | None:
        """What the name says the file is, or else its beginning; None where they say nothing."""
        return _FORMAT_OF_SUFFIX.get(_without_gz(self.path).suffix.lower()) or self.found

    @property
    def default_source(self) -> str:
        """The CloudEvents source of its events unless another is given: `xes:receipt` for `receipt.xes.gz`."""
        name = _without_gz(self.path)
        word = (self.format or "file").partition("-")[0]
        return f"{word}:{name.stem if self.format else name.name}"

    def close(self) -> None:
        if self.stream is not self._raw:
            self.stream.close()
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(path: Path | str) -> OpenedFile:
    """Open a file, compressed or not: its first bytes decide, not its name. Raises UnreadableFile."""
    path = Path(path)
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"cannot open {path.name}: {error.strerror}") from error
    try:
        magic = raw.read(len(_GZIP_MAGIC))
        raw.seek(0)
        total = os.fstat(raw.fileno()).st_size
    except OSError as error:
        raw.close()
        raise UnreadableFile(f"cannot read {path.name}: {error.strerror or error}") from error
    compressed = magic == _GZIP_MAGIC
    stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb")) if compressed else raw
    return OpenedFile(path, stream, total, compressed, raw, _found(path, stream))


def _found(path: Path, stream: BinaryIO) -> FileFormat | None:
    """The format of a file whose suffix stands for several, by its beginning."""
    if _without_gz(path).suffix.lower() not in _AMBIGUOUS:
        return None
    try:
        head = stream.read(_HEAD_BYTES)
        stream.seek(0)
    except (OSError, EOFError, zlib.error):
        # Whoever reads it says so, with the place.
        stream.seek(0)
        return None
    if _OCEL_JSON.match(head):
        return "ocel-json"
    if b"<log" not in head:
        return None
    return "ocel-xml" if _OCEL_XML.search(head) else "xes"


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The content piece by piece; everything readable before a broken place comes before its UnreadableFile."""
    # read1 hands over what is there: `read` would drop the good bytes in front of a truncated gzip end.
    read = getattr(stream, "read1", stream.read)
    done = 0
    while True:
        try:
            chunk: bytes = read(_CHUNK_BYTES)
        except EOFError as error:
            raise UnreadableFile("the compressed file is cut off", byte=done) from error
        except (OSError, zlib.error) as error:
            raise UnreadableFile(f"cannot be read: {error}", byte=done) from error
        if not chunk:
            return
        done += len(chunk)
        yield chunk


def bounded_lines(stream: BinaryIO, max_bytes: int) -> Iterator[bytes | None]:
    """Lines without their line feed. None stands for a line longer than `max_bytes`, which is never held whole."""
    rest = b""
    discarding = False
    for chunk in chunks(stream):
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            yield None if discarding or len(part) > max_bytes else part
            discarding = False
        if discarding or len(rest) > max_bytes:
            discarding, rest = True, b""
    if discarding:
        yield None
    elif rest:
        yield rest


def _without_gz(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path
