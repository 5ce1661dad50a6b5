"""The language of definition files as a JSON Schema, for editors: completion, hover texts, faults while typing.

It never refuses what the loader reads; the loader sees more. What one document refers to in another, and what two
fields say together, is left to `milepost check`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from slo_rules import schema_words as words
from slo_rules.adapter_schema import adapter_parts
from slo_rules.alerting_schema import (
    alerting_parts,
    inhibition_spec,
    maintenance_spec,
    route_spec,
    severity_spec,
    team_spec,
)
from slo_rules.calendar_definitions import MOST_DATES, MOST_INTERVALS, MOST_NAMES
from slo_rules.definitions import ALERTING, API_VERSION, KINDS, MOST_JOINED, TOLERATE
from slo_rules.milestone_definitions import MOST_OCCURRENCES
from slo_rules.objective_schema import objective_spec
from slo_rules.schema_words import (
    Schema,
    absent_or,
    choice_of,
    described,
    fields,
    flag,
    list_of,
    mapping_of,
    ref,
    text,
)
from slo_rules.source_schema import expectation, source_spec
from slo_rules.target_schema import target_spec
from slo_rules.workflow import JOINS_AT_MOST

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def definition_schema(kind: str | None = None) -> Schema:
    """The schema of documents of this kind, or of all kinds. KeyError when there is no such kind."""
    defs = {**_small(), **_filters(), **_milestone(), **_calendar_parts(), **adapter_parts()}
    defs["Expectation"] = expectation()
    kinds = {"Workflow": _workflow, "Objective": _objective, "Calendar": _calendar, "Source": _source, "Route": _route}
    kinds["Target"] = _target
    kinds |= {kind: partial(_alerting, kind) for kind in ALERTING}
    defs |= alerting_parts()
    defs |= {name: kinds[name]() for name in KINDS}
    top: Schema = {"$schema": DIALECT, "title": f"Milepost {kind or 'definition'}"}
    if kind is None:
        return top | {"oneOf": [ref(name) for name in KINDS], "$defs": defs}
    return top | ref(kind) | {"$defs": {name: defs[name] for name in _reached(kind, defs)}}


def spell_schema(schema: Schema) -> str:
    """The schema as a file: stable, with a line end."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _reached(name: str, defs: dict[str, Schema]) -> list[str]:
    """The definitions that this one is made of, in their order."""
    found: set[str] = set()
    todo = [name]
    while todo:
        found.add(one := todo.pop())
        spelled = json.dumps(defs[one])
        todo += [other for other in defs if other not in found and f'"#/$defs/{other}"' in spelled]
    return [one for one in defs if one in found]


def _document(kind: str, description: str, metadata: Schema, spec: Schema) -> Schema:
    return fields(
        {
            "apiVersion": {"description": "The version of the language.", "const": API_VERSION},
            "kind": {"description": description, "const": kind},
            "metadata": metadata,
            "spec": spec,
        },
        title=kind,
        description=description,
    )


def _metadata(own: dict[str, Schema] | None = None, *, read: tuple[str, ...] = ("title", "owner")) -> Schema:
    """The fields that every kind has; those that the loader of a kind does not read may be anything."""
    shared = {
        "title": text("What people read.", "Order to cash"),
        "owner": text("Whose it is.", "order-operations"),
        "description": text("One or two sentences.", longest=2000),
    }
    unread = {field: {"description": shared[field]["description"]} for field in shared if field not in read}
    free = {field: unread.get(field, absent_or(schema)) for field, schema in shared.items() if field not in (own or {})}
    made = fields({"name": described(ref("Name"), "Unique within its kind.")} | (own or {}))
    return made | {"title": "Metadata", "properties": made["properties"] | free}


def _small() -> dict[str, Schema]:
    return {
        "Name": words.NAMED,
        "Duration": words.DURATION,
        "Length": words.LENGTH,
        "Path": words.PATH,
        "Paths": words.PATHS,
    }


# Filters


def _filters() -> dict[str, Schema]:
    values = mapping_of(words.SCALAR, ref("Path"), minProperties=1)
    span = {
        "description": "Spans that satisfy the filter inside. Only a filter under span sees spans.",
        "examples": [{"exact": {"service": "entitlement-service", "name": "activate"}}],
    }
    return {
        "Filter": _filter("Filter", values, ref("SpanFilter") | span),
        # The loader knows the word inside a span too, to say that it must not stand there.
        "SpanFilter": _filter("SpanFilter", values, False),
    }


