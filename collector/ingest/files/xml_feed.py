from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar
from xml.parsers import expat

from collector.ingest.files.record import UnreadableFile
from collector.ingest.files.source import chunks

__all__ = ["feed"]

T = TypeVar("T")


def feed(
    parser: expat.XMLParserType, stream: BinaryIO, take: Callable[[], list[T]], max_element_bytes: int
) -> Iterator[T]:
    """What the handlers of a parser make of a stream, as it goes; `take` hands over what they have made so far.

    Raises UnreadableFile, after all that stands before the broken place, also where an element, but for what stands in
    it, is longer than `max_element_bytes`.
    """
    fed = 0
    try:
        for chunk in chunks(stream):
            fed += len(chunk)
            parser.Parse(chunk, False)
            yield from take()
            if fed - parser.CurrentByteIndex > max_element_bytes + len(chunk):
                reason = f"one XML element is longer than {max_element_bytes} bytes"
                raise UnreadableFile(reason, line=parser.CurrentLineNumber, byte=parser.CurrentByteIndex)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield from take()
        reason = f"not well-formed XML: {expat.ErrorString(error.code)}"
        raise UnreadableFile(reason, line=error.lineno, byte=parser.ErrorByteIndex) from error
    except UnreadableFile:
        yield from take()
        raise
    yield from take()
