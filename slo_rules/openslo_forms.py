"""The forms of OpenSLO v1: what stands in a document of each kind, whoever it is meant for.

What OpenSLO leaves to implementations, such as the `spec` of a metric source, is not looked into here. The form of an
`SLO` stands in `openslo.py`, for Milepost has to carry out every one it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from slo_rules.reading import Reader

API_VERSION = "openslo/v1"
LONGEST_NAME = 63
LONGEST_DESCRIPTION = 1050
OPERATORS = ("lte", "gte", "lt", "gt")
_DURATION = re.compile(r"[1-9][0-9]{0,5}([mhdwMQY])")
_METRICS = ("thresholdMetric", "ratioMetric")
_COUNTS = ("good", "bad", "total", "raw")


def read_metadata(metadata: Reader) -> str:
    """The name; the empty text after a fault."""
    if not metadata.mapping(("name", "displayName", "labels", "annotations"), ("name",)):
        return ""
    if (title := metadata.optional("displayName")) is not None:
        title.text()
    if (labels := metadata.optional("labels")) is not None and labels.mapping():
        for label in labels.value:
            value = labels.at(label)
            if isinstance(value.value, list):
                value.each(Reader.text)
            else:
                value.text()
    if (annotations := metadata.optional("annotations")) is not None and annotations.mapping():
        for annotation in annotations.value:
            annotations.at(annotation).text()
    name = metadata.optional("name")
    return name.text(longest=LONGEST_NAME) if name else ""


def read_description(spec: Reader) -> None:
    """Every kind may have one."""
    if (description := spec.optional("description")) is not None:
        description.text(longest=LONGEST_DESCRIPTION)


def read_shorthand(duration: Reader) -> str:
    """A duration as OpenSLO writes it, such as `30d`; the empty text after a fault."""
    if not isinstance(duration.value, str) or not _DURATION.fullmatch(duration.value):
        duration.fault("must be a duration such as 30d: a whole number and one of m, h, d, w, M, Q or Y")
        return ""
    return duration.value


def read_operator(operator: Reader) -> str:
    """How two numbers are compared; the empty text after a fault."""
    return read_word(operator, OPERATORS)


def read_word(entry: Reader, words: tuple[str, ...]) -> str:
    """One of these words; the empty text after a fault."""
    if not isinstance(entry.value, str) or entry.value not in words:
        entry.fault(f"must be one of {', '.join(words)}")
        return ""
    return entry.value


def read_number(entry: Reader) -> float | None:
    """A number; None after a fault."""
    if isinstance(entry.value, bool) or not isinstance(entry.value, (int, float)):
        entry.fault("must be a number")
        return None
    return entry.value


def metric_sources(spec: Reader) -> dict[str, Reader]:
    """The metric sources of an SLI by what they measure: `threshold`, `good`, `bad`, `total` or `raw`."""
    if not spec.mapping(("description", *_METRICS)):
        return {}
    read_description(spec)
    given = [metric for metric in _METRICS if spec.optional(metric)]
    if len(given) != 1:
        spec.fault("say exactly one of 'thresholdMetric' or 'ratioMetric'")
        return {}
    metric = spec.at(given[0])
    if given[0] == "thresholdMetric":
        source = _metric_source(metric)
        return {"threshold": source} if source else {}
    if not metric.mapping(("counter", "rawType", *_COUNTS)):
        return {}
    if (counter := metric.optional("counter")) is not None:
        counter.flag()
    if (raw_type := metric.optional("rawType")) is not None:
        read_word(raw_type, ("success", "failure"))
    counts = [count for count in _COUNTS if metric.optional(count)]
    if counts not in (["good", "total"], ["bad", "total"], ["raw"]):
        metric.fault("say either 'good' and 'total', 'bad' and 'total', or 'raw'")
    if ("raw" in counts) != (raw_type is not None):
        metric.fault("'raw' and 'rawType' belong together")
    read = {count: _metric_source(metric.at(count)) for count in counts}
    return {count: source for count, source in read.items() if source is not None}


def _metric_source(metric: Reader) -> Reader | None:
    if not metric.mapping(("metricSource",), ("metricSource",)):
        return None
    source = metric.optional("metricSource")
    if source is None or not source.mapping(("metricSourceRef", "type", "spec")):
        return None
    named = [entry.text() for field in ("metricSourceRef", "type") if (entry := source.optional(field))]
    if not named:
        source.fault("say its 'type', or the DataSource it is of in 'metricSourceRef'")
    return source


def _service(spec: Reader) -> None:
    if spec.mapping(("description",)):
        read_description(spec)


def _data_source(spec: Reader) -> None:
    if spec.mapping(("description", "type", "connectionDetails"), ("type",)):
        read_description(spec)
        if (type_ := spec.optional("type")) is not None:
            type_.text()


def _sli(spec: Reader) -> None:
    metric_sources(spec)


def _alert_policy(spec: Reader) -> None:
    flags = ("alertWhenNoData", "alertWhenResolved", "alertWhenBreaching")
    lists = ("conditions", "notificationTargets")
    if not spec.mapping(("description", *flags, *lists), lists):
        return
    read_description(spec)
    for flag in flags:
        if (entry := spec.optional(flag)) is not None:
            entry.flag()
    if (conditions := spec.optional("conditions")) is not None:
        conditions.each(lambda entry: read_inline(entry, "conditionRef", "AlertCondition"))
        if isinstance(conditions.value, list) and len(conditions.value) != 1:
            conditions.fault("must have exactly one entry")
    if (targets := spec.optional("notificationTargets")) is not None:
        targets.each(lambda entry: read_inline(entry, "targetRef", "AlertNotificationTarget"))


def read_inline(entry: Reader, reference: str, kind: str) -> None:
    """An object that is named by a field, or written where it is used."""
    if isinstance(entry.value, dict) and reference not in entry.value and "kind" in entry.value:
        if entry.mapping(("apiVersion", "kind", "metadata", "spec"), ("kind", "metadata", "spec")):
            read_word(entry.at("kind"), (kind,))
            if (metadata := entry.optional("metadata")) is not None:
                read_metadata(metadata)
            if (spec := entry.optional("spec")) is not None:
                FORMS[kind](spec)
    elif entry.mapping((reference,), (reference,)) and (named := entry.optional(reference)) is not None:
        named.text()


def _alert_condition(spec: Reader) -> None:
    if not spec.mapping(("description", "severity", "condition"), ("severity", "condition")):
        return
    read_description(spec)
    if (severity := spec.optional("severity")) is not None:
        severity.text()
    condition = spec.optional("condition")
    required = ("op", "threshold", "lookbackWindow")
    if condition is None or not condition.mapping(("kind", "alertAfter", *required), required):
        return
    if (kind := condition.optional("kind")) is not None:
        read_word(kind, ("burnrate",))
    if (operator := condition.optional("op")) is not None:
        read_operator(operator)
    if (threshold := condition.optional("threshold")) is not None:
        read_number(threshold)
    for field in ("lookbackWindow", "alertAfter"):
        entry = condition.optional(field)
        if entry is not None and not (field == "alertAfter" and entry.value == "0m"):
            read_shorthand(entry)


def _notification_target(spec: Reader) -> None:
    if spec.mapping(("description", "target"), ("target",)):
        read_description(spec)
        if (target := spec.optional("target")) is not None:
            target.text()


FORMS: dict[str, Callable[[Reader], None]] = {
    "DataSource": _data_source,
    "SLI": _sli,
    "Service": _service,
    "AlertPolicy": _alert_policy,
    "AlertCondition": _alert_condition,
    "AlertNotificationTarget": _notification_target,
}
"""By kind what looks at the `spec` of a document."""
