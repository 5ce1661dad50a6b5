"""Definition files that load, and small changes to them: most of what comes out no longer loads."""

from __future__ import annotations

import ast
import copy
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from slo_rules.definitions import load
from slo_rules.documents import load_documents
from slo_rules.faults import DefinitionError
from slo_rules.workflow import Definitions
from tests import strategies

TOP = Path(__file__).parents[1]

FULL = """\
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: operations, title: Orders, description: All of them.}
spec:
  entity: order
  keys:
    order: data.order
    parcel: data.parcel
    contract:
      path: data.contract
      joins_at_most: 20
      aliases: [{on: {exact: {type: contract.replaced}}, old: data.former, new: [data.contract, data.successor]}]
    sales_order: {path: [data.sales_order, data.sap.order], case: upper, strip_prefix: [SO-, S], strip_zeros: true}
    account: {path: data.account, joins: false, strip_prefix: A, unique: true}
  attributes: {region: data.region, tier: [data.tier, resource.tier], parcels: data.parcels}
  value: {amount: data.amount, currency: data.currency}
  title: [sales_order, order]
  calendar: office
  completion: all
  milestones:
    - {name: won, title: Won, on: {exact: {source: crm, type: won}}, starts: true}
    - name: checked
      on: {all: [{exact: {source: sap}}, {prefix: {type: check}}, {not: {suffix: {type: .draft}}}]}
      within:
        warn: next_business_day 12:00
        breach: 2 business days 16:00
        from: won
        calendar: office
        by:
          tier: {gold: {warn: 1h, breach: 2h, calendar: none}, silver: 4h}
          region: {US: {warn: 30m}, APAC: {calendar: asia}}
      source: sap
      owner: erp
      require:
        - {path: data.tax_code, exists: true}
        - {path: data.status, equals: 7}
        - {path: data.amount, equals: {of: won, path: data.total, tolerance: 1%}}
    - {name: packed, after: won, choice: way, on: {span: {all: [{exact: {service: store, name: pack}},
       {any: [{exact: {status: ok}}, {not: {prefix: {name: x}}}]}]}}, within: end of month + 1 business day}
    - {name: reserved, after: won, choice: way, on: {any: [{exact: {type: a}}, {suffix: {type: b}}]}, within: 3h}
    - {name: noted, optional: true, on: {exact: {type: noted, data.kind: 1}}}
    - {name: shipped, after: {any: [packed, reserved]}, count: parcels, any_order: true, on: {exact: {type: shipped}}, within: 1d}
    - {name: handed_over, after: shipped, each: parcel, count: 2, on: {exact: {type: handed}}, within: 2h,
       require: [{path: data.amount, exists: true}]}
    - {name: signed, each: parcel, choice: end, on: {exact: {type: signed}}, within: 1d,
       require: [{path: data.amount, equals: {of: handed_over}}]}
    - {name: lost, after: handed_over, each: parcel, choice: end, on: {exact: {type: lost}}}
    - {name: paid, after: [checked, shipped], count: 2, on: {exact: {type: paid}}, within: 1h30m, completes: true}
  observes: [{exact: {type: linked}}]
  fails_on: [{exact: {type: failed}}]
  cancels_on: [{exact: {type: cancelled}}]
  pauses_on: [{exact: {type: paused}}]
  resumes_on: [{exact: {type: resumed}}]
  restarts_on: [{exact: {type: reopened}}]
  orphans: {after: 2h}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office, owner: people, title: Office, description: Ours.}
spec:
  zone: Europe/Berlin
  hours: {mon-thu: ["08:00-12:00", "13:00-17:30"], fri: "08:00-15:00", "sat,sun": []}
  holidays: {country: DE, subdivision: BY, categories: [public], except: [New Year's Day]}
  closed: [2026-12-24, {date: 2026-08-03, name: Outing}]
  special: {2026-12-31: ["08:00-12:00"], 2026-12-30: {name: Short, hours: "08:00-10:00"}}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: asia}
spec: {zone: Asia/Tokyo, hours: {Monday-Fri: "22:00-06:00"}}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: in-time, owner: erp, title: In time, description: Nearly all.}
spec:
  workflow: orders
  latency: {from: won, to: checked, within: 4h, calendar: office}
  target: 0.99
  targets: {contract: 0.95, stretch: 0.999}
  missing_data: alert
  window: {period: month, zone: Asia/Tokyo}
  group_by: [region, tier]
  by_value: true
  exclude:
    - {from: 2026-12-24T18:00, to: "2026-12-27T06:00:00+09:00", zone: Asia/Tokyo, reason: Freeze}
    - {from: "2026-01-04T02:00", for: 4h, zone: Europe/Berlin, repeat: FREQ=WEEKLY;BYDAY=SU, reason: SAP maintenance}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec: {workflow: orders, freshness: {from: won, to: paid, within: 4d}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: ends-well}
spec: {workflow: orders, success: {cancelled: neutral}, target: 0.95, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough}
spec:
  workflow: orders
  volume: {milestone: won, per: 1h, at_least: 1, at_most: 500}
  target: 0.9
  missing_data: exclude
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: heard}
spec:
  workflow: orders
  freshness: {source: sap, type: check.file}
  target: 0.9
  window: {last: 40h, calendar: office}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: often-heard}
spec: {workflow: orders, freshness: {source: crm, within: 30m, calendar: office}, target: 0.9}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sap, owner: erp, title: SAP, description: The ERP.}
spec:
  skew: 90s
  expect:
    - {every: 15m, calendar: office}
    - {type: check.file, by: every business day 06:00, opens: 4h, calendar: office}
    - {type: totals, by: end of month + 1 business day, calendar: asia}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: crm}
spec: {silent_after: 15m}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: wms}
spec:
  adapter:
    name: generic
    secret: ["${WMS_SECRET}", {file: /run/secrets/wms}]
    token: "${WMS_TOKEN}"
    tenant: acme
    poll:
      url: https://wms.example.com/api
      secret: "${WMS_CLIENT}"
      objects: [orders, stock/moves]
      every: 2m
      overlap: 10m
      lookback: 7d
      scope: read
    tolerance: 10m
    url: https://milepost.example.com/sources/wms
    zone: Europe/Berlin
    authentication: bearer
    signature:
      header: X-Signature
      algorithm: sha512
      encoding: base64
      prefix: "v1="
      timestamp: X-Timestamp
      format: epoch_ms
      signs: "{timestamp}.{body}"
    claims: {iss: https://issuer.example.com, aud: milepost}
    mapping:
      each: events
      id: [event.id, event.revision]
      time: {path: event.at, format: epoch_ms}
      type: event.name
      types: {created: order.created, PING: ignore}
      outcomes: {Shipped: done}
      fields: {order_id: [order.id, order_id]}
      correlation: {correlation_id: meta.correlation, purchase_order: order.po}
      amount: {path: order.total, currency: order.currency, minor_units: true}
      for:
        order: {fields: {order_number: order.number}}
        order.created: {correlation: {quote_id: order.quote}, amount: {path: order.net}}
    sensitive: {drop: order.customer.email, hash: [order.customer.name], key: "${WMS_KEY}"}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: scanner}
spec: {adapter: {name: generic, secret: "${SCANNER}", mapping: {id: id, type: {value: shipment.scanned}}}}
---
apiVersion: milepost/v1
kind: Route
metadata: {name: default, owner: erp, title: All, description: Everybody.}
spec:
  match: {domain: sales, owner: erp, workflow: orders}
  send_to: [{slack: {webhook_url: "${SLACK}"}}, {webhook: {url: "https://example.com/x", secret: "${SECRET}"}}, mail]
---
apiVersion: milepost/v1
kind: Target
metadata: {name: mail, owner: erp, title: Mail, description: By mail.}
spec: {email: {server: "smtp://mail.example.com", from: milepost@example.com, to: [erp@example.com], zone: Asia/Tokyo}}
"""


