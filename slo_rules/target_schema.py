"""The part of the schema of definition files that is about targets."""

from __future__ import annotations

from slo_rules.schema_words import Schema
from slo_rules.target_fields import COMMON, TARGET_KINDS, TargetField, TargetKind


def target_spec() -> Schema:
    """A mapping of exactly one kind to its fields."""
    return {
        "description": f"Says exactly one of {', '.join(TARGET_KINDS)}.",
        "type": "object",
        "properties": {name: _kind(kind) for name, kind in TARGET_KINDS.items()},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _kind(kind: TargetKind) -> Schema:
    said: Schema = {
        "description": kind.description,
        "type": "object",
        "properties": {one.name: _field(one) for one in (*kind.fields, *COMMON)},
        "additionalProperties": False,
    }
    if needed := [one.name for one in kind.fields if one.needed]:
        said["required"] = needed
    return said


def _field(one: TargetField) -> Schema:
    text: Schema = {"type": "string", "minLength": 1}
    if one.several:
        text = {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}
    elif not one.needed:
        text["type"] = ["string", "null"]
    said: Schema = {"description": one.description} | text
    if one.default:
        said["default"] = one.default
    return said | ({"examples": [one.example]} if one.example else {})
