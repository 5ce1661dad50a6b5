"""What other definitions would change for open instances: as it is told, and as it then is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import comparison
from collector.catalogue import load_catalogue
from collector.comparison import Comparing, Comparison, Detail, Fate, Transition, hold_still, open_counts, questions
from collector.projector import Projector
from collector.rebuild import forget
from collector.sampling import READ_ONLY
from collector.store.database import Connection, connect
from collector.store.tables import OPEN_VERDICTS
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.judgement import VerdictKind
from slo_rules.workflow import Definitions
from tests.acceptance.process import COMMAND, environment
from tests.examples import on_one_database
from tests.projecting import enroll, receive, stored, wipe
from tests.strategies import DEFINITIONS, START, arrivals, make_event

pytestmark = pytest.mark.slow

NOW = START + 3 * HOUR
END = START + 60 * HOUR


def edited(*edits: tuple[str, str]) -> str:
    """The definitions with some texts replaced, each of which is there."""
    text = DEFINITIONS
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def event(type_: str, at: int, number: int, source: str = "crm", **said: Any) -> Event:
    return make_event(type_, at, number, source, {"tax_code": "V1"} | said)


def apply(conn: Connection, history: list[Event], until: int) -> None:
    """Have these definitions enrolled, these events applied, and everything judged that is due by then."""
    receive(conn, history)
    projector = Projector(load_catalogue(conn))
    assert projector.acquire(conn)
    while projector.apply_batch(conn) is None:
        pass
    projector.sweep(conn, until)


def compared(url: str, definitions: Definitions, now: int = NOW, examples: int = 3) -> dict[str, Comparison]:
    """As `milepost check --diff` compares, read-only."""
    with connect(url, "test", options=READ_ONLY) as conn:
        hold_still(conn)
        with conn.transaction():
            catalogue = load_catalogue(conn)
            counts = open_counts(conn)
            found = {name: Comparison(name, of_workflow) for name, of_workflow in counts.items()}
            comparing = Comparing(conn, catalogue, definitions, now, lambda _name, _count: None)
            for question in questions(catalogue, definitions, counts, examples):
                comparing.add(question, found[question.workflow])
    return found


def ways(comparison: Comparison) -> dict[Transition, int]:
    return {way: group.count for way, group in comparison.groups.items()}


OPEN = [
    event("won", 0, 1, order="SO-1", amount=10, currency="EUR"),
    event("won", 0, 2, order="SO-2", amount=20, currency="EUR"),
    event("accepted", 70 * MINUTE, 3, "sap", order="SO-2", amount=20),
    event("won", 2 * HOUR, 4, order="SO-3", opportunity="OPP-3", amount=30, currency="USD"),
]


class TestTold:
    @pytest.fixture(autouse=True)
    def _applied(self, conn: Connection) -> None:
        enroll(conn, load({"a.yaml": DEFINITIONS}))
        apply(conn, OPEN, NOW)

    def told(self, url: str, *edits: tuple[str, str], **how: Any) -> Comparison:
        return compared(url, load({"a.yaml": edited(*edits)}), **how)["orders"]

    def test_equal_definitions_ask_nothing(self, database_url: str) -> None:
        found = self.told(database_url)
        assert (found.open, found.compared, found.changes) == ({1: 3}, 0, False)

    def test_a_shorter_deadline_makes_stuck_what_it_makes_stuck(self, database_url: str) -> None:
        found = self.told(database_url, ("{warn: 3h, breach: 4h}", "{warn: 1h, breach: 150m}"))
        assert ways(found) == {
            (VerdictKind.DUE_SOON, VerdictKind.STUCK, Detail.NONE): 1,
            (VerdictKind.ON_TRACK, VerdictKind.DUE_SOON, Detail.NONE): 1,
        }
        assert (found.compared, found.same) == (3, 1)
        (example,) = found.groups[VerdictKind.DUE_SOON, VerdictKind.STUCK, Detail.NONE].examples
        assert example.title == "SO-1"
        assert "was due at" in example.then
        assert "Breach after 2h30m" in "".join(example.arithmetic)
        assert found.groups[VerdictKind.DUE_SOON, VerdictKind.STUCK, Detail.NONE].worth == {"EUR": 10}

    def test_the_same_verdict_with_another_deadline_is_another_standing(self, database_url: str) -> None:
        found = self.told(database_url, ("{warn: 3h, breach: 4h}", "{warn: 3h, breach: 5h}"))
        assert ways(found) == {
            (VerdictKind.DUE_SOON, VerdictKind.DUE_SOON, Detail.DUE_LATER): 1,
            (VerdictKind.ON_TRACK, VerdictKind.ON_TRACK, Detail.DUE_LATER): 1,
        }

    def test_a_new_requirement_is_asked_of_the_events(self, database_url: str) -> None:
        found = self.told(database_url, ("{path: data.tax_code, exists: true}", "{path: data.vat, exists: true}"))
        assert ways(found) == {(VerdictKind.STUCK, VerdictKind.INCONSISTENT, Detail.NONE): 1}

    def test_keys_that_no_event_carries_find_nothing(self, database_url: str) -> None:
        found = self.told(database_url, ("order: {path: data.order,", "order: {path: data.number,"))
        assert ways(found) == {
            (VerdictKind.DUE_SOON, Fate.NOT_FOUND, Detail.NONE): 1,
            (VerdictKind.STUCK, Fate.NOT_FOUND, Detail.NONE): 1,
        }

    def test_a_key_that_others_share_would_join(self, database_url: str, conn: Connection) -> None:
        apply(conn, [event("won", 2 * HOUR, 9 + n, order=f"SO-9{n}", account="A") for n in range(3)], NOW)
        found = self.told(database_url, ("{path: data.account, joins: false}", "data.account"))
        assert {way[1]: count for way, count in ways(found).items()} == {Fate.JOINED: 2}
        assert found.joins_told

    def test_what_was_joined_by_a_key_that_no_longer_joins_falls_apart(
        self, database_url: str, conn: Connection
    ) -> None:
        more = [event("accepted", 2 * HOUR, 8, "sap", opportunity="OPP-3", sales_order="S-3", amount=30)]
        apply(conn, more, NOW)
        found = self.told(
            database_url,
            ("opportunity: data.opportunity\n", "opportunity: {path: data.opportunity, joins: false}\n"),
        )
        assert {way[1]: count for way, count in ways(found).items()} == {Fate.FALLS_APART: 1}

    def test_examples_are_bounded_and_counts_are_not(self, database_url: str, conn: Connection) -> None:
        apply(conn, [event("won", 2 * HOUR, 20 + n, order=f"SO-2{n}") for n in range(7)], NOW)
        found = self.told(database_url, ("{warn: 3h, breach: 4h}", "30m"), examples=2)
        assert [(group.count, len(group.examples)) for group in found.groups.values()] == [(1, 1), (8, 2)]

    def test_a_source_of_which_something_else_is_said_counts_at_once(self, database_url: str, conn: Connection) -> None:
        apply(conn, [], START + 5 * HOUR)
        found = self.told(database_url, ("silent_after: 2h", "silent_after: 30m"), now=START + HOUR + 121 * MINUTE)
        assert found.compared == 3
        assert not found.changes
        found = self.told(database_url, ("silent_after: 2h", "silent_after: 9h"), now=START + 5 * HOUR)
        assert ways(found) == {(VerdictKind.BLIND, VerdictKind.STUCK, Detail.NONE): 1}

    def test_instances_under_an_older_version_are_compared_too(self, database_url: str, conn: Connection) -> None:
        text = edited(("{warn: 3h, breach: 4h}", "2h"))
        enroll(conn, load({"a.yaml": text}))
        apply(conn, [event("won", 2 * HOUR, 30, order="SO-30")], NOW)
        found = compared(database_url, load({"a.yaml": text}))["orders"]
        assert (found.open, found.compared, found.same) == ({1: 3, 2: 1}, 3, 1)

    def test_what_is_no_longer_in_the_log_cannot_be_told(self, database_url: str, conn: Connection) -> None:
        conn.execute("DELETE FROM event WHERE id = 'e4'")
        conn.commit()
        found = self.told(database_url, ("{warn: 3h, breach: 4h}", "{warn: 3h, breach: 9h}"))
        assert ways(found) == {
            (VerdictKind.DUE_SOON, VerdictKind.DUE_SOON, Detail.DUE_LATER): 1,
            (VerdictKind.ON_TRACK, Fate.UNTOLD, Detail.EVENTS_GONE): 1,
        }

    def test_an_instance_of_too_many_events_is_not_replayed(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(comparison, "MOST_EVENTS", 1)
        found = self.told(database_url, ("{warn: 3h, breach: 4h}", "{warn: 3h, breach: 9h}"))
        assert ways(found)[VerdictKind.STUCK, Fate.UNTOLD, Detail.TOO_MANY_EVENTS] == 1

    def test_too_many_keys_to_find_joins_are_said_to_be(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(comparison, "MOST_KEYS", 1)
        assert not self.told(database_url, ("{path: data.account, joins: false}", "data.account")).joins_told

    def test_what_stored_progress_does_not_follow_from_is_not_blamed_on_the_definition(
        self, database_url: str, conn: Connection
    ) -> None:
        """Two events under one id: both are folded in, the first is linked."""
        apply(conn, [make_event("won", 30 * MINUTE, 1, "crm", {"order": "SO-1"}, 181 * MINUTE)], NOW + MINUTE)
        found = self.told(database_url, ("{warn: 3h, breach: 4h}", "{warn: 3h, breach: 9h}"))
        assert ways(found) == {
            (VerdictKind.DUE_SOON, Fate.UNTOLD, Detail.STORED_OTHERWISE): 1,
            (VerdictKind.ON_TRACK, VerdictKind.ON_TRACK, Detail.DUE_LATER): 1,
        }


def test_open_is_what_the_store_calls_open() -> None:
    for name in ("open_counts", "open_instances"):
        assert f"verdict IN ({', '.join(repr(str(kind)) for kind in OPEN_VERDICTS)})" in comparison.Q[name]


EDITS = st.lists(
    st.sampled_from(
        [
            ("{warn: 3h, breach: 4h}", "{warn: 1h, breach: 2h}"),
            ("{warn: 3h, breach: 4h}", "{breach: next_business_day 10:00, calendar: office}"),
            ("{exact: {type: shipped}}, within: 1h", "{exact: {type: shipped}}, within: 9h"),
            ("require: [{path: data.tax_code, exists: true}]", "require: [{path: data.region, exists: true}]"),
            ("      after: accepted\n", "      after: shipped\n"),
            ("        from: won\n", "        from: accepted\n"),
            ("tolerance: 5%", "tolerance: 1000"),
            ("observes: [{exact: {type: linked}}]\n  fails_on: [", "observes: [{exact: {type: linked}}, "),
            ("  cancels_on: [", "  restarts_on: ["),
            (
                "pauses_on: [{exact: {type: paused}}]\n  resumes_on",
                "resumes_on: [{exact: {type: paused}}]\n  pauses_on",
            ),
            ("owner: operations", "owner: somebody"),
            ("silent_after: 2h", "silent_after: 5h"),
            ('["09:00-17:00"]', '["07:00-12:00"]'),
            (
                "account: {path: data.account, joins: false}",
                "account: {path: data.account, joins: false, unique: true}",
            ),
        ]
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda edit: edit[0],
)


def honest(history: list[Event]) -> list[Event]:
    """Each id once: of several events with one id only the first is linked, and may not be the one that counts."""
    return list({event.key: event for event in reversed(history)}.values())[::-1]


@on_one_database(60)
@given(arrivals().map(honest), EDITS)
def test_what_is_foretold_is_what_deriving_everything_anew_makes(
    database_url: str, conn: Connection, history: list[Event], edits: list[tuple[str, str]]
) -> None:
    """Of definitions that listen to the same events by the same keys."""
    wipe(conn)
    enroll(conn, load({"a.yaml": DEFINITIONS}))
    apply(conn, history, END)
    before = {row["id"]: row for row in stored(conn) if row["verdict"] in OPEN_VERDICTS}
    after = load({"a.yaml": edited(*edits)})
    found = compared(database_url, after, END, examples=100).get("orders", Comparison("orders", {}))
    enroll(conn, after)
    forget(conn, current_definitions=True)
    projector = Projector(load_catalogue(conn))
    assert projector.acquire(conn)
    while projector.apply_batch(conn) is None:
        pass
    projector.sweep(conn, END)
    then = {row["id"]: row for row in stored(conn)}
    told = {}
    for (_, way, _), group in found.groups.items():
        assert way not in Fate
        told |= {example.id: way for example in group.examples}
    for id_, row in before.items():
        now = then[id_]
        assert now["verdict"] == told.get(id_, row["verdict"])
        if id_ not in told:
            assert (now["reason"], now["waiting_for"], now["deadline_at"]) == (
                row["reason"],
                row["waiting_for"],
                row["deadline_at"],
            )
    assert sum(found.open.values()) == len(before)


@pytest.mark.slow
class TestCommand:
    """`milepost check --diff` as it is run."""

    @pytest.fixture
    def folder(self, tmp_path: Path, conn: Connection) -> Path:
        enroll(conn, load({"a.yaml": DEFINITIONS}))
        apply(conn, OPEN, NOW)
        (tmp_path / "a.yaml").write_text(DEFINITIONS)
        return tmp_path

    def run(self, url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "check", str(folder), "--diff", "--database-url", url, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment(), timeout=240)

    def test_nothing_changes_is_success(self, database_url: str, folder: Path) -> None:
        done = self.run(database_url, folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 workflow unchanged." in done.stdout
        assert "None would stand otherwise." in done.stdout

    def test_what_changes_is_told_and_ends_with_two_and_nothing_is_written(
        self, database_url: str, folder: Path, conn: Connection
    ) -> None:
        before = conn.execute("SELECT count(*) FROM definition").fetchone(), stored(conn)
        (folder / "a.yaml").write_text(
            edited(
                ("{warn: 3h, breach: 4h}", "{breach: 3000d}"),
                ("target: 0.9,", "target: 0.8,"),
                ("name: accepted-fresh", "name: fresh"),
                ('["09:00-17:00"]', '["09:00-18:00"]'),
                (
                    "    - {name: shipped,",
                    "    - {name: noted, on: {exact: {type: noted}}, optional: true}\n    - {name: shipped,",
                ),
            )
        )
        done = self.run(database_url, folder)
        assert (done.returncode, done.stderr) == (2, "")
        for line in (
            "Workflow orders: changed; version 1 is in force.",
            "  milestones.accepted.within.breach: 4h → 3000d",
            "  milestones.accepted.within.warn: removed",
            "  milestones.noted: added: ",
            "  calendars.office: changed",
            "  3 open instances (3 under version 1); each keeps its version until it is moved.",
            "that milestones.noted newly asks for",
            "blind → on track ",
            "Objective accepted-fresh: gone.",
            "Objective accepted-in-time: changed.\n  target: 0.9 → 0.8\n",
            "  hours.mon: 09:00-17:00 → 09:00-18:00",
            "Compared 3 open instances in ",
        ):
            assert line in done.stdout, done.stdout
        assert (conn.execute("SELECT count(*) FROM definition").fetchone(), stored(conn)) == before

    def test_json_stands_alone_on_standard_output(self, database_url: str, folder: Path) -> None:
        (folder / "a.yaml").write_text(edited(("{warn: 3h, breach: 4h}", "{breach: 3000d}")))
        done = self.run(database_url, folder, "--format", "json", "--limit", "1", "--workflow", "orders")
        assert done.returncode == 2
        told = json.loads(done.stdout)
        (workflow,) = told["workflows"]
        assert (told["changes_instances"], told["others"], workflow["open"]) == (True, [], {"1": 3})
        assert workflow["compared"] == 3 == workflow["same"] + sum(one["count"] for one in workflow["transitions"])
        assert workflow["differences"][0]["path"] == "milestones.accepted.within.breach"
        (one,) = workflow["transitions"]
        assert (one["from"], one["to"], len(one["examples"])) == ("blind", "on_track", 1)
        assert sorted(value["currency"] for value in one["value"]) == ["EUR", "USD"]

    def test_a_workflow_that_is_gone_keeps_its_instances_and_a_new_one_has_none(
        self, database_url: str, folder: Path
    ) -> None:
        (folder / "a.yaml").write_text(DEFINITIONS.replace("orders", "returns"))
        done = self.run(database_url, folder)
        assert done.returncode == 0
        assert "Workflow orders: gone. Nothing new starts; 3 open instances go on as before." in done.stdout
        assert "Workflow returns: new." in done.stdout

    def test_what_cannot_be_compared_is_a_failure(self, database_url: str, folder: Path, tmp_path: Path) -> None:
        done = self.run(database_url, folder, "--workflow", "order")
        assert (done.returncode, done.stderr.strip()) == (1, "There is no workflow 'order' — did you mean 'orders'?")
        elsewhere = [*COMMAND, "check", str(folder), "--diff", "--data-dir", str(tmp_path / "none")]
        done = subprocess.run(elsewhere, check=False, capture_output=True, text=True, env=environment(), timeout=240)
        assert done.returncode == 1
        assert "There is no database in" in done.stderr

    def test_faults_come_first(self, database_url: str, folder: Path) -> None:
        (folder / "a.yaml").write_text("kind: Nothing\n")
        done = self.run(database_url, folder)
        assert done.returncode == 1
        assert "fault" in done.stderr
