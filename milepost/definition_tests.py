"""Tests of definitions: documents of kind Test in files beside the definitions, run on a virtual clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from alerting.targets import Target
from milepost.definition_files import find_tests, read_definitions, read_texts
from milepost.digest_expectations import DigestExpectation, compare_digest, read_digest_expectation
from milepost.exercised import Exercised, exercised
from milepost.expectations import SHOWN, Expectation, Failure, compare, read_expectation, read_instant, spell_instant
from milepost.incident_expectations import IncidentExpectation, compare_incident, read_incident_expectation
from milepost.objective_expectations import ObjectiveExpectation, compare_objective, read_objective_expectation
from milepost.rehearsed_acts import RehearsedAct, check_silences, read_rehearsed_act
from milepost.rehearsed_alerting import Assumed, all_targets, rehearse
from milepost.routes import read_alerting
from slo_rules.acts import ACT_SOURCE, REHEARSED, RESERVED, BadAct, read_act
from slo_rules.definitions import API_VERSION
from slo_rules.documents import load_documents
from slo_rules.event import Event, event_key
from slo_rules.faults import DefinitionError, Fault
from slo_rules.filters import SPAN_TYPE
from slo_rules.instants import rfc3339
from slo_rules.matching import Matcher
from slo_rules.reading import Reader, suggestion
from slo_rules.rehearsal import Rehearsal
from slo_rules.workflow import Definitions

AnyExpectation = Expectation | ObjectiveExpectation | IncidentExpectation | DigestExpectation
KIND = "Test"
SPAN_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
SPAN_STATUSES = ("unset", "ok", "error")
MAX_ENTRIES = 10_000
MAX_EVENT_FILE_BYTES = 16 * 2**20
_CONTENT = ("id", "subject", "data", "resource", "extensions")
_OWN_ATTRIBUTES = frozenset(("specversion", "source", "type", "time", *_CONTENT))


class DefinitionTest(msgspec.Struct, frozen=True):
    """One test. `start` is where its clock begins (micros)."""

    name: str
    file: str
    line: int
    start: int
    events: tuple[Event, ...]
    expectations: tuple[AnyExpectation, ...]
    acts: tuple[RehearsedAct, ...] = ()

    @property
    def is_of_alerting(self) -> bool:
        """Whether it asks who is told."""
        return bool(self.acts) or any(
            isinstance(one, (IncidentExpectation, DigestExpectation)) for one in self.expectations
        )


class Outcome(msgspec.Struct, frozen=True):
    """What came of a test; `notes` name the events that were of no use, where something failed.

    `exercised` says of each workflow that the test asks about what it put to the test there, `objectives` which
    objectives it asks about.
    """

    test: DefinitionTest
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    seconds: float
    exercised: tuple[Exercised, ...] = ()
    objectives: tuple[str, ...] = ()


def read_with_tests(paths: list[Path]) -> tuple[Definitions, list[DefinitionTest]]:
    """The definitions in these files and folders, and their tests. DefinitionError with all faults of both."""
    faults: list[Fault] = []
    definitions: Definitions | None = None
    try:
        definitions = read_definitions(paths)
    except DefinitionError as error:
        faults += error.faults
    texts, unreadable = read_texts(find_tests(paths))
    faults += unreadable
    targets, of_alerting = _targets(definitions) if definitions is not None else (None, [])
    tests = read_tests(texts, definitions, faults, targets)
    if any(test.is_of_alerting for test in tests):
        faults += of_alerting
    if definitions is None or faults:
        raise DefinitionError(faults)
    return definitions, tests


def _targets(definitions: Definitions) -> tuple[dict[str, Target] | None, list[Fault]]:
    """The targets that can be told, or what is wrong with those who name them."""
    try:
        return all_targets(read_alerting(definitions, Assumed())), []
    except DefinitionError as error:
        return None, list(error.faults)


def run(tests: Iterable[DefinitionTest], definitions: Definitions) -> list[Outcome]:
    """The outcome of each test."""
    matcher = Matcher(definitions.workflows.values())
    return [_run(test, matcher, definitions) for test in tests]


def _run(test: DefinitionTest, matcher: Matcher, definitions: Definitions) -> Outcome:
    began = time.perf_counter()
    # The door makes no event of a span that no definition refers to: it is not a sign of life either.
    admitted: list[Event] = []
    refused: list[Event] = []
    for event in test.events:
        (admitted if event.type != SPAN_TYPE or matcher.matches(event) else refused).append(event)
    rehearsal = Rehearsal(matcher, definitions.sources.values(), admitted)
    failures: list[Failure] = []
    ordered = sorted(test.expectations, key=lambda one: one.at)
    alerting = None
    if test.is_of_alerting:
        times = [event.received_at for event in test.events] + [act.at for act in test.acts]
        first, last = min([*times, test.start, ordered[0].at]), ordered[-1].at
        alerting = rehearse(rehearsal, definitions, first, last, test.acts, test.start)
    for expectation in ordered:
        (alerting or rehearsal).proceed(expectation.at)
        failure: Failure | None
        if isinstance(expectation, IncidentExpectation):
            assert alerting is not None
            failure = compare_incident(expectation, alerting, test.start)
        elif isinstance(expectation, DigestExpectation):
            assert alerting is not None
            failure = compare_digest(expectation, alerting.digests, test.start)
        elif isinstance(expectation, ObjectiveExpectation):
            failure = compare_objective(expectation, rehearsal, definitions, test.start)
        else:
            failure = compare(expectation, rehearsal, definitions.workflows[expectation.workflow], test.start)
        if failure is not None:
            failures.append(failure)
    failures += alerting.failures if alerting else []
    notes = _notes(rehearsal, refused, test.start) if failures else []
    failures.sort(key=lambda failure: failure.line)
    asked = [definitions.workflows[name] for name in _asked_about(test, rehearsal, definitions)]
    found = exercised(asked, matcher, admitted, rehearsal, ordered[-1].at)
    objectives = sorted({one.objective for one in ordered if isinstance(one, ObjectiveExpectation)})
    return Outcome(test, tuple(failures), tuple(notes), time.perf_counter() - began, found, tuple(objectives))


def _asked_about(test: DefinitionTest, rehearsal: Rehearsal, definitions: Definitions) -> list[str]:
    """The workflows a test expects something of; where it names none, those that its events tell of."""
    names = set()
    for one in test.expectations:
        if isinstance(one, Expectation):
            names.add(one.workflow)
        elif isinstance(one, ObjectiveExpectation):
            names.add(definitions.objectives[one.objective].workflow)
        elif isinstance(one, IncidentExpectation) and (named := one.cause.get("workflow")):
            names.add(named)
    return sorted(names or {name for name in definitions.workflows if rehearsal.instances(name)})


def _notes(rehearsal: Rehearsal, refused: list[Event], start: int) -> list[str]:
    notes = [f"No workflow asks for {_named(event, start)}." for event in [*refused, *rehearsal.unmatched]]
    notes += [
        f"{_named(event, start)} says something to {workflow}, but carries none of its keys: it becomes a dead letter."
        for event, workflow in rehearsal.without_key
    ]
    notes += [
        f"{_named(event, start)} names no instance of {workflow}: it becomes a dead letter."
        for event, workflow in rehearsal.of_nothing
    ]
    return notes if len(notes) <= SHOWN else [*notes[:SHOWN], f"{len(notes) - SHOWN} more events are of no use."]


def _named(event: Event, start: int) -> str:
    return f"{event.type} from {event.source} at {spell_instant(event.occurred_at, start)} [{event.document['id']}]"


# Reading


def read_tests(
    texts: dict[str, str],
    definitions: Definitions | None,
    faults: list[Fault],
    targets: Mapping[str, Target] | None = None,
) -> list[DefinitionTest]:
    """The tests in these files (name → YAML text); what is wrong with them is added to `faults`.

    Without definitions, because they cannot be used themselves, no name is looked up in them; nor without targets.
    """
    tests: dict[str, DefinitionTest] = {}
    for file, text in texts.items():
        documents, unreadable = load_documents(text, file)
        faults += unreadable
        for document in documents:
            top = Reader(document, faults, document.value)
            fields = ("apiVersion", "kind", "metadata", "spec")
            if not top.mapping(fields, fields) or not _is_test(top):
                continue
            test = _read_test(top, definitions, targets)
            if test is not None and test.name in tests:
                top.fault(f"a Test named {test.name!r} is defined twice", ("metadata", "name"))
            elif test is not None:
                tests[test.name] = test
    return list(tests.values())


def _is_test(top: Reader) -> bool:
    if (version := top.optional("apiVersion")) and version.value != API_VERSION:
        version.fault(f"must be {API_VERSION}, not {str(version.value)[:60]!r}")
    kind = top.optional("kind")
    if kind is None or kind.value == KIND:
        return kind is not None
    kind.fault(f"must be {KIND}: definitions stand in files whose names do not end with .test.yaml")
    return False


def _read_test(
    top: Reader, definitions: Definitions | None, targets: Mapping[str, Target] | None
) -> DefinitionTest | None:
    metadata, spec = top.optional("metadata"), top.optional("spec")
    name = ""
    if metadata is not None and metadata.mapping(("name", "title", "description"), ("name",)):
        name = named.name() if (named := metadata.optional("name")) else ""
    if spec is None or not spec.mapping(("now", "events", "acts", "expect"), ("now", "events", "expect")):
        return None
    start = _start(now) if (now := spec.optional("now")) else None
    events, expect = spec.optional("events"), spec.optional("expect")
    found = _Events(start or 0)
    if events is not None:
        events.each(found.read, longest=MAX_ENTRIES)
    acts = _acts(spec.optional("acts"), start or 0, definitions)
    expectations: list[AnyExpectation | None] = []
    if expect is not None:
        expectations = expect.each(
            lambda entry: _expectation(entry, start or 0, definitions, targets), longest=MAX_ENTRIES
        )
        if expect.value == []:
            expect.fault("must expect at least one thing")
    line = top.document.line(("metadata", "name"))
    kept = tuple(one for one in expectations if one is not None)
    return DefinitionTest(name, top.document.file, line, start or 0, tuple(found.events), kept, acts) if name else None


def _acts(entries: Reader | None, start: int, definitions: Definitions | None) -> tuple[RehearsedAct, ...]:
    if entries is None:
        return ()
    found = entries.each(lambda entry: read_rehearsed_act(entry, start, definitions), longest=MAX_ENTRIES)
    check_silences(found, entries)
    return tuple(act for act in found if act is not None)


def _expectation(
    entry: Reader, start: int, definitions: Definitions | None, targets: Mapping[str, Target] | None
) -> AnyExpectation | None:
    said = entry.value if isinstance(entry.value, dict) else {}
    if "incident" in said:
        return read_incident_expectation(entry, start, definitions, targets)
    if "digest" in said:
        return read_digest_expectation(entry, start, definitions, targets)
    return (read_objective_expectation if "objective" in said else read_expectation)(entry, start, definitions)


def _start(reader: Reader) -> int | None:
    """The instant at which a test's clock starts."""
    if isinstance(reader.value, str) and reader.value[4:5] == "-":
        return read_instant(reader, 0)
    reader.fault("must be an instant such as 2026-11-21T09:14:00Z")
    return None


