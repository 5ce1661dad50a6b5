"""Rules for Prometheus on what Milepost exports of its objectives: burn rates, and alerts on them.

A burn rate here is what was bad in a time, against what the budget of the whole window allows for in that time. The
budget is that of the window as it was, or as it will be if it goes on like the last day; so neither a quiet night nor
a young objective makes one bad item look like a disaster.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from collector import metrics
from slo_rules.burn_rates import FEWEST_BAD, Tier, is_reachable, length_of, tiers_within
from slo_rules.durations import DAY, format_duration
from slo_rules.objective import Objective
from slo_rules.windows import spell_window
from slo_rules.yaml_text import spell_yaml

_GOOD, _BAD = metrics.name_of(metrics.OBJECTIVE_GOOD), metrics.name_of(metrics.OBJECTIVE_BAD)
_LEFT = metrics.name_of(metrics.OBJECTIVE_BUDGET_LEFT)
_BUDGET = "objective:milepost_objective_budget:items"
_BURN = "objective:milepost_objective_burn_rate:"
_BY = "max by (objective, workflow)"
_UNKNOWN_FOR = "15m"


def prometheus_rules(objectives: Iterable[Objective]) -> str:
    """A rule file: a group for each objective, by name, and one that says when nothing is known of any."""
    objectives = sorted(objectives, key=lambda one: one.name)
    groups = [_group(one) for one in objectives]
    if groups:
        groups.append({"name": "milepost_objectives", "rules": [_unknown()]})
    lines = ["# Made by `milepost export prometheus`; make it anew when definitions change."]
    lines += [
        f"# {one.name}: no alert on a burn rate of {_number(tier.factor(one.window))}; with a target of "
        f"{_number(one.target)} the budget never burns as fast."
        for one in objectives
        for tier in tiers_within(one.window)
        if not is_reachable(tier, one)
    ]
    return "\n".join([*lines, spell_yaml([{"groups": groups}])])


def _group(objective: Objective) -> dict[str, Any]:
    tiers = tiers_within(objective.window)
    times = sorted({time for tier in tiers for time in (tier.short, tier.long)})
    rules = [_budget(objective), *(_burn_rate(objective, time) for time in times)]
    reachable = [tier for tier in tiers if is_reachable(tier, objective)]
    rules += [
        _alert(objective, severity, [tier for tier in reachable if tier.severity == severity])
        for severity in dict.fromkeys(tier.severity for tier in reachable)
    ]
    rules.append(_spent(objective))
    # Prometheus takes two rules of one name for the same, unless their labels differ.
    labels = {"objective": objective.name, "workflow": objective.workflow}
    rules = [{**rule, "labels": labels | rule.get("labels", {})} for rule in rules]
    return {"name": f"milepost_objective_{objective.name}", "rules": rules}


def _budget(objective: Objective) -> dict[str, Any]:
    allowed = _number(1 - Decimal(str(objective.target)))
    length = length_of(objective.window)
    window = _counted(objective, length)
    if length > DAY:
        day = f"({_counted(objective, DAY)}) * {_number(round(Decimal(length) / DAY, 6))}"
        window = f"({window})\n  or\n  {day}"
    return {"record": _BUDGET, "expr": f"{allowed} * {_BY} (\n  {window}\n)"}


def _counted(objective: Objective, time: int) -> str:
    return f"{_series(_GOOD, objective, time)} + {_series(_BAD, objective, time)}"


def _series(name: str, objective: Objective, time: int) -> str:
    return f'{name}{{objective="{objective.name}",window="{format_duration(time)}"}}'


def _of(objective: Objective, name: str) -> str:
    return f'{name}{{objective="{objective.name}"}}'


def _burn_rate(objective: Objective, time: int) -> dict[str, Any]:
    bad = f"{_BY} ({_series(_BAD, objective, time)})"
    times = _number(round(Decimal(length_of(objective.window)) / time, 6))
    return {"record": f"{_BURN}{format_duration(time)}", "expr": f"{bad} * {times}\n/ {_of(objective, _BUDGET)}"}


def _alert(objective: Objective, severity: str, tiers: list[Tier]) -> dict[str, Any]:
    conditions = []
    for tier in tiers:
        factor = _number(tier.factor(objective.window))
        long, short = (_of(objective, f"{_BURN}{format_duration(time)}") for time in (tier.long, tier.short))
        bad = f"{_BY} ({_series(_BAD, objective, tier.long)})"
        conditions.append(f"(\n  {long} > {factor}\n  and {short} > {factor}\n  and {bad} >= {FEWEST_BAD}\n)")
    window = spell_window(objective.window)
    return {
        "alert": "MilepostObjectiveBurning",
        "expr": "\nor\n".join(conditions),
        "labels": {"severity": severity},
        "annotations": {
            "summary": f"{_quoted(objective.title)}: the error budget is being spent too fast",
            "description": f"At this pace the budget ({window}) is spent {{{{ $value | humanize }}}} times over.",
        },
    }


def _spent(objective: Objective) -> dict[str, Any]:
    return {
        "alert": "MilepostObjectiveBudgetSpent",
        "expr": f"{_BY} ({_of(objective, _LEFT)}) <= 0",
        "labels": {"severity": "ticket"},
        "annotations": {
            "summary": f"{_quoted(objective.title)}: the error budget is spent",
            "description": f"More was bad ({spell_window(objective.window)}) than the target of "
            f"{_number(objective.target)} allows.",
        },
    }


def _unknown() -> dict[str, Any]:
    return {
        "alert": "MilepostObjectivesUnknown",
        "expr": f"absent({_GOOD})",
        "for": _UNKNOWN_FOR,
        "labels": {"severity": "ticket"},
        "annotations": {"summary": "Nothing is known of any objective: Prometheus gets no metrics from Milepost"},
    }


def _number(value: Decimal | float) -> str:
    """A number as PromQL takes it, without the noise of binary fractions."""
    return f"{Decimal(str(value)).normalize():f}"


def _quoted(text: str) -> str:
    """A text as it stands, where Prometheus looks for templates."""
    return text.replace("{{", '{{ "{{" }}')
