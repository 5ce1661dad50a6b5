"""Definition files to the model: `load` reads, maps and checks, and names every fault of every file at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from slo_rules.calendar_definitions import read_calendar
from slo_rules.calendars import CalendarRules
from slo_rules.deadline_definitions import calendar_references, check_deadline, read_deadline
from slo_rules.deadlines import AROUND_THE_CLOCK
from slo_rules.documents import Document, load_documents
from slo_rules.faults import DefinitionError, Fault
from slo_rules.filters import SPAN_TYPE, All, Any_, Compare, Filter, Not, exact_value, spell
from slo_rules.reading import Reader, spelled, suggestion
from slo_rules.workflow import Definitions, KeyRule, Like, Milestone, Objective, Requirement, Source, Workflow

API_VERSION = "milepost/v1"
KINDS = ("Workflow", "Objective", "Calendar", "Source", "Route")
_LIFE = ("fails_on", "cancels_on", "pauses_on", "resumes_on")
_TOLERANCE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(%)?")
_ROOTS = ("source", "type", "id", "subject", "data", "resource")


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
    """Equal for definitions that say the same, whatever their version number."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(workflow, version=0))).hexdigest()[:16]


def _read(documents: list[Document], faults: list[Fault]) -> Definitions:
    read: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    readers: dict[tuple[str, str], Reader] = {}
    for document in documents:
        top = Reader(document, faults, document.value)
        before = len(faults)
        if not top.mapping(("apiVersion", "kind", "metadata", "spec"), ("apiVersion", "kind", "metadata", "spec")):
            continue
        if (version := top.optional("apiVersion")) and version.value != API_VERSION:
            version.fault(f"must be {API_VERSION}, not {str(version.value)[:60]!r}")
        kind = top.optional("kind")
        if kind is None:
            continue
        if not isinstance(kind.value, str) or kind.value not in KINDS:
            kind.fault(f"must be one of {', '.join(KINDS)}{suggestion(str(kind.value), KINDS)}")
            continue
        metadata, spec = top.optional("metadata"), top.optional("spec")
        if metadata is None or spec is None or not metadata.mapping(None, ("name",)):
            continue
        name = named.name() if (named := metadata.optional("name")) else ""
        model = _READERS[kind.value](name, metadata, spec)
        if name in read[kind.value]:
            metadata.at("name").fault(f"a {kind.value} named {name!r} is defined twice")
        elif name:
            # A faulty definition still takes its name, so that what refers to it is not called unknown as well.
            read[kind.value][name] = model if len(faults) == before else None
            readers[kind.value, name] = top
    _check_references(read, readers)
    return Definitions(read["Workflow"], read["Objective"], read["Calendar"], read["Source"], read["Route"])


def _check_references(read: dict[str, dict[str, Any]], readers: dict[tuple[str, str], Reader]) -> None:
    for name, workflow in read["Workflow"].items():
        if workflow is not None:
            read["Workflow"][name] = _with_calendars(workflow, readers["Workflow", name].at("spec"), read["Calendar"])
    for name, objective in read["Objective"].items():
        if objective is None:
            continue
        top = readers["Objective", name]
        if objective.workflow not in read["Workflow"]:
            known = suggestion(objective.workflow, read["Workflow"])
            top.fault(f"there is no workflow {objective.workflow!r}{known}", ("spec", "workflow"))
            continue
        workflow = read["Workflow"][objective.workflow]
        if workflow is None:
            continue
        for field, milestone in (("from", objective.start), ("to", objective.end)):
            if milestone not in workflow.by_name:
                known = suggestion(milestone, workflow.by_name)
                message = f"the workflow {workflow.name!r} has no milestone {milestone!r}{known}"
                top.fault(message, ("spec", objective.kind, field))


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


# Workflow


