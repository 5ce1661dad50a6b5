"""OpenSLO v1: what is read as an objective, what is refused and why, and that what is exported reads as it was."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from milepost.cli import app
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.faults import DefinitionError, Severity
from slo_rules.lint import lint
from slo_rules.objective import Objective
from slo_rules.openslo_export import NotExpressible, export_openslo
from slo_rules.periods import Period
from slo_rules.windows import CalendarWindow
from slo_rules.workflow import Definitions
from tests.definition_texts import changed, spelled, values_of
from tests.examples import examples

EXAMPLES = Path(__file__).parent.parent / "data" / "openslo"

WORKFLOW = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: operations, title: Orders}
spec:
  entity: order
  keys: {order: data.order_id}
  milestones:
    - {name: received, on: {exact: {type: received}}, starts: true}
    - {name: paid, on: {exact: {type: paid}}, completes: true}
"""
LATENCY = """
apiVersion: openslo/v1
kind: SLO
metadata:
  name: paid-in-time
  displayName: Paid in time
  labels: {tier: [one, two]}
  annotations: {milepost/owner: billing, other.example.com/board: x}
spec:
  description: Most are paid in time.
  service: orders
  indicator:
    metadata: {name: paid-in-time}
    spec:
      ratioMetric:
        counter: false
        good: {metricSource: {type: milepost, spec: {workflow: orders, latency: {from: received, to: paid, within: 4h}}}}
        total: {metricSource: {type: milepost, spec: {workflow: orders}}}
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: Good, targetPercent: 99.9}]
"""
FRESHNESS = """
apiVersion: openslo/v1
kind: DataSource
metadata: {name: here}
spec: {type: milepost, connectionDetails: {url: "http://127.0.0.1:8080"}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: age}
spec:
  thresholdMetric:
    metricSource:
      metricSourceRef: here
      spec: {workflow: orders, freshness: {from: received, to: paid, within: 90m}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: fresh}
spec:
  service: orders
  indicatorRef: age
  budgetingMethod: Timeslices
  objectives: [{op: lte, value: 5400, target: 0.95, timeSliceTarget: 1.0, timeSliceWindow: 5m}]
"""


