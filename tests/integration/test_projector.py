"""What the projector promises beyond the laws: order of commit, deadlines, blindness, dead letters, versions."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import pytest

import collector.projector
from collector.batches import Batch, Writing
from collector.catalogue import Version, register
from collector.changes import Changes
from collector.log import append
from collector.projector import Projector
from collector.reading import LogReader
from collector.reading_ahead import ReadingProcess, _decode_answer
from collector.rebuild import fingerprints, forget, keep_objectives
from collector.store.database import Connection, connect, migrate
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.event import Event
from slo_rules.instants import to_datetime, to_micros
from tests.definition_texts import FULL
from tests.projecting import enroll, helping, log_events, log_row, project, projecting, receive, stored, wipe
from tests.strategies import DEFINITIONS, START, definitions, make_event


def now_of(conn: Connection) -> int:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    conn.commit()
    assert row is not None
    return to_micros(row[0])


def at(conn: Connection, type_: str, ago: int, number: int, source: str = "crm", **data: object) -> Event:
    """An event that occurred `ago` micros before now."""
    return make_event(type_, now_of(conn) - START - ago, number, source, {"order": "SO-1", "tax_code": "V1"} | data)


def changes(conn: Connection) -> list[tuple[str, int]]:
    rows = conn.execute("SELECT verdict, at FROM verdict_change ORDER BY at").fetchall()
    conn.commit()
    return [(verdict, to_micros(moment)) for verdict, moment in rows]


class TestAClockThatIsSetBack:
    def test_what_falls_due_once_more_is_recorded_once(self, conn: Connection) -> None:
        """An event that came after the sweep carries an earlier arrival, and the deadline is passed a second time."""
        catalogue = enroll(conn, definitions())
        for event, until in (
            (make_event("won", 0, 1, "crm", {"order": "SO-1"}), 210 * MINUTE),
            (make_event("linked", 150 * MINUTE, 2, "crm", {"order": "SO-1"}), 215 * MINUTE),
            (make_event("linked", 220 * MINUTE, 3, "crm", {"order": "SO-1"}), 5 * HOUR),
        ):
            receive(conn, [event])
            projector = Projector(catalogue)
            assert projector.acquire(conn)
            projector.apply_batch(conn)
            projector.sweep(conn, START + until)
        assert changes(conn)[-2:] == [("due_soon", START + 3 * HOUR), ("blind", START + 4 * HOUR)]


class TestTheLog:
    def test_a_late_commit_is_not_skipped(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        first, second = at(conn, "won", 0, 1, order="A"), at(conn, "won", 0, 2, order="B")
        with connect(database_url, "slow writer") as slow, connect(database_url, "watch") as watch:
            slow.execute("BEGIN")
            append(slow, [log_row(first)], [], [])
            other = threading.Thread(target=lambda: _write(database_url, second))
            other.start()
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'milepost other' AND wait_event = 'advisory'"
            while not _count(watch, waiting):
                pass
            assert LogReader(catalogue, 10).read(conn, 0, 0) == []
            slow.commit()
            other.join()
        project(conn, catalogue)
        assert [row["title"] for row in sorted(stored(conn), key=lambda row: row["title"])] == ["A", "B"]

    def test_order_of_numbers_is_order_of_commits(self, database_url: str, conn: Connection) -> None:
        events = [[at(conn, "won", 0, 100 * n + m) for m in range(20)] for n in range(8)]
        threads = [threading.Thread(target=_write_all, args=(database_url, batch)) for batch in events]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = conn.execute("SELECT seq, received_at FROM event ORDER BY seq").fetchall()
        assert [row[0] for row in rows] == list(range(1, 161))
        assert [row[1] for row in rows] == sorted(row[1] for row in rows)

    def test_a_clock_that_is_set_back_hides_nothing(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "won", 0, number) for number in range(4)])
        conn.execute("UPDATE event SET received_at = received_at - interval '50 minutes' WHERE seq > 2")
        conn.commit()
        second = LogReader(catalogue, 2).read(conn, 0, 0)[-1]
        following = LogReader(catalogue, 2).read(conn, second.seq, second.received_at)
        assert [parsed.seq for parsed in following] == [3, 4]
        assert following[0].received_at < second.received_at

    def test_what_was_read_ahead_is_not_taken_for_the_end_of_the_log(self, helped: Projector, conn: Connection) -> None:
        """Else deadlines would be judged up to now without what arrived since."""
        log_events(conn, [at(conn, "won", 0, number, order=f"SO-{number}") for number in range(4)])
        first = helped.cycle(conn)
        assert not first.caught_up
        log_events(conn, [at(conn, "won", 0, 4, order="SO-4")])
        report = helped.cycle(conn)
        assert (first.applied + report.applied, report.caught_up) == (5, True)

    def test_within_a_backlog_the_write_under_way_ends_before_anybody_is_judged(
        self, helped: Projector, conn: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(collector.projector, "SWEEP_SECONDS", -1.0)
        written = collector.projector.commit

        def slowly(conn: Connection, writing: Writing) -> Writing:
            with conn.transaction():
                conn.execute("SELECT pg_sleep(0.05)")
                return written(conn, writing)

        monkeypatch.setattr(collector.projector, "commit", slowly)
        reading = helped._helpers.reading if helped._helpers else None
        assert reading is not None
        number = 0
        while reading.chunks < 20:
            log_events(conn, [at(conn, "won", 0, n, order=f"SO-{n}") for n in range(number, number + 30)])
            number += 30
            while not helped.cycle(conn).caught_up:
                pass
        assert _count(conn, "SELECT count(*) FROM instance") == number

    def test_side_by_side_gives_the_same_as_one_after_the_other(self, helped: Projector, conn: Connection) -> None:
        reading = helped._helpers.reading if helped._helpers else None
        assert reading is not None
        types = ("won", "accepted", "noise")
        number = taken = 0
        again: list[Event] = []
        while taken < 20:
            events = [
                at(conn, types[n % 3], n, n, "crm" if n % 3 != 1 else "sap", order=f"SO-{n % 7}")
                for n in range(number, number + 30)
            ]
            number += 30
            log_events(conn, [*events, *again])
            again = events[20:]
            before, caught_up = reading.chunks, False
            while not caught_up:
                caught_up = helped.cycle(conn).caught_up
            taken += reading.chunks - before
        wanted = fingerprints(conn)
        assert _count(conn, "SELECT sum(duplicates) FROM source_state") > 0
        forget(conn, current_definitions=False)
        while not helped.cycle(conn).caught_up:
            pass
        assert fingerprints(conn) == wanted
        forget(conn, current_definitions=False)
        alone = Projector(helped._catalogue)
        alone.acquire(conn)
        while not alone.cycle(conn).caught_up:
            pass
        assert fingerprints(conn) == wanted

    def test_an_instance_that_was_joined_does_not_come_back_with_what_was_looked_up_before(
        self, helped: Projector, conn: Connection
    ) -> None:
        apart = [at(conn, "won", 2, 0, opportunity="O-1"), at(conn, "won", 1, 1, order="SO-2")]
        log_events(conn, [*apart, at(conn, "noise", 0, 2)])
        assert not helped.cycle(conn).caught_up
        assert helped.cycle(conn).caught_up
        assert len(stored(conn)) == 2
        helped._forget()
        filling = [at(conn, "noise", 0, number) for number in range(3, 10)]
        joining = at(conn, "linked", 0, 10, order="SO-2", opportunity="O-1")
        accepted = at(conn, "accepted", 0, 11, "sap", order="SO-2")
        log_events(conn, [*filling[:3], joining, *filling[3:5], accepted, *filling[5:]])
        assert not helped.cycle(conn).caught_up
        _let_everything_arrive(helped)
        while not helped.cycle(conn).caught_up:
            pass
        [one] = stored(conn)
        assert set(one["progress"].milestones) == {"won", "accepted"}
        assert _count(conn, "SELECT count(*) FROM instance_event") == 4
        assert _count(conn, "SELECT count(DISTINCT instance_id) FROM instance_event") == 1

    def test_a_batch_is_written_beside_the_next_where_nobody_stands_by(
        self, database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A write ends only once the batch after it is prepared: who waits for it before that waits in vain."""
        prepared = [threading.Event() for _ in range(4)]
        prepares, writes = iter(prepared), iter(prepared[1:])
        write, prepare = collector.projector.commit, Projector._prepare

        def prepare_and_tell(self: Projector, batch: Batch) -> Writing:
            next(prepares).set()
            return prepare(self, batch)

        def write_when_told(conn: Connection, writing: Writing) -> Writing:
            following = next(writes, None)
            if following is not None and not following.wait(60):
                raise TimeoutError("it is waited for")
            return write(conn, writing)

        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "won", 0, number, order=f"SO-{number}") for number in range(12)])
        monkeypatch.setattr(Projector, "_prepare", prepare_and_tell)
        monkeypatch.setattr(collector.projector, "commit", write_when_told)
        # Before it sweeps it waits for the write, too.
        monkeypatch.setattr(collector.projector, "SWEEP_SECONDS", math.inf)
        with helping(database_url, dividing=True) as helpers:
            found = Projector(catalogue, batch=3, helpers=helpers, share_from=1)
            assert found.acquire(conn)
            found.cycle(conn)
            _begun(found)
            while not found.cycle(conn).caught_up:
                pass
        assert _count(conn, "SELECT count(*) FROM instance") == 12

    def test_what_the_reader_sends_is_taken_while_a_batch_is_prepared(
        self, helped: Projector, conn: Connection
    ) -> None:
        log_events(conn, [at(conn, "won", 0, number, order=f"SO-{number}") for number in range(12)])
        assert not helped.cycle(conn).caught_up
        reading = _begun(helped)
        assert reading._answers is not None
        assert reading._answers.poll(60)
        assert not reading._arrived
        helped._prepare(Batch(0, _touching(helped)))
        assert reading._arrived

    def test_a_failed_write_is_noticed_and_made_good(self, helped: Projector, conn: Connection) -> None:
        log_events(conn, [at(conn, "won", 0, number, order=f"SO-{number}") for number in range(7)])
        assert not helped.cycle(conn).caught_up
        helped._settle()
        conn.execute("UPDATE projection SET seq = 0")
        conn.execute("DELETE FROM instance_event WHERE seq > 5")
        conn.commit()
        moved = [helped.cycle(conn).caught_up for _ in range(4)]
        assert moved[-1]
        assert _count(conn, "SELECT count(*) FROM instance") == 7
        assert _count(conn, "SELECT count(*) FROM instance_event") == 7


