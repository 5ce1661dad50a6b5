"""Histories for property tests: arbitrary events over a small world, so that ids collide and orders interleave."""

from __future__ import annotations

import zlib
from typing import Any

from hypothesis import strategies as st

from slo_rules.acts import ACT_SOURCE, WAIVED, WITHDRAWN
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.instants import rfc3339
from slo_rules.workflow import Definitions

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys:
    opportunity: data.opportunity
    order: {path: data.order, aliases: [{on: {exact: {type: replaced}}, old: data.order, new: data.next}]}
    sales_order: data.sales_order
    parcel: {path: data.parcel, aliases: [{on: {exact: {type: replaced}}, old: data.parcel, new: data.relabelled}]}
    account: {path: data.account, joins: false}
  attributes: {region: data.region}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, source: crm, on: {exact: {type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: {warn: 3h, breach: 4h},
       require: [{path: data.tax_code, exists: true}]}
    - {name: shipped, on: {exact: {type: shipped}}, within: 1h}
    - {name: delivered, each: parcel, on: {exact: {type: delivered}}, within: {warn: 5h, breach: 6h},
       require: [{path: data.amount, exists: true}]}
    - {name: signed, each: parcel, on: {exact: {type: signed}}, within: 90m,
       require: [{path: data.amount, equals: {of: delivered, tolerance: 5%}}]}
    - name: paid
      after: accepted
      on: {exact: {type: paid}}
      within:
        breach: 2d
        from: won
        by:
          region:
            EMEA: {breach: next_business_day 16:00, calendar: office}
            APAC: {warn: 1h, breach: 9h, calendar: office}
      require: [{path: data.amount, equals: {of: accepted, tolerance: 5%}}]
      completes: true
  observes: [{exact: {type: linked}}]
  fails_on: [{exact: {type: failed}}]
  cancels_on: [{exact: {type: cancelled}}]
  pauses_on: [{exact: {type: paused}}]
  resumes_on: [{exact: {type: resumed}}]
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office}
spec:
  zone: Europe/Berlin
  hours: {mon-fri: ["09:00-17:00"]}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: accepted-in-time}
spec: {workflow: orders, latency: {from: won, to: accepted, within: 4h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: accepted-fresh}
spec: {workflow: orders, freshness: {from: won, to: accepted, within: 30m}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: ended-well}
spec: {workflow: orders, success: {cancelled: bad}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: signed-in-time}
spec: {workflow: orders, latency: {from: delivered, to: signed, within: 1h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: signed-fresh}
spec: {workflow: orders, freshness: {from: delivered, to: signed, within: 1h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: paid-by-region}
spec: {workflow: orders, latency: {from: won, to: paid, within: 3h, calendar: office}, target: 0.9, missing_data: bad,
  group_by: [region], by_value: true}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough-accepted}
spec: {workflow: orders, volume: {milestone: accepted, per: 1h, at_least: 1}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sap}
spec: {skew: 20m, silent_after: 2h}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: crm}
spec: {silent_after: 3h}
"""

PLAIN = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {opportunity: data.opportunity, order: data.order, sales_order: data.sales_order}
  attributes: {region: data.region}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: accepted, on: {exact: {type: accepted}}, within: 4h}
    - {name: shipped, on: {exact: {type: shipped}}, within: 1h}
    - {name: delivered, after: accepted, on: {exact: {type: delivered}}, within: 6h}
    - {name: signed, on: {exact: {type: signed}}}
    - {name: paid, after: [shipped, signed], on: {exact: {type: paid}}, within: {breach: 2d, from: won}, completes: true}
  cancels_on: [{exact: {type: cancelled}}]
  pauses_on: [{exact: {type: paused}}]
  resumes_on: [{exact: {type: resumed}}]
"""
"""The same business with nothing that is hard."""

EXPECTED = (
    "{silent_after: 2h}",
    "{expect: {every: 1h, calendar: office}}",
    "{expect: [{every: 3h}, {type: accepted, by: every business day 21:00, opens: 3h, calendar: office}]}",
    "{expect: {type: accepted, every: 1h}}",
    "{expect: {by: end of week 09:00, calendar: office}}",
    "{}",
)
"""What may be expected of a source; the first is that of the definitions above."""

TYPES = (
    *("won", "accepted", "shipped", "delivered", "signed", "paid"),
    *("linked", "failed", "cancelled", "paused", "resumed", "replaced", "noise"),
)
START = 1_790_000_000_000_000
ACT_KEYS = st.sampled_from(["opportunity=1", "order=1", "order=2", "sales_order=3", "sales_order=2", "account=A", "1"])
UNTIL = st.one_of(st.none(), st.sampled_from([MINUTE, HOUR, 4 * HOUR, 30 * HOUR, 2000 * HOUR]))


def definitions(sap: str = EXPECTED[0], crm: str = "{silent_after: 3h}") -> Definitions:
    """The definitions above, with what is expected of the two sources."""
    text = DEFINITIONS.replace("silent_after: 2h", sap[1:-1]).replace("silent_after: 3h", crm[1:-1])
    return load({"orders.yaml": text})


def plain_definitions() -> Definitions:
    """PLAIN, as it is loaded."""
    return load({"plain.yaml": PLAIN})


def expecting() -> st.SearchStrategy[Definitions]:
    """The definitions above, with anything expected of the sources."""
    return st.builds(definitions, st.sampled_from(EXPECTED), st.sampled_from(EXPECTED))


def make_event(
    type_: str, at: int, number: int, source: str, data: dict[str, Any], received_at: int | None = None
) -> Event:
    """An event of the small world; times are micros after START."""
    id_ = f"e{number}"
    document = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "data": data}
    return Event(
        source,
        type_,
        START + at,
        START + (at if received_at is None else received_at),
        event_key(source, id_),
        document,
    )


