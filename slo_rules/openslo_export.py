"""Objectives as OpenSLO v1: a Service for each workflow, and for each objective an SLO that reads as that objective."""

from __future__ import annotations

from typing import Any

from slo_rules.durations import format_duration
from slo_rules.exclusions import Exclusion
from slo_rules.instants import rfc3339
from slo_rules.objective import MissingData, Objective
from slo_rules.openslo import MILEPOST, OWNER, SLICE
from slo_rules.openslo_forms import API_VERSION, LONGEST_DESCRIPTION
from slo_rules.openslo_windows import spell
from slo_rules.windows import spell_window
from slo_rules.workflow import Definitions, Workflow
from slo_rules.yaml_text import spell_yaml


class NotExpressible(Exception):
    """What OpenSLO has no words for; carries a sentence for each objective."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("\n".join(reasons))


def export_openslo(definitions: Definitions) -> str:
    """YAML documents with every objective, by workflow and name. NotExpressible with all that cannot be written."""
    documents: list[dict[str, Any]] = []
    reasons: list[str] = []
    for workflow in sorted(definitions.workflows.values(), key=lambda one: one.name):
        objectives = sorted(
            (one for one in definitions.objectives.values() if one.workflow == workflow.name), key=_name
        )
        if objectives:
            documents.append(_service(workflow))
        for objective in objectives:
            window = spell(objective.window)
            if objective.volume is not None or objective.source:
                what = "volume" if objective.volume is not None else "the freshness of a source"
                reasons.append(f"{objective.name}: OpenSLO has no words for {what}")
                continue
            if window is None:
                said = spell_window(objective.window)
                least = "; whole minutes are the least" if isinstance(objective.window, int) else ""
                reasons.append(f"{objective.name}: OpenSLO cannot say a window of {said}{least}")
            else:
                documents.append(_slo(objective, window))
    if reasons:
        raise NotExpressible(reasons)
    return spell_yaml(documents)


def _name(objective: Objective) -> str:
    return objective.name


def _document(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _service(workflow: Workflow) -> dict[str, Any]:
    described = 0 < len(workflow.description) <= LONGEST_DESCRIPTION
    metadata = {"name": workflow.name, "displayName": workflow.title}
    return _document("Service", metadata, {"description": workflow.description} if described else {})


def _slo(objective: Objective, window: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": objective.name, "displayName": objective.title}
    if objective.owner:
        metadata["annotations"] = {OWNER: objective.owner}
    promise = {"from": objective.start, "to": objective.end, "within": format_duration(objective.within)}
    if objective.kind == "success":
        promise = {"cancelled": "bad"} if objective.cancelled_is_bad else {}
    elif objective.calendar is not None:
        promise["calendar"] = objective.calendar.name
    promised = {"workflow": objective.workflow, objective.kind: promise, **_more(objective)}
    measured: dict[str, Any]
    kept: dict[str, Any]
    if objective.kind != "freshness":
        measured = {
            "ratioMetric": {
                "counter": False,
                "good": _source(promised),
                "total": _source({"workflow": objective.workflow}),
            }
        }
        method, kept = "Occurrences", {"target": objective.target}
    else:
        measured = {"thresholdMetric": _source(promised)}
        seconds = objective.within // 1_000_000
        slices = {"timeSliceTarget": 1, "timeSliceWindow": SLICE}
        method, kept = "Timeslices", {"op": "lte", "value": seconds, "target": objective.target, **slices}
    spec = {
        "service": objective.workflow,
        "indicator": {"metadata": {"name": objective.name}, "spec": measured},
        "timeWindow": [window],
        "budgetingMethod": method,
        "objectives": [kept],
    }
    return _document("SLO", metadata, spec)


def _more(objective: Objective) -> dict[str, Any]:
    """What OpenSLO has no words for, in ours; what is usual is left out."""
    said: dict[str, Any] = {}
    if objective.missing_data is not MissingData.BAD:
        said["missing_data"] = objective.missing_data.value
    if objective.group_by:
        said["group_by"] = list(objective.group_by)
    if objective.by_value:
        said["by_value"] = True
    if objective.targets:
        said["targets"] = dict(objective.targets)
    if objective.exclude:
        said["exclude"] = [_exclusion(one) for one in objective.exclude]
    return said


def _exclusion(one: Exclusion) -> dict[str, Any]:
    said = {"from": rfc3339(one.since), "for": format_duration(one.length), "reason": one.reason, "zone": one.zone}
    return said | ({"repeat": one.repeat} if one.repeat else {})


def _source(spec: dict[str, Any]) -> dict[str, Any]:
    return {"metricSource": {"type": MILEPOST, "spec": spec}}
