"""`milepost doctor` on real databases: good ones, old ones, those of others, and ones that it may not read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from collector.catalogue import load_catalogue
from collector.store.database import connect, migrate, sqlalchemy_url
from milepost.doctor.asking_database import release
from milepost.doctor.examination import Examination
from milepost.doctor.finding import Finding, Grade
from milepost.settings import Settings
from slo_rules.definitions import load
from tests.acceptance.process import COMMAND, environment
from tests.fix_postgres import Server
from tests.integration.fix_retention import event, fill
from tests.projecting import enroll, project, projecting, receive


def found(url: str, **more: object) -> dict[str, Finding]:
    examination = Examination(Settings(database_url=url, **more), environment={})  # type: ignore[arg-type]
    return {one.check: one for one in examination.findings()}


def test_a_database_that_is_as_it_should_be_passes(either_url: str) -> None:
    with projecting(either_url) as conn:
        fill(conn)
    findings = found(either_url)
    for check in ("database", "extensions", "migrations", "clock", "projection"):
        assert findings[check].grade is Grade.OK, findings[check]
    # The tests' user is a superuser, and the disk of a database elsewhere cannot be seen.
    assert findings["rights"].grade is Grade.WARN
    assert findings["disk"].grade is Grade.UNKNOWN
    assert not [one for one in findings.values() if one.grade is Grade.FAIL]


def test_events_that_wait_for_long_and_dead_letters_are_told(database_url: str) -> None:
    with connect(database_url, "test", autocommit=True) as conn:
        conn.execute(
            "INSERT INTO event (received_at, occurred_at, source, id, type, body) "
            "VALUES (now() - interval '1 hour', now(), 'crm', '1', 'won', '{}')"
        )
        conn.execute(
            "INSERT INTO dead_letter (received_at, source, reason, detail, body) "
            "VALUES (now(), 'sap', 'unreadable', 'x', '{}')"
        )
    findings = found(database_url)
    assert findings["projection"].grade is Grade.FAIL
    assert "1h" in findings["projection"].said
    assert findings["dead letters"].said == "1 waits, from sap"


def test_a_source_that_is_silent_by_the_definitions_in_force_is_told(database_url: str) -> None:
    spelled = "apiVersion: milepost/v1\nkind: Source\nmetadata: {name: crm}\nspec: {silent_after: 15m}\n"
    with projecting(database_url) as conn:
        enroll(conn, load({"sources.yaml": spelled}))
        receive(conn, [event("won", 0.5, 1, order="SO-1")])
        project(conn, load_catalogue(conn))
    silent = found(database_url)["sources"]
    assert (silent.grade, silent.said) == (Grade.WARN, "1 of 1 silent: crm")


def test_an_empty_database_says_what_to_do_and_breaks_no_check(postgres: Server) -> None:
    url = postgres.empty()
    try:
        findings = found(url, auth="on")
    finally:
        postgres.drop(url)
    assert findings["migrations"].grade is Grade.FAIL
    assert "milepost db upgrade" in findings["migrations"].advice
    assert findings["clock"].grade is Grade.OK
    for check in ("projection", "sources", "dead letters", "entrants"):
        assert (findings[check].grade, findings[check].advice) == (Grade.UNKNOWN, "see migrations")


def test_a_schema_of_another_release_fails(postgres: Server) -> None:
    url = postgres.empty()
    try:
        migrate(url, to="0011")
        old = found(url)["migrations"]
        assert (old.grade, old.advice) == (Grade.FAIL, "run milepost db upgrade")
        migrate(url)
        assert found(url)["migrations"].grade is Grade.OK
        with connect(url, "test", autocommit=True) as conn:
            conn.execute("UPDATE alembic_version SET version_num = '9999'")
        newer = found(url)["migrations"]
        assert newer.grade is Grade.FAIL
        assert "does not know" in newer.said
    finally:
        postgres.drop(url)
    head, known = release()
    assert head in known
    assert "0011" in known


@pytest.fixture
def stranger(postgres: Server, database_url: str) -> Iterator[str]:
    """The database's URL for a user who owns nothing."""
    name = "doctor_stranger"
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'planted'")
    yield sqlalchemy_url(database_url).set(drivername="postgresql", username=name).render_as_string(hide_password=False)
    with connect(database_url, "test", autocommit=True) as conn:
        conn.execute(f"DROP OWNED BY {name}")
    postgres.execute(f"DROP ROLE {name}")


