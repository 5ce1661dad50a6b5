# ruff: noqa: F811
"""CloudEvents over HTTP, down to the row in the log."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import log
from collector.ingest import bodies, cloudevents
from collector.ingest.setting_aside import letter_of
from collector.log import append
from tests.examples import on_one_database
from tests.fix_postgres import Server
from tests.integration.fix_doors import BATCH, STRUCTURED, Collector, cloud_event, collector  # noqa: F401

GZIP = {"content-encoding": "gzip"}


async def test_structured_mode(collector: Collector) -> None:
    answer = await collector.http.post(
        "/events",
        json=cloud_event(),
        headers=STRUCTURED | {"content-type": "application/cloudevents+json; charset=UTF-8"},
    )
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": 0, "faults": []})
    ((source, id_, type_, occurred_at, body),) = collector.rows("SELECT source, id, type, occurred_at, body FROM event")
    assert (source, id_, type_, occurred_at.isoformat()) == ("crm", "1", "order.created", "2026-11-21T09:14:00+00:00")
    assert json.loads(body) == cloud_event()


@pytest.mark.parametrize(
    ("spelled", "meant"), [("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"), ("%2541", "%41"), ('"a%22b"', 'a"b')]
)
async def test_binary_mode(collector: Collector, spelled: str, meant: str) -> None:
    headers = {
        "ce-specversion": "1.0", "CE-ID": spelled, "ce-source": "crm", "ce-type": "order.created", "ce-acmenote": spelled,
        "ce-traceparent": "00-0cda0930cbf01126b91402861dbffc74-38d96ac87afdbbe1-01", "content-type": "application/json",
    }  # fmt: skip
    answer = await collector.http.post("/events", content=b'{"order_id": "O-1"}', headers=headers)
    assert answer.status_code == 200, answer.text
    ((id_, trace_id, body),) = collector.rows("SELECT id, trace_id, body FROM event")
    assert (id_, trace_id.hex()) == (meant, "0cda0930cbf01126b91402861dbffc74")
    event = json.loads(body)
    assert (event["acmenote"], event["data"]) == (meant, {"order_id": "O-1"})


async def test_binary_mode_names_faults_of_headers_and_attributes(collector: Collector) -> None:
    bad = await collector.http.post("/events", headers={"ce-id": "%C0%A0", "ce-datacontenttype": "x"})
    assert bad.status_code == 400
    assert {one["field"] for one in bad.json()["faults"]} == {"ce-id", "ce-datacontenttype"}
    missing = await collector.http.post("/events", headers={"ce-id": "1"})
    assert {one["field"] for one in missing.json()["faults"]} == {"specversion", "source", "type"}
    assert collector.ids() == []


async def test_a_batch_and_an_empty_one(collector: Collector) -> None:
    assert (await collector.events(cloud_event("1"), cloud_event("2"))).json()["accepted"] == 2
    empty = await collector.events()
    assert (empty.status_code, empty.json()) == (200, {"accepted": 0, "rejected": 0, "faults": []})
    assert collector.ids() == ["1", "2"]


async def test_an_invalid_event_does_not_take_the_others_with_it(collector: Collector) -> None:
    torn = b'{"specversion": "1.0", "id": "torn\\u0000", "source": "sap", "type": "x"}'
    answer = await collector.events(cloud_event("1"), torn, cloud_event("2"), cloud_event("3", time="soon", source=""))
    assert answer.status_code == 200
    said = answer.json()
    assert (said["accepted"], said["rejected"]) == (2, 2)
    assert [(one["index"], one["field"]) for one in said["faults"]] == [(1, "id"), (3, "source"), (3, "time")]
    assert collector.ids() == ["1", "2"]
    first, second = collector.letters()
    assert first[:2] == ("sap", "invalid_event")
    assert (first[3], bytes(first[4])) == ("torn", torn)
    assert "time: must be" in second[2]
    listed = await collector.get("/api/v1/dead-letters")
    assert [one["reason"] for one in listed["items"]] == ["invalid_event", "invalid_event"]


async def test_nothing_valid_is_refused_as_a_whole(collector: Collector) -> None:
    answer = await collector.events(cloud_event(id=""), b"5")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], said["accepted"], said["rejected"]) == (400, 0, 2)
    assert [(one["index"], one["field"]) for one in said["faults"]] == [(0, "id"), (1, "")]
    assert collector.ids() == []


@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "text/plain",
        "",
        "application/cloudevents",
        "application/cloudevents+avro",
        "application/cloudevents-batch+avro",
    ],
)
async def test_other_content_types_are_refused(collector: Collector, media: str) -> None:
    answer = await collector.http.post("/events", json=cloud_event(), headers={"content-type": media})
    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")


async def test_what_is_no_batch_is_refused(collector: Collector) -> None:
    for body in (b"{}", b"[", b"", b"[" * 10_000, b'["\xff"]'):
        assert (await collector.http.post("/events", content=body, headers=BATCH)).status_code == 400, body[:20]


# Compression and size


async def test_compressed_bodies(collector: Collector) -> None:
    body = json.dumps(cloud_event("1")).encode()
    assert (
        await collector.http.post("/events", content=gzip.compress(body), headers=STRUCTURED | GZIP)
    ).status_code == 200
    deflated = STRUCTURED | {"content-encoding": "deflate"}
    assert (await collector.http.post("/events", content=zlib.compress(body), headers=deflated)).status_code == 200
    brotli = STRUCTURED | {"content-encoding": "br"}
    assert (await collector.http.post("/events", content=body, headers=brotli)).status_code == 415


async def test_every_member_of_a_gzip_body_counts(collector: Collector) -> None:
    body = json.dumps([cloud_event("1"), cloud_event("2")]).encode()
    parts = gzip.compress(body[:50]) + gzip.compress(body[50:])
    assert (await collector.http.post("/events", content=parts, headers=BATCH | GZIP)).json()["accepted"] == 2
    followed = gzip.compress(body) + b"junk"
    assert (await collector.http.post("/events", content=followed, headers=BATCH | GZIP)).status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"not gzip", gzip.compress(b"[]", mtime=0)[:-4], gzip.compress(b"[" * 5000, mtime=0)[:20]],
    ids=["empty", "not gzip", "without its end", "cut short"],
)
async def test_torn_gzip_is_refused(collector: Collector, body: bytes) -> None:
    assert (await collector.http.post("/events", content=body, headers=BATCH | GZIP)).status_code == 400


async def test_a_gzip_bomb_is_refused(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", 2**20)
    for bomb in (gzip.compress(b" " * 2**23), gzip.compress(b" " * 2**19) * 5, gzip.compress(b" " * (2**20 + 1))):
        assert (await collector.http.post("/events", content=bomb, headers=BATCH | GZIP)).status_code == 413
    fits = gzip.compress(b"[" + b" " * (2**20 - 2) + b"]")
    assert (await collector.http.post("/events", content=fits, headers=BATCH | GZIP)).status_code == 200


async def test_too_large_a_body_is_refused_before_it_is_read_whole(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", 2**20)
    monkeypatch.setattr(bodies, "MAX_COMPRESSED", 2**18)
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b" " * 2**16

    assert (await collector.http.post("/events", content=b" " * (2**20 + 1), headers=BATCH)).status_code == 413
    assert (await collector.http.post("/events", content=b" " * (2**18 + 1), headers=BATCH | GZIP)).status_code == 413
    assert await _refused_while_sending(collector, endless()) == 413
    assert taken < 40


async def _refused_while_sending(collector: Collector, chunks: AsyncIterator[bytes]) -> int:
    """The status of an answer that comes before the body has ended."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(chunks), "more_body": True}

    return await _receive(collector, receive)


