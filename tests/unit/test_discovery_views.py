"""What `milepost discover` prints of a graph."""

from __future__ import annotations

from milepost.discovering import Discovered
from milepost.discovery_views import as_text
from slo_rules.discovery import Activity, ActivityCount, Edge, Graph, Timing

WON, MADE, ACCEPTED = (
    Activity("salesforce", "opportunity.won"),
    Activity("mulesoft", "order.created"),
    Activity("sap", "order.created"),
)


def test_steps_that_two_systems_name_alike_are_told_apart() -> None:
    timing = Timing(5, 60_000_000, 60_000_000, 60_000_000)
    counts = tuple(ActivityCount(one, 5, 5, 0, 0) for one in (WON, MADE, ACCEPTED))
    graph = Graph(5, 15, 0, 0, 0, 1, counts, (Edge(WON, MADE, 5, timing), Edge(MADE, ACCEPTED, 5, timing)))
    text = as_text(Discovered(graph, (), [], "", 15, limited=False, unusable=0, faults=[]))
    table = text.partition("Directly followed by")[2].split()
    assert "(mulesoft)" in table
    assert "(sap)" in table
    assert "(salesforce)" not in table
