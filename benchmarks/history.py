"""Tables as a year of business leaves them: real instances of the real projector, multiplied by statements of sets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from random import Random

import orjson

from benchmarks.orders import UNDER_WAY, batched
from collector.catalogue import Catalogue, register
from collector.copyformat import EVENT_COPY, HEADER, TRAILER
from collector.ingest import cloudevents
from collector.projector import Projector
from collector.store.database import BY_INDEX, Connection, connect, ensure_partitions
from collector.store.sql import parse
from slo_rules.definitions import load

MODELS = 1_000
"""Instances of either kind, finished and open, that are really made and then multiplied."""
SLICE = 100_000
YEAR = timedelta(days=365)
RECENT = timedelta(days=30)
"""Open instances are mostly of so long ago at most, and so old are the oldest events that are still in the log."""
OPEN_BEFORE = 0.2
"""Share of the open instances that began before that."""
STUCK = 0.2
SAMPLED = 500
PER_INSTANCE = 3

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: order-to-cash, domain: orders, owner: order-operations}
spec:
  entity: order
  orphans: tolerate
  keys:
    order: data.order_id
    invoice: data.invoice_id
    account: {path: data.account_id, joins: false}
  attributes: {region: data.region, tier: data.tier}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: created, on: {exact: {source: crm, type: order.created}}}
    - {name: shipped, on: {exact: {source: wms, type: shipped}}, within: 12h, owner: warehouse}
    - {name: paid, on: {exact: {source: stripe, type: paid}}, within: 30d, owner: finance}
"""
_STEPS = (("crm", "order.created"), ("wms", "shipped"), ("stripe", "paid"))
_ORDER = tuple(enumerate(_STEPS))

_SQL = parse(files("benchmarks").joinpath("history.sql").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class History:
    """What was made: so many instances, of which so many are open; and some of them of any age."""

    instances: int
    open: int
    open_ids: list[str]
    finished_ids: list[str]
    orders: list[str]


def make(url: str, instances: int, still_open: int) -> History:
    """Fill an empty database: `instances` of a year in the order in which they began, `still_open` of them open.

    Their rows are those of real ones but for ids, keys and times; what is packed of their progress is that of the real
    one. The log holds the events of RECENT, as if retention had dropped the others.
    """
    now = datetime.now(UTC)
    with connect(url, "bench", autocommit=True) as conn, connect(url, "projector", options=BY_INDEX) as projecting:
        catalogue = register(conn, load({"orders.yaml": DEFINITIONS}))
        _make_models(conn, projecting, catalogue, now)
        weeks = range(-int(RECENT.days / 7) - 1, 1)
        for week in weeks:
            ensure_partitions(conn, now + timedelta(weeks=week))
        conn.execute("SET synchronous_commit = off")
        conn.execute("SET work_mem = '256MB'")
        conn.execute(_SQL["take_models"])
        # An index is made faster than it is kept up to date. Nothing is looked up meanwhile.
        indexes = conn.execute(_SQL["indexes"]).fetchall()
        for name, _ in indexes:
            conn.execute(f"DROP INDEX {name}")  # a name of the catalogue's own
        places = {
            "instances": instances,
            "now": now,
            "year": YEAR,
            "recent_from": int(instances * (1 - RECENT / YEAR)),
            "recent_share": still_open * (1 - OPEN_BEFORE) / (instances * (RECENT / YEAR)),
            "other_share": still_open * OPEN_BEFORE / (instances * (1 - RECENT / YEAR)),
            "recent": RECENT,
            "models": MODELS,
            "accounts": max(1, instances // 20),
        }
        for first in range(0, instances, SLICE):
            asked = places | {"first": first, "last": min(first + SLICE, instances) - 1}
            with conn.transaction():
                conn.execute(_SQL["slice"], asked)
                conn.execute("ANALYZE slot")
                for table in ("instance", "instance_key", "instance_event", "verdict_change", "event"):
                    conn.execute(_SQL[f"fill_{table}"], asked)
        for _, statement in indexes:
            conn.execute(statement)
        conn.execute(_SQL["last_number"], {"last": instances * PER_INSTANCE})
        conn.execute(_SQL["count_instances"])
        conn.execute(_SQL["position"], {"last": instances * PER_INSTANCE})
        conn.execute("VACUUM (ANALYZE)")
        conn.execute("CHECKPOINT")
        return _made(conn, instances)


def _make_models(conn: Connection, projecting: Connection, catalogue: Catalogue, now: datetime) -> None:
    # What is heard of a source now, whatever it says, shows that it is not behind.
    members = [_event("now", source, "heartbeat", now, {}) for source, _ in _STEPS]
    members += [event for number in range(2 * MODELS) for event in _events(number, now)]
    rows, refused = cloudevents.decode(members, time.time_ns() // 1000)
    assert not refused
    with conn.transaction(), conn.cursor().copy(EVENT_COPY) as copy:
        copy.write(b"".join((HEADER, *rows, TRAILER)))
    projector = Projector(catalogue)
    if not projector.acquire(projecting):
        raise RuntimeError("another projector is at work")
    while not projector.cycle(projecting).caught_up:
        pass


def requests(name: str, instances: int) -> list[bytes]:
    """The events of new instances that finish, those of many interleaved, as requests."""
    random, now = Random(name), datetime.now(UTC)
    placed = []
    for number in range(instances):
        places = sorted(number + random.random() * UNDER_WAY for _ in _STEPS)
        events = (
            _event(f"{name}-{number}-{step}", *said, now, _said(f"{name}-{number}", step)) for step, said in _ORDER
        )
        placed += list(zip(places, events, strict=True))
    placed.sort(key=lambda one: one[0])
    return batched([event for _, event in placed])


def _events(number: int, now: datetime) -> list[bytes]:
    """The first MODELS have finished; of the others some wait for a shipment that is late, some for one that is not.

    Of the open ones every time is later than it should be where it was multiplied to: what waits must go on waiting
    when the real projector looks at it.
    """
    finished, stuck = number < MODELS, number % 100 < STUCK * 100
    begin = now - (timedelta(days=3) if finished else timedelta(hours=24 if stuck else 1))
    return [
        _event(f"{number}-{step}", source, type_, begin + timedelta(hours=5 * step), _said(str(number), step))
        for step, (source, type_) in _ORDER[: PER_INSTANCE if finished else 1]
    ]


def _said(order: str, step: int) -> dict[str, object]:
    chosen = len(order) + int(order[-1])
    said: dict[str, object] = {
        "order_id": f"SO-{order}",
        "account_id": "A",
        "region": ("EMEA", "APAC", "AMER")[chosen % 3],
        "tier": ("gold", "silver")[chosen % 2],
        "amount": 1000 + chosen,
        "currency": ("USD", "EUR")[chosen % 2],
    }
    return said | {"invoice_id": f"IN-{order}"} if step == PER_INSTANCE - 1 else said


def _event(id_: str, source: str, type_: str, at: datetime, data: dict[str, object]) -> bytes:
    told = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": at.isoformat(), "data": data}
    return orjson.dumps(told)


def _made(conn: Connection, instances: int) -> History:
    orders = [f"SO-{number}" for number in range(0, instances, max(1, instances // SAMPLED))]
    counted = conn.execute(_SQL["count"]).fetchone()
    assert counted is not None
    still_open = [str(id_) for (id_,) in conn.execute(_SQL["some_open"], {"most": SAMPLED})]
    finished = [str(id_) for (id_,) in conn.execute(_SQL["some_finished"], {"orders": orders})]
    return History(counted[0], counted[1], still_open, finished, orders)
