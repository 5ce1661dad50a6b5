"""The loader: what a good file becomes."""

from __future__ import annotations

import pytest

from slo_rules.deadlines import Deadline
from slo_rules.definitions import fingerprint, load
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.expectation import Expectation
from slo_rules.filters import SPAN_TYPE, All, Any_, Compare, Not
from slo_rules.objective import Objective
from slo_rules.workflow import Definitions, KeyRule, Milestone, Requirement, Source, Workflow
from tests.unit.fix_definitions import GOOD, MINIMAL, changed


def exact(path: str, text: str) -> Compare:
    return Compare("exact", path, text)


def test_a_good_file_gives_the_model_exactly() -> None:
    found = load({"orders.yaml": GOOD})
    assert found.workflows == {
        "orders": Workflow(
            name="orders",
            domain="sales",
            owner="operations",
            entity="order",
            title="Orders",
            description="All of them.",
            version=1,
            keys=(
                KeyRule("order", ("data.order_id",)),
                KeyRule("sales_order", ("data.sales_order", "data.sap.order"), joins=True),
                KeyRule("account", ("data.account_id",), joins=False),
            ),
            milestones=(
                Milestone(
                    name="received",
                    title="Order received",
                    condition=All((exact("source", "crm"), exact("type", "order.created"))),
                    source="crm",
                    owner="operations",
                    starts=True,
                ),
                Milestone(
                    name="accepted",
                    title="Accepted",
                    condition=All(
                        (
                            exact("source", "sap"),
                            Compare("prefix", "type", "sales_order."),
                            Not(Compare("suffix", "type", ".draft")),
                        )
                    ),
                    after=("received",),
                    deadline=Deadline(None, 4 * HOUR, 3 * HOUR),
                    source="sap",
                    owner="erp",
                    require=(Requirement("data.tax_code"), Requirement("data.status", equals="7")),
                ),
                Milestone(
                    name="service_active",
                    title="Service active",
                    condition=All(
                        (
                            exact("type", SPAN_TYPE),
                            All((exact("service", "entitlements"), exact("name", "activate"))),
                        )
                    ),
                    after=("received",),
                    deadline=Deadline(None, 30 * MINUTE),
                    source="entitlements",
                    owner="operations",
                    completes=True,
                ),
            ),
            title_keys=("sales_order", "order"),
            attributes={"region": ("data.region",), "version": ("data.version", "resource.service.version")},
            amount=("data.amount",),
            currency=("data.currency",),
            observes=(Any_((exact("type", "linked"), exact("type", "seen"))),),
            fails_on=(exact("type", "failed"),),
            cancels_on=(exact("type", "cancelled"),),
        )
    }
    assert found.objectives == {
        "in-time": Objective(
            name="in-time",
            title="In time",
            owner="erp",
            workflow="orders",
            kind="latency",
            start="received",
            end="accepted",
            within=4 * HOUR,
            target=0.99,
            window=7 * DAY,
        )
    }
    assert found.sources == {"sap": Source("sap", "SAP", "erp", Expectation(15 * MINUTE))}
    route = found.routes["default"]
    assert route["metadata"] == {"name": "default"}
    assert route["spec"] == {"send_to": [{"slack": {"webhook_url": "x"}}], "match": {"domain": "sales"}}
    assert (route["file"], route["line"], route["lines"]["spec.send_to[0].slack"]) == ("orders.yaml", 49, 50)


def test_what_is_not_said_has_a_default() -> None:
    workflow = load({"orders.yaml": MINIMAL}).workflows["orders"]
    first, last = workflow.milestones
    assert (workflow.title, workflow.description, workflow.title_keys) == ("orders", "", ("order",))
    assert (workflow.amount, workflow.currency, workflow.attributes) == ((), (), {})
    assert (first.title, first.owner, first.after, first.source) == ("Order received", "operations", (), None)
    assert (last.after, last.deadline) == (("order_received",), None)
    assert (workflow.starting, workflow.completing) == (("order_received",), ("done",))
    assert (workflow.orphan_after, workflow.skews, last.any_order) == (HOUR, {}, False)
    assert workflow.joining == {"order"}


