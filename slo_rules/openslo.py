"""OpenSLO v1 in definition files: an SLO whose metric source is Milepost says what an Objective says.

It is put into the words of an Objective, each with the place it was read from, and read as one; what Milepost cannot
carry out of it is refused. Documents of other kinds are looked at for their form, and serve where an SLO names them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from slo_rules.buckets import BUCKET
from slo_rules.documents import Document
from slo_rules.durations import MINUTE, format_duration, parse_duration
from slo_rules.faults import Fault, Finding
from slo_rules.noting import Noting
from slo_rules.objective import MissingData
from slo_rules.openslo_forms import (
    API_VERSION,
    FORMS,
    metric_sources,
    read_description,
    read_inline,
    read_metadata,
    read_number,
    read_operator,
    read_word,
)
from slo_rules.openslo_windows import read_window
from slo_rules.reading import Reader, suggestion

MILEPOST = "milepost"
"""The type of a metric source that says what Milepost counts."""
OWNER = "milepost/owner"
"""The annotation that says whose an objective is."""
KINDS = ("SLO", *FORMS)
SLICE = format_duration(BUCKET)
"""The slices that freshness counts, as OpenSLO writes a duration."""
_METHODS = {"latency": "Occurrences", "freshness": "Timeslices", "success": "Occurrences"}
_NO_WORDS = "OpenSLO has no words for it: write a document of kind: Objective"
_COUNTED = {"latency": "items", "freshness": f"slices of {SLICE}", "success": "items"}
_SHARES = {"target": 1, "targetPercent": 100}
_OBJECTIVE = (
    *("displayName", "op", "value", "timeSliceTarget", "timeSliceWindow"),
    *("indicator", "indicatorRef", "compositeWeight", *_SHARES),
)
_Found = dict[str, dict[str, Reader]]


class Said(NamedTuple):
    """An SLO in the words of an Objective: its metadata, and its spec where the metric source stands, if it can be."""

    name: str
    metadata: Reader
    spec: Reader | None


def is_openslo(document: Document) -> bool:
    """Whether a document is written in OpenSLO v1."""
    return isinstance(document.value, dict) and document.value.get("apiVersion") == API_VERSION


def read_openslo(documents: Iterable[Document], faults: list[Fault]) -> list[Said]:
    """What the SLOs among these documents of OpenSLO v1 say; all that is wrong and all that cannot be done is noted."""
    found: _Found = {kind: {} for kind in KINDS}
    noted: list[Fault] = []
    slos: list[tuple[str, Reader, Reader]] = []
    for document in documents:
        top = Reader(document, noted, document.value)
        required = ("apiVersion", "kind", "metadata", "spec")
        top.mapping(required, required)
        kind, metadata, spec = (top.optional(field) for field in required[1:])
        if kind is None:
            continue
        if not isinstance(kind.value, str) or kind.value not in KINDS:
            kind.fault(f"must be one of {', '.join(KINDS)}{suggestion(str(kind.value), KINDS)}")
            continue
        name = read_metadata(metadata) if metadata else ""
        if metadata is None or spec is None:
            continue
        if kind.value in FORMS:
            FORMS[kind.value](spec)
        else:
            slos.append((name, metadata, spec))
        if name in found[kind.value]:
            metadata.at("name").fault(f"{kind.value} {name!r} is defined twice")
        elif name:
            found[kind.value][name] = spec
    said = [_slo(name, metadata, spec, found) for name, metadata, spec in slos]
    # An SLI that several SLOs name is looked at for each of them.
    faults += dict.fromkeys(noted)
    return [
        one._replace(spec=one.spec and one.spec.noting(faults), metadata=one.metadata.noting(faults)) for one in said
    ]


def _slo(name: str, metadata: Reader, spec: Reader, found: _Found) -> Said:
    known = ("indicator", "indicatorRef", "timeWindow", "alertPolicies", "description")
    required = ("service", "budgetingMethod", "objectives")
    said: dict[str, Any] = {"name": name}
    if name:
        said["name"] = metadata.at("name").name()
    if title := metadata.optional("displayName"):
        said["title"] = title.noting([]).text()
    if owner := _owner(metadata):
        said["owner"] = owner
    words = Said(name, Reader(metadata.document, metadata.faults, said, metadata.path), None)
    if not spec.mapping((*known, *required), required):
        return words
    read_description(spec)
    if (service := spec.optional("service")) is not None:
        service.text()
    window = read_window(spec)
    if policies := spec.optional("alertPolicies"):
        policies.each(lambda entry: read_inline(entry, "alertPolicyRef", "AlertPolicy"))
    objective = _objective(spec)
    target = _target(objective) if objective else 0.0
    source = _indicator(spec, found)
    measured = source.optional("spec") if source else None
    if source is not None and measured is None:
        source.fault("the field 'spec' is missing: it names the workflow, and what is measured of it")
    if measured is None or not measured.mapping():
        _check_method(spec, objective, "")
        return words
    for field in ("target", "window"):
        if field in measured.value:
            measured.at(field).fault("stands in the SLO, not in its metric source")
    kind = next((kind for kind in _METHODS if measured.optional(kind)), "")
    if volume := measured.optional("volume"):
        volume.fault(_NO_WORDS)
    if kind == "freshness" and (of_source := measured.at(kind).optional("source")):
        of_source.fault(_NO_WORDS)
        return words
    _check_method(spec, objective, kind)
    if objective is not None:
        _check_threshold(objective, measured, kind, by_value="thresholdMetric" in source.path if source else False)
    # A fault that was noted refuses the file; what stands here in its stead lets the others be found.
    value = {"missing_data": MissingData.BAD.value, **measured.value, "target": target or 0.5}
    value |= {"window": window} if window else {}
    return words._replace(spec=Reader(measured.document, measured.faults, value, measured.path))


def _owner(metadata: Reader) -> str:
    annotations = metadata.optional("annotations")
    if annotations is None or not isinstance(annotations.value, dict):
        return ""
    for annotation in annotations.value:
        if annotation.startswith(OWNER.partition("/")[0] + "/") and annotation != OWNER:
            annotations.at(annotation).fault(f"unknown annotation{suggestion(annotation, [OWNER])}")
    owner = annotations.optional(OWNER)
    return owner.noting([]).text() if owner else ""


def _objective(spec: Reader) -> Reader | None:
    """The one objective, with every field of the right form; None where there is another number of them."""
    objectives = spec.optional("objectives")
    if objectives is None:
        return None
    entries = [entry for entry in objectives.each(lambda entry: entry) if entry.mapping(_OBJECTIVE)]
    if isinstance(objectives.value, list) and len(objectives.value) != 1:
        objectives.fault(f"has {len(objectives.value)} entries; Milepost keeps one target: write an SLO for each")
        return None
    for entry in entries:
        if title := entry.optional("displayName"):
            title.text()
        if operator := entry.optional("op"):
            read_operator(operator)
        if value := entry.optional("value"):
            read_number(value)
        for field in ("indicator", "indicatorRef", "compositeWeight"):
            if composed := entry.optional(field):
                composed.fault("Milepost has no composite SLOs: write an SLO for each objective")
    return entries[0] if entries else None


def _target(objective: Reader) -> float:
    """The share that must be good; 0 after a fault."""
    given = [field for field in _SHARES if objective.optional(field)]
    if len(given) != 1:
        objective.fault("say exactly one of 'target' or 'targetPercent'")
        return 0.0
    entry, whole = objective.at(given[0]), _SHARES[given[0]]
    number = read_number(entry)
    if number is None:
        return 0.0
    share = float(Decimal(str(number)) / whole)
    if not 0 < share < 1:
        entry.fault(f"must lie between 0 and {whole}, such as {Decimal('0.99') * whole}")
        return 0.0
    return share


def _indicator(spec: Reader, found: _Found) -> Reader | None:
    """The metric source that says what is measured; None after a fault."""
    inline, named = spec.optional("indicator"), spec.optional("indicatorRef")
    objectives = spec.value.get("objectives")
    if inline is None and named is None and _is_composite(objectives):
        return None
    if (inline is None) == (named is None):
        spec.fault("say exactly one of 'indicator' or 'indicatorRef'")
        return None
    if named is not None:
        name = named.text()
        if name and name not in found["SLI"]:
            named.fault(f"there is no SLI {name!r}{suggestion(name, found['SLI'])}")
        sli = found["SLI"].get(name)
    else:
        assert inline is not None
        if not inline.mapping(("metadata", "spec"), ("spec",)):
            return None
        if (metadata := inline.optional("metadata")) is not None:
            read_metadata(metadata)
        sli = inline.optional("spec")
    return _measured(metric_sources(sli), found["DataSource"]) if sli else None


def _is_composite(objectives: object) -> bool:
    return isinstance(objectives, list) and any(
        isinstance(entry, dict) and ("indicator" in entry or "indicatorRef" in entry) for entry in objectives
    )


def _measured(sources: dict[str, Reader], data_sources: dict[str, Reader]) -> Reader | None:
    """The metric source with the promise, where all of them are Milepost's and speak of the same."""
    foreign = [source for source in sources.values() if not _is_milepost(source, data_sources)]
    if foreign:
        return None
    if (raw := sources.get("raw")) is not None:
        raw.fault("Milepost counts by itself and takes no ratio: say 'good' and 'total'")
        return None
    promise = sources.get("threshold") or sources.get("good") or sources.get("bad")
    total = sources.get("total")
    if promise is not None and total is not None:
        all_, part = total.value.get("spec"), promise.value.get("spec")
        if all_ != part and not (isinstance(part, dict) and all_ == {"workflow": part.get("workflow")}):
            total.fault("must have the same 'spec' as the other metric source, or name only its 'workflow'")
    return promise