class _Events:
    """The events of one test, as they are read."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.events: list[Event] = []

    def read(self, entry: Reader) -> None:
        """Add what one entry says."""
        value = entry.value if isinstance(entry.value, dict) else {}
        if "file" in value:
            if entry.mapping(("file", "received"), ("file",)) and entry.optional("file"):
                self._read_file(entry)
        elif "span" in value:
            if entry.mapping(("at", "received", "id", "span", "data", "resource"), ("at", "span")):
                self._add(entry, self._span(entry))
        elif entry.mapping(("at", "received", "source", "type", *_CONTENT), ("at", "source", "type")):
            self._add(entry, {name: _text(entry, name) for name in ("source", "type")})

    def _instant(self, entry: Reader, name: str) -> int | None:
        member = entry.optional(name)
        return read_instant(member, self.start) if member else None

    def _span(self, entry: Reader) -> dict[str, Any]:
        span = entry.optional("span")
        if span is None or not span.mapping(("service", "name", "kind", "status", "duration_ms"), ("service", "name")):
            return {}
        said: dict[str, Any] = {"source": _text(span, "service"), "type": SPAN_TYPE, "name": _text(span, "name")}
        for name, known in (("kind", SPAN_KINDS), ("status", SPAN_STATUSES)):
            said[name] = _text(span, name) or ("internal" if name == "kind" else "unset")
            if said[name] not in known:
                span.at(name).fault(f"must be one of {', '.join(known)}{suggestion(said[name], known)}")
        duration = span.value.get("duration_ms", 0)
        if isinstance(duration, bool) or not isinstance(duration, (int, float)) or duration < 0:
            span.fault("must be a number of milliseconds", (*span.path, "duration_ms"))
        return said | {"service": said["source"], "duration_ms": duration}

    def _add(self, entry: Reader, said: dict[str, Any]) -> None:
        at, received = self._instant(entry, "at"), self._instant(entry, "received")
        document = {"specversion": "1.0", "id": _text(entry, "id") or f"event-{len(self.events) + 1}", **said}
        if subject := _text(entry, "subject"):
            document["subject"] = subject
        for name in ("data", "resource"):
            if (member := entry.optional(name)) is not None:
                document[name] = member.value
                if name == "resource":
                    member.mapping()
        extensions = entry.optional("extensions")
        if extensions is not None and extensions.mapping():
            for name in extensions.value:
                if name in _OWN_ATTRIBUTES:
                    extensions.at(name).fault(f"{name!r} is an attribute of every event: write it beside 'extensions'")
            document |= extensions.value
        if at is not None and document.get("source") and document.get("type"):
            source, type_ = document["source"], document["type"]
            document["time"] = rfc3339(at)
            key = event_key(source, document["id"])
            event = Event(source, type_, at, at if received is None else received, key, document)
            self.events.append(event)
            self._check_act(entry, event)

    def _check_act(self, entry: Reader, event: Event) -> None:
        """An act in a test says what it would have to say to Milepost."""
        if event.source != ACT_SOURCE or event.type == SPAN_TYPE:
            return
        if event.type not in REHEARSED:
            entry.at("type").fault(f"must be one of {', '.join(sorted(REHEARSED))}: {RESERVED}")
            return
        try:
            read_act(event)
        except BadAct as error:
            for fault in error.faults:
                entry.fault(fault, (*entry.path, "data"))

    def _read_file(self, entry: Reader) -> None:
        received = self._instant(entry, "received")
        reader = entry.at("file")
        name = reader.text()
        if not name:
            return
        path = Path(reader.document.file).parent / name
        try:
            if path.stat().st_size > MAX_EVENT_FILE_BYTES:
                raise OSError(f"larger than {MAX_EVENT_FILE_BYTES} bytes")
            lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        except (OSError, ValueError) as error:
            reader.fault(f"{name!r} cannot be read: {getattr(error, 'strerror', None) or error}")
            return
        as_event = _door()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            event = as_event(line, self.start if received is None else received)
            if isinstance(event, Event):
                arrived = event.occurred_at if received is None else received
                self.events.append(msgspec.structs.replace(event, received_at=arrived))
            else:
                entry.faults += [Fault(str(path), number, fault.field, fault.message) for fault in event.faults]


def _door() -> Callable[[bytes, int], Any]:
    """What understands a CloudEvent as the collector does."""
    from collector.ingest.cloudevents import as_event  # noqa: PLC0415 — loads the database's driver, which few tests need

    return as_event


def _text(entry: Reader, name: str) -> str:
    member = entry.optional(name)
    return member.text() if member else ""
