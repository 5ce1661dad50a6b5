"""As much of JSON Schema 2020-12 as the schema of definition files uses; any other word is an error."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

SILENT = {"title", "description", "default", "examples", "patternErrorMessage", "$schema", "$defs"}
TYPES: dict[str, Any] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """In ECMAScript `$` is the end of the text, not the place before a last line end."""
    return re.compile(re.sub(r"(?<!\\)\$(?!\])", r"\\Z", pattern))


def valid(value: Any, schema: Any, root: dict[str, Any]) -> bool:
    """Whether the value satisfies the schema."""
    if isinstance(schema, bool):
        return schema
    return all(_holds(word, value, schema, root) for word in schema if word not in SILENT)


def _holds(word: str, value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    said = schema[word]
    number = TYPES["number"](value)
    match word:
        case "$ref":
            return valid(value, root["$defs"][said.removeprefix("#/$defs/")], root)
        case "type":
            return any(TYPES[one](value) for one in ([said] if isinstance(said, str) else said))
        case "const":
            return type(value) is type(said) and value == said
        case "enum":
            return any(type(value) is type(one) and value == one for one in said)
        case "anyOf":
            return any(valid(value, one, root) for one in said)
        case "oneOf":
            return sum(valid(value, one, root) for one in said) == 1
        case "not":
            return not valid(value, said, root)
        case "pattern":
            return not isinstance(value, str) or _compiled(said).search(value) is not None
        case "minLength":
            return not isinstance(value, str) or len(value) >= said
        case "maxLength":
            return not isinstance(value, str) or len(value) <= said
        case "minimum":
            return not number or value >= said
        case "maximum":
            return not number or value <= said
        case "exclusiveMinimum":
            return not number or value > said
        case "exclusiveMaximum":
            return not number or value < said
        case "items":
            return not isinstance(value, list) or all(valid(one, said, root) for one in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= said
        case "maxItems":
            return not isinstance(value, list) or len(value) <= said
    if not isinstance(value, dict):
        assert word in ("properties", "required", "additionalProperties", "propertyNames", *_SIZES), word
        return True
    match word:
        case "properties":
            return all(valid(value[name], one, root) for name, one in said.items() if name in value)
        case "required":
            return all(name in value for name in said)
        case "additionalProperties":
            others = value.keys() - schema.get("properties", {}).keys()
            return all(valid(value[name], said, root) for name in others)
        case "propertyNames":
            return all(valid(name, said, root) for name in value)
        case "minProperties":
            return len(value) >= said
        case "maxProperties":
            return len(value) <= said
    raise AssertionError(f"unknown word {word!r}")


_SIZES = ("minProperties", "maxProperties")
