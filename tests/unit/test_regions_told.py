"""Regions: what the settings may name, what an answer may be, and how they are asked. Answers are those of anybody."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.channels import guarded
from alerting.channels.guarded import new_client
from alerting.channels.reach import PUBLIC_ONLY, reach_of
from collector.access.permission import NotPermitted
from collector.access.principal import How, Principal, acting
from collector.access.sight import sight_of
from milepost.doctor.asking_network import regions as examined
from milepost.regions import asking, watching
from milepost.regions.asking import NoAnswer, ask
from milepost.regions.region import Region
from milepost.regions.told import Unfit, read
from milepost.regions.watching import Regions
from milepost.settings import SettingsError, load
from tests.examples import examples
from tests.unit.talking import Talking

HERE = reach_of(["127.0.0.1"])
DOMAIN = dict.fromkeys(("open", "due_soon", "stuck", "blind", "failed", "inconsistent"), 1) | {"domain": "orders"}
GOOD: dict[str, Any] = {"as_of": "2026-11-22T09:00:00Z", "domains": [DOMAIN]}
OK = b"HTTP/1.1 200 OK\r\n"


def region(port: int = 1, name: str = "eu", **more: Any) -> Region:
    url = f"http://127.0.0.1:{port}"
    return Region(name, name.upper(), url, url, **more)


class TestSettings:
    def loaded(self, tmp_path: Path, text: str) -> tuple[Region, ...]:
        file = tmp_path / "milepost.toml"
        file.write_text(text)
        return load({}, {}, file).regions

    def faults(self, tmp_path: Path, text: str) -> list[str]:
        with pytest.raises(SettingsError) as raised:
            self.loaded(tmp_path, text)
        return [one.replace(str(tmp_path), "") for one in raised.value.faults]

    def test_a_region_has_an_address_and_maybe_another_for_people_a_title_and_a_key(self, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("mp_secret\n")
        eu, us = self.loaded(
            tmp_path,
            f"""
            [regions.eu]
            url = "https://milepost.eu.internal/"
            public_url = "https://milepost.eu.example.com"
            title = "Europe"
            key_file = "{key}"
            [regions.us]
            url = "http://127.0.0.1:8081"
            """,
        )
        assert (eu.title, eu.url, eu.public_url) == (
            "Europe",
            "https://milepost.eu.internal",
            "https://milepost.eu.example.com",
        )
        assert (us.title, us.public_url, us.key()) == ("us", "http://127.0.0.1:8081", None)
        assert eu.key() == "mp_secret"
        key.write_text("mp_another")
        assert eu.key() == "mp_another"
        assert "mp_" not in repr(eu)

    def test_every_fault_is_named_at_once(self, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("mp_one mp_two")
        text = f"""
        [regions."e u"]
        url = "https://x.example"
        [regions.a]
        uri = "https://x.example"
        [regions.b]
        url = "https://ada:pw@x.example"
        key_file = "{tmp_path}/nowhere"
        [regions.c]
        url = "http://x.example"
        key_file = "{key}"
        [regions.d]
        url = 4
        """
        said = "\n".join(self.faults(tmp_path, text))
        for part in (
            "regions.e u: a name has letters",
            "regions.a.uri: unknown",
            "regions.a.url: must be an address",
            "regions.b.url: must have no user, password",
            "regions.b.key_file: its key cannot be read",
            "regions.c.url: a key is sent in plain text",
            "regions.c.key_file: /key holds no key, or more than one",
            "regions.d.url: must be text",
        ):
            assert part in said
        assert "mp_one" not in said
        assert self.faults(tmp_path, 'regions = "eu"')[0].endswith(
            "must be a table with a table for each region, not 'eu'"
        )


class TestAnswers:
    def test_what_is_known_is_taken_and_what_is_not_is_passed_over(self) -> None:
        found = read(json.dumps(GOOD | {"newer": [1], "domains": [DOMAIN | {"newer": 2}]}).encode())
        assert found["domains"][0]["stuck"] == 1
        assert "newer" not in found
        assert found["as_of"] == "2026-11-22T09:00:00Z"
        assert found["incidents"] == []

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"[]", b"nothing", b"\xff\xfe", b"null", b"{}", b"[" * 100_000,
            json.dumps(GOOD | {"as_of": "2026-11-22T09:00:00"}).encode(),
            json.dumps(GOOD | {"as_of": 1}).encode(),
            json.dumps(GOOD | {"domains": [DOMAIN] * 1001}).encode(),
            json.dumps(GOOD | {"domains": [DOMAIN | {"stuck": -1}]}).encode(),
            json.dumps(GOOD | {"domains": [DOMAIN | {"stuck": 10**40}]}).encode(),
            json.dumps(GOOD | {"domains": [DOMAIN | {"stuck": "12"}]}).encode(),
            json.dumps(GOOD | {"domains": [DOMAIN | {"domain": "x" * 2049}]}).encode(),
            json.dumps(GOOD | {"domains": [DOMAIN | {"budget_left_ratio": float("nan")}]}).encode(),
            json.dumps(GOOD | {"lag_seconds": 1e300}).encode(),
            json.dumps(GOOD | {"incidents": [{"id": "../../x", "title": "t", "verdict": "stuck"}]}).encode(),
            json.dumps(GOOD | {"sources": [{"source": "a", "title": "a", "state": 'live" onload="x'}]}).encode(),
        ],
    )  # fmt: skip
    def test_what_is_of_another_kind_or_too_much_is_refused_without_repeating_it(self, body: bytes) -> None:
        with pytest.raises(Unfit) as refused:
            read(body)
        assert len(str(refused.value)) < 200
        assert "onload" not in str(refused.value)

    def test_what_would_hide_in_a_name_is_spelled_out(self) -> None:
        said = GOOD | {"domains": [DOMAIN | {"domain": "orders\u202egnp\x00\n"}]}
        assert read(json.dumps(said).encode())["domains"][0]["domain"] == r"orders\u202egnp\x00\n"

    @settings(max_examples=examples(300))
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from([*GOOD, *DOMAIN, "incidents", "sources", "id"]), inner, max_size=6)
            ),
            max_leaves=20,
        )
    )
    def test_whatever_is_answered_it_is_figures_or_refused(self, said: Any) -> None:
        with contextlib.suppress(Unfit):
            assert set(read(json.dumps(said).encode())) >= set(GOOD)


class Server(Talking):
    """Answers everybody who connects with what it was told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        super().__init__()

    def met(self, found: socket.socket) -> None:
        self.asked.append(found.recv(65_536))
        super().met(found)

    def says(self, *parts: bytes) -> None:
        def talk(found: socket.socket) -> None:
            for part in parts:
                found.sendall(part)

        self.talk = talk

    def answers(self, body: bytes, *headers: bytes, status: bytes = OK) -> None:
        self.says(status + b"".join(headers) + b"content-length: %d\r\n\r\n" % len(body) + body)

    def repeats(self, first: bytes, again: bytes, every: float) -> None:
        def talk(found: socket.socket) -> None:
            found.sendall(first)
            while not self.over.wait(every):
                found.sendall(again)

        self.talk = talk


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with new_client(HERE) as made:
        yield made


