"""Whatever a receiver answers, a sender is soon free again, holds little of it, and knows what to make of it."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator

import pytest

from alerting.address import Address
from alerting.channels import guarded, reach
from alerting.channels.answer import Fate
from alerting.channels.email import smtp
from alerting.channels.guarded import new_client
from alerting.channels.letter import Letter
from alerting.channels.reach import reach_of
from alerting.channels.registry import CHANNELS
from alerting.channels.transport import Sent, send
from alerting.message import Notice
from tests.unit.talking import Talk, Talking

pytestmark = pytest.mark.slow

NOTICE = Notice(incident="1", verdict="stuck", count=1, entity="order", at=1_790_000_000_000_000)
OK = b"HTTP/1.1 200 OK\r\n"


class Server(Talking):
    """Says to everybody who connects what it was told to, and counts them."""

    def __init__(self) -> None:
        self.connected = 0
        super().__init__()

    def met(self, found: socket.socket) -> None:
        self.connected += 1
        super().met(found)

    def says(self, *parts: bytes) -> Talk:
        """An answer to one request, and then the end."""

        def talk(found: socket.socket) -> None:
            found.recv(65_536)
            for part in parts:
                found.sendall(part)

        return talk

    def drips(self, first: bytes, again: bytes) -> Talk:
        """A beginning, and then one more piece every now and then, for ever."""

        def talk(found: socket.socket) -> None:
            found.sendall(first)
            while not self.over.wait(0.02):
                found.sendall(again)

        return talk

    def pours(self, first: bytes, again: bytes) -> Talk:
        """The same as fast as it goes."""

        def talk(found: socket.socket) -> None:
            found.sendall(first)
            while not self.over.is_set():
                found.sendall(again)

        return talk


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def sent(server: Server, kind: str = "webhook", url: str = "") -> Sent:
    """What becomes of a message, which must be known soon."""
    secret = None if kind == "webhook" else "hush"
    address = Address(url or f"http://127.0.0.1:{server.port}", secret, (("channel", "C1"),))
    began = time.monotonic()
    with new_client(reach_of(["127.0.0.1", "hooks.example.com"])) as client:
        found = send(client, CHANNELS[kind], Letter(NOTICE, address, "m-1", NOTICE.at))
    assert time.monotonic() - began < 60
    assert len(found.answer) <= 65_536
    return found


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "network"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "network"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "network"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal", "network"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "network"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "network"),
        (b"HTTP/1.1 999999 What\r\n\r\n", "network"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000, "network"),
    ],
)
def test_what_is_no_whole_answer_may_have_arrived_and_is_sent_again(server: Server, answer: bytes, reason: str) -> None:
    server.talk = server.says(answer)
    outcome = sent(server).outcome
    assert (outcome.fate, outcome.reason, outcome.uncertain) == (Fate.RETRY, reason, True)


@pytest.mark.parametrize("kind", ["slack", "servicenow"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>Log in</html>", b"[]", b"null", b'{"ok": "true"}', b"\xff" * 100, b"{" * 9_999]
)
def test_a_200_with_garbage_is_no_delivery_where_the_body_says_whether_it_is_one(
    server: Server, kind: str, body: bytes
) -> None:
    server.talk = server.says(OK, b"content-length: %d\r\n\r\n" % len(body), body)
    outcome = sent(server, kind).outcome
    assert (outcome.fate, outcome.reason, outcome.uncertain) == (Fate.RETRY, "not_confirmed", True)


def test_of_a_body_without_end_only_the_beginning_is_read(server: Server) -> None:
    server.talk = server.pours(OK + b"\r\n", b"x" * 65_536)
    assert sent(server).outcome.fate is Fate.DELIVERED


def test_a_packed_body_is_not_unpacked_beyond_what_is_looked_at(server: Server) -> None:
    packed = gzip.compress(b"0" * 50_000_000)
    server.talk = server.says(OK, b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed), packed)
    found = sent(server)
    assert (found.outcome.fate, set(found.answer)) == (Fate.DELIVERED, {ord("0")})
    server.talk = server.says(OK, b"content-encoding: gzip\r\n\r\nnot packed at all")
    assert sent(server).answer == b"not packed at all"


def test_an_answer_of_which_ever_one_more_byte_comes_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "LONGEST_ANSWER_SECONDS", 0.3)
    for first in (b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n"):
        server.talk = server.drips(first, b"y")
        outcome = sent(server).outcome
        assert (outcome.fate, outcome.reason, outcome.uncertain) == (Fate.RETRY, "network", True)


def test_a_redirect_into_the_own_network_is_not_followed(server: Server) -> None:
    there = f"http://127.0.0.1:{server.port}/latest/meta-data/".encode()
    for status in (b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"):
        server.talk = server.says(b"HTTP/1.1 " + status + b"\r\nlocation: " + there + b"\r\ncontent-length: 0\r\n\r\n")
        before = server.connected
        outcome = sent(server).outcome
        assert (outcome.fate, outcome.reason) == (Fate.FAILED, "redirected")
        assert server.connected == before + 1


def test_a_name_that_leads_into_the_own_network_when_it_is_asked_again_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is looked up for each connection, and what was found is what is connected to: there is no second look-up.
    answers = iter([["10.0.0.8"], ["169.254.169.254"], ["127.0.0.1"], ["::1"], ["0.0.0.0"]])
    monkeypatch.setattr(reach, "look_up", lambda *_: next(answers))
    for _ in range(5):
        outcome = sent(server, url=f"http://rebound.example.com:{server.port}").outcome
        assert (outcome.fate, outcome.reason) == (Fate.FAILED, "not_allowed")
    assert server.connected == 0


class TestMail:
    def sent(self, server: Server) -> Sent:
        more = (("from", "m@example.com"), ("to", "erp@example.com"))
        letter = Letter(NOTICE, Address(f"smtp://127.0.0.1:{server.port}", None, more), "m-1", NOTICE.at)
        began = time.monotonic()
        with new_client(reach_of([])) as client:
            found = send(client, CHANNELS["email"], letter, reach_of(["127.0.0.1"]))
        assert time.monotonic() - began < 60
        return found

    @pytest.mark.parametrize(
        "said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220", b"220 hello\r\n250-a\r\n", b"\x00" * 99]
    )
    def test_what_is_no_mail_server_is_tried_again(self, server: Server, said: bytes) -> None:
        def talk(found: socket.socket) -> None:
            found.sendall(said)

        server.talk = talk
        assert self.sent(server).outcome.fate is Fate.RETRY

    def test_an_answer_without_end_is_given_up(self, server: Server) -> None:
        server.talk = server.pours(b"", b"220-hello\r\n" * 1_000)
        outcome = self.sent(server).outcome
        assert (outcome.fate, outcome.reason) == (Fate.RETRY, "put_off")

    def test_one_of_which_ever_one_more_byte_comes_too(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(smtp, "LONGEST_SECONDS", 0.3)
        server.talk = server.drips(b"220 hel", b"l")
        assert self.sent(server).outcome.fate is Fate.RETRY
