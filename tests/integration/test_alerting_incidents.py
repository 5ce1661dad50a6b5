from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING

import psycopg
import pytest

from alerting import incidents, outbox
from alerting.burning import Burning
from alerting.incident import BURNING, Cause, NotifyReason, Population
from slo_rules.durations import MINUTE, SECOND

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]


class TestOneCauseOneIncident:
    def test_with_its_population_and_value(self, world: World) -> None:
        world.stuck(37)
        world.stuck(2, value_amount=None, owner="order-operations")
        world.stuck(1, value_currency="EUR")
        world.stuck(5, verdict="on_track", reason="waiting")
        report = world.look()
        assert (report.opened, report.firing, report.untold) == (1, 1, 1)
        (incident,) = world.rows("incident")
        assert (incident["count"], incident["peak_count"], incident["status"]) == (40, 40, "firing")
        assert incident["value"] == [{"currency": "EUR", "amount": "1000"}, {"currency": "USD", "amount": "37000"}]
        assert incident["title"] == "Orders waiting for Order accepted from sap"
        assert (incident["owner"], incident["owners"]) == ("erp-platform", ["erp-platform", "order-operations"])
        assert len(incident["samples"]) == 5
        assert [row["what"] for row in world.rows("incident_event")] == ["opened"]

    def test_what_an_objective_missed_is_told_as_missed_and_instances_as_held_up(self, world: World) -> None:
        world.stuck(2)
        burning = Burning({Cause("order-to-cash", BURNING, reason="in-time"): Population(864, world.now)})
        incidents.run_once(world.conn, world.now, world.routes, burning=burning)
        assert {row["detail"] for row in world.rows("incident_event")} == {"864 missed", "2 held up"}

    def test_causes_are_kept_apart(self, world: World) -> None:
        world.stuck(1)
        world.stuck(1, waiting_for="invoice_posted")
        world.stuck(1, source_awaited=None)
        world.stuck(1, verdict="blind", reason="source_silent")
        world.stuck(2, verdict="blind", reason="source_silent", waiting_for="invoice_posted")
        world.stuck(4, verdict="blind", reason="type_silent", waiting_for="invoice_posted")
        world.stuck(1, verdict="blind", reason="source_catching_up", workflow="refunds", waiting_for="refunded")
        world.stuck(1, verdict="failed", reason="failure_event")
        world.stuck(1, verdict="failed", reason="failure_event", waiting_for="invoice_posted", source_awaited="crm")
        world.stuck(1, verdict="inconsistent", reason="requirement_unmet")
        world.look()
        found = {(row["verdict"], row["workflow"], row["count"]) for row in world.rows("incident")}
        assert found == {
            ("stuck", "order-to-cash", 1),
            ("blind", None, 3),
            ("blind", None, 4),
            ("blind", None, 1),
            ("failed", "order-to-cash", 2),
            ("inconsistent", "order-to-cash", 1),
        }
        assert len(world.rows("incident")) == 8

    def test_running_again_changes_nothing(self, world: World) -> None:
        world.stuck(3)
        world.look()
        report = world.look(SECOND)
        assert (report.opened, report.updated, report.resolved) == (0, 0, 0)

    def test_it_comes_back_as_a_new_incident_with_the_same_key(self, world: World) -> None:
        world.stuck(1)
        world.look()
        world.become("completed")
        assert world.look(SECOND).resolved == 1
        world.stuck(1)
        world.look(SECOND)
        first, second = world.rows("incident")
        assert first["dedup_key"] == second["dedup_key"]
        assert (first["status"], second["status"]) == ("resolved", "firing")


