"""What stands where in the documents of a log: for each path, how many events have it, and what they say there.

Of a path with very many values a sample is kept, chosen by the value and not by the event: what is known of a value
that is kept is all that the log says of it. The choice depends on the values alone, not on their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

from slo_rules.discovery import Activity, activity_of
from slo_rules.event import Event
from slo_rules.filters import spell

MAX_PATHS = 400
MAX_VALUES = 2000
MAX_DEPTH = 6
LONGEST_PATH = 300
LONGEST_VALUE = 200
_DIGEST_BITS = 32

_ENVELOPE = frozenset(
    (
        *("specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "data_base64"),
        *("traceparent", "tracestate", "service", "name", "kind", "status", "duration_ms"),
    )
)
"""What is an event's own, and says nothing of the business object."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?")


class Told:
    """What is known of one value of a path: in how many events it stands, and of which kinds."""

    __slots__ = ("activities", "events")

    def __init__(self) -> None:
        self.events = 0
        self.activities: set[Activity] = set()


class PathFacts:
    """One path. `values` holds every value whose digest ends in `level` zero bits: with level 0, all of them."""

    __slots__ = ("activities", "echoes", "events", "floats", "level", "times", "values")

    def __init__(self) -> None:
        self.events = 0
        self.floats = 0
        self.times = 0
        self.echoes = 0
        self.activities: set[Activity] = set()
        self.values: dict[str, Told] = {}
        self.level = 0

    @property
    def distinct(self) -> int:
        """How many values there are; with a level above 0 an estimate."""
        return len(self.values) << self.level

    def note(self, value: str | int | float | bool, activity: Activity) -> None:  # noqa: PYI041 — JSON tells them apart
        """Take in what one event says here."""
        text = spell(value) or ""
        self.events += 1
        self.activities.add(activity)
        if isinstance(value, str):
            self.times += _TIME.fullmatch(text) is not None
        elif isinstance(value, float) and not value.is_integer():
            self.floats += 1
        self.echoes += text == activity.type
        text = text[:LONGEST_VALUE]
        if self.level and not self._keeps(text):
            return
        told = self.values.get(text)
        if told is None:
            told = self.values[text] = Told()
            while len(self.values) > MAX_VALUES and self.level < _DIGEST_BITS:
                self.level += 1
                self.values = {one: known for one, known in self.values.items() if self._keeps(one)}
        told.events += 1
        told.activities.add(activity)

    def _keeps(self, text: str) -> bool:
        return crc32(text.encode("utf-8", "surrogatepass")) & ((1 << self.level) - 1) == 0


class Survey:
    """All paths of the events observed, the first MAX_PATHS of them."""

    def __init__(self) -> None:
        self.events = 0
        self.paths: dict[str, PathFacts] = {}

    def observe(self, event: Event) -> None:
        """Take an event in."""
        self.events += 1
        activity = activity_of(event)
        for path, value in _scalars(event.document, "", 0):
            facts = self.paths.get(path)
            if facts is None:
                if len(self.paths) >= MAX_PATHS or not is_path(path):
                    continue
                facts = self.paths[path] = PathFacts()
            facts.note(value, activity)


def is_path(text: str) -> bool:
    """Whether a definition may name this path."""
    if not text.strip() or len(text) > LONGEST_PATH or "" in text.split(".") or text in ("data", "resource"):
        return False
    return is_writable(text)


def is_writable(text: str) -> bool:
    """Whether a definition file can hold the text: it is not empty, and has no NUL and no half of a surrogate pair."""
    return bool(text) and "\x00" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def _scalars(branch: Mapping[str, Any], head: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in branch.items():
        if not head and name in _ENVELOPE:
            continue
        if type(value) is dict:
            if depth < MAX_DEPTH:
                yield from _scalars(value, f"{head}{name}.", depth + 1)
        elif isinstance(value, (str, int, float)) and value != "":
            yield head + name, value