def _is_milepost(source: Reader, data_sources: dict[str, Reader]) -> bool:
    """Whether a metric source says what Milepost counts; if not, that is a fault."""
    type_, named = source.optional("type"), source.optional("metricSourceRef")
    said = type_.value if type_ else None
    if named is not None and isinstance(named.value, str):
        data_source = data_sources.get(named.value)
        if data_source is None and type_ is None:
            known = suggestion(named.value, data_sources)
            named.fault(f"there is no DataSource {named.value!r}{known}, and no 'type' beside it")
            return False
        kept = data_source.value.get("type") if data_source and isinstance(data_source.value, dict) else None
        if said is not None and kept is not None and said != kept:
            named.fault(f"the DataSource {named.value!r} is of type {str(kept)[:60]!r}, not {str(said)[:60]!r}")
            return False
        said = said or kept
    if said == MILEPOST:
        return True
    if said is not None:
        place = type_ or source
        meant = suggestion(str(said).lower(), [MILEPOST])
        place.fault(f"Milepost measures only what is of type {MILEPOST!r}, not {str(said)[:60]!r}{meant}")
    return False


def _check_method(spec: Reader, objective: Reader | None, kind: str) -> None:
    """Whether the budget is counted as Milepost counts it for this kind of objective, if the kind is known."""
    entry = spec.optional("budgetingMethod")
    method = read_word(entry, ("Occurrences", "Timeslices", "RatioTimeslices")) if entry else ""
    if entry is None or not method:
        return
    if kind and method != _METHODS[kind]:
        entry.fault(f"{kind} counts {_COUNTED[kind]}: say {_METHODS[kind]}")
    elif method == "RatioTimeslices":
        entry.fault("Milepost takes no mean of ratios")
    if objective is None or not kind:
        return
    share, length = objective.optional("timeSliceTarget"), objective.optional("timeSliceWindow")
    if kind != "freshness":
        for field in (share, length):
            if field is not None:
                field.fault(f"{kind} counts items and has no slices")
        return
    if share is None or length is None:
        objective.fault(f"freshness needs timeSliceTarget: 1 and timeSliceWindow: {SLICE}")
    if share is not None and read_number(share) not in (None, 1):
        share.fault("must be 1: a slice in which one change was stale is bad")
    if length is not None and (isinstance(length.value, bool) or length.value not in (SLICE, BUCKET // MINUTE)):
        length.fault(f"must be {SLICE}: the slices of Milepost have this length")


def _check_threshold(objective: Reader, measured: Reader, kind: str, *, by_value: bool) -> None:
    """Whether what is compared with the metric says the same as the promise in its metric source."""
    operator, value = objective.optional("op"), objective.optional("value")
    if not by_value:
        for entry in (operator, value):
            if entry is not None:
                entry.fault("has a meaning only for a thresholdMetric: what is in time, its metric source says")
        return
    if kind == "success":
        objective.fault("success has no time to compare with: say a ratioMetric of 'good' and 'total'")
        return
    if operator is None or value is None:
        objective.fault("a thresholdMetric needs op: lte, and in 'value' the seconds of 'within'")
    if operator is not None and operator.value != "lte":
        operator.fault("must be lte: what comes just within the time is in time")
    promise = measured.value.get(kind)
    within = promise.get("within") if isinstance(promise, dict) else None
    try:
        seconds = parse_duration(str(within)) / 1_000_000
    except ValueError:
        return
    if value is not None and value.value != seconds:
        value.fault(f"must be {seconds:g}, the seconds of 'within' in the metric source")


def lint_openslo(documents: Iterable[Document], findings: list[Finding]) -> None:
    """Note what these documents, which were read without a fault, say in vain."""
    documents = list(documents)
    slos = [one for one in documents if one.value["kind"] == "SLO"]
    used = {word for one in slos for word in (one.value["spec"]["service"], one.value["spec"].get("indicatorRef"))}
    for document in documents:
        noting, kind, spec = Noting(document, findings), document.value["kind"], document.value["spec"]
        if kind == "SLO":
            if spec.get("alertPolicies"):
                noting.warn(
                    ("spec", "alertPolicies"),
                    "Milepost does not alert by the policies of OpenSLO",
                    "take the rules that `milepost export prometheus` prints, and a Route for what is stuck",
                )
        elif document.value["metadata"]["name"] not in used and spec.get("type") != MILEPOST:
            noting.hint(
                ("kind",),
                f"Milepost does nothing with this {kind}: it carries out SLOs and what they name",
                "leave it where it is for other programs",
            )