def make_honest_event(type_: str, at: int, number: int, source: str, data: dict[str, Any]) -> Event:
    """The same id only where the same is said."""
    said = zlib.crc32(repr((type_, number, sorted(data.items()))).encode())
    return make_event(type_, at, said, source, data)


def make_act(
    at: int, number: int, key: str, until: int | None, received_at: int | None = None, workflow: str = "orders"
) -> Event:
    """A waiver of whatever has the key, until so long after; without that its withdrawal."""
    said = {"workflow": workflow, "key": key, "by": f"person {number}", "reason": "known, and being mended"}
    if until is not None:
        said["until"] = rfc3339(START + at + until)
    return make_event(WITHDRAWN if until is None else WAIVED, at, number, ACT_SOURCE, said, received_at)


def acts() -> st.SearchStrategy[Event]:
    """Waivers and withdrawals over the same few keys, each with an id of its own."""

    def make(at: int, key: str, until: int | None, workflow: str) -> Event:
        number = zlib.crc32(repr((at, key, until, workflow)).encode())
        return make_act(at * 15 * MINUTE, number, key, until, workflow=workflow)

    return st.builds(make, st.integers(0, 40), ACT_KEYS, UNTIL, st.sampled_from(["orders", "orders", "others"]))


def data(keys: tuple[str, ...] = ("opportunity", "order", "sales_order")) -> st.SearchStrategy[dict[str, Any]]:
    """What an event says: any of the keys over few values, so that events meet."""
    optional: dict[str, st.SearchStrategy[Any]] = {key: st.sampled_from(["1", "2", 3, "N/A", "", "0"]) for key in keys}
    optional |= {
        "parcel": st.sampled_from(["P1", "P2", "P3"]),
        "account": st.sampled_from(["A", "B"]),
        "relabelled": st.sampled_from(["P1", "P2", "P3"]),
        "next": st.sampled_from(["1", 2, "9", ""]),
        "region": st.sampled_from(["EMEA", "APAC", None, 7, True]),
        "amount": st.sampled_from([10, 99.5, "12.25", "x", -1, 1e300]),
        "currency": st.sampled_from(["USD", "eur", 5]),
        "tax_code": st.sampled_from(["V1", "", None]),
    }
    return st.fixed_dictionaries({}, optional=optional)


def events(most: int = 12, *, honest: bool = False, waived: bool = False) -> st.SearchStrategy[list[Event]]:
    """Events with colliding ids and times; unless `honest`, also ids under which different things are said.

    With `waived` people waive some of what they make.
    """
    one: st.SearchStrategy[Event] = st.builds(
        make_honest_event if honest else make_event,
        st.sampled_from(TYPES),
        st.integers(0, 40).map(lambda n: n * 15 * MINUTE),
        st.integers(0, 9),
        st.sampled_from(["crm", "sap"]),
        data(),
    )
    return st.lists(st.one_of(one, one, one, acts()) if waived else one, max_size=most)


def of_one_time(history: list[Event]) -> list[Event]:
    """Without events that repeat an id with another time: only the first of those is linked to its instance."""
    times: dict[bytes, int] = {}
    return [event for event in history if times.setdefault(event.key, event.occurred_at) == event.occurred_at]


def arrivals(most: int = 12) -> st.SearchStrategy[list[Event]]:
    """Events in the order of their arrival: at once, late, or ahead of their time; with pauses and waivers in between."""

    def place(
        drawn: list[tuple[str, int, int, int, str, dict[str, Any], tuple[str, int | None] | None]],
    ) -> list[Event]:
        now, placed = 0, []
        for type_, pause, lateness, number, source, said, act in drawn:
            now += pause
            if act is None:
                placed.append(make_event(type_, now - lateness, number, source, said, now))
            else:
                # Said now; no two acts are one.
                placed.append(make_act(now, 1000 + len(placed), *act, now))
        return placed

    one = st.tuples(
        st.sampled_from(TYPES),
        st.sampled_from([0, MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR]),
        st.sampled_from([0, 0, 0, MINUTE, 15 * MINUTE, 3 * HOUR, 9 * HOUR, -HOUR]),
        st.integers(0, 9),
        st.sampled_from(["crm", "sap"]),
        data(),
        st.one_of(st.none(), st.none(), st.tuples(ACT_KEYS, UNTIL)),
    )
    return st.lists(one, max_size=most).map(place)


LATER = st.integers(0, 60).map(lambda n: START + n * HOUR)
