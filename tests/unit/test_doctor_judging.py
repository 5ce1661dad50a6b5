"""What the figures of an installation mean to `milepost doctor`."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting.address import Address
from alerting.channels.reach import PUBLIC_ONLY, reach_of
from alerting.targets import Target
from collector.spool.records import Record
from collector.spool.segments import Spool
from milepost.doctor import judging
from milepost.doctor.asking_machine import buffer, disk, secret_files, secrets
from milepost.doctor.asking_network import Attempt, attempt, judged, provider
from milepost.doctor.examination import Examination, made
from milepost.doctor.finding import Finding, Grade, as_document, as_text, fail, ok, unknown, warn, worst
from milepost.settings import Settings
from slo_rules.durations import MINUTE, SECOND

GIGABYTE = 10**9
RIGHTS = judging.Rights("milepost", False, (), (), (), True, False)


@pytest.mark.parametrize(
    ("free", "database", "grade"),
    [
        (500 * GIGABYTE, 100 * GIGABYTE, Grade.OK),
        (150 * GIGABYTE, None, Grade.OK),
        (150 * GIGABYTE, 850 * GIGABYTE, Grade.WARN),
        (90 * GIGABYTE, 10 * GIGABYTE, Grade.WARN),
        (15 * GIGABYTE, 10 * GIGABYTE, Grade.FAIL),
        (0, 10 * GIGABYTE, Grade.FAIL),
    ],
)
def test_a_disk_without_room_is_told_before_it_is_full(free: int, database: int | None, grade: Grade) -> None:
    assert judging.disk(judging.Disk("/data", 1000 * GIGABYTE, free, database)).grade is grade


def test_a_small_disk_needs_a_gigabyte_all_the_same() -> None:
    assert judging.disk(judging.Disk("/data", 4 * GIGABYTE, GIGABYTE - 1)).grade is Grade.FAIL
    assert judging.disk(judging.Disk("/proc", 0, 0)).grade is Grade.UNKNOWN


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above(tmp_path: Path) -> None:
    assert str(tmp_path) in disk(tmp_path / "not" / "there", None).said


BUFFER = judging.Buffer("/spool", writable=True, bytes=0, limit=GIGABYTE, free=100 * GIGABYTE)


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({}, Grade.OK),
        ({"bytes": GIGABYTE // 10, "oldest": 2 * SECOND}, Grade.OK),
        ({"bytes": 6 * GIGABYTE // 10, "oldest": 2 * SECOND}, Grade.WARN),
        ({"bytes": 1, "oldest": 2 * MINUTE}, Grade.WARN),
        ({"bytes": 1, "oldest": 20 * MINUTE}, Grade.FAIL),
        ({"bytes": GIGABYTE, "oldest": SECOND}, Grade.FAIL),
        ({"free": 10**8}, Grade.FAIL),
        ({"writable": False}, Grade.FAIL),
        ({"beside": 1}, Grade.WARN),
    ],
)
def test_a_buffer_that_cannot_keep_what_arrives_or_keeps_it_for_long_is_told(
    changes: dict[str, object], grade: Grade
) -> None:
    assert worst(judging.buffer(replace(BUFFER, **changes))) is grade  # type: ignore[arg-type]


def test_the_buffer_is_looked_at_from_outside_and_left_as_it_is(tmp_path: Path) -> None:
    folder, now = tmp_path / "spool", 1_790_000_000 * SECOND
    assert worst(buffer(None, GIGABYTE, now)) is Grade.OK
    # Before the first start it is not there, and is not made by looking.
    assert worst(buffer(folder, GIGABYTE, now)) is Grade.OK
    assert not folder.exists()
    spool = Spool(folder, GIGABYTE)
    spool.add([Record(now, 1, b"x" * 1000)])
    (found,) = buffer(folder, GIGABYTE, time.time_ns() // 1000 + 20 * MINUTE)
    assert found.grade is Grade.FAIL
    assert "20m" in found.said
    spool.close()
    (folder / "1.refused").write_bytes(b"x")
    (folder / "2.damaged").write_bytes(b"x")
    assert "2 files" in buffer(folder, GIGABYTE, time.time_ns() // 1000)[0].said


def test_a_buffer_that_is_no_folder_or_may_not_be_looked_at_stops_no_other_check(tmp_path: Path) -> None:
    file = tmp_path / "spool"
    file.write_text("x")
    assert worst(buffer(file, GIGABYTE, 0)) is Grade.UNKNOWN


@pytest.mark.parametrize(
    ("asked", "database", "answered", "grade"),
    [
        (100, 100 + 200_000, 100 + 400_000, Grade.OK),
        # A slow answer explains as much as it took.
        (0, 20 * SECOND, 21 * SECOND, Grade.OK),
        (0, 3 * SECOND, SECOND, Grade.WARN),
        (10 * SECOND, 5 * SECOND, 10 * SECOND, Grade.WARN),
        (0, 40 * SECOND, SECOND, Grade.FAIL),
        (60 * SECOND, 0, 60 * SECOND, Grade.FAIL),
    ],
)
def test_clocks_apart_are_told_and_slow_answers_are_not(asked: int, database: int, answered: int, grade: Grade) -> None:
    assert judging.clock_skew(asked, database, answered).grade is grade


def test_clocks_apart_are_told_by_which_way() -> None:
    assert "40s ahead of" in judging.clock_skew(0, 40 * SECOND, 0).said
    assert "1m behind" in judging.clock_skew(60 * SECOND, 0, 60 * SECOND).said


def test_a_server_that_is_too_old_fails() -> None:
    assert judging.server_version(14_0019, "14.19").grade is Grade.FAIL
    assert judging.server_version(15_0000, "15.0").grade is Grade.OK


@pytest.mark.parametrize(
    ("found", "grade", "said"),
    [
        ((), Grade.FAIL, "no schema"),
        (("0003",), Grade.OK, "0003"),
        (("0001",), Grade.FAIL, "needs 0003"),
        (("0001", "0003"), Grade.FAIL, "needs 0003"),
        (("0099",), Grade.FAIL, "does not know"),
    ],
)
def test_only_the_schema_of_this_release_is_right(found: tuple[str, ...], grade: Grade, said: str) -> None:
    finding = judging.migrations(found, "0003", {"0001", "0002", "0003"})
    assert finding.grade is grade
    assert said in finding.said


@pytest.mark.parametrize(
    ("installed", "available", "preloaded", "grade"),
    [
        ({}, {}, False, Grade.OK),
        ({}, {"timescaledb": "2.21.0"}, True, Grade.OK),
        ({"timescaledb": "2.21.0"}, {"timescaledb": "2.21.0"}, True, Grade.OK),
        ({"timescaledb": "2.20.0"}, {"timescaledb": "2.21.0"}, True, Grade.WARN),
        ({"timescaledb": "2.21.0"}, {"timescaledb": "2.21.0"}, False, Grade.FAIL),
    ],
)
def test_an_extension_that_is_not_loaded_or_is_behind_is_told(
    installed: dict[str, str], available: dict[str, str], preloaded: bool, grade: Grade
) -> None:
    assert judging.extensions(installed, available, preloaded=preloaded).grade is grade


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({}, Grade.OK),
        ({"superuser": True}, Grade.WARN),
        ({"superuser": True, "embedded": True}, Grade.OK),
        ({"unreadable": ("event",)}, Grade.FAIL),
        ({"unwritable": ("event",)}, Grade.FAIL),
        ({"not_owned": ("event",)}, Grade.FAIL),
        ({"creates": False}, Grade.FAIL),
    ],
)
def test_a_user_without_the_rights_it_needs_fails(changes: dict[str, object], grade: Grade) -> None:
    assert judging.rights(replace(RIGHTS, **changes)).grade is grade  # type: ignore[arg-type]


def test_how_long_the_oldest_event_waits_counts_and_not_how_many_do() -> None:
    assert judging.projection_lag(0, None).grade is Grade.OK
    assert judging.projection_lag(1_000_000, 2 * SECOND).grade is Grade.OK
    assert judging.projection_lag(1, 2 * MINUTE).grade is Grade.WARN
    assert judging.projection_lag(1, 20 * MINUTE).grade is Grade.FAIL


def test_dead_letters_and_silent_sources_are_told_with_the_worst_first() -> None:
    letters = judging.dead_letters({"crm": 2, "sap": 40, "desk": 0})
    assert (letters.grade, letters.said) == (Grade.WARN, "42 wait, from sap, crm, desk")
    assert judging.dead_letters({}).grade is Grade.OK
    silent = judging.silent_sources([f"s{number}" for number in range(7)], 9)
    assert (silent.grade, silent.said) == (Grade.WARN, "7 of 9 silent: s0, s1, s2, s3, s4 and 2 more")
    assert judging.silent_sources([], 0).grade is Grade.OK


@pytest.mark.parametrize(
    ("auth", "insecure", "loopback", "behind", "grade"),
    [
        (True, False, False, None, Grade.OK),
        (False, False, False, None, Grade.FAIL),
        (False, True, False, None, Grade.WARN),
        (False, False, True, "https://milepost.example.com", Grade.WARN),
        (False, False, True, None, Grade.OK),
    ],
)
def test_who_is_open_to_others_is_told(
    auth: bool, insecure: bool, loopback: bool, behind: str | None, grade: Grade
) -> None:
    found = judging.exposure(auth=auth, insecure=insecure, loopback=loopback, behind=behind)
    assert found.grade is grade


def test_a_replica_is_a_standby_that_is_not_far_behind() -> None:
    assert judging.replica(recovering=False, lag=None).grade is Grade.FAIL
    assert judging.replica(recovering=True, lag=None).grade is Grade.OK
    assert judging.replica(recovering=True, lag=MINUTE).grade is Grade.WARN


@pytest.mark.parametrize(
    ("mode", "grade"), [(0o600, Grade.OK), (0o640, Grade.OK), (0o644, Grade.WARN), (0o606, Grade.FAIL)]
)
def test_a_file_with_secrets_that_others_can_open_is_told(tmp_path: Path, mode: int, grade: Grade) -> None:
    config = tmp_path / "milepost.toml"
    config.write_text('database_url = "postgresql://u:p@db/milepost"\n')
    config.chmod(mode)
    assert worst(secrets(secret_files(config, {}))) is grade


def test_a_file_without_secrets_may_be_read_by_anybody_and_one_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    config = tmp_path / "milepost.toml"
    config.write_text("port = 8080\n")
    config.chmod(0o644)
    assert secret_files(config, {}) == []
    assert worst(secrets([])) is Grade.OK
    config.write_text('[kafka.ssl.key]\npassword = "x"\n')
    assert secret_files(config, {}) == [config]
    absent = secret_files(None, {"MILEPOST_DATABASE_URL_FILE": str(tmp_path / "absent")})
    assert worst(secrets(absent)) is Grade.UNKNOWN


def test_a_check_that_breaks_says_so_without_what_it_held() -> None:
    def broken() -> Finding:
        raise RuntimeError("postgresql://user:planted@db")

    (found,) = made("clock", broken)
    assert found.grade is Grade.UNKNOWN
    assert "RuntimeError" in found.said
    assert "planted" not in found.said + found.advice


def test_findings_are_printed_for_people_and_for_programs() -> None:
    found = [
        ok("a", "good"),
        unknown("b", "not asked"),
        warn("long name", "so\x1b[31m so", "look"),
        fail("c", "bad", "mend"),
    ]
    assert worst(found) is Grade.FAIL
    assert worst([]) is Grade.OK
    text = as_text(found)
    assert "\x1b" not in text
    assert text.endswith("1 fail, 1 warn, 1 unknown, 1 ok.")
    document = json.loads(as_document(found, datetime(2026, 11, 22, tzinfo=UTC)))
    assert (document["at"], document["worst"]) == ("2026-11-22T00:00:00Z", "fail")
    assert document["findings"][3] == {"check": "c", "grade": "fail", "said": "bad", "advice": "mend"}


@contextmanager
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """Somebody who takes connections and keeps what he is sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(60)
                heard.append(connection.recv(4096))

        thread = threading.Thread(target=take)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join(10)


