from __future__ import annotations

import gzip
import io
import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pytest

from collector.ingest.files import Fault, Record, UnreadableFile, open_source, read_xes

NAME = '<string key="concept:name" value="{}"/>'
TIME = '<date key="time:timestamp" value="2024-01-01T10:00:00+01:00"/>'


def event(*inside: str, name: str = "pay") -> str:
    return f"<event>{NAME.format(name)}{TIME}{''.join(inside)}</event>"


def trace(*inside: str, name: str | None = "A") -> str:
    return f"<trace>{NAME.format(name) if name is not None else ''}{''.join(inside)}</trace>"


def log(*inside: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><log xes.version="1.0">{"".join(inside)}</log>'.encode()


def read(content: bytes, **options: int) -> list[Record | Fault]:
    return list(read_xes(io.BytesIO(content), source="xes:test", **options))


def events(found: list[Record | Fault]) -> list[dict[str, Any]]:
    assert not [entry for entry in found if isinstance(entry, Fault)]
    return [entry.event for entry in found if isinstance(entry, Record)]


def attributes(*inside: str) -> dict[str, Any]:
    (found,) = events(read(log(trace(event(*inside)))))
    orjson.dumps(found)
    given = dict(found["data"]["event"])
    del given["concept:name"], given["time:timestamp"]
    return given


def test_an_event_of_a_log() -> None:
    content = log(
        '<extension name="Time" prefix="time" uri="u"/>',
        '<global scope="event"><string key="org:resource" value="UNKNOWN"/></global>',
        '<classifier name="c" keys="concept:name"/>',
        '<string key="meta" value="m"><int key="deep" value="1"/></string>',
        trace('<int key="amount" value="12"/>', event('<string key="lifecycle:transition" value="complete"/>')),
    )
    assert events(read(content)) == [
        {
            "specversion": "1.0",
            "id": "A#1",
            "source": "xes:test",
            "type": "pay",
            "time": "2024-01-01T09:00:00Z",
            "data": {
                "case": "A",
                "activity": "pay",
                "lifecycle": "complete",
                "trace": {"concept:name": "A", "amount": 12},
                "event": {
                    "concept:name": "pay",
                    "time:timestamp": "2024-01-01T09:00:00Z",
                    "lifecycle:transition": "complete",
                },
            },
        }
    ]


def test_ids_are_unique_where_a_case_comes_twice_and_nameless_traces_are_numbered() -> None:
    content = log(
        trace(event(), event()),
        trace(event(), name=None),
        trace(event()),
        trace(event(), name=" "),
        trace(name="Z"),
    )
    found = read(content)
    assert [entry["id"] for entry in events(found)] == ["A#1", "A#2", "case-2#1", "A#3", "case-4#1"]
    assert [entry.position for entry in found] == [1, 2, 3, 4, 5]
    assert found == read(content)


def test_values_have_their_types_and_what_is_not_one_stays_text() -> None:
    assert attributes(
        '<int key="i" value="-3"/><float key="f" value="1.5e3"/><boolean key="b" value="True"/>',
        '<date key="d" value="2019/11/03 01:11:19.000"/><id key="u" value="x-1"/>',
        '<int key="i2" value="9223372036854775808"/><int key="i3" value=""/><float key="f2" value="NaN"/>',
        '<float key="f3" value="1e999"/><date key="d2" value="soon"/><boolean key="b2" value="maybe"/>',
        '<string value="no key"/><string key="" value="empty key"/><string key="no value"/><odd key="k" value="v"/>',
    ) == {
        "i": -3, "f": 1500.0, "b": True, "d": "2019-11-03T01:11:19Z", "u": "x-1",
        "i2": "9223372036854775808", "i3": "", "f2": "NaN", "f3": "1e999", "d2": "soon", "b2": "maybe",
    }  # fmt: skip


def test_nested_attributes() -> None:
    assert attributes(
        '<string key="a" value="1"><int key="b" value="2"><int key="c" value="3"/></int></string>',
        '<container key="box"><int key="n" value="1"/><container key="in"><int key="m" value="2"/></container></container>',
        '<list key="l"><values><int key="x" value="1"/><int key="x" value="2"><int key="y" value="3"/></int>',
        '<container key="x"><int key="z" value="4"/></container><list key="x"><values/></list></values></list>',
        '<list key="old"><string key="s" value="t"/></list><container key="none"/>',
        '<string key="after" value="all"/>',
    ) == {
        "a": "1", "a.b": 2, "a.b.c": 3,
        "box": {"n": 1, "in": {"m": 2}},
        "l": [1, {"x": 2, "x.y": 3}, {"z": 4}, []],
        "old": ["t"], "none": {}, "after": "all",
    }  # fmt: skip


def test_a_namespace_prefix_makes_no_difference() -> None:
    content = log(
        trace(event('<list key="l"><values><container key="c"><int key="n" value="1"/></container></values></list>'))
    )
    prefixed = content.replace(b"</", b"</x:").replace(b"<", b"<x:").replace(b"<x:/x:", b"</x:")
    prefixed = prefixed.replace(b"<x:?", b"<?").replace(b"<x:log", b'<x:log xmlns:x="http://www.xes-standard.org/"')
    assert events(read(prefixed)) == events(read(content))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (f"<event>{TIME}</event>", "without concept:name"),
        (f"<event>{NAME.format(' ')}{TIME}</event>", "without concept:name"),
        (f"<event>{NAME.format('x')}</event>", "without time:timestamp"),
        (f'<event>{NAME.format("x")}<date key="time:timestamp" value="soon"/></event>', "'soon' is no time"),
        (event(f'<string key="k" value="{"x" * 1_000_000}"/>'), "it is longer than 900000"),
        (event('<string key="k" value="v"/>' * 500_000), "it is longer than 900000"),
    ],
)
def test_a_bad_event_is_a_fault_that_keeps_its_number(bad: str, reason: str) -> None:
    first, fault, last = read(log(trace(event(), bad, event())), max_record_bytes=900_000)
    assert isinstance(fault, Fault)
    assert fault.position == 2
    assert fault.where == "A, event 2, line 1"
    assert reason in fault.reason
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert last.event["id"] == "A#3"