class TestTelling:
    def test_the_first_message_carries_the_population(self, world: World) -> None:
        world.route(world.webhook(), world.slack())
        world.stuck(1)
        assert world.look().notified == {}
        world.stuck(36)
        assert world.look(15 * SECOND).notified == {NotifyReason.FIRST: 2}
        world.send()
        (hook,) = world.receiver.at("/hook")
        (chat,) = world.receiver.at("/slack")
        assert hook.body["data"]["incident"]["count"] == 37
        assert chat.body["text"].startswith("37 orders worth USD 37 k are waiting for *Order accepted* from sap")
        assert "/dashboard/worklist?incident=" in chat.body["blocks"][2]["text"]["text"]

    def test_what_resolves_before_it_was_told_is_told_to_nobody(self, world: World) -> None:
        world.route(world.webhook())
        world.stuck(1)
        world.look()
        world.become("completed")
        assert world.look(20 * SECOND).notified == {}
        assert world.outbox() == []

    def test_growth_is_told_when_doubled_and_not_too_soon(self, world: World) -> None:
        world.route(world.webhook())
        world.fire(3)
        world.stuck(4)
        assert world.look(MINUTE - SECOND).notified == {}
        assert world.look(SECOND).notified == {NotifyReason.GROWN: 1}
        world.stuck(7)
        assert world.look(5 * MINUTE - SECOND).notified == {}
        assert world.look(SECOND).notified == {NotifyReason.GROWN: 1}
        told = ["opened", "told", "grown", "told", "grown", "told"]
        assert [row["what"] for row in world.rows("incident_event")] == told

    def test_routes_choose_by_what_the_incident_is(self, world: World) -> None:
        world.route(world.webhook("/orders"), name="orders", match={"domain": "orders"})
        world.route(world.webhook("/billing"), name="billing", match={"domain": "billing"})
        world.fire()
        world.send()
        assert [each.path for each in world.receiver.received] == ["/orders"]

    def test_a_route_added_later_is_told_once_and_one_renamed_is_not_told_again(self, world: World) -> None:
        world.route(world.webhook())
        world.fire()
        world.routes.clear()
        world.route(world.webhook(), name="renamed")
        assert world.look(MINUTE).notified == {}
        world.route(world.slack(), name="added")
        assert world.look(MINUTE).notified == {NotifyReason.FIRST: 1}
        world.become("completed")
        assert world.look(MINUTE).notified == {NotifyReason.RESOLVED: 2}
        world.send()
        assert [row["outcome"] for row in world.rows("outbox")] == ["resolved_before_sent"] * 4
        assert world.receiver.received == []

    def test_the_resolve_goes_to_exactly_those_who_were_told(self, world: World) -> None:
        world.env["HOOK"] = f"{world.receiver.url}/hook"
        world.route({"webhook": {"url": "${HOOK}", "secret": None}}, world.slack())
        world.fire()
        world.send()
        world.routes.clear()
        world.route(world.webhook("/elsewhere"), name="other", match={"domain": "orders"})
        world.become("completed")
        world.look(SECOND)
        world.send()
        assert [each.transition for each in world.receiver.at("/hook")] == ["firing", "resolved"]
        assert [each.transition for each in world.receiver.at("/slack")] == ["firing", "resolved"]
        assert world.receiver.at("/elsewhere") == []
        firing, resolved = world.receiver.at("/hook")
        assert firing.body["data"]["dedup_key"] == resolved.body["data"]["dedup_key"]
        assert firing.body["data"]["incident"]["id"] == resolved.body["data"]["incident"]["id"]
        assert {"url": "${HOOK}", "secret": None} in [row["address"] for row in world.rows("incident_target")]

    def test_what_went_blind_is_not_told_as_solved(self, world: World) -> None:
        world.route(world.webhook())
        world.fire()
        world.send()
        world.become("blind", "source_silent")
        world.look(SECOND)
        world.look(20 * SECOND)
        world.send()
        _, resolved, blind = world.receiver.at("/hook")
        assert resolved.body["data"]["incident"]["resolved_because"] == "source_blind"
        assert "cannot be known" in resolved.body["data"]["message"]
        assert (blind.transition, blind.body["data"]["incident"]["verdict"]) == ("firing", "blind")


class TestSeveralProcesses:
    def test_one_works_and_the_other_leaves_it_alone(self, world: World) -> None:
        world.stuck(3)
        with psycopg.connect(world.url) as other, other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(%s)", (incidents.LOCK_KEY,))
            assert world.look().held_elsewhere
        assert world.look().opened == 1

    def test_at_once_they_open_and_tell_once(self, world: World) -> None:
        world.route(world.webhook(), world.slack())
        world.fire()
        start = Barrier(4)

        def work() -> None:
            with psycopg.connect(world.url) as conn:
                start.wait()
                for _ in range(5):
                    incidents.run_once(conn, world.now, world.routes)
                    outbox.run_once(conn, world.now, world.client, world.routes, world.env)

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(world.rows("incident")) == 1
        assert sorted(each.path for each in world.receiver.received) == ["/hook", "/slack"]


def test_a_failed_run_leaves_neither_incident_nor_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.route(world.webhook())
    world.stuck(3)
    world.look()
    monkeypatch.setitem(incidents.Q, "add_message", "SELECT 1/0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        world.look(15 * SECOND)
    assert world.rows("incident_target") == []
    monkeypatch.undo()
    assert world.look().notified == {NotifyReason.FIRST: 1}
