"""The loader: every fault it can name, with its place."""

from __future__ import annotations

import pytest

from slo_rules.definitions import load
from slo_rules.faults import DefinitionError
from tests.unit.fix_definitions import GOOD, MINIMAL, Place, changed, faults

KINDS = "Workflow, Objective, Calendar, Source, Route, Target, Team, Severity, Maintenance, Inhibition"
NOT_A_NAME = "is not a name: use lower-case letters, digits, '-', '_' or '.', at most 63 characters"
ORPHANS = "must be 'tolerate', or {after: 1h}: how long the start is waited for"
NOT_A_DURATION = "is not a duration; write it like 90s, 15m, 4h, 2d or 1h30m"
NOT_A_PATH = "is not a path: write it like data.order_id, resource.service.name or source"
ONE_DIALECT = "a filter says exactly one of exact, prefix, suffix, all, any, not or span"
SCALAR = "must be text, a number, true or false"
NO_CLOCK = "a milestone that comes after none has no clock to run: 'within' needs 'after' or 'from'"
CREATED = "{exact: {source: crm, type: order.created}}"
ACCEPTED = "spec.milestones[1]"
SPAN = "{span: {exact: {service: entitlements, name: activate}}}"
MANY = ", ".join(["{exact: {type: linked}}"] * 201)