def _workflow(name: str, metadata: Reader, spec: Reader) -> Workflow | None:
    metadata.mapping(("name", "domain", "owner", "title", "description"), ("domain", "owner"))
    known = ("entity", "keys", "attributes", "value", "title", "calendar", "milestones", "observes", *_LIFE)
    if not spec.mapping(known, ("entity", "keys", "milestones")):
        return None
    owner = _text(metadata, "owner")
    keys = _keys(spec)
    attributes = _attributes(spec)
    milestones = _milestones(spec, owner, attributes)
    namespaces = [rule.namespace for rule in keys]
    title_keys = namespaces
    if title := spec.optional("title"):
        title_keys = [entry.text() for entry in _members(title)]
        for word in title_keys:
            if word and word not in namespaces:
                title.fault(f"there is no key {word!r}{suggestion(word, namespaces)}")
    amount, currency = _value(spec)
    return Workflow(
        name=name,
        domain=_text(metadata, "domain"),
        owner=owner,
        entity=_text(spec, "entity"),
        title=_text(metadata, "title") or name,
        description=_text(metadata, "description", longest=2000),
        version=1,
        keys=tuple(keys),
        milestones=tuple(milestones),
        title_keys=tuple(title_keys),
        attributes=attributes,
        amount=amount,
        currency=currency,
        observes=_filters(spec, "observes"),
        fails_on=_filters(spec, "fails_on"),
        cancels_on=_filters(spec, "cancels_on"),
        pauses_on=_filters(spec, "pauses_on"),
        resumes_on=_filters(spec, "resumes_on"),
    )


def _keys(spec: Reader) -> list[KeyRule]:
    keys = spec.optional("keys")
    rules: list[KeyRule] = []
    if keys is None or not keys.mapping():
        return rules
    for namespace in keys.value:
        entry = keys.at(namespace)
        Reader(entry.document, entry.faults, namespace, entry.path).name()
        if isinstance(entry.value, (str, list)):
            rules.append(KeyRule(namespace, _paths(entry)))
        elif entry.mapping(("path", "joins"), ("path",)) and entry.optional("path"):
            joins = entry.optional("joins")
            rules.append(KeyRule(namespace, _paths(entry.at("path")), joins.flag() if joins else True))
    if rules and not any(rule.joins for rule in rules):
        keys.fault("no key joins: at least one key must identify the instance")
    if not keys.value:
        keys.fault("at least one key is needed to identify an instance")
    return rules


def _milestones(spec: Reader, owner: str, attributes: Iterable[str]) -> list[Milestone]:
    entries = spec.optional("milestones")
    if entries is None:
        return []
    calendar = (entry.name() or None) if (entry := spec.optional("calendar")) else None
    found: list[tuple[Reader, Milestone]] = []
    for entry in _list(entries):
        milestone = _milestone(entry, found[-1][1].name if found else None, owner, calendar)
        if milestone is not None:
            if milestone.name and any(milestone.name == other.name for _, other in found):
                entry.fault(f"a milestone named {milestone.name!r} is there already")
                continue
            found.append((entry, milestone))
    if not found and isinstance(entries.value, list) and not entries.value:
        entries.fault("at least one milestone is needed")
    milestones = _with_ends([milestone for _, milestone in found])
    names = {milestone.name: milestone for milestone in milestones}
    for entry, milestone in found:
        if milestone.after is not None and milestone.after not in names:
            entry.fault(
                f"there is no milestone {milestone.after!r} to come after{suggestion(milestone.after, names)}",
                (*entry.path, "after"),
            )
        if milestone.name and _in_cycle(milestone, names):
            entry.fault(f"{milestone.name!r} waits for itself through its 'after' milestones", (*entry.path, "after"))
        if milestone.deadline is not None:
            check_deadline(entry, milestone.deadline, milestone.name, names, attributes)
        for index, requirement in enumerate(milestone.require):
            like = requirement.like
            if like is not None and (like.milestone not in names or like.milestone == milestone.name):
                others = [name for name in names if name != milestone.name]
                message = f"there is no other milestone {like.milestone!r}{suggestion(like.milestone, others)}"
                entry.fault(message, (*entry.path, "require", index, "equals", "of"))
    return milestones


def _with_ends(milestones: list[Milestone]) -> list[Milestone]:
    """Where no milestone is said to start or complete, the first starts and the last completes."""
    if milestones and not any(milestone.starts for milestone in milestones):
        milestones[0] = msgspec.structs.replace(milestones[0], starts=True)
    if milestones and not any(milestone.completes for milestone in milestones):
        milestones[-1] = msgspec.structs.replace(milestones[-1], completes=True)
    return milestones


def _in_cycle(milestone: Milestone, names: Mapping[str, Milestone]) -> bool:
    seen: set[str] = set()
    at: Milestone | None = milestone
    while at is not None and at.after is not None:
        if at.name in seen:
            return at.name == milestone.name
        seen.add(at.name)
        at = names.get(at.after)
    return False


