from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

from collector.ingest.files.ocel import Objects, Related, ocel_record
from collector.ingest.files.record import MAX_RECORD_BYTES, Fault, Record, UnreadableFile
from collector.ingest.files.xml_feed import feed

__all__ = ["read_ocel_xml"]

_MEMBERS = {"objects": "object", "events": "event"}


def read_ocel_xml(
    stream: BinaryIO, *, source: str, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Record | Fault]:
    """The events of an OCEL 2.0 log as XML in the order of the file; `position` is their ordinal.

    As `read_ocel_json`. The file is read twice, first for its objects, and of its events none but one is held.
    Raises UnreadableFile, also on any document type declaration (and so on any entity).
    """
    objects = Objects()
    links: list[tuple[str, str]] = []
    for one in _members(stream, "objects", max_record_bytes):
        if not one.id or not one.type or one.too_long:
            continue
        objects.add(one.id, one.type)
        for name, time, value in one.attributes:
            objects.say(one.id, name, time, value)
        links += [(one.id, other) for other, _ in one.related]
    for here, there in links:
        objects.link(here, there)
    stream.seek(0)
    seen: set[str] = set()
    for position, one in enumerate(_members(stream, "events", max_record_bytes), 1):
        where = f"event {one.id[:200]!r}" if one.id else f"event {position}"
        if one.too_long:
            yield Fault(position, where, f"is longer than {max_record_bytes} characters")
        elif one.id in seen:
            yield Fault(position, where, "has the id of an event before it")
        else:
            own = {name: value for name, _, value in one.attributes}
            made = ocel_record(position, one.id, one.type, one.time, own, one.related, objects, source)
            if isinstance(made, Record):
                seen.add(one.id)
            yield made


@dataclass(slots=True)
class _Member:
    """An object or an event with what stands in it."""

    id: str
    type: str
    time: str
    attributes: list[tuple[str, str | None, Any]] = field(default_factory=list)
    related: list[Related] = field(default_factory=list)
    length: int = 0
    too_long: bool = False


def _members(stream: BinaryIO, part: str, max_record_bytes: int) -> Iterator[_Member]:
    """The members of one part of the log, `objects` or `events`. Raises UnreadableFile."""
    parser = expat.ParserCreate()
    log = _Parts(parser, part, max_record_bytes)
    yield from feed(parser, stream, log.take, max_record_bytes)


class _Parts:
    """What the parser's handlers remember between two elements."""

    def __init__(self, parser: expat.XMLParserType, part: str, max_record_bytes: int) -> None:
        self._parser = parser
        self._part = part
        self._max_bytes = max_record_bytes
        self._out: list[_Member] = []
        self._path: list[str] = []
        self._deeper = 0
        self._member: _Member | None = None
        self._attribute: tuple[str, str | None] | None = None
        self._text: list[str] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype

    def take(self) -> list[_Member]:
        out, self._out = self._out, []
        return out

    def _start(self, tag: str, said: dict[str, str]) -> None:
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        # Nothing that counts stands deeper, and what stands there is not remembered.
        if len(self._path) >= 8 or self._deeper:
            self._deeper += 1
            return
        if not self._path and tag != "log":
            self._fail(f"not an OCEL log: its root is <{tag[:80]}>")
        self._path.append(tag)
        member = self._member
        if self._path == ["log", self._part, _MEMBERS[self._part]]:
            self._member = _Member(said.get("id", ""), said.get("type", ""), said.get("time", ""))
        elif member is not None:
            member.length += sum(len(name) + len(value) for name, value in said.items()) + len(tag)
            self._bound(member)
            if tag == "attribute" and len(self._path) == 5 and not member.too_long:
                self._attribute, self._text = (said.get("name", ""), said.get("time")), []
            elif tag == "relationship" and len(self._path) == 5 and not member.too_long and said.get("object-id"):
                member.related.append((said["object-id"], said.get("qualifier", "")))

    def _end(self, _tag: str) -> None:
        if self._deeper:
            self._deeper -= 1
            return
        member = self._member
        if member is not None and len(self._path) == 3:
            self._out.append(member)
            self._member = None
        elif member is not None and self._attribute is not None and len(self._path) == 5:
            name, time = self._attribute
            if name:
                member.attributes.append((name, time, "".join(self._text)))
            self._attribute = None
        self._path.pop()

    def _characters(self, text: str) -> None:
        if self._member is not None and self._attribute is not None:
            self._member.length += len(text)
            self._bound(self._member)
            self._text.append(text)

    def _bound(self, member: _Member) -> None:
        if member.length > self._max_bytes:
            member.too_long = True
            member.attributes, member.related, self._text, self._attribute = [], [], [], None

    def _refuse_doctype(self, *_: object) -> None:
        self._fail("a document type declaration is refused")

    def _fail(self, reason: str) -> NoReturn:
        raise UnreadableFile(reason, line=self._parser.CurrentLineNumber, byte=self._parser.CurrentByteIndex)
