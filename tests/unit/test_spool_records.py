"""Records of the spool: what was torn or damaged is told from what was not, and nobody can forge one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.spool.records import HEAD, Record, Unreadable, encode, scan
from tests.examples import examples

MARK = b"\x00randomM"
RECORDS = st.lists(
    st.builds(
        Record,
        st.integers(-(2**60), 2**60),
        st.integers(0, 2**31),
        st.binary(max_size=60) | st.just(MARK) | st.just(encode(Record(1, 1, b"x"), MARK)),
        st.none() | st.tuples(st.integers(1, 2**63), st.integers(0, 2**31)),
    ),
    max_size=6,
)


def write(records: list[Record]) -> bytes:
    return b"".join(encode(record, MARK) for record in records)


def read(data: bytes) -> list[Record]:
    return [one for _, one in scan(data, MARK) if isinstance(one, Record)]


@given(RECORDS)
def test_what_was_written_is_read(records: list[Record]) -> None:
    found = list(scan(write(records), MARK))
    assert [one for _, one in found] == records
    assert [ends for ends, _ in found] == [len(write(records[: place + 1])) for place in range(len(records))]


@given(RECORDS, st.data())
@settings(max_examples=examples(400))
def test_of_a_torn_file_all_is_read_that_was_whole(records: list[Record], data: st.DataObject) -> None:
    whole = write(records)
    at = data.draw(st.integers(0, len(whole)))
    kept = [record for place, record in enumerate(records) if len(write(records[: place + 1])) <= at]
    # A record may hold the bytes of another one; what is torn may then look like that.
    assert read(whole[:at])[: len(kept)] == kept


@given(RECORDS.filter(bool), st.data())
@settings(max_examples=examples(400))
def test_a_flipped_bit_costs_one_record_at_most(records: list[Record], data: st.DataObject) -> None:
    records = [record for record in records if MARK not in record.kept]
    whole = bytearray(write(records))
    if not whole:
        return
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    hit = next(place for place in range(len(records)) if at < len(write(records[: place + 1])))
    assert read(bytes(whole)) == records[:hit] + records[hit + 1 :]
    begins = len(write(records[:hit]))
    unreadable = [one for _, one in scan(bytes(whole), MARK) if isinstance(one, Unreadable)]
    assert unreadable == [Unreadable(begins, begins + records[hit].size)]


@given(st.binary(max_size=400))
def test_rubbish_is_passed_over_whole(data: bytes) -> None:
    found = list(scan(data, MARK))
    assert read(data) == []
    assert [one for _, one in found] == ([Unreadable(0, len(data))] if data else [])


@given(RECORDS, st.binary(max_size=100), RECORDS)
def test_what_lies_behind_rubbish_is_found(before: list[Record], rubbish: bytes, after: list[Record]) -> None:
    assert read(write(before) + rubbish + write(after)) == before + after


def test_what_somebody_sends_is_never_taken_for_a_record_of_a_file_whose_mark_he_does_not_know() -> None:
    forged = encode(Record(1, 1, b"I am of another source"), b"\xff" * 8)
    whole = bytearray(write([Record(2, 1, forged), Record(3, 1, b"next")]))
    whole[HEAD - 1] ^= 1
    assert read(bytes(whole)) == [Record(3, 1, b"next")]
