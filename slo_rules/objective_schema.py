"""What the JSON Schema of definition files says of an objective."""

from __future__ import annotations

from slo_rules.objective import MissingData
from slo_rules.objective_definitions import CANCELLED_AS, FRESHNESS, MOST_GROUPED_BY, OBJECTIVE_KINDS
from slo_rules.periods import Period
from slo_rules.schema_words import Schema, choice_of, described, fields, flag, list_of, mapping_of, ref, text


def objective_spec() -> Schema:
    """The spec of a document of this kind."""
    called_off = "What an instance counts as that was called off."
    cancelled = choice_of(called_off, *CANCELLED_AS, default=CANCELLED_AS[0])
    silent = "What falls due while the system that would say so is silent counts as good, as bad, or not at all."
    required = "Every objective says it but that of the freshness of a source."
    spec = fields(
        {
            "workflow": text("The workflow it is about.", "order-to-cash"),
            "target": _share("The share that must be good, between 0 and 1."),
        },
        {
            "missing_data": choice_of(f"{silent} {required}", *(one.value for one in MissingData)),
            "latency": _rule("Counts instances in the window in which their deadline falls."),
            "freshness": _freshness(),
            "success": fields({}, {"cancelled": cancelled}, description="Counts instances when they have ended."),
            "volume": _volume(),
            "targets": mapping_of(_share("Such a share."), ref("Name"), "Further targets by name.", maxProperties=20),
            "window": _window(),
            "group_by": list_of(
                text("An attribute of the workflow.", "region", longest=63),
                "Attributes by whose values it is told apart as well.",
                most=MOST_GROUPED_BY,
            ),
            "by_value": flag("Whether what the items are worth counts beside their number.", default=False),
            "exclude": list_of(_exclusion(), "Times in which nothing counts."),
        },
        title="Objective",
        description="Says exactly one of latency, freshness, success or volume.",
    )
    of_source = _is_there("source") | {"description": "What counts is when a source was heard."}
    chosen = [_is_there("missing_data"), {"required": [FRESHNESS], "properties": {FRESHNESS: of_source}}]
    return spec | {"oneOf": [_is_there(one) for one in OBJECTIVE_KINDS], "anyOf": chosen}


def _is_there(field: str) -> Schema:
    return {"required": [field], "properties": {field: {"not": {"type": "null"}}}}


def _share(description: str) -> Schema:
    said: Schema = {"description": description, "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return said | {"examples": [0.99]}


def _rule(description: str) -> Schema:
    required = {
        "from": text("The milestone that starts it.", "opportunity_won"),
        "to": text("The milestone that ends it.", "order_accepted"),
        "within": described(ref("Duration"), "How long it may take."),
    }
    calendar = described(ref("Name"), "The calendar its time is counted on. By default around the clock.")
    return fields(required, {"calendar": calendar}, description=description)


def _freshness() -> Schema:
    of_changes = _rule("Counts slices of five minutes in which no change was older than promised.")
    of_source = fields(
        {"source": text("The source that is to be heard again and again.", "erp")},
        {
            "type": text("The type of the events, which the source expects by itself.", longest=2048),
            "within": described(ref("Duration"), "How long nothing may arrive. By default as the source expects."),
            "calendar": described(ref("Name"), "The calendar the time of within is counted on."),
        },
        description="Counts slices of five minutes in which nothing was overdue from a source.",
    )
    said = "Counts slices of five minutes, in which no change was too old or nothing was overdue from a source."
    return {"description": said, "anyOf": [of_changes, of_source]}


def _volume() -> Schema:
    number: Schema = {"type": "integer", "minimum": 0, "exclusiveMaximum": 10**9}
    said = "So long, a divisor of a day that is a multiple of 5m, or the periods of a calendar."
    return fields(
        {
            "milestone": text("What is counted when it is reached.", "order_accepted"),
            "per": {"description": said, "anyOf": [ref("Duration"), _period()], "examples": ["1h"]},
        },
        {
            "at_least": number | {"description": "Fewer are too few."},
            "at_most": number | {"description": "More are too many."},
        },
        description="Counts slices of time in which as many as should reached a milestone.",
    )


def _exclusion() -> Schema:
    times = "On the wall of the zone, or with an offset."
    return fields(
        {"from": text(f"When it begins. {times}", "2026-12-24T18:00"), "reason": text("Why nothing counts then.")},
        {
            "to": text(f"When it ends. {times}", "2026-12-27T06:00"),
            "for": described(ref("Duration"), "How long it lasts."),
            "repeat": text("How it recurs (RFC 5545 RRULE).", "FREQ=WEEKLY;BYDAY=SU"),
            "zone": text("The time zone (IANA) of its times. By default UTC.", "Europe/Berlin", longest=100),
        },
        description="Says exactly one of to and for.",
    )


def _window() -> Schema:
    said = "How long back it counts, by the clock or on a calendar; or the present day, week, month, quarter or year."
    return {"description": said, "anyOf": [ref("Duration"), _period(), _business()], "default": "30d"}


def _business() -> Schema:
    required = {
        "last": described(ref("Duration"), "How much of the time of the calendar it counts back."),
        "calendar": described(ref("Name"), "The calendar that says which time that is."),
    }
    return fields(required, {}, description="The last business time.")


def _period() -> Schema:
    period = choice_of("What it is divided into.", *(one.value for one in Period))
    zone = text("The time zone (IANA) in which it begins. By default UTC.", "Europe/Berlin", longest=100)
    return fields({"period": period}, {"zone": zone}, description="The periods of a calendar.")
