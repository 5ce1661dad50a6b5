"""The shape of what files say of alerting: routes, teams, severities, maintenance and inhibition, as JSON Schema."""

from __future__ import annotations

from slo_rules import schema_words as words
from slo_rules.schema_words import Schema, described, fields, flag, list_of, mapping_of, text
from slo_rules.target_schema import target_spec

_SEVERITY: Schema = {"description": "How grave it is.", "type": "string", "enum": ["info", "warning", "critical"]}
_FACTS = ("domain", "owner", "workflow", "severity", "verdict", "source", "waiting_for", "reason", "assignee")


def alerting_parts() -> dict[str, Schema]:
    """What several kinds refer to."""
    return {
        "Match": _match(),
        "TellHours": _hours(),
        "SendTo": _send_to(),
        "Route_": _route_fields(named=True),
        "Digest": _digest(),
    }


def route_spec() -> Schema:
    """The spec of a Route."""
    return _route_fields(named=False)


def team_spec() -> Schema:
    """The spec of a Team."""
    targets = described(list_of(_target()), "Targets, or the names of some.")
    member = fields(
        {"send_to": targets}, {"called": list_of(text("A name."), "Further names by which a calendar may know him.")}
    )
    rotation = fields(
        {
            "members": list_of(text("A member."), "Whose turn it is, one after the other."),
            "from": described(words.DATE, "When the first shift begins."),
        },
        {
            "name": text("What it is called.", "weekly"),
            "every": text("How long a shift is, of whole days; 1w without it.", "1d", "1w"),
            "at": text("When it hands over; 09:00 without it.", "09:00"),
            "hours": described(words.ref("TellHours"), "When somebody may be told."),
        },
        title="Rotation",
    )
    override = fields({"member": text("Who stands in."), "from": _moment(), "to": _moment()}, {}, title="Override")
    calendar = fields({"file": text("An iCalendar file, relative to this one.", "rota.ics")}, {})
    on_call = fields(
        {},
        {
            "zone": text("The time zone of all times.", "Europe/Berlin"),
            "rotations": list_of(rotation, "Members in turn."),
            "overrides": list_of(override, "Who stands in for whoever is on call."),
            "calendars": list_of(calendar, "Shifts out of a calendar."),
        },
        description="Who is on call: overrides go before calendars, and these before rotations.",
    )
    return fields(
        {},
        {
            "send_to": targets,
            "hours": described(words.ref("TellHours"), "When somebody may be told."),
            "members": mapping_of(member, text("A name."), "By name, who can be on call."),
            "on_call": on_call,
            "runbook": text("Where it says what to do.", "https://wiki.example.com/erp", longest=2000),
            "digest": described(words.ref("Digest"), "Once a day it is told what is overdue."),
            "zone": text("The time zone in which its targets are told times, but those that say one.", "Europe/Berlin"),
            "locale": text("How numbers, money and times are spelled for them, likewise.", "de_DE"),
        },
        title="Team",
    )


def severity_spec() -> Schema:
    """The spec of a Severity."""
    amount: Schema = {"description": "How much.", "type": ["number", "string"]}
    worth = fields({"amount": amount, "currency": text("ISO 4217.", "EUR")}, {})
    of_owner: Schema = {
        "description": "Those of the team that owns the incident; one without hours works always.",
        "const": "owner",
    }
    hours: Schema = {"anyOf": [words.ref("TellHours"), fields({"hours_of": of_owner}, {})]}
    rule = fields(
        {"severity": _SEVERITY},
        {
            "match": described(words.ref("Match"), "What it is about."),
            "count": {"description": "So many or more are held up.", "type": "integer", "minimum": 1},
            "value": described(worth, "So much or more is held up."),
            "inside": described(hours, "It is so while these are open."),
            "outside": described(hours, "It is so while these are not open."),
        },
        title="Rule",
        description="All that is said must hold.",
    )
    return fields({"rules": list_of(rule, "The first that holds decides.", most=200)}, {}, title="Severity")