def _filter(name: str, values: Schema, span: Schema | bool) -> Schema:
    def example(description: str, **paths: str) -> Schema:
        return described(values, description, examples=[paths])

    several = list_of(ref(name), least=1)
    dialects: dict[str, Any] = {
        "exact": example("All of these are equal.", source="sap", type="sales_order.created"),
        "prefix": example("All of these begin so.", type="invoice."),
        "suffix": example("All of these end so.", type=".v1"),
        "all": described(several, "Every one of these filters holds."),
        "any": described(several, "At least one of these filters holds."),
        "not": described(ref(name), "The filter does not hold. A missing value satisfies no comparison."),
        "span": span,
    }
    return {
        "title": "Filter",
        "description": "Says exactly one of exact, prefix, suffix, all, any, not or span.",
        "type": "object",
        "properties": dialects,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "examples": [{"exact": {"source": "sap", "type": "sales_order.created"}}],
    }


# Workflow


def _workflow() -> Schema:
    own = {"domain": text("Groups workflows on the overview.", "orders"), "owner": text("Whose it is.", "order-desk")}
    metadata = _metadata(own, read=("title", "description"))
    filters = list_of(ref("Filter"))
    required = {
        "entity": text("What one instance is.", "order"),
        "keys": mapping_of(
            ref("Key"),
            ref("Name"),
            "Where events carry ids. A joining key identifies one instance; at least one must join.",
            minProperties=1,
            examples=[{"order": "data.order_id", "account": {"path": "data.account_id", "joins": False}}],
        ),
        "milestones": list_of(ref("Milestone"), "The points that an instance reaches.", least=1),
    }
    attributes = mapping_of(
        ref("Paths"),
        {"pattern": "^[^$]", "maxLength": 100},
        "What is kept of events to be seen and searched. The latest value by event time wins.",
        examples=[{"region": "data.region"}],
    )
    value = fields(
        {"amount": described(ref("Paths"), "The path of the amount.")},
        {"currency": described(ref("Paths"), "The path of the currency.")},
        description="What an instance is worth. Amounts of different currencies are never added.",
        examples=[{"amount": "data.amount", "currency": "data.currency"}],
    )
    title = {
        "description": "The keys that name an instance on screen; the first that is present wins.",
        "anyOf": [text("A key."), list_of(text("A key."))],
        "examples": [["order", "opportunity"]],
    }
    optional = {
        "attributes": attributes,
        "value": value,
        "title": title,
        "calendar": described(ref("Name"), "The calendar of all deadlines that name none. 'none': around the clock."),
        "observes": described(filters, "Events that reach no milestone but carry keys or attributes."),
        "fails_on": described(filters, "An instance is failed while such an event is the last thing that happened."),
        "cancels_on": described(filters, "An instance is cancelled unless it had completed before."),
        "pauses_on": described(filters, "Events that stop the clocks: the instance waits for somebody else."),
        "resumes_on": described(filters, "Events that let the clocks run again; so does any milestone."),
        "restarts_on": described(filters, "Events that begin a new run: nothing before them counts any more."),
        "completion": choice_of(
            "Whether one completing milestone is enough, or all are needed.", "any", "all", default="any"
        ),
        "orphans": {
            "description": "How long the start of an instance is waited for when later steps have come.",
            "anyOf": [
                {"const": TOLERATE, "description": "An instance without a start is as good as any other."},
                fields({"after": described(ref("Duration"), "From its first event on. By default 1h.")}),
            ],
            "examples": [{"after": "1h"}, TOLERATE],
        },
    }
    spec = fields(required, optional, title="Workflow")
    return _document("Workflow", "What one run of a process looks like, and what was promised for it.", metadata, spec)


