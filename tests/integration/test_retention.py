"""What is kept no longer goes, and what is needed stays: on plain PostgreSQL and with TimescaleDB."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from collector.catalogue import load_catalogue
from collector.log import append
from collector.projector import Projector
from collector.rebuild import Incomplete, fingerprints, forget, refuse_if_incomplete
from collector.retention import duty
from collector.retention.duty import run_once
from collector.retention.parts import Dropped, parts_of
from collector.retention.policy import Kept
from collector.store.database import RETENTION_LOCK, Connection, connect, has_timescale
from collector.store.sql import load
from tests.integration.fix_doors import answering
from tests.integration.fix_retention import HISTORY, KEPT, LEFT, ago, days, event, fill, logged, rows, run
from tests.projecting import assert_that_instances_are_counted, log_row, project, projecting, receive, stored
from tests.strategies import START

pytestmark = pytest.mark.slow


@pytest.fixture
def both(either_url: str) -> Iterator[Connection]:
    """A connection to a database of the test's own on either kind of server."""
    with projecting(either_url) as conn:
        yield conn


class TestEvents:
    def test_what_nobody_needs_goes_and_what_is_derived_stays(self, both: Connection) -> None:
        fill(both)
        before = fingerprints(both)
        report = run(both)
        assert logged(both) == LEFT
        assert report.dropped[Kept.EVENTS].rows == len(HISTORY) - len(LEFT)
        assert report.postponed == {}
        assert fingerprints(both) == before

    def test_the_log_goes_by_parts_and_the_rest_is_found_where_it_was(self, both: Connection) -> None:
        fill(both)
        before = rows(both, "SELECT * FROM event WHERE id IN ('e2', 'e7', 'e8') ORDER BY seq")
        run(both)
        assert rows(both, "SELECT * FROM event WHERE id IN ('e2', 'e7', 'e8') ORDER BY seq") == before
        with both.transaction():
            names = [part.name for part in parts_of(both, "event")]
        assert len(names) == len(set(names))
        if not has_timescale(both):
            assert rows(both, "SELECT count(*) FROM event_default") == [(0,)]
            assert rows(both, "SELECT relname FROM pg_class WHERE relname LIKE '%rest'") == []
        both.rollback()

    def test_a_second_run_rests_and_one_after_a_day_finds_nothing(self, both: Connection) -> None:
        fill(both)
        run(both)
        assert run(both).dropped == {}
        again = run(both, later=timedelta(days=1.1))
        assert again.dropped[Kept.EVENTS] == Dropped(0, 0)
        assert logged(both) == LEFT

    def test_what_an_instance_needed_goes_when_it_has_finished(self, both: Connection) -> None:
        catalogue = fill(both)
        run(both)
        receive(both, [event("paid", 0.5, 20, order="SO-2")])
        project(both, catalogue)
        run(both, later=timedelta(days=2))
        assert "e2" in logged(both)
        run(both, later=timedelta(days=120))
        assert logged(both) == ["e8", "e12"]
        assert rows(both, "SELECT count(*) FROM instance") == [(4,)]

    def test_what_people_did_goes_by_a_time_of_its_own(self, both: Connection) -> None:
        fill(both)
        run(both, replace(KEPT, audit=days(150)))
        assert logged(both) == [one for one in LEFT if one != "e8"]

    def test_what_is_kept_for_good_stays(self, both: Connection) -> None:
        fill(both)
        report = run(both, replace(KEPT, events=None, spans=None, instances=None, buckets=None))
        assert logged(both) == [one.document["id"] for one in HISTORY]
        assert report.dropped == {}

    def test_dead_letters_go_with_their_events(self, both: Connection) -> None:
        fill(both)
        with both.transaction():
            both.execute(
                "INSERT INTO dead_letter (received_at, source, reason, detail, seq, body) "
                "SELECT received_at, source, 'cannot_be_applied', '', seq, NULL::bytea FROM event WHERE id IN ('e4', 'e7', 'e12') "
                "UNION ALL SELECT now() - interval '200 days', 'crm', 'invalid_event', '', NULL, 'old' "
                "UNION ALL SELECT now() - interval '2 days', 'crm', 'invalid_event', '', NULL, 'new'"
            )
        gone = rows(both, "SELECT seq FROM event WHERE id = 'e4'")[0][0]
        kept = rows(both, f"SELECT seq, body FROM dead_letter WHERE seq IS DISTINCT FROM {gone} ORDER BY 1")
        run(both)
        left = rows(both, "SELECT seq, body FROM dead_letter ORDER BY 1")
        assert left == [one for one in kept if one[1] != b"old"]

    def test_nothing_goes_while_not_everything_is_applied(self, both: Connection) -> None:
        catalogue = fill(both)
        forget(both, current_definitions=False)
        report = run_once(both, datetime.now(UTC), KEPT)
        assert report.postponed == dict.fromkeys(["events"], "not everything received has been applied") | {
            "instances": "not everything received has been applied"
        }
        assert len(logged(both)) == len(HISTORY)
        project(both, catalogue)
        assert run_once(both, datetime.now(UTC), KEPT).dropped[Kept.EVENTS].rows == len(HISTORY) - len(LEFT)

    def test_the_log_goes_on_being_written_and_read_in_order(self, both: Connection) -> None:
        catalogue = fill(both)
        run(both)
        with both.transaction():
            append(both, [log_row(event("accepted", 0, 30, "sap", order="SO-4"))], [], [])
        project(both, catalogue)
        assert logged(both) == [*LEFT, "e30"]
        row = rows(both, "SELECT count(*) FROM instance_event")[0]
        assert row == (12,)


