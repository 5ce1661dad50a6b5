"""Paths into an event document: `data.order_id`, `resource.service.version`, `subject`.

OpenTelemetry attribute names contain dots, so at every step the longest remaining name is tried before a shorter
one: `data.order.id` finds `{"order.id": …}` as well as `{"order": {"id": …}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Lookup = Callable[[Mapping[str, Any]], Any]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()


def compile_path(path: str) -> Lookup:
    """A function that returns what `path` names in an event document, or MISSING."""
    head, _, rest = path.partition(".")
    if not rest:
        return lambda document: document.get(path, MISSING)

    def lookup(document: Mapping[str, Any]) -> Any:
        branch = document.get(head)
        if type(branch) is not dict:
            return MISSING
        found = branch.get(rest, MISSING)
        if found is not MISSING or "." not in rest:
            return found
        return _descend(branch, rest)

    return lookup


def _descend(branch: Any, rest: str) -> Any:
    if type(branch) is list:
        head, _, tail = rest.partition(".")
        if not head.isdecimal() or int(head) >= len(branch):
            return MISSING
        return _descend(branch[int(head)], tail) if tail else branch[int(head)]
    if type(branch) is not dict:
        return MISSING
    if rest in branch:
        return branch[rest]
    cut = rest.rfind(".")
    while cut > 0:
        child = branch.get(rest[:cut])
        if child is not None:
            found = _descend(child, rest[cut + 1 :])
            if found is not MISSING:
                return found
        cut = rest.rfind(".", 0, cut)
    return MISSING


Many = Callable[[Mapping[str, Any]], list[tuple[str, Any]]]


def compile_many(paths: list[tuple[str, tuple[str, ...]]]) -> Many:
    """A function that returns what is there of several named lookups, `(name, value)` in their order; null is absent.

    Nearly all paths are one level under `data`, and this runs for every event: those are read from the dict at once.
    """
    plain = all(
        len(choices) == 1 and choices[0].count(".") == 1 and choices[0].startswith("data.") for _, choices in paths
    )
    if plain:
        members = [(name, choices[0][5:]) for name, choices in paths]

        def of_data(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
            data = document.get("data")
            if type(data) is not dict:
                return []
            found = []
            for name, member in members:
                value = data.get(member)
                if value is not None:
                    found.append((name, value))
            return found

        return of_data
    lookups = [(name, compile_first(choices)) for name, choices in paths]

    def of_document(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
        found = []
        for name, lookup in lookups:
            value = lookup(document)
            if value is not MISSING and value is not None:
                found.append((name, value))
        return found

    return of_document


def compile_first(paths: tuple[str, ...]) -> Lookup:
    """Like `compile_path`, for the first of several paths that is present and not null."""
    lookups = [compile_path(path) for path in paths]
    if len(lookups) == 1:
        return lookups[0]

    def first(document: Mapping[str, Any]) -> Any:
        for lookup in lookups:
            found = lookup(document)
            if found is not MISSING and found is not None:
                return found
        return MISSING

    return first