def faults(*texts: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load({f"{number}.yaml": text for number, text in enumerate((WORKFLOW, *texts))})
    return [f"{fault.path}: {fault.message}" for fault in caught.value.faults]


def refused(text: str, old: str, new: str) -> list[str]:
    assert old in text
    return faults(text.replace(old, new))


def test_a_latency_slo_is_an_objective() -> None:
    found = load({"a.yaml": WORKFLOW, "b.yaml": LATENCY})
    assert found.objectives == {
        "paid-in-time": Objective(
            name="paid-in-time",
            title="Paid in time",
            owner="billing",
            workflow="orders",
            kind="latency",
            start="received",
            end="paid",
            within=4 * HOUR,
            target=0.999,
            window=28 * DAY,
        )
    }


def test_a_freshness_slo_that_names_its_sli_is_an_objective() -> None:
    """In whatever order the files are read; without a window it has that of an Objective."""
    expected = Objective("fresh", "fresh", "", "orders", "freshness", "received", "paid", 90 * MINUTE, 0.95, 30 * DAY)
    slo_first = "\n---\n".join(reversed(FRESHNESS.split("---")))
    for text in (FRESHNESS, slo_first):
        assert load({"b.yaml": text, "c.yaml": WORKFLOW}).objectives == {"fresh": expected}


def test_a_threshold_says_latency_as_well() -> None:
    ratio = LATENCY[LATENCY.index("      ratioMetric") : LATENCY.index("  timeWindow")]
    source = "{type: milepost, spec: {workflow: orders, latency: {from: received, to: paid, within: 4h}}}"
    text = LATENCY.replace(ratio, f"      thresholdMetric: {{metricSource: {source}}}\n")
    text = text.replace("targetPercent: 99.9", "op: lte, value: 14400, target: 0.999")
    found = load({"a.yaml": WORKFLOW, "b.yaml": text})
    assert found.objectives == load({"a.yaml": WORKFLOW, "b.yaml": LATENCY}).objectives


def test_a_success_slo_is_an_objective() -> None:
    text = LATENCY.replace("latency: {from: received, to: paid, within: 4h}", "success: {cancelled: bad}")
    objective = load({"a.yaml": WORKFLOW, "b.yaml": text}).objectives["paid-in-time"]
    assert (objective.kind, objective.cancelled_is_bad, objective.target) == ("success", True, 0.999)
    threshold = FRESHNESS.replace("freshness: {from: received, to: paid, within: 90m}", "success: {}")
    assert faults(threshold) == [
        "spec.budgetingMethod: success counts items: say Occurrences",
        "spec.objectives[0]: success has no time to compare with: say a ratioMetric of 'good' and 'total'",
        "spec.objectives[0].timeSliceTarget: success counts items and has no slices",
        "spec.objectives[0].timeSliceWindow: success counts items and has no slices",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("targetPercent: 99.9", "target: 1", "spec.objectives[0].target: must lie between 0 and 1, such as 0.99"),
        ("targetPercent: 99.9", "targetPercent: 100", "spec.objectives[0].targetPercent: must lie between 0 and 100"),
        ("targetPercent: 99.9", "target: high", "spec.objectives[0].target: must be a number"),
        ("targetPercent: 99.9", "x: 1", "spec.objectives[0].x: unknown field 'x'"),
        ("targetPercent: 99.9", "target: 0.9, targetPercent: 90", "spec.objectives[0]: say exactly one of 'target'"),
        ("targetPercent: 99.9}", "target: 0.9}, {target: 0.99}", "spec.objectives: has 2 entries; Milepost keeps one"),
        (
            "targetPercent: 99.9",
            "target: 0.9, compositeWeight: 2",
            "spec.objectives[0].compositeWeight: Milepost has no",
        ),
        (
            "targetPercent: 99.9",
            "target: 0.9, value: 3",
            "spec.objectives[0].value: has a meaning only for a threshold",
        ),
        (
            "targetPercent: 99.9",
            "target: 0.9, timeSliceWindow: 5m",
            "spec.objectives[0].timeSliceWindow: latency counts",
        ),
        ("duration: 4w", "duration: 1M", "spec.timeWindow[0].duration: months, quarters and years differ in length"),
        ("duration: 4w", "duration: 1.5d", "spec.timeWindow[0].duration: must be a duration such as 30d"),
        ("duration: 4w", "duration: 9999d", "spec.timeWindow[0].duration: '9999d' is longer than ten years"),
        ("isRolling: true", "isRolling: false", "spec.timeWindow[0]: say either isRolling: true, or"),
        (
            "isRolling: true",
            "calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}",
            "spec.timeWindow[0].duration: must be one of 1d, 1w, 1M, 1Q, 1Y beside a calendar",
        ),
        ("Occurrences", "Timeslices", "spec.budgetingMethod: latency counts items: say Occurrences"),
        ("Occurrences", "RatioTimeslices", "spec.budgetingMethod: latency counts items: say Occurrences"),
        ("Occurrences", "Sometimes", "spec.budgetingMethod: must be one of Occurrences, Timeslices, RatioTimeslices"),
        ("good: {metricSource: {type: milepost", "good: {metricSource: {type: Milepost", "did you mean 'milepost'?"),
        (
            "good: {metricSource: {type: milepost",
            "good: {metricSource: {type: Datadog",
            "only what is of type 'milepost'",
        ),
        (
            "total: {metricSource: {type: milepost",
            "total: {metricSource: {type: X",
            "ratioMetric.total.metricSource.type:",
        ),
        ("type: milepost, spec: {workflow: orders}", "metricSourceRef: x", "there is no DataSource 'x'"),
        (
            "type: milepost, spec: {workflow: orders}",
            "type: milepost, spec: {workflow: x}",
            "must have the same 'spec'",
        ),
        ("within: 4h", "within: soon", "good.metricSource.spec.latency.within: 'soon' is not a duration"),
        (
            "to: paid",
            "to: payed",
            "spec.latency.to: the workflow 'orders' has no milestone 'payed' — did you mean 'paid'?",
        ),
        ("{workflow: orders, latency", "{workflow: order, latency", "there is no workflow 'order'"),
        ("{workflow: orders, latency", "{workflow: orders, target: 1, latency", "target: stands in the SLO"),
        ("spec: {workflow: orders, latency", "spec: {workflow: orders, delay", "unknown field 'delay'"),
        ("milepost/owner", "milepost/owners", "metadata.annotations.milepost/owners: unknown annotation"),
        ("name: paid-in-time\n", "name: Paid In Time\n", "metadata.name: 'Paid In Time' is not a name"),
        ("service: orders", "services: orders", "spec: the field 'service' is missing"),
        (
            "  indicator:\n",
            "  indicatorRef: x\n  indicator:\n",
            "spec: say exactly one of 'indicator' or 'indicatorRef'",
        ),
        ("kind: SLO", "kind: SLOs", "kind: must be one of SLO, DataSource"),
    ],
)
def test_what_milepost_cannot_do_is_refused_with_the_reason(old: str, new: str, expected: str) -> None:
    found = refused(LATENCY, old, new)
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("value: 5400", "value: 90", "spec.objectives[0].value: must be 5400, the seconds of 'within'"),
        ("op: lte", "op: gt", "spec.objectives[0].op: must be lte"),
        ("op: lte, value: 5400, ", "", "spec.objectives[0]: a thresholdMetric needs op: lte"),
        ("timeSliceWindow: 5m", "timeSliceWindow: 1m", "spec.objectives[0].timeSliceWindow: must be 5m"),
        ("timeSliceTarget: 1.0", "timeSliceTarget: 0.9", "spec.objectives[0].timeSliceTarget: must be 1"),
        (", timeSliceTarget: 1.0, timeSliceWindow: 5m", "", "spec.objectives[0]: freshness needs timeSliceTarget: 1"),
        ("Timeslices", "Occurrences", "spec.budgetingMethod: freshness counts slices of 5m: say Timeslices"),
        ("indicatorRef: age", "indicatorRef: ages", "spec.indicatorRef: there is no SLI 'ages' — did you mean 'age'?"),
        ("metricSourceRef: here", "metricSourceRef: there", "there is no DataSource 'there' — did you mean 'here'?"),
        ("metricSourceRef: here", "metricSourceRef: here, type: Prometheus", "is of type 'milepost', not 'Prometheus'"),
        ("{name: here}", "{name: here, title: x}", "metadata.title: unknown field 'title'"),
        ("{name: fresh}", "{name: fresh, displayName: [x]}", "metadata.displayName: must be text"),
    ],
)
def test_what_a_freshness_slo_must_say(old: str, new: str, expected: str) -> None:
    text = FRESHNESS.replace("metricSourceRef: here\n", "metricSourceRef: here,\n") if "\n" in old else FRESHNESS
    if "type: Prometheus" in new:
        old, new = "metricSourceRef: here\n", "metricSourceRef: here\n      type: Prometheus\n"
    found = refused(text, old, new)
    assert any(expected in fault for fault in found), found


