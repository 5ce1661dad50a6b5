"""`milepost discover` and `milepost coverage` as they are run: on a database, beside its service, and on files."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.catalogue import Catalogue
from collector.log import DeadLetter, LetterReason, append
from collector.sampling import READ_ONLY, Q, Window, dead_letters, newest_events, newest_instances, sources_heard
from collector.store.database import Connection, connect
from slo_rules.deadlines import Deadline
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.instants import to_micros
from tests.acceptance.process import environment
from tests.fix_postgres import Server
from tests.projecting import enroll, log_events, project, projecting, receive
from tests.strategies import DEFINITIONS, START, make_act, make_event

pytestmark = pytest.mark.slow

XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0">
%s
</log>
"""


def orders(count: int, first: int = 0) -> list[Event]:
    """Orders of three steps; every fourth is never paid."""
    seen = []
    for number in range(first, first + count):
        steps = [("won", 0, "crm"), ("accepted", HOUR, "sap"), ("paid", 5 * HOUR, "sap")]
        for place, (type_, at, source) in enumerate(steps[: 2 if number % 4 == 3 else 3]):
            data = {"order": f"SO-{number}", "account": f"A-{number // 5}", "region": "EMEA", "tax_code": "V1"}
            seen.append(make_event(type_, number * MINUTE + at, number * 10 + place, source, data))
    return seen


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "milepost.cli", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment(), timeout=240)


