"""Questions go to a replica: a real streaming standby, held up, stopped, frozen and promoted."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from collector import metrics
from collector.query.reader import Reader
from collector.query.replica_reader import ReplicaReader
from collector.store import tables
from slo_rules.instants import rfc3339
from tests.fix_postgres import Server
from tests.fix_replica import WITHIN_SECONDS, Standby
from tests.integration.fix_doors import Collector, cloud_event, running

pytestmark = pytest.mark.slow

ON_STANDBY = sa.select(sa.func.pg_is_in_recovery().label("standby"))


async def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)


async def asked_of_standby(reader: Reader) -> bool:
    """Whether a question goes to the standby."""
    (row,) = await reader.answer(lambda: reader.select(ON_STANDBY))
    return bool(row["standby"])


def told(reader: Reader) -> dict[str, Any]:
    found = reader.replica()
    assert found is not None
    return found


def fallbacks(reason: str) -> float:
    return float(metrics.READ_FALLBACKS.labels(reason)._value.get())


def ago(seconds: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(seconds=seconds))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
async def collector(database_url: str, standby: Standby) -> AsyncIterator[Collector]:
    """A collector whose questions go to the standby, with one order applied."""
    async with running(database_url, replica_url=standby.of(database_url)) as made:
        await made.events(cloud_event("1", time=ago(3600)))
        made.project()
        standby.follow()
        await until(lambda: told(made.reader)["used"] and told(made.reader)["lag_seconds"] == 0)
        yield made
        standby.resume()


async def listed(collector: Collector) -> list[str]:
    return [one["title"] for one in (await collector.get("/api/v1/instances"))["items"]]


async def test_questions_go_to_the_standby_and_everything_else_to_the_primary(collector: Collector) -> None:
    assert await asked_of_standby(collector.reader)
    (row,) = await collector.reader.select(ON_STANDBY)
    assert row["standby"] is False
    assert await listed(collector) == ["O-1"]
    ready = (await collector.get("/readyz"))["read_replica"]
    assert (ready["used"], ready["reason"]) == (True, None)
    assert "milepost_read_replica_used 1.0" in (await collector.http.get("/metrics")).text


async def test_a_replica_of_an_idle_primary_is_not_stale(collector: Collector, standby: Standby) -> None:
    last_commit = standby.ask("SELECT pg_last_xact_replay_timestamp()")
    looked = metrics.READ_REPLICA_LAG
    looked.set(-1)
    await until(lambda: looked._value.get() == 0)
    now = (await collector.get("/api/v1/overview"))["as_of"]
    assert instant(now) > last_commit
    assert abs(datetime.now(UTC) - instant(now)) < timedelta(minutes=1)


async def test_what_a_replica_has_not_replayed_is_neither_shown_nor_judged(
    collector: Collector, standby: Standby
) -> None:
    standby.pause()
    stood = instant((await collector.get("/api/v1/overview"))["as_of"])
    await collector.events(cloud_event("2", time=ago(60)))
    collector.project()
    await until(lambda: told(collector.reader)["lag_seconds"] > 0.5)
    answer = await collector.http.get("/api/v1/instances")
    assert [one["title"] for one in answer.json()["items"]] == ["O-1"]
    as_of = instant((await collector.get("/api/v1/overview"))["as_of"])
    # Nothing later than the last commit replayed, and not earlier than what was known to be there.
    assert stood - timedelta(seconds=1) < as_of < datetime.now(UTC) - timedelta(seconds=0.4)
    assert answer.headers["milepost-as-of"]
    assert metrics.READ_REPLICA_LAG._value.get() > 0
    assert instant((await collector.get("/readyz"))["read_replica"]["as_of"]) < datetime.now(UTC)
    standby.resume()
    standby.follow()
    await until(lambda: told(collector.reader)["lag_seconds"] == 0)
    assert sorted(await listed(collector)) == ["O-1", "O-2"]


async def test_a_moment_that_the_replica_has_not_got_to_is_asked_of_the_primary(
    collector: Collector, standby: Standby
) -> None:
    standby.pause()
    await collector.events(cloud_event("2", time=ago(60)))
    collector.project()
    await until(lambda: told(collector.reader)["lag_seconds"] > 0.5)
    before = fallbacks("later")
    row = await collector.http.get("/api/v1/instances", params={"as_of": ago(0)})
    assert sorted(one["title"] for one in row.json()["items"]) == ["O-1", "O-2"]
    assert "milepost-as-of" not in row.headers
    assert fallbacks("later") == before + 1
    earlier = await collector.http.get("/api/v1/instances", params={"as_of": ago(30)})
    assert [one["title"] for one in earlier.json()["items"]] == ["O-1"]


async def test_what_somebody_did_is_not_hidden_by_a_replica_that_is_behind(
    collector: Collector, standby: Standby
) -> None:
    (row,) = (await collector.get("/api/v1/instances"))["items"]
    standby.pause()
    said = {"by": "jo", "reason": "SAP is being mended", "until": ago(-3600)}
    answer = await collector.http.post(f"/api/v1/instances/{row['id']}/waiver", json=said)
    assert answer.status_code == 202
    collector.project()
    for _ in range(3):
        assert (await collector.get(f"/api/v1/instances/{row['id']}"))["verdict"] == "waived"
    assert fallbacks("own_write") >= 3
    # No page says that it is behind while it is not.
    assert (told(collector.reader)["used"], "an act here" in told(collector.reader)["reason"]) == (False, True)
    standby.resume()
    # It is left to the replica again as soon as that has the waiver, and what was swept since.
    for _ in range(3):
        collector.project()
    standby.follow()
    until_swept = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while not await asked_of_standby(collector.reader):
        collector.project()
        assert asyncio.get_running_loop().time() < until_swept
        await asyncio.sleep(0.02)
    assert (await collector.get(f"/api/v1/instances/{row['id']}"))["verdict"] == "waived"


async def test_while_the_replica_is_away_the_primary_is_read_and_then_the_replica_again(
    collector: Collector, standby: Standby
) -> None:
    standby.stop()
    try:
        for _ in range(5):
            assert await listed(collector) == ["O-1"]
        await until(lambda: not told(collector.reader)["used"])
        assert told(collector.reader)["reason"]
        before = fallbacks("away")
        answer = await collector.http.get("/api/v1/instances")
        assert "milepost-as-of" not in answer.headers
        assert fallbacks("away") == before + 1
        assert (await collector.http.get("/readyz")).status_code == 200
        assert "milepost_read_replica_lag_seconds NaN" in (await collector.http.get("/metrics")).text
    finally:
        standby.start()
    await until(lambda: told(collector.reader)["used"])
    assert await asked_of_standby(collector.reader)


@pytest.mark.slow
async def test_a_replica_that_stands_still_holds_nobody_up(collector: Collector, standby: Standby) -> None:
    frozen = standby.processes()
    for one in frozen:
        one.send_signal(signal.SIGSTOP)
    try:
        # The question is under way on the standby when it turns out that this does not answer.
        assert await asyncio.wait_for(listed(collector), WITHIN_SECONDS) == ["O-1"]
        await until(lambda: not told(collector.reader)["used"])
        assert "has not answered" in told(collector.reader)["reason"]
    finally:
        for one in frozen:
            one.send_signal(signal.SIGCONT)
    await until(lambda: told(collector.reader)["used"])


async def test_a_read_that_conflicts_with_replaying_is_asked_of_the_primary_as_a_whole(
    collector: Collector, standby: Standby
) -> None:
    reader, servers, taken = collector.reader, list[bool](), list[list[Any]]()

    async def question() -> None:
        """Reads, is still reading while what it reads is taken away on the primary, and reads on."""
        (row,) = await reader.select(ON_STANDBY)
        servers.append(row["standby"])
        taken.append([])

        def take(rows: Sequence[Any]) -> None:
            taken[-1].extend(rows)
            if row["standby"] and len(taken[-1]) == len(rows):
                with psycopg.connect(collector.url, autocommit=True) as conn:
                    conn.execute("TRUNCATE hub_key")
                standby.follow()

        await reader.feed(sa.select(tables.hub_key.c.value), take)

    with psycopg.connect(collector.url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO hub_key SELECT 'orders', 'order', n::text, n, now(), 1 FROM generate_series(1, 20000) n"
        )
    standby.follow()
    before = fallbacks("conflict")
    await reader.answer(question)
    assert servers == [True, False]
    assert 0 < len(taken[0]) < 20_000 and taken[1] == []
    assert fallbacks("conflict") == before + 1
    assert await asked_of_standby(reader), "a conflict is no reason to leave the replica"


async def test_nothing_is_written_on_the_way_of_reading(collector: Collector) -> None:
    for statement in ("CREATE TEMPORARY TABLE t (n int)", "DELETE FROM event", "SELECT nextval('event_seq')"):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            async with collector.reader.connection() as conn:
                await conn.execute(statement)


async def test_a_sequence_that_runs_ahead_on_a_standby_is_no_lag(collector: Collector, standby: Standby) -> None:
    async def progress() -> Any:
        return await collector.reader.one("progress_of_log")

    found = await collector.reader.answer(progress)
    assert standby.ask("SELECT last_value FROM event_seq", collector.conn.info.dbname) > found["head"]
    assert found["head"] == found["seq"] == 1


async def test_what_is_no_replica_of_this_database_is_not_read(
    database_url: str, postgres: Server, standby: Standby
) -> None:
    other = postgres.clone()
    try:
        for url, reason in (
            (standby.of(other), "no replica of this database"),
            (database_url, "no standby"),
            (standby.url("nowhere"), "cannot be reached"),
        ):
            reader = ReplicaReader(database_url, url, look_seconds=0.05)
            await reader.open()
            await until(lambda reason=reason, reader=reader: reason in told(reader)["reason"])
            assert not await asked_of_standby(reader)
            await reader.close()
    finally:
        postgres.drop(other)


async def test_a_replica_is_read_only_once_it_has_replayed_the_change_of_the_schema(
    database_url: str, standby: Standby
) -> None:
    url = standby.of(database_url)
    standby.pause()
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("UPDATE alembic_version SET version_num = 'later'")
    reader = ReplicaReader(database_url, url, look_seconds=0.05)
    await reader.open()
    await until(lambda: "change of the schema to version later" in told(reader)["reason"])
    assert not await asked_of_standby(reader)
    standby.resume()
    await until(lambda: told(reader)["used"])
    assert await asked_of_standby(reader)
    await reader.close()


async def test_a_user_without_special_rights_can_read_a_replica(database_url: str, standby: Standby) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("CREATE ROLE plain LOGIN")
        conn.execute("GRANT pg_read_all_data TO plain")
    url = standby.of(database_url)
    plain = [
        one.replace("://postgres:", "://plain:").replace("://postgres@", "://plain@") for one in (database_url, url)
    ]
    reader = ReplicaReader(*plain, look_seconds=0.05)
    await reader.open()
    try:
        await until(lambda: told(reader)["used"])
        (row,) = await reader.answer(lambda: reader.select(sa.select(sa.func.current_user().label("who"))))
        assert row["who"] == "plain"
    finally:
        await reader.close()
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute("DROP OWNED BY plain")
            conn.execute("DROP ROLE plain")


async def test_a_standby_that_was_promoted_is_left(database_url: str, postgres: Server) -> None:
    own = Standby(postgres)
    reader = ReplicaReader(database_url, own.of(database_url), look_seconds=0.05)
    await reader.open()
    try:
        await until(lambda: told(reader)["used"])
        own.promote()
        await until(lambda: "promoted" in (told(reader)["reason"] or ""))
        assert not await asked_of_standby(reader)
    finally:
        await reader.close()
        own.remove()