FAULTS: list[tuple[str, str, list[Place]]] = [
    # the envelope
    (
        "apiVersion: milepost/v1\nkind: W",
        "apiVersion: v2\nkind: W",
        [(1, "apiVersion", "must be milepost/v1 or openslo/v1, not 'v2'")],
    ),
    ("kind: Objective", "kind: Objectiv", [(33, "kind", f"must be one of {KINDS} — did you mean 'Objective'?")]),
    ("kind: Source", "kind: 7", [(43, "kind", f"must be one of {KINDS}")]),
    ("kind: Source\n", "", [(42, "", "the field 'kind' is missing")]),
    (
        "kind: Route\n",
        "kind: Route\nmetdata: {}\n",
        [(49, "metdata", "unknown field 'metdata' — did you mean 'metadata'?")],
    ),
    ("metadata: {name: default}\n", "", [(47, "", "the field 'metadata' is missing")]),
    ("metadata: {name: default}", "metadata: [default]", [(49, "metadata", "must be a mapping, not a list")]),
    ("metadata: {name: default}", "metadata: {}", [(49, "metadata", "the field 'name' is missing")]),
    ("metadata: {name: default}", "metadata: {name: }", [(49, "metadata", "the field 'name' is missing")]),
    ("name: default", "name: Default", [(49, "metadata.name", f"'Default' {NOT_A_NAME}")]),
    ("name: default", "name: " + 64 * "d", [(49, "metadata.name", f"{64 * 'd'!r} {NOT_A_NAME}")]),
    ("name: default", "name: [a]", [(49, "metadata.name", "must be text, not a list")]),
    ("name: default", "name: default, nmae: x", [(49, "metadata.nmae", "unknown field 'nmae' — did you mean 'name'?")]),
    ("spec: {silent_after: 15m}", "spec: 15m", [(45, "spec", "must be a mapping, not text")]),
    ("  value: {amount", "  orphans: never\n  value: {amount", [(11, "spec.orphans", ORPHANS)]),
    ("  value: {amount", "  orphans: 1h\n  value: {amount", [(11, "spec.orphans", ORPHANS)]),
    ("  value: {amount", "  orphans: {}\n  value: {amount", [(11, "spec.orphans", "the field 'after' is missing")]),
    (
        "  value: {amount",
        "  orphans: {after: never, aftr: 1h}\n  value: {amount",
        [
            (11, "spec.orphans.after", f"'never' {NOT_A_DURATION}"),
            (11, "spec.orphans.aftr", "unknown field 'aftr' — did you mean 'after'?"),
        ],
    ),
    (
        "      owner: erp\n",
        "      owner: erp\n      any_order: sometimes\n",
        [(22, "spec.milestones[1].any_order", "must be true or false, not text")],
    ),
    ("spec: {silent_after: 15m}", "spec: ", [(42, "", "the field 'spec' is missing")]),
    # workflow: metadata, entity, keys, attributes, value, title
    (", domain: sales", "", [(3, "metadata", "the field 'domain' is missing")]),
    (", owner: operations", "", [(3, "metadata", "the field 'owner' is missing")]),
    ("domain: sales,", "domain: {},", [(3, "metadata.domain", "must be text, not a mapping")]),
    ("title: Orders,", 'title: " ",', [(3, "metadata.title", "must be text, not text")]),
    ("title: Orders,", 'title: "",', [(3, "metadata.title", "must be text, not an empty text")]),
    (
        "title: Orders,",
        f"title: {501 * 'x'},",
        [(3, "metadata.title", "must be text of at most 500 characters without NUL")],
    ),
    (
        "All of them.",
        2001 * "x",
        [(3, "metadata.description", "must be text of at most 2000 characters without NUL")],
    ),
    ("  entity: order\n", "", [(4, "spec", "the field 'entity' is missing")]),
    ("  entity: order\n", "  entity: true\n", [(5, "spec.entity", "must be text, not true/false")]),
    ("  observes:", "  observed:", [(28, "spec.observed", "unknown field 'observed' — did you mean 'observes'?")]),
    (
        "order: {path: data.order_id}",
        "Order: {path: data.order_id}",
        [
            (7, "spec.keys.Order", f"'Order' {NOT_A_NAME}"),
            (12, "spec.title", "there is no key 'order' — did you mean 'Order'?"),
        ],
    ),
    (
        "    order: {path: data.order_id}",
        "    order: 5",
        [
            (7, "spec.keys.order", "must be a mapping, not a number"),
            (12, "spec.title", "there is no key 'order' — did you mean 'sales_order'?"),
        ],
    ),
    (
        "order: {path: data.order_id}",
        "order: {joins: true}",
        [
            (7, "spec.keys.order", "the field 'path' is missing"),
            (12, "spec.title", "there is no key 'order' — did you mean 'sales_order'?"),
        ],
    ),
    ("order: {path: data.order_id}", "order: {path: []}", [(7, "spec.keys.order.path", "must name at least one path")]),
    ("order: {path: data.order_id}", "order: {path: data}", [(7, "spec.keys.order.path", f"'data' {NOT_A_PATH}")]),
    ("data.sap.order]", "data..order]", [(8, "spec.keys.sales_order.path[1]", f"'data..order' {NOT_A_PATH}")]),
    ("data.sap.order]", "resource]", [(8, "spec.keys.sales_order.path[1]", f"'resource' {NOT_A_PATH}")]),
    ("data.sap.order]", "{a: b}]", [(8, "spec.keys.sales_order.path[1]", "must be text, not a mapping")]),
    ("joins: false", "joins: no", [(9, "spec.keys.account.joins", "must be true or false, not text")]),
    ("joins: false", "join: false", [(9, "spec.keys.account.join", "unknown field 'join' — did you mean 'joins'?")]),
    ("region: data.region", "region: ", [(10, "spec.attributes.region", "must be text, not nothing")]),
    ("region: data.region", "region: .region", [(10, "spec.attributes.region", f"'.region' {NOT_A_PATH}")]),
    (
        "region: data.region",
        "$region: data.region",
        [(10, "spec.attributes.$region", "an attribute's name must not start with '$'")],
    ),
    ("region: data.region", '"": data.region', [(10, "spec.attributes.", "must be text, not an empty text")]),
    ("amount: data.amount, ", "", [(11, "spec.value", "the field 'amount' is missing")]),
    (
        "value: {amount: data.amount, currency: data.currency}",
        "value: data.amount",
        [(11, "spec.value", "must be a mapping, not text")],
    ),
    (
        "title: [sales_order, order]",
        "title: [sales_ordr]",
        [(12, "spec.title", "there is no key 'sales_ordr' — did you mean 'sales_order'?")],
    ),
    ("title: [sales_order, order]", "title: {a: b}", [(12, "spec.title", "must be text, not a mapping")]),
    # workflow: milestones
    (
        "name: received\n",
        "nam: received\n",
        [
            (14, "spec.milestones[0]", "the field 'name' is missing"),
            (14, "spec.milestones[0].nam", "unknown field 'nam' — did you mean 'name'?"),
            (20, f"{ACCEPTED}.within", NO_CLOCK),
            (24, "spec.milestones[2].after", "there is no milestone 'received' to come after"),
        ],
    ),
    ("- name: accepted\n", "- name: Accepted!\n", [(18, f"{ACCEPTED}.name", f"'Accepted!' {NOT_A_NAME}")]),
    ("- name: accepted\n", "- name: received\n", [(18, ACCEPTED, "a milestone named 'received' is there already")]),
    (f"      on: {CREATED}\n", "", [(14, "spec.milestones[0]", "the field 'on' is missing")]),
    (
        "      starts: true\n",
        "      starts: yes\n",
        [(17, "spec.milestones[0].starts", "must be true or false, not text")],
    ),
    (
        "      completes: true\n",
        "      completes: 1\n",
        [(27, "spec.milestones[2].completes", "must be true or false, not a number")],
    ),
    (
        "after: received",
        "after: recieved",
        [(24, "spec.milestones[2].after", "there is no milestone 'recieved' to come after — did you mean 'received'?")],
    ),
    (
        "after: received",
        "after: service_active",
        [(24, "spec.milestones[2].after", "'service_active' waits for itself through its 'after' milestones")],
    ),
    (
        "      starts: true\n",
        "      after: service_active\n",
        [
            (17, "spec.milestones[0].after", "'received' waits for itself through its 'after' milestones"),
            (24, "spec.milestones[2].after", "'service_active' waits for itself through its 'after' milestones"),
        ],
    ),
    ("      starts: true\n", "      starts: true\n      within: 4h\n", [(18, "spec.milestones[0].within", NO_CLOCK)]),
    (
        "warn: 3h, breach: 4h",
        "warn: 4h, breach: 4h",
        [(20, f"{ACCEPTED}.within.warn", "the warning must come before the breach")],
    ),
    (
        "warn: 3h, breach: 4h",
        "warn: 241m, breach: 4h",
        [(20, f"{ACCEPTED}.within.warn", "the warning must come before the breach")],
    ),
    ("warn: 3h, breach: 4h", "warn: 3h", [(20, f"{ACCEPTED}.within", "the field 'breach' is missing")]),
    (
        "warn: 3h, breach: 4h",
        "breach: 4h, calendar: emea",
        [(20, f"{ACCEPTED}.within.calendar", "there is no calendar 'emea'")],
    ),
    ("breach: 4h", "breach: four", [(20, f"{ACCEPTED}.within.breach", f"'four' {NOT_A_DURATION}")]),
    ("breach: 4h", "breach: [4h]", [(20, f"{ACCEPTED}.within.breach", "must be a duration such as 4h, not a list")]),
    ("warn: 3h", "warn: 0s", [(20, f"{ACCEPTED}.within.warn", "a duration must be longer than zero")]),
    ("within: 30m", "within: 30", [(26, "spec.milestones[2].within", f"'30' {NOT_A_DURATION}")]),
    ("within: 30m", "within: 3651d", [(26, "spec.milestones[2].within", "'3651d' is longer than ten years")]),
    (
        "exists: true}, ",
        "exists: true, equals: x}, ",
        [(22, f"{ACCEPTED}.require[0]", "say either 'exists' or 'equals'")],
    ),
    (
        "{path: data.tax_code, exists: true}",
        "{path: data.tax_code}",
        [(22, f"{ACCEPTED}.require[0]", "say either 'exists' or 'equals'")],
    ),
    ("exists: true}, ", "exists: maybe}, ", [(22, f"{ACCEPTED}.require[0].exists", "must be true or false, not text")]),
    (
        "{path: data.tax_code, exists: true}",
        "{exists: true}",
        [(22, f"{ACCEPTED}.require[0]", "the field 'path' is missing")],
    ),
    (
        "path: data.tax_code",
        "path: [data.a, data.b]",
        [(22, f"{ACCEPTED}.require[0].path", "must be text, not a list")],
    ),
    ("equals: 7", "equals: [7]", [(22, f"{ACCEPTED}.require[1].equals", SCALAR)]),
    ("equals: 7", 'equals: ""', [(22, f"{ACCEPTED}.require[1].equals", SCALAR)]),
    (
        "require: [{path: data.tax_code, exists: true}, {path: data.status, equals: 7}]",
        "require: {path: x}",
        [(22, f"{ACCEPTED}.require", "must be a list, not a mapping")],
    ),
    # filters
    (CREATED, "order.created", [(16, "spec.milestones[0].on", "must be a mapping, not text")]),
    (CREATED, "{}", [(16, "spec.milestones[0].on", ONE_DIALECT)]),
    (CREATED, "{exact: {type: a}, prefix: {type: b}}", [(16, "spec.milestones[0].on", ONE_DIALECT)]),
    (
        CREATED,
        "{exakt: {type: a}}",
        [(16, "spec.milestones[0].on.exakt", "unknown field 'exakt' — did you mean 'exact'?")],
    ),
    (CREATED, "{exact: [type, a]}", [(16, "spec.milestones[0].on.exact", "must be a mapping, not a list")]),
    (CREATED, "{exact: }", [(16, "spec.milestones[0].on.exact", "must be a mapping, not nothing")]),
    (CREATED, "{prefix: {}}", [(16, "spec.milestones[0].on.prefix", "must name at least one attribute")]),
    (CREATED, "{suffix: {type: [a]}}", [(16, "spec.milestones[0].on.suffix.type", SCALAR)]),
    (CREATED, '{prefix: {type: ""}}', [(16, "spec.milestones[0].on.prefix.type", SCALAR)]),
    (CREATED, "{exact: {type: null}}", [(16, "spec.milestones[0].on.exact.type", SCALAR)]),
    (CREATED, "{exact: {data: x}}", [(16, "spec.milestones[0].on.exact.data", f"'data' {NOT_A_PATH}")]),
    (CREATED, "{all: []}", [(16, "spec.milestones[0].on.all", "must name at least one filter")]),
    (CREATED, "{any: []}", [(16, "spec.milestones[0].on.any", "must name at least one filter")]),
    (CREATED, "{any: {exact: {type: a}}}", [(16, "spec.milestones[0].on.any", "must be a list, not a mapping")]),
    (
        CREATED,
        "{all: [{exact: {type: a}}, {exact: {}}]}",
        [(16, "spec.milestones[0].on.all[1].exact", "must name at least one attribute")],
    ),
    (CREATED, "{not: [{exact: {type: a}}]}", [(16, "spec.milestones[0].on.not", "must be a mapping, not a list")]),
    (
        SPAN,
        "{span: {all: [{span: {exact: {name: x}}}]}}",
        [(25, "spec.milestones[2].on.span.all[0].span", "a span filter cannot hold another")],
    ),
    (SPAN, "{span: activate}", [(25, "spec.milestones[2].on.span", "must be a mapping, not text")]),
    (
        "observes: [{any: [{exact: {type: linked}}, {exact: {type: seen}}]}]",
        "observes: {exact: {type: linked}}",
        [(28, "spec.observes", "must be a list, not a mapping")],
    ),
    (
        "observes: [{any: [{exact: {type: linked}}, {exact: {type: seen}}]}]",
        f"observes: [{MANY}]",
        [(28, "spec.observes", "has 201 entries; at most 200 are allowed")],
    ),
    (
        "fails_on: [{exact: {type: failed}}]",
        "fails_on: [failed]",
        [(29, "spec.fails_on[0]", "must be a mapping, not text")],
    ),
    (
        "cancels_on: [{exact: {type: cancelled}}]",
        "cancels_on: [{exact: {type: {}}}]",
        [(30, "spec.cancels_on[0].exact.type", SCALAR)],
    ),
    # objectives
    (
        "workflow: orders",
        "workflow: order",
        [(36, "spec.workflow", "there is no workflow 'order' — did you mean 'orders'?")],
    ),
    ("  workflow: orders\n", "", [(35, "spec", "the field 'workflow' is missing")]),
    (
        "from: received, to: accepted",
        "from: recived, to: paid",
        [
            (37, "spec.latency.from", "the workflow 'orders' has no milestone 'recived' — did you mean 'received'?"),
            (37, "spec.latency.to", "the workflow 'orders' has no milestone 'paid'"),
        ],
    ),
    (
        "to: accepted, within: 4h}",
        "to: accepted, within: 4h, calendar: [office]}",
        [(37, "spec.latency.calendar", "must be text, not a list")],
    ),
    (
        "to: accepted, within: 4h}",
        "to: accepted, within: 4h, calendar: office}",
        [(37, "spec.latency.calendar", "there is no calendar 'office'")],
    ),
    (
        "  latency: {from: received, to: accepted, within: 4h}\n",
        "",
        [(35, "spec", "say exactly one of 'latency', 'freshness', 'success' or 'volume'")],
    ),
    (
        "  target: 0.99\n",
        "  target: 0.99\n  freshness: {from: received, to: accepted, within: 4h}\n",
        [(35, "spec", "say exactly one of 'latency', 'freshness', 'success' or 'volume'")],
    ),
    (
        "latency: {from: received, to: accepted, within: 4h}",
        "latency: 4h",
        [(37, "spec.latency", "must be a mapping, not text")],
    ),
    (
        "{from: received, to: accepted, within: 4h}",
        "{}",
        [
            (37, "spec.latency", "the field 'from' is missing"),
            (37, "spec.latency", "the field 'to' is missing"),
            (37, "spec.latency", "the field 'within' is missing"),
        ],
    ),
    ("accepted, within: 4h}", "accepted, within: 4}", [(37, "spec.latency.within", f"'4' {NOT_A_DURATION}")]),
    ("  target: 0.99\n", "", [(35, "spec", "the field 'target' is missing")]),
    *(
        ("target: 0.99", f"target: {share}", [(38, "spec.target", "must be a share between 0 and 1, such as 0.99")])
        for share in ("99", "1", "0", "-0.5", "true", "most", "[0.9]")
    ),
    ("window: 7d", "window: month", [(39, "spec.window", f"'month' {NOT_A_DURATION}")]),
    (
        "latency: {from: received, to: accepted, within: 4h}",
        "success: {cancelled: good, from: received}",
        [
            (37, "spec.success.cancelled", "must be one of neutral, bad"),
            (37, "spec.success.from", "unknown field 'from'"),
        ],
    ),
    ("window: 7d", "window: {}", [(39, "spec.window", "the field 'period' is missing")]),
    (
        "window: 7d",
        "window: {period: months, zone: Europe/Berln, from: 1}",
        [
            (39, "spec.window.from", "unknown field 'from'"),
            (39, "spec.window.period", "must be one of day, week, month, quarter, year — did you mean 'month'?"),
            (39, "spec.window.zone", "there is no time zone 'Europe/Berln' — did you mean 'Europe/Berlin'?"),
        ],
    ),
    ("window: 7d", "windwo: 7d", [(39, "spec.windwo", "unknown field 'windwo' — did you mean 'window'?")]),
    # sources and routes
    ("silent_after: 15m", "skew: 0s", [(45, "spec.skew", "a duration must be longer than zero")]),
    ("silent_after: 15m", "silent_after: never", [(45, "spec.silent_after", f"'never' {NOT_A_DURATION}")]),
    (
        "silent_after: 15m",
        "silent: 15m",
        [(45, "spec.silent", "unknown field 'silent' — did you mean 'silent_after'?")],
    ),
    ("send_to: [{slack: {webhook_url: x}}], ", "", [(50, "spec", "the field 'send_to' is missing")]),
    ("match: {domain", "matches: {domain", [(50, "spec.matches", "unknown field 'matches' — did you mean 'match'?")]),
]