def _key() -> Schema:
    prefix = text("What is taken away at the beginning.", "SO-", longest=50)
    alias = fields(
        {
            "on": described(ref("Filter"), "The events that say it."),
            "old": described(ref("Paths"), "Where they carry the id that is no more."),
            "new": described(ref("Paths"), "Where they carry the id that replaces it."),
        }
    )
    mapping = fields(
        {"path": ref("Paths")},
        {
            "joins": flag("Whether it identifies one instance, or only helps to find instances.", default=True),
            "case": choice_of("Bring ids into this case.", "upper", "lower"),
            "strip_prefix": {
                "description": "Take these prefixes away.",
                "anyOf": [prefix, list_of(prefix)],
                "examples": ["SO-"],
            },
            "strip_zeros": flag("Take leading zeros away.", default=False),
            "unique": flag("An instance can have only one value of it; two make it inconsistent.", default=False),
            "joins_at_most": {
                "description": "Instances that one value may join; one that would join more joins none.",
                "type": "integer",
                "minimum": 2,
                "maximum": MOST_JOINED,
                "default": JOINS_AT_MOST,
            },
            "aliases": list_of(
                alias, "The events that say that one id was replaced by another, as in a merge of accounts."
            ),
        },
    )
    short: Schema = {"anyOf": [described(ref("Path"), "A joining key."), words.PATHS["anyOf"][1]]}
    # A number is a path inside a list, but does not stand for the whole key.
    text_only = short | {"type": ["string", "array"]}
    return {"title": "Key", "description": "Where events carry an id.", "anyOf": [text_only, mapping]}


def _milestone() -> dict[str, Schema]:
    several = list_of(text("A milestone."), least=1)
    one_or_several = [text("The milestone it comes after."), described(several, "It comes after all of these.")]
    any_of = {"description": "It comes after one of these.", "anyOf": [text("A milestone."), several]}
    after = {
        "description": "What it comes after: a milestone, a list (all of them), or {any: [a, b]}. "
        "By default the one before it in the list that is not optional.",
        "anyOf": [*one_or_several, fields({"any": any_of})],
        "examples": ["order_accepted", ["checked", "reserved"], {"any": ["picked_up", "delivered"]}],
    }
    count = {
        "description": "How many events reach it, or with each how many there must be of it at least: a number, or the "
        "attribute that says so.",
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MOST_OCCURRENCES},
            text("The attribute that says it.", longest=100) | {"type": "string"},
        ],
        "default": 1,
    }
    optional = {
        "title": text("What people read. By default the name, spelled out.", "Accepted by ERP"),
        "after": after,
        "within": described(ref("Within"), "Its deadline: {warn: 3h, breach: 4h}, or 4h for a breach alone."),
        "source": text("The source awaited. By default the source or service that the filter names exactly.", "sap"),
        "owner": text("Whose it is while this milestone is awaited. By default metadata.owner.", "erp-platform"),
        "starts": flag("An instance starts here, and nothing comes before. By default the first.", default=False),
        "completes": flag("An instance is complete here. By default the last.", default=False),
        "require": list_of(ref("Requirement"), "What the event must say for it to be a business success."),
        "optional": flag("Nobody waits for it.", default=False),
        "choice": text("Of the milestones with the same choice one is enough.", "delivery", longest=100),
        "count": count,
        "any_order": flag("Whether it may also come before what it comes after; else that is a fault.", default=False),
        "each": text("A key: every value of it that the instance carries must reach it.", "shipment", longest=100),
    }
    required = {
        "name": described(ref("Name"), "Unique in the workflow."),
        "on": described(ref("Filter"), "The events that reach it."),
    }
    milestone = fields(required, optional, title="Milestone", description="A named point an instance reaches.")
    return {"Key": _key(), "Milestone": milestone, **_within(), "Requirement": _requirement()}


def _within() -> dict[str, Schema]:
    terms = {
        "breach": described(ref("Length"), "When it is due."),
        "warn": described(ref("Length"), "When people are told that it is due soon. By default never."),
        "calendar": described(
            ref("Name"), "The calendar on which it is counted; 'none': around the clock. By default spec.calendar."
        ),
    }
    by = mapping_of(
        mapping_of({"anyOf": [ref("Length"), ref("Terms")]}),
        description="Other terms by attribute and its value; of two that say the same, the one further down wins.",
        examples=[{"tier": {"gold": {"breach": "1h"}}}],
    )
    start = text("The milestone whose time starts the clock. By default the one it comes after.")
    whole = fields(
        {"breach": terms["breach"]},
        {"warn": terms["warn"], "from": start, "calendar": terms["calendar"], "by": by},
    )
    return {
        "Within": {
            "title": "Deadline",
            "description": "How long after its start a milestone is due: {warn: 3h, breach: 4h}, or 4h for a breach.",
            "anyOf": [ref("Length"), whole],
            "examples": ["4h", {"warn": "3h", "breach": "4h"}],
        },
        "Terms": fields({}, terms, title="Terms", description="The terms that apply instead.", minProperties=1),
    }


