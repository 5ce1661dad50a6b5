"""Digests on a real database, through the outbox and to a receiver."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import psycopg

from alerting import digesting
from alerting.teams import Around, Team, parse_team
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.wall_time import spell_time_of_day

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]


def team(world: World, name: str = "erp-platform", **more: Any) -> Team:
    """One whose digest is due now."""
    at = spell_time_of_day(world.now % DAY // MINUTE)
    spec = {"send_to": [world.webhook(f"/{name}"), world.slack(f"/{name}-slack")], "digest": {"at": at, **more}}
    made = parse_team({"metadata": {"name": name}, "spec": spec}, Around(world.env))
    assert isinstance(made, Team), made
    return made


def run(world: World, *teams: Team, passed: int = 0) -> digesting.Report:
    world.now += passed
    titles = {("order-to-cash", "order_accepted"): "Accepted by SAP"}
    return digesting.run_once(
        world.conn, world.now, teams, public_url="https://milepost.example.com", milestone_titles=titles
    )


def test_each_owner_hears_of_exactly_his_own_once_a_day(world: World) -> None:
    world.stuck(3)
    world.stuck(1, waiting_for="paid", value_amount=None)
    world.stuck(2, owner="billing")
    world.stuck(5, verdict="on_track")
    erp, billing = team(world), team(world, "billing")
    assert run(world, erp, billing).told == ("erp-platform", "billing")
    assert run(world, erp, billing, passed=MINUTE) == digesting.Report()
    world.send()
    (heard,) = world.receiver.at("/erp-platform")
    assert heard.body["type"] == "milepost.incident.note"
    said = heard.body["data"]
    assert said["reason"] == "digest"
    assert said["message"].startswith("4 of erp-platform are overdue, worth USD 3 k, the oldest since ")
    assert "3 orders worth USD 3 k waiting for Accepted by SAP (order-to-cash)" in said["message"]
    assert said["link"] == "https://milepost.example.com/dashboard/worklist?verdict=stuck&owner=erp-platform"
    assert (said["incident"]["count"], said["incident"]["value"]) == (4, [{"currency": "USD", "amount": "3000"}])
    assert "4 overdue of erp-platform" in world.receiver.at("/erp-platform-slack")[0].raw.decode()
    assert world.receiver.at("/billing")[0].body["data"]["incident"]["count"] == 2
    run(world, erp, billing, passed=DAY - MINUTE)
    world.send()
    assert len(world.receiver.at("/erp-platform")) == 2


def test_of_nothing_nothing_is_said_that_day_unless_it_is_asked_for(world: World) -> None:
    quiet, also = team(world), team(world, "billing", empty=True)
    assert run(world, quiet, also) == digesting.Report(("billing",), ("erp-platform",))
    world.stuck(1)
    assert run(world, quiet, also, passed=MINUTE) == digesting.Report()
    world.send()
    assert world.receiver.at("/erp-platform") == []
    assert world.receiver.at("/billing")[0].body["data"]["message"] == "Nothing of billing is overdue."


def test_of_two_days_that_could_not_be_brought_the_later_is_told(world: World) -> None:
    world.stuck(1)
    erp, billing = team(world), team(world, "billing", empty=True)
    run(world, erp, billing)
    world.receiver.answer("/erp-platform", 503)
    world.send()
    world.stuck(1)
    run(world, erp, passed=DAY)
    assert world.outbox()[:2] == [("note", "dropped", "superseded"), ("note", "delivered", "delivered")]
    world.send()
    first, second = world.receiver.at("/erp-platform")
    assert [one.body["data"]["incident"]["count"] for one in (first, second)] == [1, 2]


def test_an_edit_of_the_targets_does_not_make_a_second_one_of_the_day(world: World) -> None:
    world.stuck(1)
    run(world, team(world))
    other = parse_team(
        {
            "metadata": {"name": "erp-platform"},
            "spec": {
                "send_to": [world.webhook("/a"), world.webhook("/b"), world.webhook("/c")],
                "digest": {"at": spell_time_of_day(world.now % DAY // MINUTE)},
            },
        },
        Around(world.env),
    )
    assert isinstance(other, Team)
    assert run(world, other) == digesting.Report()


def test_after_a_stop_that_is_too_long_it_waits_for_the_next_day(world: World) -> None:
    world.stuck(1)
    erp = team(world)
    assert run(world, erp, passed=4 * HOUR) == digesting.Report()
    assert run(world, erp, passed=20 * HOUR).told == ("erp-platform",)


def test_of_many_processes_at_once_one_tells(world: World) -> None:
    world.stuck(5)
    erp, barrier = team(world), Barrier(6)
    reports: list[digesting.Report] = []

    def another() -> None:
        with psycopg.connect(world.url) as conn:
            barrier.wait(60)
            reports.append(digesting.run_once(conn, world.now, [erp]))

    threads = [Thread(target=another) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(one.told) for one in reports) == [0, 0, 0, 0, 0, 1]
    assert len(world.rows("outbox")) == 2


def test_an_owner_who_is_no_team_hears_of_his_own_where_a_route_says_so(world: World) -> None:
    world.stuck(3)
    world.stuck(2, owner="billing")
    at = spell_time_of_day(world.now % DAY // MINUTE)
    asked = {"match": {"owner": ["erp-platform", "billing"]}, "digest": {"at": at}}
    world.route(world.webhook("/owners"), name="owners", **asked)
    world.route(world.webhook("/boss"), name="boss", match={"owner": "billing"}, digest={"at": at})

    def look(passed: int = 0) -> digesting.Report:
        world.now += passed
        return digesting.run_once(world.conn, world.now, [team(world)], world.routes)

    assert look().told == ("erp-platform", "erp-platform", "billing", "billing")
    assert look(MINUTE) == digesting.Report()
    world.send()
    heard = {
        path: sorted(
            (one.body["data"]["incident"]["owner"], one.body["data"]["incident"]["count"])
            for one in world.receiver.at(path)
        )
        for path in ("/erp-platform", "/owners", "/boss")
    }
    assert heard == {
        "/erp-platform": [("erp-platform", 3)],
        "/owners": [("billing", 2), ("erp-platform", 3)],
        "/boss": [("billing", 2)],
    }
