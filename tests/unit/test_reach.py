from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from alerting.channels import reach
from alerting.channels.guarded import new_client
from alerting.channels.reach import Reach, Refused, is_public, reach_of


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::", "ff02::1", "nonsense",
    ],
)  # fmt: skip
def test_what_is_not_of_the_public_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is(address: str) -> None:
    assert is_public(address)


def test_only_addresses_that_may_be_reached_are_connected_to() -> None:
    def lookup(_host: str, _port: int) -> list[str]:
        return ["10.0.0.1", "8.8.8.8"]

    assert Reach().addresses("hooks.example.com", 443, lookup) == ["8.8.8.8"]
    assert reach_of(["Hooks.Example.com."]).addresses("hooks.example.com", 443, lookup) == ["10.0.0.1", "8.8.8.8"]
    with pytest.raises(Refused, match=r"evil\.example\.com is not on the public internet"):
        Reach().addresses("evil.example.com", 443, lambda *_: ["127.0.0.1", "::1"])


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.headers["host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found.server_port, heard
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_nothing_is_sent_to_this_machine_unless_its_name_is_allowed(server: tuple[int, list[str]], host: str) -> None:
    port, heard = server
    with new_client(Reach()) as client, pytest.raises((Refused, httpx.ConnectError)):
        client.post(f"http://{host}:{port}/")
    assert heard == []


def test_what_was_looked_at_is_what_is_connected_to(
    server: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, heard = server
    asked: list[str] = []

    def look_up(host: str, _port: int) -> list[str]:
        # A name that leads elsewhere each time it is asked for.
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["8.8.8.8"]

    monkeypatch.setattr(reach, "look_up", look_up)
    with new_client(reach_of(["hooks.example.com"])) as client:
        assert client.post(f"http://hooks.example.com:{port}/").status_code == 204
    assert (asked, heard) == (["hooks.example.com"], [f"hooks.example.com:{port}"])


def test_a_proxy_of_the_environment_is_used(server: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    port, heard = server
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "direct.example.com")
    with new_client(Reach()) as client:
        assert client.post("http://hooks.example.com/").status_code == 204
        monkeypatch.setattr(reach, "look_up", lambda *_: ["127.0.0.1"])
        with pytest.raises(Refused):
            client.post("http://direct.example.com/")
    assert heard == ["hooks.example.com"]
