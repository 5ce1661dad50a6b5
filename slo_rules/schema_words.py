"""The small words of the JSON Schema of definition files: texts, names, durations, deadlines, paths, calendars' hours.

Each allows whatever the loader reads, null where a field may be left out, and numbers where a text may be one.
"""

from __future__ import annotations

from typing import Any

from slo_rules.deadline_rules import RECURRING_SPELLINGS, SPELLINGS
from slo_rules.reading import NAME

Schema = dict[str, Any]

MOST_ENTRIES = 200
"""The entries of a list, where nothing else is said."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def any_case(words: str) -> str:
    """A pattern without flags: JSON Schema has none."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in words)


_TIME = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]|24:00"
_GAP = r"[\s_]+"
_COUNT = rf"[0-9]{{1,6}}{_GAP}{any_case('business')}{_GAP}{any_case('day')}[sS]?"
_PERIOD = "|".join(any_case(period) for period in ("week", "month", "quarter", "year"))
_END = rf"{any_case('end')}{_GAP}{any_case('of')}{_GAP}(?:{_PERIOD})(?:[\s_]*[+\-−–][\s_]*{_COUNT})?"
_EVERY_DAY = rf"(?:{any_case('every')}{_GAP})?{any_case('business')}{_GAP}{any_case('day')}"
_RULE = "|".join(
    (
        rf"{any_case('same')}{_GAP}(?:{any_case('business')}{_GAP})?{any_case('day')}",
        rf"{any_case('next')}{_GAP}{any_case('business')}{_GAP}{any_case('day')}",
        _COUNT,
        _END,
    )
)
_WEEKDAY = r"\s*(?:" + "|".join(any_case(day) for day in (*_LONG_DAYS, *_DAYS)) + r")\s*"
_WEEKDAYS = rf"{_WEEKDAY}(?:[-–]{_WEEKDAY})?"

DURATION: Schema = {
    "title": "Duration",
    "description": "90s, 15m, 4h, 2d, 1w or 1h30m. A day has 24 hours; on a calendar only open time counts.",
    "type": "string",
    "pattern": r"^(?=.*[1-9])(?:[0-9]{1,6}[wdhms])+$",
    "patternErrorMessage": "Write a duration such as 90s, 15m, 4h, 2d or 1h30m.",
    "examples": ["15m", "4h", "1h30m", "2d"],
}
LENGTH: Schema = {
    "title": "Duration or named deadline",
    "description": f"A duration such as 4h, or, with a calendar, one of: {'; '.join(SPELLINGS)}.",
    "type": "string",
    "pattern": rf"{DURATION['pattern']}|^[\s_]*(?:{_RULE})(?:{_GAP}(?:{_TIME}))?[\s_]*$",
    "patternErrorMessage": f"Write a duration such as 4h, or one of: {'; '.join(SPELLINGS)}.",
    "examples": ["4h", "1h30m", *SPELLINGS],
}
SCHEDULE: Schema = {
    "title": "Schedule",
    "description": f"One of: {'; '.join(RECURRING_SPELLINGS)}.",
    "type": "string",
    "pattern": rf"^[\s_]*(?:{_EVERY_DAY}|{_END})(?:{_GAP}(?:{_TIME}))?[\s_]*$",
    "patternErrorMessage": f"Write one of: {'; '.join(RECURRING_SPELLINGS)}.",
    "examples": [*RECURRING_SPELLINGS],
}
NAMED: Schema = {
    "title": "Name",
    "description": "Lower-case letters, digits, -, _ and ., at most 63 characters.",
    "type": ["string", "number"],
    "pattern": f"^(?:{NAME.pattern})$",
    "patternErrorMessage": "Use lower-case letters, digits, -, _ or ., at most 63 characters.",
}
PATH: Schema = {
    "title": "Path",
    "description": "source, type, id, subject, the name of an extension, or a path below data or resource.",
    "type": ["string", "number"],
    "minLength": 1,
    "maxLength": 300,
    "pattern": r"^(?!(?:data|resource)$)[^.]+(?:\.[^.]+)*$",
    "patternErrorMessage": "Write a path such as data.order_id, resource.service.name or source.",
    "examples": ["data.order_id", "resource.service.version", "subject"],
}
PATHS: Schema = {
    "title": "Path or paths",
    "description": "One path, or several of which the first that is present and not null wins.",
    "anyOf": [
        {"$ref": "#/$defs/Path"},
        {"type": "array", "items": {"$ref": "#/$defs/Path"}, "minItems": 1, "maxItems": MOST_ENTRIES},
    ],
}
SCALAR: Schema = {"type": ["string", "number", "boolean"], "minLength": 1}
INTERVAL: Schema = {
    "title": "Open hours",
    "description": "08:00-17:30, or 22:00-06:00 when it ends on the next day; the whole day is 00:00-24:00.",
    "type": "string",
    "pattern": rf"^\s*(?:{_TIME}) ?[-–] ?(?:{_TIME})\s*$",
    "patternErrorMessage": "Write hours such as 08:00-17:30.",
    "examples": ["08:00-12:00", "13:00-17:30", "22:00-06:00"],
}
DATE: Schema = {
    "title": "Date",
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "patternErrorMessage": "Write a date such as 2026-12-24.",
    "examples": ["2026-12-24"],
}
WEEKDAYS: Schema = {
    "pattern": rf"^{_WEEKDAYS}(?:,{_WEEKDAYS})*$",
    "patternErrorMessage": "Write weekdays such as mon, mon-thu or mon,wed.",
}