def packs() -> dict[str, str]:
    """The shipped packs by file."""
    folder = files("slo_rules") / "packs"
    return {one.name: one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".yaml")}


def of_documentation() -> dict[str, str]:
    """The blocks of the documents that hold definitions, by page and number."""
    found = {}
    for page in [*(TOP / "docs").rglob("*.md"), *TOP.glob("*.md")]:
        blocks = re.findall(r"^```yaml[^\n]*\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        found |= {
            f"{page.name}:{number}": block
            for number, block in enumerate(blocks)
            if block.startswith("apiVersion: milepost/") and "\nkind: Test\n" not in block
        }
    return found


def of_tests() -> dict[str, str]:
    """The texts in the tests that load by themselves, by file and line."""
    found = {}
    for file in sorted((TOP / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_own(node.value):
                try:
                    load({"a.yaml": node.value})
                except DefinitionError:
                    continue
                found[f"{file.name}:{node.lineno}"] = node.value
    return found


def _is_own(text: str) -> bool:
    """Whether definitions stand in a text in Milepost's own language alone."""
    return "apiVersion:" in text and "apiVersion: openslo/" not in text


def values_of(text: str) -> list[Any]:
    """The plain values of the documents of a text, as far as they can be read."""
    return [document.value for document in load_documents(text, "a.yaml")[0]]


def spelled(values: list[Any]) -> str:
    """Documents as YAML: JSON is."""
    return "\n---\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n"


BASES = [values_of(text) for text in (FULL, strategies.DEFINITIONS)]
_FIELDS = sorted(set(re.findall(r"[a-z_]+", FULL)) | {"none", "any", "span", "equals", "tolerance"})
_WORDS = ["", " ", "$x", "Gold", "2026-13-01", "24:00-25:00", "08:00-08:00", "-1%", "data.", "data", "end of year"]
_WORDS += [
    "0h",
    "4000d",
    "next business day",
    "every business day",
    "next_day",
    "same day 24:00",
    "300 business days",
    "mon-xyz",
    "none",
]
_SCALARS = [None, True, False, 0, 1, -1, 2, 1001, 0.5, 1e300, -0.0, 1.0, *_WORDS]
VALUES = st.one_of(
    st.sampled_from(_SCALARS),
    st.sampled_from(_FIELDS),
    st.text(max_size=5),
    st.sampled_from(
        [[], {}, [None], [[]], {"any": []}, {"path": "data.a"}, {"a": 1}, ["won"], {"exact": {"type": "a"}}]
    ),
).map(copy.deepcopy)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, ...]] = [path] if path else []
    for key, member in members:
        found += _places(member, (*path, key))
    return found


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def _of_packs() -> list[list[Any]]:
    """Each shipped workflow file with the calendars and sources it names."""
    texts = packs()
    shared = [value for name, text in texts.items() for value in values_of(text) if value["kind"] != "Workflow"]
    found = []
    for text in texts.values():
        own = values_of(text)
        if any(value["kind"] == "Workflow" for value in own):
            rest = [
                value
                for value in shared
                if value["kind"] in ("Calendar", "Source") and value["metadata"]["name"] in text and value not in own
            ]
            found.append([*own, *rest])
    return found