def found(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def refused(*arguments: str) -> str:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def speaking() -> list[Event]:
    """Three days in which crm speaks every 20 minutes and sap every ten in office hours, of what occurred long before.

    In the order of arrival; somebody waives something in between.
    """
    monday = to_micros(datetime(2026, 9, 21, tzinfo=ZoneInfo("Europe/Berlin"))) - START
    crm = [(monday + at * 20 * MINUTE, "won", "crm") for at in range(3 * 72 + 1)]
    days = [monday + day * DAY for day in range(3)]
    sap = [(at, "accepted", "sap") for day in days for at in range(day + 9 * HOUR, day + 17 * HOUR, 10 * MINUTE)]
    seen = [
        make_event(type_, -30 * DAY, number, source, {"order": f"SO-{number}"}, received_at=at)
        for number, (at, type_, source) in enumerate(crm + sap)
    ]
    acts = [make_act(monday + n * HOUR, 9000 + n, "order:SO-1", None) for n in range(60)]
    return sorted([*seen, *acts], key=lambda event: event.received_at)


@pytest.fixture
def stored(database_url: str) -> tuple[str, Catalogue]:
    """Twenty orders and some noise, applied."""
    with projecting(database_url) as conn:
        catalogue = enroll(conn, load({"orders.yaml": DEFINITIONS}))
        noise = [make_event("acceptd", DAY, 9000 + n, "sap", {"order": f"SO-{n}"}) for n in range(3)]
        keyless = make_event("won", DAY, 9900, "crm", {"order": "N/A"})
        log_events(conn, [*orders(20), *noise, keyless])
        with conn.transaction():
            append(conn, [], [], [DeadLetter("crm", LetterReason.INVALID_EVENT, "time: is wrong", b"{}", None, None)])
        project(conn, catalogue)
    return database_url, catalogue


class TestSampling:
    def test_the_newest_come_first_and_no_more_than_asked_for(self, stored: tuple[str, Catalogue]) -> None:
        with connect(stored[0], "test", options=READ_ONLY) as conn:
            every = list(newest_events(conn, Window(1000)))
            some = list(newest_events(conn, Window(7)))
        assert len(every) == 59
        assert [event.document["id"] for event in some] == [event.document["id"] for event in every[:7]]
        assert every[0].document["id"] == "e9900"
        assert every[-1].occurred_at == START

    def test_a_window_bounds_time_source_and_type(self, stored: tuple[str, Catalogue]) -> None:
        window = Window(1000, START + 2 * HOUR, ("sa",), ("pa", "x"))
        with connect(stored[0], "test", options=READ_ONLY) as conn:
            seen = list(newest_events(conn, window))
        assert {(event.source, event.type) for event in seen} == {("sap", "paid")}
        assert len(seen) == 15
        assert all(window.takes(event.source, event.type, event.occurred_at) for event in seen)

    def test_a_percent_sign_in_a_prefix_is_a_percent_sign(self, stored: tuple[str, Catalogue]) -> None:
        with connect(stored[0], "test", options=READ_ONLY) as conn:
            assert list(newest_events(conn, Window(1000, sources=("%",)))) == []

    def test_instances_come_with_the_version_they_were_started_under(self, stored: tuple[str, Catalogue]) -> None:
        url, catalogue = stored
        with connect(url, "test", options=READ_ONLY) as conn:
            instances = list(newest_instances(conn, catalogue, Window(1000)))
            assert len(list(newest_instances(conn, catalogue, Window(5)))) == 5
        assert {workflow.version for workflow, _ in instances} == {1}
        assert len(instances) == 20

    def test_dead_letters_are_counted_by_reason(self, stored: tuple[str, Catalogue]) -> None:
        with connect(stored[0], "test", options=READ_ONLY) as conn:
            letters = {(one.reason, one.source): one.count for one in dead_letters(conn, Window(1000))}
            assert sources_heard(conn) == {"crm", "sap"}
        assert letters == {("invalid_event", "crm"): 1, ("no_usable_key", "crm"): 1}

    def test_the_newest_are_found_without_reading_the_log(self, stored: tuple[str, Catalogue]) -> None:
        with connect(stored[0], "test", options=READ_ONLY + " -c enable_seqscan=off") as conn:
            plan = conn.execute("EXPLAIN " + Q["newest_events"], Window(10).parameters()).fetchall()
        assert "Backward" in str(plan)
        assert "Sort  " not in str(plan)


class TestDiscover:
    def test_the_database_is_drafted_and_the_draft_finds_every_order(self, stored: tuple[str, Catalogue]) -> None:
        url, _ = stored
        done = run("discover", "--database-url", url, "--draft", "-")
        assert done.returncode == 0, done.stderr
        workflow = load({"draft.yaml": done.stdout}).workflows["order"]
        assert [one.name for one in workflow.milestones] == ["won", "accepted", "paid", "acceptd"]
        assert workflow.by_name["accepted"].deadline == Deadline(None, HOUR)
        assert workflow.by_name["paid"].after == ("accepted",)

    def test_what_is_read_is_not_changed(self, stored: tuple[str, Catalogue], conn: Connection) -> None:
        url, _ = stored
        counts = (
            "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM instance), (SELECT count(*) FROM definition)"
        )
        before = conn.execute(counts).fetchone()
        conn.commit()
        report = found(
            "discover", "--database-url", url, "--source", "crm", "--source", "sap", "--type", "won", "--type", "acc"
        )
        assert report["cases"] == 20
        assert report["keys"] == [{"name": "order", "paths": ["data.order"]}]
        assert conn.execute(counts).fetchone() == before

    def test_a_limit_is_said(self, stored: tuple[str, Catalogue]) -> None:
        done = run("discover", "--database-url", stored[0], "--limit", "10", "--key", "data.order")
        assert "Only 10 events were looked at (--limit)" in done.stdout

    def test_an_unknown_key_is_named_with_its_likeness(self, stored: tuple[str, Catalogue]) -> None:
        said = refused("discover", "--database-url", stored[0], "--key", "data.oder", "--key", "data.zzz")
        assert "No event carries a usable value of data.oder. Did you mean data.order?" in said
        assert "No event carries a usable value of data.zzz." in said
        assert "What looks like a key: data.order" in said

    def test_all_that_cannot_be_asked_is_named_at_once(self) -> None:
        said = refused("discover", "--key", "data..x", "--since", "yesterday", "--mapping", "m.yaml")
        assert "'data..x' is not a path" in said
        assert "'yesterday' is not a time" in said
        assert "--mapping is for a CSV file" in said

    def test_an_empty_database_has_nothing_to_discover(self, database_url: str) -> None:
        assert "There are no events to look at" in refused("discover", "--database-url", database_url)

    def test_what_is_no_database_of_ours_is_said_and_left_alone(self, postgres: Server, tmp_path: Path) -> None:
        url = postgres.empty()
        assert "holds nothing of Milepost's" in refused("discover", "--database-url", url)
        assert "holds nothing of Milepost's" in refused("coverage", "--database-url", url)
        with connect(url, "test") as conn:
            assert conn.execute("SELECT to_regclass('event')").fetchone() == (None,)
        postgres.drop(url)
        missing = tmp_path / "none"
        assert "There is no database in" in refused("coverage", "--data-dir", str(missing))
        assert not missing.exists()
        gone = "postgresql://nobody@127.0.0.1:1/none"
        assert "The database cannot be reached" in refused("discover", "--database-url", gone)


def xes(traces: int) -> str:
    """Tickets, each opened and closed, half of them checked between."""
    parts = []
    for number in range(traces):
        steps = [("open ticket", 0), *([("check ticket", 1)] if number % 2 else []), ("close ticket", 3)]
        events = "".join(
            f'<event><string key="concept:name" value="{name}"/>'
            f'<date key="time:timestamp" value="2026-11-{number + 1:02}T1{hour}:00:00Z"/></event>'
            for name, hour in steps
        )
        parts.append(f'<trace><string key="concept:name" value="T{number}"/>{events}</trace>')
    return XES % "".join(parts)


class TestFiles:
    def test_a_process_log_becomes_a_draft_that_passes_the_check(self, tmp_path: Path) -> None:
        log, draft = tmp_path / "tickets.xes.gz", tmp_path / "draft.yaml"
        log.write_bytes(gzip.compress(xes(10).encode()))
        done = run("discover", str(log), "--draft", str(draft))
        assert done.returncode == 0, done.stderr
        assert "25 events of 10 cases, 2026-11-01 to 2026-11-10." in done.stdout
        assert "open ticket   xes:tickets     10  100%" in done.stdout
        checked = run("check", str(draft))
        assert checked.returncode == 0, checked.stderr
        workflow = load({"draft.yaml": draft.read_text()}).workflows["case"]
        assert [one.name for one in workflow.milestones] == ["open_ticket", "check_ticket", "close_ticket"]
        assert workflow.by_name["close_ticket"].deadline == Deadline(None, 3 * HOUR)
        assert workflow.by_name["check_ticket"].optional
        assert "already" in refused("discover", str(log), "--draft", str(draft))

    def test_the_graph_is_drawn(self, tmp_path: Path) -> None:
        log = tmp_path / "tickets.xes"
        log.write_text(xes(4).replace("close ticket", "close &quot;it&quot;"))
        drawn = run("discover", str(log), "--format", "dot").stdout
        assert drawn.startswith("digraph milepost {\n")
        assert r'[label="close \"it\"\nxes:tickets\n4 cases"]' in drawn
        assert drawn.count("->") == 3 + 2

    def test_the_same_events_from_lines_or_a_table_make_the_same_graph(self, tmp_path: Path) -> None:
        rows = [("1", "open", 9), ("1", "close", 11), ("2", "open", 9), ("2", "close", 12)]
        lines = tmp_path / "log.jsonl"
        lines.write_text(
            "\n".join(
                json.dumps(
                    {"specversion": "1.0", "id": str(n), "source": "csv:log", "type": type_,
                     "time": f"2026-11-01T{hour:02}:00:00Z", "data": {"case": case}}
                )
                for n, (case, type_, hour) in enumerate(rows)
            )
        )  # fmt: skip
        sheet, mapping = tmp_path / "log.csv", tmp_path / "mapping.yaml"
        sheet.write_text("who,what,when\n" + "\n".join(f"{c},{t},2026-11-01T{h:02}:00:00Z" for c, t, h in rows))
        mapping.write_text("{case: who, type: what, time: when}")
        a = found("discover", str(lines), "--key", "data.case")
        b = found("discover", str(sheet), "--key", "data.case", "--mapping", str(mapping))
        for name in ("events", "cases", "activities", "edges", "first_at", "last_at"):
            assert a[name] == b[name], name
        (edge,) = a["edges"]
        assert (edge["count"], edge["median_seconds"], edge["p95_seconds"]) == (2, 9000.0, 10800.0)

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("empty.jsonl", b"", "There are no events to look at: none is there"),
            ("noise.jsonl", b"\x00\xff\x1b[2J\n" * 9, "9 records cannot be used"),
            ("no-time.jsonl", b'{"specversion":"1.0","id":"1","source":"a","type":"b"}', "without a time"),
            ("page.xes", b"<html></html>", "not a XES log"),
            ("cut.xes", b"<log><trace>", "not well-formed XML"),
            ("cut.xes.gz", b"\x1f\x8b\x08\x00", "cut off"),
            ("sheet.csv", b"a,b\n1,2\n", "needs --mapping"),
        ],
    )
    def test_what_is_no_log_is_refused_in_words(self, tmp_path: Path, name: str, content: bytes, said: str) -> None:
        file = tmp_path / name
        file.write_bytes(content)
        message = refused("discover", str(file))
        assert said in message
        assert "\x1b" not in message

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        assert "No such file" in refused("discover", str(tmp_path / "none.xes"))
        assert "No such file" in refused("discover", str(tmp_path / "a.csv"), "--mapping", str(tmp_path / "m.yaml"))

    def test_what_cannot_be_used_is_counted_beside_what_can(self, tmp_path: Path) -> None:
        log = tmp_path / "half.jsonl"
        good = [
            json.dumps({"specversion": "1.0", "id": f"{n}", "source": "\x1b]0;a\x07", "type": f"t{n % 2}",
                        "time": "2026-11-01T00:00:00Z", "data": {"id": n // 2}})
            for n in range(2, 8)
        ]  # fmt: skip
        log.write_text("\n".join([*good, "{}", "[]"]))
        done = run("discover", str(log))
        assert done.returncode == 0, done.stderr
        assert "2 records could not be used" in done.stdout
        assert "\x1b" not in done.stdout
        assert r"\x1b]0;a\x07" in done.stdout


class TestCoverage:
    def test_definitions_are_held_against_what_is_stored(self, stored: tuple[str, Catalogue]) -> None:
        report = found("coverage", "--database-url", stored[0])
        assert report["looked_at"]["events"] == 59
        assert (report["unmatched"], report["keyless"]) == (3, 1)
        (workflow,) = report["workflows"]
        assert workflow["never_reached"] == ["shipped", "delivered", "signed"]
        assert workflow["keys"] == {"opportunity": 0, "order": 55, "sales_order": 0, "parcel": 0, "account": 55}
        accepted = next(one for one in workflow["milestones"] if one["name"] == "accepted")
        assert (accepted["events"], accepted["instances"], accepted["deadline"]) == (20, 20, "never_missed")
        worst = report["kinds"][0]
        assert (worst["type"], worst["unmatched"], worst["example"]) == ("acceptd", 3, "e9002")
        assert worst["nearest"]["differences"] == ["type is 'acceptd', not 'accepted'"]
        assert {one["reason"] for one in report["dead_letters"]} == {"invalid_event", "no_usable_key"}

    def test_it_is_said_in_words_and_as_a_sample(self, stored: tuple[str, Catalogue]) -> None:
        done = run("coverage", "--database-url", stored[0], "--limit", "20")
        assert done.returncode == 0, done.stderr
        assert "Looked at the newest 20 events" in done.stdout
        done = run("coverage", "--database-url", stored[0])
        for words in (
            "Never reached since 2026-",
            "shipped",
            "Keys never seen: opportunity, sales_order",
            "3 of 59 events match nothing; 1 match and carry no usable key.",
            "milestone accepted of orders, but",
            "Dead letters:",
        ):
            assert words in done.stdout

    def test_definitions_that_are_not_loaded_yet_can_be_tried(
        self, stored: tuple[str, Catalogue], tmp_path: Path, conn: Connection
    ) -> None:
        file = tmp_path / "other.yaml"
        file.write_text(DEFINITIONS.replace("name: orders,", "name: other,").replace("workflow: orders", "workflow: other")
                        .replace("type: accepted", "type: acceptd"))  # fmt: skip
        report = found("coverage", "--database-url", stored[0], "--definitions", str(file))
        assert report["not_in_force"] == ["other"]
        assert report["workflows"][0]["instances"] == 0
        assert conn.execute("SELECT DISTINCT workflow FROM definition").fetchall() == [("orders",)]
        file.write_text("kind: Workflow")
        assert "The definitions cannot be used" in refused(
            "coverage", "--database-url", stored[0], "--definitions", str(file)
        )

    def test_without_events_it_says_that_nothing_can_be_said(self, database_url: str) -> None:
        packs = ("--definitions", "packs")
        assert "There are no workflows" in refused("coverage", "--database-url", database_url)
        done = run("coverage", "--database-url", database_url, *packs, "--since", "7d")
        assert done.returncode == 0, done.stderr
        assert "There are no events since 20" in done.stdout
        assert "is not a time" in refused("coverage", "--database-url", database_url, *packs, "--since", "soon")

    def test_instances_that_cannot_be_read_are_left_out_and_counted(
        self, stored: tuple[str, Catalogue], conn: Connection
    ) -> None:
        looked = found("coverage", "--database-url", stored[0])["looked_at"]
        assert (looked["instances"] > 1, looked["unreadable_instances"]) == (True, 0)
        conn.execute("UPDATE instance SET progress = '\\x93' WHERE id = (SELECT min(id::text)::uuid FROM instance)")
        conn.commit()
        again = found("coverage", "--database-url", stored[0])["looked_at"]
        assert (again["instances"], again["unreadable_instances"]) == (looked["instances"] - 1, 1)
        told = run("coverage", "--database-url", stored[0]).stdout
        assert "Left out: 1 of which what is stored cannot be read.\n" in told

    def test_what_another_version_has_written_is_said(self, stored: tuple[str, Catalogue], conn: Connection) -> None:
        conn.execute("UPDATE definition SET body = body || '{\"keys\": 7}'")
        conn.commit()
        assert "Another version of Milepost" in refused("coverage", "--database-url", stored[0])

    def test_how_often_sources_speak_is_learned_from_when_events_arrived(
        self, database_url: str, conn: Connection
    ) -> None:
        enroll(conn, load({"orders.yaml": DEFINITIONS.replace("{name: crm}", "{name: bank}")}))
        receive(conn, speaking())
        conn.commit()
        crm, sap = found("coverage", "--database-url", database_url)["sources"]
        assert (crm["source"], crm["arrivals"], crm["declared"], crm["judgement"]) == ("crm", 217, None, "undeclared")
        assert crm["suggestion"] == {"every": "30m", "calendar": None, "line": "silent_after: 30m"}
        assert (sap["arrivals"], sap["judgement"], sap["silences"]) == (144, "called_silent", 2)
        assert sap["suggestion"]["line"] == "expect: {every: 15m, calendar: office}"
        assert (sap["pauses"]["median_seconds"], sap["pauses"]["longest_at"]) == (600.0, "2026-09-21T14:50:00Z")
        printed = run("coverage", "--database-url", database_url, "--limit", "1000").stdout
        for words in (
            "How often sources speak, by the arrival of their events:\n",
            "  sap          144  2d7h     10m  16h10m   16h10m  2026-09-21 14:50 UTC  at least every 2h\n",
            (
                "  crm: nothing is declared of all that it sends, and orders/won waits for it. Suggested:\n"
                "    silent_after: 30m\n"
                "  sap: by what is declared it would have been called silent 2 times. Unless that was a fault, suggested:\n"
                "    expect: {every: 15m, calendar: office}\n"
            ),
        ):
            assert words in printed
        printed = run("coverage", "--database-url", database_url, "--limit", "60").stdout
        assert "Too little to learn from: crm, sap. It takes 50 arrivals over 1d or longer; a larger" in printed

    def test_a_source_that_never_sent_is_named(self, database_url: str, conn: Connection) -> None:
        enroll(conn, load({"orders.yaml": DEFINITIONS}))
        report = found("coverage", "--database-url", database_url)
        assert report["silent_sources"] == [
            {"source": "crm", "awaited_by": ["orders/won"]},
            {"source": "sap", "awaited_by": ["orders/accepted"]},
        ]
