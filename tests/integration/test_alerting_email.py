"""E-mail against a local server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import outbox
from alerting.channels.reach import Reach, reach_of
from slo_rules.durations import MINUTE, SECOND

if TYPE_CHECKING:
    from fix_alerting import World
    from fix_mailbox import Mailbox

pytest_plugins = ["fix_alerting", "fix_mailbox"]
LOOPBACK = reach_of(["127.0.0.1"])


class TestEmail:
    def send(self, world: World, passed: int = 0, reach: Reach = LOOPBACK) -> outbox.Report:
        world.now += passed
        return outbox.run_once(world.conn, world.now, world.client, world.routes, world.env, reach=reach)

    def fire(self, world: World, server: str) -> None:
        to = ["erp@example.com", "Operations <ops@example.com>"]
        world.route({"email": {"server": server, "from": "Milepost <milepost@example.com>", "to": to}})
        world.fire()

    def test_a_thread_of_html_and_text(self, world: World, mailbox: tuple[Mailbox, str]) -> None:
        box, server = mailbox
        self.fire(world, server)
        self.send(world)
        world.become("completed")
        world.look(SECOND)
        self.send(world)
        (envelope, first), (_, second) = box.mails
        assert envelope.rcpt_tos == ["erp@example.com", "ops@example.com"]
        assert first["subject"] == "Orders waiting for Order accepted from sap"
        assert second["subject"] == "Resolved: Orders waiting for Order accepted from sap"
        assert second["in-reply-to"] == second["references"] == first["message-id"]
        assert [part.get_content_type() for part in first.walk()][1:] == ["text/plain", "text/html"]
        assert "3 orders worth USD 3 k" in first.get_body(("plain",)).get_content()
        assert "<strong>Order accepted</strong>" in first.get_body(("html",)).get_content()

    def test_what_is_put_off_comes_again_as_the_same_mail(self, world: World, mailbox: tuple[Mailbox, str]) -> None:
        box, server = mailbox
        box.say.append("451 try later")
        self.fire(world, server)
        assert self.send(world).retried == 1
        assert self.send(world, MINUTE).delivered == 1

    def test_recipients_that_are_refused_disable_the_target(self, world: World, mailbox: tuple[Mailbox, str]) -> None:
        box, server = mailbox
        box.say.append("550 5.1.1 no such user")
        self.fire(world, server)
        assert self.send(world).disabled == ("default/email",)

    def test_a_server_on_a_private_network_must_be_allowed_by_name(
        self, world: World, mailbox: tuple[Mailbox, str]
    ) -> None:
        box, server = mailbox
        self.fire(world, server)
        assert self.send(world, reach=reach_of([])).outcomes == {("email", "not_allowed"): 1}
        assert box.mails == []

    def test_headers_cannot_be_smuggled_in(self, world: World, mailbox: tuple[Mailbox, str]) -> None:
        box, server = mailbox
        world.route({"email": {"server": server, "from": "a@example.com", "to": "b@example.com"}})
        world.stuck(1, source_awaited="sap\r\nBcc: everybody@example.com")
        world.look()
        world.look(15 * SECOND)
        self.send(world)
        ((_, mail),) = box.mails
        assert mail["bcc"] is None
        assert "everybody" in mail["subject"]
