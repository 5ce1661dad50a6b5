"""Putting definitions in force: what changes ends whoever projects by those before, what is equal disturbs nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from structlog.testing import capture_logs

from collector import metrics
from collector.catalogue import VersionsUnreadable, load_catalogue
from collector.projector import Projector, hold
from collector.registration import Watch, in_force, put_in_force
from collector.store.database import Connection, connect
from slo_rules.definitions import load
from slo_rules.workflow import Definitions
from tests.fix_postgres import Server
from tests.projecting import projecting

TEXT = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: order-operations}
spec:
  entity: order
  keys: {order: data.order_id}
  milestones:
    - {name: placed, on: {exact: {type: order.placed}}, starts: true}
    - {name: shipped, on: {exact: {type: order.shipped}}, within: 4h}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: shipped-in-time, owner: order-operations}
spec: {workflow: orders, latency: {from: placed, to: shipped, within: 4h}, target: 0.99, window: 30d, missing_data: exclude}
"""


def definitions(text: str = TEXT) -> Definitions:
    return load({"orders.yaml": text})


def alive(conn: Connection) -> bool:
    try:
        conn.execute("SELECT 1")
        conn.commit()
    except psycopg.OperationalError:
        return False
    return True


def test_versions_that_cannot_be_read_are_all_named_with_what_to_do(conn: Connection) -> None:
    both = TEXT + "---" + TEXT.split("---", maxsplit=1)[0].replace("orders", "claims")
    put_in_force(conn, definitions(both))
    put_in_force(conn, definitions(both.replace("within: 4h", "within: 5h")))
    conn.execute("UPDATE definition SET body = body || '{\"keys\": 7}' WHERE workflow = 'claims' OR version = 2")
    with pytest.raises(VersionsUnreadable) as refused:
        load_catalogue(conn)
    told = str(refused.value)
    for words in ("orders version 2: ", "claims version 1: ", "claims version 2: ", "start that release", "`$.keys`"):
        assert words in told
    assert "orders version 1" not in told
    with pytest.raises(VersionsUnreadable):
        put_in_force(conn, definitions(both))


def test_equal_definitions_disturb_nobody(conn: Connection, database_url: str) -> None:
    first = put_in_force(conn, definitions())
    with projecting(database_url) as other, capture_logs() as said:
        assert hold(other)
        second = put_in_force(conn, definitions())
        assert alive(other)
    assert said == []
    assert second.digest == first.digest == in_force(conn)
    assert second.catalogue.current == first.catalogue.current


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT.replace("4h", "5h"), {"new": [], "changed": ["orders"], "ended": []}),
        (TEXT.replace("0.99", "0.9"), {"new": [], "changed": [], "ended": []}),
        (TEXT.replace("orders", "returns"), {"new": ["returns"], "changed": [], "ended": ["orders"]}),
    ],
    ids=["a workflow", "an objective", "another workflow"],
)
def test_others_end_the_session_that_projects_before_they_can_be_seen(
    conn: Connection, database_url: str, text: str, told: dict[str, list[str]]
) -> None:
    before = put_in_force(conn, definitions())
    with projecting(database_url) as projector, capture_logs() as said:
        assert hold(projector)
        after = put_in_force(conn, definitions(text))
        assert not alive(projector)
    assert after.digest not in (before.digest, "")
    assert [one | {"event": "", "log_level": ""} for one in said] == [told | {"event": "", "log_level": ""}]
    with projecting(database_url) as successor:
        assert hold(successor)


def test_a_projector_of_another_database_and_one_that_stands_by_are_left_alone(
    conn: Connection, database_url: str, postgres: Server
) -> None:
    put_in_force(conn, definitions())
    elsewhere = postgres.clone()
    with projecting(elsewhere) as other, projecting(database_url) as first, projecting(database_url) as second:
        assert hold(other)
        assert hold(first)
        assert not hold(second)
        put_in_force(conn, definitions(TEXT.replace("4h", "5h")))
        assert alive(other)
        assert alive(second)
        assert hold(second)
    postgres.drop(elsewhere)


def test_who_waits_for_the_log_is_ended_all_the_same(conn: Connection, database_url: str) -> None:
    """As in the middle of a cycle, which asks for the lock that registering holds."""
    catalogue = put_in_force(conn, definitions()).catalogue
    with projecting(database_url) as other:
        projector = Projector(catalogue)
        assert projector.acquire(other)
        ended = threading.Event()

        def project() -> None:
            try:
                while True:
                    projector.cycle(other)
            except psycopg.OperationalError:
                ended.set()

        cycling = threading.Thread(target=project)
        cycling.start()
        put_in_force(conn, definitions(TEXT.replace("4h", "5h")))
        assert ended.wait(60)
        cycling.join()


@pytest.fixture
def weak(conn: Connection, database_url: str) -> Iterator[Connection]:
    """A connection of a role that may write and may end nobody's session."""
    conn.execute("CREATE ROLE milepost_weak")
    conn.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO milepost_weak")
    conn.execute("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO milepost_weak")
    conn.commit()
    with connect(database_url, "test") as made:
        made.execute("SET ROLE milepost_weak")
        made.commit()
        yield made
    conn.execute("DROP OWNED BY milepost_weak")
    conn.execute("DROP ROLE milepost_weak")
    conn.commit()


def test_what_may_not_be_ended_is_said(conn: Connection, database_url: str, weak: Connection) -> None:
    put_in_force(conn, definitions())
    with projecting(database_url) as projector, capture_logs() as said:
        assert hold(projector)
        put_in_force(weak, definitions(TEXT.replace("4h", "5h")))
        assert alive(projector)
    assert [one["event"] for one in said] == ["definitions_registered", "projector_not_ended"]


def test_a_process_that_began_with_others_says_so_once(conn: Connection) -> None:
    watch = Watch(put_in_force(conn, definitions()))
    with capture_logs() as said:
        assert not watch.run_once(conn)
        put_in_force(conn, definitions(TEXT.replace("0.99", "0.9")))
        assert watch.run_once(conn)
        assert watch.run_once(conn)
        assert metrics.DEFINITIONS_DIFFER._value.get() == 1
        put_in_force(conn, definitions())
        assert not watch.run_once(conn)
        assert metrics.DEFINITIONS_DIFFER._value.get() == 0
    assert [one["event"] for one in said] == ["definitions_registered", "definitions_differ", "definitions_registered"]


def test_a_session_asks_after_the_other_machine(database_url: str) -> None:
    with connect(database_url, "test", options="-c idle_session_timeout=60s") as conn:
        said = conn.info.get_parameters()
        assert (said["keepalives_idle"], said["keepalives_count"], said["tcp_user_timeout"]) == ("10", "3", "25000")
        for setting in ("tcp_keepalives_idle=10", "tcp_keepalives_count=3", "tcp_user_timeout=25000"):
            assert f"-c {setting} " in said["options"]
        row = conn.execute("SHOW idle_session_timeout").fetchone()
        assert row == ("1min",)