@pytest.mark.parametrize(
    ("old", "new", "places"), FAULTS, ids=[f"{n}-{new[:40].strip()}" for n, (_, new, _) in enumerate(FAULTS)]
)
def test_a_fault_is_named_with_its_place_and_nothing_else(old: str, new: str, places: list[Place]) -> None:
    assert faults(changed(old, new)) == places


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("- a\n", (1, "", "must be a mapping, not a list")),
        ("\n\nhello\n", (3, "", "must be a mapping, not text")),
        ("---\n---\n7\n", (3, "", "must be a mapping, not a number")),
    ],
)
def test_a_document_is_a_mapping(text: str, place: Place) -> None:
    assert faults(text) == [place]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("{}", ["at least one key is needed to identify an instance"]),
        ("[order]", ["must be a mapping, not a list"]),
        ("{order: {path: data.order, joins: false}}", ["no key joins: at least one key must identify the instance"]),
    ],
)
def test_an_instance_needs_a_joining_key(keys: str, expected: list[str]) -> None:
    text = changed("{order: data.order}", keys, MINIMAL)
    assert faults(text) == [(6, "spec.keys", message) for message in expected]


def test_milestones_are_needed() -> None:
    head = MINIMAL.split("  milestones:", maxsplit=1)[0]
    assert faults(head) == [(4, "spec", "the field 'milestones' is missing")]
    assert faults(head + "  milestones: []\n") == [(7, "spec.milestones", "at least one milestone is needed")]
    assert faults(head + "  milestones: a\n") == [(7, "spec.milestones", "must be a list, not text")]
    assert faults(head + "  milestones: [a]\n") == [(7, "spec.milestones[0]", "must be a mapping, not text")]
    many = ", ".join(f"{{name: m{n}, on: {{exact: {{type: t}}}}}}" for n in range(201))
    assert faults(head + f"  milestones: [{many}]\n") == [
        (7, "spec.milestones", "has 201 entries; at most 200 are allowed")
    ]