def hook(url: str, kind: str = "webhook") -> Target:
    return Target("desk", kind, Address(url))


def test_a_target_is_connected_to_and_sent_nothing() -> None:
    with listening() as (port, heard):
        found = attempt(hook(f"http://127.0.0.1:{port}/planted-path"), reach_of(["127.0.0.1"]))
    assert found == Attempt("desk")
    assert heard == [b""]


def test_a_target_that_does_not_speak_tls_is_not_reached() -> None:
    with listening() as (port, _):
        found = attempt(hook(f"https://127.0.0.1:{port}/planted-path"), reach_of(["127.0.0.1"]))
    assert found.why is not None
    assert "planted" not in found.why


def test_targets_that_are_not_reached_say_why_and_not_where() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    refused = attempt(hook(f"http://127.0.0.1:{free}/planted-path"), reach_of(["127.0.0.1"]))
    guarded = attempt(hook("http://127.0.0.1/planted-path"), PUBLIC_ONLY)
    nowhere = attempt(hook("https://planted-host.invalid/planted-path"), PUBLIC_ONLY)
    mailed = attempt(hook("smtp://169.254.169.254", "email"), PUBLIC_ONLY)
    unasked = attempt(hook("slack://planted-token", "apprise"), PUBLIC_ONLY)
    assert refused.why == "connection refused"
    assert "private_hosts" in str(guarded.why)
    assert "private_hosts" in str(mailed.why)
    assert not unasked.tried
    found = judged([refused, guarded, nowhere, unasked, Attempt("good")])
    assert [one.grade for one in found] == [Grade.FAIL] * 3 + [Grade.UNKNOWN, Grade.OK]
    assert "planted" not in as_text(found)
    assert judged([])[0].grade is Grade.OK


