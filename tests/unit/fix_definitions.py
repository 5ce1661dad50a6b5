"""A good definition file, and what is wrong with it once something in it is changed."""

from __future__ import annotations

import pytest

from slo_rules.definitions import load
from slo_rules.faults import DefinitionError

GOOD = """\
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: operations, title: Orders, description: All of them.}
spec:
  entity: order
  keys:
    order: {path: data.order_id}
    sales_order: {path: [data.sales_order, data.sap.order], joins: true}
    account: {path: data.account_id, joins: false}
  attributes: {region: data.region, version: [data.version, resource.service.version]}
  value: {amount: data.amount, currency: data.currency}
  title: [sales_order, order]
  milestones:
    - name: received
      title: Order received
      on: {exact: {source: crm, type: order.created}}
      starts: true
    - name: accepted
      on: {all: [{exact: {source: sap}}, {prefix: {type: sales_order.}}, {not: {suffix: {type: .draft}}}]}
      within: {warn: 3h, breach: 4h}
      owner: erp
      require: [{path: data.tax_code, exists: true}, {path: data.status, equals: 7}]
    - name: service_active
      after: received
      on: {span: {exact: {service: entitlements, name: activate}}}
      within: 30m
      completes: true
  observes: [{any: [{exact: {type: linked}}, {exact: {type: seen}}]}]
  fails_on: [{exact: {type: failed}}]
  cancels_on: [{exact: {type: cancelled}}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: in-time, owner: erp, title: In time}
spec:
  workflow: orders
  latency: {from: received, to: accepted, within: 4h}
  target: 0.99
  window: 7d
  missing_data: bad
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sap, owner: erp, title: SAP}
spec: {silent_after: 15m}
---
apiVersion: milepost/v1
kind: Route
metadata: {name: default}
spec: {send_to: [{slack: {webhook_url: x}}], match: {domain: sales}}
"""

MINIMAL = """\
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: order_received, on: {exact: {type: a}}}
    - {name: done, on: {exact: {type: b}}}
"""

Place = tuple[int, str, str]


def faults(text: str) -> list[Place]:
    with pytest.raises(DefinitionError) as caught:
        load({"orders.yaml": text})
    assert {fault.file for fault in caught.value.faults} == {"orders.yaml"}
    return [(fault.line, fault.path, fault.message) for fault in caught.value.faults]


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) == 1, f"{old!r} must be there once"
    return text.replace(old, new)