def test_all_faults_are_named_at_once_and_once() -> None:
    """Also those of an SLI that two SLOs name, and of what Milepost cannot do."""
    second = FRESHNESS[FRESHNESS.rindex("---") :].replace("name: fresh", "name: fresher")
    text = (FRESHNESS + second).replace("type: milepost", "type: Redshift").replace("0.95", "95")
    found = faults(text.replace("value: 5400", "value: x"))
    assert found == [
        "spec.thresholdMetric.metricSource: Milepost measures only what is of type 'milepost', not 'Redshift'",
        "spec.objectives[0].target: must lie between 0 and 1, such as 0.99",
        "spec.objectives[0].value: must be a number",
        "spec.objectives[0].target: must lie between 0 and 1, such as 0.99",
        "spec.objectives[0].value: must be a number",
    ]


@pytest.mark.parametrize(
    ("duration", "start", "expected"),
    [
        ("1M", "2026-01-01 00:00:00", CalendarWindow(Period.MONTH, "America/New_York")),
        ("1w", "2026-11-16 00:00:00", CalendarWindow(Period.WEEK, "America/New_York")),
        ("1Q", "2026-10-01 00:00:00", CalendarWindow(Period.QUARTER, "America/New_York")),
        ("1M", "2026-01-02 00:00:00", "startTime: no month of Milepost begins then: at midnight, weeks on Monday"),
        ("1d", "2020-01-21 12:30:00", "startTime: no day of Milepost begins then"),
        ("1Q", "2026-02-01 00:00:00", "startTime: no quarter of Milepost begins then"),
        ("1Y", "9999-01-01 00:00:00", "startTime: no year of Milepost begins then"),
        ("1M", "2026-01-01", "startTime: must be a date and a time of day without a zone"),
        ("2M", "2026-01-01 00:00:00", "duration: must be one of 1d, 1w, 1M, 1Q, 1Y beside a calendar"),
    ],
)
def test_a_calendar_is_a_period_where_milepost_has_it(
    duration: str, start: str, expected: CalendarWindow | str
) -> None:
    window = f"{{duration: {duration}, calendar: {{startTime: {start}, timeZone: America/New_York}}}}"
    text = LATENCY.replace("{duration: 4w, isRolling: true}", window)
    if isinstance(expected, CalendarWindow):
        assert load({"a.yaml": WORKFLOW, "b.yaml": text}).objectives["paid-in-time"].window == expected
    else:
        (fault,) = faults(text)
        assert expected in fault


