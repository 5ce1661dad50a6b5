"""Who would be told of what an event begins, when, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from alerting.attributed import values_of
from alerting.facts import facts, unmet
from alerting.incident import Attributes, Cause, Incident, Population
from alerting.muting import maintenance_of
from alerting.route import Route, Wanted, taking, wanted
from alerting.setup import Setup
from alerting.severity import severity_of
from collector.ingest.cloudevents import Refused, as_event
from slo_rules.durations import format_duration
from slo_rules.event import Event
from slo_rules.instants import rfc3339
from slo_rules.matching import Matcher
from slo_rules.rehearsal import Rehearsal, RehearsedInstance
from slo_rules.workflow import Definitions

_TURNS = 1_000


class NoEvent(Exception):
    """A file that holds no event; it says why."""


def read_event(file: Path) -> Event:
    """The one CloudEvent of a file. Raises NoEvent."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise NoEvent(f"{file} cannot be read: {error.strerror}") from error
    found = as_event(body, 0)
    if isinstance(found, Refused):
        faults = "; ".join(f"{fault.field}: {fault.message}" for fault in found.faults)
        raise NoEvent(f"{file} is no event: {faults}")
    return found


def who_is_told(definitions: Definitions, setup: Setup, event: Event, said: Mapping[str, str], now: int) -> list[str]:
    """The lines that say what becomes of an event where nothing follows it, and who hears of that at `now` (micros).

    `said` sets facts by name, such as `severity` or `owner`.
    """
    rehearsal = Rehearsal(Matcher(definitions.workflows.values()), (), [event])
    rehearsal.proceed(event.received_at)
    found = [held for name in definitions.workflows for held in rehearsal.instances(name)]
    if not found:
        return [
            f"No workflow asks for {event.type} from {event.source}, or it carries none of its keys: nobody is told."
        ]
    lines: list[str] = []
    for held in found:
        _let_time_pass(rehearsal, held)
        lines += [*([""] if lines else []), *_of_instance(held, setup, said, now)]
    return lines


def _let_time_pass(rehearsal: Rehearsal, held: RehearsedInstance) -> None:
    """Until it is held up, or nothing more can become of it."""
    for _ in range(_TURNS):
        at = held.verdict.next_check_at
        if held.verdict.kind in ("stuck", "failed", "inconsistent") or at is None:
            return
        rehearsal.proceed(at)


def _of_instance(held: RehearsedInstance, setup: Setup, said: Mapping[str, str], now: int) -> Iterator[str]:
    verdict, workflow = held.verdict, held.workflow
    state = verdict.kind
    if state not in ("stuck", "failed", "inconsistent"):
        yield f"{workflow.name}: {state.replace('_', ' ')}. Nothing is due after this event: nobody is told."
        return
    owner = said.get("owner", verdict.owner or workflow.owner)
    domain = said.get("domain", workflow.domain)
    cause = Cause(
        workflow.name,
        state,
        verdict.waiting_for if state != "failed" else None,
        verdict.source if state == "stuck" else None,
        None if state == "stuck" else verdict.reason,
    )
    population = Population(1, now, owner=owner, domain=domain, entity=workflow.entity, workflows=(workflow.name,))
    known = dict(values_of({name: {value: 1} for name, value in held.progress.attributes.items()}))
    of_it = {name: value for name, value in said.items() if name.startswith("attributes.")}
    known |= {name.removeprefix("attributes."): (value,) for name, value in of_it.items()}
    attributes: Attributes = tuple(sorted(known.items()))
    of = facts(cause, population, "", attributes)
    severity = said.get("severity") or severity_of(setup.severities, cause, of, population, now, setup.hours_of(owner))
    of = facts(cause, population, severity, attributes)
    awaited = f", waiting for {verdict.waiting_for}" if verdict.waiting_for else ""
    source = f" from {verdict.source}" if verdict.source else ""
    yield f"{workflow.name}: {state}{awaited}{source}. Severity {severity}, owner {owner}, domain {domain}."
    incident = _incident(cause, population, severity, attributes, now)
    mute = maintenance_of(incident, setup.maintenance, now)
    if mute is not None and mute.until is not None:
        yield f"  Maintenance {mute.by} until {rfc3339(mute.until)}: nobody is told before. Then:"
    asked = [*wanted(setup.routes, of, now), *wanted(setup.routes, of, now, grouped=True)]
    for one in asked:
        yield f"  {_when(one, severity, setup, now)}: {one.target.name} ({one.target.kind}), by {one.because}"
    if not asked:
        yield "  Nobody: no route takes it."
    taken = {route.name for route in taking(setup.routes, of)}
    yield from (f"  {line}" for line in _passed_over(setup.routes, of, taken))


def _incident(cause: Cause, population: Population, severity: str, attributes: Attributes, now: int) -> Incident:
    plain = Incident(UUID(int=0), cause, population, now, 1, (), 1)
    return replace(plain, severity=severity, attributes=attributes)


def _when(one: Wanted, severity: str, setup: Setup, now: int) -> str:
    due = now + setup.policy.group_wait + (one.after or 0)
    said = (
        f"after {format_duration(due - now)}"
        if one.after is None
        else (f"{format_duration(one.after)} later, unless somebody takes it on")
    )
    if one.is_open(due, severity):
        return said
    opens = one.opens_at(due, severity)
    return f"outside hours, so at {rfc3339(opens)}" if opens is not None else "never, as its hours never open"


def _passed_over(routes: tuple[Route, ...], of: Mapping[str, frozenset[str]], taken: set[str]) -> Iterator[str]:
    for route in routes:
        why = unmet(route.match, of)
        if why:
            yield f"Not {route.name}: {'; '.join(why)}"
        elif route.name not in taken:
            yield from _passed_over(route.routes, of, taken)
