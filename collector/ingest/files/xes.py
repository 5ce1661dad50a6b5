from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

from collector.ingest.files.record import MAX_RECORD_BYTES, Fault, Record, UnreadableFile
from collector.ingest.files.timestamps import rfc3339
from collector.ingest.files.xml_feed import feed

__all__ = ["read_xes"]

_NAME = "concept:name"
_TIME = "time:timestamp"
_TRANSITION = "lifecycle:transition"

_MAX_DEPTH = 64
_TEXT_TAGS = frozenset(("string", "id"))
_TYPED_TAGS = frozenset(("int", "float", "boolean", "date"))
_INT64 = range(-(2**63), 2**63)


def read_xes(stream: BinaryIO, *, source: str, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Record | Fault]:
    """The events of a XES log (IEEE 1849) in the order of the file; `position` is the event's ordinal in it.

    An event's `id` is `<case>#<ordinal in its case>`, so reading a log twice gives the same events; `type` is its
    concept:name; `data` holds `case`, `activity`, `lifecycle` (where the event has a transition), `trace` and
    `event` (their attributes by key, typed, dates as RFC 3339 in UTC; a value that is not what its element says
    stays text). A container is an object, a list an array of its values; an attribute nested in a plain one is
    named `<outer key>.<key>`. A trace without a name is `case-<ordinal of the trace>`; a trace's
    attributes stand before its events, later ones are not read. Times are kept however odd;
    without an offset they are UTC. The log's `global` defaults and classifiers are not applied.

    Memory: the event being read, the attributes of its trace, and one counter per case name.
    Raises UnreadableFile, also on any document type declaration (and so on any entity).
    """
    parser = expat.ParserCreate()
    log = _Log(parser, source, max_record_bytes)
    yield from feed(parser, stream, log.take, max_record_bytes)


