"""The schema: migrations and models are one, on plain PostgreSQL and with TimescaleDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from collector.catalogue import load_catalogue
from collector.rebuild import fingerprints, forget
from collector.store import access_tables, alerting_tables, handling_tables, receiving_tables, tables
from collector.store.database import Connection, connect, ensure_partitions, has_timescale, migrate, sqlalchemy_url
from collector.store.metadata import metadata
from tests.fix_postgres import Server
from tests.projecting import assert_that_instances_are_counted, enroll, log_events, project
from tests.strategies import definitions, make_event

PARTITIONED = (tables.event, tables.span)


def _ours(obj: object, name: str | None, kind: str, reflected: bool, _compared: object) -> bool:
    if kind == "table":
        return not (name or "").startswith(("event_2", "span_2", "event_default", "span_default", "alembic_"))
    if kind == "index" and reflected:
        # TimescaleDB adds an index on the time column of a hypertable.
        return not (name or "").endswith("_received_at_idx")
    return True


def test_migrations_give_the_schema_of_the_models(either_url: str) -> None:
    assert alerting_tables.incident.metadata is access_tables.audit.metadata is metadata
    assert receiving_tables.receiver_spool.metadata is handling_tables.instance_note.metadata is metadata
    engine = sa.create_engine(sqlalchemy_url(either_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": _ours, "compare_type": True, "compare_server_default": True},
        )
        assert compare_metadata(context, metadata) == []
        for table in metadata.sorted_tables:
            found = {one["name"] for one in sa.inspect(connection).get_check_constraints(table.name)}
            wanted = {str(one.name) for one in table.constraints if isinstance(one, sa.CheckConstraint)}
            assert wanted <= found, table.name
    engine.dispose()


def test_migrating_again_changes_nothing(either_url: str) -> None:
    migrate(either_url)
    migrate(either_url)


def test_the_log_is_kept_in_hypertables_where_timescaledb_is(timescale: Server) -> None:
    url = timescale.clone()
    with connect(url, "test") as conn:
        assert has_timescale(conn)
        names = conn.execute("SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1").fetchall()
    assert names == [("event",), ("span",)]
    timescale.drop(url)


def test_the_log_is_partitioned_by_week_elsewhere(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        assert not has_timescale(conn)
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        assert ensure_partitions(conn, row[0]) == []
        later = conn.execute("SELECT clock_timestamp() + interval '7 days'").fetchone()
        assert later is not None
        assert len(ensure_partitions(conn, later[0])) == 2


def _undo_what_came_later(conn: Connection, version: str) -> None:
    """Bring the schema back to what it was when this was the last migration."""
    conn.execute("DROP TABLE instance_split, hub_key, rejected_join, source_type_state, source_sample, source_poll")
    conn.execute("DROP TABLE objective_version, objective_period, shared_stretch, stretch_share, source_request")
    conn.execute("DROP TABLE instance_handling, instance_note, saved_view")
    conn.execute("DROP TABLE delivery")
    conn.execute("DROP TABLE silence, drill")
    conn.execute("DROP TABLE api_key, person, session, audit, receiver_spool, rate_limited")
    conn.execute("ALTER TABLE incident_event DROP COLUMN request")
    for column in ("request", "item", "settled_at", "settled_as", "settled_by", "settled_because"):
        conn.execute(f"ALTER TABLE dead_letter DROP COLUMN {column}")
    for column in ("ahead", "ahead_most", "ahead_day", "ahead_most_of_day"):
        conn.execute(f"ALTER TABLE source_state DROP COLUMN {column}")
    conn.execute("UPDATE alembic_version SET version_num = %s", (version,))


def test_definitions_of_before_are_brought_into_their_present_form(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        catalogue = enroll(conn, definitions())
        workflow = catalogue.current["orders"]
        body = msgspec.json.decode(msgspec.json.encode(workflow))
        plain = {"warn": None, "breach": None}
        for milestone in body["milestones"]:
            after, deadline = milestone.pop("after"), milestone.pop("deadline")
            lengths = plain if deadline is None else {name: deadline[name] for name in plain}
            milestone |= {"after": after[0] if after else None} | lengths
        body["milestones"] = body["milestones"][:3]
        conn.execute("UPDATE definition SET body = %s::jsonb", (msgspec.json.encode(body).decode(),))
        _undo_what_came_later(conn, "0003")
        conn.commit()
    migrate(database_url)
    with connect(database_url, "test") as conn:
        found = load_catalogue(conn).current["orders"]
    assert found.milestones == workflow.milestones[:3]


def test_what_was_there_before_is_counted_and_several_processes_may_migrate_at_once(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        catalogue = enroll(conn, definitions())
        said = (("won", "1"), ("won", "2"), ("cancelled", "1"))
        log_events(conn, [make_event(step, at, at, "crm", {"order": order}) for at, (step, order) in enumerate(said)])
        project(conn, catalogue)
        assert_that_instances_are_counted(conn)
        assert conn.execute("SELECT count FROM instance_count WHERE verdict = 'cancelled'").fetchall() == [(1,)]
        conn.execute("DROP TABLE instance_count")
        conn.execute("DROP INDEX ix_instance_open")
        conn.execute("CREATE INDEX ix_instance_open ON instance (verdict, deadline_at)")
        conn.execute("UPDATE alembic_version SET version_num = '0012'")
        conn.commit()
        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(migrate, database_url) for _ in range(3)]:
                done.result(timeout=60)
        assert_that_instances_are_counted(conn)


def test_a_new_form_of_progress_is_derived_anew_from_the_log(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        catalogue = enroll(conn, definitions())
        log_events(conn, [make_event("won", 0, 1, "crm", {"order": "1"})])
        project(conn, catalogue)
        before = fingerprints(conn)
        conn.execute("UPDATE instance SET progress = '\\x00'")
        _undo_what_came_later(conn, "0002")
        conn.execute("DELETE FROM definition")
        conn.commit()
    migrate(database_url)
    with connect(database_url, "test") as conn:
        assert conn.execute("SELECT count(*) FROM instance").fetchone() == (0,)
        catalogue = enroll(conn, definitions())
        forget(conn, current_definitions=True)
        project(conn, load_catalogue(conn))
        assert fingerprints(conn) == before
