"""What people call milestones and objectives is what messages call them."""

from __future__ import annotations

from uuid import UUID

from alerting.incident import Cause, Incident, NotifyReason, Population
from alerting.message import Style, headline, notice, sentence
from alerting.reader import Reader
from alerting.titles import titles_of
from alerting.words import linked, titled
from slo_rules.definitions import load
from slo_rules.durations import HOUR, SECOND

NOW = 1_790_000_000 * SECOND
DEFINED = load({
    "orders.yaml": """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: booked, title: Order booked, on: {exact: {source: sap, type: booked}}, within: 1h}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: booked-in-time, title: Orders booked within the hour}
spec: {workflow: orders, latency: {from: won, to: booked, within: 1h}, target: 0.99, missing_data: exclude}
"""
})  # fmt: skip
TITLES = titles_of(DEFINED.workflows.values(), DEFINED.objectives.values())
BURNS = Cause("orders", "burning", reason="booked-in-time")


def incident_of(cause: Cause, count: int = 3) -> Incident:
    return Incident(UUID(int=1), cause, Population(count, NOW - HOUR, entity="order"), NOW, count, (), count)


def test_a_burning_objective_is_called_by_its_title_in_lists_and_in_messages() -> None:
    incident = incident_of(BURNS, 1_234)
    assert titled(incident, TITLES) == "The objective Orders booked within the hour is missed too often"
    told = notice(incident, NotifyReason.FIRST, NOW, objective_title=TITLES.objective(BURNS))
    assert headline(told) == titled(incident, TITLES)
    assert sentence(told, Style(reader=Reader("UTC", "de_DE"))).startswith(
        "The objective Orders booked within the hour is missed more often than it may be: 1.234 missed"
    )


def test_in_a_group_each_cause_has_the_title_of_its_milestone_or_objective() -> None:
    members = [incident_of(BURNS), incident_of(Cause("orders", "stuck", "booked", "sap"), 5)]
    group = incident_of(Cause(None, "group", reason="r: domain=orders"), 2)
    told = linked(notice(group, NotifyReason.FIRST, NOW), group, members, NOW, "", TITLES)
    assert told.parts == (
        "The objective Orders booked within the hour is missed too often (3)",
        "Orders waiting for Order booked from sap (5)",
    )


def test_what_is_no_longer_defined_goes_by_its_name() -> None:
    gone = Cause("orders", "burning", reason="gone")
    assert TITLES.objective(gone) is None
    assert titled(incident_of(gone), TITLES) == "The objective gone is missed too often"
    stuck = Cause("orders", "stuck", "booked-in-time", None)
    assert TITLES.objective(stuck) is None