def _milestone(entry: Reader, previous: str | None, owner: str, calendar: str | None) -> Milestone | None:
    known = ("name", "title", "on", "after", "within", "source", "owner", "starts", "completes", "require")
    if not entry.mapping(known, ("name", "on")) or not entry.optional("name"):
        return None
    name = entry.at("name").name()
    condition = _filter(entry.at("on")) if entry.optional("on") else None
    starts = bool((flag := entry.optional("starts")) and flag.flag())
    after = _text(entry, "after") or (None if starts else previous)
    deadline = read_deadline(entry, after, calendar)
    requirements = entry.optional("require")
    require = tuple(filter(None, requirements.each(_requirement))) if requirements else ()
    return Milestone(
        name=name,
        title=_text(entry, "title") or name.replace("_", " ").capitalize(),
        condition=condition or Not(All(())),
        after=after,
        deadline=deadline,
        source=_text(entry, "source") or (_awaited(condition) if condition else None),
        owner=_text(entry, "owner") or owner,
        starts=starts,
        completes=bool((flag := entry.optional("completes")) and flag.flag()),
        require=require,
    )


def _awaited(condition: Filter) -> str | None:
    return exact_value(condition, "source") or exact_value(condition, "service")


def _requirement(entry: Reader) -> Requirement | None:
    if not entry.mapping(("path", "exists", "equals"), ("path",)) or not entry.optional("path"):
        return None
    path = _check_path(entry.at("path"))
    equals, exists = entry.optional("equals"), entry.optional("exists")
    if (equals is None) == (exists is None):
        entry.fault("say either 'exists' or 'equals'")
    if equals and isinstance(equals.value, dict):
        return Requirement(path=path, like=_like(equals, path))
    if equals and not spell(equals.value):
        equals.fault("must be text, a number, true or false")
    return Requirement(
        path=path,
        exists=exists.flag() if exists else True,
        equals=spell(equals.value) if equals else None,
    )


def _like(equals: Reader, path: str) -> Like | None:
    """`{of: milestone, path: data.amount, tolerance: 0.01}`; the tolerance may be a share, such as `1%`."""
    if not equals.mapping(("of", "path", "tolerance"), ("of",)) or not equals.optional("of"):
        return None
    of = equals.at("of").text()
    other = _check_path(equals.at("path")) if equals.optional("path") else path
    tolerance, share = "0", False
    if entry := equals.optional("tolerance"):
        spelled = (spell(entry.value) or "").strip()
        found = _TOLERANCE.fullmatch(spelled)
        if found is None:
            entry.fault(f"{spelled[:80]!r} is no tolerance: write a number such as 0.01, or a share such as 1%")
        else:
            share = found[2] is not None
            tolerance = format(Decimal(found[1]) / (100 if share else 1), "f")
    return Like(of, other, tolerance, share)


def _attributes(spec: Reader) -> dict[str, tuple[str, ...]]:
    attributes = spec.optional("attributes")
    if attributes is None or not attributes.mapping():
        return {}
    found = {}
    for name in attributes.value:
        Reader(attributes.document, attributes.faults, name, (*attributes.path, name)).text(longest=100)
        if name.startswith("$"):
            attributes.at(name).fault("an attribute's name must not start with '$'")
        found[name] = _paths(attributes.at(name))
    return found