def test_a_user_who_may_not_read_or_write_is_told_what_he_lacks(stranger: str, database_url: str) -> None:
    assert sa.make_url(stranger).username == "doctor_stranger"
    findings = found(stranger)
    assert findings["rights"].grade is Grade.FAIL
    assert "may not read" in findings["rights"].said
    assert findings["projection"].grade is Grade.UNKNOWN
    assert "permission denied" in findings["projection"].said
    with connect(database_url, "test", autocommit=True) as conn:
        conn.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_stranger")
        conn.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO doctor_stranger")
    findings = found(stranger)
    assert "may not write" in findings["rights"].said
    assert findings["projection"].grade is Grade.OK
    with connect(database_url, "test", autocommit=True) as conn:
        conn.execute("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO doctor_stranger")
        conn.execute("REVOKE UPDATE, DELETE ON audit FROM doctor_stranger")
    said = found(stranger)["rights"].said
    assert "does not own" in said
    assert "may not write" not in said


@pytest.mark.parametrize(
    ("told", "waits", "given_up", "grade", "said"),
    [
        ("1 s", None, False, Grade.OK, "none keeps anything"),
        ("1 s", "20 s", False, Grade.OK, "none keeps anything"),
        ("1 s", "10 min", False, Grade.WARN, "keeps what has waited for 10m, and is being written"),
        ("10 min", "12 min", False, Grade.FAIL, "keeps what has waited for 12m, and told of it last 10m ago"),
        ("10 min", "12 min", True, Grade.FAIL, "told of it last 10m ago"),
        ("10 min", None, False, Grade.WARN, "ended without a word 10m ago"),
        ("10 min", None, True, Grade.WARN, "ended without a word 10m ago"),
    ],
)
def test_receivers_that_keep_something_or_are_gone_without_a_word_are_told(
    database_url: str, told: str, waits: str | None, given_up: bool, grade: Grade, said: str
) -> None:
    with connect(database_url, "test", autocommit=True) as conn:
        conn.execute(
            "INSERT INTO receiver_spool (id, name, told_at, waits_since, given_up) VALUES (gen_random_uuid(), "
            "'box-1:8080', now() - %s::interval, now() - %s::interval, %s)",
            (told, waits, given_up),
        )
    one = found(database_url)["receivers"]
    assert (one.grade, said in one.said) == (grade, True), one
    assert (one.advice == "") == (grade is Grade.OK)


def test_nobody_who_may_enter_fails_and_looking_changes_nothing(database_url: str) -> None:
    assert found(database_url, auth="on")["entrants"].grade is Grade.FAIL
    assert found(database_url, auth="on", forward_auth_header="x-user")["entrants"].grade is Grade.OK


def test_a_replica_that_is_none_fails(database_url: str) -> None:
    assert found(database_url, read_database_url=database_url)["replica"].grade is Grade.FAIL
    gone = database_url.replace(psycopg.conninfo.conninfo_to_dict(database_url)["dbname"], "absent")  # type: ignore[arg-type]
    assert "does not exist" in found(database_url, read_database_url=gone)["replica"].said


def doctor(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "doctor", *words], capture_output=True, text=True, env=environment() | more, timeout=240, check=False
    )


def test_the_command_ends_with_one_where_anything_fails_and_with_nothing_but_json(
    database_url: str, tmp_path: Path
) -> None:
    done = doctor("--database-url", database_url, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["worst"] == "warn"
    done = doctor("--data-dir", str(tmp_path / "absent"))
    assert done.returncode == 1
    assert "there is no database in" in done.stdout
    # Settings that cannot be used are a finding too, without their secrets.
    config = tmp_path / "milepost.toml"
    config.write_text('port = "x"\noidc_client_secret = ["planted"]\n')
    done = doctor("--config", str(config), "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert {one["check"] for one in document["findings"]} == {"settings"}
    assert "planted" not in done.stdout + done.stderr