class _Log:
    """What the parser's handlers remember between two elements."""

    def __init__(self, parser: expat.XMLParserType, source: str, max_record_bytes: int) -> None:
        self._parser = parser
        self._source = source
        self._max_bytes = max_record_bytes
        self._out: list[Record | Fault] = []
        self._ordinals: dict[str, int] = {}
        self._skipping = 0
        self._in_log = False
        self._position = 0
        self._traces = 0
        self._case: str | None = None
        self._trace: dict[str, Any] | None = None
        self._trace_bytes = 0
        self._trace_broken = False
        self._event: dict[str, Any] | None = None
        self._event_bytes = 0
        # Open attributes, outermost first: where their children go, the key these hang on, and the array that
        # receives the object when it is complete.
        self._open: list[tuple[dict[str, Any] | list[Any], str, list[Any] | None]] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_entity

    def take(self) -> list[Record | Fault]:
        out, self._out = self._out, []
        return out

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._skipping:
            self._skipping += 1
            return
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if self._event is not None or (self._trace is not None and tag != "event"):
            self._start_attribute(tag, attributes)
        elif tag == "event" and self._in_log:
            self._event, self._event_bytes = {}, 0
        elif tag == "trace" and self._in_log:
            self._traces += 1
            self._trace, self._trace_bytes, self._trace_broken, self._case = {}, 0, False, None
        elif not self._in_log:
            if tag != "log":
                self._fail(f"not a XES log: its root is <{tag[:80]}>")
            self._in_log = True
        else:
            self._skipping = 1

    def _end(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
        elif self._open:
            sink, _, array = self._open.pop()
            if array is not None:
                # A plain item without attributes of its own is its value.
                alone = isinstance(sink, dict) and len(sink) == 1 and tag.rpartition(":")[2] != "container"
                array.append(next(iter(sink.values())) if alone and isinstance(sink, dict) else sink)
        elif self._event is not None:
            self._end_event()
        elif self._trace is not None:
            self._trace = None

    def _start_attribute(self, tag: str, attributes: dict[str, str]) -> None:
        key = attributes.get("key")
        sink: dict[str, Any] | list[Any]
        if self._open:
            sink, outer, _ = self._open[-1]
            if tag == "values" and isinstance(sink, list):
                self._open.append((sink, outer, None))
                return
            if key and outer:
                key = f"{outer}.{key}"
        elif self._event is not None:
            sink = self._event
        else:
            # The standard has a trace's attributes before its events; the events already read share this object.
            sink = self._trace if self._trace is not None else {}
            key = key if self._case is None else None
        if not key or len(self._open) >= _MAX_DEPTH or not self._afford(key, attributes.get("value", "")):
            self._skipping = 1
            return
        value: Any
        if tag == "container":
            value = {}
        elif tag == "list":
            value = []
        else:
            text = attributes.get("value")
            if text is None:
                self._skipping = 1
                return
            if tag in _TEXT_TAGS:
                value = text
            elif tag in _TYPED_TAGS:
                value = _typed(tag, text)
            else:
                self._skipping = 1
                return
            if isinstance(sink, list):
                item = {key: value}
                self._open.append((item, key, sink))
            else:
                sink[key] = value
                self._open.append((sink, key, None))
            return
        if isinstance(sink, list):
            self._open.append((value, "", sink))
        else:
            sink[key] = value
            self._open.append((value, "", None))

    def _afford(self, key: str, text: str) -> bool:
        """Whether the event (or trace) may still grow by this attribute; once not, it is never used."""
        size = len(key) + len(text)
        if self._event is not None:
            self._event_bytes += size
            return self._event_bytes <= self._max_bytes
        self._trace_bytes += size
        self._trace_broken = self._trace_bytes > self._max_bytes
        return not self._trace_broken

    def _end_event(self) -> None:
        event, self._event = self._event or {}, None
        self._position += 1
        if self._trace is None:
            self._fault("event", "stands outside a trace")
            return
        case = self._case or self._open_case(self._trace)
        ordinal = self._ordinals.get(case, 0) + 1
        self._ordinals[case] = ordinal
        where = f"{case[:200]}, event {ordinal}"
        activity, time = event.get(_NAME), event.get(_TIME)
        if self._trace_broken or self._event_bytes > self._max_bytes:
            what = "its trace's attributes are" if self._trace_broken else "it is"
            self._fault(where, f"{what} longer than {self._max_bytes} characters")
        elif not isinstance(activity, str) or not activity.strip():
            self._fault(where, f"without {_NAME}")
        elif not isinstance(time, str):
            self._fault(where, f"without {_TIME}")
        elif (occurred := rfc3339(time)) is None:
            self._fault(where, f"{_TIME} {time[:60]!r} is no time")
        else:
            data = {"case": case, "activity": activity, "trace": self._trace, "event": event}
            if _TRANSITION in event:
                data["lifecycle"] = event[_TRANSITION]
            self._out.append(
                Record(
                    self._position,
                    {
                        "specversion": "1.0",
                        "id": f"{case}#{ordinal}",
                        "source": self._source,
                        "type": activity,
                        "time": occurred,
                        "data": data,
                    },
                )
            )

    def _open_case(self, trace: dict[str, Any]) -> str:
        name = trace.get(_NAME)
        named = name is not None and str(name).strip() and not isinstance(name, dict | list)
        self._case = str(name) if named else f"case-{self._traces}"
        return self._case

    def _fault(self, where: str, reason: str) -> None:
        self._out.append(Fault(self._position, f"{where}, line {self._parser.CurrentLineNumber}", reason))

    def _refuse_doctype(self, *_: object) -> None:
        self._fail("a document type declaration is refused")

    def _refuse_entity(self, *_: object) -> None:
        self._fail("an entity declaration is refused")

    def _fail(self, reason: str) -> NoReturn:
        raise UnreadableFile(reason, line=self._parser.CurrentLineNumber, byte=self._parser.CurrentByteIndex)


def _typed(tag: str, text: str) -> str | int | float | bool:
    if tag == "date":
        return rfc3339(text) or text
    if tag == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower(), text)
    try:
        if tag == "int":
            whole = int(text)
            return whole if whole in _INT64 else text
        number = float(text)
    except ValueError:
        return text
    # JSON has no word for infinity or not-a-number.
    return number if math.isfinite(number) else text
