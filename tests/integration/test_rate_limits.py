"""Who sends more than he may, at the doors of a real collector: he waits, and others are taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import aio
from prometheus_client import REGISTRY

from collector.access import keys
from collector.access.limits import Limits
from collector.access.rates import Rate, Rates
from collector.access.sending import admitting
from collector.ingest.bodies import Bodies
from collector.ingest.doors import Doors
from collector.ingest.otlp_grpc import GrpcDoor
from milepost.doctor.asking_database import limited as doctor_says
from tests.integration.fix_access import Guarded, guarded, now
from tests.integration.fix_doors import BATCH, STRUCTURED, cloud_event, running
from tests.integration.test_doors_otlp import as_protobuf, request, span
from tests.integration.test_doors_otlp_grpc import TRACES
from tests.integration.test_source_answers import DEFINITIONS as OF_SOURCES
from tests.integration.test_source_answers import ENVIRONMENT
from tests.sources import FOLDER

pytestmark = pytest.mark.slow

PROTOBUF = {"content-type": "application/x-protobuf"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limits:
    return Limits(Rates(Rate(10), None, {"noisy": Rate(1)}), clock)


@pytest.fixture
async def behind(database_url: str, limits: Limits) -> AsyncIterator[Guarded]:
    async with guarded(database_url, limits=limits) as made:
        yield made


def refused_in_all(key: str) -> float:
    """So often a key was refused in this process, by any test."""
    labels = {"by": "key", "name": key}
    return REGISTRY.get_sample_value("milepost_rate_limited_requests_total", labels) or 0.0


async def post(client: httpx.AsyncClient, *events: dict[str, object]) -> httpx.Response:
    return await client.post("/events", json=list(events), headers=BATCH)


async def test_a_noisy_key_is_told_when_to_come_again_and_a_quiet_one_notices_nothing(
    behind: Guarded, clock: Clock
) -> None:
    noisy, quiet = (behind.client(behind.key("ingest", name=name)) for name in ("noisy key", "quiet"))
    before = refused_in_all("noisy key")
    assert (await post(noisy, *(cloud_event(str(number)) for number in range(300)))).status_code == 200
    for path, body, kind in (
        ("/events", b"{never read", STRUCTURED),
        ("/v1/traces", b"\xff\xff", PROTOBUF),
        ("/v1/logs", b"\xff\xff", PROTOBUF),
    ):
        answer = await noisy.post(path, content=body, headers=kind)
        # A hundred were left: two hundred and one are to be made up for at ten a second.
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "21")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "the key 'noisy key' sends more than 10/s; come again in 21 s"
    assert (await post(quiet, cloud_event("quiet"))).status_code == 200
    clock.now += 21
    assert (await post(noisy, cloud_event("later"))).status_code == 200
    # What was refused left nothing behind, what was taken is there once.
    assert len(behind.collector.ids()) == 302
    assert refused_in_all("noisy key") == before + 3


async def test_whoever_asks_is_limited_by_his_key_too(behind: Guarded) -> None:
    client = behind.client(behind.key("query"))
    answers = [(await client.get("/api/v1/workflows")).status_code for _ in range(102)]
    assert answers == [200] * 100 + [429] * 2


async def test_what_cannot_be_taken_counts_as_well(behind: Guarded) -> None:
    client = behind.client(behind.key("ingest"))
    bad = await post(client, *({"id": str(number)} for number in range(500)))
    assert bad.status_code == 400
    assert (await post(client, cloud_event())).status_code == 429


async def test_a_source_that_sends_too_much_does_not_keep_others_of_its_key_out(behind: Guarded, clock: Clock) -> None:
    client = behind.client(behind.key("ingest"))
    assert (await post(client, *(cloud_event(str(n), source="noisy") for n in range(20)))).status_code == 200
    answer = await post(client, cloud_event("more", source="noisy"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "11")
    assert "the source 'noisy' sends more than 1/s" in answer.text
    spans = as_protobuf(request(span(), service="noisy"))
    assert (await client.post("/v1/traces", content=spans, headers=PROTOBUF)).status_code == 429
    assert (await post(client, cloud_event("other"))).status_code == 200
    # One request is taken whole or comes again whole.
    assert (await post(client, cloud_event("with it"), cloud_event("more", source="noisy"))).status_code == 429
    clock.now += 11
    assert (await post(client, cloud_event("with it"), cloud_event("more", source="noisy"))).status_code == 200


async def test_nobody_uses_up_what_a_source_may_send_that_is_not_his(behind: Guarded) -> None:
    foreign = behind.client(behind.key("ingest:crm", name="foreign"))
    for _ in range(20):
        assert (await post(foreign, cloud_event(source="noisy"))).status_code == 403
    own = behind.client(behind.key("ingest:noisy", name="own"))
    assert (await post(own, cloud_event(source="noisy"))).status_code == 200


async def test_a_keys_own_rate_holds_within_seconds_and_survives_its_rotation(behind: Guarded) -> None:
    client = behind.client(behind.key("ingest", name="own"))
    with behind.conn.transaction():
        keys.limit(behind.conn, "own", 0.1, now())
        rotated = keys.rotate(behind.conn, "own", 60_000_000, None, now())
    behind.refresh()
    assert (await post(client, cloud_event())).status_code == 200
    # Both are of one name, and have one allowance.
    assert (await post(behind.client(rotated), cloud_event("2"))).status_code == 429
    with behind.conn.transaction():
        keys.limit(behind.conn, "own", float("inf"), now())
    behind.refresh()
    assert {(await post(behind.client(rotated), cloud_event(str(n)))).status_code for n in range(20)} == {200}
    (said,) = {one["rate"] for one in keys.listed(behind.conn)}
    assert keys.spelled_rate(said) == "off"
    before = [one["before"] for one in behind.recorded() if one["action"] == "key.limited"]
    assert before == [{"rate": "usual"}, {"rate": "6/min"}, {"rate": "6/min"}]
    with pytest.raises(keys.KeyRefused), behind.conn.transaction():
        keys.limit(behind.conn, "nobody", 1.0, now())


async def test_over_grpc_it_is_resource_exhausted_with_when_to_come_again(behind: Guarded, limits: Limits) -> None:
    held = Bodies()
    doors = Doors(behind.collector.writer, lambda: behind.collector.catalogue.matcher, held, limits=limits)
    door = GrpcDoor(doors, held, "127.0.0.1", 0, admitting(behind.roster, limits))
    noisy, quiet = (behind.key("ingest", name=name) for name in ("noisy key", "quiet"))
    await door.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            call = channel.unary_unary(TRACES)
            body = as_protobuf(request(*(span(spanId=f"{n:016x}") for n in range(1, 151))))
            await call(body, metadata=[("authorization", f"Bearer {noisy}")], timeout=240)
            for sent in (body, b"\xff never read"):
                with pytest.raises(aio.AioRpcError) as found:
                    await call(sent, metadata=[("authorization", f"Bearer {noisy}")], timeout=240)
                assert found.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                (packed,) = [v for k, v in found.value.trailing_metadata() or () if k == "grpc-status-details-bin"]
                info = RetryInfo()
                assert Status.FromString(packed).details[0].Unpack(info)  # type: ignore[arg-type]
                assert info.retry_delay.seconds == 6
            await call(b"", metadata=[("authorization", f"Bearer {quiet}")], timeout=240)
    finally:
        await door.stop()
    assert behind.collector.rows("SELECT count(*) FROM span") == [(150,)]


async def test_who_was_limited_is_written_down_and_the_doctor_says_it(
    behind: Guarded, limits: Limits, clock: Clock
) -> None:
    at = datetime.now(UTC)
    assert doctor_says(behind.conn).grade.value == "ok"
    client = behind.client(behind.key("ingest", name="it"))
    await post(client, *(cloud_event(str(n)) for n in range(200)))
    for _ in range(3):
        assert (await post(client, cloud_event())).status_code == 429
    limits.tell(behind.conn, at)
    limits.tell(behind.conn, at)
    assert behind.collector.rows("SELECT by, name, requests FROM rate_limited") == [("key", "it", 3)]
    found = doctor_says(behind.conn)
    assert (found.grade.value, found.said) == ("warn", "limited within the last hour: key it (3 requests)")
    await post(client, cloud_event())
    limits.tell(behind.conn, at + timedelta(hours=2))
    assert behind.collector.rows("SELECT requests, since = until FROM rate_limited") == [(1, True)]
    limits.tell(behind.conn, (at + timedelta(days=30)).replace(minute=0))
    assert behind.collector.rows("SELECT FROM rate_limited") == []


async def test_what_could_not_be_written_down_is_not_forgotten(behind: Guarded, limits: Limits) -> None:
    client = behind.client(behind.key("ingest", name="it"))
    await post(client, *(cloud_event(str(n)) for n in range(200)))
    assert (await post(client, cloud_event())).status_code == 429
    with behind.conn.transaction():
        behind.conn.execute("ALTER TABLE rate_limited RENAME TO away")
    with pytest.raises(Exception, match="rate_limited"):
        limits.tell(behind.conn, datetime.now(UTC))
    with behind.conn.transaction():
        behind.conn.execute("ALTER TABLE away RENAME TO rate_limited")
    limits.tell(behind.conn, datetime.now(UTC))
    assert behind.collector.rows("SELECT name, requests FROM rate_limited") == [("it", 1)]


async def test_a_source_with_an_adapter_waits_and_nobody_else_uses_up_what_it_may_send(
    database_url: str, clock: Clock
) -> None:
    limits = Limits(Rates(sources={"crm": Rate(0.2)}), clock)
    body = (FOLDER / "salesforce" / "cdc-opportunity-update.eventrelay.json").read_bytes()
    async with running(database_url, OF_SOURCES, ENVIRONMENT, limits=limits) as collector:

        async def post(secret: str) -> httpx.Response:
            said = {"content-type": "application/json", "authorization": f"Bearer {secret}"}
            return await collector.http.post("/sources/crm", content=body, headers=said)

        assert {(await post("guessed")).status_code for _ in range(20)} == {401}
        assert [(await post(ENVIRONMENT["RELAY"])).status_code for _ in range(3)] == [200, 200, 429]
        assert (await post(ENVIRONMENT["RELAY"])).headers["retry-after"] == "5"
        clock.now += 5
        assert (await post(ENVIRONMENT["RELAY"])).status_code == 200
        assert collector.rows("SELECT count(*) FROM source_request") == [(3,)]
