"""The spool on a real disk: durable or refused, bounded, in order, and taken up by the next process."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from collector.spool import segments
from collector.spool.records import Record
from collector.spool.segments import Spool, SpoolFull, SpoolUnusable
from tests.examples import examples

LIMIT = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def opened(folder: Path, limit: int = LIMIT) -> Spool:
    return Spool(folder, limit, left_free=0)


def record(number: int, kept: bytes = b"body") -> Record:
    return Record(1_000_000 + number, 1, kept + b"%d" % number)


def drain(spool: Spool, most: int = 2**20) -> Iterator[Record]:
    while (taken := spool.take(most)) is not None:
        yield from (one for _, one in taken.records)
        spool.taken(taken.segment, taken.records[-1][0])


def test_what_was_added_is_taken_in_order_also_by_the_next_process(folder: Path) -> None:
    wanted = [record(number) for number in range(100)]
    spool = opened(folder)
    for one in wanted[:50]:
        spool.add([one])
    spool.add(wanted[50:])
    assert (spool.held.records, spool.held.count, spool.held.oldest) == (100, 100, wanted[0].received_at)
    spool.close()
    again = opened(folder)
    assert again.id == spool.id
    assert again.held == spool.held
    assert list(drain(again, most=200)) == wanted
    assert again.empty
    assert [path.name for path in folder.iterdir() if path.suffix == ".spool"] == []


def test_nobody_else_may_read_it(folder: Path) -> None:
    spool = opened(folder)
    spool.add([record(1)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_two_processes_never_share_a_folder(folder: Path) -> None:
    spool = opened(folder)
    with pytest.raises(SpoolUnusable, match="another process"):
        opened(folder)
    spool.close()
    opened(folder).close()


def test_a_folder_that_lost_its_id_is_not_taken_for_another(folder: Path) -> None:
    opened(folder).close()
    (folder / "id").write_text("")
    with pytest.raises(SpoolUnusable, match="not the id"):
        opened(folder)


def test_it_never_takes_more_than_its_limit_and_says_so(folder: Path) -> None:
    spool = opened(folder, limit=1000)
    spool.add([record(1, b"x" * 600)])
    with pytest.raises(SpoolFull, match="of 1,000 bytes"):
        spool.add([record(2, b"x" * 600)])
    spool.add([record(3)])
    assert [one.received_at for one in drain(spool)] == [1_000_001, 1_000_003]
    spool.add([record(2, b"x" * 600)])


def test_it_leaves_room_on_the_disk_for_others(folder: Path) -> None:
    spool = Spool(folder, LIMIT, left_free=2**62)
    with pytest.raises(SpoolFull, match="stay free"):
        spool.add([record(1)])
    assert spool.empty


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_refuses_and_what_was_there_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(folder)
    spool.add([record(1)])
    assert spool._file is not None
    with Path("/dev/full").open("wb", buffering=0) as full, monkeypatch.context() as patched:
        # The system says itself that there is no room: write(2) on this device fails with ENOSPC.
        patched.setattr(segments.os, "write", lambda _file, data, write=os.write: write(full.fileno(), data))
        with pytest.raises(SpoolFull, match="No space left"):
            spool.add([record(2)])
    spool.add([record(3)])
    spool.close()
    assert list(drain(opened(folder))) == [record(1), record(3)]


def test_after_a_failed_fsync_nothing_is_added_behind_what_nobody_knows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(folder)
    spool.add([record(1)])
    with monkeypatch.context() as patched:

        def fail(_file: int) -> None:
            raise OSError(5, "Input/output error")

        patched.setattr(segments.os, "fsync", fail)
        with pytest.raises(SpoolFull, match="Input/output"):
            spool.add([record(2)])
    spool.add([record(3)])
    assert len(list(folder.glob("*.spool"))) == 2
    assert list(drain(spool)) == [record(1), record(3)]


def test_a_torn_tail_is_said_and_what_comes_next_is_not_lost_in_it(folder: Path) -> None:
    spool = opened(folder)
    spool.add([record(1), record(2)])
    spool.close()
    (path,) = folder.glob("*.spool")
    path.write_bytes(path.read_bytes()[:-3])
    with structlog.testing.capture_logs() as said:
        again = opened(folder)
    assert [one["event"] for one in said] == ["spool_tail_torn"]
    again.add([record(3)])
    assert list(drain(again)) == [record(1), record(3)]


def test_a_damaged_record_is_said_kept_aside_and_passed_over(folder: Path) -> None:
    spool = opened(folder)
    spool.add([record(1), record(2), record(3)])
    (path,) = folder.glob("*.spool")
    whole = bytearray(path.read_bytes())
    whole[record(1).size + 40] ^= 1
    path.write_bytes(whole)
    with structlog.testing.capture_logs() as said:
        assert list(drain(spool, most=1)) == [record(1), record(3)]
    (damage,) = said
    assert (damage["event"], damage["begins"], damage["log_level"]) == ("spool_damaged", record(1).size, "error")
    assert [one.read_bytes() for one in folder.glob("*.damaged")] == [bytes(whole)]


def test_a_clock_that_was_set_back_does_not_change_the_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 1)
    spool = opened(folder)
    for number, now in enumerate([3_000_000, 2_000_000, 1_000_000]):
        monkeypatch.setattr(segments.time, "time_ns", lambda now=now: now * 1000)
        spool.add([record(number)])
    spool.close()
    assert list(drain(opened(folder))) == [record(number) for number in range(3)]


class Lives(RuleBasedStateMachine):
    """A spool that is killed at any moment: what was added is taken, in order, from where it was taken before."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.TemporaryDirectory()
        self.folder = Path(self.root.name)
        self.spool = opened(self.folder)
        self.number = 0
        self.wanted: list[Record] = []
        self.place: tuple[object, int] | None = None
        """What the database knows."""

    @rule(count=st.integers(1, 5), size=st.integers(0, 500))
    def add(self, count: int, size: int) -> None:
        records = [record(self.number + more, b"x" * size) for more in range(count)]
        self.number += count
        self.spool.add(records)
        self.wanted += records

    @rule(most=st.integers(1, 2_000), told=st.booleans())
    def take(self, most: int, told: bool) -> None:
        taken = self.spool.take(most)
        assert (taken is None) == (not self.wanted)
        if taken is None:
            return
        found = [one for _, one in taken.records]
        assert found == self.wanted[: len(found)]
        del self.wanted[: len(found)]
        self.place = (taken.segment, taken.records[-1][0])
        if told:
            self.spool.taken(taken.segment, taken.records[-1][0])
        else:
            # Killed after the commit, before anything could be deleted.
            self.live_again(0)

    @precondition(lambda self: self.folder)
    @rule(torn=st.integers(0, 30))
    def live_again(self, torn: int) -> None:
        self.spool.close()
        paths = sorted(self.folder.glob("*.spool"))
        if torn and paths:
            with paths[-1].open("ab") as file:
                file.write(os.urandom(torn))
        self.spool = opened(self.folder)
        if self.place is not None:
            self.spool.taken(*self.place)  # type: ignore[arg-type]

    @invariant()
    def what_it_says_of_itself_is_true(self) -> None:
        held = self.spool.held
        assert held.records == len(self.wanted)
        assert held.oldest == (self.wanted[0].received_at if self.wanted else None)
        assert self.spool.empty == (not self.wanted)

    def teardown(self) -> None:
        self.spool.close()
        self.root.cleanup()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=examples(60), stateful_step_count=25)


@given(st.integers(0, 60), st.integers(0, 7))
@settings(max_examples=examples(60))
def test_whatever_bit_flips_the_rest_is_taken(at: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        spool = opened(Path(root))
        spool.add([record(1), record(2), record(3)])
        spool.close()
        (path,) = Path(root).glob("*.spool")
        whole = bytearray(path.read_bytes())
        whole[at] ^= 1 << bit
        path.write_bytes(whole)
        again = opened(Path(root))
        found = list(drain(again))
        again.close()
    hit = at // record(1).size
    assert found == [one for place, one in enumerate([record(1), record(2), record(3)]) if place != hit]