def test_a_zone_that_there_is_not_is_refused() -> None:
    window = "{duration: 1M, isRolling: false, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Berlin}}"
    text = LATENCY.replace("{duration: 4w, isRolling: true}", window)
    expected = "there is no time zone 'Berlin' — did you mean 'Europe/Berlin'?"
    assert faults(text) == [f"spec.timeWindow[0].calendar.timeZone: {expected}"]


def test_one_name_is_one_objective_in_whatever_language() -> None:
    own = """
apiVersion: milepost/v1
kind: Objective
metadata: {name: paid-in-time}
spec: {workflow: orders, latency: {from: received, to: paid, within: 1h}, target: 0.9, missing_data: bad}
"""
    assert faults(own, LATENCY) == ["metadata.name: a Objective named 'paid-in-time' is defined twice"]
    assert faults(LATENCY, LATENCY) == [
        "metadata.name: SLO 'paid-in-time' is defined twice",
        "metadata.name: a Objective named 'paid-in-time' is defined twice",
    ]


def test_every_example_of_openslo_is_read_or_refused_with_its_reason() -> None:
    found = []
    for file in sorted(EXAMPLES.rglob("*.yaml")):
        name = str(file.relative_to(EXAMPLES))
        try:
            read = load({name: file.read_text("utf-8")})
        except DefinitionError as error:
            found += [str(fault) for fault in error.faults]
        else:
            assert not read.objectives
            found.append(f"{name}: read")
    assert found == (EXAMPLES / "expected.txt").read_text("utf-8").splitlines()


def test_what_stands_there_for_other_programs_is_hinted_at() -> None:
    policy = (EXAMPLES / "readme" / "alert-policy-inline.yaml").read_text("utf-8")
    service = "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: orders}\nspec: {}\n"
    texts = {
        "a.yaml": WORKFLOW,
        "b.yaml": LATENCY + "  alertPolicies: [{alertPolicyRef: AlertPolicy}]\n",
        "c.yaml": policy,
        "d.yaml": FRESHNESS,
        "e.yaml": service,
        "f.yaml": service.replace("orders", "shop"),
    }
    findings = [one for one in lint(texts, load(texts)) if one.file != "a.yaml"]
    assert [(one.file, one.path, one.severity) for one in findings] == [
        ("b.yaml", "spec.alertPolicies", Severity.WARNING),
        ("c.yaml", "kind", Severity.HINT),
        ("f.yaml", "kind", Severity.HINT),
    ]


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
    bomb = LATENCY.replace("labels: {tier: [one, two]}", "labels:\n    " + "\n    ".join(lines))
    assert any("more than" in fault for fault in faults(bomb))


BASE = [[*values_of(WORKFLOW), *values_of(LATENCY), *values_of(FRESHNESS)]]


@given(changed(bases=BASE, most=4))
@settings(max_examples=examples(150))
def test_whatever_is_written_is_read_or_refused(values: list[Any]) -> None:
    text = spelled(values)
    try:
        found = load({"a.yaml": text})
    except DefinitionError:
        return
    lint({"a.yaml": text}, found)
    for objective in found.objectives.values():
        assert 0 < objective.target < 1
        assert objective.kind == "success" or objective.start in found.workflows[objective.workflow].by_name


@given(st.data())
@settings(max_examples=examples(150))
def test_any_value_in_any_place_is_read_or_refused(data: st.DataObject) -> None:
    scalars = st.none() | st.booleans() | st.integers(-5, 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    anything = st.recursive(scalars | st.text(max_size=5), lambda x: st.lists(x, max_size=2), max_leaves=3)
    values = copy.deepcopy(BASE[0])
    place: Any = data.draw(st.sampled_from(values[1:]))
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(anything | st.just({}) | st.dictionaries(st.text(max_size=3), anything, max_size=2))
    text = yaml.safe_dump_all(values)
    try:
        lint({"a.yaml": text}, load({"a.yaml": text}))
    except DefinitionError:
        return


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9_.-]{0,20}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=60)
TEXTS = TEXTS.filter(lambda text: bool(text.strip()))
ROLLING = st.integers(1, 999_999).map(lambda n: n * MINUTE) | st.integers(1, 3650).map(lambda n: n * DAY)
CALENDAR = st.builds(
    CalendarWindow, st.sampled_from(Period), st.sampled_from(["UTC", "Asia/Kathmandu", "Europe/Berlin"])
)
PROMISES = st.builds(
    Objective,
    name=NAMES,
    title=TEXTS,
    owner=TEXTS | st.just(""),
    workflow=st.just("orders"),
    kind=st.sampled_from(["latency", "freshness"]),
    start=st.sampled_from(["received", "paid"]),
    end=st.sampled_from(["received", "paid"]),
    within=st.integers(1, 3650 * 86_400).map(lambda n: n * SECOND),
    target=st.floats(0, 1, exclude_min=True, exclude_max=True, allow_subnormal=False) | st.sampled_from([0.99, 0.999]),
    window=ROLLING | CALENDAR,
)
OF_SUCCESS = st.builds(
    msgspec.structs.replace,
    PROMISES,
    kind=st.just("success"),
    start=st.just(""),
    end=st.just(""),
    within=st.just(0),
    cancelled_is_bad=st.booleans(),
)
OBJECTIVES = PROMISES | OF_SUCCESS


