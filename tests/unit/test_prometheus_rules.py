"""The rules for Prometheus: which alerts there are, and what Prometheus itself makes of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from milepost.definition_files import PACKS, read_definitions
from milepost.prometheus_rules import prometheus_rules
from slo_rules.burn_rates import TIERS, is_reachable, lookbacks
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.objective import Objective
from slo_rules.periods import Period
from slo_rules.windows import CalendarWindow, Window

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on the PATH")


def objective(target: float = 0.99, window: Window = 30 * DAY, title: str = "Paid") -> Objective:
    return Objective("paid", title, "", "orders", "latency", "received", "paid", HOUR, target, window)


def rules_of(one: Objective) -> list[dict[str, Any]]:
    (group, unknown) = yaml.safe_load(prometheus_rules([one]))["groups"]
    assert [rule["alert"] for rule in unknown["rules"]] == ["MilepostObjectivesUnknown"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


@pytest.mark.parametrize(
    ("window", "factors"),
    [
        (30 * DAY, [14.4, 6, 3, 1]),
        (CalendarWindow(Period.MONTH), [14.4, 6, 3, 1]),
        (90 * DAY, [43.2, 18, 9, 3]),
        (7 * DAY, [14.4, 6, 3, 1]),
        (CalendarWindow(Period.WEEK), [14.4, 6, 3, 1]),
    ],
)
def test_the_burn_rates_are_those_of_the_workbook(window: Window, factors: list[float]) -> None:
    assert [tier.factor(window) for tier in TIERS] == factors
    assert all(tier.long == 12 * tier.short for tier in TIERS)


def test_it_is_looked_back_over_what_alerts_ask_for() -> None:
    minutes = {5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR}
    assert lookbacks(30 * DAY) == [*sorted(minutes), DAY, 3 * DAY, 30 * DAY]
    assert lookbacks(CalendarWindow(Period.DAY)) == [5 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, DAY]
    assert lookbacks(2 * DAY) == [*sorted(minutes), DAY, 2 * DAY]
    assert lookbacks(HOUR) == [HOUR]


def test_an_alert_that_can_never_fire_is_left_out_and_said() -> None:
    assert [is_reachable(tier, objective(0.93)) for tier in TIERS] == [False, True, True, True]
    text = prometheus_rules([objective(0.93)])
    assert "# paid: no alert on a burn rate of 14.4; with a target of 0.93 the budget never burns as fast." in text
    (page,) = [rule for rule in rules_of(objective(0.93)) if rule["labels"].get("severity") == "page"]
    assert "burn_rate:6h" in page["expr"]
    assert "burn_rate:1h" not in page["expr"]
    none = [rule["alert"] for rule in rules_of(objective(0.01)) if "alert" in rule]
    assert none == ["MilepostObjectiveBurning", "MilepostObjectiveBudgetSpent"]


def test_a_short_window_has_only_the_alerts_that_lie_within_it() -> None:
    assert [rule.get("record") or rule["alert"] for rule in rules_of(objective(window=HOUR))] == [
        "objective:milepost_objective_budget:items",
        "MilepostObjectiveBudgetSpent",
    ]


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def series(good: dict[str, int], bad: dict[str, int], left: float) -> list[dict[str, str]]:
    """The gauges of an objective that stay as they are."""
    labels = 'objective="paid",workflow="orders"'
    found = [
        {"series": f'milepost_objective_{name}{{{labels},window="{window}",instance="a"}}', "values": f"{count}+0x60"}
        for name, counts in (("good", good), ("bad", bad))
        for window, count in counts.items()
    ]
    return [*found, {"series": f"milepost_objective_budget_left_ratio{{{labels}}}", "values": f"{left}+0x60"}]


def firing(tmp_path: Path, one: Objective, given: list[dict[str, str]], expected: dict[str, str]) -> None:
    """Let Prometheus say which severity of which alert fires, with its summary, after ten minutes."""
    (tmp_path / "rules.yml").write_text(prometheus_rules([one]), "utf-8")
    names = ("MilepostObjectiveBurning:page", "MilepostObjectiveBurning:ticket", "MilepostObjectiveBudgetSpent:ticket")
    burning: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        alert, severity = name.split(":")
        labels = {"objective": "paid", "workflow": "orders", "severity": severity}
        found = burning.setdefault(alert, [])
        if name in expected:
            summary, description = expected[name].split("|")
            found.append({"exp_labels": labels, "exp_annotations": {"summary": summary, "description": description}})
    test = {
        "interval": "1m",
        "input_series": given,
        "alert_rule_test": [
            {"eval_time": "10m", "alertname": alert, "exp_alerts": found} for alert, found in burning.items()
        ],
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}), "utf-8")
    promtool("test", "rules", str(tmp_path / "tests.yml"))


NONE = dict.fromkeys(("5m", "30m", "1h", "2h", "6h", "1d", "3d"), 0)


@needs_promtool
class TestWithPrometheus:
    def test_the_rules_of_the_packs_are_rules(self, tmp_path: Path) -> None:
        file = tmp_path / "rules.yml"
        file.write_text(prometheus_rules(read_definitions([PACKS]).objectives.values()), "utf-8")
        promtool("check", "rules", "--lint-fatal", str(file))

    def test_a_fast_burn_pages(self, tmp_path: Path) -> None:
        """3 bad of 100 that 30 days allow, in one hour: 720 hours would spend the budget 21.6 times."""
        good, bad = {"30d": 9900, "1d": 300}, NONE | {"5m": 1, "30m": 2, "1h": 3, "30d": 100, "1d": 3}
        paid = {
            "MilepostObjectiveBurning:page": "{{ Paid }}: the error budget is being spent too fast|"
            "At this pace the budget (30d) is spent 21.6 times over."
        }
        firing(tmp_path, objective(title="{{ Paid }}"), series(good, bad, 0.5), paid)

    def test_what_is_over_alerts_no_more(self, tmp_path: Path) -> None:
        good, bad = {"30d": 9900, "1d": 300}, NONE | {"1h": 3, "30d": 100, "1d": 3}
        firing(tmp_path, objective(), series(good, bad, 0.5), {})

    def test_one_bad_item_alone_is_no_trend(self, tmp_path: Path) -> None:
        """100 in 30 days at 99 %: one may be bad, and its burn rate is 720."""
        good, bad = (
            {"30d": 99, "1d": 3},
            NONE | {"5m": 1, "30m": 1, "1h": 1, "2h": 1, "6h": 1, "1d": 1, "3d": 1, "30d": 1},
        )
        firing(tmp_path, objective(), series(good, bad, 0.1), {})

    def test_a_young_objective_is_judged_by_what_a_whole_window_will_bring(self, tmp_path: Path) -> None:
        """After a day with 300 items, of which 4 were bad, 90 are allowed in 30 days and not 3."""
        good, bad = {"30d": 296, "1d": 296}, NONE | {"2h": 1, "6h": 1, "1d": 4, "3d": 4, "30d": 4}
        firing(tmp_path, objective(), series(good, bad, 0.1), {})

    def test_a_slow_burn_is_a_ticket_and_so_is_a_spent_budget(self, tmp_path: Path) -> None:
        good, bad = {"30d": 9880, "1d": 300}, NONE | {"2h": 2, "6h": 3, "1d": 12, "3d": 14, "30d": 120}
        firing(
            tmp_path,
            objective(window=CalendarWindow(Period.MONTH, "Europe/Berlin")),
            series(good, bad, -0.2),
            {
                "MilepostObjectiveBurning:ticket": "Paid: the error budget is being spent too fast|"
                "At this pace the budget (month of Europe/Berlin) is spent 3.6 times over.",
                "MilepostObjectiveBudgetSpent:ticket": "Paid: the error budget is spent|"
                "More was bad (month of Europe/Berlin) than the target of 0.99 allows.",
            },
        )