def _touching(helped: Projector) -> Changes:
    """Changes of one instance that the projector holds."""
    changes = Changes(99)
    changes.touch(next(iter(helped._cache._held.values())))
    return changes


@pytest.fixture
def helped(database_url: str, conn: Connection) -> Iterator[Projector]:
    """A projector of three events a batch that reads in another process and writes on another thread."""
    catalogue = enroll(conn, definitions())
    with helping(database_url) as helpers:
        found = Projector(catalogue, batch=3, helpers=helpers)
        assert found.acquire(conn)
        yield found


def _let_everything_arrive(projector: Projector) -> None:
    """Wait until all that is read ahead has come, so that it is looked up while what is before it is applied."""
    reading = _begun(projector)
    assert reading._answers is not None
    while True:
        reading._arrived.append(reading._answers.recv_bytes())
        answer = _decode_answer(reading._arrived[-1])
        if answer.number == reading._number and not answer.events:
            return


def _begun(projector: Projector) -> ReadingProcess:
    """The process that reads ahead, once it has said which definitions it knows: its first answer."""
    assert projector._helpers is not None
    reading = projector._helpers.reading
    assert reading._answers is not None
    if not reading.ready:
        reading._answers.recv_bytes()
        reading.ready = True
    return reading


def _write(url: str, event: Event) -> None:
    with connect(url, "other") as other:
        log_events(other, [event])