def test_an_event_outside_a_trace_and_a_trace_too_large_are_faults() -> None:
    found = read(
        log(event(), trace(f'<string key="k" value="{"x" * 9000}"/>', event()), trace(event(), name="B")),
        max_record_bytes=5000,
    )
    assert [getattr(entry, "reason", None) for entry in found] == [
        "stands outside a trace",
        "its trace's attributes are longer than 5000 characters",
        None,
    ]


def test_a_trace_attribute_after_events_changes_none_of_them() -> None:
    found = events(read(log(trace(event(), '<string key="late" value="1"/>' + NAME.format("B"), event()))))
    assert [entry["id"] for entry in found] == ["A#1", "A#2"]
    assert found[0]["data"]["trace"] == found[1]["data"]["trace"] == {"concept:name": "A"}


def test_a_megabyte_of_text_is_read() -> None:
    assert attributes(f'<string key="k" value="{"x" * 1_000_000}"/>') == {"k": "x" * 1_000_000}


def test_nesting_without_end_is_cut_off() -> None:
    deep = '<string key="k" value="v">' * 50_000 + "</string>" * 50_000
    assert len(attributes(deep)) == 64


BILLION_LAUGHS = """<?xml version="1.0"?><!DOCTYPE log [<!ENTITY a "ha">{}]><log><trace>
<string key="concept:name" value="&z;"/></trace></log>""".format(
    "".join(f'<!ENTITY {chr(n)} "{f"&{chr(n - 1)};" * 10}">' for n in range(ord("b"), ord("z") + 1))
)


@pytest.mark.parametrize(
    "content",
    [
        BILLION_LAUGHS,
        '<!DOCTYPE log SYSTEM "file:///etc/passwd"><log/>',
        '<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]><log>&x;</log>',
        '<!DOCTYPE log [<!ENTITY % x "y">]><log/>',
    ],
)
def test_a_document_type_declaration_is_refused(content: str) -> None:
    with pytest.raises(UnreadableFile, match=r"line 1, byte \d+: .* is refused"):
        read(content.encode())


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b"<trace><event></trace>", "mismatched tag"),
        (b'<trace><string key="\xff\xfe" value="x"/>', "invalid token"),
        (b"<trace>&undefined;", "undefined entity"),
        (b"<trace>\x00", "invalid token"),
        (b"<trace>", "no element found"),
        (b'<string key="k" value="' + b"x" * 9_000_000 + b'"/>', "longer than 4194304"),
    ],
)
def test_a_broken_file_gives_what_stands_before_the_break_and_its_place(tail: bytes, reason: str) -> None:
    found: list[Record | Fault] = []
    content = log(trace(event())).removesuffix(b"</log>") + b"\n" + tail
    with pytest.raises(UnreadableFile, match=reason) as caught:
        found.extend(read_xes(io.BytesIO(content), source="s"))
    assert len(found) == 1
    assert caught.value.line == 2
    assert caught.value.byte is not None
    assert caught.value.byte > content.index(b"\n")


@pytest.mark.parametrize("content", [b"", b"   ", b"{}", b"<html></html>", b"<logs/>", b"\xff\xfe"])
def test_what_is_no_log_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content)


def test_a_truncated_gzip_gives_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "cut.xes.gz"
    names = (f"{n * n * 7919:x}" for n in range(3000))
    path.write_bytes(gzip.compress(log(*(trace(event(), name=name) for name in names)))[:-1000])
    found: list[Record | Fault] = []
    with open_source(path) as opened, pytest.raises(UnreadableFile, match="cut off"):
        found.extend(read_xes(opened.stream, source=opened.default_source))
    assert len(found) > 1000


class Endless:
    """A log of one endless trace, written as it is read."""

    def __init__(self, events: int) -> None:
        head = b"<log><trace>" + NAME.format("A").encode()
        body = itertools.repeat(event().encode() + b" " * 200, events)
        self._parts: Iterator[bytes] = itertools.chain([head], body, [b"</trace></log>"])

    def read(self, _size: int = -1) -> bytes:
        return b"".join(itertools.islice(self._parts, 100))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file() -> None:
    def peak(events: int) -> int:
        tracemalloc.start()
        count = sum(1 for _ in read_xes(cast("BinaryIO", Endless(events)), source="s"))
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == events
        return reached

    assert peak(30_000) < peak(3_000) * 1.5 + 100_000


def test_a_log_of_the_standard_of_2016() -> None:
    placed, paid = events(read((Path(__file__).parents[1] / "data" / "xes-minimal.xes").read_bytes()))
    assert (placed["type"], placed["time"]) == ("place order", "2026-03-02T09:10:00Z")
    assert (paid["type"], paid["time"]) == ("pay order", "2026-03-02T09:35:00Z")
    assert placed["data"]["case"] == paid["data"]["case"] == "SO-20417"
    said = placed["data"]["event"]
    assert (said["amount"], said["items"], said["priority"]) == (1250.0, 3, True)