def _value(spec: Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    value = spec.optional("value")
    if value is None or not value.mapping(("amount", "currency"), ("amount",)):
        return (), ()
    amount, currency = value.optional("amount"), value.optional("currency")
    return (_paths(amount) if amount else ()), (_paths(currency) if currency else ())


# Filters


def _filters(spec: Reader, field: str) -> tuple[Filter, ...]:
    entries = spec.optional(field)
    return tuple(found for found in entries.each(_filter) if found is not None) if entries else ()


def _filter(entry: Reader, *, span: bool = False) -> Filter | None:
    if not entry.mapping(("exact", "prefix", "suffix", "all", "any", "not", "span")):
        return None
    if len(entry.value) != 1:
        entry.fault("a filter says exactly one of exact, prefix, suffix, all, any, not or span")
        return None
    (dialect,) = entry.value
    body = entry.at(dialect)
    if dialect in ("exact", "prefix", "suffix"):
        return _compare(dialect, body)
    if dialect in ("all", "any"):
        parts = [part for part in body.each(lambda part: _filter(part, span=span)) if part is not None]
        if isinstance(body.value, list) and not body.value:
            body.fault("must name at least one filter")
        return All(tuple(parts)) if dialect == "all" else Any_(tuple(parts))
    if dialect == "not":
        part = _filter(body, span=span)
        return Not(part) if part is not None else None
    if dialect == "span":
        if span:
            body.fault("a span filter cannot hold another")
        part = _filter(body, span=True)
        return All((Compare("exact", "type", SPAN_TYPE), part)) if part is not None else None
    return None


def _compare(dialect: Any, body: Reader) -> Filter | None:
    if not body.mapping():
        return None
    if not body.value:
        body.fault("must name at least one attribute")
    parts: list[Filter] = []
    for path in body.value:
        _check_path(Reader(body.document, body.faults, path, (*body.path, path)))
        text = spell(body.value[path])
        if text is None or text == "":
            body.at(path).fault("must be text, a number, true or false")
        else:
            parts.append(Compare(dialect, path, text))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


# Objective, Source, Route


def _objective(name: str, metadata: Reader, spec: Reader) -> Objective | None:
    metadata.mapping(("name", "owner", "title", "description"), ())
    if not spec.mapping(("workflow", "latency", "freshness", "target", "window"), ("workflow", "target")):
        return None
    kinds = [kind for kind in ("latency", "freshness") if spec.optional(kind)]
    if len(kinds) != 1:
        spec.fault("say exactly one of 'latency' or 'freshness'")
        return None
    rule = spec.at(kinds[0])
    if not rule.mapping(("from", "to", "within"), ("from", "to", "within")):
        return None
    within = rule.at("within").duration() if rule.optional("within") else None
    target = spec.optional("target")
    if target and (
        isinstance(target.value, bool) or not isinstance(target.value, (int, float)) or not 0 < target.value < 1
    ):
        target.fault("must be a share between 0 and 1, such as 0.99")
    window = spec.optional("window")
    return Objective(
        name=name,
        title=_text(metadata, "title") or name,
        owner=_text(metadata, "owner"),
        workflow=_text(spec, "workflow"),
        kind=kinds[0],
        start=_text(rule, "from"),
        end=_text(rule, "to"),
        within=within or 0,
        target=float(target.value) if target and isinstance(target.value, (int, float)) else 0.0,
        window=(window.duration() if window else None) or 30 * 86_400_000_000,
    )


def _source(name: str, metadata: Reader, spec: Reader) -> Source | None:
    metadata.mapping(("name", "owner", "title", "description"), ())
    if not spec.mapping(("silent_after",)):
        return None
    silent = spec.optional("silent_after")
    return Source(name, _text(metadata, "title"), _text(metadata, "owner"), silent.duration() if silent else None)


def _route(_name: str, metadata: Reader, spec: Reader) -> dict[str, Any] | None:
    metadata.mapping(("name", "owner", "title", "description"), ())
    if not spec.mapping(("send_to", "match"), ("send_to",)):
        return None
    lines = {spelled(path): line for path, line in spec.document.lines.items()}
    place = {"file": spec.document.file, "line": metadata.document.line(("metadata",)), "lines": lines}
    return {"metadata": metadata.value, "spec": spec.value, **place}


# Small readings


def _text(reader: Reader, field: str, *, longest: int = 500) -> str:
    member = reader.optional(field)
    return member.text(longest=longest) if member else ""


def _list(reader: Reader) -> Iterable[Reader]:
    return reader.each(lambda member: member)


def _members(reader: Reader) -> Iterable[Reader]:
    return _list(reader) if isinstance(reader.value, list) else [reader]


def _paths(reader: Reader) -> tuple[str, ...]:
    paths = tuple(path for member in _members(reader) if (path := _check_path(member)))
    if not paths and isinstance(reader.value, list) and not reader.value:
        reader.fault("must name at least one path")
    return paths


def _check_path(reader: Reader) -> str:
    path = reader.text(longest=300)
    if path and ("" in path.split(".") or path in ("data", "resource")):
        reader.fault(f"{path!r} is not a path: write it like data.order_id, resource.service.name or {_ROOTS[0]}")
        return ""
    return path


_READERS: dict[str, Any] = {
    "Workflow": _workflow,
    "Objective": _objective,
    "Calendar": read_calendar,
    "Source": _source,
    "Route": _route,
}
