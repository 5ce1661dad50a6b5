"""Definition files to the model: `load` reads, maps and checks, and names every fault of every file at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from slo_rules.calendar_definitions import read_calendar
from slo_rules.calendars import CalendarRules
from slo_rules.deadline_definitions import calendar_references
from slo_rules.deadlines import AROUND_THE_CLOCK
from slo_rules.documents import Document, load_documents
from slo_rules.faults import DefinitionError, Fault
from slo_rules.filter_definitions import filters_of, members_of, paths_of, read_filter, text_of
from slo_rules.maintenance import EXCLUDES, read_exclusion, with_maintenance
from slo_rules.milestone_definitions import read_milestones
from slo_rules.objective_definitions import read_objective, with_references
from slo_rules.openslo import is_openslo, read_openslo
from slo_rules.openslo_forms import API_VERSION as OPENSLO
from slo_rules.reading import Reader, spelled, suggestion
from slo_rules.source_definitions import read_source, with_calendars
from slo_rules.target_fields import TARGET_KINDS
from slo_rules.workflow import (
    DEFAULT_ORPHAN_AFTER,
    DEFAULT_SKEW,
    JOINS_AT_MOST,
    Alias,
    Definitions,
    KeyRule,
    Source,
    Workflow,
)

MOST_JOINED = 10_000
API_VERSION = "milepost/v1"
TOLERATE = "tolerate"
ALERTING = {"Team": "teams", "Severity": "severities", "Maintenance": "maintenance", "Inhibition": "inhibitions"}
"""Kinds that stay documents like routes and targets, and where in the definitions they stand."""
ROUTE_FIELDS = ("send_to", "match", "hours", "group_by", "repeat_every", "escalate", "routes", "continue", "digest")
ALERTING_FIELDS = {
    "Team": ("send_to", "hours", "members", "on_call", "runbook", "digest", "zone", "locale"),
    "Severity": ("rules",),
    "Maintenance": ("match", "from", "to", "for", "repeat", "zone", "reason", EXCLUDES),
    "Inhibition": ("when", "mutes", "equal"),
}
KINDS = ("Workflow", "Objective", "Calendar", "Source", "Route", "Target", *ALERTING)
_KEY = ("path", "joins", "case", "strip_prefix", "strip_zeros", "unique", "aliases", "joins_at_most")
_LIFE = ("fails_on", "cancels_on", "pauses_on", "resumes_on", "restarts_on", "completion")


def load(texts: Mapping[str, str]) -> Definitions:
    """The definitions in these files (name → YAML text). Raises DefinitionError with all faults of all files."""
    faults: list[Fault] = []
    documents: list[Document] = []
    for file, text in texts.items():
        found, unreadable = load_documents(text, file)
        documents += found
        faults += unreadable
    definitions = _read(documents, faults)
    if faults:
        raise DefinitionError(faults)
    return definitions


def fingerprint(workflow: Workflow) -> str:
    """Equal for definitions that say the same, whatever their version number and the order of what is named in them."""
    # JSONB, in which definitions are stored, does not keep the order of names.
    said = msgspec.json.encode(msgspec.structs.replace(workflow, version=0), order="deterministic")
    return hashlib.sha256(said).hexdigest()[:16]


def _read(documents: list[Document], faults: list[Fault]) -> Definitions:
    read: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    specs: dict[tuple[str, str], Reader] = {}

    def keep(kind: str, name: str, metadata: Reader, spec: Reader, before: int) -> None:
        model = _READERS[kind](name, metadata, spec)
        if name in read[kind]:
            metadata.at("name").fault(f"a {kind} named {name!r} is defined twice")
        elif name:
            # A faulty definition still takes its name, so that what refers to it is not called unknown as well.
            read[kind][name] = model if len(faults) == before else None
            specs[kind, name] = spec

    for document in documents:
        if is_openslo(document):
            continue
        top = Reader(document, faults, document.value)
        before = len(faults)
        if not top.mapping(("apiVersion", "kind", "metadata", "spec"), ("apiVersion", "kind", "metadata", "spec")):
            continue
        if (version := top.optional("apiVersion")) and version.value != API_VERSION:
            version.fault(f"must be {API_VERSION} or {OPENSLO}, not {str(version.value)[:60]!r}")
        kind = top.optional("kind")
        if kind is None:
            continue
        if not isinstance(kind.value, str) or kind.value not in KINDS:
            elsewhere = " — tests stand in files named *.test.yaml"
            meant = elsewhere if kind.value == "Test" else suggestion(str(kind.value), KINDS)
            kind.fault(f"must be one of {', '.join(KINDS)}{meant}")
            continue
        metadata, spec = top.optional("metadata"), top.optional("spec")
        if metadata is None or spec is None or not metadata.mapping(None, ("name",)):
            continue
        name = named.name() if (named := metadata.optional("name")) else ""
        keep(kind.value, name, metadata, spec, before)
    for said in read_openslo(filter(is_openslo, documents), faults):
        if said.spec is not None:
            keep("Objective", said.name, said.metadata, said.spec, len(faults))
    _check_references(read, specs)
    return Definitions(
        read["Workflow"],
        read["Objective"],
        read["Calendar"],
        read["Source"],
        read["Route"],
        read["Target"],
        **{field: read[kind] for kind, field in ALERTING.items()},
    )


def _check_references(read: dict[str, dict[str, Any]], specs: dict[tuple[str, str], Reader]) -> None:
    for name, workflow in read["Workflow"].items():
        if workflow is not None:
            counted = _with_calendars(workflow, specs["Workflow", name], read["Calendar"])
            read["Workflow"][name] = _with_skews(counted, read["Source"])
    for name, source in read["Source"].items():
        if source is not None:
            read["Source"][name] = with_calendars(source, specs["Source", name], read["Calendar"])
    said = {name: read_exclusion(specs["Maintenance", name]) for name, one in read["Maintenance"].items() if one}
    windows = {name: one for name, one in said.items() if one is not None}
    for name, objective in read["Objective"].items():
        if objective is None:
            continue
        spec = specs["Objective", name]
        if objective.workflow not in read["Workflow"]:
            known = suggestion(objective.workflow, read["Workflow"])
            spec.fault(f"there is no workflow {objective.workflow!r}{known}", (*spec.path, "workflow"))
            continue
        workflow = read["Workflow"][objective.workflow]
        if workflow is not None:
            objective = with_references(objective, workflow, spec, read["Calendar"], read["Source"])
            read["Objective"][name] = with_maintenance(objective, workflow, windows)


def _with_calendars(workflow: Workflow, spec: Reader, calendars: dict[str, CalendarRules | None]) -> Workflow:
    """The workflow with the calendars it counts on; those that are not there are faults."""
    used: dict[str, CalendarRules] = {}
    for name, path in calendar_references(spec):
        if name == AROUND_THE_CLOCK:
            continue
        if name not in calendars:
            spec.fault(f"there is no calendar {name!r}{suggestion(name, calendars)}", path)
        elif (rules := calendars[name]) is not None:
            used[name] = rules
    return msgspec.structs.replace(workflow, calendars=dict(sorted(used.items())))


def _with_skews(workflow: Workflow, sources: dict[str, Source | None]) -> Workflow:
    """The workflow with how far the clocks of its sources may be off, where that is not the default."""
    found = {one.source: sources.get(one.source) for one in workflow.milestones if one.source is not None}
    skews = {name: source.skew for name, source in sorted(found.items()) if source and source.skew != DEFAULT_SKEW}
    return msgspec.structs.replace(workflow, skews=skews)


# Workflow


def _workflow(name: str, metadata: Reader, spec: Reader) -> Workflow | None:
    metadata.mapping(("name", "domain", "owner", "title", "description"), ("domain", "owner"))
    known = ("entity", "keys", "attributes", "value", "title", "calendar", "milestones", "observes", "orphans", *_LIFE)
    if not spec.mapping(known, ("entity", "keys", "milestones")):
        return None
    owner = text_of(metadata, "owner")
    keys = _keys(spec)
    attributes = _attributes(spec)
    milestones = read_milestones(spec, owner, attributes, keys)
    namespaces = [rule.namespace for rule in keys]
    title_keys = namespaces
    if title := spec.optional("title"):
        title_keys = [entry.text() for entry in members_of(title)]
        for word in title_keys:
            if word and word not in namespaces:
                title.fault(f"there is no key {word!r}{suggestion(word, namespaces)}")
    amount, currency = _value(spec)
    return Workflow(
        name=name,
        domain=text_of(metadata, "domain"),
        owner=owner,
        entity=text_of(spec, "entity"),
        title=text_of(metadata, "title") or name,
        description=text_of(metadata, "description", longest=2000),
        version=1,
        keys=tuple(keys),
        milestones=tuple(milestones),
        title_keys=tuple(title_keys),
        attributes=attributes,
        amount=amount,
        currency=currency,
        observes=filters_of(spec, "observes"),
        fails_on=filters_of(spec, "fails_on"),
        cancels_on=filters_of(spec, "cancels_on"),
        pauses_on=filters_of(spec, "pauses_on"),
        resumes_on=filters_of(spec, "resumes_on"),
        restarts_on=filters_of(spec, "restarts_on"),
        completes_with_all=_completes_with_all(spec),
        orphan_after=_orphan_after(spec),
    )


def _completes_with_all(spec: Reader) -> bool:
    entry = spec.optional("completion")
    if entry is not None and entry.value not in ("any", "all"):
        entry.fault("must be 'any' or 'all': whether one completing milestone is enough")
    return entry is not None and entry.value == "all"


def _orphan_after(spec: Reader) -> int | None:
    """`{after: 1h}`, or `tolerate` for never."""
    entry = spec.optional("orphans")
    if entry is None:
        return DEFAULT_ORPHAN_AFTER
    if entry.value == TOLERATE:
        return None
    if not isinstance(entry.value, dict):
        entry.fault(f"must be '{TOLERATE}', or {{after: 1h}}: how long the start is waited for")
        return None
    if not entry.mapping(("after",), ("after",)) or not entry.optional("after"):
        return None
    return entry.at("after").duration()


def _keys(spec: Reader) -> list[KeyRule]:
    keys = spec.optional("keys")
    rules: list[KeyRule] = []
    if keys is None or not keys.mapping():
        return rules
    for namespace in keys.value:
        entry = keys.at(namespace)
        Reader(entry.document, entry.faults, namespace, entry.path).name()
        if isinstance(entry.value, (str, list)):
            rules.append(KeyRule(namespace, paths_of(entry)))
        elif entry.mapping(_KEY, ("path",)) and entry.optional("path"):
            rules.append(_key(namespace, entry))
    if rules and not any(rule.joins for rule in rules):
        keys.fault("no key joins: at least one key must identify the instance")
    if not keys.value:
        keys.fault("at least one key is needed to identify an instance")
    return rules


def _key(namespace: str, entry: Reader) -> KeyRule:
    joins, zeros, case = entry.optional("joins"), entry.optional("strip_zeros"), entry.optional("case")
    unique, aliases = entry.optional("unique"), entry.optional("aliases")
    if aliases is not None and joins is not None and joins.value is False:
        aliases.fault("only a key that joins can have aliases: say them where the key identifies the instance")
    if case is not None and case.value not in ("upper", "lower"):
        case.fault("must be 'upper' or 'lower'")
    prefixes = members_of(entry.at("strip_prefix")) if entry.optional("strip_prefix") else ()
    return KeyRule(
        namespace=namespace,
        paths=paths_of(entry.at("path")),
        joins=joins.flag() if joins else True,
        case=str(case.value) if case else "",
        strip_prefix=tuple(prefix.text(longest=50) for prefix in prefixes),
        strip_zeros=zeros is not None and zeros.flag(),
        unique=unique is not None and unique.flag(),
        joins_at_most=_joins_at_most(entry, joins),
        aliases=tuple(found for found in aliases.each(_alias) if found is not None) if aliases else (),
    )


def _joins_at_most(entry: Reader, joins: Reader | None) -> int:
    most = entry.optional("joins_at_most")
    if most is None:
        return JOINS_AT_MOST
    if joins is not None and joins.value is False:
        most.fault("only a key that joins has a limit to what it joins")
    if isinstance(most.value, bool) or not isinstance(most.value, int) or not 2 <= most.value <= MOST_JOINED:
        most.fault(f"must be a number from 2 to {MOST_JOINED:,}: how many instances one value may join")
        return JOINS_AT_MOST
    return most.value


def _alias(entry: Reader) -> Alias | None:
    if not entry.mapping(("on", "old", "new"), ("on", "old", "new")):
        return None
    on, old, new = (entry.optional(field) for field in ("on", "old", "new"))
    condition = read_filter(on) if on else None
    paths = [paths_of(one) if one else () for one in (old, new)]
    return Alias(condition, *paths) if condition is not None else None


def _attributes(spec: Reader) -> dict[str, tuple[str, ...]]:
    attributes = spec.optional("attributes")
    if attributes is None or not attributes.mapping():
        return {}
    found = {}
    for name in attributes.value:
        Reader(attributes.document, attributes.faults, name, (*attributes.path, name)).text(longest=100)
        if name.startswith("$"):
            attributes.at(name).fault("an attribute's name must not start with '$'")
        found[name] = paths_of(attributes.at(name))
    return found


def _value(spec: Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    value = spec.optional("value")
    if value is None or not value.mapping(("amount", "currency"), ("amount",)):
        return (), ()
    amount, currency = value.optional("amount"), value.optional("currency")
    return (paths_of(amount) if amount else ()), (paths_of(currency) if currency else ())


# What alerting reads


def _route(_name: str, metadata: Reader, spec: Reader) -> dict[str, Any] | None:
    metadata.mapping(("name", "owner", "title", "description"), ())
    required = () if spec.optional("routes") else ("send_to",)
    return _place(metadata, spec) if spec.mapping(ROUTE_FIELDS, required) else None


def _alerting(fields: tuple[str, ...]) -> Callable[[str, Reader, Reader], dict[str, Any] | None]:
    def read(_name: str, metadata: Reader, spec: Reader) -> dict[str, Any] | None:
        metadata.mapping(("name", "owner", "title", "description"), ())
        return _place(metadata, spec) if spec.mapping(fields) else None

    return read


def _target(_name: str, metadata: Reader, spec: Reader) -> dict[str, Any] | None:
    metadata.mapping(("name", "owner", "title", "description"), ())
    return _place(metadata, spec) if spec.mapping(tuple(TARGET_KINDS), ()) else None


def _place(metadata: Reader, spec: Reader) -> dict[str, Any]:
    """A document that alerting reads, and where it stands."""
    lines = {spelled(path): line for path, line in spec.document.lines.items()}
    place = {"file": spec.document.file, "line": metadata.document.line(("metadata",)), "lines": lines}
    return {"metadata": metadata.value, "spec": spec.value, **place}


_READERS: dict[str, Any] = {
    "Workflow": _workflow,
    "Objective": read_objective,
    "Calendar": read_calendar,
    "Source": read_source,
    "Route": _route,
    "Target": _target,
    **{kind: _alerting(fields) for kind, fields in ALERTING_FIELDS.items()},
}
