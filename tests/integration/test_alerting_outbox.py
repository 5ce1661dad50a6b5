from __future__ import annotations

import logging
import random
from collections import defaultdict
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from standardwebhooks import Webhook

from alerting import outbox
from alerting.channels.letter import Letter
from alerting.channels.webhook import channel as webhook
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.instants import to_datetime, to_micros

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]


class Killed(BaseException):
    """The process dies here."""


def fire_and_clear(world: World, count: int = 3) -> None:
    """A firing and its resolve wait in the outbox; the firing was tried once and may have arrived."""
    world.fire(count)
    world.send()
    world.become("completed")
    world.look(SECOND)


class TestDelivery:
    def test_a_webhook_is_signed_as_the_reference_library_wants_it(self, world: World) -> None:
        world.now = to_micros(datetime.now(UTC))
        world.route(world.webhook())
        world.fire()
        report = world.send()
        assert (report.delivered, report.outcomes) == (1, {("webhook", "delivered"): 1})
        (received,) = world.receiver.received
        assert Webhook(world.secret).verify(received.raw, received.headers)["type"] == "milepost.incident.firing"
        assert world.outbox() == [("firing", "delivered", "delivered")]
        assert world.send(DAY) == outbox.Report()

    def test_it_survives_a_restart(self, world: World) -> None:
        world.route(world.webhook())
        world.fire()
        world.conn.close()
        with psycopg.connect(world.url) as conn:
            outbox.run_once(conn, world.now, world.client, world.routes, world.env)
        assert [each.transition for each in world.receiver.received] == ["firing"]

    def test_a_target_that_moved_is_followed_by_its_name(self, world: World) -> None:
        world.route(world.webhook("/old"))
        fire_and_clear(world)
        world.routes.clear()
        world.route(world.webhook("/new"))
        world.send()
        assert [(each.path, each.transition) for each in world.receiver.received] == [
            ("/old", "firing"),
            ("/new", "resolved"),
        ]

    def test_a_redirect_is_not_followed(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 307, location=f"{world.receiver.url}/trap")
        world.fire()
        assert world.send().dead == 1
        assert world.receiver.at("/trap") == []

    def test_it_wants_a_connection_outside_of_a_transaction(self, world: World) -> None:
        world.conn.execute("SELECT 1")
        with pytest.raises(ValueError, match="outside of a transaction"):
            world.send()

    def test_no_address_is_logged(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        world.route(world.slack("/services/hush"), {"webhook": {"url": "http://127.0.0.1:9/hush"}})
        world.fire()
        report = world.send()
        assert (report.delivered, report.retried) == (1, 1)
        assert "hush" not in caplog.text
        assert "hush" not in str([row["last_error"] for row in world.rows("outbox")])


class TestRetry:
    def test_retry_after_is_honoured_for_the_whole_target(self, world: World) -> None:
        world.route(world.slack())
        world.receiver.answer("/slack", 429, retry_after="90")
        world.stuck(1, waiting_for="invoice_posted")
        world.fire()
        assert world.send().retried == 1
        assert world.send(89 * SECOND) == outbox.Report()
        assert world.send(2 * SECOND).delivered == 2

    def test_a_server_error_backs_off(self, world: World) -> None:
        world.route(world.webhook())
        for _ in range(3):
            world.receiver.answer("/hook", 500)
        world.fire()
        assert world.send().retried == 1
        assert world.send(14 * SECOND) == outbox.Report()
        assert world.send(2 * SECOND).retried == 1
        assert world.send(16 * SECOND).retried == 1
        assert world.send(21 * SECOND).delivered == 1
        assert len({each.headers["webhook-id"] for each in world.receiver.received}) == 1
        assert world.rows("outbox")[0]["attempts"] == 4

    def test_a_dead_target_does_not_hold_up_the_others(self, world: World) -> None:
        world.route({"webhook": {"url": "http://127.0.0.1:9/"}}, world.webhook())
        world.fire()
        report = world.send()
        assert (report.retried, report.delivered) == (1, 1)

    def test_a_refusal_is_final_and_its_resolve_is_dropped(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 400, b"who are you?")
        fire_and_clear(world)
        world.send()
        assert world.outbox() == [("firing", "dead", "refused"), ("resolved", "dropped", "firing_not_delivered")]
        assert world.rows("outbox")[0]["last_error"] == "who are you?"
        assert len(world.receiver.received) == 1

    def test_a_resolve_queued_behind_a_refused_firing_is_dropped_in_the_same_run(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 500)
        world.receiver.answer("/hook", 400)
        fire_and_clear(world)
        assert world.send(MINUTE).dead == 1
        # The 500 may have got through to somebody, so the resolve is owed.
        assert [each.transition for each in world.receiver.received] == ["firing", "firing", "resolved"]

    def test_after_a_week_it_gives_up(self, world: World) -> None:
        world.route({"webhook": {"url": "http://127.0.0.1:9/"}})
        world.fire()
        assert world.send(7 * DAY - MINUTE).retried == 1
        assert world.send(2 * MINUTE).dead == 1
        assert world.outbox() == [("firing", "dead", "gave_up")]

    def test_a_variable_that_is_missing_is_waited_for(self, world: World) -> None:
        world.env["HOOK"] = f"{world.receiver.url}/hook"
        world.route({"webhook": {"url": "${HOOK}"}})
        fire_and_clear(world)
        world.routes.clear()
        del world.env["HOOK"]
        assert world.send().outcomes == {("webhook", "no_address"): 1}
        world.env["HOOK"] = f"{world.receiver.url}/hook"
        world.send(MINUTE)
        assert [each.transition for each in world.receiver.received] == ["firing", "resolved"]


class TestDisabling:
    def test_410_disables_the_target_until_it_has_another_address(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 410)
        world.fire()
        report = world.send()
        assert (report.dead, report.disabled) == (1, ("default/webhook",))
        world.stuck(1, waiting_for="invoice_posted")
        world.look(SECOND)
        assert world.look(MINUTE).untold == 1
        world.routes.clear()
        world.route(world.webhook("/new"))
        world.look(SECOND)
        world.send(MINUTE)
        assert [each.path for each in world.receiver.received] == ["/hook", "/new"]

    def test_what_waits_for_a_disabled_target_is_not_sent(self, world: World) -> None:
        world.route(world.slack())
        world.stuck(1, waiting_for="invoice_posted")
        world.receiver.answer("/slack", 404, b"no_service")
        world.fire()
        assert world.send().dead == 2
        assert len(world.receiver.received) == 1


class TestOrder:
    def test_a_resolve_never_overtakes_its_firing(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 503, retry_after="600")
        fire_and_clear(world)
        world.send(5 * MINUTE)
        assert len(world.receiver.received) == 1
        world.send(5 * MINUTE)
        assert [each.transition for each in world.receiver.received] == ["firing", "firing", "resolved"]

    def test_what_surely_reached_nobody_is_dropped_with_its_resolve(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 429, retry_after="600")
        fire_and_clear(world)
        assert world.send(HOUR).dropped == 2
        assert {row[2] for row in world.outbox()} == {"resolved_before_sent"}
        assert len(world.receiver.received) == 1

    def test_updates_that_were_overtaken_are_dropped(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 500)
        world.fire(1)
        world.send()
        for count in (1, 2, 4):
            world.stuck(count)
            world.look(5 * MINUTE)
        assert world.send().dropped == 2
        assert [each.transition for each in world.receiver.received] == ["firing", "firing", "updated"]
        assert world.receiver.received[-1].body["data"]["incident"]["count"] == 8

    def test_a_lease_taken_meanwhile_saves_the_resolve(self, world: World) -> None:
        world.route(world.webhook())
        world.fire()
        world.become("completed")
        world.look(SECOND)
        with psycopg.connect(world.url) as sender, psycopg.connect(world.url) as dropper:
            at = {"now": to_datetime(world.now), "lease_until": to_datetime(world.now + MINUTE)}
            sender.execute(outbox.Q["lease"].encode(), at)
            dropping = Thread(target=lambda: outbox._drop(dropper, world.now))
            dropping.start()
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%unsent%'"
            while dropping.is_alive() and not world.conn.execute(waiting).fetchall()[0][0]:
                world.conn.rollback()
            sender.commit()
            dropping.join()
        world.conn.rollback()
        assert [row[1] for row in world.outbox()] == ["pending", "pending"]


class TestCrash:
    def test_killed_between_sending_and_recording_it_is_sent_once_more_under_the_same_id(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.route(world.webhook())
        world.fire()

        def killed(*_: object) -> str:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(outbox, "_record", killed)
            with pytest.raises(Killed):
                world.send()
        assert world.send(MINUTE) == outbox.Report()
        assert world.send(MINUTE).delivered == 1
        world.send(DAY)
        first, second = world.receiver.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]

    def test_killed_while_sending_and_then_refused_it_still_gets_its_resolve(self, world: World) -> None:
        world.route(world.webhook())
        world.fire()

        def answered_and_killed(request: httpx.Request) -> httpx.Response:
            raise Killed

        with httpx.Client(transport=httpx.MockTransport(answered_and_killed)) as client, pytest.raises(Killed):
            outbox.run_once(world.conn, world.now, client, world.routes, world.env, patience=world.patience)
        world.receiver.answer("/hook", 400)
        world.become("completed")
        world.look(SECOND)
        world.send(HOUR)
        assert [each.transition for each in world.receiver.received] == ["firing", "resolved"]

    def test_an_outcome_that_comes_too_late_changes_nothing(self, world: World) -> None:
        world.route(world.webhook())
        world.fire()
        late = outbox._lease(world.conn, world.now, world.patience, {})
        assert late is not None
        assert world.send(HOUR).delivered == 1
        outcome = outbox.Outcome(outbox.Fate.FAILED, "refused", 400)
        attempt = outbox._Attempt(late, outbox.Sent(outcome, {}), None, "")
        outbox._record(world.conn, attempt, world.now, world.patience, 0.5, {})
        assert world.outbox() == [("firing", "delivered", "delivered")]

    def test_a_fault_in_rendering_holds_nothing_back(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.route(world.webhook(), world.slack())
        world.fire()
        whole = webhook.request

        def faulty(letter: Letter) -> object:
            if letter.notice.oldest_since is not None:
                raise KeyError("template")
            return whole(letter)

        monkeypatch.setattr(webhook, "request", faulty)
        assert world.send().delivered == 2
        (received,) = world.receiver.at("/hook")
        assert received.body["data"]["incident"]["count"] == 3
        assert received.body["data"]["dedup_key"].startswith("milepost-")


def test_senders_in_parallel_send_everything_once_and_in_order(world: World) -> None:
    world.route(world.webhook())
    causes = [f"m{number}" for number in range(12)]
    for cause in causes:
        world.stuck(1, waiting_for=cause)
    world.look()
    world.look(20 * SECOND)
    world.send()
    world.receiver.received.clear()
    world.become("completed")
    world.look(SECOND)
    for cause in causes:
        world.stuck(1, waiting_for=cause)
    world.look(SECOND)
    world.look(20 * SECOND)
    start = Barrier(4)

    def work() -> None:
        with psycopg.connect(world.url) as conn, httpx.Client(trust_env=False) as client:
            start.wait()
            outbox.run_once(conn, world.now, client, world.routes, world.env)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [each.headers["webhook-id"] for each in world.receiver.received]
    assert len(ids) == len(set(ids)) == 24


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_receivers_answer_every_firing_heard_is_followed_by_its_resolve(world: World, seed: int) -> None:
    chance = random.Random(seed)
    heard: dict[tuple[str, str], list[str]] = defaultdict(list)
    ids: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    troubled = True

    def answer(request: httpx.Request) -> httpx.Response:
        body = webhook.orjson.loads(request.content)
        line = (request.url.path, body["data"]["incident"]["id"])
        transition = body["type"].rsplit(".", 1)[1]
        if transition == "note":
            return httpx.Response(204)
        if transition != "updated":
            ids[*line, transition].add(request.headers["webhook-id"])
        kind = chance.choices(
            ["ok", "throttled", "error", "lost", "silent", "refused", "killed"],
            [6, 2, 2, 1, 1, 1, 1] if troubled else [1, 0, 0, 0, 0, 0, 0],
        )[0]
        if kind == "lost":
            raise httpx.ConnectError("no")
        if kind == "throttled":
            return httpx.Response(429, headers={"retry-after": str(chance.randrange(60))})
        if kind == "refused":
            return httpx.Response(422)
        if kind == "error":
            return httpx.Response(502)
        heard[line].append(transition)
        if kind == "silent":
            raise httpx.ReadTimeout("late")
        if kind == "killed":
            raise Killed
        return httpx.Response(204)

    world.client = httpx.Client(transport=httpx.MockTransport(answer))
    world.route(world.webhook("/a"), world.webhook("/b"))

    def send(passed: int = 0) -> None:
        try:
            world.send(passed)
        except Killed:
            world.conn.rollback()

    routes = list(world.routes)
    for _ in range(120):
        match chance.choices(["appear", "clear", "unrouted", "work"], [4, 1, 1, 8])[0]:
            case "appear":
                world.stuck(chance.randrange(1, 6), waiting_for=chance.choice(["x", "y"]))
            case "clear":
                world.become("completed")
            case "unrouted":
                world.routes.clear()
                world.look(chance.randrange(10 * MINUTE))
                world.routes += routes
            case "work":
                world.look(chance.randrange(MINUTE))
                send(chance.randrange(3 * MINUTE))
    troubled = False
    world.become("completed")
    world.look(SECOND)
    # A cause that has flapped is not called resolved at once.
    world.look(15 * MINUTE)
    for _ in range(20):
        send(20 * MINUTE)
    assert "pending" not in {row["state"] for row in world.rows("outbox")}
    assert len(heard) > 2
    paths = {target.name: "/" + target.address.url[-1] for target in routes[0].targets}
    sent = {(paths[row["target"]], str(row["incident_id"]), row["transition"]): row for row in world.rows("outbox")}
    for line, transitions in heard.items():
        firing, resolved = sent[*line, "firing"], sent[*line, "resolved"]
        if "firing" in transitions:
            assert transitions == sorted(transitions, key=["firing", "updated", "resolved"].index)
            assert "resolved" in transitions or resolved["outcome"] == "refused"
        else:
            # Only a firing whose fate is unknown lets what follows it through.
            assert (firing["state"], firing["uncertain"]) == ("dead", True)
    assert all(len(found) == 1 for found in ids.values())
