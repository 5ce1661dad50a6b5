"""How fast a target is sent to, what is kept of every attempt, and who hears of a target that takes nothing."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING

import httpx
import psycopg

from alerting import outbox
from slo_rules.durations import MINUTE, SECOND

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]


class TestUndelivered:
    def test_one_that_is_enabled_again_is_sent_to(self, world: World) -> None:
        world.route(world.webhook())
        world.receiver.answer("/hook", 410)
        world.fire()
        world.send()
        world.conn.execute(outbox.Q["enable_target"], {"target": "default/webhook"})
        world.conn.commit()
        world.stuck(1, waiting_for="invoice_posted")
        world.look(SECOND)
        world.look(MINUTE)
        assert world.send().delivered == 1

    def test_its_owner_is_told_once_an_hour_through_another(self, world: World) -> None:
        world.route(world.webhook(), match={"owner": "erp-platform"}, name="erp")
        world.route(world.slack(), match={"owner": "nobody"}, name="other")
        for cause in ("a", "b", "c"):
            world.receiver.answer("/hook", 400, b"no")
            world.stuck(1, waiting_for=cause)
        world.look()
        world.look(15 * SECOND)
        assert world.send().dead == 3
        world.send(MINUTE)
        (note,) = world.receiver.at("/slack")
        assert note.body["blocks"][0]["text"]["text"] == "Note: erp/webhook did not take a message"
        assert "Other messages to it are still sent." in note.body["text"]


class TestPace:
    def test_what_is_more_than_a_target_takes_waits(self, world: World) -> None:
        hook = world.webhook()
        hook["webhook"]["at_most"] = "3/1m"
        world.route(hook)
        for cause in "abcdefgh":
            world.stuck(1, waiting_for=cause)
        world.look()
        world.look(15 * SECOND)
        assert world.send().delivered == 3
        assert world.send(10 * SECOND).delivered == 0
        assert world.send(11 * SECOND).delivered == 1
        assert world.send(MINUTE).delivered == 3
        assert world.send(MINUTE).delivered == 1
        assert {row[1] for row in world.outbox()} == {"delivered"}
        assert {row["attempts"] for row in world.rows("outbox")} == {1}

    def test_senders_in_parallel_keep_it_together(self, world: World) -> None:
        hook = world.webhook()
        hook["webhook"]["at_most"] = "5/1h"
        world.route(hook)
        for number in range(12):
            world.stuck(1, waiting_for=f"m{number}")
        world.look()
        world.look(15 * SECOND)
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
        assert len(world.receiver.received) == 5


class TestHistory:
    def test_every_attempt_is_kept_with_what_went_out_and_what_came_back(self, world: World) -> None:
        world.route(world.slack("/services/hush"))
        world.receiver.answer("/services/hush", 503, b"not now, /services/hush")
        world.fire()
        world.send()
        world.send(MINUTE)
        first, second = world.rows("delivery")
        assert (first["attempt"], first["fate"], first["reason"], first["status"]) == (1, "retry", "server_error", 503)
        # A path may be the secret of a webhook.
        assert first["answer"] == "not now, ***"
        assert (second["attempt"], second["fate"], second["answer"]) == (2, "delivered", "ok")
        assert first["sent"] == second["sent"]
        assert "3 orders worth" in first["sent"]