class TestAsking:
    def refused(self, client: httpx.Client, server: Server, *, seconds: float = 60, **more: Any) -> str:
        with pytest.raises(NoAnswer) as refused:
            ask(client, region(server.port, **more), seconds=seconds)
        return str(refused.value)

    def test_it_is_asked_for_figures_with_the_key_of_its_file(
        self, client: httpx.Client, server: Server, tmp_path: Path
    ) -> None:
        key = tmp_path / "key"
        key.write_text("mp_planted")
        server.answers(json.dumps(GOOD).encode())
        assert ask(client, region(server.port, key_file=key))["domains"][0]["domain"] == "orders"
        (asked,) = server.asked
        assert asked.startswith(b"GET /api/v1/region HTTP/1.1\r\n")
        assert b"authorization: Bearer mp_planted\r\n" in asked.replace(b"Authorization", b"authorization")
        server.answers(b"no", status=b"HTTP/1.1 401 No\r\n")
        assert "mp_planted" not in self.refused(client, server, key_file=key)

    def test_nobody_follows_where_it_sends_elsewhere(self, client: httpx.Client, server: Server) -> None:
        other = Server()
        other.answers(json.dumps(GOOD).encode())
        server.answers(b"", b"location: http://127.0.0.1:%d/\r\n" % other.port, status=b"HTTP/1.1 307 There\r\n")
        assert "sends elsewhere" in self.refused(client, server)
        assert other.asked == []
        other.close()

    def test_an_answer_without_end_is_cut_off(
        self, client: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "MOST_BYTES", 100_000)
        server.repeats(OK + b"\r\n[", b" " * 50_000, 0)
        assert "larger than" in self.refused(client, server)

    def test_one_that_drips_is_given_up_in_time(self, client: httpx.Client, server: Server) -> None:
        server.repeats(OK + b"\r\n[", b" ", 0.02)
        assert "takes too long" in self.refused(client, server, seconds=0.3)

    def test_one_that_drips_its_headers_is_given_up_in_time(
        self, client: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guarded, "LONGEST_ANSWER_SECONDS", 0.3)
        server.repeats(OK, b"x", 0.02)
        assert "in time" in self.refused(client, server, seconds=0.3)

    @pytest.mark.parametrize("body", [b"<html>", b'{"as_of": 1}', b'{"domains": ["', b"\x00" * 100])
    def test_what_is_no_answer_of_a_region_is_refused(self, body: bytes, client: httpx.Client, server: Server) -> None:
        server.answers(body)
        assert "its answer is" in self.refused(client, server)

    def test_what_is_packed_is_not_unpacked(self, client: httpx.Client, server: Server) -> None:
        server.answers(gzip.compress(b" " * 1_000_000), b"content-encoding: gzip\r\n")
        assert "packed" in self.refused(client, server)

    @pytest.mark.parametrize(
        ("status", "meant"),
        [(b"401 x", "does not know the key"), (b"403 x", "the scope overview"), (b"404 x", "is it a Milepost"),
         (b"503 x", "its database"), (b"500 x", "answers with 500")],
    )  # fmt: skip
    def test_each_refusal_says_what_to_look_at(
        self, status: bytes, meant: str, client: httpx.Client, server: Server
    ) -> None:
        server.answers(b"<b>whatever</b>", status=b"HTTP/1.1 " + status + b"\r\n")
        said = self.refused(client, server)
        assert meant in said
        assert "whatever" not in said

    def test_one_that_hangs_up_or_is_not_there_is_told_as_such(self, client: httpx.Client, server: Server) -> None:
        assert "the connection broke" in self.refused(client, server)
        server.close()
        assert "cannot be connected to" in self.refused(client, server)

    def test_an_address_of_the_own_network_needs_to_be_allowed_by_name(self, server: Server) -> None:
        with new_client(PUBLIC_ONLY) as client:
            assert "allow it by name in private_hosts" in self.refused(client, server)
        assert server.asked == []

    def test_the_doctor_says_of_each_region_whether_it_answers(self, server: Server) -> None:
        server.answers(json.dumps(GOOD).encode())
        lost, good = examined([region(server.port), region(1, "us")], HERE)
        assert (lost.grade, lost.said) == ("fail", "us: it cannot be connected to")
        assert (good.grade, good.said) == ("ok", "1 answer: eu")