PACKS = _of_packs()
_CHANGES = [
    "drop",
    "rename",
    "retype",
    "retype",
    "move",
    "list",
    "twice",
    "add",
    "swap",
    "refer",
    "time",
    "turn",
    "borrow",
]
_TIMES = ["1s", "90m", "3650d", "1h30m", "2 business days", "next_business_day 23:59", "end of quarter", "same_day"]


def _names_of(value: Any) -> list[str]:
    """The names of what a document refers to by name."""
    spec = value.get("spec") if isinstance(value, dict) else None
    milestones = spec.get("milestones") if isinstance(spec, dict) else None
    named = [one.get("name") for one in milestones if isinstance(one, dict)] if isinstance(milestones, list) else []
    keys = spec.get("keys") if isinstance(spec, dict) else None
    return [name for name in [*named, *(keys if isinstance(keys, dict) else ())] if isinstance(name, str)]


@st.composite
def changed(draw: st.DrawFn, most: int = 3, bases: list[list[Any]] = BASES) -> list[Any]:
    """A set of documents with a few fields dropped, renamed, retyped, moved, swapped or written twice."""
    values = copy.deepcopy(draw(st.sampled_from(bases)))
    for _ in range(draw(st.integers(1, most))):
        _change(draw, values)
    return values


@st.composite
def accepted(draw: st.DrawFn, bases: list[list[Any]], most: int = 8) -> tuple[str, Definitions]:
    """A text with what is left of some changes when those are taken back after which it would be refused."""
    values = draw(st.sampled_from(bases))
    text = spelled(values)
    definitions = load({"a.yaml": text})
    for _ in range(draw(st.integers(1, most))):
        other = copy.deepcopy(values)
        _change(draw, other)
        try:
            found = load({"a.yaml": spelled(other)})
        except DefinitionError:
            continue
        if found.workflows:
            values, text, definitions = other, spelled(other), found
    return text, definitions


def _change(draw: st.DrawFn, values: list[Any]) -> None:
    document = draw(st.sampled_from(values))
    places = _places(document)
    if not places:
        return
    *above, last = draw(st.sampled_from(places))
    parent = _at(document, tuple(above))
    match draw(st.sampled_from(_CHANGES)):
        case "drop":
            del parent[last]
        case "rename" if isinstance(parent, dict):
            parent[draw(st.sampled_from(_FIELDS))] = parent.pop(last)
        case "move":
            parent[last] = copy.deepcopy(_at(document, draw(st.sampled_from(places))))
        case "list":
            parent[last] = [parent[last]]
        case "twice" if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        case "add" if isinstance(parent, dict):
            parent[draw(st.sampled_from([*_FIELDS, *_WORDS]))] = draw(VALUES)
        case "swap":
            *others, other = draw(st.sampled_from(places))
            beside = _at(document, tuple(others))
            parent[last], beside[other] = copy.deepcopy(beside[other]), copy.deepcopy(parent[last])
        case "refer" if isinstance(parent[last], str) and (names := _names_of(document)):
            parent[last] = draw(st.sampled_from(names))
        case "time":
            parent[last] = draw(st.sampled_from(_TIMES))
        case "turn" if isinstance(parent, list):
            parent.reverse()
        case "borrow":
            source = draw(st.sampled_from(values))
            parent[last] = copy.deepcopy(_at(source, draw(st.sampled_from(_places(source) or [()]))))
        case _:
            parent[last] = draw(VALUES)