def test_a_longer_cycle_is_named_at_each_member_and_not_at_those_behind_it() -> None:
    text = MINIMAL.split("    - ", maxsplit=1)[0] + "".join(
        f"    - {{name: {name}, after: {after}, on: {{exact: {{type: t}}}}}}\n"
        for name, after in (("a", "c"), ("b", "a"), ("c", "b"), ("behind", "c"))
    )
    assert faults(text) == [
        (8 + n, f"spec.milestones[{n}].after", f"{name!r} waits for itself through its 'after' milestones")
        for n, name in enumerate("abc")
    ]


def test_names_are_taken_once_per_kind() -> None:
    twice = GOOD + "---\n" + GOOD.split("---\n")[2].replace("name: sap", "name: orders")
    assert set(load({"orders.yaml": twice}).sources) == {"sap", "orders"}
    with pytest.raises(DefinitionError) as caught:
        load({"a.yaml": GOOD, "b.yaml": MINIMAL})
    assert [str(fault) for fault in caught.value.faults] == [
        "b.yaml:3: metadata.name: a Workflow named 'orders' is defined twice"
    ]


def test_what_refers_to_a_faulty_definition_is_not_blamed_as_well() -> None:
    assert faults(changed("  entity: order\n", "")) == [(4, "spec", "the field 'entity' is missing")]


