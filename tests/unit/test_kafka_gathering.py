"""Gathering: of whatever members read, and whoever appends it, each record is in the log once and in order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ingest.kafka.gathering import MOST_RECORDS, Gathering, Start, Stretch, halves, start
from collector.ingest.kafka.records import Record
from collector.log import MAX_COMMIT_BYTES
from tests.examples import examples

A, B = ("a", 0), ("b", 1)


def record(partition: tuple[str, int], offset: int, value: bytes = b"") -> Record:
    return Record(*partition, offset, value, (), None)


def test_what_is_of_no_partition_of_ours_or_was_read_before_does_not_count() -> None:
    gathering = Gathering()
    gathering.begin(A, 5, 5)
    for offset in (3, 4, 5, 6, 6, 5, 9):
        gathering.add(record(A, offset))
    gathering.add(record(B, 0))
    (found,) = gathering.stretches()
    assert (found.partition, found.begun_at, found.until) == (A, 5, 10)
    assert [one.offset for one in found.records] == [5, 6, 9]
    assert gathering.partitions == {A: 10}


def test_a_partition_that_is_taken_away_takes_what_was_read_of_it_along() -> None:
    gathering = Gathering()
    gathering.begin(A, 0, 0)
    gathering.begin(B, 0, 0)
    for offset in range(3):
        gathering.add(record(A, offset))
        gathering.add(record(B, offset))
    gathering.end(A)
    gathering.end(A)
    assert [one.partition for one in gathering.stretches()] == [B]
    gathering.end(B)
    assert gathering.empty
    assert gathering.stretches() == []


def test_enough_is_so_many_records_or_so_many_bytes() -> None:
    gathering = Gathering()
    gathering.begin(A, 0, 0)
    for offset in range(MOST_RECORDS):
        assert not gathering.full
        gathering.add(record(A, offset))
    assert gathering.full
    gathering.appended(gathering.stretches()[0])
    assert not gathering.full
    assert gathering.empty
    gathering.add(record(A, MOST_RECORDS, bytes(MAX_COMMIT_BYTES)))
    assert gathering.full


def test_what_was_appended_in_parts_is_followed_by_the_rest() -> None:
    gathering = Gathering()
    gathering.begin(A, 0, 0)
    for offset in range(5):
        gathering.add(record(A, offset))
    parts = halves(gathering.stretches())
    assert parts is not None
    first, second = parts
    gathering.appended(first[0])
    assert gathering.stretches() == second


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 3)), min_size=1, max_size=12))
def test_halves_of_halves_are_every_record_by_itself_in_order(steps: list[tuple[tuple[str, int], int]]) -> None:
    gathering = Gathering()
    at = {A: 0, B: 0}
    for partition in at:
        gathering.begin(partition, 0, 0)
    for partition, step in steps:
        at[partition] += step
        gathering.add(record(partition, at[partition] - 1))
    single: list[Stretch] = []

    def divide(stretches: list[Stretch]) -> None:
        parts = halves(stretches)
        if parts is None:
            single.extend(stretches)
        for part in parts or ():
            divide(part)

    divide(gathering.stretches())
    for whole in gathering.stretches():
        of_it = [one for one in single if one.partition == whole.partition]
        assert [one.records[0] for one in of_it] == whole.records
        assert [len(one.records) for one in of_it] == [1] * len(of_it)
        assert of_it[0].begun_at == whole.begun_at
        assert of_it[-1].until == whole.until
        assert all(one.until == following.begun_at for one, following in itertools.pairwise(of_it))


def test_reading_begins_where_the_log_ends_unless_the_brokers_have_not_got_that() -> None:
    assert start(5, 0, 9) == Start(5)
    assert start(9, 0, 9) == Start(9)
    assert start(5, 7, 9) == Start(7, lost=2)
    assert start(5, 0, 4) == Start(0, anew=True)
    assert start(0, 0, 0) == Start(0)


@dataclass
class Member:
    """A member as the group and the brokers make it: what it believes to be its own need not be any more."""

    gathering: Gathering = field(default_factory=Gathering)
    reads_at: dict[tuple[str, int], int] = field(default_factory=dict)


@settings(max_examples=examples(300))
@given(st.data())
def test_whatever_members_believe_each_record_is_appended_once_and_in_order(data: st.DataObject) -> None:
    # Offsets may have gaps, as after compaction and transactions.
    offsets = sorted(data.draw(st.sets(st.integers(0, 40), max_size=25)))
    stored, log = 0, list[int]()
    members = [Member() for _ in range(3)]

    def append(member: Member) -> None:
        """What `append_stretches` does in one transaction."""
        nonlocal stored
        for one in member.gathering.stretches():
            if one.begun_at == stored:
                stored = one.until
                log.extend(record.offset for record in one.records)
                member.gathering.appended(one)
            else:
                give(member)

    def give(member: Member) -> None:
        member.gathering.begin(A, stored, stored)
        member.reads_at[A] = stored

    def read(member: Member) -> None:
        if A in member.reads_at:
            found = next((offset for offset in offsets if offset >= member.reads_at[A]), None)
            if found is not None:
                member.reads_at[A] = found + 1
                member.gathering.add(record(A, found))

    def take_away(member: Member) -> None:
        member.gathering.end(A)
        member.reads_at.pop(A, None)

    acts = st.tuples(st.sampled_from(members), st.sampled_from([give, read, read, read, append, take_away]))
    for member, act in data.draw(st.lists(acts, max_size=80)):
        act(member)
        assert log == [offset for offset in offsets if offset < stored]
    for _ in offsets:
        for member in members[:1]:
            give(member)
            read(member)
            append(member)
    assert log == offsets
