"""Filters over event documents: the dialects of CloudEvents Subscriptions 1.0 (exact, prefix, suffix, all, any, not).

A filter is reduced once by what many events have in common, such as their source and type — most decide there — and
only what is left runs per event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from slo_rules.paths import MISSING, compile_path

SPAN_TYPE = "otel.span"


class Compare(msgspec.Struct, frozen=True, tag="compare"):
    """One attribute compared with one text. Numbers and booleans compare by their JSON spelling."""

    how: Literal["exact", "prefix", "suffix"]
    path: str
    text: str

    def holds(self, found: Any) -> bool:
        """Whether the value found at the path satisfies this comparison; a missing or null value never does."""
        if found is MISSING or found is None:
            return False
        text = found if type(found) is str else spell(found)
        if text is None:
            return False
        if self.how == "exact":
            return text == self.text
        return text.startswith(self.text) if self.how == "prefix" else text.endswith(self.text)


class All(msgspec.Struct, frozen=True, tag="all"):
    """Every one of the parts holds."""

    parts: tuple[Filter, ...]


class Any_(msgspec.Struct, frozen=True, tag="any"):  # noqa: N801 — `Any` is typing's
    """At least one of the parts holds."""

    parts: tuple[Filter, ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """The part does not hold."""

    part: Filter


Filter = Compare | All | Any_ | Not
Residue = Filter | bool


def spell(value: Any) -> str | None:
    """The JSON spelling of a scalar (`true`, `42`, `1.5`); None for lists and objects."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value) if isinstance(value, (str, int, float)) else None


def reduce(condition: Filter, known: Mapping[str, str]) -> Residue:
    """What is left of a filter where these paths are known: True, False, or a smaller filter."""
    match condition:
        case Compare(path=path):
            found = known.get(path)
            return condition if found is None else condition.holds(found)
        case Not(part):
            rest = reduce(part, known)
            return not rest if isinstance(rest, bool) else Not(rest)
        case All(parts):
            return _reduce_parts(parts, known, absorbing=False)
        case Any_(parts):
            return _reduce_parts(parts, known, absorbing=True)


def _reduce_parts(parts: tuple[Filter, ...], known: Mapping[str, str], *, absorbing: bool) -> Residue:
    left: list[Filter] = []
    for part in parts:
        rest = reduce(part, known)
        if isinstance(rest, bool):
            if rest is absorbing:
                return absorbing
        else:
            left.append(rest)
    if not left:
        return not absorbing
    if len(left) == 1:
        return left[0]
    return Any_(tuple(left)) if absorbing else All(tuple(left))


def holds(condition: Residue, document: Mapping[str, Any]) -> bool:
    """Whether the event document satisfies the filter."""
    match condition:
        case bool():
            return condition
        case Compare():
            return condition.holds(_lookup(condition.path)(document))
        case All(parts):
            return all(holds(part, document) for part in parts)
        case Any_(parts):
            return any(holds(part, document) for part in parts)
        case Not(part):
            return not holds(part, document)


def exact_value(condition: Filter, path: str) -> str | None:
    """The one text that `path` must have for the filter to hold, where the filter says so plainly."""
    match condition:
        case Compare(how="exact", path=found, text=text) if found == path:
            return text
        case All(parts):
            found_in = (exact_value(part, path) for part in parts)
            return next((value for value in found_in if value is not None), None)
        case Any_(parts):
            texts = {exact_value(part, path) for part in parts}
            return texts.pop() if len(texts) == 1 else None
        case _:
            return None


_lookups: dict[str, Any] = {}


def _lookup(path: str) -> Any:
    lookup = _lookups.get(path)
    if lookup is None:
        lookup = _lookups[path] = compile_path(path)
    return lookup