def _write_all(url: str, events: list[Event]) -> None:
    with connect(url, "other") as other:
        for event in events:
            log_events(other, [event])


def _count(conn: Connection, query: str) -> int:
    row = conn.execute(query).fetchone()
    conn.commit()
    return int(row[0]) if row else 0


class TestDeadlines:
    def test_a_breach_is_recorded_with_the_deadlines_time(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        won = at(conn, "won", 4 * HOUR - MINUTE, 1)
        log_events(conn, [won])
        projector = project(conn, catalogue)
        deadline = won.occurred_at + 4 * HOUR
        assert [row["verdict"] for row in stored(conn)] == ["due_soon"]
        projector.sweep(conn, deadline - 1)
        assert [row["verdict"] for row in stored(conn)] == ["due_soon"]
        projector.sweep(conn, deadline + 17 * SECOND)
        (row,) = stored(conn)
        assert (row["verdict"], row["reason"], row["waiting_for"]) == ("stuck", "overdue", "accepted")
        assert to_micros(row["stuck_since"]) == deadline
        assert changes(conn)[-1] == ("stuck", deadline)

    def test_an_arrival_after_the_deadline_records_the_breach_before_itself(self, conn: Connection) -> None:
        """Nobody swept in between: the record is the same as if somebody had."""
        catalogue = enroll(conn, definitions())
        won = at(conn, "won", 4 * HOUR - SECOND // 2, 1)
        log_events(conn, [won])
        projector = Projector(catalogue)
        projector.acquire(conn)
        projector.apply_batch(conn)
        deadline = won.occurred_at + 4 * HOUR
        while now_of(conn) <= deadline:
            pass
        log_events(conn, [at(conn, "accepted", 0, 2, "sap")])
        projector.apply_batch(conn)
        assert [verdict for verdict, _ in changes(conn)] == ["due_soon", "stuck", "on_track"]
        assert changes(conn)[1] == ("stuck", deadline)

    def test_only_one_projector_works_at_a_time(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        first = Projector(catalogue)
        assert first.acquire(conn)
        with projecting(database_url) as other_conn:
            other = Projector(catalogue)
            assert not other.acquire(other_conn)
            log_events(conn, [at(conn, "won", DAY, 1)])
            first.cycle(conn)
            conn.close()
            while not other.acquire(other_conn):
                pass
            other.cycle(other_conn)
            assert [row["verdict"] for row in stored(other_conn)] == ["stuck"]


class TestBlindness:
    def test_what_waits_for_a_silent_source_is_blind_until_it_is_heard_again(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        won = at(conn, "won", HOUR, 1)
        log_events(conn, [won, at(conn, "noise", 0, 2, "sap")])
        projector = project(conn, catalogue)
        deadline = won.occurred_at + 4 * HOUR
        projector.sweep(conn, deadline + SECOND)
        (row,) = stored(conn)
        assert (row["verdict"], row["reason"]) == ("blind", "source_silent")
        conn.execute("UPDATE source_state SET last_received_at = last_received_at - interval '3 hours'")
        conn.commit()
        log_events(conn, [at(conn, "noise", 0, 3, "sap")])
        again = Projector(catalogue)
        again.acquire(conn)
        again.apply_batch(conn)
        assert [row["verdict"] for row in stored(conn)] == ["on_track"]

    def test_a_source_that_replays_its_past_makes_nothing_stuck_until_it_has_caught_up(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "won", 5 * DAY, 1), at(conn, "noise", 6 * DAY, 2, "sap")])
        project(conn, catalogue)
        assert [(row["verdict"], row["reason"]) for row in stored(conn)] == [("blind", "source_catching_up")]
        log_events(conn, [at(conn, "noise", 0, 3, "sap")])
        project(conn, catalogue)
        assert [(row["verdict"], row["reason"]) for row in stored(conn)] == [("stuck", "overdue")]


class TestOrphans:
    def test_an_orphan_is_told_and_adopted(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        accepted = at(conn, "accepted", 90 * MINUTE, 1, "sap")
        log_events(conn, [accepted, at(conn, "noise", 0, 2)])
        project(conn, catalogue)
        (row,) = stored(conn)
        assert (row["verdict"], row["reason"], row["waiting_for"]) == ("inconsistent", "orphan", "won")
        assert to_micros(row["deadline_at"]) == accepted.occurred_at + HOUR
        log_events(conn, [at(conn, "won", 2 * HOUR, 3)])
        project(conn, catalogue)
        (row,) = stored(conn)
        assert (row["verdict"], row["waiting_for"]) == ("stuck", "shipped")
        before = fingerprints(conn)
        forget(conn, current_definitions=False)
        project(conn, catalogue, batch=1)
        assert fingerprints(conn) == before

    def test_time_makes_an_orphan_of_what_waits_for_its_start(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        accepted = at(conn, "accepted", 0, 1, "sap")
        log_events(conn, [accepted, at(conn, "noise", 0, 2)])
        projector = project(conn, catalogue)
        (row,) = stored(conn)
        assert (row["verdict"], row["reason"]) == ("on_track", "awaiting_start")
        projector.sweep(conn, accepted.occurred_at + 4 * HOUR)
        said = [verdict for verdict, _ in changes(conn)]
        # Shipped is due after an hour, too; at last nothing was heard of the source of the start for three hours.
        assert said == ["on_track", "inconsistent", "blind"]
        (row,) = stored(conn)
        assert (row["reason"], row["waiting_for"]) == ("source_silent", "won")

    def test_an_orphan_is_judged_again_when_the_source_of_its_start_is_heard_again(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "accepted", 90 * MINUTE, 1, "sap"), at(conn, "noise", 5 * DAY, 2)])
        hear = "UPDATE source_state SET last_received_at = last_received_at - interval '2 hours' WHERE source = 'crm'"
        project(conn, catalogue)
        conn.execute(hear)
        conn.commit()
        log_events(conn, [at(conn, "accepted", 80 * MINUTE, 3, "sap")])
        project(conn, catalogue)
        assert [row["reason"] for row in stored(conn)] == ["orphan"]
        conn.execute(hear)
        conn.commit()
        # After four hours it sends its past: the start may be among that.
        log_events(conn, [at(conn, "noise", 4 * DAY, 4)])
        again = Projector(catalogue)
        again.acquire(conn)
        again.apply_batch(conn)
        assert [(row["verdict"], row["reason"]) for row in stored(conn)] == [("blind", "source_catching_up")]


class TestClocks:
    def test_how_far_a_clock_runs_ahead_is_kept_however_it_is_applied(self, conn: Connection) -> None:
        events = [
            make_event("noise", at + ahead, number, "crm", {}, at)
            for number, (at, ahead) in enumerate(
                [(1, 5 * HOUR), (2, 0), (3, -HOUR), (DAY, MINUTE), (DAY + 1, 0), (DAY + 2, 4 * MINUTE), (2 * DAY, 0)]
            )
        ]
        found = []
        for batch in (1, 2, 3, 1000):
            wipe(conn)
            catalogue = enroll(conn, definitions())
            receive(conn, events)
            project(conn, catalogue, batch=batch)
            query = "SELECT ahead, ahead_most, ahead_day, ahead_most_of_day FROM source_state WHERE source = 'crm'"
            found.append(conn.execute(query).fetchall())
            conn.commit()
        day = to_datetime((START + DAY) // DAY * DAY)
        assert found == [[(3, 5 * HOUR, day, 4 * MINUTE)]] * 4

    def test_what_was_applied_before_it_was_kept_is_kept_after_a_migration(
        self, database_url: str, conn: Connection
    ) -> None:
        catalogue = enroll(conn, definitions())
        days = [(1, HOUR), (2, 0), (DAY, MINUTE), (DAY + 2, 4 * MINUTE + 7), (2 * DAY, -MINUTE)]
        receive(conn, [make_event("noise", at + by, n, "crm", {}, at) for n, (at, by) in enumerate(days)])
        project(conn, catalogue)
        before = fingerprints(conn)
        conn.execute("UPDATE source_state SET ahead = 0, ahead_most = 0, ahead_day = NULL, ahead_most_of_day = 0")
        conn.execute("UPDATE alembic_version SET version_num = '0006'")
        conn.commit()
        migrate(database_url)
        # A later migration has everything derived anew.
        project(conn, catalogue)
        assert fingerprints(conn) == before


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize("value", ["", "0", "N/A", "null", "00000000-0000-0000-0000-000000000000", None, [], {}])
    def test_placeholders_never_join(self, conn: Connection, value: object) -> None:
        catalogue = enroll(conn, definitions())
        log_events(
            conn,
            [
                at(conn, "won", 0, 1, order="A", sales_order=value),
                at(conn, "won", 0, 2, order="B", sales_order=value),
                at(conn, "won", 0, 3, order=None, sales_order=value),
            ],
        )
        project(conn, catalogue)
        assert [row["title"] for row in sorted(stored(conn), key=lambda row: row["title"])] == ["A", "B"]
        letters = conn.execute("SELECT reason, event_id, workflow, seq FROM dead_letter").fetchall()
        assert letters == [("no_usable_key", "e3", "orders", 3)]

    def test_an_event_that_breaks_us_is_set_aside_and_the_rest_goes_on(
        self, conn: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue = enroll(conn, definitions())

        def poisoned(version: Version, seq: int) -> bool:
            if seq == 2:
                raise RuntimeError("poison")
            return in_force(version, seq)

        in_force = Version.in_force
        monkeypatch.setattr(Version, "in_force", poisoned)
        log_events(conn, [at(conn, "won", 0, number, order=f"SO-{number}") for number in (1, 2, 3)])
        project(conn, catalogue)
        assert sorted(row["title"] for row in stored(conn)) == ["SO-1", "SO-3"]
        letters = conn.execute("SELECT reason, detail, seq FROM dead_letter").fetchall()
        assert letters == [("cannot_be_applied", "RuntimeError: poison", 2)]

    def test_a_duplicate_is_counted_and_changes_nothing(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        event = at(conn, "won", 0, 1)
        log_events(conn, [event, event])
        project(conn, catalogue)
        before = stored(conn)
        log_events(conn, [event])
        project(conn, catalogue)
        assert stored(conn) == before
        assert conn.execute("SELECT received, duplicates FROM source_state").fetchall() == [(3, 2)]


class TestMerging:
    def test_two_halves_become_one_and_the_joining_event_is_on_record(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "won", HOUR, 1, order=None, opportunity="O-1")])
        log_events(conn, [at(conn, "accepted", MINUTE, 2, "sap", order=None, sales_order="47")])
        project(conn, catalogue)
        halves = {row["id"] for row in stored(conn)}
        assert len(halves) == 2
        log_events(conn, [at(conn, "linked", 0, 3, order=None, opportunity="O-1", sales_order="47")])
        project(conn, catalogue)
        (row,) = stored(conn)
        assert set(row["progress"].milestones) == {"won", "accepted"}
        merged = conn.execute("SELECT merged_id, instance_id, seq FROM instance_merge").fetchall()
        assert merged == [(*(halves - {row["id"]}), row["id"], 3)]
        assert _count(conn, "SELECT count(*) FROM instance_event") == 3
        assert _count(conn, "SELECT count(DISTINCT instance_id) FROM instance_key") == 1


class TestVersions:
    def test_an_instance_keeps_the_version_it_started_under(self, conn: Connection) -> None:
        enroll(conn, definitions())
        log_events(conn, [at(conn, "won", HOUR, 1, order="old")])
        stricter = load({"orders.yaml": DEFINITIONS.replace("{warn: 3h, breach: 4h}", "{warn: 10m, breach: 30m}")})
        catalogue = register(conn, stricter)
        keep_objectives(conn, catalogue)
        log_events(conn, [at(conn, "won", HOUR, 2, order="new")])
        project(conn, catalogue)
        assert {row["title"]: row["verdict"] for row in stored(conn)} == {"old": "on_track", "new": "stuck"}
        log_events(
            conn, [at(conn, "accepted", 0, 3, "sap", order="old"), at(conn, "accepted", 0, 4, "sap", order="new")]
        )
        project(conn, catalogue)
        versions = conn.execute("SELECT title, workflow_version FROM instance ORDER BY title").fetchall()
        assert versions == [("new", 2), ("old", 1)]

    def test_what_is_stored_is_the_version_in_the_files(self, conn: Connection) -> None:
        """Also where names come in another order than that in which the database keeps them."""
        found = enroll(conn, load({"full.yaml": FULL}))
        assert {version for _, version in found.versions} == {1}
        again = enroll(conn, load({"full.yaml": FULL}))
        assert {version for _, version in again.versions} == {1}
        assert again.current == found.current

    def test_equal_definitions_make_no_new_version(self, conn: Connection) -> None:
        enroll(conn, definitions())
        catalogue = register(conn, definitions())
        assert list(catalogue.versions) == [("orders", 1)]

    def test_an_objective_that_changes_is_counted_anew(self, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "won", DAY, 1), at(conn, "accepted", DAY - 2 * HOUR, 2, "sap")])
        project(conn, catalogue)
        count = "SELECT good, bad FROM sli_bucket WHERE objective = 'accepted-in-time' AND minutes = 5"
        assert conn.execute(count).fetchall() == [(1, 0)]
        conn.commit()
        tighter = load({"orders.yaml": DEFINITIONS.replace("to: accepted, within: 4h", "to: accepted, within: 1h")})
        enroll(conn, tighter)
        assert conn.execute(count).fetchall() == [(0, 1)]


def test_times_of_dirty_logs_are_kept(conn: Connection) -> None:
    catalogue = enroll(conn, definitions())
    log_events(conn, [make_event("won", -START - 700_000_000 * SECOND, 1, "crm", {"order": "1948"})])
    project(conn, catalogue)
    row = conn.execute("SELECT started_at FROM instance").fetchone()
    assert row == (to_datetime(-700_000_000 * SECOND),)


def test_several_that_are_joined_at_once_may_each_have_an_event_of_one_id(conn: Connection) -> None:
    """A sender that says different things under one id; found by a law."""
    catalogue = enroll(conn, load({"orders.yaml": DEFINITIONS}))
    log_events(conn, [make_event("won", number, 0, "crm", {"order": str(number)}) for number in (1, 2)])
    log_events(conn, [make_event("won", 0, 7, "crm", {"opportunity": "1"})])
    project(conn, catalogue)
    joining = [make_event("linked", 9, number, "crm", {"order": str(number), "opportunity": "1"}) for number in (1, 2)]
    log_events(conn, joining)
    project(conn, catalogue)
    (row,) = stored(conn)
    assert set(row["progress"].keys) == {"opportunity=1", "order=1", "order=2"}


class TestCountsOfInstances:
    def test_what_a_projector_of_the_release_before_did_is_counted_when_one_of_this_takes_over(
        self, database_url: str, conn: Connection
    ) -> None:
        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "won", 0, number, order=f"SO-{number}") for number in range(3)])
        project(conn, catalogue)
        conn.execute("DELETE FROM instance WHERE title = 'SO-1'")
        conn.execute("UPDATE projection SET swept_to = clock_timestamp()")
        conn.commit()
        conn.close()
        with projecting(database_url) as conn:
            project(conn, catalogue)
            assert conn.execute("SELECT sum(count) FROM instance_count").fetchone() == (2,)

    def test_who_takes_over_from_one_that_counts_does_not_count_anew(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, definitions())
        log_events(conn, [at(conn, "won", 0, number, order=f"SO-{number}") for number in range(3)])
        project(conn, catalogue)
        conn.execute("UPDATE instance_count SET count = count + 4")
        conn.commit()
        conn.close()
        with projecting(database_url) as conn:
            project(conn, catalogue)
            assert conn.execute("SELECT sum(count) FROM instance_count").fetchone() == (7,)