def _requirement() -> Schema:
    like = fields(
        {"of": text("The other milestone.")},
        {
            "path": described(ref("Path"), "Where its event has it. By default the same path."),
            "tolerance": {
                "description": "How much numbers may differ: 0.01, or a share such as 1%.",
                "type": ["string", "number"],
                "pattern": r"^\s*[0-9]{1,15}(?:\.[0-9]{1,15})?%?\s*$",
                "patternErrorMessage": "Write a number such as 0.01, or a share such as 1%.",
                "minimum": 0,
                "default": 0,
                "examples": [0.01, "1%"],
            },
        },
        description="What the event that reached another milestone has.",
    )
    said = fields(
        {"path": described(ref("Path"), "What is looked at.")},
        {
            "exists": flag("Whether it must be there, or must not.", default=True),
            "equals": {
                "description": "What it must be: a value, or what another milestone has.",
                "anyOf": [words.SCALAR, like],
                "examples": ["ready", {"of": "order_accepted", "tolerance": 0.01}],
            },
        },
        title="Requirement",
        description="Says either exists or equals.",
    )
    there = [{"required": [one], "properties": {one: {"not": {"type": "null"}}}} for one in ("exists", "equals")]
    return said | {"oneOf": there}


# The other kinds


def _calendar_parts() -> dict[str, Schema]:
    hours = list_of(words.INTERVAL, most=MOST_INTERVALS)
    return {
        "Hours": {
            "title": "Open hours",
            "description": "An interval, or several. A shift over midnight belongs to the day it begins on.",
            "anyOf": [words.INTERVAL, hours],
            "examples": [["08:00-12:00", "13:00-17:30"]],
        },
        "SpecialHours": {
            "title": "Open hours",
            "description": "An interval, or several; a date without hours stands under closed.",
            "anyOf": [words.INTERVAL, hours | {"minItems": 1}],
        },
    }


def _calendar() -> Schema:
    names = list_of(text("A name.", longest=500), most=MOST_NAMES)
    holidays = fields(
        {"country": text("Its ISO 3166 code.", "DE", "US")},
        {
            "subdivision": text("The code of a state or a region.", "BY"),
            "categories": described(names, "The categories that count.", examples=[["public"]]),
            "except": described(names, "The names of holidays to leave out."),
        },
        description="The public holidays on which it is closed.",
        examples=[{"country": "DE", "subdivision": "BY"}],
    )
    closed = list_of(
        {"anyOf": [words.DATE, fields({"date": words.DATE}, {"name": text("What the day is called.")})]},
        "Dates of its own on which it is closed, alone or with a name.",
        most=MOST_DATES,
    )
    special = mapping_of(
        {"anyOf": [ref("SpecialHours"), fields({"hours": ref("SpecialHours")}, {"name": text("Its name.")})]},
        words.DATE,
        "Dates of its own with other hours, such as half days.",
        maxProperties=MOST_DATES,
        examples=[{"2026-12-31": ["08:00-12:00"]}],
    )
    spec = fields(
        {
            "zone": text("The IANA time zone of all hours.", "Europe/Berlin", "America/New_York", "UTC", longest=100),
            "hours": mapping_of(
                ref("Hours"),
                words.WEEKDAYS,
                "By weekday (mon, mon-fri, mon,wed) the hours of a day.",
                examples=[{"mon-fri": ["09:00-17:00"]}],
            ),
        },
        {"holidays": holidays, "closed": closed, "special": special},
        title="Calendar",
    )
    return _document("Calendar", "When an organisation works. Deadlines count only its open hours.", _metadata(), spec)


def _objective() -> Schema:
    return _document("Objective", "A promise over many instances of a workflow.", _metadata(), objective_spec())


def _source() -> Schema:
    return _document("Source", "A system that sends.", _metadata(), source_spec())


def _route() -> Schema:
    return _document("Route", "Who is told of incidents.", _metadata(read=()), route_spec())


def _alerting(kind: str) -> Schema:
    what, spec = {
        "Team": ("Who is told together, when they work, and who of them is on call.", team_spec),
        "Severity": ("How grave incidents are.", severity_spec),
        "Maintenance": ("When nobody is told of what matches.", maintenance_spec),
        "Inhibition": ("What is not told while what it follows from fires.", inhibition_spec),
    }[kind]
    return _document(kind, what, _metadata(), spec())


def _target() -> Schema:
    return _document("Target", "Somebody who can be told, for routes to name.", _metadata(read=()), target_spec())