class Asked:
    """Stands for the regions: what each says, or an error, and how often it was asked; `slow` waits for `go`."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.go = threading.Event()

    def __call__(self, one: Region) -> dict[str, Any]:
        self.counts[one.name] = self.counts.get(one.name, 0) + 1
        if one.name == "slow":
            assert self.go.wait(60)
        said = self.says.get(one.name, {"as_of": "x"})
        if isinstance(said, Exception):
            raise said
        found: dict[str, Any] = said
        return found


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.go.set()


@contextlib.contextmanager
def watched(asked: Asked, *names: str, patience: float = 30) -> Iterator[Regions]:
    with ThreadPoolExecutor(len(names)) as executor:
        yield Regions([region(name=name) for name in names], asked, executor, patience=patience)
        asked.go.set()


class TestWatching:
    @pytest.fixture(autouse=True)
    def _good_for_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watching, "REFRESH_SECONDS", 1000.0)

    async def test_fifty_who_look_ask_each_region_once(self, asked: Asked) -> None:
        with watched(asked, "eu", "us") as regions:
            found = await asyncio.gather(*(regions.overview() for _ in range(50)))
            assert asked.counts == {"eu": 1, "us": 1}
            assert {item["state"] for one in found for item in one["items"]} == {"live"}
            await regions.overview()
            assert asked.counts == {"eu": 1, "us": 1}

    async def test_an_answer_that_is_old_is_asked_for_again(
        self, asked: Asked, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "REFRESH_SECONDS", 0.0)
        with watched(asked, "eu") as regions:
            await regions.overview()
            asked.says["eu"] = {"as_of": "y"}
            (item,) = (await regions.overview())["items"]
            assert item["figures"] == {"as_of": "y"}

    async def test_one_that_is_slow_keeps_nobody_waiting_and_is_not_asked_twice(self, asked: Asked) -> None:
        with watched(asked, "slow", "eu", patience=0.2) as regions:
            eu = {"state": "unknown"}
            while eu["state"] != "live":
                slow, eu = (await regions.overview())["items"]
                assert (slow["state"], slow["figures"]) == ("unknown", None)
            await regions.overview()
            assert asked.counts == {"slow": 1, "eu": 1}
            asked.go.set()
            while (await regions.overview())["items"][0]["state"] == "unknown":
                pass
            assert asked.counts["slow"] == 1

    async def test_one_that_does_not_answer_says_since_when_and_keeps_what_it_said_last(
        self, asked: Asked, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "REFRESH_SECONDS", 0.0)
        monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.0)
        with watched(asked, "eu") as regions:
            (before,) = (await regions.overview())["items"]
            asked.says["eu"] = NoAnswer("it cannot be connected to")
            (first,) = (await regions.overview())["items"]
            (second,) = (await regions.overview())["items"]
            assert (first["state"], first["why"]) == ("silent", "it cannot be connected to")
            assert first["silent_since"] == second["silent_since"] > before["answered_at"]
            assert (second["figures"], second["answered_at"]) == (before["figures"], before["answered_at"])
            asked.says["eu"] = RuntimeError("secret")
            (broken,) = (await regions.overview())["items"]
            assert "secret" not in json.dumps(broken)
            del asked.says["eu"]
            (back,) = (await regions.overview())["items"]
            assert (back["state"], back["silent_since"], back["why"]) == ("live", None, None)

    async def test_whoever_may_see_some_workflows_only_is_refused_and_nobody_is_asked(self, asked: Asked) -> None:
        token = acting.set(Principal("bob", How.PASSWORD, frozenset(("query",)), sight=sight_of(("domain:orders",))))
        try:
            with watched(asked, "eu") as regions, pytest.raises(NotPermitted):
                await regions.overview()
        finally:
            acting.reset(token)
        assert asked.counts == {}