def with_objectives(objectives: list[Objective]) -> Definitions:
    definitions = load({"a.yaml": WORKFLOW})
    definitions.objectives.update({one.name: one for one in objectives})
    return definitions


@given(st.lists(OBJECTIVES, max_size=4))
@example([Objective("a", " x\x85\n\u2028 ", "#\n\n", "orders", "latency", "received", "paid", SECOND, 1e-7, DAY)])
@settings(max_examples=examples(100))
def test_what_is_exported_reads_as_it_was(objectives: list[Objective]) -> None:
    definitions = with_objectives(objectives)
    exported = export_openslo(definitions)
    again = load({"a.yaml": WORKFLOW, "b.yaml": exported})
    assert again.objectives == definitions.objectives


def test_windows_that_openslo_cannot_say_are_all_named() -> None:
    definitions = load({"a.yaml": WORKFLOW, "b.yaml": LATENCY})
    objective = definitions.objectives["paid-in-time"]
    for seconds in (90, 30):
        name = f"w{seconds}"
        definitions.objectives[name] = msgspec.structs.replace(objective, name=name, window=seconds * SECOND)
    with pytest.raises(NotExpressible) as caught:
        export_openslo(definitions)
    assert caught.value.reasons == [
        "w30: OpenSLO cannot say a window of 30s; whole minutes are the least",
        "w90: OpenSLO cannot say a window of 1m30s; whole minutes are the least",
    ]


class TestCommandLine:
    def run(self, *arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, [*arguments])
        return result.exit_code, result.stdout, result.stderr

    def test_the_packs_are_exported_and_checked(self, tmp_path: Path) -> None:
        code, text, _ = self.run("export", "openslo", "packs")
        assert code == 0
        exported = [one for one in values_of(text) if one["kind"] == "SLO"]
        assert len(exported) > 5
        code, text, _ = self.run("export", "prometheus", "packs")
        assert code == 0
        assert len(yaml.safe_load(text)["groups"]) == len(exported) + 1

    def test_an_export_takes_the_place_of_the_objectives(self, tmp_path: Path) -> None:
        (tmp_path / "orders.yaml").write_text(WORKFLOW)
        (tmp_path / "slo.yaml").write_text(LATENCY + "---" + FRESHNESS)
        code, exported, _ = self.run("export", "openslo", str(tmp_path))
        assert code == 0
        (tmp_path / "slo.yaml").write_text(exported)
        assert self.run("export", "openslo", str(tmp_path)) == (0, exported, "")
        code, text, _ = self.run("check", str(tmp_path))
        assert code == 0
        assert "1 workflow, 2 objectives" in text
        assert "Milepost does nothing with" not in text

    def test_faults_and_nothing_to_export_are_said(self, tmp_path: Path) -> None:
        (tmp_path / "orders.yaml").write_text(WORKFLOW)
        code, text, error = self.run("export", "prometheus", str(tmp_path))
        assert (code, text, error) == (1, "", "There are no objectives: nothing is exported.\n")
        (tmp_path / "slo.yaml").write_text(LATENCY.replace("4w", "1M"))
        code, text, error = self.run("export", "openslo", str(tmp_path))
        assert (code, text) == (1, "")
        assert f"{tmp_path}/slo.yaml:19: spec.timeWindow[0].duration: months" in error
        code, _, error = self.run("check", str(tmp_path))
        assert code == 1
        assert "1 fault." in error


def test_the_document_shows_what_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "openslo.md").read_text("utf-8")
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    workflow = WORKFLOW.replace("orders", "order-to-cash").replace("name: received", "name: opportunity_won")
    found = load({"a.yaml": workflow.replace("name: paid", "name: order_accepted"), "b.yaml": shown})
    assert found.objectives["orders-accepted-in-time"].within == 4 * HOUR