def test_a_definition_without_a_usable_name_is_still_read_to_its_end() -> None:
    text = changed("name: orders, ", "", MINIMAL).replace("entity", "entiti")
    assert faults(text) == [
        (3, "metadata", "the field 'name' is missing"),
        (4, "spec", "the field 'entity' is missing"),
        (5, "spec.entiti", "unknown field 'entiti' — did you mean 'entity'?"),
    ]


def test_two_unusable_milestone_names_are_two_faults() -> None:
    text = MINIMAL.replace("order_received", "A A").replace("done", "B B")
    assert [(line, path) for line, path, _ in faults(text)] == [
        (8, "spec.milestones[0].name"),
        (9, "spec.milestones[1].name"),
    ]


def test_several_faults_in_several_files_come_at_once_and_sorted() -> None:
    with pytest.raises(DefinitionError) as caught:
        load(
            {
                "z.yaml": "a: [\n",
                "b.yaml": changed("breach: 4h", "breach: 4 h").replace("joins: false", "joins: 0"),
                "a.yaml": MINIMAL.replace("name: orders", "name: bills").replace("entity", "entitie"),
            }
        )
    assert str(caught.value).splitlines() == [
        "a.yaml:4: spec: the field 'entity' is missing",
        "a.yaml:5: spec.entitie: unknown field 'entitie' — did you mean 'entity'?",
        "b.yaml:9: spec.keys.account.joins: must be true or false, not a number",
        f"b.yaml:20: spec.milestones[1].within.breach: '4 h' {NOT_A_DURATION}",
        "z.yaml:2: document: not YAML: expected the node content, but found '<stream end>'",
    ]
    assert caught.value.faults == sorted(caught.value.faults)