class TestQuestions:
    """What the API says of the past before and after."""

    async def told(self, url: str, conn: Connection, path: str, **asked: Any) -> Any:
        with conn.transaction():
            catalogue = load_catalogue(conn)
        async with answering(url, catalogue) as client:
            answer = await client.get(path, params=asked)
        return answer.json() if answer.status_code == 200 else (answer.status_code, answer.text)

    async def test_an_open_instance_is_explained_as_before(self, either_url: str, both: Connection) -> None:
        fill(both)
        ids = {row["title"]: row["id"] for row in stored(both)}

        async def told() -> list[Any]:
            found = []
            for title in ("SO-2", "SO-3", "SO-4"):
                one = await self.told(either_url, both, f"/api/v1/instances/{ids[title]}")
                then = await self.told(either_url, both, f"/api/v1/instances/{ids[title]}", as_of=then_of(150))
                assert one["events_gone"] == 0
                found += [{name: one[name] for name in TIMELESS}, then if isinstance(then, tuple) else then["journey"]]
            return found

        before = await told()
        assert len(before[0]["events"]) == 2
        run(both)
        assert await told() == before

    async def test_one_that_finished_says_what_is_gone(self, either_url: str, both: Connection) -> None:
        fill(both)
        id_ = next(row["id"] for row in stored(both) if row["title"] == "SO-1")
        run(both)
        one = await self.told(either_url, both, f"/api/v1/instances/{id_}")
        assert (one["verdict"], one["events_gone"], [known["type"] for known in one["events"]]) == (
            "completed_late", 4, ["milepost.waiver_withdrawn"],
        )  # fmt: skip
        status, text = await self.told(either_url, both, f"/api/v1/instances/{id_}", as_of=then_of(198))
        assert status != 200
        assert "no longer in the log" in text

    async def test_lists_and_searches_find_what_they_found(self, either_url: str, both: Connection) -> None:
        fill(both)

        async def told() -> list[Any]:
            listed = await self.told(either_url, both, "/api/v1/instances")
            past = await self.told(either_url, both, "/api/v1/instances", known_at=then_of(10))
            return [
                sorted((one["title"], one["verdict"], one["deadline_at"]) for one in listed["items"]),
                past["counts"],
                await self.told(either_url, both, "/api/v1/search", q="SO-"),
            ]

        before = await told()
        run(both)
        after = await told()
        assert after == before

    async def test_of_what_was_known_of_sources_then_it_says_that_it_is_gone(
        self, either_url: str, both: Connection
    ) -> None:
        fill(both)
        id_ = next(row["id"] for row in stored(both) if row["title"] == "SO-3")
        run(both)
        status, text = await self.told(either_url, both, f"/api/v1/instances/{id_}", known_at=then_of(150))
        assert status != 200
        assert "which has everything only since" in text

    async def test_lists_of_the_past_say_when_instances_are_gone(self, either_url: str, both: Connection) -> None:
        fill(both)
        run(both, replace(KEPT, instances=days(100)))
        status, text = await self.told(either_url, both, "/api/v1/instances", known_at=then_of(150))
        assert status != 200
        assert "no longer kept" in text


