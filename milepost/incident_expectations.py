"""What a test expects of an incident: that it fires, how grave it is, whom it was told to, in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alerting.hours import read_severity
from alerting.targets import Target
from milepost.expectations import Difference, Failure, read_instant, spell_instant
from milepost.incident_meant import is_meant, read_cause
from milepost.message_expectations import WantedMessage, compare_messages, read_messages, read_told
from milepost.rehearsed_alerting import RehearsedAlerting
from slo_rules.reading import Reader
from slo_rules.workflow import Definitions

FIELDS = ("status", "severity", "count", "told", "says", "messages", "acknowledged_by", "assignee")
_STATUSES = ("firing", "resolved", "absent")


@dataclass(frozen=True, slots=True)
class IncidentExpectation:
    """What must be so at an instant (micros) of the incident of a cause; what is not said of that counts for any.

    `told` are all messages up to then in their order, each `TARGET REASON`; `says` is part of the text of the last.
    `messages` are what single targets were last sent.
    """

    at: int
    line: int
    cause: dict[str, str]
    wanted: dict[str, str]
    told: tuple[str, ...] | None
    messages: tuple[WantedMessage, ...] = ()


def read_incident_expectation(
    entry: Reader, start: int, definitions: Definitions | None, targets: Mapping[str, Target] | None = None
) -> IncidentExpectation | None:
    """An expectation; None after a fault that leaves nothing of it. Without definitions no name is looked up."""
    if not entry.mapping(("at", "incident", *FIELDS), ("at", "incident")):
        return None
    at = read_instant(entry.at("at"), start) if entry.optional("at") else None
    named = entry.optional("incident")
    cause = read_cause(named, definitions) if named is not None else {}
    if not any(field in entry.value for field in FIELDS):
        entry.fault(f"expects nothing: say one of {', '.join(FIELDS)}")
    wanted: dict[str, str] = {}
    if status := entry.optional("status"):
        wanted["status"] = status.text()
        if wanted["status"] not in _STATUSES:
            status.fault(f"must be one of {', '.join(_STATUSES)}")
    if severity := entry.optional("severity"):
        wanted["severity"] = read_severity(severity)
    if count := entry.optional("count"):
        wanted["count"] = count.text()
    if says := entry.optional("says"):
        wanted["says"] = says.text(longest=2000)
    for name in ("acknowledged_by", "assignee"):
        if name in entry.value:
            wanted[name] = entry.at(name).text() if entry.value[name] is not None else "nobody"
    told = read_told(entry.optional("told"), targets, reasons=True)
    messages = read_messages(entry.optional("messages"), start, targets)
    line = entry.document.line(entry.path)
    return None if at is None else IncidentExpectation(at, line, cause, wanted, told, messages)


def compare_incident(expectation: IncidentExpectation, alerting: RehearsedAlerting, start: int) -> Failure | None:
    """What of an expectation does not hold where the rehearsal has come to its instant; None when all of it does."""
    engine = alerting.alerting
    known = [*engine.resolved, *engine.firing.values()]
    found = [one for one in known if is_meant(one, expectation.cause)]
    latest = found[-1] if found else None
    ids = {one.id for one in found}
    messages = [one for one in engine.messages if one.tell.incident.id in ids]
    told = tuple(f"{one.tell.target} {one.tell.reason}" for one in messages)
    text = alerting.text(messages[-1]) if messages else "nothing"
    values = {
        "status": latest.status.value if latest else "absent",
        "severity": latest.severity if latest else "none",
        "count": str(latest.population.count) if latest else "none",
        "says": text,
        "acknowledged_by": (latest.acknowledged_by if latest and latest.is_acknowledged(expectation.at) else None)
        or "nobody",
        "assignee": (latest.assignee if latest else None) or "nobody",
    }
    differences = [
        Difference(name, wanted, values[name])
        for name, wanted in expectation.wanted.items()
        if (wanted not in values[name] if name == "says" else wanted != values[name])
    ]
    if expectation.told is not None and expectation.told != told:
        differences.append(Difference("told", ", ".join(expectation.told) or "nobody", ", ".join(told) or "nobody"))
    sent = [one for message, one in alerting.sent if message.tell.incident.id in ids]
    differences += compare_messages(expectation.messages, sent, start)
    if not differences:
        return None
    explanation = [
        f"{one.tell.target}, {one.tell.reason}, at {spell_instant(one.at, start)}: {one.tell.way}." for one in messages
    ]
    decided = engine.whom.get(latest.id, ()) if latest else ()
    explanation += [f"{one.target}: {one.reason.replace('_', ' ')}; {one.because}." for one in decided]
    others = [one.cause.verdict for one in engine.firing.values() if one not in found]
    if not found:
        explanation.append(f"No such incident has been. Others fire: {', '.join(others) or 'none'}.")
    cause = " ".join(expectation.cause.values())
    subject = f"at {spell_instant(expectation.at, start)}, the incident {cause}"
    return Failure(expectation.line, subject, tuple(differences), tuple(explanation))
