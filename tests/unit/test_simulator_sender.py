"""The simulator on the wire: every event at least once, in order, whatever the collector answers at first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from milepost.demo import Enterprise
from milepost.demo.actions import BusinessEvent, micros
from milepost.demo.scenario import deliveries
from milepost.demo.sender import BATCH, EventSender, Refused, Stopped, binary_headers

pytestmark = pytest.mark.slow

ANCHOR = datetime(2026, 11, 18, 14, 7, 33, tzinfo=UTC)
EVENT = BusinessEvent(
    "zendesk",
    "e 1",
    "case.status_changed",
    "CS 7",
    micros(ANCHOR),
    {"case_id": "CS-7"},
    "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
)


class Hurried(threading.Event):
    """An event on which nobody has to wait; it remembers for how long they wanted to."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


def sender(answer: Callable[[httpx.Request], httpx.Response], stop: threading.Event) -> EventSender:
    return EventSender("http://127.0.0.1:1", stop, transport=httpx.MockTransport(answer))


def test_waits_as_long_as_the_collector_asks_and_sends_again() -> None:
    answers = iter([429, 503, 0, 202])
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        status = next(answers)
        if not status:
            raise httpx.ConnectError("gone")
        return httpx.Response(status, headers={"retry-after": "3"} if status == 429 else {})

    stop = Hurried()
    sender(answer, stop).batch([EVENT])
    assert len(set(bodies)) == 1
    assert len(bodies) == 4
    assert stop.waits[0] == 3.0
    assert stop.waits[1] < stop.waits[2]


def test_stops_waiting_when_told_to() -> None:
    stop = Hurried()
    stop.set()
    with pytest.raises(Stopped):
        sender(lambda _: httpx.Response(503), stop).batch([EVENT])


def test_an_answer_that_will_not_change_is_an_error() -> None:
    with pytest.raises(Refused, match="401"):
        sender(lambda _: httpx.Response(401, text="who are you"), Hurried()).single(EVENT)


def test_single_events_take_turns_in_structured_and_binary_mode() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(202)

    sending = sender(answer, Hurried())
    sending.single(EVENT)
    sending.single(EVENT)
    structured, binary = requests
    assert structured.headers["content-type"].startswith("application/cloudevents+json")
    assert orjson.loads(structured.content)["id"] == "e 1"
    assert binary.headers["content-type"] == "application/json"
    assert orjson.loads(binary.content) == {"case_id": "CS-7"}
    assert binary.headers["ce-id"] == "e%201"
    assert binary.headers["ce-traceparent"] == EVENT.traceparent


def test_binary_headers_hold_every_attribute_but_the_data() -> None:
    headers = binary_headers(EVENT)
    assert {name for name in headers if name.startswith("ce-")} == {
        f"ce-{name}" for name in ("specversion", "id", "source", "type", "subject", "time", "traceparent")
    }


class Collector:
    """What a collector would have seen; answers 503 as often as `refuses` says."""

    def __init__(self, refuses: int) -> None:
        self.refuses = refuses
        self.events: list[dict[str, Any]] = []
        self.modes: Counter[str] = Counter()
        self.spans: list[tuple[str, str, bytes]] = []
        self.batches: list[int] = []

    def take(self, path: str, headers: Any, body: bytes) -> int:
        if self.refuses:
            self.refuses -= 1
            return 503
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.spans += [(names["service.name"], names["service.version"], s.span_id) for s in scope.spans]
            return 200
        kind = headers["content-type"]
        if "batch" in kind:
            self.batches.append(len(found := orjson.loads(body)))
        elif "cloudevents" in kind:
            found = [orjson.loads(body)]
        else:
            found = [{"id": headers["ce-id"], "source": headers["ce-source"]}]
        self.modes["batch" if "batch" in kind else "structured" if "cloudevents" in kind else "binary"] += 1
        self.events += found
        return 202


@pytest.fixture
def serve() -> Iterator[Callable[[Collector], str]]:
    servers: list[ThreadingHTTPServer] = []

    def start(collector: Collector) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = collector.take(self.path, self.headers, body)
                self.send_response(status)
                if status == 503:
                    self.send_header("retry-after", "0")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_backfill_delivers_the_plan(serve: Callable[[Collector], str]) -> None:
    collector = Collector(refuses=2)
    enterprise = Enterprise(serve(collector), 7, ANCHOR, days=1)
    seen: list[tuple[int, int, str]] = []
    enterprise.backfill(until=ANCHOR, progress=lambda *step: seen.append(step))
    planned = list(deliveries(7, ANCHOR - timedelta(days=1), ANCHOR, anchor=ANCHOR, opens=ANCHOR - timedelta(days=1)))
    events = [(action.event.source, action.event.id) for action in planned if action.event]
    assert [(event["source"], event["id"]) for event in collector.events] == events
    spans = {span.span_id.to_bytes(8, "big") for action in planned for span in action.spans}
    assert {span for _, _, span in collector.spans} == spans
    assert {
        "mulesoft-order-api",
        "sap-connector",
        "billing-bridge",
        "entitlement-service",
        "support-sync",
    } == {service for service, _, _ in collector.spans}
    assert ("sap-connector", "2.3.0") in {(service, version) for service, version, _ in collector.spans}
    assert set(collector.modes) == {"structured", "binary", "batch"}
    assert max(collector.batches) == BATCH
    assert seen[-1][0] == seen[-1][1] == len(planned)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert enterprise.position == ANCHOR


def test_live_goes_on_where_the_backfill_ended(serve: Callable[[Collector], str]) -> None:
    collector = Collector(refuses=0)
    stop = Hurried()
    ticks = iter(range(100))

    def clock() -> datetime:
        tick = next(ticks)
        if tick >= 20:
            stop.set()
        return ANCHOR + timedelta(seconds=30 * min(tick, 20))

    base_url = serve(collector)
    enterprise = Enterprise(base_url, 7, ANCHOR, days=1, clock=clock)
    enterprise.position = ANCHOR
    enterprise.run_live(stop)
    assert enterprise.position is not None
    assert enterprise.position > ANCHOR + timedelta(minutes=5)
    opens = ANCHOR - timedelta(days=1)
    planned = [
        action.event.id
        for action in deliveries(7, ANCHOR, enterprise.position, anchor=ANCHOR, opens=opens)
        if action.event
    ]
    assert [event["id"] for event in collector.events][: len(planned)] == planned
    assert len(collector.events) - len(planned) <= 1
