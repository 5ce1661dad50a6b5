"""Systems that do not push are asked: nothing is passed over, nothing counts twice, and who fails is left alone."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from collector.sources import addresses, intake, polling
from collector.sources.exchange import Credentials
from collector.sources.polling import Poller, asked_for, delay
from collector.sources.receiving import Receiver
from collector.store.database import Connection, connect
from slo_rules.adapter import Adapter, Poll, Secret, Sensitive
from slo_rules.durations import DAY, MINUTE, SECOND
from slo_rules.workflow import Source
from tests.coupa_server import CLIENT, Coupa, coupa
from tests.integration.fix_doors import running

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Coupa]:
    with coupa() as found:
        found.objects = {"purchase_orders": [], "invoices": []}
        yield found


CLIENTS: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def client() -> Iterator[None]:
    with httpx.Client(trust_env=False) as made:
        CLIENTS.append(made)
        yield
        CLIENTS.pop()


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with connect(database_url, "test") as found:
        yield found


def receiver(server: Coupa, *names: str, secret: bytes = CLIENT.encode(), **more: Any) -> Receiver:
    poll = Poll(server.url, names or ("purchase_orders",), Secret("COUPA"), overlap=2 * MINUTE, scope="core.po.read")
    source = Source("coupa", adapter=Adapter("coupa", poll=poll, **more))
    return Receiver(source, Credentials(poll=secret))


class Asking:
    """One process that asks."""

    def __init__(self, conn: Connection, *receivers: Receiver) -> None:
        self.conn = conn
        self.receivers = {one.source.name: one for one in receivers}
        self.poller = Poller(self.receivers, CLIENTS[-1])

    def now(self) -> int:
        """Ask for what is due, whenever that is; how many answers were kept."""
        with self.conn.transaction():
            self.conn.execute("UPDATE source_poll SET due_at = clock_timestamp() - interval '1 second'")
        return self.asked()

    def asked(self) -> int:
        """Ask for what is due by now; how many answers were kept."""
        return self.poller.run_once(self.conn, datetime.now(UTC))

    def events(self) -> list[str]:
        """The ids of all events that came of it, as often as they came."""
        while intake.run_once(self.conn, self.receivers):
            pass
        with self.conn.transaction():
            return [row[0] for row in self.conn.execute("SELECT id FROM event ORDER BY seq").fetchall()]

    def row(self) -> tuple[Any, ...]:
        """Failures, seconds until it is asked again, and the place of the only thing that is asked for."""
        with self.conn.transaction():
            found = self.conn.execute(
                "SELECT failures, extract(epoch FROM due_at - clock_timestamp())::float, state FROM source_poll"
            ).fetchone()
        assert found is not None
        return found


def order(server: Coupa, id_: int, ago: timedelta, **more: Any) -> str:
    """The id of the event that tells of it."""
    at = (datetime.now(UTC) - ago).replace(microsecond=0)
    server.put("purchase_orders", id_, at, **({"po-number": str(4500000 + id_), "status": "issued"} | more))
    return f"purchase_orders:{id_}:{at.isoformat()}"


def test_what_has_changed_is_asked_for_page_by_page_and_becomes_events_once(conn: Connection, server: Coupa) -> None:
    orders = [order(server, number, timedelta(minutes=10)) for number in range(1, 121)]
    order(server, 500, timedelta(days=2))
    asking = Asking(conn, receiver(server))
    assert asking.now() == 3
    assert asking.events() == orders
    assert server.scopes == ["core.po.read"]
    assert asking.now() == 0
    closed = order(server, 7, timedelta(seconds=5), status="closed")
    assert asking.now() == 1
    assert asking.events() == [*orders, closed]


def test_what_changes_while_pages_are_read_moves_nothing_out_of_sight(conn: Connection, server: Coupa) -> None:
    for number in range(1, 151):
        order(server, number, timedelta(minutes=10))

    def meanwhile(page: int) -> None:
        # With pages by offset, whatever follows these would move up by one and be passed over.
        for number in (page * 3, 50 + page, 149):
            closed.add(order(server, number, timedelta(seconds=-2), status="closed"))

    closed: set[str] = set()
    server.on_page = meanwhile
    asking = Asking(conn, receiver(server))
    asking.now()
    seen = asking.events()
    server.on_page = lambda _: None
    # Those that were closed were out of the stretch before they were read, and are in the next one.
    left = {str(number) for number in range(1, 151)} - {event.split(":")[1] for event in seen}
    assert left < {event.split(":")[1] for event in closed}
    for number in left:
        order(server, int(number), timedelta(seconds=2), status="closed")
    asking.now()
    assert {event.split(":")[1] for event in asking.events()} == {str(number) for number in range(1, 151)}


def test_a_second_in_which_more_changed_than_a_page_holds_is_read_whole(conn: Connection, server: Coupa) -> None:
    for number in range(1, 251):
        order(server, number, timedelta(minutes=1))
    asking = Asking(conn, receiver(server))
    asking.now()
    assert len(asking.events()) == 250


def test_the_place_and_what_was_read_are_stored_together_or_not_at_all(
    conn: Connection, server: Coupa, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 101):
        order(server, number, timedelta(minutes=10))
    asking = Asking(conn, receiver(server))

    def broken(*_: Any) -> None:
        raise RuntimeError("the machine stops here")

    with monkeypatch.context() as patch:
        patch.setattr(polling, "append", broken)
        with pytest.raises(RuntimeError):
            asking.now()
    assert asking.row()[2] == {}
    with conn.transaction():
        conn.execute("UPDATE source_poll SET claimed_until = '-infinity'")
    asking.now()
    assert len(asking.events()) == 100


def test_of_two_processes_that_ask_one_stores(
    conn: Connection, server: Coupa, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 31):
        order(server, number, timedelta(minutes=10))
    first = Asking(conn, receiver(server))
    with connect(database_url, "test") as other:
        second = Asking(other, receiver(server))
        inside, go_on = threading.Event(), threading.Event()

        def held_up(page: int) -> None:
            if page == 1:
                inside.set()
                assert go_on.wait(60)

        server.on_page = held_up
        thread = threading.Thread(target=first.now)
        thread.start()
        assert inside.wait(60)
        # As long as the claim holds, nobody else asks.
        assert second.now() == 0
        assert server.pages == 1
        # A process that hung for longer than its claim is overtaken, and stores nothing any more.
        with other.transaction():
            other.execute("UPDATE source_poll SET claimed_until = '-infinity'")
        assert second.asked() == 1
        go_on.set()
        thread.join(timeout=30)
        assert len(second.events()) == 30
        assert other.execute("SELECT count(*) FROM source_request").fetchone() == (1,)


@pytest.mark.parametrize(
    ("answer", "least"),
    [
        ((503, {}, b"{}"), 4),
        ((500, {}, b""), 4),
        ((429, {"retry-after": "77"}, b""), 76),
        ((403, {}, b'{"errors": {"error": ["no scope"]}}'), 4),
        ((200, {"content-type": "text/html"}, b"<html>log in</html>"), 4),
        ((200, {}, b'{"errors": {"error": ["?"]}}'), 4),
        ((200, {}, b'[{"id": 9}, {"id": 3}]'), 4),
        ((200, {}, b'[{"id": "9"}]'), 4),
        ((302, {"location": "http://169.254.169.254/"}, b""), 4),
    ],
)
def test_who_fails_is_left_alone_for_longer_each_time_and_nothing_is_lost(
    conn: Connection, server: Coupa, answer: tuple[int, dict[str, str], bytes], least: float
) -> None:
    order(server, 1, timedelta(minutes=10))
    asking = Asking(conn, receiver(server))
    server.answers = [answer]
    assert asking.now() == 0
    failures, seconds, state = asking.row()
    assert (failures, state) == (1, {})
    assert least - 1 < seconds < least + 10
    server.answers = [answer]
    asking.now()
    again = asking.row()
    assert again[0] == 2
    assert again[1] >= min(2 * least, 76) - 1
    asking.now()
    assert asking.row()[0] == 0
    assert len(asking.events()) == 1


def test_a_token_that_is_taken_back_is_fetched_anew_once(conn: Connection, server: Coupa) -> None:
    order(server, 1, timedelta(minutes=10))
    asking = Asking(conn, receiver(server))
    asking.now()
    server.tokens.clear()
    asking.now()
    assert asking.row()[0] == 0
    assert [path for method, path in server.asked if method == "POST"] == ["/oauth2/token"] * 2


def test_a_wrong_secret_is_told_without_the_secret(
    conn: Connection, server: Coupa, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = Asking(conn, receiver(server, secret=b"client-id:wr0ng"))
    asking.now()
    assert asking.row()[0] == 1
    assert "wr0ng" not in caplog.text + "".join(capsys.readouterr())


def test_each_object_is_asked_for_by_itself_and_one_that_fails_holds_up_no_other(
    conn: Connection, server: Coupa
) -> None:
    order(server, 1, timedelta(minutes=1))
    server.put(
        "invoices", 9, datetime.now(UTC) - timedelta(minutes=1), **{"invoice-number": "V-1", "status": "approved"}
    )
    asking = Asking(conn, receiver(server, "requisitions", "purchase_orders", "invoices"))
    asking.now()
    assert {event.split(":")[0] for event in asking.events()} == {"purchase_orders", "invoices"}
    with conn.transaction():
        rows = conn.execute("SELECT name, failures FROM source_poll ORDER BY name").fetchall()
    assert rows == [("invoices", 0), ("purchase_orders", 0), ("requisitions", 1)]


def test_what_is_sensitive_is_not_stored(conn: Connection, server: Coupa) -> None:
    order(server, 1, timedelta(minutes=1), requester={"id": 55, "login": "jdoe"})
    asking = Asking(conn, receiver(server, sensitive=Sensitive(drop=("requester.login",))))
    asking.now()
    assert len(asking.events()) == 1
    with conn.transaction():
        (body,) = conn.execute("SELECT body FROM source_request").fetchone() or (b"",)
    assert "jdoe" not in body.decode()
    assert json.loads(body)[0]["requester"] == {"id": 55}


async def test_who_is_only_asked_has_no_door(database_url: str, server: Coupa) -> None:
    text = (
        "apiVersion: milepost/v1\nkind: Source\nmetadata: {name: coupa}\nspec: {adapter: {name: coupa, poll: "
        f'{{url: "{server.url}", secret: "${{COUPA}}", objects: invoices}}}}}}\n'
    )
    async with running(database_url, text, {"COUPA": CLIENT}) as collector:
        for path in ("/sources/coupa", "/sources/coupa/invoices", "/sources/coupa/x"):
            assert (await collector.http.post(path, content=b'{"id": 1}')).status_code == 404
        assert collector.receivers["coupa"].said.poll == Poll(server.url, ("invoices",), Secret("COUPA"))


def with_handler(conn: Connection, known: Receiver, handler: Any) -> Asking:
    asking = Asking(conn, known)
    asking.poller = Poller(asking.receivers, httpx.Client(transport=httpx.MockTransport(handler)))
    return asking


def test_a_topic_is_read_to_its_end_and_on_from_there_also_when_it_forgot_the_place(conn: Connection) -> None:
    held = [f"m{number:04}" for number in range(120)]
    published = datetime.now(UTC) - timedelta(minutes=5)
    asked: list[dict[str, Any]] = []

    def topic(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t0ken"
        assert request.url.path == "/api/v1/topics/1042/consume"
        place = json.loads(request.content)
        asked.append(place)
        if "after_message_id" in place:
            if place["after_message_id"] not in held:
                return httpx.Response(404, json={"message": "Message not found"})
            found = held[held.index(place["after_message_id"]) + 1 :]
        else:
            found = list(held)
        messages = [
            {"message_id": one, "time": published.isoformat(), "payload": {"event_type": "order.created"}}
            for one in found[: place["batch_size"]]
        ]
        return httpx.Response(200, json={"messages": messages})

    poll = Poll("https://127.0.0.1", ("1042",), Secret("T"))
    known = Receiver(Source("workato", adapter=Adapter("workato", poll=poll)), Credentials(poll=b"t0ken"))
    asking = with_handler(conn, known, topic)
    assert asking.now() == 3
    assert asking.events() == held
    held.append("m9999")
    assert asking.now() == 1
    assert asking.events()[-1] == "m9999"
    # The topic no longer keeps the message that was the last one.
    held[:] = ["n0001"]
    asking.now()
    assert any("since_time" in place for place in asked[1:])
    assert asking.events()[-1] == "n0001"
    assert asking.row()[0] == 0


def test_events_of_a_platform_are_read_page_by_page(conn: Connection) -> None:
    def platform(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Basic " + base64.b64encode(b"BOOMI_TOKEN.me:t").decode()
        page = int(request.content) if request.url.path.endswith("/queryMore") else 0
        said = {"eventType": "process.execution", "status": "COMPLETE", "eventDate": "2026-03-02T10:15:32Z"}
        result = {"@type": "QueryResult", "result": [{"eventId": f"e{page}{n}"} | said for n in range(3)]}
        return httpx.Response(200, json=result | ({"queryToken": str(page + 1)} if page < 2 else {}))

    poll = Poll("https://127.0.0.1/api/rest/v1/acme", ("Event",), Secret("B"))
    known = Receiver(Source("boomi", adapter=Adapter("boomi", poll=poll)), Credentials(poll=b"BOOMI_TOKEN.me:t"))
    asking = with_handler(conn, known, platform)
    assert asking.now() == 3
    assert asking.events() == [f"e{page}{n}" for page in range(3) for n in range(3)]


class TestTimes:
    def test_a_stretch_begins_before_the_end_of_the_last_one(self, server: Coupa) -> None:
        known, now = receiver(server), 1_772_445_302 * SECOND + 7
        poll = known.said.poll
        adapter: Any = known.adapter
        assert poll is not None
        first = dict(adapter.ask(poll, "invoices", {}, now).query)
        assert first["updated-at[gt]"] == "2026-03-01T09:55:01Z"
        assert first["updated-at[lt]"] == "2026-03-02T09:55:02Z"
        step = adapter.step(poll, "invoices", {}, b"[]", now)
        later = dict(adapter.ask(poll, "invoices", step.state, now + DAY).query)
        assert later["updated-at[gt]"] == "2026-03-02T09:53:01Z"

    def test_delays_double_up_to_a_quarter_of_an_hour_and_heed_what_is_asked_for(self) -> None:
        assert [delay(n) for n in (0, 1, 2, 7, 8, 1000)] == [5, 10, 20, 640, 900, 900]
        assert delay(0, 3600) == 3600
        assert delay(0, 10**9) == 86_400

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("77", 77), ("", 0), ("soon", 0), ("-5", 0), ("9" * 400, 86_400), ("Mon, 02 Mar 2026 09:56:02 GMT", 60),
         ("Mon, 02 Mar 2020 09:56:02 GMT", 0), ("Mon, 99 Mar 2026 09:56:02 GMT", 0)],
    )  # fmt: skip
    def test_the_header_retry_after(self, header: str, seconds: float) -> None:
        assert asked_for(header, 1_772_445_302.0) == seconds


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "https://169.254.169.254/latest", "http://169.254.169.254", "https://[fe80::1]/", "https://0.0.0.0/",
            "https://[::ffff:169.254.169.254]/", "https://100.100.100.200/", "https://[fd00:ec2::254]/",
            "https://2852039166/", "http://example.invalid/", "http://10.1.2.3/", "https://x:99999/", "https://224.0.0.1/",
        ],
    )  # fmt: skip
    def test_these_are_never_asked(self, url: str) -> None:
        assert addresses.refused(url)

    @pytest.mark.parametrize(
        "url", ["https://10.1.2.3/", "http://127.0.0.1:8000/x", "https://127.0.0.1/", "http://[::1]/"]
    )
    def test_these_may_be(self, url: str) -> None:
        assert addresses.refused(url) == ""

    def test_a_name_that_leads_to_one_of_them_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = (2, 1, 6, "", ("169.254.169.254", 443))
        monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: [entry])
        assert "metadata" in addresses.refused("https://innocent.example.com/")