TIMELESS = ("verdict", "reason", "deadline_at", "journey", "keys", "events", "history", "pauses", "joined")


def then_of(number: float) -> str:
    return (datetime.now(UTC) - timedelta(days=number)).isoformat().replace("+00:00", "Z")


class TestInstances:
    def test_finished_ones_go_whole_and_open_ones_stay(self, both: Connection) -> None:
        fill(both)
        report = run(both, replace(KEPT, instances=days(100)))
        assert report.dropped[Kept.INSTANCES].rows == 1
        assert sorted(row["title"] for row in stored(both)) == ["SO-2", "SO-3", "SO-4"]
        known = {row[0] for row in rows(both, "SELECT id FROM instance")}
        for table in ("instance_key", "instance_event", "verdict_change"):
            assert {row[0] for row in rows(both, f"SELECT instance_id FROM {table}")} <= known
        assert rows(both, "SELECT value FROM instance_key WHERE value = 'SO-1'") == []
        assert rows(both, "SELECT count(*) FROM instance_key WHERE value = 'A'") == [(1,)]
        assert_that_instances_are_counted(both)

    def test_what_was_counted_of_them_stays(self, both: Connection) -> None:
        fill(both)
        before = fingerprints(both)["sli_bucket"]
        run(both, replace(KEPT, instances=days(100)))
        assert fingerprints(both)["sli_bucket"] == before

    def test_many_go_in_several_steps(self, both: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("collector.retention.finished.AT_ONCE", 2)
        catalogue = fill(both)
        late = [event("won", 0.4, 100 + n, order=f"X-{n}") for n in range(5)]
        late += [event("paid", 0.3, 200 + n, order=f"X-{n}") for n in range(5)]
        receive(both, late)
        project(both, catalogue)
        report = run(both, later=timedelta(days=450))
        assert report.dropped[Kept.INSTANCES].rows == 7
        assert sorted(row["title"] for row in stored(both)) == ["SO-2", "SO-4"]
        assert_that_instances_are_counted(both)

    def test_what_is_held_in_memory_is_forgotten(self, both: Connection) -> None:
        catalogue = fill(both)
        projector = Projector(catalogue)
        assert projector.acquire(both)
        receive(both, [event("shipped", 0.6, 40, order="SO-1")])
        assert projector.cycle(both).applied == 1
        run(both, replace(KEPT, instances=days(7)), later=timedelta(days=8))
        assert [row["title"] for row in stored(both)] == ["SO-2", "SO-4"]
        receive(both, [event("won", 0, 41, order="SO-1")])
        while not projector.cycle(both).caught_up:
            pass
        assert sorted(row["title"] for row in stored(both)) == ["SO-1", "SO-2", "SO-4"]

    def test_deadlines_are_judged_also_where_nothing_arrives_after_it(self, both: Connection) -> None:
        catalogue = fill(both)
        projector = Projector(catalogue)
        assert projector.acquire(both)
        projector.cycle(both)
        run(both, replace(KEPT, instances=days(100)))
        with both.transaction():
            both.execute("UPDATE projection SET swept_to = NULL")
        projector.cycle(both)
        assert rows(both, "SELECT swept_to IS NULL FROM projection") == [(False,)]

    def test_a_batch_under_way_is_applied_anew(self, conn: Connection, database_url: str) -> None:
        """Between reading and writing somebody deletes the instance: the batch finds out when it is written."""
        catalogue = fill(conn)
        projector = Projector(catalogue)
        assert projector.acquire(conn)
        projector.apply_batch(conn)
        prepare = Projector._hand_over
        receive(conn, [event("shipped", 0.6, 42, order="SO-1")])

        def after_somebody_deleted(self: Projector, over: Connection, batch: Any) -> None:
            monkey.undo()
            with connect(database_url, "other") as other:
                run_once(other, datetime.now(UTC), replace(KEPT, instances=days(100)))
            prepare(self, over, batch)

        monkey = pytest.MonkeyPatch()
        monkey.setattr(Projector, "_hand_over", after_somebody_deleted)
        conn.execute("UPDATE projection SET swept_to = now()")
        conn.commit()
        assert not projector.cycle(conn).caught_up
        while not projector.cycle(conn).caught_up:
            pass
        assert [row["verdict"] for row in stored(conn) if row["title"] == "SO-1"] != []

    def test_one_that_was_heard_of_since_stays(self, both: Connection) -> None:
        catalogue = fill(both)
        receive(both, [event("shipped", 0.6, 43, order="SO-1")])
        project(both, catalogue)
        run(both, replace(KEPT, instances=days(100)))
        assert "SO-1" in {row["title"] for row in stored(both)}


class TestAudit:
    def test_incidents_go_some_time_after_they_were_resolved(self, both: Connection) -> None:
        with both.transaction():
            for number, age in enumerate((100, 10, None)):
                resolved = None if age is None else datetime.now(UTC) - timedelta(days=age)
                both.execute(
                    "INSERT INTO incident (id, dedup_key, verdict, status, severity, title, count, peak_count, noted_count, "
                    "value, peak_value, oldest_since, samples, opened_at, updated_at, resolved_at) "
                    "VALUES (gen_random_uuid(), %s, 'stuck', %s, 'page', %s, 1, 1, 1, '[]', '[]', now() - interval '1 year', "
                    "'{}', now() - interval '1 year', now(), %s)",
                    (str(number), "resolved" if resolved else "firing", f"I{number}", resolved),
                )
            both.execute(
                "INSERT INTO incident_event (incident_id, at, what, detail) SELECT id, now(), 'opened', '' FROM incident"
            )
        run(both)
        assert rows(both, "SELECT count(*) FROM incident") == [(3,)]
        run(both, replace(KEPT, audit=days(30)))
        assert rows(both, "SELECT title FROM incident ORDER BY 1") == [("I1",), ("I2",)]
        assert rows(both, "SELECT count(*) FROM incident_event") == [(2,)]


class TestSpans:
    def test_they_go_by_parts(self, both: Connection) -> None:
        fill(both)
        with both.transaction():
            for age in (60, 40, 3):
                at = datetime.now(UTC) - timedelta(days=age)
                from collector.store.database import ensure_partitions

                ensure_partitions(both, at)
                both.execute(
                    "INSERT INTO span (received_at, trace_id, span_id, service, name, kind, status, start_ns, end_ns, "
                    "yields_event, body) VALUES (%s, '\\x01', '\\x02', 's', 'n', 1, 0, 1, 2, false, '{}')",
                    (at,),
                )
        report = run(both)
        assert rows(both, "SELECT count(*) FROM span") == [(1,)]
        assert report.dropped[Kept.SPANS].bytes > 0
        assert logged(both) == LEFT


class TestOthers:
    """What runs beside it."""

    def test_writers_wait_for_a_moment_only_where_a_reader_is_in_the_way(
        self, either_url: str, both: Connection
    ) -> None:
        fill(both)
        run(both, replace(KEPT, events=None, instances=None))
        with both.transaction():
            both.execute("UPDATE projection SET swept_to = now() + interval '1 minute'")
        found: list[Any] = []

        def retain() -> None:
            with connect(either_url, "retention") as own:
                found.append(run_once(own, datetime.now(UTC), replace(KEPT, instances=None)))

        # Half a second for the lock, and what a busy machine adds. Who waits longer for a lock fails.
        patience = "-c lock_timeout=5s"
        with (
            connect(either_url, "reader") as reader,
            connect(either_url, "writer", options=patience) as writer,
        ):
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (len(HISTORY),)
            thread = threading.Thread(target=retain)
            thread.start()
            number = 1000
            while thread.is_alive():
                with writer.transaction():
                    append(writer, [log_row(event("noise", 0, number))], [], [])
                number += 1
            thread.join()
            reader.rollback()
        assert found[0].postponed["events"] == "somebody else holds what would be dropped"
        assert number > 1000
        assert "e4" in logged(both)
        run(both)
        assert "e4" not in logged(both)
        assert rows(both, "SELECT count(*) FROM event WHERE seq > 12")[0][0] == number - 1000

    def test_one_process_at_a_time(self, either_url: str, both: Connection) -> None:
        fill(both)
        with connect(either_url, "other") as other:
            other.execute("SELECT pg_advisory_lock(%s)", (RETENTION_LOCK,))
            other.commit()
            report = run_once(both, datetime.now(UTC), KEPT)
            assert not report.ran
            assert len(logged(both)) == len(HISTORY)
            other.execute("SELECT pg_advisory_unlock(%s)", (RETENTION_LOCK,))
            other.commit()
        assert run(both).ran

    def test_two_at_once_drop_everything_once(self, either_url: str, both: Connection) -> None:
        fill(both)
        reports = []

        def retain() -> None:
            with connect(either_url, "retention") as own:
                reports.append(run_once(own, datetime.now(UTC), KEPT))

        threads = [threading.Thread(target=retain) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert logged(both) == LEFT
        dropped = [report.dropped.get(Kept.EVENTS, Dropped(0, 0)).rows for report in reports]
        assert sorted(dropped) == [0, 0, 0, len(HISTORY) - len(LEFT)]

    def test_a_projector_in_a_long_transaction_postpones_it(
        self, either_url: str, both: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("collector.retention.parts.POSITION_MILLISECONDS", 50)
        fill(both)
        with connect(either_url, "projector") as other:
            other.execute(load("projection")["position"])
            report = run_once(both, datetime.now(UTC), KEPT)
        assert report.postponed["events"] == "somebody else holds what would be dropped"
        assert len(logged(both)) == len(HISTORY)

    def test_a_run_that_takes_long_is_gone_on_with(self, both: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(both)
        monkeypatch.setattr(duty, "MOST_SECONDS", -1)
        report = run(both)
        assert report.postponed["events"] == "the rest is for the next run"
        monkeypatch.undo()
        run(both)
        assert logged(both) == LEFT

    def test_a_lost_connection_leaves_everything_as_it_was(
        self, either_url: str, both: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(both)
        taken = "collector.retention.parts._take_away"

        def lost(conn: Connection, _part: object) -> None:
            conn.close()
            raise psycopg.OperationalError("gone")

        with connect(either_url, "retention") as own:
            monkeypatch.setattr(taken, lost)
            with pytest.raises(psycopg.Error):
                run_once(own, datetime.now(UTC), KEPT)
            monkeypatch.undo()
        # The server notices after a while that the connection has gone, and lets go of its lock.
        while not run_once(both, datetime.now(UTC), KEPT).ran:
            pass
        assert logged(both) == LEFT


class TestRebuild:
    def test_it_is_refused_where_something_is_gone(self, both: Connection) -> None:
        fill(both)
        refuse_if_incomplete(both)
        run(both)
        before = fingerprints(both)
        with pytest.raises(Incomplete, match=r"would lose 1 instances .* --from-what-is-left"):
            refuse_if_incomplete(both)
        assert fingerprints(both) == before

    def test_from_what_is_left_it_comes_to_what_was_left(self, both: Connection) -> None:
        catalogue = fill(both)
        run(both)
        before = {row["title"]: row for row in stored(both)}
        forget(both, current_definitions=False)
        project(both, catalogue)
        after = {row["title"]: row for row in stored(both)}
        assert set(after) == {"SO-2", "SO-3", "SO-4"}
        assert {title: before[title]["progress"] for title in after} == {
            title: row["progress"] for title, row in after.items()
        }
        assert {title: before[title]["id"] for title in after} == {title: row["id"] for title, row in after.items()}


class TestCompression:
    def test_old_chunks_are_compressed_read_and_thinned(self, timescale: Any) -> None:
        url = timescale.clone()
        with connect(url, "test") as conn:
            fill(conn)
            before = rows(conn, "SELECT * FROM event ORDER BY seq")
            report = run(conn, replace(KEPT, events=None, compress_after=days(7)))
            assert report.compressed > 2
            assert {
                part.compressed
                for part in parts_of(conn, "event")
                if part.until <= datetime.now(UTC) - timedelta(days=7)
            } == {True}
            conn.rollback()
            assert rows(conn, "SELECT * FROM event ORDER BY seq") == before
            assert run(conn, replace(KEPT, events=None, compress_after=days(7))).compressed == 0
            run(conn, replace(KEPT, compress_after=days(7)))
            assert logged(conn) == LEFT
            kept = [row for row in before if row[4] in LEFT]
            assert rows(conn, "SELECT * FROM event ORDER BY seq") == kept
        timescale.drop(url)

    def test_there_is_none_without_timescaledb(self, conn: Connection) -> None:
        fill(conn)
        assert run(conn, replace(KEPT, compress_after=days(7))).compressed == 0


def test_times_of_the_history_are_in_order() -> None:
    assert [one.received_at for one in HISTORY] == sorted(one.received_at for one in HISTORY)
    assert START + ago(0) > HISTORY[-1].received_at