def ref(name: str) -> Schema:
    """What stands under `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def text(description: str, *examples: str, longest: int = 500) -> Schema:
    """A text that says something; a number is read as its spelling."""
    said: Schema = {"description": description, "type": ["string", "number"]}
    said |= {"pattern": r"[^ \t\r\n]", "maxLength": longest}
    return said | ({"examples": list(examples)} if examples else {})


def flag(description: str, *, default: bool) -> Schema:
    """True or false."""
    return {"description": description, "type": "boolean", "default": default}


def choice_of(description: str, *words: str, default: str | None = None) -> Schema:
    """One of these words."""
    said: Schema = {"description": description, "type": "string", "enum": list(words)}
    return said if default is None else said | {"default": default}


def list_of(items: Schema, description: str = "", *, least: int = 0, most: int = MOST_ENTRIES) -> Schema:
    """A list with its bounds."""
    said: Schema = {"description": description} if description else {}
    said |= {"type": "array", "items": items, "maxItems": most}
    return said | ({"minItems": least} if least else {})


def described(schema: Schema, description: str, **more: Any) -> Schema:
    """The same with words of its own; what a reference leads to stays beside them."""
    return schema | {"description": description} | more


def absent_or(schema: Schema) -> Schema:
    """A field that may be left out may be null, for the loader reads both alike."""
    kind = schema.get("type")
    if kind is None:
        words = {key: value for key, value in schema.items() if key in ("title", "description", "default", "examples")}
        rest = {key: value for key, value in schema.items() if key not in words}
        return words | {"anyOf": [rest, {"type": "null"}]}
    kinds = [kind] if isinstance(kind, str) else kind
    nullable = schema | {"type": [*kinds, "null"]}
    return nullable | {"enum": [*schema["enum"], None]} if "enum" in schema else nullable


def fields(required: dict[str, Schema], optional: dict[str, Schema] | None = None, **more: Any) -> Schema:
    """A mapping with these fields and no others."""
    said: Schema = {"type": "object", **more}
    said["properties"] = required | {name: absent_or(schema) for name, schema in (optional or {}).items()}
    if required:
        said["required"] = list(required)
    return said | {"additionalProperties": False}


def mapping_of(values: Schema, names: Schema | None = None, description: str = "", **more: Any) -> Schema:
    """A mapping with names of its own."""
    said: Schema = {"description": description} if description else {}
    return said | {"type": "object", "propertyNames": names or {}, "additionalProperties": values, **more}
