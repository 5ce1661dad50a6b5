"""The lints of `milepost check`: each is told at its place, and what may well be meant is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from collector.ingest import otlp
from milepost.cli import app
from slo_rules.definitions import load
from slo_rules.faults import DefinitionError, Severity
from slo_rules.filter_logic import SPAN_VALUES, canonical, contradiction
from slo_rules.filters import All, Any_, Compare, Filter, Not, holds
from slo_rules.lint import lint
from tests.definition_texts import changed, packs, spelled, values_of
from tests.examples import examples

HEAD = """\
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: desk}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {tier: data.tier, region: data.region, parcels: data.parcels}
"""
CALENDAR = """\
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office}
spec: {zone: UTC, hours: {mon-fri: "09:00-17:00"}}
"""


def found(text: str) -> list[tuple[str, str]]:
    """The paths and messages of the findings."""
    return [(one.path, one.message) for one in lint({"a.yaml": text}, load({"a.yaml": text}))]


def with_milestones(*milestones: str, more: str = "") -> str:
    """Each milestone in flow style; one without a filter is reached by an event of its own name."""
    lines = []
    for one in milestones:
        name = one.partition(",")[0]
        lines.append(
            f"    - {{name: {one}}}" if " on:" in one else f"    - {{name: {one}, on: {{exact: {{type: {name}}}}}}}"
        )
    return HEAD + more + "  milestones:\n" + "\n".join(lines) + "\n"


def paths(text: str) -> list[str]:
    return [path for path, _ in found(text)]


def test_the_shipped_packs_give_no_findings() -> None:
    assert lint(packs(), load(packs())) == []
    for name, text in packs().items():
        together = {name: text} | {
            shared: packs()[shared] for shared in ("sources.yaml", "sources-of-goods-and-usage.yaml", "calendars.yaml")
        }
        assert lint(together, load(together)) == []


def test_a_finding_has_its_file_line_path_and_a_suggestion() -> None:
    text = with_milestones("a", "b, on: {all: [{exact: {type: x}}, {exact: {type: y}}]}")
    (finding,) = lint({"orders.yaml": text}, load({"orders.yaml": text}))
    assert str(finding) == (
        "orders.yaml:10: spec.milestones[1].on: warning: no event reaches 'b': type cannot be 'y' and 'x' — "
        "for one of several values say any"
    )


def test_findings_of_all_files_come_at_once_and_in_order() -> None:
    text = with_milestones("a", "b, on: {exact: {type: a}}", more="  resumes_on: [{exact: {type: x}}]\n")
    texts = {"b.yaml": text, "a.yaml": text.replace("name: orders", "name: others")}
    findings = lint(texts, load(texts))
    assert [(one.file, one.line) for one in findings] == [("a.yaml", 8), ("a.yaml", 11), ("b.yaml", 8), ("b.yaml", 11)]


A, B, AB = (Compare("exact", "data.x", text) for text in ("a", "b", "ab"))
P_A, P_AB, P_B = (Compare("prefix", "data.x", text) for text in ("a", "ab", "b"))
S_A, S_B = (Compare("suffix", "data.x", text) for text in ("a", "b"))
SPAN = Compare("exact", "type", "otel.span")


@pytest.mark.parametrize(
    "parts",
    [
        (A, B),
        (A, Not(A)),
        (A, P_B),
        (AB, S_A),
        (P_A, P_B),
        (S_A, S_B),
        (A, Not(P_A)),
        (P_AB, Not(P_A)),
        (A, Any_((B, AB))),
        (Any_((A, B)), AB),
        (A, Not(Any_((A, B)))),
        (Any_((A, B)), Not(A), Not(B)),
        (SPAN, Compare("exact", "status", "success")),
        (SPAN, Compare("exact", "kind", "SERVER")),
        (SPAN, *(Not(Compare("exact", "status", text)) for text in ("ok", "error", "unset"))),
    ],
)
def test_a_filter_that_contradicts_itself_is_told(parts: tuple[Filter, ...]) -> None:
    assert contradiction(All(parts))


@pytest.mark.parametrize(
    "condition",
    [
        All((A, A)),
        All((P_A, P_AB)),
        All((P_A, S_B)),
        All((AB, P_A, S_B)),
        All((P_A, Not(A))),
        All((P_A, Not(P_AB))),
        All((Not(A), Not(B))),
        All((A, Compare("exact", "data.y", "b"))),
        Any_((All((A, B)), A)),
        Not(All((A, B))),
        Compare("exact", "status", "success"),
        All((SPAN, Compare("prefix", "status", "o"))),
        All((SPAN, Not(Compare("exact", "status", "error")))),
    ],
)
def test_a_filter_that_may_hold_is_left_alone(condition: Filter) -> None:
    assert contradiction(condition) is None


COMPARES = st.builds(
    Compare,
    st.sampled_from(["exact", "prefix", "suffix"]),
    st.sampled_from(["data.x", "data.y", "type", "status"]),
    st.sampled_from(["a", "b", "ab", "ba", "otel.span", "ok"]),
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    COMPARES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(All),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(Any_),
    ),
    max_leaves=8,
)
TEXTS = st.sampled_from([None, "a", "b", "ab", "ba", "aba", "c"])
DOCUMENTS = st.one_of(
    st.builds(lambda x, y, t, s: {"type": t, "status": s, "data": {"x": x, "y": y}}, TEXTS, TEXTS, TEXTS, TEXTS),
    st.builds(
        lambda x, s: {"type": "otel.span", "status": s, "kind": "server", "data": {"x": x}},
        TEXTS,
        st.sampled_from(otlp.STATUSES),
    ),
)


@given(FILTERS, DOCUMENTS)
@settings(max_examples=examples(500))
def test_what_holds_for_an_event_is_no_contradiction(condition: Filter, document: dict[str, Any]) -> None:
    if holds(condition, document):
        assert contradiction(condition) is None


@given(FILTERS, FILTERS, DOCUMENTS)
def test_filters_that_are_the_same_hold_alike(one: Filter, other: Filter, document: dict[str, Any]) -> None:
    if canonical(one) == canonical(other):
        assert holds(one, document) is holds(other, document)
    assert canonical(All((one, other, one))) == canonical(All((other, All((one,)))))


def test_a_filter_that_takes_too_long_to_tell_is_left_alone() -> None:
    wide = tuple(Any_(tuple(Compare("exact", f"data.{n}", str(m)) for m in range(9))) for n in range(50))
    never = Any_(tuple(All((A, B)) for _ in range(9)))
    assert contradiction(All((*wide[:25], never, *wide[25:]))) is None
    many = All(tuple(Not(Compare("exact", "data.x", str(number))) for number in range(1000)))
    assert contradiction(many) is None


def test_the_values_of_spans_are_those_that_come() -> None:
    assert SPAN_VALUES == {"kind": otlp.KINDS, "status": otlp.STATUSES}


WARNED = [
    # equal filters
    (with_milestones("a", "b, on: {exact: {type: a}}"), ["spec.milestones[1].on"]),
    (
        with_milestones(
            "a, on: {exact: {type: x, source: s}}", "b, on: {all: [{exact: {source: s}}, {all: [{exact: {type: x}}]}]}"
        ),
        ["spec.milestones[1].on"],
    ),
    # lists of filters
    (
        with_milestones("a", more="  fails_on: [{all: [{exact: {type: x}}, {prefix: {type: y}}]}]\n"),
        ["spec.fails_on[0]"],
    ),
    # keys
    (
        HEAD.replace("{order: data.order}", "{order: data.order, invoice: {path: data.order}}")
        + with_milestones("a")[len(HEAD) :],
        ["spec.keys.invoice"],
    ),
    (
        HEAD.replace("data.order}", "subject}")
        + with_milestones("a", "b, on: {span: {exact: {name: x}}}")[len(HEAD) :],
        ["spec.milestones[1].on"],
    ),
    # alternatives
    (
        with_milestones("a", "b, choice: x", "c, choice: x, after: a", "d, after: [b, c]", "e"),
        ["spec.milestones[3].after"],
    ),
    (with_milestones("a", "b, choice: x", "c, choice: x", "d"), ["spec.milestones[2]"]),
    # the end
    (with_milestones("a", "b, completes: true", "c", "d"), ["spec.milestones[2]"]),
    (with_milestones("a", "b, completes: true", "c, completes: true"), ["spec.milestones[2]"]),
    (with_milestones("a", "b", "c, optional: true"), ["spec.milestones[2].optional"]),
    (with_milestones("a, optional: true", "b, starts: true"), ["spec.milestones[0].optional"]),
    # order
    (with_milestones("a, any_order: true", "b"), ["spec.milestones[0].any_order"]),
    (with_milestones("a", "b, after: a, starts: true, any_order: true", "c"), ["spec.milestones[1].any_order"]),
    # deadlines
    (with_milestones("a", "b, within: {breach: 1h, from: c}", "c"), ["spec.milestones[1].within.from"]),
    (
        with_milestones("a", "b, within: 4h", "c, within: {breach: 2h, from: a}"),
        ["spec.milestones[2].within.breach"],
    ),
    (
        with_milestones("a", "b, within: {breach: 4h, by: {tier: {gold: {warn: 5h}}}}"),
        ["spec.milestones[1].within.by.tier.gold.warn"],
    ),
    (
        with_milestones("a", "b, within: {breach: 4h, by: {region: {US: 1h}, tier: {gold: {warn: 2h}}}}"),
        ["spec.milestones[1].within.by.tier.gold.warn"],
    ),
    (
        with_milestones(
            "a", "b, within: {warn: next_business_day 16:00, breach: 1 business day 16:00, calendar: office}"
        )
        + CALENDAR,
        ["spec.milestones[1].within.warn"],
    ),
    (
        with_milestones("a", "b, within: {warn: 3 business days 9:00, breach: 2 business days 16:00, calendar: office}")
        + CALENDAR,
        ["spec.milestones[1].within.warn"],
    ),
    (
        with_milestones(
            "a", "b, within: {breach: 4h, by: {tier: {gold: {warn: same_day, breach: same day, calendar: office}}}}"
        )
        + CALENDAR,
        ["spec.milestones[1].within.by.tier.gold.warn"],
    ),
    # clocks
    (with_milestones("a", more="  resumes_on: [{exact: {type: x}}]\n"), ["spec.resumes_on"]),
]


@pytest.mark.parametrize(("text", "expected"), WARNED)
def test_a_warning_stands_at_its_place_and_alone(text: str, expected: list[str]) -> None:
    findings = lint({"a.yaml": text}, load({"a.yaml": text}))
    assert [one.path for one in findings] == expected
    assert {one.severity for one in findings} == {Severity.WARNING}


@pytest.mark.parametrize(
    "text",
    [
        with_milestones("a", "b, on: {exact: {type: a}}, count: 3"),
        with_milestones("a", "b, choice: x", "c, choice: x, after: a", "d, after: {any: [b, c]}"),
        with_milestones("a", "b, completes: true", "c, optional: true"),
        with_milestones("a", "b, completes: true", "c, completes: true", more="  completion: all\n"),
        with_milestones("a", "b, completes: true", "c, after: a, completes: true"),
        with_milestones("a", "b", "c, completes: true, optional: true", "d, after: b, completes: true"),
        with_milestones("a", "b, within: 4h", "c, within: {breach: 4h, from: a}"),
        with_milestones("a", "b, within: 4h", "c, after: a, within: {breach: 2h, from: a}"),
        with_milestones(
            "a", "x, after: a", "b, after: x, within: {breach: 9h, from: a}", "c, within: {breach: 2h, from: x}"
        ),
        with_milestones("a", "b, within: {warn: 3h, breach: 4h, by: {tier: {gold: {breach: 1h}}}}"),
        with_milestones("a", "b, within: {breach: 4h, by: {tier: {gold: {warn: 2h}}, region: {US: 1h}}}"),
        with_milestones("a", "b, within: {breach: 4h, by: {tier: {gold: {warn: 2h}, silver: 1h}}}"),
        with_milestones("a", "b, within: {warn: end of month, breach: end of month - 1 business day, calendar: office}")
        + CALENDAR,
        with_milestones("a", "b, within: {warn: next_business_day 12:00, breach: same_day 18:00, calendar: office}")
        + CALENDAR,
        with_milestones("a", "b, on: {span: {exact: {name: x, kind: server}}}"),
        with_milestones("a", more="  pauses_on: [{exact: {type: x}}]\n  resumes_on: [{exact: {type: y}}]\n"),
    ],
)
def test_what_may_well_be_meant_is_left_alone(text: str) -> None:
    assert found(text) == []


SOURCE = "---\napiVersion: milepost/v1\nkind: Source\nmetadata: {name: sap}\nspec: {}\n"


def test_a_source_without_a_document_is_told_where_others_have_one() -> None:
    text = with_milestones(
        "a, on: {exact: {source: crm}}",
        "b, on: {exact: {source: spa}}",
        "c, source: spa",
        "d, source: billing",
        "e, source: sap",
    )
    assert found(text) == []
    assert paths(text + SOURCE) == ["spec.milestones[1].on", "spec.milestones[3].source"]
    (first, _) = lint({"a.yaml": text + SOURCE}, load({"a.yaml": text + SOURCE}))
    assert first.suggestion == "add a document of kind Source — did you mean 'sap'?"


def route(match: str) -> str:
    return (
        f"---\napiVersion: milepost/v1\nkind: Route\nmetadata: {{name: r{abs(hash(match))}}}\n"
        f"spec: {{match: {match}, send_to: [{{slack: {{webhook_url: x}}}}]}}\n"
    )


def test_an_owner_whom_no_route_reaches_is_told_where_there_are_routes() -> None:
    text = with_milestones("a, owner: nobody", "b", "c, owner: erp", "d, owner: erp")
    assert found(text) == []
    assert paths(text + route("{owner: desk}")) == ["spec.milestones[2].owner"]
    assert paths(text + route("{owner: erp}")) == ["metadata.owner"]
    assert paths(text + route("{owner: erp, workflow: others}")) == ["metadata.owner", "spec.milestones[2].owner"]
    assert paths(text + route("{owner: erp}") + route("{workflow: orders, domain: sales}")) == []
    assert paths(text + route("{}")) == []
    assert paths(text + route("[1]")) == [], "alerting says what is wrong with that"


def objective(rule: str) -> str:
    return (
        "---\napiVersion: milepost/v1\nkind: Objective\nmetadata: {name: fast}\n"
        f"spec: {{workflow: orders, {rule}, target: 0.9, missing_data: bad}}\n"
    )


def test_an_objective_that_promises_something_else_is_a_hint() -> None:
    text = with_milestones("a", "b, within: 4h", "c, within: {breach: 5h, by: {tier: {gold: 1h}}}")
    differs = text + objective("latency: {from: a, to: b, within: 2h}")
    (finding,) = lint({"a.yaml": differs}, load({"a.yaml": differs}))
    assert (finding.severity, finding.path) == (Severity.HINT, "spec.latency.within")
    assert finding.message == "is 2h, and the deadline of 'b' 4h"
    assert found(text + objective("latency: {from: a, to: b, within: 4h}")) == []
    assert found(text + objective("latency: {from: a, to: c, within: 2h}")) == []
    assert found(text + objective("latency: {from: b, to: c, within: 2h}")) == []
    assert found(text + objective("freshness: {from: a, to: b, within: 2h}")) == []


def test_of_slices_it_is_known_when_the_budget_is_less_than_one() -> None:
    text = with_milestones("a", "b, within: 4h")
    source = "---\napiVersion: milepost/v1\nkind: Source\nmetadata: {name: crm}\nspec: {silent_after: 1h}\n"

    def hints(rule: str, target: str) -> list[str]:
        said = objective(rule).replace("target: 0.9,", f"target: {target},")
        if "source" in rule:
            said = said.replace(", missing_data: bad", "") + source
        return [
            one.message
            for one in lint({"a.yaml": text + said}, load({"a.yaml": text + said}))
            if "breaks" in one.message
        ]

    a_day = "volume: {milestone: a, per: {period: day, zone: Europe/Berlin}, at_least: 1}"
    assert hints(a_day, "0.99") == ["of 0.99 leaves a budget of 0.3 of the 30 slices in 30d: one bad slice breaks it"]
    assert hints(a_day, "0.96") == []
    assert hints("freshness: {source: crm}", "0.9999") != []
    assert hints("freshness: {source: crm}", "0.999") == []
    assert hints("freshness: {from: a, to: b, within: 2h}, window: 1d", "0.999") != []
    assert hints("latency: {from: a, to: b, within: 4h}", "0.9999") == []


@pytest.mark.parametrize(
    ("target", "window", "hinted"),
    [
        (0.9, "30d", False),
        (0.5, "7d", False),
        (0.5, "12h", True),
        (0.99, "12h", False),
        (0.99, "1h", True),
    ],
)
def test_a_target_that_no_alert_can_tell_of_is_a_hint(target: float, window: str, hinted: bool) -> None:
    text = with_milestones("a", "b") + objective("latency: {from: a, to: b, within: 2h}")
    text = text.replace("target: 0.9,", f"target: {target}, window: {window},")
    findings = lint({"a.yaml": text}, load({"a.yaml": text}))
    assert [one.path for one in findings] == (["spec.target"] if hinted else [])
    if hinted:
        assert findings[0].message == f"of {target:g} allows so much in {window} that no burn-rate alert can ever fire"


def test_a_pause_that_only_a_milestone_ends_is_a_hint() -> None:
    text = with_milestones("a", more="  pauses_on: [{exact: {type: x}}]\n")
    (finding,) = lint({"a.yaml": text}, load({"a.yaml": text}))
    assert (finding.severity, finding.path) == (Severity.HINT, "spec.pauses_on")


EXPECTING = """\
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office}
spec: {zone: UTC, hours: {mon-fri: ["09:00-17:00"]}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: s}
spec: {expect: %s}
"""


def test_an_expected_type_that_no_filter_takes_is_a_warning_and_one_that_nobody_waits_for_a_hint() -> None:
    text = with_milestones(
        "a", "b, source: s, on: {exact: {source: s, type: b.done}}", more="  observes: [{exact: {type: seen}}]\n"
    )

    def of(expect: str) -> list[tuple[Severity, str, str]]:
        whole = text + EXPECTING % expect
        findings = lint({"a.yaml": whole}, load({"a.yaml": whole}))
        return [(one.severity, one.path, one.message) for one in findings if "expect" in one.path]

    assert of("{every: 1h}") == []
    assert of("{type: b.done, every: 1h}") == []
    assert of("[{every: 1h}, {type: b.dome, every: 1h}]") == [
        (Severity.WARNING, "spec.expect[1].type", "no filter of any workflow takes 'b.dome' from 's'")
    ]
    assert of("{type: seen, every: 1h}") == [
        (Severity.HINT, "spec.expect.type",
         "no milestone waits for 'seen' alone: nothing is blind when it does not come")
    ]  # fmt: skip
    assert of("{by: every business day 06:00, calendar: office, opens: 1d}") == []
    assert of("{by: every business day 06:00, calendar: office, opens: 30h}") == [
        (Severity.WARNING, "spec.expect.opens",
         "1d6h may reach beyond the moment before: one arrival then counts for both")
    ]  # fmt: skip


@given(changed())
@settings(max_examples=examples(200))
def test_whatever_loads_can_be_linted(values: list[Any]) -> None:
    text = spelled(values)
    try:
        definitions = load({"a.yaml": text})
    except DefinitionError:
        return
    findings = lint({"a.yaml": text}, definitions)
    assert findings == sorted(findings)
    assert all(one.line >= 1 and one.path and one.message and one.suggestion for one in findings)


def check(folder: Path, *flags: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", str(folder), *flags])
    return result.exit_code, result.output


def test_warnings_fail_a_strict_check_only_and_hints_none(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(with_milestones("a", more="  pauses_on: [{exact: {type: x}}]\n"))
    code, text = check(tmp_path, "--strict")
    assert code == 0
    assert f"{file}:8: spec.pauses_on: hint: " in text
    file.write_text(with_milestones("a", "b, on: {exact: {type: a}}"))
    code, text = check(tmp_path)
    assert code == 0
    assert f"{file}:10: spec.milestones[1].on: warning: " in text
    assert "No faults: 1 workflow, " in text
    code, text = check(tmp_path, "--strict")
    assert code == 1
    assert text.endswith("1 warning.\n")


def test_the_packs_pass_a_strict_check() -> None:
    assert CliRunner().invoke(app, ["check", "packs", "--strict"]).exit_code == 0


def test_values_of_reads_what_spelled_writes() -> None:
    text = with_milestones("a")
    assert values_of(spelled(values_of(text))) == values_of(text)