def test_a_provider_that_is_away_or_another_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    settings = Settings(
        auth="on", oidc_issuer=f"http://127.0.0.1:{free}", oidc_client_id="milepost", oidc_client_secret="planted",
        public_url="http://127.0.0.1:8080",
    )  # fmt: skip
    found = provider(settings)
    assert found.grade is Grade.FAIL
    assert "planted" not in found.said


def graded(examination: Examination) -> dict[str, Grade]:
    return {one.check: one.grade for one in examination.findings()}


def test_without_a_database_the_rest_is_looked_at(tmp_path: Path) -> None:
    found = graded(Examination(Settings(data_dir=tmp_path / "absent"), environment={}))
    assert found["database"] is Grade.FAIL
    assert found["disk"] is not Grade.UNKNOWN
    assert found["targets"] is Grade.OK
    # Nothing was made by looking.
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_down_fails_once_and_leaves_what_rests_on_it_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = Settings(database_url=f"postgresql://milepost:planted@127.0.0.1:{port}/milepost", auth="on")
    findings = list(Examination(settings, environment={}).findings())
    assert [one.check for one in findings if one.grade is Grade.FAIL] == ["database"]
    assert {one.check for one in findings if one.grade is Grade.UNKNOWN} == {
        "extensions", "migrations", "clock", "rights", "projection", "sources", "dead letters", "receivers", "limits",
        "entrants", "disk",
    }  # fmt: skip
    assert "planted" not in as_text(findings)


@pytest.mark.parametrize(
    "text", [b"kind: [", b"\xff\xfe", b"apiVersion: milepost/v1\nkind: Workflow\nmetadata: {name: x}\nspec: {}\n"]
)
def test_definitions_that_cannot_be_read_fail_and_stop_nothing(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "orders.yaml"
    file.write_bytes(text)
    found = graded(Examination(Settings(definitions=(file,), data_dir=tmp_path / "absent"), environment={}))
    assert found["definitions"] is Grade.FAIL
    assert found["targets"] is Grade.UNKNOWN
    assert "disk" in found