def test_defaults_of_objectives_sources_and_keys() -> None:
    text = changed("  window: 7d\n", "").replace(", owner: erp, title: In time", "").replace("latency", "freshness")
    text = text.replace("spec: {silent_after: 15m}", "spec: {}").replace(", owner: erp, title: SAP", "")
    found = load({"orders.yaml": text})
    objective = found.objectives["in-time"]
    assert (objective.kind, objective.window, objective.title, objective.owner) == (
        "freshness",
        30 * DAY,
        "in-time",
        "",
    )
    assert found.sources["sap"] == Source("sap", "", "", None, {}, 5 * MINUTE)


def test_a_workflow_knows_how_far_the_clocks_of_its_sources_may_be_off() -> None:
    text = changed("silent_after: 15m", "silent_after: 15m, skew: 90s")
    found = load({"orders.yaml": text})
    assert found.sources["sap"].skew == 90 * 1_000_000
    workflow = found.workflows["orders"]
    assert workflow.skews == {"sap": 90 * 1_000_000}
    assert fingerprint(workflow) != fingerprint(load({"orders.yaml": GOOD}).workflows["orders"])
    usual = load({"orders.yaml": changed("silent_after: 15m", "skew: 5m")}).workflows["orders"]
    assert fingerprint(usual) == fingerprint(load({"orders.yaml": GOOD}).workflows["orders"])


@pytest.mark.parametrize(("spec", "after"), [("tolerate", None), ("{after: 2d}", 2 * DAY)])
def test_how_long_an_orphan_waits_for_its_start(spec: str, after: int | None) -> None:
    text = changed("  fails_on:", f"  orphans: {spec}\n  fails_on:")
    assert load({"orders.yaml": text}).workflows["orders"].orphan_after == after


def test_any_order_is_read() -> None:
    text = changed("      owner: erp\n", "      owner: erp\n      any_order: true\n")
    assert [one.any_order for one in load({"orders.yaml": text}).workflows["orders"].milestones] == [False, True, False]


@pytest.mark.parametrize(
    ("condition", "source"),
    [
        ("{exact: {source: crm}}", "crm"),
        ("{exact: {service: shop}}", "shop"),
        ("{prefix: {source: crm}}", None),
        ("{not: {exact: {source: crm}}}", None),
        ("{any: [{exact: {source: a}}, {exact: {source: b}}]}", None),
        ("{any: [{exact: {source: a, type: x}}, {exact: {source: a, type: y}}]}", "a"),
        ("{all: [{prefix: {type: x}}, {any: [{exact: {source: a}}]}]}", "a"),
    ],
)
def test_the_awaited_source_is_taken_from_the_filter(condition: str, source: str | None) -> None:
    text = changed("{exact: {type: b}}", condition, MINIMAL)
    assert load({"orders.yaml": text}).workflows["orders"].by_name["done"].source == source
    said = changed("name: done,", "name: done, source: said,", text)
    assert load({"orders.yaml": said}).workflows["orders"].by_name["done"].source == "said"


def test_definitions_in_several_files_refer_to_each_other() -> None:
    one, rest = GOOD.split("---\n", 1)
    assert load({"b.yaml": rest, "a.yaml": one}) != load({"a.yaml": one})
    assert load({"b.yaml": rest, "a.yaml": one}).objectives["in-time"].workflow == "orders"


def test_nothing_is_no_fault() -> None:
    assert load({}) == Definitions({}, {}, {}, {}, {}, {})
    assert load({"a.yaml": "", "b.yaml": "# only this\n", "c.yaml": "---\n---\n"}) == Definitions(
        {}, {}, {}, {}, {}, {}
    )


def test_fingerprint_is_of_the_meaning() -> None:
    workflow = load({"a.yaml": GOOD}).workflows["orders"]
    assert fingerprint(workflow) == fingerprint(load({"b.yaml": f"# moved\n\n{GOOD}"}).workflows["orders"])
    other = load({"a.yaml": changed("breach: 4h", "breach: 5h")}).workflows["orders"]
    assert fingerprint(workflow) != fingerprint(other)