async def _receive(collector: Collector, receive: Callable[[], Awaitable[dict[str, Any]]]) -> int:
    """The status of the answer to a batch that comes like this."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/events", "raw_path": b"/events", "query_string": b"", "http_version": "1.1",
        "scheme": "http", "root_path": "", "server": ("milepost", 80), "client": ("test", 1),
        "headers": [(b"content-type", BATCH["content-type"].encode())],
    }  # fmt: skip
    await collector.api(scope, receive, send)
    status: int = sent[0]["status"]
    return status


async def test_a_sender_that_goes_away_leaves_nothing(collector: Collector) -> None:
    messages = iter(
        [
            {"type": "http.request", "body": json.dumps([cloud_event()]).encode(), "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    assert await _receive(collector, receive) == 400
    assert collector.ids() == []


async def test_what_is_in_flight_is_bounded_and_given_back(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_IN_FLIGHT", 2**16)
    for body, headers in ((b" " * (2**16 + 1), BATCH), (gzip.compress(b" " * 2**20), BATCH | GZIP)):
        answer = await collector.http.post("/events", content=body, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    for number in range(5):
        answer = await collector.http.post("/events", content=b"[" + b" " * 2**15 + b"]", headers=BATCH)
        assert answer.status_code == 200, number


# Strange content


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b"[" * 900 + b"]" * 900,
        b'"\xff\xfe"',
        b'"\\ud800"',
        b"1e400",
        b"-1e99999",
        b"9" * 5000,
        b"NaN",
    ],
)
async def test_data_that_could_stop_the_projection_is_kept_out_of_the_log(collector: Collector, data: bytes) -> None:
    odd = json.dumps(cloud_event("odd")).encode()[:-1] + b', "data": ' + data + b"}"
    assert (await collector.http.post("/events", content=odd, headers=STRUCTURED)).status_code == 400
    await collector.events(cloud_event("1"), odd)
    await collector.events(cloud_event("2"))
    assert collector.project() >= 1
    assert set(collector.ids()) <= {"1", "2"}


@pytest.mark.parametrize(
    "data",
    [b'"a\\u0000b"', b'{"order_id": "O\\u00001", "region": "a\\u0000b", "amount": "\\u0000"}', b"123456789" * 100, b'{"order_id": ' + b"7" * 300 + b"}",
     b'{"order_id": "O-9", "amount": ' + b"9" * 300 + b', "region": ' + b"9" * 400 + b', "tier": 1e308}', b'{"order_id": "O-9", "amount": -0.0000000001}',
     b'{"order_id": "O-9", "amount": "1e14", "currency": 7}', b'{"order_id": {"id": 5}}', b'{"order_id": 5.0}', b'{"order_id": true}', b"[]", b"null",
     b"[" * 90 + b"]" * 90],
)  # fmt: skip
async def test_strange_data_is_taken_and_shown(collector: Collector, data: bytes) -> None:
    odd = json.dumps(cloud_event("odd", data=None)).encode()[:-1] + b', "data": ' + data + b"}"
    answer = await collector.events(odd, cloud_event("fine"))
    assert answer.json()["accepted"] == 2, answer.text
    assert collector.project() == 2
    listed = await collector.get("/api/v1/instances")
    assert "O-fine" in [one["title"] for one in listed["items"]]
    for one in listed["items"]:
        detail = await collector.get(f"/api/v1/instances/{one['id']}")
        assert len(detail["events"]) == 1


@pytest.mark.parametrize(
    "time", ["0001-01-02T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9899-12-31T20:00:00Z", "2500-01-01T00:00:00+14:00"]
)
async def test_the_ends_of_time_are_projected_and_shown(collector: Collector, time: str) -> None:
    await collector.events(cloud_event("1", time=time), cloud_event("2"))
    assert collector.project() == 2
    (found,) = (await collector.get("/api/v1/instances", key="O-1"))["items"]
    assert found["milestones"].keys() == {"order_received"}
    detail = await collector.get(f"/api/v1/instances/{found['id']}")
    assert len(detail["journey"]) == 3
    for path in ("overview", "sources", "objectives", "objectives/orders-accepted-in-time", "workflows"):
        await collector.get(f"/api/v1/{path}")


@pytest.mark.parametrize(
    "time",
    [
        "soon",
        "2026-11-21T09:14:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
    ],
)
async def test_wrong_times_are_refused_by_name(collector: Collector, time: str) -> None:
    answer = await collector.http.post("/events", json=cloud_event(time=time), headers=STRUCTURED)
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["faults"]] == ["time"]


async def test_an_event_that_comes_twice_counts_once(collector: Collector) -> None:
    await collector.events(cloud_event("1"), cloud_event("1"))
    await collector.events(cloud_event("1"))
    assert collector.project() == 3
    (source,) = (await collector.get("/api/v1/sources"))["items"]
    assert (source["received"], source["duplicates"]) == (3, 2)
    (found,) = (await collector.get("/api/v1/instances"))["items"]
    assert len((await collector.get(f"/api/v1/instances/{found['id']}"))["events"]) == 1


async def test_two_events_that_claim_one_id_give_one_answer_in_any_order(
    collector: Collector, postgres: Server
) -> None:
    one, other = (
        cloud_event("1", data={"order_id": "O-1", "region": "EMEA"}),
        cloud_event("1", data={"order_id": "O-1", "region": "APAC"}),
    )
    regions = []
    for pair in ((one, other), (other, one)):
        moved = [event | {"data": event["data"] | {"order_id": f"O-{len(regions)}"}} for event in pair]
        await collector.events(*moved)
        collector.project()
        (found,) = (await collector.get("/api/v1/instances", key=f"O-{len(regions)}"))["items"]
        regions.append(found["attributes"]["region"])
    assert regions[0] == regions[1]


# Acknowledgement


async def test_an_event_is_in_the_log_when_it_is_acknowledged(collector: Collector) -> None:
    for number in range(20):
        assert (await collector.events(cloud_event(f"{number}"))).status_code == 200
        assert collector.rows("SELECT count(*) FROM event") == [(number + 1,)]


async def test_a_full_log_asks_for_patience(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_PENDING_BYTES", 100)
    with collector.conn.transaction():
        collector.conn.execute("SELECT pg_advisory_xact_lock(%s)", (log.LOG_LOCK,))
        first = collector.writer.submit(log.Batch(events=_rows("held")))
        while collector.writer._pending:
            pass
        second = collector.writer.submit(log.Batch(events=_rows("waiting")))
        answer = await collector.events(cloud_event("refused"))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.headers["content-type"] == "application/problem+json"
    first.result(60)
    second.result(60)
    assert (await collector.events(cloud_event("after"))).status_code == 200
    assert collector.ids() == ["held", "waiting", "after"]
    assert collector.writer.pending_bytes == 0


def _rows(*ids: str) -> list[bytes]:
    rows, refused = cloudevents.decode([json.dumps(cloud_event(id_)).encode() for id_ in ids], 0)
    assert not refused
    return rows


async def test_an_absent_database_asks_for_patience_and_nothing_is_lost(
    collector: Collector, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "RECONNECT_SECONDS", 0.0)
    await collector.events(cloud_event("before"))
    name = collector.conn.info.dbname
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'milepost log'"
    )
    answer = await collector.events(cloud_event("refused"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (await collector.events(cloud_event("after"))).status_code == 200
    assert collector.ids() == ["before", "after"]
    assert collector.writer.pending_bytes == 0


async def test_many_at_once_are_all_stored(collector: Collector) -> None:
    answers = await asyncio.gather(*(collector.events(cloud_event(f"{number}")) for number in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(map(int, collector.ids())) == list(range(100))


async def test_a_request_that_is_given_up_does_not_stop_the_log(collector: Collector) -> None:
    with collector.conn.transaction():
        collector.conn.execute("SELECT pg_advisory_xact_lock(%s)", (log.LOG_LOCK,))
        waiting = asyncio.create_task(collector.events(cloud_event("given up")))
        while not collector.writer.pending_bytes:  # noqa: ASYNC110
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (await collector.events(cloud_event("after"))).status_code == 200
    assert collector.ids()[-1] == "after"
    assert collector.writer.pending_bytes == 0


async def test_the_handshake_of_webhooks(collector: Collector) -> None:
    answer = await collector.http.options(
        "/events", headers={"webhook-request-origin": "eventgrid.example", "webhook-request-rate": "120"}
    )
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventgrid.example"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert "POST" in answer.headers["allow"]


# Whatever comes

_text = st.text(max_size=12) | st.sampled_from(
    ["", "\x00", "1.0", "crm", "order.created", "2026-11-21T09:14:00Z", "9999-12-31T23:59:59-14:00", "\ud800"]
)
_data = st.recursive(
    _text | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=5,
)
_names = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "subject", "traceparent", "data", "datacontenttype", "data_base64"]
)


@on_one_database(60)
@given(st.lists(st.dictionaries(_names, _data, max_size=4).map(lambda changes: cloud_event() | changes), max_size=6))
async def test_whatever_a_door_takes_the_database_takes(collector: Collector, events: list[dict[str, Any]]) -> None:
    rows, refused = cloudevents.decode([json.dumps(one).encode() for one in events], 0)
    letters = [letter_of(one) for one in refused]
    with collector.conn.transaction(force_rollback=True):
        before = collector.conn.execute(
            "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM dead_letter)"
        ).fetchone()
        append(collector.conn, rows, [], letters)
        after = collector.conn.execute(
            "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM dead_letter)"
        ).fetchone()
    assert before is not None
    assert after == (before[0] + len(events),)


@on_one_database(60)
@given(
    st.binary(max_size=80)
    | st.lists(st.dictionaries(_names, _data, max_size=3), max_size=3).map(lambda some: json.dumps(some).encode()),
    st.sampled_from(
        [
            STRUCTURED,
            BATCH,
            {"ce-id": "1", "content-type": "application/json"},
            {"ce-id": "\xff%", "ce-_": "1"},
            STRUCTURED | GZIP,
        ]
    ),
)
async def test_no_body_makes_the_door_fail(collector: Collector, body: bytes, headers: dict[str, str]) -> None:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    answer: httpx.Response = await collector.http.post("/events", content=body, headers=encoded)
    assert answer.status_code in (200, 400, 413, 415)
    answer.json()