def maintenance_spec() -> Schema:
    """The spec of a Maintenance."""
    return fields(
        {"from": _moment(), "reason": text("Why.")},
        {
            "match": described(words.ref("Match"), "What it is about."),
            "to": _moment(),
            "for": text("How long; instead of 'to'.", "4h"),
            "repeat": text("An RRULE.", "FREQ=WEEKLY;BYDAY=SU"),
            "zone": text("The time zone of 'from' and 'to'; UTC without it.", "Europe/Berlin"),
            "exclude_from_objectives": flag("Whether it does not count in the objectives it matches.", default=False),
        },
        title="Maintenance",
    )


def inhibition_spec() -> Schema:
    """The spec of an Inhibition."""
    return fields(
        {
            "when": described(words.ref("Match"), "What it is about."),
            "mutes": described(words.ref("Match"), "What it is about."),
        },
        {"equal": list_of(_names(), "What both must have in common.")},
        title="Inhibition",
    )


def _route_fields(*, named: bool) -> Schema:
    step = fields(
        {
            "after": text("How long after somebody was first told.", "30m"),
            "send_to": described(words.ref("SendTo"), "Who is told."),
        },
        {},
    )
    return fields(
        {"name": text("Its name.")} if named else {},
        {
            "send_to": described(words.ref("SendTo"), "Who is told."),
            "match": described(words.ref("Match"), "What it is about."),
            "hours": described(words.ref("TellHours"), "When somebody may be told."),
            "group_by": list_of(_names(), "Tell of all with the same together."),
            "repeat_every": text("Tell again so often while nothing changes.", "4h"),
            "escalate": list_of(described(step, "A step."), "Who is told while nobody takes it on."),
            "routes": list_of(words.ref("Route_"), "The first that matches takes the incident instead."),
            "continue": flag("Whether the routes after it are tried too.", default=False),
            "digest": described(words.ref("Digest"), "Once a day it is told what is overdue."),
        },
        title="Route",
    )


def _digest() -> Schema:
    return fields(
        {"at": text("When, on the wall.", "08:30")},
        {
            "calendar": text("On which days: the business days of this Calendar, in its zone.", "emea-office"),
            "zone": text("The time zone, where there is no calendar; UTC without it.", "Europe/Berlin"),
            "empty": flag("Whether it is told where nothing is overdue, too.", default=False),
        },
        title="Digest",
        description="Once a day it is told what of its own is overdue.",
    )


def _match() -> Schema:
    one: Schema = {"type": ["string", "number", "boolean"]}
    several = list_of(one)
    either: Schema = {"anyOf": [one, several]}
    within, without = described(either, "One of these."), described(either, "None of these.")
    said = fields({}, {"in": within, "not": without, "prefix": text("How it begins.")})
    condition: Schema = {"title": "Condition", "anyOf": [one, several, said]}
    return {
        "description": "All that are given must hold; without it everything matches.",
        "type": "object",
        "properties": {
            **dict.fromkeys(_FACTS, condition),
            "attributes": mapping_of(condition, None, "By name, business attributes."),
        },
        "additionalProperties": False,
        "examples": [{"owner": "erp-platform"}, {"severity": ["critical"], "attributes": {"tier": "gold"}}],
    }


def _hours() -> Schema:
    named = text("The name of a Calendar.", "emea-office")
    more = fields({"calendar": named}, {"always": described(list_of(_SEVERITY), "What is told at any time.")})
    return {"description": "When somebody may be told.", "anyOf": [named, more]}


def _send_to() -> Schema:
    team = fields({"team": text("All of a team.", "erp-platform")}, {})
    on_call = fields({"on_call": text("Whoever of a team is on call.", "erp-platform")}, {})
    return {
        "description": "Who is told.",
        "type": "array",
        "items": {"anyOf": [_target(), team, on_call]},
        "minItems": 1,
    }


def _target() -> Schema:
    named: Schema = {"description": "The name of a Target.", "type": "string", "minLength": 1}
    return {"title": "Target", "anyOf": [named, target_spec()]}


def _moment() -> Schema:
    return text("A time on the wall of the zone, or with an offset.", "2026-12-24T18:00")


def _names() -> Schema:
    return text("The name of a fact.", "domain", "attributes.region")
