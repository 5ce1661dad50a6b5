"""Other definitions over the stored history: as it is told, and as it then is."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import backtest
from collector.backtest import Backtesting, TooMuchHistory, is_asked
from collector.backtested import Item, Run, Way, WorkflowBacktest
from collector.catalogue import Catalogue, load_catalogue
from collector.comparison import hold_still
from collector.history import extent
from collector.projector import Projector
from collector.rebuild import forget, keep_objectives
from collector.sampling import READ_ONLY
from collector.store.database import Connection, connect
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.instants import rfc3339, to_datetime
from slo_rules.judgement import VerdictKind
from slo_rules.workflow import Definitions
from tests.acceptance.process import COMMAND, environment
from tests.counting import plain, stored_buckets
from tests.examples import on_one_database
from tests.integration.test_comparison import edited
from tests.projecting import enroll, log_events, projecting, receive, stored, wipe
from tests.strategies import DEFINITIONS, START, events, make_act, make_event

pytestmark = pytest.mark.slow

BEGIN = START - HOUR
END = START + 60 * HOUR
STRICTER = ("{warn: 3h, breach: 4h}", "{warn: 1h, breach: 150m}")
KINDS = VerdictKind


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with projecting(database_url) as connection:
        yield connection


def event(type_: str, at: int, number: int, source: str = "crm", **said: Any) -> Event:
    return make_event(type_, at, number, source, {"tax_code": "V1"} | said)


def apply(conn: Connection) -> None:
    """Have the log applied, and everything judged that is due by the end."""
    projector = Projector(load_catalogue(conn))
    assert projector.acquire(conn)
    while projector.apply_batch(conn) is None:
        pass
    projector.sweep(conn, END)


def ran(
    url: str,
    definitions: Definitions,
    name: str = "orders",
    since: int = BEGIN,
    until: int = END,
    examples: int = 100,
    in_force: Catalogue | None = None,
) -> WorkflowBacktest:
    """As `milepost backtest` runs them, read-only."""
    with connect(url, "test", options=READ_ONLY) as conn:
        hold_still(conn)
        with conn.transaction():
            catalogue, reach = in_force or load_catalogue(conn), extent(conn)
            told = lambda _what, _done, _total: None  # noqa: E731
            return Backtesting(conn, catalogue, definitions, reach, since, until, examples, told).run(name)


HISTORY = [
    *[event("noise", n * HOUR + 30 * MINUTE, 100 + n, "sap") for n in range(8)],
    event("won", 0, 1, order="SO-1"),
    event("accepted", 3 * HOUR, 2, "sap", order="SO-1", amount=10),
    event("paid", 210 * MINUTE, 8, order="SO-1", amount=10),
    event("won", 0, 3, order="SO-2"),
    event("accepted", 6 * HOUR, 4, "sap", order="SO-2", amount=10),
    event("won", 5 * HOUR, 5, order="SO-3"),
    event("cancelled", 5 * HOUR + MINUTE, 6, order="SO-3"),
    event("audited", 90 * MINUTE, 7, order="SO-1"),
]


def told(runs: list[Run]) -> list[list[tuple[float, str]]]:
    return [[((turn.at - START) / HOUR, turn.kind.value) for turn in run.turns] for run in runs]


class TestTold:
    @pytest.fixture(autouse=True)
    def _applied(self, conn: Connection) -> None:
        enroll(conn, load({"a.yaml": DEFINITIONS}))
        receive(conn, sorted(HISTORY, key=lambda one: one.received_at))
        apply(conn)

    def test_the_same_definitions_make_no_difference(self, database_url: str) -> None:
        found = ran(database_url, load({"a.yaml": DEFINITIONS}))
        assert (found.same, found.groups, found.differs) == (3, {}, False)
        assert found.before == found.after

    def test_who_would_have_been_stuck_when_and_for_how_long(self, database_url: str) -> None:
        found = ran(database_url, load({"a.yaml": edited(STRICTER)}), until=START + 7 * HOUR)
        assert {way: group.count for way, group in found.groups.items()} == {
            Way.NEWLY_STUCK: 1,
            Way.STUCK_LONGER: 1,
        }
        newly, longer = found.groups[Way.NEWLY_STUCK], found.groups[Way.STUCK_LONGER]
        assert (newly.stuck_before, newly.stuck_after) == (0, 30 * MINUTE)
        assert (longer.stuck_before, longer.stuck_after) == (2 * HOUR, 210 * MINUTE)
        (item,) = longer.items
        assert told(item.before) == [
            [(0, "on_track"), (3, "due_soon"), (4, "stuck"), (6, "on_track"), (7, "stuck")],
        ]
        assert told(item.after) == [
            [(0, "on_track"), (1, "due_soon"), (2.5, "stuck"), (6, "on_track"), (7, "stuck")],
        ]
        assert [run.title for run in item.after] == ["SO-2"]
        assert found.before is not None
        assert found.after is not None
        assert (found.before.stuck, found.after.stuck) == (1, 2)
        assert (found.before.verdicts[KINDS.STUCK], found.after.verdicts[KINDS.STUCK]) == (2, 3)
        assert (found.before.good, found.after.good) == (1, 0)

    def test_only_the_time_that_is_asked_about_counts(self, database_url: str) -> None:
        definitions = load({"a.yaml": edited(STRICTER)})
        found = ran(database_url, definitions, since=START + 5 * HOUR, until=START + 7 * HOUR)
        assert found.groups == {}
        assert found.same == 2
        assert found.before is not None
        assert (found.before.stuck, found.before.stuck_for) == (1, HOUR)
        found = ran(database_url, definitions, since=START + 40 * HOUR)
        assert found.same == 1

    def test_what_an_objective_would_have_come_to(self, database_url: str) -> None:
        found = ran(database_url, load({"a.yaml": edited(("to: accepted, within: 4h}", "to: accepted, within: 2h}"))}))
        (one,) = [one for one in found.objectives if one.name == "accepted-in-time"]
        assert found.groups == {}
        assert one.before is not None
        assert one.after is not None
        assert (one.before[1].budget.good, one.before[1].budget.bad) == (1, 1)
        assert (one.after[1].budget.good, one.after[1].budget.bad) == (0, 2)
        assert [alert.severity for alert in one.before[1].alerts] == []
        assert {alert.severity for alert in one.after[1].alerts} == {"page", "ticket"}
        assert [one.name for one in found.objectives if one.differs] == ["accepted-in-time"]

    def test_an_objective_with_another_target_and_one_that_is_new(self, database_url: str) -> None:
        text = edited(("target: 0.9,", "target: 0.4,"), ("name: accepted-fresh", "name: fresh"))
        found = {one.name: one for one in ran(database_url, load({"a.yaml": text})).objectives}
        one = found["accepted-in-time"]
        assert one.differs
        assert one.before is not None
        assert one.after is not None
        assert (one.before[1].met, one.after[1].met) == (False, True)
        assert found["accepted-fresh"].after is None
        assert found["fresh"].before is None

    def test_events_that_only_the_new_version_asks_for_are_heard(self, database_url: str) -> None:
        text = edited(
            (
                "    - {name: shipped,",
                "    - {name: audited, on: {exact: {type: audited}}, within: 1h}\n    - {name: shipped,",
            ),
            ("      after: accepted\n", "      after: audited\n"),
        )
        found = ran(database_url, load({"a.yaml": text}))
        assert any(
            (6 + 1, "stuck") in course and (7, "stuck") in course
            for item in _items(found)
            for course in told(item.after)
        )
        assert found.events == len(HISTORY) - 8

    def test_a_workflow_that_is_new_is_seen_in_what_was_sent_before(self, database_url: str) -> None:
        text = DEFINITIONS.replace("orders", "returns")
        found = ran(database_url, load({"a.yaml": text}), "returns")
        assert found.before is None
        assert {way: group.count for way, group in found.groups.items()} == {Way.FOUND: 3}
        assert found.after == ran(database_url, load({"a.yaml": DEFINITIONS})).after

    def test_keys_that_no_event_carries_find_nothing_and_others_fall_apart(self, database_url: str) -> None:
        none = edited(("order: {path: data.order,", "order: {path: data.nothing,"))
        found = ran(database_url, load({"a.yaml": none}))
        assert {way: group.count for way, group in found.groups.items()} == {Way.NOT_FOUND: 3}
        joined = edited(("order: {path: data.order,", "order: {path: data.tax_code,"))
        found = ran(database_url, load({"a.yaml": joined}))
        assert {way: group.count for way, group in found.groups.items()} == {Way.JOINED: 1}
        (item,) = _items(found)
        assert (len(item.before), len(item.after)) == (3, 1)

    def test_a_source_that_is_given_less_time_is_blind_sooner(self, database_url: str) -> None:
        text = edited(("silent_after: 2h", "silent_after: 1m"))
        found = ran(database_url, load({"a.yaml": text}))
        assert found.after is not None
        assert found.after.verdicts[KINDS.BLIND] > 0
        assert found.groups

    def test_what_was_waived_is_waived_under_both(self, database_url: str, conn: Connection) -> None:
        receive(conn, [make_act(8 * HOUR, 1, "order=SO-2", 2 * HOUR)])
        found = ran(database_url, load({"a.yaml": edited(("owner: operations", "owner: others"))}))
        assert found.after is not None
        assert found.after.verdicts[KINDS.WAIVED] == 1

    def test_what_was_imported_counts_when_it_occurred(self, database_url: str, conn: Connection) -> None:
        wipe(conn)
        enroll(conn, load({"a.yaml": DEFINITIONS}))
        log_events(conn, HISTORY[::-1])
        found = ran(database_url, load({"a.yaml": edited(STRICTER)}), until=START + 7 * HOUR)
        assert found.groups[Way.NEWLY_STUCK].stuck_after == 30 * MINUTE

    def test_items_are_bounded_and_counts_are_not(self, database_url: str) -> None:
        found = ran(database_url, load({"a.yaml": DEFINITIONS.replace("orders", "returns")}), "returns", examples=1)
        assert [(group.count, len(group.items)) for group in found.groups.values()] == [(3, 1)]

    def test_more_history_than_fits_is_refused(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backtest, "MOST_EVENTS", 3)
        with pytest.raises(TooMuchHistory, match=r"More than 3 events .* say something to orders"):
            ran(database_url, load({"a.yaml": DEFINITIONS}))

    @pytest.mark.parametrize(
        ("edit", "asked"),
        [
            (("owner: operations", "owner: operations"), False),
            (STRICTER, True),
            (("target: 0.9,", "target: 0.8,"), True),
            (("silent_after: 2h", "silent_after: 3h"), True),
            (("skew: 20m, silent_after", "skew: 30m, silent_after"), True),
        ],
    )
    def test_only_what_could_be_otherwise_is_asked_for(
        self, conn: Connection, edit: tuple[str, str], asked: bool
    ) -> None:
        assert is_asked("orders", load_catalogue(conn), load({"a.yaml": edited(edit)})) is asked
        assert not is_asked("nothing", load_catalogue(conn), load({"a.yaml": edited(edit)}))


def _items(found: WorkflowBacktest) -> list[Item]:
    return [item for group in found.groups.values() for item in group.items]


EDITS = st.lists(
    st.sampled_from(
        [
            STRICTER,
            ("{exact: {type: shipped}}, within: 1h", "{exact: {type: shipped}}, within: 9h"),
            ("require: [{path: data.tax_code, exists: true}]", "require: [{path: data.region, exists: true}]"),
            ("      after: accepted\n", "      after: shipped\n"),
            ("observes: [{exact: {type: linked}}]", "observes: []"),
            ("  cancels_on: [", "  restarts_on: ["),
            ("{exact: {type: signed}}", "{exact: {type: noise}}"),
            ("silent_after: 2h", "silent_after: 5h"),
            ("account: {path: data.account, joins: false}", "account: data.account"),
            ("opportunity: data.opportunity\n", "opportunity: {path: data.opportunity, joins: false}\n"),
            ("to: accepted, within: 4h}", "to: shipped, within: 2h}"),
        ]
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda edit: edit[0],
)


def kept_up(history: list[Event]) -> list[Event]:
    """Each id once, in the order in which it occurred, as if nothing had been late."""
    return sorted({one.key: one for one in history}.values(), key=lambda one: one.received_at)


@pytest.mark.slow
@on_one_database(25)
@given(events(waived=True).map(kept_up), EDITS)
def test_both_sides_are_what_the_projector_makes(
    database_url: str, conn: Connection, history: list[Event], edits: list[tuple[str, str]]
) -> None:
    """Those in force make what is stored, and the files what is stored when everything is derived anew by them."""
    wipe(conn)
    enroll(conn, load({"a.yaml": DEFINITIONS}))
    if not history:
        return
    receive(conn, history)
    apply(conn)
    before = ended(conn)
    after = load({"a.yaml": edited(*edits)})
    assert now(database_url, load({"a.yaml": DEFINITIONS})) == before[0]
    found = ran(database_url, after)
    assert came_to(found, side="before") == before[1]
    enroll(conn, after)
    forget(conn, current_definitions=True)
    apply(conn)
    keep_objectives(conn, load_catalogue(conn))
    kinds, counts = ended(conn)
    assert came_to(found, side="after") == counts
    assert now(database_url, after) == kinds


def now(url: str, definitions: Definitions) -> list[str]:
    """How each instance would stand in the end, as if nothing were in force."""
    found = ran(url, definitions, in_force=Catalogue((), (), ()))
    return sorted(run.turns[-1].kind for item in _items(found) for run in item.after)


def ended(conn: Connection) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """How the stored instances stand, and good and bad of each objective so far."""
    counts: dict[str, tuple[int, int]] = {}
    for (name, at), (good, bad, _) in plain(stored_buckets(conn)).items():
        if BEGIN <= at < END and not name.endswith("fresh") and name != "enough-accepted":
            a, b = counts.get(name, (0, 0))
            counts[name] = (a + good, b + bad)
    return sorted(row["verdict"] for row in stored(conn)), {name: both for name, both in counts.items() if any(both)}


def came_to(found: WorkflowBacktest, side: str) -> dict[str, tuple[int, int]]:
    one = getattr(found, side)
    counts = {"workflow:orders": (one.good, one.bad)}
    for objective in found.objectives:
        if (of_side := getattr(objective, side)) and not of_side[0].in_slices:
            counts[objective.name] = (of_side[1].budget.good, of_side[1].budget.bad)
    return {name: good_and_bad for name, good_and_bad in counts.items() if any(good_and_bad)}


@pytest.mark.slow
class TestCommand:
    """`milepost backtest` as it is run."""

    @pytest.fixture
    def folder(self, tmp_path: Path, conn: Connection) -> Path:
        enroll(conn, load({"a.yaml": DEFINITIONS}))
        receive(conn, sorted(HISTORY, key=lambda one: one.received_at))
        apply(conn)
        (tmp_path / "a.yaml").write_text(DEFINITIONS)
        return tmp_path

    def run(self, url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "backtest", str(folder), "--database-url", url, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment(), timeout=240)

    def test_nothing_otherwise_is_success(self, database_url: str, folder: Path) -> None:
        done = self.run(database_url, folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 workflow unchanged." in done.stdout
        assert "Nothing would have been otherwise." in done.stdout

    def test_what_would_have_been_otherwise_is_told_and_ends_with_two_and_nothing_is_written(
        self, database_url: str, folder: Path, conn: Connection
    ) -> None:
        before = conn.execute("SELECT count(*) FROM definition").fetchone(), stored(conn)
        (folder / "a.yaml").write_text(edited(STRICTER, ("to: accepted, within: 4h}", "to: accepted, within: 2h}")))
        done = self.run(database_url, folder, "--since", rfc3339(BEGIN))
        assert (done.returncode, done.stderr) == (2, "")
        for line in (
            f"From {to_datetime(BEGIN):%Y-%m-%d %H:%M:%S} UTC to ",
            f"The first event that is stored occurred at {to_datetime(START):%Y-%m-%d %H:%M:%S} UTC; nothing is known",
            "Workflow orders: changed; version 1 is in force.",
            "  milestones.accepted.within.breach: 4h → 2h30m",
            "  instances under way               3             3",
            "    stuck, and not before: 1; stuck for 0s → 30m in all",
            "      SO-1  ",
            f"stuck from {to_datetime(START + 150 * MINUTE):%Y-%m-%d %H:%M:%S} UTC for 30m (accepted does not come)",
            "  Objective accepted-in-time: would have come to something else.",
            "    bad items           1             2",
            "    by the files: page from ",
            "Objective accepted-in-time: changed.\n  within: 4h → 2h\n",
            "  Objective ended-well: would have come to the same, 50% good; 0 pages, 0 tickets.",
            "Backtested 7 of 16 events in the log in ",
            "Some of it would have been otherwise.",
        ):
            assert line in done.stdout, done.stdout
        assert (conn.execute("SELECT count(*) FROM definition").fetchone(), stored(conn)) == before

    def test_json_stands_alone_on_standard_output(self, database_url: str, folder: Path) -> None:
        (folder / "a.yaml").write_text(edited(STRICTER))
        done = self.run(database_url, folder, "--format", "json", "--since", rfc3339(BEGIN), "--workflow", "orders")
        assert done.returncode == 2
        found = json.loads(done.stdout)
        (workflow,) = found["workflows"]
        assert (found["differs"], found["others"], workflow["state"]) == (True, [], "changed")
        told = workflow["backtest"]
        assert told["by_files"]["stuck"] > told["in_force"]["stuck"]
        assert sum(one["count"] for one in told["ways"]) + told["same"] == 3
        (item,) = next(one for one in told["ways"] if one["way"] == "newly_stuck")["items"]
        assert [one["verdict"] for one in item["by_files"][0]["verdicts"]][:3] == ["on_track", "due_soon", "stuck"]
        assert item["by_files"][0]["stuck_seconds"] > 0
        assert {one["name"] for one in told["objectives"]} >= {"accepted-in-time", "accepted-fresh"}

    def test_a_workflow_that_is_gone_is_not_backtested_and_a_new_one_is(self, database_url: str, folder: Path) -> None:
        (folder / "a.yaml").write_text(DEFINITIONS.replace("orders", "returns"))
        done = self.run(database_url, folder, "--since", rfc3339(BEGIN))
        assert done.returncode == 2
        assert "Workflow orders: gone. Nothing would have been said of it, and it is not backtested." in done.stdout
        assert "Workflow returns: new.\n" in done.stdout
        assert "    not found before: 3; " in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--since", "soon"], "--since: 'soon' is not a time: write it like 7d, 2026-11-21 or"),
            (["--since", "0d"], "--since: '0d' is not a time"),
            (["--since", "9999-01-01"], "--since: 9999-01-01T00:00:00Z lies ahead, and a backtest runs over what was"),
            (["--since", "0001-01-01T00:00+23:00"], "--since: "),
            (["--workflow", "order"], "There is no workflow 'order' — did you mean 'orders'?"),
        ],
    )
    def test_what_cannot_be_asked_is_a_failure(
        self, database_url: str, folder: Path, arguments: list[str], said: str
    ) -> None:
        done = self.run(database_url, folder, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    def test_faults_of_the_files_come_first(self, database_url: str, folder: Path) -> None:
        (folder / "a.yaml").write_text("kind: Nothing\n")
        done = self.run(database_url, folder)
        assert done.returncode == 1
        assert "fault" in done.stderr
        done = self.run(database_url, folder / "nowhere")
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot be read" in done.stderr

    def test_where_nothing_is_stored_there_is_nothing_to_backtest(
        self, database_url: str, folder: Path, conn: Connection, tmp_path: Path
    ) -> None:
        wipe(conn)
        done = self.run(database_url, folder)
        said = "No event was ever stored: there is no history to backtest."
        assert (done.returncode, done.stderr.strip()) == (1, said)
        elsewhere = [*COMMAND, "backtest", str(folder), "--data-dir", str(tmp_path / "none")]
        done = subprocess.run(elsewhere, check=False, capture_output=True, text=True, env=environment(), timeout=240)
        assert done.returncode == 1
        assert "There is no database in" in done.stderr
