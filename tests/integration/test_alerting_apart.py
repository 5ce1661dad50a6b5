"""What sets the population of an incident apart, asked of a database that holds it."""

from __future__ import annotations

from alerting.apart import compare
from alerting.incident import Apart, Cause
from collector.store.database import Connection
from slo_rules.definitions import load
from slo_rules.durations import DAY
from slo_rules.event import Event
from slo_rules.instants import to_micros
from tests.projecting import enroll, log_events, project
from tests.strategies import START, make_event

TEXT = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {connector: data.connector, region: data.region}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 1h}
"""
STUCK = Cause("orders", "stuck", "accepted", "sap")


def test_what_is_held_up_is_told_from_the_others_by_what_was_said_of_it(conn: Connection) -> None:
    catalogue = enroll(conn, load({"orders.yaml": TEXT}))
    log_events(conn, _history(conn))
    project(conn, catalogue)
    apart, attributes = compare(conn, STUCK, catalogue)
    assert apart == (Apart("connector", "2.3", 40, 40, 4, 64),)
    assert attributes == (("connector", ("2.3",)), ("region", ("EMEA", "APAC")))


def test_nothing_is_set_apart_where_nobody_is_held_up(conn: Connection) -> None:
    catalogue = enroll(conn, load({"orders.yaml": TEXT}))
    assert compare(conn, STUCK, catalogue) == ((), ())


def _history(conn: Connection) -> list[Event]:
    """Forty orders that nobody accepted, all through one connector, and sixty-four that were, four through it."""
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    ago = to_micros(row[0]) - START - DAY
    # What the source sends now shows that it does not only catch up.
    found = [make_event("noise", ago + DAY, 2000, "sap", {})]
    for number in range(104):
        data = {"order": f"SO-{number}", "region": "EMEA" if number % 3 else "APAC"}
        data["connector"] = "2.3" if number < 44 else "2.2"
        found.append(make_event("won", ago, number, "crm", data))
        if number >= 40:
            found.append(make_event("accepted", ago + 1, 1000 + number, "sap", data))
    return found
