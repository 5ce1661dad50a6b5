"""The short form of `make faults`, and what of it can be told by itself: starting in any order, draining, poison."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.process import wait_until
from tests.faults import checks
from tests.faults.database import Postgres
from tests.faults.harness import Plan, run
from tests.faults.history import make
from tests.faults.landscape import Member
from tests.faults.ledger import Ledger
from tests.faults.senders import Senders
from tests.faults.table import table

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1200)]

PATIENCE = 300
"""Seconds; other tests may keep the machine busy."""


@pytest.fixture
def database() -> Iterator[Postgres]:
    made = Postgres()
    yield made
    made.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.jsonl")
    yield made
    made.close()


@pytest.fixture
def member(tmp_path: Path, database: Postgres) -> Iterator[Callable[[str], Member]]:
    """Makes processes of a role; all are ended with the test."""
    made: list[Member] = []

    def make_one(role: str) -> Member:
        history = make(random.Random(0), time.time_ns() // 1000, 1, 0, 1.0)
        definitions = tmp_path / "definitions.yaml"
        definitions.write_text(history.definitions(9))
        arguments = [role, "--database-url", database.url, "--definitions", str(definitions)]
        one = Member(f"{role}-{len(made)}", arguments, tmp_path)
        made.append(one)
        return one

    yield make_one
    for one in made:
        if one.process is not None and one.alive():
            for worker in one.workers():
                worker.kill()
            one.process.kill()
            one.process.wait(10)


def test_nothing_is_lost_or_counted_twice_whatever_is_killed_frozen_cut_or_filled() -> None:
    outcome = run(Plan(seed=20_261_122, seconds=45, orders=400, lanes=8), print)
    print(table([outcome]))
    again = f'make faults ARGS="--seed {outcome.seed} --seconds 45"'
    assert outcome.wrong == [], f"to repeat it: {again}; kept: {outcome.kept}\n" + "\n".join(outcome.wrong)
    assert outcome.kills >= 5


def test_whatever_starts_before_the_database_is_there_becomes_ready(
    database: Postgres, member: Callable[[str], Member]
) -> None:
    roles = ["collector", "projector", "notifier", "dashboard", "serve"]
    random.Random(7).shuffle(roles)
    members = [member(role) for role in roles]
    for one in members[:3]:
        one.launch()
        wait_until(lambda one=one: "database_not_reached" in one.log.read_text(), PATIENCE, "it has asked")
    assert not any(one.ready() for one in members[:3])
    database.start()
    database.wait()
    members[3].launch()
    database.make()
    members[4].launch()
    wait_until(lambda: all(one.ready() for one in members), PATIENCE, "all are ready")
    assert [one.said("error") for one in members] == [[]] * len(members)


@pytest.mark.parametrize("role", ["collector", "serve"])
def test_told_to_stop_under_load_a_process_keeps_what_it_acknowledged_and_ends_in_time(
    database: Postgres, member: Callable[[str], Member], ledger: Ledger, role: str
) -> None:
    database.start()
    database.wait()
    database.make()
    one = member(role)
    one.launch()
    wait_until(one.ready, PATIENCE, "it is ready")
    history = make(random.Random(5), time.time_ns() // 1000, 300, 0, 0.0)
    senders = Senders(history, [one.url], ledger, lambda _: False, 5)
    senders.start()
    wait_until(lambda: ledger.answers["acknowledged"] > 30, PATIENCE, "it has acknowledged much")
    assert one.process is not None
    one.process.terminate()
    assert one.process.wait(45) == 0
    acknowledged = ledger.read()
    assert len(acknowledged) < len(history.jobs), "it was told too late to interrupt anything"
    senders.stop()
    kept = {f"{source} {id_}" for source, id_ in database.ask("SELECT source, id FROM event")}
    wanted = {id_ for job in history.jobs if job.door == "/events" and job.number in acknowledged for id_ in job.ids}
    assert wanted - kept == set()
    assert ledger.odd == []
    assert one.said("error") == []


def test_the_checks_see_what_was_lost_counted_twice_or_judged_otherwise(
    database: Postgres, member: Callable[[str], Member], ledger: Ledger
) -> None:
    database.start()
    database.wait()
    database.make()
    one = member("serve")
    one.launch()
    wait_until(one.ready, PATIENCE, "it is ready")
    history = make(random.Random(6), time.time_ns() // 1000, 60, 0, 0.0)
    senders = Senders(history, [one.url], ledger, lambda _: False, 6)
    senders.start()
    wait_until(senders.done, PATIENCE, "everything is sent")
    wait_until(lambda: checks.caught_up(database), PATIENCE, "everything is applied")

    def wrong() -> list[bool]:
        lost = checks.lost_and_double(database, history, ledger, len(history.jobs))[1]
        return [bool(lost), bool(checks.verdicts(one.url, history)[1]), bool(checks.objectives(database, history)[1])]

    assert wrong()[0::2] == [False, False]
    database.ask("DELETE FROM instance_event WHERE ctid = (SELECT min(ctid) FROM instance_event) RETURNING 1")
    assert wrong()[0::2] == [True, False]
    database.ask("UPDATE sli_bucket SET good = good + 1 WHERE objective = 'orders-a-day' AND minutes = 60 RETURNING 1")
    database.ask("UPDATE instance SET verdict = 'completed_late' WHERE verdict = 'completed' RETURNING 1")
    assert wrong() == [True, True, True]
    assert checks.rebuilt(database) != []
