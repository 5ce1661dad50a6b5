"""What the JSON Schema of definition files says of a source."""

from __future__ import annotations

from slo_rules import schema_words as words
from slo_rules.durations import format_duration
from slo_rules.expectation import DEFAULT_OPENS
from slo_rules.schema_words import Schema, described, fields, list_of, ref, text


def source_spec() -> Schema:
    """The spec of a document of this kind."""
    expect: Schema = {
        "description": "What is expected of all it sends, or a list, with a type for what is expected of one type.",
        "anyOf": [ref("Expectation"), list_of(ref("Expectation"), least=1)],
        "examples": [{"every": "15m", "calendar": "emea-office"}],
    }
    silent = described(ref("Duration"), "Short for expect: {every: …}. By default it never counts as silent.")
    skew = described(ref("Duration"), "How far its clock may be off. By default 5m.")
    adapter = described(ref("Adapter"), "How it is received where it sends in a form of its own.")
    said = {"silent_after": silent, "expect": expect, "skew": skew, "adapter": adapter}
    return fields({}, said, title="Source")


def expectation() -> Schema:
    """One expectation; it stands under `$defs`."""
    said = fields(
        {},
        {
            "every": described(ref("Duration"), "Something comes at least so often, on a calendar in its open time."),
            "by": words.SCHEDULE,
            "opens": described(
                ref("Duration"),
                "How long before a moment of the schedule an arrival counts for it.",
                default=format_duration(DEFAULT_OPENS),
            ),
            "calendar": described(ref("Name"), "The calendar it is counted on. A schedule needs one."),
            "type": text("The exact event type of which it is expected. By default all types.", longest=2048),
        },
        title="Expectation",
        description="Says exactly one of every or by.",
    )
    there = [{"required": [one], "properties": {one: {"not": {"type": "null"}}}} for one in ("every", "by")]
    return said | {"oneOf": there}
